// Ranges for profilers around the steps of a run that is measured.
#include "test/unit/runtime/gpu/Session.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <unistd.h>

namespace tenon::test {
namespace {

using GpuRangesDeathTest = OnFakeDriver; // a profiler is looked for once in a process: each has one of its own

/// Runs once as a graph and once step by step, and ends the process with what the profiler at `path` has noted.
[[noreturn]] void tellRanges(const char *path) {
  std::string noted = (std::filesystem::temp_directory_path() / ("ranges-" + std::to_string(getpid()))).string();
  setenv("NVTX_INJECTION64_PATH", path, 1);
  setenv("TENON_RANGES", noted.c_str(), 1);
  Session session;
  session.open(dynamicGpuPlan());
  session.start();
  std::vector<float> a(8), b(8);
  tn_tensor inputs[2] = {vectorTensor(a, {2, 4}), vectorTensor(b, {2, 4})}, outputs[2] = {};
  bool good = tn_run(session.context, inputs, outputs) == TN_OK && tn_profile(session.context, 1) == TN_OK &&
              tn_run(session.context, inputs, outputs) == TN_OK;
  session.close();
  std::ifstream file(noted);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::filesystem::remove(noted);
  fprintf(stderr, "[%s]\n", text.c_str());
  std::exit(good ? 0 : 1);
}

TEST_F(GpuRangesDeathTest, NameKernelsAndNodes) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(tellRanges(TENON_FAKE_PROFILER), ::testing::ExitedWithCode(0),
              "\\[\\+ 0 add: /Add\n-\n\\+ 1 add: /Add_1\n-\n\\+ 2 twice: /Mul\n-\n\\+ 3 copy: \n-\n\\]");
}

TEST_F(GpuRangesDeathTest, AreNothingWithoutAProfiler) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(tellRanges("/nonexistent.so"), ::testing::ExitedWithCode(0), "\\[\\]");
  EXPECT_EXIT(tellRanges("libc.so.6"), ::testing::ExitedWithCode(0), "\\[\\]"); // a library that is no profiler
}

} // namespace
} // namespace tenon::test
