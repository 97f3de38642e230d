#include "passes/6_codegen/cpu/LoopsEvaluator.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tenon::cpu {

static bool isElementwise(Operation *op) { return op->hasTrait<nn::Elementwise>(); }

/// Ops whose result element is one element of operand 0, at an index that is arithmetic on the result's.
static bool isIndexMap(Operation *op) {
  return isa<nn::TransposeOp, nn::ReshapeOp, nn::ExpandOp, nn::SliceOp, nn::TileOp, nn::DepthToSpaceOp, nn::SpaceToDepthOp>(op);
}

bool Evaluator::hasLoop(Operation *op) {
  return isa<nn::ReduceOp, nn::ArgReduceOp, nn::PoolOp, nn::ArgPoolOp, nn::SoftmaxOp, nn::LayerNormOp, nn::RMSNormOp, nn::GroupNormOp,
             nn::LRNOp, nn::MatMulOp, nn::ConvOp, nn::ConvTransposeOp, nn::RoiAlignOp>(op);
}

bool Evaluator::canEvaluate(Operation *op) {
  if (isElementwise(op))
    return canEmitElementwise(op);
  if (auto constant = dyn_cast<nn::ConstantOp>(op))
    return canEvaluateConstant(constant);
  if (auto unpack = dyn_cast<kernel::UnpackOp>(op))
    return !unpack.getPacking().getWinograd();
  return isIndexMap(op) || hasLoop(op) ||
         isa<nn::PadOp, nn::ConcatOp, nn::GatherOp, nn::GatherElementsOp, nn::GatherNDOp, nn::OneHotOp, nn::RangeOp,
             nn::ResizeOp, nn::GridSampleOp, nn::BatchNormOp>(op);
}

// --- types and small values

Type Evaluator::typeAt(Value v, int lanes) {
  Type element = computeType(cast<ShapedType>(v.getType()).getElementType());
  if (auto integer = dyn_cast<IntegerType>(element); integer && !integer.isSignless())
    element = IntegerType::get(element.getContext(), integer.getWidth());
  return lanes ? Type(VectorType::get({lanes}, element)) : element;
}

int Evaluator::preferredLanes() { return b.target().lanes(32); }

Value Evaluator::spread(Value v, int lanes) { return lanes && !isa<VectorType>(v.getType()) ? b.splat(v, lanes) : v; }

Value Evaluator::iota(Type element, int lanes) {
  SmallVector<Attribute> values;
  for (int lane = 0; lane < lanes; ++lane)
    values.push_back(isa<FloatType>(element) ? Attribute(FloatAttr::get(element, lane)) : Attribute(IntegerAttr::get(element, lane)));
  return arith::ConstantOp::create(b.ops(), DenseElementsAttr::get(VectorType::get({lanes}, element), values));
}

Value Evaluator::floatOf(Index i, Type type) {
  if (i.isConstant())
    return b.constant(double(i.get()), type);
  return arith::SIToFPOp::create(b.ops(), type, i.dynamic());
}

Value Evaluator::choose(Type type, Value condition, function_ref<Value()> then, function_ref<Value()> otherwise) {
  auto branch = [&](function_ref<Value()> body) {
    Scope scope(*this);
    return KernelBuilder::Values{body()};
  };
  return b.ifElse(condition, type, [&] { return branch(then); }, [&] { return branch(otherwise); })[0];
}

Value Evaluator::indexAt(Value indices, ArrayRef<Index> index) {
  Value element = at(indices, Place{SmallVector<Index, 6>(index)});
  Type i64 = b.ops().getI64Type();
  if (element.getType() == i64)
    return element;
  if (element.getType().getIntOrFloatBitWidth() > 64)
    return arith::TruncIOp::create(b.ops(), i64, element);
  bool isUnsigned = cast<ShapedType>(indices.getType()).getElementType().isUnsignedInteger();
  return isUnsigned ? Value(arith::ExtUIOp::create(b.ops(), i64, element)) : Value(arith::ExtSIOp::create(b.ops(), i64, element));
}

Index Evaluator::wrapped(Value index, Index size) {
  Index plain(index);
  Index positive = b.select(b.lessThan(plain, 0), b.add(plain, size), plain);
  return b.max(b.min(positive, b.sub(size, 1)), 0);
}

// --- what is remembered

Evaluator::Key Evaluator::keyOf(const void *what, int tag, const Place &place) {
  Key key{reinterpret_cast<intptr_t>(what), tag, place.lanes, place.lanes ? place.axis : -1};
  for (Index i : place.index) {
    key.push_back(i.isConstant());
    key.push_back(i.isConstant() ? i.get() : reinterpret_cast<intptr_t>(i.dynamic().getAsOpaquePointer()));
  }
  return key;
}

Value Evaluator::remembered(const Key &key) {
  for (auto &scope : llvm::reverse(scopes))
    if (auto it = scope.find(key); it != scope.end())
      return it->second;
  return {};
}

Value Evaluator::statistic(Operation *op, int tag, const Place &place, function_ref<Value()> emit) {
  Key key = keyOf(op, tag, place);
  if (Value known = remembered(key))
    return known;
  Value value = emit();
  scopes.back()[key] = value;
  return value;
}

Value Evaluator::at(Value v, const Place &place) {
  Key key = keyOf(v.getAsOpaquePointer(), 0, place);
  if (Value known = remembered(key))
    return known;
  Value value = spread(compute(v, place), place.lanes);
  scopes.back()[key] = value;
  return value;
}

// --- evaluation

Value Evaluator::load(const Tensor &t, const Place &place) {
  Index offset = b.at(t, place.index);
  Value loaded;
  if (!place.lanes) {
    loaded = b.load(t, offset);
  } else {
    Index stride = t.strides[place.axis];
    loaded = stride.is(1)   ? b.load(t, offset, place.lanes)
             : stride.is(0) ? b.broadcastLoad(t, offset, place.lanes)
                            : b.loadStrided(t, offset, stride, place.lanes);
  }
  Type compute = computeType(t.element);
  return compute == t.element ? loaded : b.convert(loaded, compute);
}

Value Evaluator::laneByLane(Value v, const Place &place) {
  SmallVector<Value> lanes;
  for (int lane = 0; lane < place.lanes; ++lane) {
    Place one{place.index};
    one.index[place.axis] = b.add(place.index[place.axis], lane);
    lanes.push_back(at(v, one));
  }
  return vector::FromElementsOp::create(b.ops(), cast<VectorType>(typeAt(v, place.lanes)), lanes);
}

Value Evaluator::atOperand(Operation *op, unsigned operand, const Place &place) {
  Place there{SmallVector<Index, 6>(operandIndex(op, operand, place.index))};
  if (place.lanes) {
    int axis = operandAxis(op, operand, place.axis);
    if (axis == kScattered) {
      SmallVector<Value> lanes;
      for (int lane = 0; lane < place.lanes; ++lane) {
        SmallVector<Index, 6> index(place.index);
        index[place.axis] = b.add(index[place.axis], lane);
        lanes.push_back(at(op->getOperand(operand), Place{SmallVector<Index, 6>(operandIndex(op, operand, index))}));
      }
      return vector::FromElementsOp::create(b.ops(), cast<VectorType>(typeAt(op->getOperand(operand), place.lanes)), lanes);
    }
    if (axis != kConstant) {
      there.lanes = place.lanes;
      there.axis = axis;
    }
  }
  return spread(at(op->getOperand(operand), there), place.lanes);
}

Value Evaluator::compute(Value v, const Place &place) {
  if (auto it = provided.find(v); it != provided.end())
    return it->second(place);
  if (isa<BlockArgument>(v) || isa<BlockArgument>(kernel::viewOf(v).source))
    return load(b.tensorOf(v), place);

  Operation *op = v.getDefiningOp();
  if (isElementwise(op)) {
    SmallVector<Value> operands;
    for (unsigned i = 0; i < op->getNumOperands(); ++i)
      operands.push_back(atOperand(op, i, place));
    return emitElementwise(b, op, operands);
  }
  if (isIndexMap(op))
    return atOperand(op, 0, place);
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](nn::ConstantOp constant) { return constantAt(constant, place); })
      .Case([&](kernel::UnpackOp unpack) { return unpackAt(unpack, place); })
      .Case([&](nn::PadOp pad) { return padAt(pad, place); })
      .Case([&](nn::ConcatOp concat) { return concatAt(concat, place); })
      .Case([&](nn::GatherOp gather) { return gatherAt(gather, place); })
      .Case([&](nn::GatherElementsOp gather) { return gatherElementsAt(gather, place); })
      .Case([&](nn::GatherNDOp gather) { return gatherNDAt(gather, place); })
      .Case([&](nn::OneHotOp oneHot) { return oneHotAt(oneHot, place); })
      .Case([&](nn::RangeOp range) { return rangeAt(range, place); })
      .Case([&](nn::ResizeOp resize) { return resizeAt(resize, place); })
      .Case([&](nn::GridSampleOp sample) { return gridSampleAt(sample, place); })
      .Case([&](nn::RoiAlignOp align) { return roiAlignAt(align, place); })
      .Case([&](nn::ReduceOp reduce) { return reduceAt(reduce, place); })
      .Case([&](nn::ArgReduceOp reduce) { return argReduceAt(reduce, place); })
      .Case([&](nn::PoolOp pool) { return poolAt(pool, place); })
      .Case([&](nn::ArgPoolOp pool) { return argPoolAt(pool, place); })
      .Case([&](nn::SoftmaxOp softmax) { return softmaxAt(softmax, place); })
      .Case([&](nn::LayerNormOp norm) { return normAt(norm, place); })
      .Case([&](nn::RMSNormOp norm) { return normAt(norm, place); })
      .Case([&](nn::GroupNormOp norm) { return groupNormAt(norm, place); })
      .Case([&](nn::BatchNormOp norm) { return batchNormAt(norm, place); })
      .Case([&](nn::LRNOp norm) { return lrnAt(norm, place); })
      .Case([&](nn::MatMulOp matmul) { return matmulAt(matmul, place); })
      .Case([&](nn::ConvOp conv) { return convAt(conv, place); })
      .Case([&](nn::ConvTransposeOp conv) { return convTransposeAt(conv, place); });
}

bool Evaluator::lanesAllowed(Value v, int axis, AllowedLanes &known, function_ref<bool(Value)> isProvided) {
  Operation *op = v.getDefiningOp();
  if (axis == kConstant || !op || isProvided(v) || isa<BlockArgument>(kernel::viewOf(v).source))
    return true;
  if (auto it = known.find({v, axis}); it != known.end())
    return it->second;
  // Lane by lane is fine for loads and arithmetic, not where it would multiply a loop.
  bool ok = axis != kScattered || !hasLoop(op);
  for (unsigned i = 0; i < op->getNumOperands() && ok; ++i) {
    int there = axis == kScattered ? kScattered : operandAxis(op, i, axis);
    ok = (there != kScattered || !hasLoop(op)) && lanesAllowed(op->getOperand(i), there, known, isProvided);
  }
  known[{v, axis}] = ok;
  return ok;
}

bool Evaluator::lanesAllowed(Value v, int axis) {
  return lanesAllowed(v, axis, allowed, [&](Value value) { return provided.contains(value); });
}

bool Evaluator::lanesSuit(Value v, int axis) {
  AllowedLanes known;
  return lanesAllowed(v, axis, known, [](Value) { return false; });
}

void Evaluator::hoist(Value v, const Place &place) {
  Operation *op = v.getDefiningOp();
  if (!op || provided.contains(v) || isa<BlockArgument>(kernel::viewOf(v).source))
    return;
  if (!scopes.back().try_emplace(keyOf(v.getAsOpaquePointer(), kHoisted, place)).second)
    return;
  bool known = llvm::none_of(place.index, isUnknown);
  if (known && hasLoop(op)) {
    at(v, place);
    return;
  }
  if (hoistStatistics(op, place))
    return;
  if (known || !(isElementwise(op) || isIndexMap(op)))
    return;
  for (unsigned i = 0; i < op->getNumOperands(); ++i) {
    Place there{SmallVector<Index, 6>(operandIndex(op, i, place.index))};
    if (place.lanes) {
      int axis = operandAxis(op, i, place.axis);
      if (axis == kScattered)
        continue;
      if (axis != kConstant)
        there.lanes = place.lanes, there.axis = axis;
    }
    hoist(op->getOperand(i), there);
  }
}

} // namespace tenon::cpu
