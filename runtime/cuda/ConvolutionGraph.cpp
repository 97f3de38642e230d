#include "runtime/cuda/ConvolutionGraph.h"

#include <initializer_list>

namespace tenon::cuda {

using namespace plan;
using format::Activation;
using format::LibraryCall;
using format::LibraryTensor;

namespace {

enum Axis : uint32_t { Images, Channels, Height, Width, AxisCount };

int typeOf(format::DType dtype) {
  return dtype == format::DType::F32 ? dnn::kF32 : dtype == format::DType::F16 ? dnn::kF16 : dnn::kBF16;
}

int modeOf(Activation activation) {
  switch (activation) {
  case Activation::Gelu:
    return dnn::kGelu;
  case Activation::ExactGelu:
    return dnn::kExactGelu;
  case Activation::Silu:
    return dnn::kSilu;
  default:
    return dnn::kRelu;
  }
}

/// Makes the descriptors of a convolution; after the first error nothing more is done.
class GraphMaker {
public:
  GraphMaker(const dnn::Library &library, dnn::Handle handle, const LibraryCall &call, ConvolutionDescriptors &made)
      : library(library), handle(handle), call(call), made(made) {}

  dnn::Descriptor run() {
    operationsLeft = 1 + bool(call.added()) + bool(call.bias()) + (call.activation() != Activation::None);
    dnn::Descriptor sums = next();
    convolution(sums);
    if (call.added())
      sums = pointwise(dnn::kAdd, sums, tensor(AddedId, *call.added()));
    if (call.bias())
      sums = pointwise(dnn::kAdd, sums, biasTensor(*call.bias()));
    if (call.activation() != Activation::None)
      pointwise(modeOf(call.activation()), sums, nullptr);
    dnn::Descriptor graph = make(dnn::GraphKind);
    set(graph, dnn::GraphHandle, dnn::HandleType, {handle});
    if (!status)
      status = library.set(graph, dnn::GraphOperations, dnn::DescriptorType, operationCount, operations);
    return finalized(graph);
  }

  dnn::Status status = 0;

private:
  dnn::Descriptor make(dnn::Kind kind) {
    dnn::Descriptor descriptor = nullptr;
    if (status || (status = library.make(kind, &descriptor)))
      return nullptr;
    return made.descriptors[made.count++] = descriptor;
  }

  template <typename T> void set(dnn::Descriptor descriptor, dnn::Attribute attribute, dnn::Type type, std::initializer_list<T> values) {
    if (!status)
      status = library.set(descriptor, attribute, type, int64_t(values.size()), values.begin());
  }

  dnn::Descriptor finalized(dnn::Descriptor descriptor) {
    if (!status)
      status = library.finalize(descriptor);
    return descriptor;
  }

  struct Shape {
    int64_t sizes[AxisCount], strides[AxisCount];
  };

  dnn::Descriptor tensor(int64_t id, int type, int64_t alignment, const Shape &shape, bool isVirtual = false) {
    dnn::Descriptor made = make(dnn::TensorKind);
    set(made, dnn::TensorId, dnn::Int64Type, {id});
    set(made, dnn::TensorType, dnn::DataTypeType, {type});
    set(made, dnn::TensorAlignment, dnn::Int64Type, {alignment});
    if (!status)
      status = library.set(made, dnn::TensorSizes, dnn::Int64Type, AxisCount, shape.sizes);
    if (!status)
      status = library.set(made, dnn::TensorStrides, dnn::Int64Type, AxisCount, shape.strides);
    if (isVirtual)
      set(made, dnn::TensorIsVirtual, dnn::BooleanType, {true});
    return finalized(made);
  }

  static Shape shapeOf(const LibraryTensor &tensor) {
    Shape shape;
    int64_t end = int64_t(tensor.sizes()->Get(Channels));
    for (Axis axis : {Channels, Width, Height, Images}) { // strides of axes of one element are not looked at by us, but by the library
      shape.sizes[axis] = int64_t(tensor.sizes()->Get(axis));
      shape.strides[axis] = axis == Channels ? 1 : shape.sizes[axis] == 1 ? end : int64_t(tensor.strides()->Get(axis));
      end = axis == Channels ? end : shape.strides[axis] * shape.sizes[axis];
    }
    return shape;
  }

  dnn::Descriptor tensor(ConvolutionTensor id, const LibraryTensor &given) { return tensor(id, typeOf(given.dtype()), given.alignment(), shapeOf(given)); }

  dnn::Descriptor biasTensor(const LibraryTensor &bias) {
    int64_t size = int64_t(bias.sizes()->Get(0));
    return tensor(BiasId, typeOf(bias.dtype()), bias.alignment(), {{1, size, 1, 1}, {size, 1, size, size}});
  }

  /// Where the next operation writes: the result, or what nobody stores, in f32.
  dnn::Descriptor next() {
    if (--operationsLeft == 0)
      return tensor(ResultId, *call.result());
    constexpr int64_t kAlignment = 16;
    return tensor(FirstVirtualId + operationsLeft, dnn::kF32, kAlignment, shapeOf(*call.result()), true);
  }

  void convolution(dnn::Descriptor result) {
    const format::WindowAxis &rows = *call.window()->Get(0), &columns = *call.window()->Get(1);
    dnn::Descriptor window = make(dnn::ConvolutionKind);
    set(window, dnn::ConvolutionType, dnn::DataTypeType, {dnn::kF32});
    set(window, dnn::ConvolutionMode, dnn::ConvolutionModeType, {dnn::kCrossCorrelation});
    set(window, dnn::ConvolutionAxes, dnn::Int64Type, {int64_t(2)});
    set(window, dnn::ConvolutionDilations, dnn::Int64Type, {int64_t(rows.dilation()), int64_t(columns.dilation())});
    set(window, dnn::ConvolutionSteps, dnn::Int64Type, {int64_t(rows.step()), int64_t(columns.step())});
    set(window, dnn::ConvolutionBefore, dnn::Int64Type, {int64_t(rows.before()), int64_t(columns.before())});
    set(window, dnn::ConvolutionBehind, dnn::Int64Type, {int64_t(rows.behind()), int64_t(columns.behind())});
    finalized(window);
    dnn::Descriptor images = tensor(LeftId, *call.left()), filters = tensor(RightId, *call.right());
    dnn::Descriptor operation = make(dnn::ConvolutionForwardKind);
    set(operation, dnn::ForwardConvolution, dnn::DescriptorType, {window});
    set(operation, dnn::ForwardImages, dnn::DescriptorType, {images});
    set(operation, dnn::ForwardFilters, dnn::DescriptorType, {filters});
    set(operation, dnn::ForwardResult, dnn::DescriptorType, {result});
    set(operation, dnn::ForwardAlpha, dnn::FloatType, {1.0f});
    set(operation, dnn::ForwardBeta, dnn::FloatType, {0.0f});
    operations[operationCount++] = finalized(operation);
  }

  /// What an operation of one or two operands gives.
  dnn::Descriptor pointwise(int mode, dnn::Descriptor left, dnn::Descriptor right) {
    dnn::Descriptor result = next(), kind = make(dnn::PointwiseKind);
    set(kind, dnn::PointwiseMode, dnn::PointwiseModeType, {mode});
    set(kind, dnn::PointwisePrecision, dnn::DataTypeType, {dnn::kF32});
    if (mode == dnn::kRelu && call.activation() == Activation::Clip) {
      set(kind, dnn::PointwiseLower, dnn::DoubleType, {0.0});
      set(kind, dnn::PointwiseUpper, dnn::DoubleType, {double(call.most())});
    }
    finalized(kind);
    dnn::Descriptor operation = make(dnn::PointwiseOperationKind);
    set(operation, dnn::OperationPointwise, dnn::DescriptorType, {kind});
    set(operation, dnn::OperationLeft, dnn::DescriptorType, {left});
    if (right)
      set(operation, dnn::OperationRight, dnn::DescriptorType, {right});
    set(operation, dnn::OperationResult, dnn::DescriptorType, {result});
    operations[operationCount++] = finalized(operation);
    return result;
  }

  const dnn::Library &library;
  dnn::Handle handle;
  const LibraryCall &call;
  ConvolutionDescriptors &made;
  dnn::Descriptor operations[4] = {};
  int64_t operationCount = 0;
  int operationsLeft = 0;
};

} // namespace

dnn::Descriptor makeGraph(const dnn::Library &library, dnn::Handle handle, const LibraryCall &call, ConvolutionDescriptors &made,
                          dnn::Status *status) {
  GraphMaker maker(library, handle, call, made);
  dnn::Descriptor graph = maker.run();
  *status = maker.status;
  return graph;
}

} // namespace tenon::cuda
