#include "lib/Importer/SizeMath.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

static Dim lengthOf(Value vector) {
  return nn::dimsOf(vector.getType())[0];
}

Value SizeMath::vector(ArrayRef<int64_t> values) {
  auto type = RankedTensorType::get({int64_t(values.size())}, node.builder.getI64Type());
  return node.constant(DenseElementsAttr::get(type, values));
}

Value SizeMath::vector(ArrayRef<Dim> values) {
  if (llvm::all_of(values, [](Dim value) { return value.isConstant(); }))
    return vector(llvm::map_to_vector(values, [](Dim value) { return *value.asConstant(); }));
  return node.constant(values, RankedTensorType::get({int64_t(values.size())}, node.builder.getI64Type()));
}

Value SizeMath::flat(Value value) {
  if (node.failed())
    return value;
  Value wide = node.cast(value, node.builder.getI64Type());
  return wide && cast<RankedTensorType>(wide.getType()).getRank() != 1 ? node.reshape(wide, {nn::numElements(wide.getType())}) : wide;
}

Value SizeMath::positions(Dim count) {
  if (std::optional<int64_t> known = count.asConstant())
    return vector(llvm::to_vector(llvm::seq<int64_t>(0, *known)));
  Type index = node.builder.getI64Type();
  return node.make<nn::RangeOp>(node.scalar(0, index), node.scalar(1, index), node.dimsAttr({count}));
}

Value SizeMath::concat(ArrayRef<Value> parts) {
  return parts.size() == 1 ? parts.front() : node.make<nn::ConcatOp>(SmallVector<Value>(parts), node.i64(0));
}

Value SizeMath::reduce(Value v, nn::ReduceKind kind) {
  return node.make<nn::ReduceOp>(v, nn::ReduceKindAttr::get(node.context, kind), node.i64s({0}), node.unit(true));
}

Value SizeMath::entry(Value v, int64_t i) {
  if (node.failed())
    return {};
  return node.reshape(node.slice(v, 0, node.dim(i), node.dim(1)), {});
}

Value SizeMath::spread(Value values, Value axes, Value otherwise) {
  if (node.failed() || lengthOf(axes).isConstant(0))
    return otherwise;
  return node.make<nn::ScatterElementsOp>(otherwise, axes, values, node.i64(0), nn::ReduceKindAttr());
}

Value SizeMath::isListed(size_t i, int64_t rank) {
  Value axes = flat(node.in(i));
  if (node.failed())
    return {};
  Dim count = lengthOf(axes);
  Value column = node.reshape(positions(rank), {node.dim(rank), node.dim(1)});
  Value hits = node.cast(isEqual(column, fromFront(axes, number(rank))), node.builder.getI64Type());
  Value entries = node.make<nn::ReduceOp>(hits, nn::ReduceKindAttr::get(node.context, nn::ReduceKind::Sum), node.i64s({1}), UnitAttr());
  Value isHit = min(entries, number(1));
  SmallVector<Dim> counts = node.readSizes(concat({sum(entries), sum(isHit)}), "axes");
  if (node.failed())
    return {};
  std::string name = "input " + std::to_string(i) + ", '" + node.proto.input(int(i)) + "'";
  node.require(counts[0], count, "how many entries of " + name + ", are axes: numbers from " + Twine(-rank) + " to " + Twine(rank - 1));
  node.require(counts[1], count, "how many different axes " + name + ", lists");
  return isEqual(isHit, number(1));
}

Value SizeMath::keep(Value values, Value isDropped, int64_t count) {
  // Each kept entry goes behind the kept ones before it; the others into one more place, which is cut off.
  Value kept = choose(isDropped, number(0), number(1));
  Value before = node.make<nn::CumSumOp>(kept, node.i64(0), node.unit(true), UnitAttr());
  Value target = min(choose(isDropped, number(count), before), number(count));
  Value scattered = spread(values, target, vector(SmallVector<int64_t>(count + 1, 0)));
  return node.failed() ? Value() : node.slice(scattered, 0, node.dim(0), node.dim(count));
}

} // namespace tenon::importer
