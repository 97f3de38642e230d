// cuDNN for tests on machines without one: a library with the functions that the runtime uses, which computes graphs of f32 on the fake driver's
// streams.
#pragma once

#include <cstddef>
#include <map>
#include <string>

namespace tenon::test {

struct FakeCudnn {
  size_t version = 91900;
  int failingCall = 0; ///< counted down by calls that may fail: 1 is the next one, 0 none
  int failure = 4000;  ///< what it gives: CUDNN_STATUS_INTERNAL_ERROR
  int engines = 4;     ///< that it proposes: number 0 is not deterministic, number 1 cannot be finalized, number 2 wants a workspace of 1 MB
  int lastEngine = -1; ///< that computed
  int executions = 0;
  std::map<std::string, int> alive; ///< objects by kind
};

} // namespace tenon::test

/// In the library, for tests that have opened it.
extern "C" tenon::test::FakeCudnn *tenonFakeCudnn();
