// cublasLt, opened with dlopen: the few types and functions of <cublasLt.h> that the runtime uses, so that no CUDA is needed to build it.
#pragma once

#include "runtime/cuda/Driver.h"

namespace tenon::cuda::lt {

// As in <cublasLt.h> and <cublas_api.h> of versions 12 and 13.
using Status = int;
using Handle = struct HandleObject *;
using Product = struct ProductObject *;
using Matrix = struct MatrixObject *;
using Preference = struct PreferenceObject *;

constexpr int kF32 = 0, kF16 = 2, kBF16 = 14;                                                         // cudaDataType_t
constexpr int kComputeF32 = 68, kComputeTf32 = 77;                                                    // cublasComputeType_t
constexpr int kTransposed = 1;                                                                        // cublasOperation_t
constexpr int kProductTransposeA = 3, kProductTransposeB = 4, kProductEpilogue = 7, kProductBias = 8; // cublasLtMatmulDescAttributes_t
constexpr int kMatrixBatches = 5, kMatrixBatchStride = 6;                                             // cublasLtMatrixLayoutAttribute_t
constexpr int kPreferWorkspace = 1, kPreferReductions = 3;                                            // cublasLtMatmulPreferenceAttributes_t
constexpr int kPreferAlignmentA = 5, kPreferAlignmentB = 6, kPreferAlignmentC = 7, kPreferAlignmentD = 8;
constexpr uint32_t kReduceInComputeType = 2; // cublasLtReductionScheme_t: parts of a sum are added in f32
constexpr uint32_t kEpilogueNone = 1, kEpilogueRelu = 2, kEpilogueBias = 4, kEpilogueGelu = 32; // cublasLtEpilogue_t, which add up

/// cublasLtMatmulAlgo_t
struct Algorithm {
  uint64_t words[8];
};

/// cublasLtMatmulHeuristicResult_t
struct Proposal {
  Algorithm algorithm;
  size_t workspaceBytes;
  Status state; ///< the others count where it is 0
  float waves;
  int reserved[4];
};

// member, name in the library, parameters
#define TENON_CUBLASLT_FUNCTIONS(F)                                                                                                                  \
  F(create, "cublasLtCreate", (Handle * handle))                                                                                                     \
  F(destroy, "cublasLtDestroy", (Handle handle))                                                                                                     \
  F(productCreate, "cublasLtMatmulDescCreate", (Product * product, int compute, int scale))                                                          \
  F(productSet, "cublasLtMatmulDescSetAttribute", (Product product, int attribute, const void *value, size_t bytes))                                 \
  F(productDestroy, "cublasLtMatmulDescDestroy", (Product product))                                                                                  \
  F(matrixCreate, "cublasLtMatrixLayoutCreate", (Matrix * matrix, int type, uint64_t rows, uint64_t columns, int64_t leading))                       \
  F(matrixSet, "cublasLtMatrixLayoutSetAttribute", (Matrix matrix, int attribute, const void *value, size_t bytes))                                  \
  F(matrixDestroy, "cublasLtMatrixLayoutDestroy", (Matrix matrix))                                                                                   \
  F(preferenceCreate, "cublasLtMatmulPreferenceCreate", (Preference * preference))                                                                   \
  F(preferenceSet, "cublasLtMatmulPreferenceSetAttribute", (Preference preference, int attribute, const void *value, size_t bytes))                  \
  F(preferenceDestroy, "cublasLtMatmulPreferenceDestroy", (Preference preference))                                                                   \
  F(propose, "cublasLtMatmulAlgoGetHeuristic",                                                                                                       \
    (Handle handle, Product product, Matrix a, Matrix b, Matrix c, Matrix d, Preference preference, int wanted, Proposal *proposals, int *found))    \
  F(multiply, "cublasLtMatmul",                                                                                                                      \
    (Handle handle, Product product, const void *alpha, const void *a, Matrix aLayout, const void *b, Matrix bLayout, const void *beta,              \
     const void *c, Matrix cLayout, void *d, Matrix dLayout, const Algorithm *algorithm, void *workspace, size_t workspaceBytes,                     \
     StreamHandle stream))

struct Library {
#define TENON_CUBLASLT_MEMBER(member, symbol, parameters) Status(*member) parameters = nullptr;
  TENON_CUBLASLT_FUNCTIONS(TENON_CUBLASLT_MEMBER)
#undef TENON_CUBLASLT_MEMBER
  const char *(*statusName)(Status status) = nullptr;
  size_t version = 0; ///< 130100: 13.1

  /// That of this machine, opened by the first call. Errors: TN_WRONG_TARGET.
  static tn_status open(const Library **library, Message &message);
};

} // namespace tenon::cuda::lt
