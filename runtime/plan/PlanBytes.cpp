#include "runtime/plan/PlanBytes.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tenon {

PlanBytes::~PlanBytes() {
  closeFile();
  if (isMapping)
    munmap(const_cast<uint8_t *>(bytes), byteCount);
}

void PlanBytes::closeFile() {
  if (descriptor >= 0)
    close(descriptor);
  descriptor = -1;
}

tn_status PlanBytes::mapFile(const char *path, Message &message) {
  descriptor = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (descriptor < 0 || fstat(descriptor, &status) != 0)
    return message.fail(TN_IO, "cannot open: %s", strerror(errno));
  if (!S_ISREG(status.st_mode))
    return message.fail(TN_IO, "cannot open: not a regular file");
  if (status.st_size == 0)
    return message.fail(TN_BAD_PLAN, "the file is empty");
  void *mapping = mmap(nullptr, size_t(status.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (mapping == MAP_FAILED)
    return message.fail(TN_IO, "cannot map: %s", strerror(errno));
  bytes = static_cast<const uint8_t *>(mapping);
  byteCount = size_t(status.st_size);
  isMapping = true;
  return TN_OK;
}

tn_status PlanBytes::copy(const void *source, size_t size, Message &message) {
  if (size == 0)
    return message.fail(TN_BAD_PLAN, "there are no bytes");
  void *mapping = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED)
    return message.fail(TN_OUT_OF_MEMORY, "no memory for a copy of the plan (%zu bytes)", size);
  memcpy(mapping, source, size);
  bytes = static_cast<const uint8_t *>(mapping);
  byteCount = size;
  isMapping = true;
  return TN_OK;
}

tn_status PlanBytes::borrow(const void *source, size_t size, Message &message) {
  if (reinterpret_cast<uintptr_t>(source) % 64 != 0)
    return message.fail(TN_INVALID_ARGUMENT, "TN_OPEN_BORROW wants memory aligned to 64 bytes, found address %p", source);
  bytes = static_cast<const uint8_t *>(source);
  byteCount = size;
  return TN_OK;
}

} // namespace tenon
