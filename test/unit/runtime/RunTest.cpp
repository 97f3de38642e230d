// Opening plans and running them through the C interface.
#include "tenon/runtime.hpp"

#include "test/unit/runtime/TestPlans.h"

#include <cstring>
#include <gtest/gtest.h>
#include <optional>
#include <thread>
#include <unistd.h>

namespace tenon {
namespace {

using test::dynamicPlan;
using test::staticPlan;

Plan openPlan(const plan::Plan &plan) {
  auto bytes = plan::writePlanToMemory(plan);
  auto opened = Plan::openMemory(bytes, TN_OPEN_VERIFY);
  if (!opened) {
    ADD_FAILURE() << opened.error().message;
    std::abort();
  }
  return *opened;
}

Context makeContext(const Plan &plan, ContextOptions options = {.threads = 1}) {
  auto context = Context::create(plan, options);
  if (!context) {
    ADD_FAILURE() << context.error().message;
    std::abort();
  }
  return std::move(*context);
}

std::vector<float> ramp(size_t count, float start) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i)
    values[i] = start + float(i);
  return values;
}

/// Runs dynamicPlan for n rows and checks y = 2 * (2 * a + b) and z = a.
void expectDynamicRun(Context &context, int64_t n) {
  auto a = ramp(size_t(n) * 4, 1), b = ramp(size_t(n) * 4, 100);
  auto outputs = context.run({tensor(a, {n, 4}), tensor(b, {n, 4})});
  ASSERT_TRUE(outputs) << outputs.error().message;
  auto y = (*outputs)[0].as<float>(), z = (*outputs)[1].as<float>();
  ASSERT_EQ(y.size(), a.size());
  EXPECT_EQ((*outputs)[0].shape()[0], n);
  for (size_t i = 0; i < y.size(); ++i) {
    ASSERT_EQ(y[i], 2 * (2 * a[i] + b[i]));
    ASSERT_EQ(z[i], a[i]);
  }
}

TEST(Run, StaticPlan) {
  Plan plan = openPlan(staticPlan());
  Context context = makeContext(plan);
  auto x = ramp(8, 10);
  auto outputs = context.run({tensor(x, {8})});
  ASSERT_TRUE(outputs) << outputs.error().message;
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ((*outputs)[0].as<float>()[i], float(2 * (10 + i + i)));
}

TEST(Run, FromAFile) {
  std::string path = testing::TempDir() + "/tenon-run-" + std::to_string(getpid()) + ".plan";
  ASSERT_EQ(plan::writePlan(staticPlan(), path), "");
  ASSERT_EQ(tn_plan_check(path.c_str()), TN_OK) << tn_last_error();
  auto plan = Plan::open(path);
  ASSERT_TRUE(plan) << plan.error().message;
  Context context = makeContext(*plan);
  auto x = ramp(8, 0);
  ASSERT_TRUE(context.run({tensor(x, {8})}));
}

TEST(Run, IntoTheCallersMemory) {
  Plan plan = openPlan(staticPlan());
  Context context = makeContext(plan);
  auto x = ramp(8, 0);
  std::vector<float> y(8);
  Output outputs[1] = {{tensor(y, {})}};
  outputs[0].dtype = TN_DTYPE_NONE;
  auto result = context.run(std::vector{tensor(x, {8})}, outputs);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(outputs[0].dtype, TN_F32);
  EXPECT_EQ(outputs[0].rank, 1);
  EXPECT_EQ(outputs[0].dims[0], 8);
  EXPECT_EQ(outputs[0].bytes, sizeof(float) * 8);
  EXPECT_EQ(y[7], 28);
}

TEST(Run, EveryShapeOfAFreeDimension) {
  Plan plan = openPlan(dynamicPlan());
  Context context = makeContext(plan);
  for (int64_t n : {1, 2, 3, 7, 16, 1000, 0, 2, 16, 1})
    expectDynamicRun(context, n);
}

TEST(Run, MoreShapesThanAreKept) {
  Plan plan = openPlan(dynamicPlan());
  tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
  options.threads = 1;
  options.max_layouts = 2;
  tn_context *context = nullptr;
  ASSERT_EQ(tn_context_create(plan.get(), &options, &context), TN_OK);
  uint64_t bytes = 0;
  for (int64_t n = 1; n < 60; ++n) {
    auto a = ramp(size_t(n % 7) * 4, 1);
    tn_tensor inputs[2] = {tensor(a, {n % 7, 4}), tensor(a, {n % 7, 4})};
    tn_tensor outputs[2] = {};
    ASSERT_EQ(tn_run(context, inputs, outputs), TN_OK) << tn_last_message(context);
    if (n == 20)
      bytes = tn_context_bytes(context);
  }
  EXPECT_EQ(tn_context_bytes(context), bytes);
  tn_context_destroy(context);
}

// The tensors of the last run may be handed in again: what points to the context's memory is placed anew.
TEST(Run, OutputsMayBeReused) {
  Plan plan = openPlan(dynamicPlan());
  Context context = makeContext(plan);
  Output outputs[2] = {};
  for (int64_t n : {2, 500, 3}) {
    auto a = ramp(size_t(n) * 4, 1);
    auto result = context.run(std::vector{tensor(a, {n, 4}), tensor(a, {n, 4})}, outputs);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(outputs[0].as<float>().back(), 6 * a.back());
  }
}

TEST(Run, OutputShapesWithoutRunning) {
  Plan plan = openPlan(dynamicPlan());
  Context context = makeContext(plan);
  tn_tensor inputs[2] = {}, outputs[2] = {};
  for (tn_tensor &input : inputs)
    input = {nullptr, 0, TN_F32, 2, {5, 4}};
  ASSERT_EQ(tn_output_shapes(context.get(), inputs, outputs), TN_OK) << tn_last_message(context.get());
  EXPECT_EQ(outputs[0].rank, 2);
  EXPECT_EQ(outputs[0].dims[0], 5);
  EXPECT_EQ(outputs[0].bytes, 80u);
  EXPECT_EQ(outputs[0].dtype, TN_F32);
}

TEST(Run, ContextsOfOnePlanInManyThreads) {
  Plan plan = openPlan(dynamicPlan());
  std::vector<std::thread> callers;
  for (int i = 0; i < 6; ++i)
    callers.emplace_back([&plan, i] {
      Context context = makeContext(plan, {.threads = uint32_t(1 + i % 3)});
      for (int round = 0; round < 30; ++round)
        expectDynamicRun(context, 1 + (round * (i + 1)) % 50);
    });
  for (std::thread &caller : callers)
    caller.join();
}

TEST(Run, ThePlanOutlivesItsHandle) {
  std::optional<Context> context;
  {
    Plan plan = openPlan(dynamicPlan());
    context.emplace(makeContext(plan));
  }
  expectDynamicRun(*context, 3);
}

TEST(Run, BorrowedBytes) {
  auto bytes = plan::writePlanToMemory(staticPlan());
  void *aligned = nullptr;
  ASSERT_EQ(posix_memalign(&aligned, 64, bytes.size() + 64), 0);
  std::memcpy(aligned, bytes.data(), bytes.size());
  tn_plan *plan = nullptr;
  ASSERT_EQ(tn_plan_open_memory(aligned, bytes.size(), TN_OPEN_BORROW, &plan), TN_OK) << tn_last_error();
  tn_plan_close(plan);
  EXPECT_EQ(tn_plan_open_memory(static_cast<char *>(aligned) + 8, bytes.size(), TN_OPEN_BORROW, &plan), TN_INVALID_ARGUMENT);
  free(aligned);
}

TEST(Run, InTheApplicationsArena) {
  Plan plan = openPlan(dynamicPlan());
  tn_tensor inputs[2] = {{nullptr, 0, TN_F32, 2, {100, 4}}, {nullptr, 0, TN_F32, 2, {100, 4}}};
  tn_layout *layout = nullptr;
  ASSERT_EQ(tn_layout_create(plan.get(), inputs, &layout), TN_OK) << tn_last_error();
  tn_memory_info memory = {};
  memory.struct_size = sizeof memory;
  ASSERT_EQ(tn_layout_memory(layout, &memory), TN_OK);
  tn_layout_destroy(layout);
  // s and t, 1600 bytes each, are alive together at step 1; the workspace of 12 bytes takes the place of s.
  EXPECT_EQ(memory.lower_bound, 3200u);
  EXPECT_EQ(memory.arena_bytes, 3200u);
  EXPECT_EQ(memory.naive_bytes, 3264u);
  EXPECT_EQ(memory.output_bytes, 3200u);

  alignas(64) static std::byte arena[8192];
  Context context = makeContext(plan, {.threads = 1, .arena = {arena, size_t(memory.arena_bytes + memory.output_bytes)}});
  expectDynamicRun(context, 100);
  auto a = ramp(101 * 4, 0);
  auto tooMuch = context.run({tensor(a, {101, 4}), tensor(a, {101, 4})});
  ASSERT_FALSE(tooMuch);
  EXPECT_EQ(tooMuch.error().status, TN_OUT_OF_ARENA);
  expectDynamicRun(context, 99);
}

TEST(Run, TheApplicationsAllocatorAndLimit) {
  static size_t used;
  used = 0;
  tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
  options.threads = 2;
  options.allocator.allocate = [](void *, size_t bytes, size_t alignment) -> void * {
    used += bytes;
    return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  };
  options.allocator.release = [](void *, void *memory, size_t bytes) {
    used -= bytes;
    free(memory);
  };
  options.max_bytes = 20000;
  Plan plan = openPlan(dynamicPlan());
  tn_context *context = nullptr;
  ASSERT_EQ(tn_context_create(plan.get(), &options, &context), TN_OK) << tn_last_error();
  auto a = ramp(4000, 1);
  tn_tensor outputs[2] = {};
  tn_tensor small[2] = {tensor(a, {10, 4}), tensor(a, {10, 4})}, large[2] = {tensor(a, {1000, 4}), tensor(a, {1000, 4})};
  EXPECT_EQ(tn_run(context, small, outputs), TN_OK) << tn_last_message(context);
  EXPECT_EQ(used, tn_context_bytes(context));
  EXPECT_EQ(tn_run(context, large, outputs), TN_LIMIT);
  EXPECT_EQ(tn_run(context, small, outputs), TN_OK) << tn_last_message(context);
  tn_context_destroy(context);
  EXPECT_EQ(used, 0u);
}

TEST(Run, AnAllocatorWithoutMemory) {
  Plan plan = openPlan(dynamicPlan());
  static int left;
  tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
  options.threads = 1;
  options.allocator.allocate = [](void *, size_t bytes, size_t alignment) -> void * {
    return left-- > 0 ? aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment) : nullptr;
  };
  options.allocator.release = [](void *, void *memory, size_t) { free(memory); };
  auto a = ramp(40, 1);
  tn_tensor inputs[2] = {tensor(a, {10, 4}), tensor(a, {10, 4})};
  // Whichever allocation fails, the call says so and nothing leaks.
  int allocations = 0;
  for (tn_status status = TN_OUT_OF_MEMORY; status; ++allocations) {
    left = allocations;
    tn_context *context = nullptr;
    tn_tensor outputs[2] = {};
    status = tn_context_create(plan.get(), &options, &context);
    if (!status)
      status = tn_run(context, inputs, outputs);
    ASSERT_TRUE(status == TN_OK || status == TN_OUT_OF_MEMORY);
    tn_context_destroy(context);
  }
  EXPECT_GT(allocations, 5);
}

TEST(Run, Profile) {
  Plan plan = openPlan(staticPlan());
  Context context = makeContext(plan, {.threads = 1, .profile = true});
  auto x = ramp(8, 0);
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(context.run({tensor(x, {8})}));
  tn_step_profile profile = {};
  profile.struct_size = sizeof profile;
  ASSERT_EQ(tn_profile_step(context.get(), 1, &profile), TN_OK);
  EXPECT_EQ(profile.runs, 3u);
  EXPECT_LE(profile.min_ns, profile.last_ns);
  EXPECT_GE(profile.total_ns, profile.min_ns);
  EXPECT_EQ(tn_profile_step(context.get(), 2, &profile), TN_INVALID_ARGUMENT);
  ASSERT_EQ(tn_profile(context.get(), 0), TN_OK);
  EXPECT_EQ(tn_profile_step(context.get(), 0, &profile), TN_INVALID_ARGUMENT);
}

} // namespace
} // namespace tenon
