#include "passes/6_codegen/cpu/OperandReader.h"
#include "passes/6_codegen/cpu/Elementwise.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
bool isArgument(Value value) { return isa<BlockArgument>(kernel::viewOf(value).source); }

/// The position of the operand that is meant by `position` in `shape`; lanes are given up where the operand does not vary along them.
/// `condition` receives, where only the run time knows whether the lane axis is broadcast, the axis in question.
LanePosition broadcastPosition(KernelBuilder &b, ArrayRef<nn::Dim> operand, ArrayRef<nn::Dim> shape, const LanePosition &position,
                               int &unknownAxis) {
  int lead = int(shape.size()) - int(operand.size());
  LanePosition result{{}, -1, position.lanes};
  unknownAxis = -1;
  for (int axis = 0; axis < int(operand.size()); ++axis) {
    nn::Dim size = operand[axis], wanted = shape[axis + lead];
    Index index = position.index[axis + lead];
    bool hasLanes = position.axis == axis + lead;
    if (size == wanted) {
      result.index.push_back(index);
      result.axis = hasLanes ? axis : result.axis;
    } else if (size.isConstant(1)) {
      result.index.push_back(Index(0));
    } else {
      result.index.push_back(b.select(b.equal(b.dim(size), 1), Index(0), index));
      result.axis = hasLanes ? axis : result.axis;
      unknownAxis = hasLanes && !size.isConstant() ? axis : unknownAxis;
    }
  }
  if (result.axis < 0)
    result.lanes = 0;
  return result;
}
} // namespace

bool OperandReader::canRead(Value value) {
  if (isArgument(value))
    return true;
  Operation *op = value.getDefiningOp();
  if (auto constant = dyn_cast_or_null<nn::ConstantOp>(op)) {
    if (isa<nn::DimsAttr>(constant.getValue()))
      return nn::numElements(constant.getType()).isConstant(1);
    return isa<DenseElementsAttr>(constant.getValue());
  }
  // An expand that may or may not broadcast is no view.
  bool reads = op && (canEmitElementwise(op) || isa<nn::ExpandOp>(op));
  return reads && llvm::all_of(op->getOperands(), canRead);
}

const Tensor &OperandReader::memory(Value value) {
  auto known = memories.find(value);
  if (known == memories.end())
    known = memories.try_emplace(value, b.tensorOf(value)).first;
  return known->second;
}

std::optional<Tensor> OperandReader::memoryOf(Value value, ArrayRef<nn::Dim> shape) {
  if (!isArgument(value) || ArrayRef(nn::dimsOf(value.getType())) != shape)
    return std::nullopt;
  return memory(value);
}

Value OperandReader::readMemory(const Tensor &memory, const LanePosition &position, Value mask) {
  Index offset = b.at(memory, position.index);
  Type type = computeType(memory.element);
  bool fromUnsigned = memory.element.isUnsignedInteger();
  auto one = [&] { return b.convert(b.load(memory, offset), type, fromUnsigned); };
  if (!position.lanes || memory.strides[position.axis].is(0))
    return one();
  Value lanes = b.loadStrided(memory, offset, memory.strides[position.axis], position.lanes, mask);
  return b.convert(lanes, type, fromUnsigned);
}

Value OperandReader::readConstant(nn::ConstantOp op, const LanePosition &position, Value mask) {
  Type element = getElementTypeOrSelf(op.getType()), type = computeType(element);
  if (auto dims = dyn_cast<nn::DimsAttr>(op.getValue()))
    return b.convert(b.value(b.dim(dims.dims().front())), type);
  auto contents = cast<DenseElementsAttr>(op.getValue());
  if (contents.isSplat()) {
    if (isa<FloatType>(element))
      return b.constant(contents.getSplatValue<APFloat>().convertToDouble(), type);
    return b.integer(contents.getSplatValue<APInt>().getSExtValue(), type);
  }
  if (!memories.contains(op.getResult())) {
    Tensor table = b.table(contents);
    Index stride(1);
    table.strides.clear();
    for (int64_t size : llvm::reverse(cast<ShapedType>(op.getType()).getShape())) {
      table.strides.insert(table.strides.begin(), stride);
      stride = b.mul(stride, size);
    }
    table.sizes = b.sizesOf(op.getResult());
    memories.try_emplace(op.getResult(), table);
  }
  return readMemory(memory(op.getResult()), position, mask);
}

Value OperandReader::read(Value value, const LanePosition &position, Value mask) {
  if (isArgument(value))
    return readMemory(memory(value), position, mask);
  Operation *op = value.getDefiningOp();
  if (auto constant = dyn_cast<nn::ConstantOp>(op))
    return readConstant(constant, position, mask);
  SmallVector<Value> operands;
  SmallVector<nn::Dim> shape = nn::dimsOf(value.getType());
  for (Value operand : op->getOperands())
    operands.push_back(readBroadcast(operand, shape, position, mask));
  return isa<nn::ExpandOp>(op) ? operands[0] : emitElementwise(b, op, operands);
}

Value OperandReader::readBroadcast(Value value, ArrayRef<nn::Dim> shape, const LanePosition &position, Value mask) {
  int unknownAxis;
  SmallVector<nn::Dim> dims = nn::dimsOf(value.getType());
  LanePosition own = broadcastPosition(b, dims, shape, position, unknownAxis);
  if (unknownAxis < 0)
    return read(value, own, mask);
  // Whether the lanes share one element is known at run time only.
  LanePosition single = own;
  single.axis = -1;
  single.lanes = 0;
  single.index[unknownAxis] = Index(0);
  Type type = VectorType::get({own.lanes}, computeType(getElementTypeOrSelf(value)));
  return b.ifElse(
      b.equal(b.dim(dims[unknownAxis]), 1), type,
      [&] { return KernelBuilder::Values{b.splat(read(value, single, mask), own.lanes)}; },
      [&] { return KernelBuilder::Values{b.splat(read(value, own, mask), own.lanes)}; })[0];
}

} // namespace tenon::cpu
