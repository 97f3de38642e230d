// Writes valid plans to a folder, for the plan reader's fuzzer to start from.
#include "test/unit/runtime/TestPlans.h"

#include <cstdio>

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  std::string folder = argv[1];
  const std::pair<const char *, tenon::plan::Plan> plans[] = {{"static", tenon::test::staticPlan()},       {"dynamic", tenon::test::dynamicPlan()},
                                                              {"counting", tenon::test::countingPlan(3)},  {"reading", tenon::test::readingPlan()},
                                                              {"branching", tenon::test::branchingPlan()}, {"looping", tenon::test::loopingPlan()},
                                                              {"gpu", tenon::test::gpuPlan()},             {"two-gpus", tenon::test::twoGpusPlan()},
                                                              {"gpu-loop", tenon::test::onGpu(tenon::test::loopingPlan())},
                                                              {"library", tenon::test::libraryPlan()},
                                                              {"convolution", tenon::test::convolutionPlan()}};
  for (const auto &[name, plan] : plans)
    if (std::string error = tenon::plan::writePlan(plan, folder + "/" + name + ".plan"); !error.empty()) {
      std::fprintf(stderr, "%s\n", error.c_str());
      return 1;
    }
  return 0;
}
