#include "passes/6_codegen/cpu/LanePosition.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
/// Axes [fromBegin, fromEnd) of the one shape hold the same elements as [toBegin, toEnd) of the other.
struct AxisGroup {
  int fromBegin, fromEnd, toBegin, toEnd;
};

/// The finest groups that can be shown, from the last axes on; what is left over is one group.
SmallVector<AxisGroup> groupAxes(ArrayRef<nn::Dim> from, ArrayRef<nn::Dim> to) {
  SmallVector<AxisGroup> groups;
  int i = from.size(), j = to.size();
  while (i > 0 && j > 0) {
    int beginFrom = i - 1, beginTo = j - 1;
    nn::Dim sizeFrom = from[beginFrom], sizeTo = to[beginTo];
    while (sizeFrom != sizeTo) {
      bool constant = sizeFrom.isConstant() && sizeTo.isConstant();
      bool growFrom = constant ? *sizeFrom.asConstant() < *sizeTo.asConstant() : sizeTo.dividedExactlyBy(sizeFrom).has_value();
      if (growFrom ? beginFrom == 0 : beginTo == 0) {
        beginFrom = beginTo = 0;
        break;
      }
      if (growFrom)
        sizeFrom = sizeFrom * from[--beginFrom];
      else
        sizeTo = sizeTo * to[--beginTo];
    }
    groups.push_back({beginFrom, i, beginTo, j});
    i = beginFrom;
    j = beginTo;
  }
  // Axes of size 1 may remain on one side.
  if (!groups.empty()) {
    groups.back().fromBegin = 0;
    groups.back().toBegin = 0;
  }
  return groups;
}

bool allUnit(ArrayRef<nn::Dim> dims) {
  return llvm::all_of(dims, [](nn::Dim d) { return d.isConstant(1); });
}

class Reshape {
public:
  Reshape(KernelBuilder &b, ArrayRef<nn::Dim> from, ArrayRef<nn::Dim> to, const LanePosition &position)
      : b(b), from(from), to(to), position(position) {
    result.index.assign(to.size(), Index(0));
    result.lanes = position.lanes;
  }

  std::optional<LanePosition> run() {
    for (const AxisGroup &group : groupAxes(from, to))
      if (!map(group))
        return std::nullopt;
    return result;
  }

private:
  bool hasLanes(int begin, int end) const { return position.axis >= begin && position.axis < end; }

  bool map(const AxisGroup &group) {
    // The only axes of a group that are not 1 are the same axis.
    int lastFrom = group.fromEnd - 1, lastTo = group.toEnd - 1;
    while (lastFrom > group.fromBegin && from[lastFrom].isConstant(1))
      --lastFrom;
    while (lastTo > group.toBegin && to[lastTo].isConstant(1))
      --lastTo;
    bool lanesHere = hasLanes(group.fromBegin, group.fromEnd);
    if (lanesHere && position.axis != lastFrom)
      return false;
    if (lanesHere)
      result.axis = lastTo;
    if (allUnit(from.slice(group.fromBegin, lastFrom - group.fromBegin)) && allUnit(to.slice(group.toBegin, lastTo - group.toBegin))) {
      result.index[lastTo] = position.index[lastFrom];
      return true;
    }
    Index linear(0);
    for (int axis = group.fromBegin; axis <= lastFrom; ++axis)
      linear = b.add(b.mul(linear, b.dim(from[axis])), position.index[axis]);
    if (lanesHere && from[lastFrom] != to[lastTo] && !staysWithin(to[lastTo], linear, group, lastTo))
      return false;
    for (int axis = lastTo; axis > group.toBegin; --axis) {
      Index size = b.dim(to[axis]);
      result.index[axis] = b.rem(linear, size);
      linear = b.div(linear, size);
    }
    result.index[group.toBegin] = linear;
    return true;
  }

  /// Whether lanes from `linear` on never cross a boundary of the last axis.
  bool staysWithin(nn::Dim last, Index linear, const AxisGroup &group, int lastTo) {
    if (allUnit(to.slice(group.toBegin, lastTo - group.toBegin)))
      return true;
    std::optional<int64_t> size = last.asConstant();
    return size && *size % position.lanes == 0 && b.divisorOf(linear) % position.lanes == 0;
  }

  KernelBuilder &b;
  ArrayRef<nn::Dim> from, to;
  const LanePosition &position;
  LanePosition result;
};
} // namespace

std::optional<LanePosition> reshaped(KernelBuilder &b, ArrayRef<nn::Dim> from, ArrayRef<nn::Dim> to, const LanePosition &position) {
  return Reshape(b, from, to, position).run();
}

LanePosition transposed(ArrayRef<int64_t> perm, const LanePosition &position) {
  LanePosition result{{}, -1, position.lanes};
  for (auto [axis, source] : llvm::enumerate(perm)) {
    result.index.push_back(position.index[source]);
    if (source == position.axis)
      result.axis = axis;
  }
  return result;
}

} // namespace tenon::cpu
