// cuDNN's backend, opened with dlopen: the few types and functions of <cudnn_graph.h> that the runtime uses, so that no CUDA is needed to build it.
#pragma once

#include "runtime/cuda/Driver.h"

namespace tenon::cuda::dnn {

// As in <cudnn_graph.h> of version 9.
using Status = int;
using Handle = struct HandleObject *;
using Descriptor = struct DescriptorObject *;

enum Kind : int { // cudnnBackendDescriptorType_t
  PointwiseKind = 0,
  ConvolutionKind = 1,
  EngineKind = 2,
  EngineConfigKind = 3,
  HeuristicsKind = 4,
  ExecutionPlanKind = 5,
  ConvolutionForwardKind = 10,
  PointwiseOperationKind = 13,
  GraphKind = 15,
  PackKind = 16,
  TensorKind = 17
};

enum Type : int { // cudnnBackendAttributeType_t
  HandleType = 0,
  DataTypeType = 1,
  BooleanType = 2,
  Int64Type = 3,
  FloatType = 4,
  DoubleType = 5,
  PointerType = 6,
  ConvolutionModeType = 7,
  HeuristicModeType = 8,
  NumericalNoteType = 11,
  PointwiseModeType = 14,
  DescriptorType = 15
};

enum Attribute : int { // cudnnBackendAttributeName_t
  PointwiseMode = 0,
  PointwisePrecision = 1,
  PointwiseLower = 3,
  PointwiseUpper = 4,
  ConvolutionType = 100,
  ConvolutionMode = 101,
  ConvolutionDilations = 102,
  ConvolutionSteps = 103,
  ConvolutionBehind = 104,
  ConvolutionBefore = 105,
  ConvolutionAxes = 106,
  HeuristicsMode = 200,
  HeuristicsGraph = 201,
  HeuristicsResults = 202,
  ConfigEngine = 300,
  PlanHandle = 400,
  PlanConfig = 401,
  PlanWorkspace = 402,
  ForwardAlpha = 700,
  ForwardBeta = 701,
  ForwardConvolution = 702,
  ForwardFilters = 703,
  ForwardImages = 704,
  ForwardResult = 705,
  OperationPointwise = 750,
  OperationLeft = 751,
  OperationRight = 752,
  OperationResult = 753,
  GraphHandle = 800,
  GraphOperations = 801,
  TensorAlignment = 900,
  TensorType = 901,
  TensorSizes = 902,
  TensorStrides = 903,
  TensorId = 906,
  TensorIsVirtual = 907,
  PackIds = 1000,
  PackPointers = 1001,
  PackWorkspace = 1003,
  EngineNotes = 1303
};

constexpr int kF32 = 0, kF16 = 2, kBF16 = 9;                                                       // cudnnDataType_t
constexpr int kCrossCorrelation = 1;                                                               // cudnnConvolutionMode_t
constexpr int kDecisionTree = 3;                                                                   // cudnnBackendHeurMode_t, A
constexpr int kAdd = 0, kRelu = 100, kExactGelu = 104, kSilu = 106, kGelu = 107;                   // cudnnPointwiseMode_t
constexpr int kDownConverts = 1, kReducedSums = 2, kFft = 3, kNotDeterministic = 4, kWinograd = 5; // cudnnBackendNumericalNote_t

// member, name in the library, parameters
#define TENON_CUDNN_FUNCTIONS(F)                                                                                                                     \
  F(create, "cudnnCreate", (Handle * handle))                                                                                                        \
  F(destroy, "cudnnDestroy", (Handle handle))                                                                                                        \
  F(setStream, "cudnnSetStream", (Handle handle, StreamHandle stream))                                                                               \
  F(make, "cudnnBackendCreateDescriptor", (int kind, Descriptor *descriptor))                                                                        \
  F(release, "cudnnBackendDestroyDescriptor", (Descriptor descriptor))                                                                               \
  F(set, "cudnnBackendSetAttribute", (Descriptor descriptor, int attribute, int type, int64_t count, const void *values))                            \
  F(get, "cudnnBackendGetAttribute", (Descriptor descriptor, int attribute, int type, int64_t room, int64_t *count, void *values))                   \
  F(finalize, "cudnnBackendFinalize", (Descriptor descriptor))                                                                                       \
  F(execute, "cudnnBackendExecute", (Handle handle, Descriptor plan, Descriptor pack))

struct Library {
#define TENON_CUDNN_MEMBER(member, symbol, parameters) Status(*member) parameters = nullptr;
  TENON_CUDNN_FUNCTIONS(TENON_CUDNN_MEMBER)
#undef TENON_CUDNN_MEMBER
  const char *(*statusName)(Status status) = nullptr;
  size_t version = 0; ///< 91900: 9.19

  /// That of this machine, opened by the first call. Errors: TN_WRONG_TARGET.
  static tn_status open(const Library **library, Message &message);
};

} // namespace tenon::cuda::dnn
