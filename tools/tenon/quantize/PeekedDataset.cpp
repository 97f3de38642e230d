#include "tools/tenon/quantize/PeekedDataset.h"

#include <utility>

namespace tenon::driver {

std::vector<HostTensor> *PeekedDataset::next() {
  if (!isBehind)
    if (std::vector<HostTensor> *kept = first.next())
      return kept;
  if (!isFull) {
    std::vector<HostTensor> *read = source.next();
    if (!read) {
      isFull = isBehind = true;
      return nullptr;
    }
    if (first.keep(*read))
      return first.next();
    isFull = true;
    waiting = read; // valid until the source's next run
  }
  isBehind = true;
  if (!continues)
    return nullptr;
  return waiting ? std::exchange(waiting, nullptr) : source.next();
}

} // namespace tenon::driver
