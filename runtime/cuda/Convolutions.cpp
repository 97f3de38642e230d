#include "runtime/cuda/Convolutions.h"

#include "runtime/cuda/Workspace.h"
#include "runtime/plan/LibraryCallVerifier.h"

#include <algorithm>
#include <cinttypes>
#include <utility>

namespace tenon::cuda {

using namespace plan;
using format::LibraryCall;
using format::LibraryTensor;

tn_status Convolutions::fail(dnn::Status status, const char *what, Message &message) const {
  constexpr dnn::Status kBadParameter = 2000, kInternal = 4000, kNoMemory = 4003,
                        kNoDeviceMemory = 4004; // those between are of what it does not support
  bool isRefused = status >= kBadParameter && status < kInternal;
  return message.fail(status == kNoMemory || status == kNoDeviceMemory ? TN_OUT_OF_MEMORY
                      : isRefused                                      ? TN_WRONG_TARGET
                                                                       : TN_DEVICE,
                      "%s: cuDNN %zu.%zu gives %s", what, library->version / 10000, library->version / 100 % 100, library->statusName(status));
}

tn_status Convolutions::open(uint32_t kernels, Memory &memory, Message &message) {
  if (tn_status status = dnn::Library::open(&library, message))
    return status;
  if (tn_status status = convolutions.allocate(memory, kernels, "the calls of cuDNN", message))
    return status;
  std::fill(convolutions.begin(), convolutions.end(), Convolution{});
  dnn::Status status = library->create(&handle);
  return status ? fail(status, "starting cuDNN", message) : TN_OK;
}

tn_status Convolutions::describe(uint32_t kernel, const LibraryCall &call, uint32_t workspace, Message &message) {
  Convolution &made = convolutions[kernel];
  made.workspace = workspace;
  dnn::Status status = 0;
  dnn::Descriptor graph = makeGraph(*library, handle, call, made, &status);
  return status ? fail(status, "describing a convolution", message) : chooseEngine(call, graph, made, message);
}

/// Whether an engine computes as plans promise: always the same bytes, and sums in f32 of what is stored, or in tf32 where that is wanted.
bool Convolutions::isExact(const LibraryCall &call, dnn::Descriptor config) const {
  constexpr int64_t kRoom = 16;
  dnn::Descriptor engine = nullptr;
  if (library->make(dnn::EngineKind, &engine))
    return false;
  int64_t found = 0, count = 0;
  int notes[kRoom] = {};
  bool isKnown = !library->get(config, dnn::ConfigEngine, dnn::DescriptorType, 1, &found, &engine) &&
                 !library->get(engine, dnn::EngineNotes, dnn::NumericalNoteType, kRoom, &count, notes);
  library->release(engine);
  return isKnown && std::none_of(notes, notes + std::min(count, kRoom), [&](int note) {
           return note == dnn::kReducedSums || note == dnn::kFft || note == dnn::kNotDeterministic || note == dnn::kWinograd ||
                  (note == dnn::kDownConverts && !call.tf32());
         });
}

dnn::Descriptor Convolutions::planFor(const LibraryCall &call, dnn::Descriptor config) const {
  dnn::Descriptor plan = nullptr;
  int64_t found = 0, workspace = 0;
  if (!isExact(call, config) || library->make(dnn::ExecutionPlanKind, &plan))
    return nullptr;
  bool isUsable = !library->set(plan, dnn::PlanHandle, dnn::HandleType, 1, &handle) &&
                  !library->set(plan, dnn::PlanConfig, dnn::DescriptorType, 1, &config) && !library->finalize(plan) &&
                  !library->get(plan, dnn::PlanWorkspace, dnn::Int64Type, 1, &found, &workspace) && uint64_t(workspace) <= usableWorkspace(call);
  if (isUsable)
    return plan;
  library->release(plan);
  return nullptr;
}

tn_status Convolutions::chooseEngine(const LibraryCall &call, dnn::Descriptor graph, Convolution &made, Message &message) {
  const int mode = dnn::kDecisionTree;
  dnn::Descriptor heuristics = nullptr, configs[kMostAlgorithms] = {};
  dnn::Status status = library->make(dnn::HeuristicsKind, &heuristics);
  if (!status)
    made.descriptors[made.count++] = heuristics;
  status = status ? status : library->set(heuristics, dnn::HeuristicsGraph, dnn::DescriptorType, 1, &graph);
  status = status ? status : library->set(heuristics, dnn::HeuristicsMode, dnn::HeuristicModeType, 1, &mode);
  status = status ? status : library->finalize(heuristics);
  for (uint32_t i = 0; i < kMostAlgorithms && !status; ++i)
    status = library->make(dnn::EngineConfigKind, &configs[i]);
  int64_t found = 0;
  status = status ? status : library->get(heuristics, dnn::HeuristicsResults, dnn::DescriptorType, kMostAlgorithms, &found, configs);
  // The first one from the wanted number on that this GPU and this version can use.
  for (int64_t i = call.algorithm(); i < std::min<int64_t>(found, kMostAlgorithms) && !status && !made.plan; ++i)
    if ((made.plan = planFor(call, configs[i])))
      std::swap(configs[i], made.descriptors[made.count++]); // which is null
  for (dnn::Descriptor config : configs)
    if (config)
      library->release(config);
  if (made.plan)
    return TN_OK;
  constexpr uint32_t kChannels = 1, kHeight = 2, kWidth = 3;
  const auto &images = *call.left()->sizes(), &filters = *call.right()->sizes();
  return message.fail(TN_WRONG_TARGET,
                      "cuDNN %zu.%zu proposes %d engines (%s), none of them usable from number %u on, for %" PRIu64 " x %" PRIu64
                      " filters of %" PRIu64 " channels over %" PRIu64 " x %" PRIu64 " %s; tune again, or compile without --libraries cudnn",
                      library->version / 10000, library->version / 100 % 100, int(found), library->statusName(status), call.algorithm(),
                      filters.Get(kHeight), filters.Get(kWidth), filters.Get(kChannels), images.Get(kHeight), images.Get(kWidth),
                      tn_dtype_name(tn_dtype(call.left()->dtype())));
}

tn_status Convolutions::queue(uint32_t kernel, const LibraryCall &call, void *const *addresses, StreamHandle stream, Message &message) {
  Convolution &made = convolutions[kernel];
  int64_t ids[5];
  void *pointers[5];
  int64_t count = 0;
  for (auto [id, tensor] : {std::pair<int64_t, const LibraryTensor *>(LeftId, call.left()),
                            {RightId, call.right()},
                            {BiasId, call.bias()},
                            {AddedId, call.added()},
                            {ResultId, call.result()}}) {
    if (!tensor)
      continue;
    ids[count] = id;
    pointers[count] = static_cast<uint8_t *>(addresses[tensor->buffer()]) + tensor->offset();
    if (uintptr_t(pointers[count++]) % tensor->alignment())
      return message.fail(TN_BAD_PLAN, "an operand is not aligned as the plan says");
  }
  void *workspace = usableWorkspace(call) ? workspaceAt(addresses[made.workspace]) : nullptr;
  dnn::Descriptor pack = nullptr;
  dnn::Status status = library->setStream(handle, stream);
  status = status ? status : library->make(dnn::PackKind, &pack);
  status = status ? status : library->set(pack, dnn::PackIds, dnn::Int64Type, count, ids);
  status = status ? status : library->set(pack, dnn::PackPointers, dnn::PointerType, count, pointers);
  status = status ? status : library->set(pack, dnn::PackWorkspace, dnn::PointerType, 1, &workspace);
  status = status ? status : library->finalize(pack);
  status = status ? status : library->execute(handle, made.plan, pack);
  if (pack)
    library->release(pack);
  return status ? fail(status, "queueing a convolution", message) : TN_OK;
}

void Convolutions::release(Convolution &made) {
  if (made.plan)
    library->release(made.plan);
  while (made.count)
    library->release(made.descriptors[--made.count]);
}

void Convolutions::destroy() {
  for (Convolution &made : convolutions)
    release(made);
  convolutions.reset();
  if (handle)
    library->destroy(handle);
  handle = nullptr;
}

} // namespace tenon::cuda
