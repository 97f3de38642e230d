// The program below an anchor: from an accumulator to the kernel's results.
#include "passes/6_codegen/cpu/ByteRegisters.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/QuantizedOps.h"
#include "dialects/kernel/ProductMarks.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
bool isRearrangement(Operation *op) { return isa<nn::ReshapeOp, nn::TransposeOp>(op); }

/// Whether `operand` can be read at every position of `shape`.
bool broadcasts(Value operand, ArrayRef<nn::Dim> shape) {
  return nn::dimsOf(operand.getType()).size() <= shape.size() && OperandReader::canRead(operand);
}

/// Whether `value` is made of arguments and sums over them alone, one element for each row of `shape`.
bool isRowValue(Value value, ArrayRef<nn::Dim> shape) {
  SmallVector<nn::Dim> dims = nn::dimsOf(value.getType());
  Operation *op = value.getDefiningOp();
  if (!op || dims.size() != shape.size() || !dims.back().isConstant(1) || ArrayRef(dims).drop_back() != shape.drop_back())
    return false;
  if (auto reduce = dyn_cast<nn::ReduceOp>(op)) {
    bool isLast = reduce.getAxes() == ArrayRef<int64_t>{int64_t(dims.size()) - 1} && reduce.getKeepDims();
    return isLast && reduce.getKind() == nn::ReduceKind::Sum && isa<BlockArgument>(reduce.getInput()) &&
           nn::dimsOf(reduce.getInput().getType()).back().isConstant() && getElementTypeOrSelf(reduce.getInput().getType()).isF32();
  }
  return canEmitElementwise(op) && llvm::all_of(op->getOperands(), [&](Value v) { return OperandReader::canRead(v) || isRowValue(v, shape); });
}

/// The value of the program whose pixels `op` sums up along the rows of an image, through a cast or not; null for other ops.
Value pixelsSummedBy(nn::ReduceOp op) {
  constexpr int64_t kRank = 4, kColumns = 2;
  auto cast = op.getInput().getDefiningOp<nn::CastOp>();
  bool isAlongRows = op.getKind() == nn::ReduceKind::Sum && op.getKeepDims() && op.getAxes() == ArrayRef<int64_t>{kColumns} &&
                     nn::dimsOf(op.getInput().getType()).size() == kRank && getElementTypeOrSelf(op.getType()).isF32();
  if (!isAlongRows)
    return {};
  return cast ? cast.getInput() : op.getInput();
}

/// The value of the program whose elements `op` sums up, through the reshape and the cast before it; null for other ops. Where `anchor` is a filter of each
/// channel these are pixels, of products neighbours.
Value summedBy(nn::ReduceOp op, Value anchor) {
  if (auto conv = anchor.getDefiningOp<nn::ConvOp>(); conv && conv.getGroups() > 1)
    return pixelsSummedBy(op);
  auto cast = op.getInput().getDefiningOp<nn::CastOp>();
  auto reshape = cast ? cast.getInput().getDefiningOp<nn::ReshapeOp>() : nn::ReshapeOp();
  if (!reshape || !cast.getTo().isF32() || (op.getKind() != nn::ReduceKind::Sum && op.getKind() != nn::ReduceKind::SumSquare) || op.getKeepDims())
    return {};
  SmallVector<nn::Dim> parts = nn::dimsOf(reshape.getType()), dims = nn::dimsOf(reshape.getInput().getType());
  bool isOfParts = parts.size() == dims.size() + 1 && parts.back().isConstant(kernel::kRowPart) && !dims.empty() &&
                   ArrayRef(parts).take_front(dims.size() - 1) == ArrayRef(dims).drop_back();
  return isOfParts && op.getAxes() == ArrayRef<int64_t>{int64_t(dims.size())} ? reshape.getInput() : Value();
}

/// Ops between the program and sums of its rows: the family computes them together with those.
bool leadsToSums(Operation *op, Value anchor) {
  return isa<nn::ReshapeOp, nn::CastOp>(op) && llvm::all_of(op->getUsers(), [anchor](Operation *user) {
           auto reduce = dyn_cast<nn::ReduceOp>(user);
           return reduce ? bool(summedBy(reduce, anchor)) : leadsToSums(user, anchor);
         });
}

/// Collects the ops below `anchor`, up to kernel.return or to `end`; false if one of them is not the epilogue's business.
bool collectProgram(Value anchor, Operation *end, bool rows, Epilogue::Program &program) {
  // Values that depend on the anchor, each with the rearrangement that its positions have gone through.
  llvm::DenseMap<Value, Operation *> frames{{anchor, nullptr}};
  Block *block = anchor.getParentBlock();
  bool ended = false;
  SmallVector<nn::Dim> anchorShape = nn::dimsOf(anchor.getType());
  auto isOfRow = [&](Value operand) { return rows && isRowValue(operand, anchorShape); };
  for (Operation &op : *block) {
    auto depends = [&](Value operand) { return frames.contains(operand); };
    auto isMixed = [&] { // a value of the row and others, that only the program can bring together
      return op.getNumResults() == 1 && nn::dimsOf(op.getResult(0).getType()) == anchorShape && llvm::any_of(op.getOperands(), isOfRow);
    };
    if (llvm::none_of(op.getOperands(), depends) && !isMixed())
      continue;
    if (ended) // what `end` reads is read by something else too
      return false;
    if (&op == end) {
      ended = depends(op.getOperand(0)) && !frames.lookup(op.getOperand(0)) && llvm::none_of(op.getOperands().drop_front(), depends);
      if (!ended)
        return false;
      continue;
    }
    if (isa<kernel::ReturnOp>(op))
      return !end && llvm::all_of(op.getOperands(), [&](Value operand) { return depends(operand) || program.sums.contains(operand); });
    if (auto reduce = dyn_cast<nn::ReduceOp>(op); reduce && rows) {
      Value summed = summedBy(reduce, anchor);
      if (!summed || !frames.contains(summed) || frames.lookup(summed) || nn::dimsOf(summed.getType()) != anchorShape)
        return false;
      program.sums[reduce.getResult()] = summed;
      continue;
    }
    auto follows = llvm::find_if(op.getOperands(), depends);
    Operation *frame = follows == op.operand_end() ? nullptr : frames.lookup(*follows);
    if (rows && leadsToSums(&op, anchor)) {
      frames[op.getResult(0)] = &op; // only such ops and the sums read it
      continue;
    }
    if (isRearrangement(&op)) {
      frame = &op;
    } else {
      if (!canEmitElementwise(&op))
        return false;
      SmallVector<nn::Dim> shape = nn::dimsOf(op.getResult(0).getType());
      for (Value operand : op.getOperands()) {
        if (depends(operand) ? frames.lookup(operand) == frame && nn::dimsOf(operand.getType()) == shape : broadcasts(operand, shape))
          continue;
        if (depends(operand) || frame || !isOfRow(operand))
          return false;
        if (!llvm::is_contained(program.rowValues, operand))
          program.rowValues.push_back(operand);
      }
    }
    frames[op.getResult(0)] = frame;
    program.ops.push_back(&op);
  }
  return ended;
}

/// The anchor's position carried through the rearrangements of the program.
class Frames {
public:
  Frames(KernelBuilder &b, Value anchor, const LanePosition &position) : b(b) { positions[anchor] = position; }

  const LanePosition &of(Value value) const { return positions.find(value)->second; }

  /// False if the lanes do not stay neighbours.
  bool follow(Operation *op, Value input) {
    LanePosition position = of(input);
    if (auto transpose = dyn_cast<nn::TransposeOp>(op)) {
      positions[op->getResult(0)] = transposed(transpose.getPerm(), position);
      return true;
    }
    if (isa<nn::ReshapeOp>(op)) {
      std::optional<LanePosition> after = reshaped(b, nn::dimsOf(input.getType()), nn::dimsOf(op->getResult(0).getType()), position);
      if (!after)
        return false;
      position = *after;
    }
    positions[op->getResult(0)] = position;
    return true;
  }

private:
  KernelBuilder &b;
  llvm::DenseMap<Value, LanePosition> positions;
};
} // namespace

std::optional<Epilogue::Program> Epilogue::programOf(Value anchor, bool rows) {
  Program program;
  return collectProgram(anchor, nullptr, rows, program) ? std::optional(std::move(program)) : std::nullopt;
}

bool Epilogue::matchesUpTo(Value anchor, Operation *reader) {
  Program program;
  return collectProgram(anchor, reader, /*rows=*/false, program);
}

Epilogue::Epilogue(KernelBuilder &b, Value anchor, Operation *end, bool rows) : builder(b), anchor(anchor), end(end), reader(b) {
  collectProgram(anchor, end, rows, program);
  if (end)
    return;
  for (unsigned i = 0, e = b.kernelFunc().getNumResults(); i < e; ++i)
    results.push_back(b.result(i));
  for (auto [i, value] : llvm::enumerate(b.kernelFunc().terminator().getOperands()))
    if (program.sums.contains(value))
      summed.push_back(i);
}

SmallVector<Value> Epilogue::read(int lanes, ArrayRef<Index> position, Value mask) {
  Frames frames(builder, anchor, {SmallVector<Index>(position), int(position.size()) - 1, lanes});
  for (Operation *op : program.ops)
    if (!frames.follow(op, inputOf(op)))
      return {};
  SmallVector<Value> values;
  for (Operation *op : program.ops)
    for (Value operand : op->getOperands())
      if (!isRearrangement(op) && operand != anchor && !provided.contains(operand) && !llvm::is_contained(program.rowValues, operand) &&
          !llvm::is_contained(program.ops, operand.getDefiningOp()))
        values.push_back(reader.readBroadcast(operand, nn::dimsOf(op->getResult(0).getType()), frames.of(op->getResult(0)), mask));
  return values;
}

void Epilogue::store(Value acc, ArrayRef<Index> position, Value mask, ArrayRef<Value> given, RowSum rowSum) {
  LanePosition at{SmallVector<Index>(position), -1, 0};
  if (auto vector = dyn_cast<VectorType>(acc.getType())) {
    at.axis = int(position.size()) - 1;
    at.lanes = vector.getNumElements();
  }
  if (storeAt(acc, at, mask, given, rowSum))
    return;
  // A reshape takes the lanes apart: each goes its own way.
  for (int lane = 0; lane < at.lanes; ++lane) {
    LanePosition one{at.index, -1, 0};
    one.index.back() = builder.add(one.index.back(), lane);
    auto storeOne = [&] { storeAt(builder.extractLane(acc, lane), one, {}, {}, {}); };
    if (mask)
      builder.ifThen(builder.extractLane(mask, lane), storeOne);
    else
      storeOne();
  }
}

/// What `op` gives where it makes numbers of bytes that were quantized here: a cast, less the zero point. The bytes need not be made for it.
static Value stepsAgain(KernelBuilder &b, Operation *op, const llvm::DenseMap<Value, Value> &registers) {
  auto sub = dyn_cast<nn::SubOp>(op);
  auto cast = sub ? sub.getLhs().getDefiningOp<nn::CastOp>() : dyn_cast<nn::CastOp>(op);
  auto quantize = cast && cast.getTo().isF32() ? cast.getInput().getDefiningOp<nn::QuantizeOp>() : nn::QuantizeOp();
  Value x = quantize ? registers.lookup(quantize.getInput()) : Value();
  if (!x || !getElementTypeOrSelf(x).isF32())
    return {};
  double subtracted = 0;
  if (sub) {
    auto constant = sub.getRhs().getDefiningOp<nn::ConstantOp>();
    auto contents = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
    if (!contents || contents.getNumElements() != 1 || !contents.getElementType().isF32())
      return {};
    subtracted = (*contents.value_begin<APFloat>()).convertToFloat();
  }
  return subtracted == double(quantize.getZeroPoint()) ? emitSteps(b, quantize, x) : Value();
}

/// Runs the program on the registers of what it begins with: those of all its values. None if the lanes do not stay neighbours. `given` are operands
/// that were read before.
static std::optional<llvm::DenseMap<Value, Value>> evaluate(KernelBuilder &b, OperandReader &reader, ArrayRef<Operation *> program,
                                                            llvm::function_ref<Value(Operation *)> inputOf, Frames &frames,
                                                            llvm::DenseMap<Value, Value> registers, Value mask, ArrayRef<Value> given) {
  for (Operation *op : program)
    if (!frames.follow(op, inputOf(op)))
      return std::nullopt;
  for (Operation *op : program) {
    if (isRearrangement(op)) {
      registers[op->getResult(0)] = registers.lookup(op->getOperand(0));
      continue;
    }
    if (Value steps = stepsAgain(b, op, registers)) {
      registers[op->getResult(0)] = steps;
      given = given.drop_front(given.empty() ? 0 : op->getNumOperands() - 1); // of a difference the zero point
      continue;
    }
    SmallVector<nn::Dim> shape = nn::dimsOf(op->getResult(0).getType());
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      Value known = registers.lookup(operand);
      if (!known && !given.empty()) {
        known = given.front();
        given = given.drop_front();
      }
      operands.push_back(known ? known : reader.readBroadcast(operand, shape, frames.of(op->getResult(0)), mask));
    }
    registers[op->getResult(0)] = emitElementwise(b, op, operands);
  }
  return registers;
}

Value Epilogue::value(Value acc, ArrayRef<Index> position, Value mask) {
  int lanes = cast<VectorType>(acc.getType()).getNumElements();
  Frames frames(builder, anchor, {SmallVector<Index>(position), int(position.size()) - 1, lanes});
  auto registers = evaluate(builder, reader, program.ops, [&](Operation *op) { return inputOf(op); }, frames, {{anchor, acc}}, mask, {});
  return registers->lookup(end->getOperand(0));
}

bool Epilogue::storeAt(Value acc, const LanePosition &position, Value mask, ArrayRef<Value> given, RowSum rowSum) {
  Frames frames(builder, anchor, position);
  llvm::DenseMap<Value, Value> begin{{anchor, acc}};
  for (auto [value, known] : provided)
    begin[value] = position.lanes ? builder.splat(known, position.lanes) : known;
  auto registers = evaluate(builder, reader, program.ops, [&](Operation *op) { return inputOf(op); }, frames, std::move(begin), mask, given);
  if (!registers)
    return false;

  // Everything has been read: a result may overwrite an operand.
  for (auto [i, value] : llvm::enumerate(builder.kernelFunc().terminator().getOperands())) {
    if (Value summed = program.sums.lookup(value)) {
      rowSum(value.getDefiningOp<nn::ReduceOp>().getKind(), registers->lookup(summed));
      continue;
    }
    const LanePosition &at = frames.of(value);
    const Tensor &result = results[i];
    bool isUnsigned = result.element.isUnsignedInteger();
    Value stored = builder.convert(registers->lookup(value), result.element, isUnsigned, isUnsigned);
    Index stride = at.lanes ? result.strides[at.axis] : Index(1);
    builder.storeStrided(stored, result, builder.at(result, at.index), stride, mask);
  }
  return true;
}

std::optional<Epilogue::Ending> Epilogue::endingOf(Value result) const {
  Ending ending;
  Operation *op = result.getDefiningOp();
  for (; isa_and_nonnull<nn::LookupOp>(op) && llvm::is_contained(program.ops, op); op = op->getOperand(0).getDefiningOp())
    ending.tables.insert(ending.tables.begin(), cast<nn::LookupOp>(op));
  ending.quantize = dyn_cast_or_null<nn::QuantizeOp>(op);
  bool isOurs = ending.quantize && llvm::is_contained(program.ops, op) && computeType(getElementTypeOrSelf(ending.quantize.getInput())).isF32();
  return isOurs ? std::optional(ending) : std::nullopt;
}

/// The part of the program that gives what is quantized at its ends.
SmallVector<Operation *> Epilogue::before(ArrayRef<Ending> endings) const {
  llvm::SmallPtrSet<Operation *, 16> needed;
  SmallVector<Value> open;
  for (Ending ending : endings)
    open.push_back(ending.quantize.getInput());
  while (!open.empty())
    if (Operation *op = open.pop_back_val().getDefiningOp(); llvm::is_contained(program.ops, op) && needed.insert(op).second)
      llvm::append_range(open, op->getOperands());
  SmallVector<Operation *> part;
  llvm::copy_if(program.ops, std::back_inserter(part), [&](Operation *op) { return needed.contains(op); });
  return part;
}

bool Epilogue::storesTogether(int64_t lanes) const {
  if (lanes != builder.target().lanes(32) || !hasByteRegisters(builder.target()) || end || llvm::any_of(program.ops, isRearrangement))
    return false;
  return llvm::all_of(builder.kernelFunc().terminator().getOperands(), [&](Value result) { return endingOf(result).has_value(); });
}

void Epilogue::storeTogether(ValueRange accs, int64_t across, llvm::function_ref<SmallVector<Index>(int64_t)> position,
                             llvm::function_ref<Value(int64_t)> mask) {
  SmallVector<Ending> endings;
  for (Value result : builder.kernelFunc().terminator().getOperands())
    endings.push_back(*endingOf(result));
  SmallVector<Operation *> numbers = before(endings);
  for (int64_t first = 0, total = accs.size(); first < total; first += kTogether) {
    int64_t count = std::min(kTogether, total - first);
    SmallVector<SmallVector<Value>> together(endings.size());
    for (int64_t i = first; i < first + count; ++i) {
      SmallVector<Index> at = position(i);
      Frames frames(builder, anchor, {at, int(at.size()) - 1, builder.target().lanes(32)});
      auto registers = evaluate(builder, reader, numbers, [&](Operation *op) { return inputOf(op); }, frames, {{anchor, accs[i]}}, mask(i), {});
      for (auto [values, ending] : llvm::zip_equal(together, endings))
        values.push_back(registers->lookup(ending.quantize.getInput()));
    }
    for (auto [result, values, ending] : llvm::zip_equal(results, together, endings)) {
      Value last = values.back();
      values.resize(kTogether, last);
      Value bytes = quantizeTogether(builder, ending.quantize, values);
      for (nn::LookupOp table : ending.tables)
        bytes = lookUpTogether(builder, table, bytes);
      storeParts(bytes, result, first, count, across, position, mask);
    }
  }
}

/// Registers [first, first + count), which are bytes now, neighbours at once.
void Epilogue::storeParts(Value bytes, const Tensor &result, int64_t first, int64_t count, int64_t across,
                          llvm::function_ref<SmallVector<Index>(int64_t)> position, llvm::function_ref<Value(int64_t)> mask) {
  Index stride = result.strides.back();
  int64_t lanes = builder.target().lanes(32);
  for (int64_t i = first, run; i < first + count; i += run) {
    auto continues = [&](int64_t next) { return next < first + count && next % across && stride.is(1) && !mask(i) && !mask(next); };
    for (run = 1; continues(i + run);)
      ++run;
    builder.storeStrided(partOf(builder, bytes, (i - first) * lanes, run * lanes), result, builder.at(result, position(i)), stride, mask(i));
  }
}

/// The operand whose position an op takes over.
Value Epilogue::inputOf(Operation *op) const {
  for (Value operand : op->getOperands())
    if (operand == anchor || llvm::is_contained(program.ops, operand.getDefiningOp()))
      return operand;
  return anchor; // of values of the row
}

void Epilogue::prefetch(ArrayRef<Index> position) {
  Frames frames(builder, anchor, {SmallVector<Index>(position), -1, 0});
  for (Operation *op : program.ops)
    if (!frames.follow(op, inputOf(op)))
      return;
  for (Operation *op : program.ops) {
    SmallVector<nn::Dim> shape = nn::dimsOf(op->getResult(0).getType());
    for (Value operand : op->getOperands())
      if (std::optional<Tensor> memory = reader.memoryOf(operand, shape))
        builder.prefetch(*memory, builder.at(*memory, frames.of(op->getResult(0)).index));
  }
  for (auto [result, value] : llvm::zip_equal(results, builder.kernelFunc().terminator().getOperands()))
    builder.prefetch(result, builder.at(result, frames.of(value).index), /*locality=*/2, /*write=*/true);
}

} // namespace tenon::cpu
