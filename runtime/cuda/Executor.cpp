// Memory and tensors of an executor; Launches.cpp holds what runs.
#include "runtime/cuda/Executor.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <sys/syscall.h>
#include <unistd.h>

namespace tenon::cuda {

using plan::count;

namespace {

constexpr size_t kStagedPiece = size_t(1) << 20;

/// Whether this process can read memory, without trying: the kernel looks at the mask before it refuses what to do with it.
bool canRead(const void *address) {
  constexpr int kNothing = ~0;
  constexpr uintptr_t kMaskBytes = 8;
  return syscall(SYS_rt_sigprocmask, kNothing, uintptr_t(address) & ~(kMaskBytes - 1), nullptr, kMaskBytes) == 0 || errno != EFAULT;
}

} // namespace

Executor::~Executor() {
  if (!on)
    return;
  CurrentContext current(*on->driver, on->context);
  waitForQueued();
  destroyEvents();
  for (EventHandle event : pieces)
    if (event)
      on->driver->eventDestroy(event);
  libraries.destroy();
  releaseBlock();
  releasePinned(staging, stagingBytes);
  releasePinned(fetched, fetchedBytes);
  releasePinned(delivered, deliveredBytes);
  releasePinned(reached, reachedBytes);
  if (stream)
    on->driver->streamDestroy(stream);
}

tn_status Executor::start(uint32_t device, Message &message) {
  DevicePlan *found = nullptr;
  if (tn_status status = devicePlan(plan, int(device), &found, message))
    return status;
  on = found;
  CurrentContext current(*on->driver, on->context);
  if (Result result = on->driver->streamCreate(&stream, kStreamNonBlocking))
    return fail(result, "making a stream", message);
  if (tn_status status = libraries.start(plan, memory, message))
    return status;
  uint32_t tensors = plan.inputCount() + plan.outputCount(), mostParameters = 1;
  auto countParameters = [&](const tn_plan &of) {
    for (uint32_t i = 0; i < count(of.metadata->kernels()); ++i) {
      const plan::format::Kernel &kernel = *of.metadata->kernels()->Get(i);
      mostParameters = std::max(mostParameters, kernel.arguments() + kernel.results() + kernel.workspace() + kernel.symbols() + count(kernel.maps()) + 1);
    }
  };
  countParameters(plan);
  for (const tn_plan *called : plan.plans)
    countParameters(*called);
  constexpr const char *kWhat = "the tensors of a GPU context";
  if (tn_status status = slots.allocate(memory, tensors, kWhat, message))
    return status;
  if (tn_status status = inputs.allocate(memory, plan.inputCount(), kWhat, message))
    return status;
  if (tn_status status = outputs.allocate(memory, plan.outputCount(), kWhat, message))
    return status;
  if (tn_status status = outputPlaces.allocate(memory, plan.outputCount(), kWhat, message))
    return status;
  if (tn_status status = readable.allocate(memory, tensors, kWhat, message))
    return status;
  std::fill(readable.begin(), readable.end(), nullptr);
  return parameters.allocate(memory, mostParameters, kWhat, message);
}

Executor::TensorName Executor::nameOf(uint32_t index) const {
  bool isInput = index < plan.inputCount();
  const auto *tensors = isInput ? plan.metadata->inputs() : plan.metadata->outputs();
  return {isInput ? "input" : "output", tensors->Get(isInput ? index : index - plan.inputCount())->name()->c_str()};
}

Executor::Pointer Executor::describe(const void *address) const {
  // To ask for one attribute alone would be an error where the driver does not know the address, which tools that watch the driver report.
  Pointer found;
  const int attributes[] = {kPointerMemoryType, kPointerIsManaged, kPointerDevice, kPointerIsPlain, kPointerRangeStart, kPointerRangeBytes};
  void *values[] = {&found.type, &found.isManaged, &found.device, &found.isPlain, &found.start, &found.bytes};
  if (on->driver->pointerGetAttributes(std::size(attributes), attributes, values, DevicePointer(address)))
    found.type = 0;
  return found;
}

tn_status Executor::locate(uint32_t index, const tn_tensor &tensor, size_t bytes, Place *place, Message &message) {
  *place = Place::Host;
  if (!tensor.data || !bytes)
    return TN_OK;
  Pointer found = describe(tensor.data);
  if (found.type != kDeviceMemory) {
    if (found.type == kPinnedMemory && found.start && !found.outside(tensor.data, bytes))
      *place = Place::Pinned;
    return TN_OK;
  }
  *place = Place::Device;
  readable[index] = nullptr;
  if (found.isManaged)
    return TN_OK;
  if (found.device != on->ordinal)
    return message.fail(TN_INVALID_ARGUMENT, "%s '%s' is in the memory of GPU %d, the context runs on GPU %d", nameOf(index).kind, nameOf(index).name,
                        found.device, on->ordinal);
  // Of other memory than cuMemAlloc's the range may be that of a pool, or of all addresses that were reserved.
  if (size_t outside = found.isPlain ? found.outside(tensor.data, bytes) : 0)
    return message.fail(TN_INVALID_ARGUMENT, "%s '%s' needs %zu bytes, of which %zu are outside the memory that was allocated there",
                        nameOf(index).kind, nameOf(index).name, bytes, outside);
  return TN_OK;
}

tn_status Executor::requireArena(const void *given, size_t bytes, Message &message) const {
  CurrentContext current(*on->driver, on->context);
  Pointer found = describe(given);
  if (found.type != kDeviceMemory || (!found.isManaged && found.device != on->ordinal))
    return message.fail(TN_INVALID_ARGUMENT, "the arena given is not in the memory of GPU %d, on which the context runs", on->ordinal);
  if (size_t outside = found.isPlain ? found.outside(given, bytes) : 0)
    return message.fail(TN_INVALID_ARGUMENT, "the arena given has %zu bytes, of which %zu are outside the memory that was allocated there", bytes,
                        outside);
  return TN_OK;
}

tn_status Executor::requireReadable(uint32_t index, const tn_tensor &tensor, Message &message) {
  if (tensor.data == readable[index])
    return TN_OK;
  // The driver knows memory of a GPU that was freed as little as most of the host's; but nothing is mapped there that could be read.
  if (!canRead(tensor.data))
    return message.fail(TN_INVALID_ARGUMENT, "%s '%s' is at %p, where neither the GPU nor this process has memory; was it freed?", nameOf(index).kind,
                        nameOf(index).name, tensor.data);
  readable[index] = tensor.data;
  return TN_OK;
}

tn_status Executor::waitForDefaultStream(Message &message) const {
  Result result = on->driver->streamSynchronize(nullptr);
  return result ? fail(result, "waiting for the default stream", message) : TN_OK;
}

void Executor::waitForQueued() {
  if (stream)
    on->driver->streamSynchronize(stream);
  if (hasQueued) // on streams that the caller may have destroyed since
    on->driver->contextSynchronize();
  hasQueued = false;
}

tn_status Executor::reserve(const tn_layout &layout, const GpuRun &run, Message &message) {
  size_t room = run.arena ? 0 : roundUp(size_t(layout.arenaBytes)), tensors = 0;
  for (uint32_t i = 0; i < plan.inputCount(); ++i) {
    slots[i] = tensors;
    tensors += roundUp(size_t(layout.inputBytes[i]));
  }
  for (uint32_t i = 0; i < plan.outputCount(); ++i) {
    slots[plan.inputCount() + i] = tensors;
    tensors += roundUp(size_t(layout.outputBytes[i]));
  }
  const char *what = run.arena ? "the inputs and outputs" : "the arena, inputs and outputs";
  if (tn_status status = reserveBlock(room + tensors, what, message))
    return status;
  arenaRoom = room;
  arena = run.arena ? run.arena : reinterpret_cast<uint8_t *>(block);
  return run.isAsync ? TN_OK : reservePinned(staging, stagingBytes, tensors, "the staging memory for inputs and outputs", message);
}

tn_status Executor::reserveBlock(size_t bytes, const char *what, Message &message) {
  if (bytes <= blockBytes)
    return TN_OK;
  waitForQueued(); // what runs may still use the old memory
  releaseBlock();
  if (tn_status status = memory.count(bytes, what, message))
    return status;
  if (tn_status status = allocateOnDevice(*on->driver, bytes, what, &block, message)) {
    memory.uncount(bytes);
    block = 0;
    return status;
  }
  blockBytes = bytes;
  return TN_OK;
}

void Executor::releaseBlock() {
  if (block)
    on->driver->release(block);
  memory.uncount(blockBytes);
  block = 0, blockBytes = 0, ++generation;
}

tn_status Executor::reservePinned(uint8_t *&pinned, size_t &bytes, size_t needed, const char *what, Message &message) {
  if (needed <= bytes)
    return TN_OK;
  on->driver->streamSynchronize(stream);
  releasePinned(pinned, bytes);
  if (tn_status status = memory.count(needed, what, message))
    return status;
  void *made = nullptr;
  if (Result result = on->driver->allocateHost(&made, needed)) {
    memory.uncount(needed);
    return result == kOutOfMemory ? message.fail(TN_OUT_OF_MEMORY, "%s: %zu bytes of pinned memory cannot be had", what, needed)
                                  : fail(result, what, message);
  }
  pinned = static_cast<uint8_t *>(made);
  bytes = needed;
  return TN_OK;
}

void Executor::releasePinned(uint8_t *&pinned, size_t &bytes) {
  if (pinned)
    on->driver->releaseHost(pinned);
  memory.uncount(bytes);
  pinned = nullptr, bytes = 0;
}

tn_status Executor::bindInput(const tn_layout &layout, const GpuRun &run, uint32_t index, StreamHandle on_, Message &message) {
  const tn_tensor &given = run.inputs[index];
  size_t bytes = size_t(layout.inputBytes[index]), slot = slots[index];
  DevicePointer own = block + arenaRoom + slot;
  inputs[index] = given;
  inputs[index].data = reinterpret_cast<void *>(own);
  if (!bytes)
    return TN_OK;
  const Driver &driver = *on->driver;
  Place place = Place::Host;
  if (tn_status status = locate(index, given, bytes, &place, message))
    return status;
  if (place == Place::Device) {
    if (!run.isAsync)
      if (tn_status status = waitForDefaultStream(message))
        return status;
    if (uintptr_t(given.data) % kTensorAlignment == 0) {
      inputs[index].data = given.data;
      return TN_OK;
    }
    Result result = driver.copyOnDeviceAsync(own, DevicePointer(given.data), bytes, on_);
    return result ? fail(result, "copying an input", message) : TN_OK;
  }
  if (run.isAsync)
    return message.fail(TN_INVALID_ARGUMENT, "input '%s' is not in the GPU's memory, as tn_run_async wants it", nameOf(index).name);
  if (place == Place::Pinned) {
    Result result = driver.copyToDeviceAsync(own, given.data, bytes, on_);
    return result ? fail(result, "copying an input to the GPU", message) : TN_OK;
  }
  if (tn_status status = requireReadable(index, given, message))
    return status;
  // What is in the staging memory is on its way while the rest comes there.
  for (size_t at = 0; at < bytes; at += kStagedPiece) {
    size_t size = std::min(kStagedPiece, bytes - at);
    memcpy(staging + slot + at, static_cast<const uint8_t *>(given.data) + at, size);
    if (Result result = driver.copyToDeviceAsync(own + at, staging + slot + at, size, on_))
      return fail(result, "copying an input to the GPU", message);
  }
  return TN_OK;
}

tn_status Executor::bindInputs(const tn_layout &layout, const GpuRun &run, StreamHandle on_, Message &message) {
  for (uint32_t i = 0; i < plan.inputCount(); ++i)
    if (tn_status status = bindInput(layout, run, i, on_, message))
      return status;
  return TN_OK;
}

tn_status Executor::bindOutput(const tn_layout &layout, const GpuRun &run, uint32_t index, Message &message) {
  tn_tensor &given = run.outputs[index];
  size_t slot = slots[plan.inputCount() + index];
  auto name = [&] { return nameOf(plan.inputCount() + index).name; };
  tn_dtype dtype = tn_dtype(plan.metadata->outputs()->Get(index)->dtype());
  if (given.dtype && given.dtype != dtype)
    return message.fail(TN_TYPE_MISMATCH, "output '%s' has element type %s, expected %s", name(), tn_dtype_name(given.dtype), tn_dtype_name(dtype));
  size_t room = given.bytes, needed = size_t(layout.outputBytes[index]);
  if (tn_status status = locate(plan.inputCount() + index, given, needed, &outputPlaces[index], message))
    return status;
  Place place = outputPlaces[index];
  if (run.isAsync && place != Place::Device && needed)
    return message.fail(TN_INVALID_ARGUMENT, "output '%s' is not in the GPU's memory, as tn_run_async wants it", name());
  if (given.data && room < needed)
    return message.fail(TN_SHAPE_MISMATCH, "output '%s' has %zu bytes of memory, its shape needs %zu", name(), room, needed);
  if (given.data && needed && place == Place::Host)
    if (tn_status status = requireReadable(plan.inputCount() + index, given, message))
      return status;
  if (place == Place::Device && !run.isAsync)
    if (tn_status status = waitForDefaultStream(message))
      return status;
  layout.describeOutput(index, given);
  outputs[index] = given;
  outputs[index].data = reinterpret_cast<void *>(block + arenaRoom + slot);
  if (!given.data) {
    given.data = staging + slot;
    outputPlaces[index] = Place::Pinned;
    return TN_OK;
  }
  given.bytes = room;
  stagedBytes += place == Place::Host ? needed : 0;
  if (place == Place::Device && uintptr_t(given.data) % kTensorAlignment == 0)
    outputs[index].data = given.data;
  return TN_OK;
}

void Executor::forgetPlaced(tn_tensor *outputs_) const {
  for (uint32_t i = 0; i < plan.outputCount(); ++i)
    if (staging && uintptr_t(outputs_[i].data) - uintptr_t(staging) < stagingBytes)
      outputs_[i].data = nullptr;
}

tn_status Executor::bindOutputs(const tn_layout &layout, const GpuRun &run, Message &message) {
  stagedBytes = 0;
  for (uint32_t i = 0; i < plan.outputCount(); ++i)
    if (tn_status status = bindOutput(layout, run, i, message))
      return status;
  return TN_OK;
}

tn_status Executor::copyOutput(const void *computed, void *given, size_t bytes, Place place, StreamHandle queue, Message &message) {
  DevicePointer from = reinterpret_cast<DevicePointer>(computed);
  Result result = place == Place::Device ? on->driver->copyOnDeviceAsync(reinterpret_cast<DevicePointer>(given), from, bytes, queue)
                                         : on->driver->copyToHostAsync(given, from, bytes, queue);
  return result ? fail(result, "copying an output from the GPU", message) : TN_OK;
}

tn_status Executor::copyOutputs(const tn_layout &layout, const GpuRun &run, StreamHandle queue, Message &message) {
  for (uint32_t i = 0; i < plan.outputCount(); ++i) {
    void *to = run.outputs[i].data;
    size_t bytes = size_t(layout.outputBytes[i]);
    if (!bytes || to == outputs[i].data)
      continue;
    if (outputPlaces[i] == Place::Host) {
      if (stagedBytes > kStagedPiece)
        continue;
      to = stagingOf(i);
    }
    if (tn_status status = copyOutput(outputs[i].data, to, bytes, outputPlaces[i], queue, message))
      return status;
  }
  return TN_OK;
}

void Executor::finishOutputs(const tn_layout &layout, const GpuRun &run) {
  for (uint32_t i = 0; i < plan.outputCount(); ++i)
    if (layout.outputBytes[i] && outputPlaces[i] == Place::Host)
      memcpy(run.outputs[i].data, stagingOf(i), size_t(layout.outputBytes[i]));
}

tn_status Executor::makePieceEvents(Message &message) {
  for (EventHandle &event : pieces)
    if (!event)
      if (Result result = on->driver->eventCreate(&event, kEventWithoutTime))
        return event = nullptr, fail(result, "making an event", message);
  return TN_OK;
}

tn_status Executor::stageOutputs(const tn_layout &layout, const GpuRun &run, Message &message) {
  if (tn_status status = makePieceEvents(message))
    return status;
  /// Walks through the outputs, piece by piece.
  struct Pieces {
    const Executor &executor;
    const tn_layout &layout;
    uint32_t output = 0, count = 0;
    size_t at = 0;

    /// Whether there is one more; goes to the next output where this one has come to its end.
    bool any() {
      for (; output < executor.plan.outputCount(); ++output, at = 0)
        if (executor.outputPlaces[output] == Place::Host && at < size_t(layout.outputBytes[output]))
          return true;
      return false;
    }
    size_t size() const { return std::min(kStagedPiece, size_t(layout.outputBytes[output]) - at); }
    uint8_t *staged() const { return executor.stagingOf(output) + at; }
    void advance() { at += size(), ++count; }
  };
  const Driver &driver = *on->driver;
  Pieces queued{*this, layout}, done = queued;
  while (done.any()) {
    for (; queued.count - done.count < kPiecesAhead && queued.any(); queued.advance()) {
      auto from = reinterpret_cast<DevicePointer>(outputs[queued.output].data) + queued.at;
      Result result = driver.copyToHostAsync(queued.staged(), from, queued.size(), stream);
      result = result ? result : driver.eventRecord(pieces[queued.count % kPiecesAhead], stream);
      if (result)
        return fail(result, "copying an output from the GPU", message);
    }
    if (Result result = driver.eventSynchronize(pieces[done.count % kPiecesAhead]))
      return fail(result, kRunning, message);
    memcpy(static_cast<uint8_t *>(run.outputs[done.output].data) + done.at, done.staged(), done.size());
    done.advance();
  }
  return TN_OK;
}

void Executor::bindSteps(PreparedPlan &prepared) const {
  prepared.bindArena(arena);
  prepared.bindTensors(inputs.data(), outputs.data());
}

tn_status Executor::queueRun(PreparedPlan &prepared, const GpuRun &run, StreamHandle queue, Message &message) {
  const tn_layout &layout = prepared.layout();
  if (tn_status status = bindInputs(layout, run, queue, message))
    return status;
  if (tn_status status = bindOutputs(layout, run, message))
    return status;
  if (run.times && !run.isAsync) {
    bindSteps(prepared);
    if (tn_status status = measureSteps(prepared, {0, plan.stepCount(), 0, run.times, run.repeats}, message))
      return status;
  } else {
    GraphExecHandle exec = nullptr;
    if (tn_status status = graphFor(prepared, queue, &exec, message))
      return status;
    if (exec)
      if (Result result = on->driver->graphLaunch(exec, queue))
        return fail(result, "launching the plan", message);
  }
  if (tn_status status = copyOutputs(layout, run, queue, message))
    return status;
  return stagedBytes > kStagedPiece ? stageOutputs(layout, run, message) : TN_OK;
}

tn_status Executor::run(PreparedPlan &prepared, const GpuRun &run, Message &message) {
  CurrentContext current(*on->driver, on->context);
  forgetPlaced(run.outputs);
  if (tn_status status = reserve(prepared.layout(), run, message))
    return status;
  hasQueued |= run.isAsync;
  tn_status status = queueRun(prepared, run, run.isAsync ? static_cast<StreamHandle>(run.stream) : stream, message);
  if (run.isAsync)
    return status;
  Result result = on->driver->streamSynchronize(stream); // of a run that failed too: what was queued reads and writes the caller's memory
  if (status)
    return status;
  if (result)
    return fail(result, kRunning, message);
  if (stagedBytes && stagedBytes <= kStagedPiece)
    finishOutputs(prepared.layout(), run);
  return TN_OK;
}

} // namespace tenon::cuda
