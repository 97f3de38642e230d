// cublasLt for tests on machines without one: a library with the functions that the runtime uses, which multiplies f32 on the fake driver's streams.
#pragma once

#include <cstddef>
#include <map>
#include <string>

namespace tenon::test {

struct FakeCublasLt {
  size_t version = 130100;
  int failingCall = 0; ///< counted down by calls that may fail: 1 is the next one, 0 none
  int failure = 14;    ///< what it gives: CUBLAS_STATUS_INTERNAL_ERROR
  int usable = 2;      ///< algorithms that it proposes, after one that it says it cannot use
  uint64_t lastAlgorithm = 0;
  size_t lastWorkspace = 0;
  int products = 0;                 ///< multiplied
  std::map<std::string, int> alive; ///< objects by kind
};

} // namespace tenon::test

/// In the library, for tests that have opened it.
extern "C" tenon::test::FakeCublasLt *tenonFakeCublasLt();
