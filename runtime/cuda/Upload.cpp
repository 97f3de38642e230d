#include "runtime/cuda/Upload.h"

#include "runtime/cuda/Device.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <pthread.h>
#include <sched.h>

namespace tenon::cuda {
namespace {

constexpr size_t kPiece = size_t(2) << 20;
constexpr size_t kWorthThreads = size_t(64) << 20; // to pin the buffers takes as long as the driver takes for half of that
constexpr int kMostThreads = 4;                    // with eight it took longer on the host of an H200
constexpr int kBuffers = 2;                        // of a thread: one is filled while the other is copied

int processors() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

/// Threads that take pieces of the memory in turns, and bring each to the device through a pinned buffer.
class Upload {
public:
  Upload(const Driver &driver, ContextHandle context, DevicePointer to, const uint8_t *from, size_t bytes)
      : driver(driver), context(context), to(to), from(from), bytes(bytes) {}
  ~Upload() {
    for (Buffer &buffer : buffers)
      if (buffer.stream)
        driver.streamDestroy(buffer.stream);
    if (pinned)
      driver.releaseHost(pinned);
  }

  /// Whether there is what the threads need; if not, nothing was copied.
  bool prepare(int count) {
    threads = count;
    if (driver.allocateHost(&pinned, size_t(threads) * kBuffers * kPiece))
      return pinned = nullptr, false;
    for (int i = 0; i < threads * kBuffers; ++i) {
      buffers[i].memory = static_cast<uint8_t *>(pinned) + size_t(i) * kPiece;
      if (driver.streamCreate(&buffers[i].stream, kStreamNonBlocking))
        return buffers[i].stream = nullptr, false;
    }
    return true;
  }

  Result run() {
    pthread_t others[kMostThreads];
    Share shares[kMostThreads];
    int started = 0;
    for (int i = 1; i < threads; ++i, ++started) { // those that cannot be had leave their pieces to the others
      shares[i] = {this, buffers + i * kBuffers};
      if (pthread_create(&others[i], nullptr, copyShare, &shares[i]))
        break;
    }
    copyPieces(buffers);
    for (int i = 1; i <= started; ++i)
      pthread_join(others[i], nullptr);
    return failure;
  }

private:
  struct Buffer {
    uint8_t *memory = nullptr;
    StreamHandle stream = nullptr;
  };
  struct Share {
    Upload *upload;
    Buffer *own;
  };

  static void *copyShare(void *share) {
    auto [upload, own] = *static_cast<Share *>(share);
    CurrentContext current(upload->driver, upload->context);
    upload->copyPieces(own);
    return nullptr;
  }

  void copyPieces(Buffer *own) {
    for (int i = 0; !failure; i = (i + 1) % kBuffers) {
      size_t at = next.fetch_add(kPiece);
      if (at >= bytes)
        break;
      note(driver.streamSynchronize(own[i].stream)); // its last piece
      size_t size = std::min(kPiece, bytes - at);
      memcpy(own[i].memory, from + at, size);
      note(driver.copyToDeviceAsync(to + at, own[i].memory, size, own[i].stream));
    }
    for (int i = 0; i < kBuffers; ++i)
      note(driver.streamSynchronize(own[i].stream));
  }

  void note(Result result) {
    Result none = kSuccess;
    if (result)
      failure.compare_exchange_strong(none, result);
  }

  const Driver &driver;
  ContextHandle context;
  DevicePointer to;
  const uint8_t *from;
  size_t bytes;
  int threads = 0;
  void *pinned = nullptr;
  Buffer buffers[kMostThreads * kBuffers];
  std::atomic<size_t> next = 0;
  std::atomic<Result> failure = kSuccess; ///< the first one
};

} // namespace

Result copyToDevice(const Driver &driver, ContextHandle context, DevicePointer to, const uint8_t *from, size_t bytes) {
  if (bytes >= kWorthThreads)
    if (int threads = std::min(kMostThreads, processors()); threads > 1)
      if (Upload upload(driver, context, to, from, bytes); upload.prepare(threads))
        return upload.run();
  return bytes ? driver.copyToDevice(to, from, bytes) : kSuccess;
}

} // namespace tenon::cuda
