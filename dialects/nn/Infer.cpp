#include "dialects/nn/Infer.h"
#include "dialects/nn/SizeConditions.h"

using namespace mlir;

namespace tenon::nn {

std::string text(ArrayRef<Dim> dims) {
  return "[" + llvm::join(llvm::map_range(dims, [](Dim dim) { return dim.str(); }), ", ") + "]";
}
std::string text(ArrayRef<int64_t> values) {
  return "[" + llvm::join(llvm::map_range(values, [](int64_t value) { return std::to_string(value); }), ", ") + "]";
}

int64_t rankOf(Value tensor) { return cast<RankedTensorType>(tensor.getType()).getRank(); }
Type elementOf(Value tensor) { return cast<RankedTensorType>(tensor.getType()).getElementType(); }

LogicalResult giveTensor(Where where, ArrayRef<Dim> dims, Type element, Types &types) {
  for (auto [axis, dim] : llvm::enumerate(dims)) {
    if (dim.isOverflow())
      return refuse(where, "the size of result axis ", axis, " overflows 64 bits or is too complex an expression");
    if (std::optional<int64_t> high = dim.upperBound(); high && *high < 0)
      return refuse(where, "result axis ", axis, " would have the negative size ", dim.str());
  }
  Dim count = product(element.getContext(), dims);
  if (llvm::all_of(dims, [](Dim dim) { return dim.isConstant(); }) && !count.isConstant())
    return refuse(where, "the result ", text(dims), " has more than 2^63 elements");
  types.push_back(tensorOf(dims, element));
  return success();
}

static FailureOr<Dim> broadcast(Where where, Dim a, Dim b, size_t axis) {
  if (a == b)
    return a;
  if (a.isConstant(1))
    std::swap(a, b);
  if (b.isConstant(1)) {
    // A part of an axis that has one element or, past its end, none: the empty one is a mistake of the run.
    std::optional<int64_t> most = a.isConstant() ? std::nullopt : a.upperBound();
    if (!most || *most != 1)
      return a;
    SizeConditions::add(a, b, /*mayBeOne=*/false);
    return b;
  }
  if (a.isConstant() && b.isConstant())
    return refuse(where, "cannot broadcast ", a.str(), " and ", b.str(), " at result axis ", axis, ": expected equal sizes or 1");
  Dim wide = a.isConstant() ? a : b.isConstant() ? b : a.max(b);
  for (Dim size : {a, b})
    SizeConditions::add(size, wide, /*mayBeOne=*/true);
  return wide;
}

FailureOr<SmallVector<Dim>> broadcast(Where where, ArrayRef<Dim> a, ArrayRef<Dim> b) {
  if (a.size() < b.size())
    std::swap(a, b);
  SmallVector<Dim> result(a);
  size_t lead = a.size() - b.size();
  for (size_t i = 0; i < b.size(); ++i) {
    FailureOr<Dim> dim = broadcast(where, a[lead + i], b[i], lead + i);
    if (failed(dim))
      return failure();
    result[lead + i] = *dim;
  }
  return result;
}

bool provedDifferent(Dim a, Dim b) {
  if (a.isOverflow() || b.isOverflow())
    return true; // no tensor has such a size
  Dim difference = a - b;
  std::optional<int64_t> low = difference.lowerBound(), high = difference.upperBound();
  return (low && *low > 0) || (high && *high < 0);
}

bool mustDiffer(Dim found, Dim expected) {
  if (provedDifferent(found, expected))
    return true;
  SizeConditions::add(found, expected, /*mayBeOne=*/false);
  return false;
}

LogicalResult checkSize(Where where, StringRef what, Dim found, Dim expected) {
  if (mustDiffer(found, expected))
    return refuse(where, "expected ", what, " to be ", expected.str(), ", found ", found.str());
  return success();
}

LogicalResult checkRank(Where where, StringRef what, Value tensor, int64_t expected) {
  if (rankOf(tensor) != expected)
    return refuse(where, "expected ", what, " of rank ", expected, ", found ", text(dimsOf(tensor.getType())));
  return success();
}

LogicalResult checkRankAtLeast(Where where, StringRef what, Value tensor, int64_t least) {
  if (rankOf(tensor) < least)
    return refuse(where, "expected ", what, " of rank ", least, " or more, found ", text(dimsOf(tensor.getType())));
  return success();
}

LogicalResult checkAxis(Where where, int64_t axis, int64_t rank) {
  if (axis < 0 || axis >= rank)
    return refuse(where, "expected an axis in [0, ", rank, "), found ", axis);
  return success();
}

LogicalResult checkCount(Where where, StringRef what, size_t found, size_t expected, StringRef of) {
  if (found != expected)
    return refuse(where, "expected ", expected, " ", what, " for ", of, ", found ", found);
  return success();
}

LogicalResult checkAtLeast(Where where, StringRef what, ArrayRef<int64_t> values, int64_t least) {
  if (llvm::any_of(values, [&](int64_t value) { return value < least; }))
    return refuse(where, "expected ", what, " of at least ", least, ", found ", text(values));
  return success();
}

LogicalResult checkVector(Where where, StringRef what, Value tensor, Dim size, Type element) {
  if (rankOf(tensor) != 1 || mustDiffer(dimOf(tensor.getType(), 0), size))
    return refuse(where, "expected ", what, " of shape [", size.str(), "], found ", text(dimsOf(tensor.getType())));
  if (elementOf(tensor) != element)
    return refuse(where, "expected ", what, " of ", element, " elements, found ", elementOf(tensor));
  return success();
}

LogicalResult checkBias(Where where, Value bias, Dim size, Type element) {
  bool isWider = isa<Float16Type, BFloat16Type>(element) && elementOf(bias).isF32();
  return checkVector(where, "a bias", bias, size, isWider ? elementOf(bias) : element);
}

LogicalResult checkSameElements(Where where, Value a, Value b) {
  if (elementOf(a) != elementOf(b))
    return refuse(where, "expected operands of one element type, found ", elementOf(a), " and ", elementOf(b));
  return success();
}

Type sumElement(Where where, Value a, Value b) {
  if (elementOf(a).isInteger() && elementOf(b).isInteger() && elementOf(a).getIntOrFloatBitWidth() == 8 && elementOf(b).getIntOrFloatBitWidth() == 8)
    return IntegerType::get(a.getContext(), 32);
  if (isa<Float8E4M3FNType>(elementOf(a)) && elementOf(a) == elementOf(b))
    return Float32Type::get(a.getContext());
  return succeeded(checkSameElements(where, a, b)) ? elementOf(a) : Type();
}

LogicalResult checkShape(Where where, StringRef what, Value tensor, ArrayRef<Dim> expected, Type element) {
  if (!tensor)
    return success();
  SmallVector<Dim> found = dimsOf(tensor.getType());
  bool fits = found.size() == expected.size() && elementOf(tensor) == element;
  for (size_t axis = 0; fits && axis < found.size(); ++axis)
    fits = !mustDiffer(found[axis], expected[axis]);
  if (!fits)
    return refuse(where, "expected ", what, " of shape ", text(expected), " and ", element, " elements, found ", tensor.getType());
  return success();
}

LogicalResult checkIndices(Where where, Value indices) {
  Type element = elementOf(indices);
  if (!element.isInteger(32) && !element.isInteger(64))
    return refuse(where, "expected indices of i32 or i64, found ", element);
  return success();
}

bool isFloatLike(Type element) { return isa<FloatType, quant::QuantizedType>(element); }

LogicalResult checkFloat(Where where, Value tensor) {
  if (!isFloatLike(elementOf(tensor)))
    return refuse(where, "expected floating-point elements, found ", elementOf(tensor));
  return success();
}

LogicalResult verifyByInference(Operation *op) {
  auto inferring = cast<InferTypeOpInterface>(op);
  SmallVector<Type> expected;
  if (failed(inferring.inferReturnTypes(op->getContext(), op->getLoc(), op->getOperands(), op->getRawDictionaryAttrs(),
                                        op->getPropertiesStorage(), op->getRegions(), expected)))
    return failure();
  for (auto [index, pair] : llvm::enumerate(llvm::zip_equal(expected, op->getResultTypes())))
    if (auto [wanted, found] = pair; wanted != found)
      return op->emitOpError() << "expected result " << index << " of type " << wanted << ", found " << found;
  return success();
}

bool hasNamedDims(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  auto named = dyn_cast_or_null<DimsAttr>(tensor.getEncoding());
  if (!named)
    return tensor.hasStaticShape();
  return llvm::none_of(named.getExprs(), [](ExprAttr expr) { return Dim(expr).isOverflow(); });
}

} // namespace tenon::nn
