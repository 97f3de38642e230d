#include "test/unit/runtime/gpu/FakeCublasLt.h"

#include "runtime/cuda/CublasLt.h"
#include "test/unit/runtime/gpu/FakeDriver.h"

#include <algorithm>
#include <vector>

using namespace tenon::cuda;
using tenon::test::FakeCublasLt;

namespace {

constexpr lt::Status kInvalidValue = 7, kNotSupported = 15;

FakeCublasLt fake;

lt::Status mayFail() {
  return fake.failingCall > 0 && --fake.failingCall == 0 ? fake.failure : 0;
}

struct Matrix {
  uint64_t rows, columns;
  int64_t leading;
};

struct Product {
  int transposes[2] = {};
  uint32_t epilogue = lt::kEpilogueNone;
  const float *bias = nullptr;
};

template <typename T> lt::Status make(const char *kind, T **object, T value) {
  if (lt::Status status = mayFail())
    return status;
  ++fake.alive[kind];
  *object = new T(value);
  return 0;
}

template <typename T> lt::Status destroy(const char *kind, void *object) {
  --fake.alive[kind];
  delete static_cast<T *>(object);
  return 0;
}

/// An element of a matrix by columns, or of its transpose.
float element(const Matrix &matrix, const float *memory, bool isTransposed, uint64_t row, uint64_t column) {
  if (isTransposed)
    std::swap(row, column);
  return memory[row + column * uint64_t(matrix.leading)];
}

struct Operand {
  const float *memory;
  Matrix matrix;
};

void multiply(const Product &product, const Operand &a, const Operand &b, const Operand &c, float beta, float *d, const Matrix &to) {
  bool aTransposed = product.transposes[0], bTransposed = product.transposes[1];
  uint64_t depth = aTransposed ? a.matrix.rows : a.matrix.columns;
  for (uint64_t column = 0; column < to.columns; ++column)
    for (uint64_t row = 0; row < to.rows; ++row) {
      float sum = beta == 0 ? 0 : beta * element(c.matrix, c.memory, false, row, column);
      for (uint64_t k = 0; k < depth; ++k)
        sum += element(a.matrix, a.memory, aTransposed, row, k) * element(b.matrix, b.memory, bTransposed, k, column);
      sum += product.epilogue & lt::kEpilogueBias ? product.bias[row] : 0;
      d[row + column * uint64_t(to.leading)] = product.epilogue & lt::kEpilogueRelu ? std::max(sum, 0.0f) : sum;
    }
}

} // namespace

tenon::test::FakeCublasLt *tenonFakeCublasLt() {
  return &fake;
}

#define FAKE extern "C" lt::Status

extern "C" size_t cublasLtGetVersion() {
  return fake.version;
}
extern "C" const char *cublasLtGetStatusName(lt::Status status) {
  return status ? "FAKE_STATUS" : "CUBLAS_STATUS_SUCCESS";
}
FAKE cublasLtCreate(void **handle) {
  int *made = nullptr;
  lt::Status status = make("handle", &made, 0);
  return *handle = made, status;
}
FAKE cublasLtDestroy(void *handle) {
  return destroy<int>("handle", handle);
}
FAKE cublasLtMatmulDescCreate(Product **product, int compute, int scale) {
  return compute != lt::kComputeF32 || scale != lt::kF32 ? kInvalidValue : make("product", product, Product());
}
FAKE cublasLtMatmulDescDestroy(void *product) {
  return destroy<Product>("product", product);
}
FAKE cublasLtMatmulDescSetAttribute(Product *product, int attribute, const void *value, size_t bytes) {
  if (lt::Status status = mayFail())
    return status;
  if (attribute == lt::kProductBias && bytes == sizeof(void *))
    product->bias = *static_cast<const float *const *>(value);
  else if (attribute == lt::kProductEpilogue && bytes == sizeof(uint32_t))
    product->epilogue = *static_cast<const uint32_t *>(value);
  else if ((attribute == lt::kProductTransposeA || attribute == lt::kProductTransposeB) && bytes == sizeof(int))
    product->transposes[attribute - lt::kProductTransposeA] = *static_cast<const int *>(value);
  else
    return kInvalidValue;
  return 0;
}
FAKE cublasLtMatrixLayoutCreate(Matrix **matrix, int type, uint64_t rows, uint64_t columns, int64_t leading) {
  return type != lt::kF32 || leading < int64_t(rows) ? kInvalidValue : make("matrix", matrix, Matrix{rows, columns, leading});
}
FAKE cublasLtMatrixLayoutSetAttribute(Matrix *, int, const void *, size_t) {
  return mayFail();
}
FAKE cublasLtMatrixLayoutDestroy(void *matrix) {
  return destroy<Matrix>("matrix", matrix);
}
FAKE cublasLtMatmulPreferenceCreate(int **preference) {
  return make("preference", preference, 0);
}
FAKE cublasLtMatmulPreferenceDestroy(void *preference) {
  return destroy<int>("preference", preference);
}
FAKE cublasLtMatmulPreferenceSetAttribute(int *, int, const void *, size_t) {
  return 0;
}
FAKE cublasLtMatmulAlgoGetHeuristic(void *, Product *, Matrix *, Matrix *, Matrix *, Matrix *, int *, int wanted, lt::Proposal *proposals,
                                    int *found) {
  if (lt::Status status = mayFail())
    return status;
  *found = std::min(wanted, fake.usable + 1);
  for (int i = 0; i < *found; ++i) {
    proposals[i] = {};
    proposals[i].algorithm.words[0] = uint64_t(i);
    proposals[i].state = i == 0 ? kNotSupported : 0;
  }
  return 0;
}
FAKE cublasLtMatmul(void *, Product *product, const float *alpha, const float *a, Matrix *aMatrix, const float *b, Matrix *bMatrix, const float *beta,
                    const float *c, Matrix *cMatrix, float *d, Matrix *dMatrix, const lt::Algorithm *algorithm, void *workspace,
                    size_t workspaceBytes, StreamHandle stream) {
  if (lt::Status status = mayFail())
    return status;
  if (*alpha != 1 || (workspaceBytes && (!workspace || uintptr_t(workspace) % 256)))
    return kInvalidValue;
  fake.lastAlgorithm = algorithm->words[0];
  fake.lastWorkspace = workspaceBytes;
  Operand left{a, *aMatrix}, right{b, *bMatrix}, added{c, *cMatrix};
  tenonFakeEnqueue(stream, [=, description = *product, by = *beta, to = *dMatrix] {
    multiply(description, left, right, added, by, d, to);
    ++fake.products;
  });
  return 0;
}
