#include "passes/1_graph/Match.h"
#include "dialects/nn/PackedWeights.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include <cmath>
#include <cstring>

using namespace mlir;

namespace tenon::graph {

bool isConstant(Value value) {
  auto op = value.getDefiningOp<nn::ConstantOp>();
  return op && !isa<nn::DimsAttr>(op.getValue());
}

static bool isConstantExpression(Value value, int depth) {
  if (isConstant(value))
    return true;
  Operation *op = value.getDefiningOp();
  return depth > 0 && op && !nn::isKeptPacked(op) && isa_and_nonnull<nn::NNDialect>(op->getDialect()) && op->getNumOperands() > 0 &&
         llvm::all_of(op->getOperands(), [&](Value v) { return isConstantExpression(v, depth - 1); });
}

bool isConstantExpression(Value value) {
  constexpr int kDepth = 16; // weights arithmetic is shallow; deeper chains are left to nn-fold-constants first
  return isConstantExpression(value, kDepth);
}

std::optional<double> splatValue(Value value) {
  auto op = value.getDefiningOp<nn::ConstantOp>();
  auto dense = op ? dyn_cast<DenseElementsAttr>(op.getValue()) : DenseElementsAttr();
  if (!dense || !(dense.isSplat() || dense.getNumElements() == 1))
    return std::nullopt;
  if (isa<FloatType>(dense.getElementType())) {
    APFloat number = *dense.value_begin<APFloat>();
    bool losesInfo;
    number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
    return number.convertToDouble();
  }
  if (dense.getElementType().isIntOrIndex()) {
    bool isUnsigned = dense.getElementType().isUnsignedInteger() || dense.getElementType().isInteger(1);
    APInt number = *dense.value_begin<APInt>();
    return isUnsigned ? double(number.getZExtValue()) : double(number.getSExtValue());
  }
  return std::nullopt;
}

std::optional<SmallVector<int32_t>> integersOf(Value value) {
  auto constant = value.getDefiningOp<nn::ConstantOp>();
  auto type = cast<RankedTensorType>(value.getType());
  if (!constant || !type.hasStaticShape() || !type.getElementType().isSignlessInteger(32))
    return std::nullopt;
  if (auto dense = dyn_cast<DenseElementsAttr>(constant.getValue()))
    return llvm::to_vector(dense.getValues<int32_t>());
  auto resource = dyn_cast<DenseResourceElementsAttr>(constant.getValue());
  AsmResourceBlob *blob = resource ? resource.getRawHandle().getBlob() : nullptr;
  if (!blob || int64_t(blob->getData().size()) != type.getNumElements() * int64_t(sizeof(int32_t)))
    return std::nullopt;
  SmallVector<int32_t> contents(type.getNumElements());
  std::memcpy(contents.data(), blob->getData().data(), blob->getData().size());
  return contents;
}

bool isClose(double a, double b, double relative) {
  return a == b || std::abs(a - b) <= relative * std::max(std::abs(a), std::abs(b));
}

bool isSplat(Value value, double number) {
  std::optional<double> found = splatValue(value);
  if (!found)
    return false;
  return isClose(*found, number, elementOf(value).isF16() || elementOf(value).isBF16() ? 5e-3 : 1e-5);
}

std::optional<ArrayRef<char>> rawFloats(ElementsAttr constant) {
  std::optional<ArrayRef<char>> data;
  if (auto dense = dyn_cast<DenseElementsAttr>(constant); dense && !dense.isSplat())
    data = dense.getRawData();
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(constant))
    if (AsmResourceBlob *blob = resource.getRawHandle().getBlob())
      data = blob->getData();
  auto type = cast<ShapedType>(constant.getType());
  bool whole = data && type.getElementType().isF32() && data->size() == size_t(type.getNumElements()) * sizeof(float);
  return whole ? data : std::nullopt;
}

bool isFloat(Value value) { return isa<FloatType>(elementOf(value)); }
int64_t rankOf(Value value) { return cast<RankedTensorType>(value.getType()).getRank(); }
Type elementOf(Value value) { return cast<RankedTensorType>(value.getType()).getElementType(); }
bool sameShape(Value a, Value b) { return nn::dimsOf(a.getType()) == nn::dimsOf(b.getType()); }

static void collect(Value value, bool isRoot, Product &product) {
  Operation *op = value.getDefiningOp();
  if (op && (isRoot || value.hasOneUse())) {
    if (auto mul = dyn_cast<nn::MulOp>(op)) {
      for (Value operand : mul->getOperands()) {
        if (auto number = splatValue(operand))
          product.factor *= *number;
        else
          collect(operand, false, product);
      }
      return;
    }
    if (auto div = dyn_cast<nn::DivOp>(op); div && isFloat(value))
      if (auto number = splatValue(div.getRhs()); number && *number != 0) {
        product.factor /= *number;
        collect(div.getLhs(), false, product);
        return;
      }
  }
  product.leaves.push_back(value);
}

Product productOf(Value value) {
  Product product;
  collect(value, true, product);
  return product;
}

std::optional<std::pair<Value, double>> plusScalar(Value value) {
  auto add = value.getDefiningOp<nn::AddOp>();
  if (!add)
    return std::nullopt;
  if (auto number = splatValue(add.getRhs()))
    return std::pair(add.getLhs(), *number);
  if (auto number = splatValue(add.getLhs()))
    return std::pair(add.getRhs(), *number);
  return std::nullopt;
}

std::optional<int64_t> singleAxis(Value value, int64_t rank) {
  SmallVector<nn::Dim> dims = nn::dimsOf(value.getType());
  std::optional<int64_t> axis;
  for (auto [i, dim] : llvm::enumerate(dims)) {
    if (dim.isConstant(1))
      continue;
    if (axis)
      return std::nullopt;
    axis = int64_t(i) + rank - int64_t(dims.size());
  }
  return axis.value_or(rank);
}

Value scalarConstant(OpBuilder &builder, Location loc, Type element, double number) {
  auto type = RankedTensorType::get({}, element);
  Attribute value;
  if (auto floatType = dyn_cast<FloatType>(element))
    value = builder.getFloatAttr(floatType, number);
  else
    value = builder.getIntegerAttr(element, int64_t(number));
  return nn::ConstantOp::create(builder, loc, DenseElementsAttr::get(type, value), type);
}

Value reshapeTo(OpBuilder &builder, Location loc, Value value, ArrayRef<nn::Dim> dims) {
  if (ArrayRef<nn::Dim>(nn::dimsOf(value.getType())) == dims)
    return value;
  return nn::ReshapeOp::create(builder, loc, value, nn::dimsAttr(builder.getContext(), dims));
}

Value reshapeTo(OpBuilder &builder, Location loc, Value value, ArrayRef<int64_t> dims) {
  return reshapeTo(builder, loc, value, llvm::map_to_vector(dims, [&](int64_t d) {
                     return nn::Dim::constant(builder.getContext(), d);
                   }));
}

Value transposeBy(OpBuilder &builder, Location loc, Value value, ArrayRef<int64_t> perm) {
  if (isIdentity(perm))
    return value;
  return nn::TransposeOp::create(builder, loc, value, perm);
}

Value expandTo(OpBuilder &builder, Location loc, Value value, ArrayRef<int64_t> dims) {
  if (cast<RankedTensorType>(value.getType()).getShape() == dims)
    return value;
  return nn::ExpandOp::create(builder, loc, value, nn::dimsAttr(builder.getContext(), dims));
}

SmallVector<int64_t> inverse(ArrayRef<int64_t> perm) {
  SmallVector<int64_t> result(perm.size());
  for (auto [i, axis] : llvm::enumerate(perm))
    result[axis] = i;
  return result;
}

bool isIdentity(ArrayRef<int64_t> perm) {
  return llvm::all_of(llvm::enumerate(perm), [](auto p) { return int64_t(p.index()) == p.value(); });
}

std::optional<SmallVector<AxisGroup>> axisGroups(ArrayRef<nn::Dim> input, ArrayRef<nn::Dim> output) {
  SmallVector<AxisGroup> groups;
  int64_t inputSize = input.size(), outputSize = output.size();
  int64_t i = 0, o = 0;
  while (i < inputSize || o < outputSize) {
    AxisGroup group{i, i, o, o};
    // Unit axes that the other side does not have make groups of their own.
    if (i < inputSize && input[i].isConstant(1) && !(o < outputSize && output[o].isConstant(1))) {
      group.inputEnd = ++i;
    } else if (o < outputSize && output[o].isConstant(1) && !(i < inputSize && input[i].isConstant(1))) {
      group.outputEnd = ++o;
    } else {
      if (i >= inputSize || o >= outputSize)
        return std::nullopt;
      nn::Dim left = input[i++], right = output[o++];
      while (left != right) {
        // Grow the side that is provably a proper divisor of the other.
        bool growLeft = i < inputSize && right.dividedExactlyBy(left).has_value();
        bool growRight = o < outputSize && left.dividedExactlyBy(right).has_value();
        auto l = left.asConstant(), r = right.asConstant();
        if (l && r) {
          growLeft = *l < *r && i < inputSize;
          growRight = *r < *l && o < outputSize;
        }
        if (growLeft)
          left = left * input[i++];
        else if (growRight)
          right = right * output[o++];
        else
          return std::nullopt;
      }
      group.inputEnd = i;
      group.outputEnd = o;
    }
    groups.push_back(group);
  }
  return groups;
}

} // namespace tenon::graph
