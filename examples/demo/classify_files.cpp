// Says what files hold, by Magika's model as a Tenon plan.
//
//   classify-files MODEL.plan CONFIG.json DESCRIPTIONS.json FILE...
#include "FileFeatures.h"
#include "FileTypes.h"

#include "tenon/runtime.hpp"

#include <chrono>
#include <cstdio>
#include <exception>

using Clock = std::chrono::steady_clock;

static double milliseconds(Clock::time_point start) { return std::chrono::duration<double, std::milli>(Clock::now() - start).count(); }

/// Classifies one file and prints a line; returns the latency of the run in milliseconds, or a negative number where the file is not for the model.
static double classify(tenon::Context &context, const FileTypes &types, const std::string &path) {
  std::string why;
  auto features = fileFeatures(path, types.sizes(), why);
  if (!features) {
    std::printf("  %-44s %s\n", path.c_str(), why.c_str());
    return -1;
  }
  auto start = Clock::now();
  auto outputs = context.run({tenon::tensor(*features, {1, int64_t(features->size())})}).value();
  double latency = milliseconds(start);
  std::span<const float> scores = outputs[0].as<float>();
  if (scores.size() != types.count())
    throw std::runtime_error("the plan gives " + std::to_string(scores.size()) + " scores; the configuration has " + std::to_string(types.count()) + " types");
  FileType type = types.best(scores);
  std::printf("  %-44s %-30s %5.1f %%%s %7.2f ms\n", path.c_str(), type.description.c_str(), double(type.score) * 100, type.certain ? " " : "?", latency);
  return latency;
}

static void printPlan(const tenon::Plan &plan, std::span<const int64_t> shape) {
  tn_tensor input{};
  input.rank = int32_t(shape.size());
  std::copy(shape.begin(), shape.end(), input.dims);
  tn_layout *layout = nullptr;
  tn_memory_info memory{};
  memory.struct_size = sizeof memory;
  if (tn_layout_create(plan.get(), &input, &layout) != TN_OK || tn_layout_memory(layout, &memory) != TN_OK)
    throw std::runtime_error(tn_last_error());
  tn_layout_destroy(layout);
  tn_plan_info info = plan.info();
  std::printf("plan %.2f MB for %s: %u kernels in %u steps; arena %.1f kB, lower bound %.1f kB\n\n", double(info.file_bytes) * 1e-6, info.cpu, info.kernel_count,
              info.step_count, double(memory.arena_bytes) * 1e-3, double(memory.lower_bound) * 1e-3);
}

static int run(int count, char **arguments) {
  FileTypes types(arguments[2], arguments[3]);
  auto start = Clock::now();
  tenon::Plan plan = tenon::Plan::open(arguments[1]).value();
  double open = milliseconds(start);
  tenon::Context context = tenon::Context::create(plan).value();
  const int64_t shape[] = {1, int64_t(types.sizes().begin + types.sizes().end)};
  printPlan(plan, shape);
  std::printf("  %-44s %-30s %8s %9s\n", "file", "type", "score", "latency");
  double total = 0;
  int classified = 0;
  for (int i = 4; i < count; i++) {
    double latency = classify(context, types, arguments[i]);
    if (latency >= 0 && classified++ > 0)
      total += latency;
  }
  if (classified > 1)
    std::printf("\nopened in %.2f ms; %d files, %.2f ms each after the first\n", open, classified, total / (classified - 1));
  return 0;
}

int main(int count, char **arguments) {
  if (count < 5) {
    std::fprintf(stderr, "usage: classify-files MODEL.plan CONFIG.json DESCRIPTIONS.json FILE...\n");
    return 2;
  }
  try {
    return run(count, arguments);
  } catch (const std::exception &error) {
    std::fprintf(stderr, "classify-files: %s\n", error.what());
    return 1;
  }
}
