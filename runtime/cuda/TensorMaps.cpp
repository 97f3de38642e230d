#include "runtime/cuda/TensorMaps.h"

namespace tenon::cuda {

namespace {
// As in <cuda.h>: only the size of an element matters, as copies change none.
constexpr int kBytes = 0, kHalves = 1, kWords = 2;                   // CU_TENSOR_MAP_DATA_TYPE_UINT8, 16, 32
constexpr int kNoSwizzle = 0, kSwizzle32 = 1, kSwizzle64 = 2, kSwizzle128 = 3;
constexpr int kNotInterleaved = 0, kWholeLines = 2, kFillZeros = 0; // 128 bytes at a time come to the L2 cache

int swizzleOf(uint32_t bytes) {
  return bytes == 0 ? kNoSwizzle : bytes == 32 ? kSwizzle32 : bytes == 64 ? kSwizzle64 : kSwizzle128;
}
} // namespace

tn_status encode(const Driver &driver, const plan::format::TensorMap &map, DevicePointer buffer, TensorMapObject *object, Message &message) {
  auto address = reinterpret_cast<void *>(buffer + map.offset());
  int type = map.element_bytes() == 1 ? kBytes : map.element_bytes() == 2 ? kHalves : kWords, swizzle = swizzleOf(map.swizzle_bytes());
  uint32_t rank = plan::count(map.sizes());
  const uint64_t *strides = rank > 1 ? map.strides()->data() : nullptr;
  Result result = plan::count(map.lower())
                      ? driver.encodeImages(object, type, rank, address, map.sizes()->data(), strides, map.lower()->data(), map.upper()->data(),
                                            map.box()->Get(0), map.box()->Get(1), map.steps()->data(), kNotInterleaved, swizzle, kWholeLines, kFillZeros)
                      : driver.encodeTiles(object, type, rank, address, map.sizes()->data(), strides, map.box()->data(), map.steps()->data(),
                                           kNotInterleaved, swizzle, kWholeLines, kFillZeros);
  return result ? driver.fail(result, "describing a tensor to the GPU", message) : TN_OK;
}

} // namespace tenon::cuda
