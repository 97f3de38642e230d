#include "passes/6_codegen/cpu/LoopsElementwise.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/LoopsNest.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace tenon::cpu {

namespace {

/// A value that is read from memory: where its elements lie for an element of the result.
struct Leaf {
  Value value;
  SmallVector<nn::Dim> strides; // one an axis of the result; 0 where it is broadcast
};

bool isSplat(Value v) {
  DenseElementsAttr contents;
  auto constant = v.getDefiningOp<nn::ConstantOp>();
  return constant && (contents = dyn_cast<DenseElementsAttr>(constant.getValue())) && contents.isSplat();
}

/// The kernel as expressions over leaves; none if it is anything else.
struct Program {
  SmallVector<nn::Dim> dims; // of the results
  SmallVector<Leaf> leaves;
  DenseMap<Value, unsigned> leafOf;

  static std::optional<Program> of(kernel::FuncOp func);

private:
  bool add(Value v);
  bool fits(Value v) const;
  DenseSet<Value> seen;
};

/// Whether `v` broadcasts to the results without anything that only shows at run time.
bool Program::fits(Value v) const {
  auto own = nn::dimsOf(v.getType());
  if (own.size() > dims.size())
    return false;
  for (auto [mine, result] : llvm::zip(own, ArrayRef(dims).take_back(own.size())))
    if (mine != result && !mine.isConstant(1))
      return false;
  return true;
}

bool Program::add(Value v) {
  if (!seen.insert(v).second)
    return true;
  if (!fits(v))
    return false;
  if (isSplat(v))
    return true;
  kernel::View view = kernel::viewOf(v);
  if (isa<BlockArgument>(view.source)) {
    auto own = nn::dimsOf(v.getType());
    MLIRContext *ctx = v.getContext();
    Leaf leaf{v, SmallVector<nn::Dim>(dims.size() - own.size(), nn::Dim::constant(ctx, 0))};
    for (auto [size, result, stride] : llvm::zip(own, ArrayRef(dims).take_back(own.size()), view.strides))
      leaf.strides.push_back(size == result ? stride : nn::Dim::constant(ctx, 0));
    leafOf[v] = leaves.size();
    leaves.push_back(std::move(leaf));
    return true;
  }
  Operation *op = v.getDefiningOp();
  return op->hasTrait<nn::Elementwise>() && canEmitElementwise(op) && llvm::all_of(op->getOperands(), [&](Value o) { return add(o); });
}

std::optional<Program> Program::of(kernel::FuncOp func) {
  Program program;
  ValueRange results = func.terminator().getOperands();
  if (results.empty())
    return std::nullopt;
  program.dims = nn::dimsOf(results[0].getType());
  for (Value result : results)
    if (nn::dimsOf(result.getType()) != program.dims || !program.add(result))
      return std::nullopt;
  return program;
}

/// Consecutive axes of the result that every operand walks with one stride.
struct MergedAxes {
  SmallVector<nn::Dim> sizes;
  SmallVector<SmallVector<nn::Dim>> strides; // [tensor][axis]

  MergedAxes(ArrayRef<nn::Dim> dims, ArrayRef<ArrayRef<nn::Dim>> tensors) {
    strides.resize(tensors.size());
    for (unsigned axis = 0; axis < dims.size(); ++axis) {
      if (dims[axis].isConstant(1))
        continue;
      bool merges = !sizes.empty();
      for (unsigned t = 0; t < tensors.size() && merges; ++t)
        merges = strides[t].back() == tensors[t][axis] * dims[axis];
      if (merges)
        sizes.back() = sizes.back() * dims[axis];
      else
        sizes.push_back(dims[axis]);
      for (unsigned t = 0; t < tensors.size(); ++t) {
        if (merges)
          strides[t].back() = tensors[t][axis];
        else
          strides[t].push_back(tensors[t][axis]);
      }
    }
  }
};

class ElementwiseEmitter {
public:
  ElementwiseEmitter(KernelBuilder &b, kernel::FuncOp func, Program program, int64_t tasks)
      : b(b), func(func), program(std::move(program)), tasks(tasks), evaluator(b) {}

  void emit() {
    SmallVector<SmallVector<nn::Dim>> resultStrides;
    SmallVector<ArrayRef<nn::Dim>> tensors;
    for (unsigned i = 0; i < func.getNumResults(); ++i)
      resultStrides.push_back(func.resultStrides(i));
    for (Leaf &leaf : program.leaves)
      tensors.push_back(leaf.strides);
    for (auto &strides : resultStrides)
      tensors.push_back(strides);
    MergedAxes merged(program.dims, tensors);
    auto memory = [&](Tensor t, unsigned index) {
      t.sizes.clear(), t.strides.clear();
      for (auto [size, stride] : llvm::zip(merged.sizes, merged.strides[index])) {
        t.sizes.push_back(b.dim(size));
        t.strides.push_back(b.dim(stride));
      }
      return t;
    };
    for (auto [i, leaf] : llvm::enumerate(program.leaves))
      leaves.push_back(memory(b.tensorOf(leaf.value), i));
    for (unsigned i = 0; i < func.getNumResults(); ++i)
      results.push_back(memory(b.result(i), program.leaves.size() + i));

    int lanes = evaluator.preferredLanes();
    LoopNest nest = chooseNest(b, merged.sizes, SmallVector<int>(merged.sizes.size(), 0), tasks, lanes);
    hoisted.resize(leaves.size());
    nest.emit(b, evaluator, [&](const Place &place) { hoistLeaves(place); }, [&](const Place &place) { store(place); });
  }

private:
  /// Loads what the loops below do not move, once.
  void hoistLeaves(const Place &place) {
    for (auto [leaf, value] : llvm::zip(leaves, hoisted)) {
      value = {};
      bool moves = false;
      for (auto [i, stride] : llvm::zip(place.index, leaf.strides))
        moves |= Evaluator::isUnknown(i) && !stride.is(0);
      if (!moves)
        value = b.load(leaf, offsetOf(leaf, place));
    }
  }

  Index offsetOf(const Tensor &t, const Place &place) {
    Index offset = t.offset;
    for (auto [i, stride] : llvm::zip(place.index, t.strides))
      if (!stride.is(0))
        offset = b.add(offset, b.mul(i, stride));
    return offset;
  }

  Value load(unsigned i, const Place &place) {
    const Tensor &t = leaves[i];
    Value loaded = hoisted[i];
    if (!loaded) {
      Index offset = offsetOf(t, place), stride = place.lanes ? t.strides[place.axis] : Index(0);
      loaded = !place.lanes || stride.is(0) ? b.load(t, offset)
               : stride.is(1)               ? b.load(t, offset, place.lanes)
                                            : b.loadStrided(t, offset, stride, place.lanes);
    }
    Type type = computeType(t.element);
    if (type != t.element)
      loaded = b.convert(loaded, type);
    return place.lanes ? b.splat(loaded, place.lanes) : loaded;
  }

  Value value(Value v, const Place &place) {
    if (Value known = values.lookup(v))
      return known;
    Value result;
    if (auto leaf = program.leafOf.find(v); leaf != program.leafOf.end()) {
      result = load(leaf->second, place);
    } else if (isSplat(v)) {
      result = evaluator.at(v, Place{SmallVector<Index, 6>(cast<ShapedType>(v.getType()).getRank(), Index(0))});
      result = place.lanes ? b.splat(result, place.lanes) : result;
    } else {
      SmallVector<Value> operands;
      for (Value operand : v.getDefiningOp()->getOperands())
        operands.push_back(value(operand, place));
      result = emitElementwise(b, v.getDefiningOp(), operands);
    }
    return values[v] = result;
  }

  void store(const Place &place) {
    values.clear();
    SmallVector<Value> computed;
    for (auto [t, v] : llvm::zip(results, func.terminator().getOperands())) {
      Value x = value(v, place);
      computed.push_back(computeType(t.element) == t.element ? x : b.convert(x, t.element));
    }
    // All reads come before all writes: a result may overwrite an argument.
    for (auto [t, x] : llvm::zip(results, computed)) {
      Index offset = offsetOf(t, place);
      if (!place.lanes || t.strides[place.axis].is(1))
        b.store(x, t, offset);
      else
        b.storeStrided(x, t, offset, t.strides[place.axis]);
    }
  }

  KernelBuilder &b;
  kernel::FuncOp func;
  Program program;
  int64_t tasks;
  Evaluator evaluator; // for scopes and constants
  SmallVector<Tensor> leaves, results;
  SmallVector<Value> hoisted; // a scalar in storage type where the leaf does not move in the loops below
  DenseMap<Value, Value> values;
};

} // namespace

bool isElementwiseKernel(kernel::FuncOp func) { return Program::of(func).has_value(); }

void emitElementwiseKernel(KernelBuilder &b, kernel::FuncOp func, int64_t tasks) {
  ElementwiseEmitter(b, func, *Program::of(func), tasks).emit();
}

SmallVector<int64_t> elementwiseOverwrites(kernel::FuncOp func) {
  Program program = *Program::of(func);
  SmallVector<int64_t> overwrites;
  llvm::SmallBitVector taken(func.getNumArguments());
  for (unsigned r = 0; r < func.getNumResults(); ++r) {
    int64_t chosen = -1;
    auto type = cast<RankedTensorType>(func.getResultTypes()[r]);
    for (BlockArgument argument : func.getBody().getArguments()) {
      // Every read of the argument is of the whole argument, element by element, in elements of the result's size.
      bool read = false, inPlace = !taken[argument.getArgNumber()];
      for (Leaf &leaf : program.leaves) {
        if (kernel::viewOf(leaf.value).source != argument)
          continue;
        read = true;
        inPlace &= leaf.value == argument;
      }
      auto own = cast<RankedTensorType>(argument.getType());
      inPlace &= nn::dimsOf(own) == nn::dimsOf(type) && own.getElementType().isIntOrFloat() &&
                 own.getElementTypeBitWidth() == type.getElementTypeBitWidth();
      if (read && inPlace && chosen < 0)
        chosen = argument.getArgNumber();
    }
    if (chosen >= 0)
      taken.set(chosen);
    overwrites.push_back(chosen);
  }
  return overwrites;
}

} // namespace tenon::cpu
