// Bytes for the tests of emitted kernels, and the targets whose code for them differs.
#pragma once
#include "lib/Target/Target.h"
#include "llvm/ADT/STLExtras.h"
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace tenon::test {

/// Targets whose multiply-adds differ and whose code runs here.
inline std::vector<std::string> dotTargets() {
  Target host = llvm::cantFail(Target::parse("native"));
  std::vector<std::string> names{"native"};
  for (const char *name : {"x86-64", "x86-64-v3", "x86-64-v4", "alderlake", "icelake-server", "sapphirerapids"}) {
    Target target = llvm::cantFail(Target::parse(name));
    if (llvm::all_of(target.required, [&](const std::string &feature) { return llvm::is_contained(host.required, feature); }))
      names.push_back(name);
  }
  return names;
}

/// Random bytes, a good part of them at the ends of the range.
template <typename T> std::vector<T> bytes(size_t count, int seed) {
  std::mt19937 random(seed);
  std::vector<T> values(count);
  for (T &value : values)
    switch (random() % 4) {
    case 0:
      value = std::numeric_limits<T>::max();
      break;
    case 1:
      value = std::numeric_limits<T>::min();
      break;
    default:
      value = T(random());
    }
  return values;
}

} // namespace tenon::test
