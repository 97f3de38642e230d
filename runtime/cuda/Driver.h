// The CUDA driver, opened with dlopen: the few types and functions of <cuda.h> that the runtime uses, so that no CUDA is needed to build it.
#pragma once

#include "runtime/support/Message.h"

#include <cstdint>

namespace tenon::cuda {

// As in <cuda.h>; the driver's ABI does not change.
using Result = int;
using DeviceId = int;
using DevicePointer = unsigned long long;
using ContextHandle = struct ContextObject *;
using ModuleHandle = struct ModuleObject *;
using FunctionHandle = struct FunctionObject *;
using StreamHandle = struct StreamObject *;
using EventHandle = struct EventObject *;
using GraphHandle = struct GraphObject *;
using GraphExecHandle = struct GraphExecObject *;

constexpr Result kSuccess = 0, kOutOfMemory = 2, kNoDevice = 100, kNotFound = 500;
constexpr Result kInvalidImage = 200, kNoBinaryForGpu = 209, kInvalidPtx = 218, kNoPtxCompiler = 221, kUnsupportedPtx = 222, kPtxCompilerIsOff = 223;
constexpr int kAttributeClock = 13, kAttributeMultiprocessors = 16, kAttributeMemoryClock = 36, kAttributeBusWidth = 37; // kHz, bits
constexpr int kAttributeMajor = 75, kAttributeMinor = 76, kAttributeSharedOptIn = 97, kAttributeSharedOfMultiprocessor = 81;
constexpr int kFunctionMaxDynamicShared = 8;
constexpr int kPointerMemoryType = 2, kPointerIsManaged = 8, kPointerDevice = 9, kPointerIsPlain = 10, kPointerRangeStart = 11,
              kPointerRangeBytes = 12;
constexpr unsigned kPinnedMemory = 1, kDeviceMemory = 2; // of kPointerMemoryType; 0 is what the driver does not know, as most of the host's
constexpr unsigned kEventWithoutTime = 2;
constexpr unsigned kStreamNonBlocking = 1, kCaptureRelaxed = 2;

constexpr const char *kNoGpuShown = "the driver shows no GPU (is CUDA_VISIBLE_DEVICES empty?)";

/// CUtensorMap: opaque, passed to kernels by value.
struct alignas(64) TensorMapObject {
  unsigned long long words[16];
};

struct LaunchAttribute {
  int id;
  int pad;
  union {
    char room[64];
    int value;
  };
};
constexpr int kProgrammaticStreamSerialization = 6;

struct LaunchConfig {
  unsigned gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes;
  StreamHandle stream;
  LaunchAttribute *attributes;
  unsigned attributeCount;
};

// name in the driver, result-returning signature
#define TENON_CUDA_FUNCTIONS(F)                                                                                                                      \
  F(init, "cuInit", (unsigned flags))                                                                                                                \
  F(driverGetVersion, "cuDriverGetVersion", (int *version))                                                                                          \
  F(deviceGetCount, "cuDeviceGetCount", (int *count))                                                                                                \
  F(deviceGet, "cuDeviceGet", (DeviceId * device, int ordinal))                                                                                      \
  F(deviceGetName, "cuDeviceGetName", (char *name, int length, DeviceId device))                                                                     \
  F(deviceGetAttribute, "cuDeviceGetAttribute", (int *value, int attribute, DeviceId device))                                                        \
  F(deviceTotalMemory, "cuDeviceTotalMem_v2", (size_t *bytes, DeviceId device))                                                                      \
  F(primaryContextRetain, "cuDevicePrimaryCtxRetain", (ContextHandle * context, DeviceId device))                                                    \
  F(primaryContextRelease, "cuDevicePrimaryCtxRelease_v2", (DeviceId device))                                                                        \
  F(contextPush, "cuCtxPushCurrent_v2", (ContextHandle context))                                                                                     \
  F(contextPop, "cuCtxPopCurrent_v2", (ContextHandle * context))                                                                                     \
  F(contextSynchronize, "cuCtxSynchronize", ())                                                                                                      \
  F(memoryInfo, "cuMemGetInfo_v2", (size_t *free, size_t *total))                                                                                    \
  F(allocate, "cuMemAlloc_v2", (DevicePointer * memory, size_t bytes))                                                                               \
  F(release, "cuMemFree_v2", (DevicePointer memory))                                                                                                 \
  F(allocateHost, "cuMemAllocHost_v2", (void **memory, size_t bytes))                                                                                \
  F(releaseHost, "cuMemFreeHost", (void *memory))                                                                                                    \
  F(copyToDevice, "cuMemcpyHtoD_v2", (DevicePointer to, const void *from, size_t bytes))                                                             \
  F(copyToDeviceAsync, "cuMemcpyHtoDAsync_v2", (DevicePointer to, const void *from, size_t bytes, StreamHandle stream))                              \
  F(copyToHostAsync, "cuMemcpyDtoHAsync_v2", (void *to, DevicePointer from, size_t bytes, StreamHandle stream))                                      \
  F(copyOnDeviceAsync, "cuMemcpyDtoDAsync_v2", (DevicePointer to, DevicePointer from, size_t bytes, StreamHandle stream))                            \
  F(setWordsAsync, "cuMemsetD32Async", (DevicePointer to, unsigned value, size_t words, StreamHandle stream))                                        \
  F(pointerGetAttributes, "cuPointerGetAttributes", (unsigned count, const int *attributes, void **values, DevicePointer pointer))                   \
  F(moduleLoad, "cuModuleLoadData", (ModuleHandle * module, const void *image))                                                                      \
  F(moduleUnload, "cuModuleUnload", (ModuleHandle module))                                                                                           \
  F(moduleGetFunction, "cuModuleGetFunction", (FunctionHandle * function, ModuleHandle module, const char *name))                                    \
  F(functionSetAttribute, "cuFuncSetAttribute", (FunctionHandle function, int attribute, int value))                                                 \
  F(encodeTiles, "cuTensorMapEncodeTiled",                                                                                                           \
    (TensorMapObject * object, int type, unsigned rank, void *address, const uint64_t *sizes, const uint64_t *strides, const unsigned *box,          \
     const unsigned *steps, int interleave, int swizzle, int promotion, int fill))                                                                   \
  F(encodeImages, "cuTensorMapEncodeIm2col",                                                                                                         \
    (TensorMapObject * object, int type, unsigned rank, void *address, const uint64_t *sizes, const uint64_t *strides, const int *lower,             \
     const int *upper, unsigned channels, unsigned pixels, const unsigned *steps, int interleave, int swizzle, int promotion, int fill))             \
  F(launch, "cuLaunchKernelEx", (const LaunchConfig *config, FunctionHandle function, void **parameters, void **extra))                              \
  F(streamCreate, "cuStreamCreate", (StreamHandle * stream, unsigned flags))                                                                         \
  F(streamDestroy, "cuStreamDestroy_v2", (StreamHandle stream))                                                                                      \
  F(streamSynchronize, "cuStreamSynchronize", (StreamHandle stream))                                                                                 \
  F(streamWriteWord, "cuStreamWriteValue32_v2", (StreamHandle stream, DevicePointer to, unsigned value, unsigned flags))                             \
  F(streamBeginCapture, "cuStreamBeginCapture_v2", (StreamHandle stream, unsigned mode))                                                             \
  F(streamEndCapture, "cuStreamEndCapture", (StreamHandle stream, GraphHandle * graph))                                                              \
  F(graphInstantiate, "cuGraphInstantiateWithFlags", (GraphExecHandle * exec, GraphHandle graph, unsigned long long flags))                          \
  F(graphLaunch, "cuGraphLaunch", (GraphExecHandle exec, StreamHandle stream))                                                                       \
  F(graphExecDestroy, "cuGraphExecDestroy", (GraphExecHandle exec))                                                                                  \
  F(graphDestroy, "cuGraphDestroy", (GraphHandle graph))                                                                                             \
  F(eventCreate, "cuEventCreate", (EventHandle * event, unsigned flags))                                                                             \
  F(eventDestroy, "cuEventDestroy_v2", (EventHandle event))                                                                                          \
  F(eventRecord, "cuEventRecord", (EventHandle event, StreamHandle stream))                                                                          \
  F(eventSynchronize, "cuEventSynchronize", (EventHandle event))                                                                                     \
  F(eventElapsedTime, "cuEventElapsedTime", (float *milliseconds, EventHandle start, EventHandle end))                                               \
  F(getErrorName, "cuGetErrorName", (Result error, const char **name))                                                                               \
  F(getErrorString, "cuGetErrorString", (Result error, const char **text))

struct Driver {
#define TENON_CUDA_MEMBER(member, symbol, parameters) Result(*member) parameters = nullptr;
  TENON_CUDA_FUNCTIONS(TENON_CUDA_MEMBER)
#undef TENON_CUDA_MEMBER

  /// The driver of this machine, opened and initialised by the first call. Errors: TN_DEVICE.
  static tn_status open(const Driver **driver, Message &message);
  /// Errors of kernels that failed, and of memory that broke: every later call of the process gives them too, whichever context it uses.
  static bool isLasting(Result result);
  /// The driver's words and name for a result; never null.
  const char *wordsFor(Result result) const;
  const char *nameOf(Result result) const;
  /// Fails with the driver's own words for `result`, after "`what`: ", and says so where the process cannot use the GPU any more.
  /// Status: TN_DEVICE; TN_OUT_OF_MEMORY where that is what the driver says, with what is free where a context is current.
  tn_status fail(Result result, const char *what, Message &message) const;
};

} // namespace tenon::cuda
