// What the driver wants of a tensor map (CUDA driver API, cuTensorMapEncodeTiled and cuTensorMapEncodeIm2col), so that it never refuses one of a plan
// that was opened.
#include "runtime/plan/TensorMapVerifier.h"

#include <algorithm>

namespace tenon::plan {
namespace {

constexpr uint32_t kMostAxes = 5, kLeastImageAxes = 3, kMostBox = 256, kMostPixels = 1024, kMostStep = 8, kUnit = 16;
constexpr uint64_t kMostSize = uint64_t(1) << 32, kMostStride = uint64_t(1) << 40, kMostOffset = uint64_t(1) << 40;

template <typename List, typename Test> bool all(const List *list, Test test) {
  return std::all_of(list->begin(), list->end(), test);
}

bool isImages(const format::TensorMap &map) {
  return count(map.lower()) || count(map.upper());
}

const char *axesProblem(const format::TensorMap &map) {
  uint32_t rank = count(map.sizes());
  if (rank < 1 || rank > kMostAxes || count(map.strides()) != rank - 1 || count(map.steps()) != rank)
    return "it has no axes or too many, or their strides and steps do not match their number";
  if (!isAligned(map.sizes()) || !isAligned(map.strides()))
    return "its sizes or strides are not aligned";
  if (!all(map.sizes(), [](uint64_t size) { return size >= 1 && size <= kMostSize; }))
    return "an axis has an impossible size";
  if (rank > 1 && !all(map.strides(), [](uint64_t stride) { return stride > 0 && stride < kMostStride && stride % kUnit == 0; }))
    return "a stride is no multiple of 16, or too large";
  if (!all(map.steps(), [](uint32_t step) { return step >= 1 && step <= kMostStep; }))
    return "a step is impossible";
  return nullptr;
}

/// Corners have fewer bits the more axes there are.
const char *imagesProblem(const format::TensorMap &map) {
  uint32_t rank = count(map.sizes());
  if (rank < kLeastImageAxes || count(map.lower()) != rank - 2 || count(map.upper()) != rank - 2 || count(map.box()) != 2)
    return "its corners do not match its axes";
  int64_t most = int64_t(1) << (rank == kLeastImageAxes ? 15 : rank == kLeastImageAxes + 1 ? 7 : 4);
  auto isCorner = [&](int64_t corner) { return corner >= -most && corner < most; };
  if (!all(map.lower(), isCorner) || !all(map.upper(), isCorner))
    return "a corner is too far away";
  return map.box()->Get(1) >= 1 && map.box()->Get(1) <= kMostPixels ? nullptr : "a copy has no pixels, or too many";
}

const char *boxProblem(const format::TensorMap &map) {
  if (const char *problem = isImages(map) ? imagesProblem(map) : nullptr)
    return problem;
  if (!isImages(map) && (count(map.box()) != count(map.sizes()) || !all(map.box(), [](uint32_t size) { return size >= 1 && size <= kMostBox; })))
    return "a copy is empty or too large";
  uint64_t row = uint64_t(map.box()->Get(0)) * map.element_bytes();
  if (map.box()->Get(0) > kMostBox || row == 0 || row % kUnit != 0 || (map.swizzle_bytes() && row > map.swizzle_bytes()))
    return "rows of a copy are no multiple of 16 bytes, or longer than their swizzle";
  return nullptr;
}

} // namespace

const char *problemOf(const format::TensorMap &map, uint32_t buffers) {
  if (map.buffer() >= buffers)
    return "its buffer does not exist";
  if (map.element_bytes() != 1 && map.element_bytes() != 2 && map.element_bytes() != 4)
    return "its elements have an impossible size";
  if (map.offset() % kUnit != 0 || map.offset() >= kMostOffset)
    return "its offset is no multiple of 16, or too large";
  uint32_t swizzle = map.swizzle_bytes();
  if (swizzle != 0 && swizzle != 32 && swizzle != 64 && swizzle != 128)
    return "its swizzle is unknown";
  const char *problem = axesProblem(map);
  return problem ? problem : boxProblem(map);
}

} // namespace tenon::plan
