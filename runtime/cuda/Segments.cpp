// Plans in several segments: steps are queued in parts, and between them runners move values and fetch what decides how a run goes on.
#include "runtime/cuda/Executor.h"

#include <algorithm>
#include <cstring>

namespace tenon::cuda {

using plan::count;

namespace {
constexpr size_t kFetchedBytes = 256; // more is fetched in parts

DevicePointer pointer(const void *address) {
  return reinterpret_cast<DevicePointer>(address);
}
} // namespace

tn_status Executor::allocate(size_t bytes, void **memoryBlock, const char *what, Message &message) {
  bytes = std::max<size_t>(bytes, 1);
  if (tn_status status = memory.count(bytes, what, message))
    return status;
  CurrentContext current(*on->driver, on->context);
  DevicePointer made = 0;
  if (tn_status status = allocateOnDevice(*on->driver, bytes, what, &made, message)) {
    memory.uncount(bytes);
    return status;
  }
  *memoryBlock = reinterpret_cast<void *>(made);
  return TN_OK;
}

void Executor::release(void *memoryBlock, size_t bytes) {
  if (!memoryBlock)
    return;
  CurrentContext current(*on->driver, on->context);
  on->driver->streamSynchronize(stream); // what is queued may use it
  on->driver->release(pointer(memoryBlock));
  memory.uncount(std::max<size_t>(bytes, 1));
}

tn_status Executor::queue(PreparedPlan &prepared, const StepRange &range, Message &message) {
  if (range.first == range.end)
    return TN_OK;
  CurrentContext current(*on->driver, on->context);
  return range.times ? measureSteps(prepared, range, message) : queueSegment(prepared, range, range.segment, message);
}

tn_status Executor::copy(void *to, const void *from, size_t bytes, Message &message) {
  if (!bytes || to == from)
    return TN_OK;
  CurrentContext current(*on->driver, on->context);
  Result result = on->driver->copyOnDeviceAsync(pointer(to), pointer(from), bytes, stream);
  return result ? fail(result, "copying a tensor", message) : TN_OK;
}

tn_status Executor::store(void *to, int64_t value, Message &message) {
  CurrentContext current(*on->driver, on->context);
  const unsigned words[] = {unsigned(uint64_t(value)), unsigned(uint64_t(value) >> 32)};
  for (unsigned word = 0; word < 2; ++word)
    if (Result result = on->driver->setWordsAsync(pointer(to) + 4 * word, words[word], 1, stream))
      return fail(result, "writing a number", message);
  return TN_OK;
}

tn_status Executor::fetch(void *to, const void *from, size_t bytes, Message &message) {
  CurrentContext current(*on->driver, on->context);
  if (tn_status status = reservePinned(fetched, fetchedBytes, kFetchedBytes, "what is read back from the GPU", message))
    return status;
  for (size_t done = 0; done < bytes; done += kFetchedBytes) {
    size_t part = std::min(bytes - done, kFetchedBytes);
    if (Result result = on->driver->copyToHostAsync(fetched, pointer(from) + done, part, stream))
      return fail(result, "reading back what decides how the run goes on", message);
    if (Result result = on->driver->streamSynchronize(stream))
      return fail(result, kRunning, message);
    memcpy(static_cast<uint8_t *>(to) + done, fetched, part);
  }
  return TN_OK;
}

tn_status Executor::wait(Message &message) {
  CurrentContext current(*on->driver, on->context);
  Result result = on->driver->streamSynchronize(stream);
  return result ? fail(result, kRunning, message) : TN_OK;
}

tn_status Executor::bringInputs(const tn_layout &layout, const tn_tensor *given, Message &message) {
  CurrentContext current(*on->driver, on->context);
  size_t bytes = 0;
  for (uint32_t i = 0; i < plan.inputCount(); ++i) {
    slots[i] = bytes;
    bytes += roundUp(size_t(layout.inputBytes[i]));
  }
  if (tn_status status = reserveBlock(bytes, "the inputs", message))
    return status;
  if (tn_status status = reservePinned(staging, stagingBytes, bytes, "the staging memory for inputs", message))
    return status;
  arenaRoom = 0; // the runner's
  return bindInputs(layout, {.inputs = given, .outputs = nullptr}, stream, message);
}

/// Finds memory for an output: the caller's, or `placed` bytes into what the context gives.
tn_status Executor::placeOutput(const tn_tensor &computed, uint32_t index, tn_tensor &given, size_t &placed, Message &message) {
  const char *name = plan.metadata->outputs()->Get(index)->name()->c_str();
  bool isOwn = !given.data || uintptr_t(given.data) - uintptr_t(delivered) < deliveredBytes; // placed here by an earlier run
  tn_tensor caller = given;
  given = computed;
  given.data = isOwn ? nullptr : caller.data;
  outputPlaces[index] = Place::Host;
  if (isOwn) {
    placed += roundUp(computed.bytes);
    return TN_OK;
  }
  given.bytes = caller.bytes;
  if (caller.bytes < computed.bytes)
    return message.fail(TN_SHAPE_MISMATCH, "output '%s' has %zu bytes of memory, its shape needs %zu", name, caller.bytes, computed.bytes);
  if (tn_status status = locate(plan.inputCount() + index, caller, computed.bytes, &outputPlaces[index], message))
    return status;
  if (outputPlaces[index] == Place::Device)
    return waitForDefaultStream(message);
  return computed.bytes && outputPlaces[index] == Place::Host ? requireReadable(plan.inputCount() + index, caller, message) : TN_OK;
}

tn_status Executor::deliverOutputs(const tn_tensor *computed, tn_tensor *given, Message &message) {
  CurrentContext current(*on->driver, on->context);
  size_t placed = 0;
  for (uint32_t i = 0; i < plan.outputCount(); ++i)
    if (tn_status status = placeOutput(computed[i], i, given[i], placed, message))
      return status;
  if (tn_status status = reservePinned(delivered, deliveredBytes, std::max<size_t>(placed, 1), "the outputs", message))
    return status;
  uint8_t *next = delivered;
  tn_status status = TN_OK;
  for (uint32_t i = 0; i < plan.outputCount() && !status; ++i) {
    if (!given[i].data) {
      given[i].data = next;
      next += roundUp(computed[i].bytes);
    }
    if (computed[i].bytes)
      status = copyOutput(computed[i].data, given[i].data, computed[i].bytes, outputPlaces[i], stream, message);
  }
  Result result = on->driver->streamSynchronize(stream); // where one was refused too: the others write the caller's memory
  return result && !status ? fail(result, kRunning, message) : status;
}

} // namespace tenon::cuda
