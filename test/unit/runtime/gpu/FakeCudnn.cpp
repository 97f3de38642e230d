#include "test/unit/runtime/gpu/FakeCudnn.h"

#include "runtime/cuda/Cudnn.h"
#include "test/unit/runtime/gpu/FakeDriver.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

using namespace tenon::cuda;
using tenon::test::FakeCudnn;

namespace {

constexpr dnn::Status kBadParameter = 2000, kNotFinalized = 2004, kNotSupported = 3000;
constexpr int64_t kMegabyte = 1 << 20;

FakeCudnn fake;

dnn::Status mayFail() {
  return fake.failingCall > 0 && --fake.failingCall == 0 ? fake.failure : 0;
}

struct Descriptor {
  int kind;
  bool isFinal = false;
  int engine = -1; ///< of an engine, a configuration or a plan
  std::map<int, std::vector<unsigned char>> attributes;

  template <typename T> std::vector<T> list(int attribute) const {
    std::vector<T> values(attributes.at(attribute).size() / sizeof(T));
    std::memcpy(values.data(), attributes.at(attribute).data(), values.size() * sizeof(T));
    return values;
  }
  template <typename T> T value(int attribute) const { return list<T>(attribute).front(); }
  bool has(int attribute) const { return attributes.count(attribute) != 0; }
  const Descriptor &descriptor(int attribute) const { return *value<const Descriptor *>(attribute); }
};

struct Handle {
  StreamHandle stream = nullptr;
};

size_t bytesOf(int type) {
  switch (type) {
  case dnn::BooleanType:
    return sizeof(bool);
  case dnn::Int64Type:
  case dnn::DoubleType:
  case dnn::HandleType:
  case dnn::PointerType:
  case dnn::DescriptorType:
    return 8;
  default:
    return 4;
  }
}

using Index = std::array<int64_t, 4>;

/// A tensor of the graph with its memory: the application's, or what lasts as long as an execution.
struct Tensor {
  std::vector<int64_t> sizes, strides;
  float *memory;
  float &at(const Index &i) const {
    int64_t place = 0;
    for (int axis = 0; axis < 4; ++axis)
      place += sizes[size_t(axis)] == 1 ? 0 : i[size_t(axis)] * strides[size_t(axis)];
    return memory[place];
  }
};

template <typename Visit> void forEachIndex(const std::vector<int64_t> &sizes, Visit visit) {
  for (int64_t n = 0; n < sizes[0]; ++n)
    for (int64_t c = 0; c < sizes[1]; ++c)
      for (int64_t h = 0; h < sizes[2]; ++h)
        for (int64_t w = 0; w < sizes[3]; ++w)
          visit({n, c, h, w});
}

/// One execution of a graph.
class Execution {
public:
  explicit Execution(std::map<int64_t, float *> given) : memory(std::move(given)) {}

  void run(const Descriptor &graph) {
    for (const Descriptor *operation : graph.list<const Descriptor *>(dnn::GraphOperations))
      operation->kind == dnn::ConvolutionForwardKind ? convolve(*operation) : apply(*operation);
  }

private:
  Tensor tensor(const Descriptor &described) {
    Tensor made{described.list<int64_t>(dnn::TensorSizes), described.list<int64_t>(dnn::TensorStrides), nullptr};
    float *&place = memory[described.value<int64_t>(dnn::TensorId)];
    if (!place && described.has(dnn::TensorIsVirtual)) {
      kept.push_back(std::make_unique<std::vector<float>>(4096));
      place = kept.back()->data();
    }
    made.memory = place;
    return made;
  }

  void convolve(const Descriptor &operation) {
    const Descriptor &window = operation.descriptor(dnn::ForwardConvolution);
    Tensor x = tensor(operation.descriptor(dnn::ForwardImages)), w = tensor(operation.descriptor(dnn::ForwardFilters)),
           y = tensor(operation.descriptor(dnn::ForwardResult));
    auto steps = window.list<int64_t>(dnn::ConvolutionSteps), dilations = window.list<int64_t>(dnn::ConvolutionDilations),
         before = window.list<int64_t>(dnn::ConvolutionBefore);
    forEachIndex(y.sizes, [&](Index to) {
      float sum = 0;
      forEachIndex({1, x.sizes[1], w.sizes[2], w.sizes[3]}, [&](Index tap) {
        Index from = {to[0], tap[1], to[2] * steps[0] + tap[2] * dilations[0] - before[0], to[3] * steps[1] + tap[3] * dilations[1] - before[1]};
        if (from[2] >= 0 && from[2] < x.sizes[2] && from[3] >= 0 && from[3] < x.sizes[3])
          sum += x.at(from) * w.at({to[1], tap[1], tap[2], tap[3]});
      });
      y.at(to) = sum;
    });
  }

  void apply(const Descriptor &operation) {
    const Descriptor &kind = operation.descriptor(dnn::OperationPointwise);
    int mode = kind.value<int>(dnn::PointwiseMode);
    Tensor x = tensor(operation.descriptor(dnn::OperationLeft)), y = tensor(operation.descriptor(dnn::OperationResult)), b = x;
    if (operation.has(dnn::OperationRight))
      b = tensor(operation.descriptor(dnn::OperationRight));
    float most = kind.has(dnn::PointwiseUpper) ? float(kind.value<double>(dnn::PointwiseUpper)) : 1e30f;
    forEachIndex(y.sizes, [&](Index i) {
      float value = x.at(i);
      y.at(i) = mode == dnn::kAdd ? value + b.at(i) : std::clamp(value, 0.0f, most);
    });
  }

  std::map<int64_t, float *> memory;
  std::vector<std::unique_ptr<std::vector<float>>> kept;
};

} // namespace

tenon::test::FakeCudnn *tenonFakeCudnn() {
  return &fake;
}

#define FAKE extern "C" dnn::Status

extern "C" size_t cudnnGetVersion() {
  return fake.version;
}
extern "C" const char *cudnnGetErrorString(dnn::Status status) {
  return status ? "FAKE_STATUS" : "CUDNN_STATUS_SUCCESS";
}
FAKE cudnnCreate(Handle **handle) {
  if (dnn::Status status = mayFail())
    return status;
  ++fake.alive["handle"];
  return *handle = new Handle, 0;
}
FAKE cudnnDestroy(Handle *handle) {
  --fake.alive["handle"];
  return delete handle, 0;
}
FAKE cudnnSetStream(Handle *handle, StreamHandle stream) {
  return handle->stream = stream, mayFail();
}
FAKE cudnnBackendCreateDescriptor(int kind, Descriptor **descriptor) {
  if (dnn::Status status = mayFail())
    return status;
  ++fake.alive["descriptor"];
  return *descriptor = new Descriptor{kind}, 0;
}
FAKE cudnnBackendDestroyDescriptor(Descriptor *descriptor) {
  --fake.alive["descriptor"];
  return delete descriptor, 0;
}
FAKE cudnnBackendSetAttribute(Descriptor *descriptor, int attribute, int type, int64_t count, const void *values) {
  if (dnn::Status status = mayFail())
    return status;
  if (descriptor->isFinal || count < 1)
    return kBadParameter;
  const auto *bytes = static_cast<const unsigned char *>(values);
  descriptor->attributes[attribute].assign(bytes, bytes + size_t(count) * bytesOf(type));
  return 0;
}
FAKE cudnnBackendFinalize(Descriptor *descriptor) {
  if (dnn::Status status = mayFail())
    return status;
  if (descriptor->kind == dnn::ExecutionPlanKind) {
    descriptor->engine = descriptor->descriptor(dnn::PlanConfig).engine;
    if (descriptor->engine == 1)
      return kNotSupported;
  }
  return descriptor->isFinal = true, 0;
}
FAKE cudnnBackendGetAttribute(Descriptor *descriptor, int attribute, int, int64_t room, int64_t *count, void *values) {
  if (dnn::Status status = mayFail())
    return status;
  if (attribute == dnn::HeuristicsResults) {
    *count = std::min<int64_t>(room, fake.engines);
    for (int64_t i = 0; i < *count; ++i)
      *static_cast<Descriptor **>(values)[i] = {
          dnn::EngineConfigKind, true, int(i), {{dnn::HeuristicsGraph, descriptor->attributes.at(dnn::HeuristicsGraph)}}};
  } else if (attribute == dnn::ConfigEngine) {
    *count = 1;
    static_cast<Descriptor **>(values)[0]->engine = descriptor->engine;
  } else if (attribute == dnn::EngineNotes) {
    *count = descriptor->engine == 0 ? 2 : 1;
    static_cast<int *>(values)[0] = 0; // matrix units
    if (descriptor->engine == 0)
      static_cast<int *>(values)[1] = dnn::kNotDeterministic;
  } else if (attribute == dnn::PlanWorkspace) {
    *count = 1;
    *static_cast<int64_t *>(values) = descriptor->engine == 2 ? kMegabyte : 0;
  } else {
    return kBadParameter;
  }
  return 0;
}
FAKE cudnnBackendExecute(Handle *handle, Descriptor *plan, Descriptor *pack) {
  if (dnn::Status status = mayFail())
    return status;
  if (!plan->isFinal || !pack->isFinal)
    return kNotFinalized;
  std::map<int64_t, float *> memory;
  auto ids = pack->list<int64_t>(dnn::PackIds);
  auto pointers = pack->list<float *>(dnn::PackPointers);
  for (size_t i = 0; i < ids.size(); ++i)
    memory[ids[i]] = pointers[i];
  fake.lastEngine = plan->engine;
  const Descriptor *graph = &plan->descriptor(dnn::PlanConfig).descriptor(dnn::HeuristicsGraph);
  tenonFakeEnqueue(handle->stream, [memory, graph] {
    Execution(memory).run(*graph);
    ++fake.executions;
  });
  return 0;
}
