#include "runtime/cuda/Products.h"

#include "runtime/cuda/Workspace.h"
#include "runtime/plan/LibraryCallVerifier.h"

#include <algorithm>
#include <cinttypes>

namespace tenon::cuda {

using namespace plan;
using format::LibraryCall;
using format::LibraryTensor;

namespace {

enum Axis : uint32_t { Batch, Rows, Columns };

uint64_t sizeOf(const LibraryTensor &tensor, Axis axis) {
  return tensor.sizes()->Get(axis);
}

int typeOf(format::DType dtype) {
  return dtype == format::DType::F32 ? lt::kF32 : dtype == format::DType::F16 ? lt::kF16 : lt::kBF16;
}

uint32_t epilogueOf(const LibraryCall &call) {
  uint32_t activation = call.activation() == format::Activation::Relu   ? lt::kEpilogueRelu
                        : call.activation() == format::Activation::Gelu ? lt::kEpilogueGelu
                                                                        : 0;
  uint32_t sum = activation | (call.bias() ? lt::kEpilogueBias : 0);
  return sum ? sum : lt::kEpilogueNone;
}

} // namespace

tn_status Products::fail(lt::Status status, const char *what, Message &message) const {
  constexpr lt::Status kAllocationFailed = 3, kInvalidValue = 7, kOtherArchitecture = 8, kNotSupported = 15;
  bool isRefused = status == kInvalidValue || status == kOtherArchitecture || status == kNotSupported;
  return message.fail(status == kAllocationFailed ? TN_OUT_OF_MEMORY
                      : isRefused                 ? TN_WRONG_TARGET
                                                  : TN_DEVICE,
                      "%s: cublasLt %zu.%zu gives %s", what, library->version / 10000, library->version / 100 % 100, library->statusName(status));
}

tn_status Products::open(uint32_t kernels, Memory &memory, Message &message) {
  if (tn_status status = lt::Library::open(&library, message))
    return status;
  if (tn_status status = products.allocate(memory, kernels, "the calls of cublasLt", message))
    return status;
  std::fill(products.begin(), products.end(), Product{});
  lt::Status status = library->create(&handle);
  return status ? fail(status, "starting cublasLt, whose major version may be too new for the driver", message) : TN_OK;
}

tn_status Products::makeMatrix(const LibraryTensor &tensor, lt::Matrix *matrix, Message &message) {
  Axis inner = isOfRows(tensor) ? Columns : Rows, outer = inner == Columns ? Rows : Columns;
  uint64_t stride = sizeOf(tensor, outer) == 1 ? sizeOf(tensor, inner) : tensor.strides()->Get(outer);
  constexpr const char *kWhat = "describing a matrix";
  if (lt::Status status = library->matrixCreate(matrix, typeOf(tensor.dtype()), sizeOf(tensor, inner), sizeOf(tensor, outer), int64_t(stride)))
    return fail(status, kWhat, message);
  int32_t batches = int32_t(sizeOf(tensor, Batch));
  int64_t batchStride = int64_t(tensor.strides()->Get(Batch));
  if (batches == 1)
    return TN_OK;
  lt::Status status = library->matrixSet(*matrix, lt::kMatrixBatches, &batches, sizeof batches);
  status = status ? status : library->matrixSet(*matrix, lt::kMatrixBatchStride, &batchStride, sizeof batchStride);
  return status ? fail(status, kWhat, message) : TN_OK;
}

tn_status Products::describe(uint32_t kernel, const LibraryCall &call, uint32_t workspace, Message &message) {
  constexpr const char *kWhat = "describing a product";
  Product &made = products[kernel];
  made.workspace = workspace;
  if (lt::Status status = library->productCreate(&made.product, call.tf32() ? lt::kComputeTf32 : lt::kComputeF32, lt::kF32))
    return fail(status, kWhat, message);
  const LibraryTensor *tensors[] = {call.left(), call.right(), call.result()};
  lt::Matrix *matrices[] = {&made.left, &made.right, &made.result};
  for (int i = 0; i < 3; ++i)
    if (tn_status status = makeMatrix(*tensors[i], matrices[i], message))
      return status;
  made.added = made.result;
  if (call.added())
    if (tn_status status = makeMatrix(*call.added(), &made.added, message))
      return status;
  // By columns a matrix of rows is its transpose: (left right)' = right' left'.
  uint32_t epilogue = epilogueOf(call);
  lt::Status status = library->productSet(made.product, lt::kProductEpilogue, &epilogue, sizeof epilogue);
  if (!status && !isOfRows(*call.right()))
    status = library->productSet(made.product, lt::kProductTransposeA, &lt::kTransposed, sizeof lt::kTransposed);
  if (!status && !isOfRows(*call.left()))
    status = library->productSet(made.product, lt::kProductTransposeB, &lt::kTransposed, sizeof lt::kTransposed);
  // Algorithms are chosen by the alignment of this address.
  const void *bias = call.bias() ? reinterpret_cast<const void *>(uintptr_t(call.bias()->alignment())) : nullptr;
  if (!status && bias)
    status = library->productSet(made.product, lt::kProductBias, &bias, sizeof bias);
  return status ? fail(status, kWhat, message) : chooseAlgorithm(call, made, message);
}

tn_status Products::chooseAlgorithm(const LibraryCall &call, Product &made, Message &message) {
  lt::Preference preference = nullptr;
  if (lt::Status status = library->preferenceCreate(&preference))
    return fail(status, "looking for an algorithm", message);
  uint32_t alignments[] = {call.right()->alignment(), call.left()->alignment(), (call.added() ? call.added() : call.result())->alignment(),
                           call.result()->alignment()};
  uint64_t workspace = usableWorkspace(call);
  library->preferenceSet(preference, lt::kPreferWorkspace, &workspace, sizeof workspace);
  library->preferenceSet(preference, lt::kPreferReductions, &lt::kReduceInComputeType, sizeof lt::kReduceInComputeType);
  for (int i = 0; i < 4; ++i)
    library->preferenceSet(preference, lt::kPreferAlignmentA + i, &alignments[i], sizeof alignments[i]);
  lt::Proposal proposals[kMostAlgorithms] = {};
  int found = 0;
  lt::Status status =
      library->propose(handle, made.product, made.right, made.left, made.added, made.result, preference, kMostAlgorithms, proposals, &found);
  library->preferenceDestroy(preference);
  uint32_t usable = 0;
  for (int i = 0; i < found && !status; ++i)
    if (proposals[i].state == 0 && usable++ == call.algorithm()) {
      made.algorithm = proposals[i].algorithm;
      return TN_OK;
    }
  const LibraryTensor &left = *call.left(), &right = *call.right();
  return message.fail(TN_WRONG_TARGET,
                      "cublasLt %zu.%zu proposes %u algorithms (%s) for products of %" PRIu64 " x %" PRIu64 " by %" PRIu64 " x %" PRIu64
                      " %s, number %u is wanted%s compile without --libraries cublaslt",
                      library->version / 10000, library->version / 100 % 100, usable, library->statusName(status), sizeOf(left, Rows),
                      sizeOf(left, Columns), sizeOf(right, Rows), sizeOf(right, Columns), tn_dtype_name(tn_dtype(left.dtype())), call.algorithm(),
                      usable ? ", as another version had it: tune again, or" : ";");
}

tn_status Products::queue(uint32_t kernel, const LibraryCall &call, void *const *addresses, StreamHandle stream, Message &message) {
  Product &made = products[kernel];
  bool isAligned = true;
  auto addressOf = [&](const LibraryTensor *tensor) {
    uint8_t *address = tensor ? static_cast<uint8_t *>(addresses[tensor->buffer()]) + tensor->offset() : nullptr;
    isAligned &= !tensor || uintptr_t(address) % tensor->alignment() == 0;
    return address;
  };
  void *left = addressOf(call.left()), *right = addressOf(call.right()), *bias = addressOf(call.bias()), *added = addressOf(call.added()),
       *result = addressOf(call.result());
  if (!isAligned)
    return message.fail(TN_BAD_PLAN, "an operand is not aligned as the plan says");
  lt::Status status = bias ? library->productSet(made.product, lt::kProductBias, &bias, sizeof bias) : 0;
  const float one = 1, addedBy = added ? 1.0f : 0.0f;
  size_t workspaceBytes = usableWorkspace(call);
  void *workspace = workspaceBytes ? workspaceAt(addresses[made.workspace]) : nullptr;
  status = status ? status
                  : library->multiply(handle, made.product, &one, right, made.right, left, made.left, &addedBy, added ? added : result, made.added,
                                      result, made.result, &made.algorithm, workspace, workspaceBytes, stream);
  return status ? fail(status, "queueing a product", message) : TN_OK;
}

void Products::destroy() {
  for (Product &made : products) {
    for (lt::Matrix matrix : {made.left, made.right, made.added != made.result ? made.added : nullptr, made.result})
      if (matrix)
        library->matrixDestroy(matrix);
    if (made.product)
      library->productDestroy(made.product);
  }
  products.reset();
  if (handle)
    library->destroy(handle);
  handle = nullptr;
}

} // namespace tenon::cuda
