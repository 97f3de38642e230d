// nn.reduce of small constants and of sizes.
#include "dialects/nn/Known.h"

using namespace mlir;

namespace tenon::nn {

static std::optional<Dim> combine(ReduceKind kind, Dim a, Dim b) {
  switch (kind) {
  case ReduceKind::Sum:
  case ReduceKind::Mean:
    return a + b;
  case ReduceKind::Prod:
    return a * b;
  case ReduceKind::Max:
    return a.max(b);
  case ReduceKind::Min:
    return a.min(b);
  default:
    return std::nullopt;
  }
}

static std::optional<APFloat> combine(ReduceKind kind, APFloat a, const APFloat &b) {
  switch (kind) {
  case ReduceKind::Sum:
  case ReduceKind::Mean:
    return a + b;
  case ReduceKind::Prod:
    return a * b;
  case ReduceKind::Max:
    return llvm::maximum(a, b);
  case ReduceKind::Min:
    return llvm::minimum(a, b);
  default:
    return std::nullopt;
  }
}

/// Reduces groups of elements; none where the kind is left to generated code, or a group is empty.
template <typename T>
static std::optional<SmallVector<T>> reduceGroups(ReduceKind kind, ArrayRef<T> elements, ArrayRef<SmallVector<int64_t>> groups) {
  SmallVector<T> results;
  for (ArrayRef<int64_t> group : groups) {
    if (group.empty())
      return std::nullopt;
    T total = elements[group.front()];
    for (int64_t position : group.drop_front()) {
      std::optional<T> next = combine(kind, total, elements[position]);
      if (!next)
        return std::nullopt;
      total = *next;
    }
    results.push_back(total);
  }
  return results;
}

/// For each element of the result the positions of the input's elements that it reduces.
static SmallVector<SmallVector<int64_t>> groupsOf(ReduceOp op) {
  ArrayRef<int64_t> shape = op.getInput().getType().getShape();
  SmallVector<int64_t> kept(shape);
  for (int64_t axis : op.getAxes())
    kept[axis] = 1;
  SmallVector<SmallVector<int64_t>> groups(op.getType().getNumElements());
  int64_t position = 0;
  forEachIndex(shape, [&](ArrayRef<int64_t> index) { groups[linearIndex(kept, index)].push_back(position++); });
  return groups;
}

OpFoldResult ReduceOp::fold(FoldAdaptor adaptor) {
  bool exact = llvm::is_contained({ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Prod, ReduceKind::Max, ReduceKind::Min}, getKind());
  // Nothing to reduce: an axis of size 1 that stays, or no axis.
  auto isUnit = [&](int64_t axis) { return getInput().getType().getDimSize(axis) == 1; };
  if (exact && getInput().getType() == getType() && llvm::all_of(getAxes(), isUnit))
    return getInput();
  std::optional<Known> input = Known::read(adaptor.getInput(), getInput().getType());
  if (!exact || !input || !isFoldable(getType()))
    return {};
  SmallVector<SmallVector<int64_t>> groups = groupsOf(*this);
  Known result{getType(), {}, {}, {}};
  if (input->isFloat()) {
    std::optional<SmallVector<APFloat>> values = reduceGroups<APFloat>(getKind(), input->floats, groups);
    if (!values)
      return {};
    for (auto [value, group] : llvm::zip_equal(*values, groups)) {
      APFloat count(value.getSemantics(), group.size());
      result.floats.push_back(getKind() == ReduceKind::Mean ? value / count : value);
    }
    return result.attribute();
  }
  std::optional<Known> sizes = input->asSizes();
  if (!sizes || getKind() == ReduceKind::Mean)
    return {};
  std::optional<SmallVector<Dim>> values = reduceGroups<Dim>(getKind(), sizes->sizes, groups);
  if (!values)
    return {};
  result.sizes = *values;
  return result.attribute();
}

} // namespace tenon::nn
