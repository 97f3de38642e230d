// A number that stands for texts and files: others have another, as good as always.
#pragma once
#include "runtime/plan/Checksum.h"

#include <string>
#include <string_view>

namespace tenon::driver {

class Fingerprint {
public:
  void add(std::string_view text) {
    uint64_t size = text.size(); // so that "a" and "bc" are not "ab" and "c"
    sum.add(&size, sizeof size);
    sum.add(text.data(), text.size());
  }
  /// All bytes of the file; nothing for "". Throws Failure.
  void addFile(const std::string &path);
  /// The checksums of an .npz's arrays, which are not read; nothing for "". Throws Failure.
  void addArchive(const std::string &path);

  uint64_t value() const { return sum.value(); }

private:
  tenon::plan::Checksum sum;
};

} // namespace tenon::driver
