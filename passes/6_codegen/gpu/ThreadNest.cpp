#include "passes/6_codegen/gpu/ThreadNest.h"

using namespace mlir;

namespace tenon::gpu {

ThreadNest ThreadNest::of(ArrayRef<nn::Dim> dims, int most) {
  ThreadNest nest;
  nest.dims.assign(dims.begin(), dims.end());
  int last = int(dims.size()) - 1;
  while (last >= 0 && dims[last].isConstant(1))
    --last;
  std::optional<int64_t> size = last < 0 ? std::nullopt : dims[last].asConstant();
  int lanes = most;
  while (lanes > 1 && (!size || *size % lanes != 0))
    lanes /= 2;
  if (lanes > 1)
    nest.axis = last, nest.lanes = lanes;
  return nest;
}

nn::Dim ThreadNest::threads(MLIRContext *context) const {
  nn::Dim count = nn::product(context, dims);
  return lanes ? count.floorDiv(lanes) : count;
}

void ThreadNest::emit(KernelBuilder &b, Evaluator &scopes, bool isAll, function_ref<void(const Place &)> body) const {
  auto inside = [&] {
    Evaluator::Scope scope(scopes);
    Place place;
    place.index.assign(dims.size(), Index(0));
    place.lanes = lanes, place.axis = axis;
    Index rest = b.task();
    int first = 0; // what is left over belongs to the first axis that is not 1
    while (first + 1 < int(dims.size()) && dims[first].isConstant(1))
      ++first;
    for (int k = int(dims.size()) - 1; k >= first; --k) {
      if (dims[k].isConstant(1))
        continue;
      Index size = b.dim(dims[k]);
      if (k == axis)
        size = b.div(size, lanes);
      place.index[k] = k > first ? b.rem(rest, size) : rest;
      rest = b.div(rest, size);
      if (k == axis)
        place.index[k] = b.mul(place.index[k], lanes);
    }
    body(place);
  };
  if (isAll)
    return inside();
  b.ifThen(b.lessThan(b.task(), b.dim(threads(b.kernelFunc().getContext()))), inside);
}

} // namespace tenon::gpu
