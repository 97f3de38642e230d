// What libraries are given has to make sense by itself: they trust sizes and strides, and read and write as these say.
#include "runtime/plan/LibraryCallVerifier.h"

namespace tenon::plan {
namespace {

using format::DType;
using format::LibraryTensor;

constexpr uint64_t kMostSize = uint64_t(1) << 31, kMostStride = uint64_t(1) << 40, kMostBytes = uint64_t(1) << 48;
constexpr uint32_t kMostAlignment = 256;
constexpr uint32_t kMostWindow = 1 << 15;
enum Axis : uint32_t { Batch, Rows, Columns, AxisCount };                      // of matrices
enum ImageAxis : uint32_t { Images, Channels, Height, Width, ImageAxisCount }; // filters have those of theirs in the place of images

const char *tensorProblem(const LibraryTensor &tensor, uint32_t axes, const format::Kernel &kernel) {
  if (tensor.buffer() >= uint64_t(kernel.arguments()) + kernel.results())
    return "a buffer of its library's does not exist";
  if (tensor.dtype() != DType::F32 && tensor.dtype() != DType::F16 && tensor.dtype() != DType::BF16)
    return "its library would compute with elements that are no f32, f16 or bf16";
  uint32_t alignment = tensor.alignment();
  if (alignment < elementBytes(tensor.dtype()) || alignment > kMostAlignment || (alignment & (alignment - 1)) != 0)
    return "the alignment of a tensor of its library's is impossible";
  if (count(tensor.sizes()) != axes || count(tensor.strides()) != axes)
    return "a tensor of its library's has another number of axes";
  if (!isAligned(tensor.sizes()) || !isAligned(tensor.strides()))
    return "the sizes of a tensor of its library's are not aligned";
  for (uint32_t axis = 0; axis < axes; ++axis)
    if (tensor.sizes()->Get(axis) == 0 || tensor.sizes()->Get(axis) >= kMostSize || tensor.strides()->Get(axis) >= kMostStride)
      return "a tensor of its library's is empty or too large";
  return extentOf(tensor) > kMostBytes ? "a tensor of its library's is empty or too large" : nullptr;
}

/// Elements along `inner` are neighbours, and what lies behind each other along `outer` does not overlap.
bool isAlong(const LibraryTensor &tensor, Axis inner, Axis outer) {
  const auto &sizes = *tensor.sizes(), &strides = *tensor.strides();
  return (sizes[inner] == 1 || strides[inner] == 1) && (sizes[outer] == 1 || strides[outer] >= sizes[inner]);
}

/// Results that are stored do not overlap: batches lie behind each other, or side by side in rows.
bool isSeparate(const LibraryTensor &tensor) {
  const auto &sizes = *tensor.sizes(), &strides = *tensor.strides();
  if (sizes[Batch] == 1)
    return true;
  bool isBehind = strides[Batch] >= (sizes[Rows] - 1) * strides[Rows] + sizes[Columns];
  bool isBeside = strides[Batch] >= sizes[Columns] && strides[Rows] >= (sizes[Batch] - 1) * strides[Batch] + sizes[Columns];
  return isBehind || isBeside;
}

/// Two tensors of equally many axes.
bool sameSizes(const LibraryTensor &a, const LibraryTensor &b) {
  for (uint32_t axis = 0; axis < count(a.sizes()); ++axis)
    if (a.sizes()->Get(axis) != b.sizes()->Get(axis))
      return false;
  return true;
}

const char *productProblem(const format::LibraryCall &call) {
  const LibraryTensor &left = *call.left(), &right = *call.right(), &result = *call.result();
  const auto &l = *left.sizes(), &r = *right.sizes(), &to = *result.sizes();
  if (l[Batch] != to[Batch] || r[Batch] != to[Batch] || l[Rows] != to[Rows] || r[Columns] != to[Columns] || l[Columns] != r[Rows])
    return "the sizes of its library's product do not match";
  if (call.bias() && call.bias()->sizes()->Get(0) != to[Columns])
    return "the sizes of its library's product do not match";
  if (call.bias() && to[Columns] > 1 && call.bias()->strides()->Get(0) != 1)
    return "the bias of its library's product is not dense";
  if (call.added() && (!sameSizes(*call.added(), result) || !isOfRows(*call.added())))
    return "what its library adds does not match the product";
  auto isMatrix = [](const LibraryTensor &tensor) { return isAlong(tensor, Columns, Rows) || isAlong(tensor, Rows, Columns); };
  if (!isMatrix(left) || !isMatrix(right) || !isOfRows(result) || !isSeparate(result))
    return "a factor or the product of its library's is no matrix";
  for (const LibraryTensor *tensor : {call.right(), call.bias(), call.added(), call.result()})
    if (tensor && tensor->dtype() != left.dtype())
      return "the element types of its library's product differ";
  return call.tf32() && left.dtype() != DType::F32 ? "its library's product is of tf32, and its elements are no f32" : nullptr;
}

/// Pixels of neighbouring channels, one behind the other, in rows and images that do not overlap.
bool isChannelsLast(const LibraryTensor &tensor) {
  const auto &sizes = *tensor.sizes(), &strides = *tensor.strides();
  uint64_t end = sizes[Channels];
  if (sizes[Channels] > 1 && strides[Channels] != 1)
    return false;
  for (ImageAxis axis : {Width, Height, Images}) {
    if (sizes[axis] > 1 && strides[axis] < end)
      return false;
    end = sizes[axis] > 1 ? strides[axis] * sizes[axis] : end;
  }
  return true;
}

/// Whether a window of `taps` elements that moves along `size` of them has so many places.
bool fits(const format::WindowAxis &axis, uint64_t size, uint64_t taps, uint64_t places) {
  if (axis.before() >= kMostWindow || axis.behind() >= kMostWindow || axis.step() - 1 >= kMostWindow || axis.dilation() - 1 >= kMostWindow)
    return false;
  uint64_t room = size + axis.before() + axis.behind(), reach = (taps - 1) * axis.dilation() + 1;
  return reach <= room && (room - reach) / axis.step() + 1 == places;
}

const char *convolutionProblem(const format::LibraryCall &call) {
  const LibraryTensor &left = *call.left(), &right = *call.right(), &result = *call.result();
  const auto &l = *left.sizes(), &r = *right.sizes(), &to = *result.sizes();
  bool match = l[Images] == to[Images] && r[Images] == to[Channels] && l[Channels] == r[Channels] &&
               (!call.bias() || call.bias()->sizes()->Get(0) == to[Channels]);
  constexpr uint32_t kAxesOfSpace = 2;
  if (count(call.window()) != kAxesOfSpace)
    return "the window of its library's convolution has another number of axes";
  for (uint32_t axis = 0; axis < kAxesOfSpace; ++axis)
    match &= fits(*call.window()->Get(axis), l[Height + axis], r[Height + axis], to[Height + axis]);
  if (!match || (call.added() && !sameSizes(*call.added(), result)))
    return "the sizes of its library's convolution do not match";
  for (const LibraryTensor *tensor : {call.left(), call.right(), call.added(), call.result()})
    if (tensor && (!isChannelsLast(*tensor) || tensor->dtype() != left.dtype()))
      return "a tensor of its library's convolution is not channels last, or has other elements";
  if (call.bias() && call.bias()->strides()->Get(0) != 1)
    return "the bias of its library's convolution is not dense";
  if (call.bias() && call.bias()->dtype() != left.dtype() && call.bias()->dtype() != DType::F32)
    return "the bias of its library's convolution has other elements";
  return call.tf32() != (left.dtype() == DType::F32) ? "its library's convolution is of f32, or of tf32 that are none" : nullptr;
}

/// What a library has after a product or a convolution.
bool hasActivation(const format::LibraryCall &call) {
  using format::Activation;
  if (call.activation() == Activation::Clip && !(call.most() > 0 && call.most() < 1e30f))
    return false;
  return call.activation() <= (call.library() == format::Library::Cudnn ? Activation::MAX : Activation::Gelu);
}

} // namespace

bool isOfRows(const LibraryTensor &tensor) {
  return isAlong(tensor, Columns, Rows);
}

uint64_t extentOf(const LibraryTensor &tensor) {
  uint64_t last = 0, bytes = 0;
  bool overflows = false;
  for (uint32_t axis = 0; axis < count(tensor.sizes()); ++axis) {
    uint64_t along = 0;
    overflows |= __builtin_mul_overflow(tensor.sizes()->Get(axis) - 1, tensor.strides()->Get(axis), &along);
    overflows |= __builtin_add_overflow(last, along, &last);
  }
  overflows |= __builtin_add_overflow(last, uint64_t(1), &last);
  overflows |= __builtin_mul_overflow(last, uint64_t(elementBytes(tensor.dtype())), &bytes);
  overflows |= __builtin_add_overflow(bytes, tensor.offset(), &bytes);
  return overflows ? UINT64_MAX : bytes;
}

const char *problemOf(const format::LibraryCall &call, const format::Kernel &kernel) {
  if (call.library() == format::Library::None || call.library() > format::Library::MAX)
    return "the library that computes it is unknown";
  if (!hasActivation(call) || call.algorithm() >= kMostAlgorithms)
    return "its library's activation or algorithm is unknown";
  if (kernel.threads() || kernel.tasks_per_block() || kernel.shared_bytes() || count(kernel.maps()))
    return "a library computes it, and it has threads";
  if (bool(call.workspace_bytes()) != kernel.workspace() || call.workspace_bytes() > kMostBytes)
    return "its library's workspace is not its own";
  bool isConvolution = call.library() == format::Library::Cudnn;
  for (const LibraryTensor *tensor : {call.left(), call.right(), call.added(), call.result()})
    if (const char *problem = tensor ? tensorProblem(*tensor, isConvolution ? uint32_t(ImageAxisCount) : uint32_t(AxisCount), kernel) : nullptr)
      return problem;
  if (const char *problem = call.bias() ? tensorProblem(*call.bias(), 1, kernel) : nullptr)
    return problem;
  if (call.result()->buffer() < kernel.arguments())
    return "it would write to an argument";
  if (!isConvolution && count(call.window()))
    return "its library's product has a window";
  return isConvolution ? convolutionProblem(call) : productProblem(call);
}

} // namespace tenon::plan
