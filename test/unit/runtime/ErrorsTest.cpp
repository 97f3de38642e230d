// Wrong calls give an error by name and a sentence that says what was found and what was expected.
#include "tenon/runtime.h"

#include "test/unit/runtime/TestPlans.h"

#include <gtest/gtest.h>

namespace tenon {
namespace {

using testing::Test;

class Errors : public Test {
protected:
  void SetUp() override { open(test::dynamicPlan()); }
  void TearDown() override { close(); }

  void open(const plan::Plan &data) {
    close();
    auto bytes = plan::writePlanToMemory(data);
    ASSERT_EQ(tn_plan_open_memory(bytes.data(), bytes.size(), 0, &plan), TN_OK) << tn_last_error();
    tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
    options.threads = 1;
    ASSERT_EQ(tn_context_create(plan, &options, &context), TN_OK) << tn_last_error();
  }
  void close() {
    tn_context_destroy(context);
    tn_plan_close(plan);
    context = nullptr;
    plan = nullptr;
  }

  /// Runs with inputs a and b of these shapes and expects this error with a message that holds `sentence`.
  void expectError(tn_tensor a, tn_tensor b, tn_status status, const std::string &sentence) {
    tn_tensor inputs[2] = {a, b}, outputs[2] = {};
    EXPECT_EQ(tn_run(context, inputs, outputs), status) << tn_last_message(context);
    EXPECT_NE(std::string(tn_last_message(context)).find(sentence), std::string::npos) << tn_last_message(context);
  }
  tn_tensor floats(int64_t rows, int64_t columns) { return {memory, sizeof memory, TN_F32, 2, {rows, columns}}; }

  tn_plan *plan = nullptr;
  tn_context *context = nullptr;
  alignas(64) float memory[1024] = {};
};

TEST_F(Errors, Shapes) {
  expectError(floats(2, 4), floats(3, 4), TN_SHAPE_MISMATCH, "input 'b': axis 0 is 3, expected 2 ('n', which another input or axis sets)");
  expectError(floats(2, 5), floats(2, 4), TN_SHAPE_MISMATCH, "input 'a': axis 1 is 5, expected 4");
  expectError(floats(-1, 4), floats(-1, 4), TN_SHAPE_MISMATCH, "input 'a': axis 0 is -1; dimensions are at least 0");
  expectError(floats(1001, 4), floats(1001, 4), TN_SHAPE_MISMATCH, "input 'a': axis 0 ('n') is 1001, allowed are 0 to 1000");
  tn_tensor vector = floats(8, 0);
  vector.rank = 1;
  expectError(vector, vector, TN_SHAPE_MISMATCH, "input 'a' has rank 1, expected 2");
  vector.rank = 1000;
  expectError(vector, vector, TN_SHAPE_MISMATCH, "input 'a' has rank 1000, expected 2");
}

TEST_F(Errors, Types) {
  tn_tensor doubles = floats(2, 4);
  doubles.dtype = TN_F64;
  expectError(floats(2, 4), doubles, TN_TYPE_MISMATCH, "input 'b' has element type f64, expected f32");
  doubles.dtype = tn_dtype(77);
  expectError(floats(2, 4), doubles, TN_TYPE_MISMATCH, "input 'b' has element type ?, expected f32");
}

TEST_F(Errors, InputMemory) {
  tn_tensor none = floats(2, 4), small = floats(2, 4), skewed = floats(2, 4);
  none.data = nullptr;
  small.bytes = 31;
  skewed.data = reinterpret_cast<char *>(memory) + 2;
  expectError(none, floats(2, 4), TN_INVALID_ARGUMENT, "input 'a' has no data");
  expectError(floats(2, 4), small, TN_SHAPE_MISMATCH, "input 'b' has 31 bytes of memory, its shape needs 32");
  expectError(skewed, floats(2, 4), TN_INVALID_ARGUMENT, "it must be aligned to its elements of 4 bytes");
}

TEST_F(Errors, OutputMemory) {
  tn_tensor inputs[2] = {floats(2, 4), floats(2, 4)}, outputs[2] = {};
  outputs[1] = {memory + 512, 8, TN_F32, 0, {}};
  EXPECT_EQ(tn_run(context, inputs, outputs), TN_SHAPE_MISMATCH);
  EXPECT_STREQ(tn_last_message(context), "output 'z' has 8 bytes of memory, its shape needs 32");
  outputs[1].bytes = 2048;
  outputs[1].dtype = TN_I64;
  EXPECT_EQ(tn_run(context, inputs, outputs), TN_TYPE_MISMATCH);
  EXPECT_STREQ(tn_last_message(context), "output 'z' has element type i64, expected f32");
}

TEST_F(Errors, AnInputInTheContextsMemory) {
  tn_tensor inputs[2] = {floats(2, 4), floats(2, 4)}, outputs[2] = {};
  ASSERT_EQ(tn_run(context, inputs, outputs), TN_OK);
  tn_tensor looped = inputs[0];
  looped.data = outputs[0].data;
  expectError(looped, inputs[1], TN_INVALID_ARGUMENT, "input 'a' lies in the context's own memory");
}

TEST_F(Errors, TheContextRunsOnAfterAnError) {
  expectError(floats(2, 5), floats(2, 4), TN_SHAPE_MISMATCH, "expected 4");
  tn_tensor inputs[2] = {floats(2, 4), floats(2, 4)}, outputs[2] = {};
  EXPECT_EQ(tn_run(context, inputs, outputs), TN_OK);
  EXPECT_STREQ(tn_last_message(context), "");
}

TEST_F(Errors, Names) {
  uint32_t index = 9;
  EXPECT_EQ(tn_plan_find_input(plan, "b", &index), TN_OK);
  EXPECT_EQ(index, 1u);
  EXPECT_EQ(tn_plan_find_input(plan, "c", &index), TN_NAME_NOT_FOUND);
  EXPECT_STREQ(tn_last_error(), "no input is called 'c'; there are 'a', 'b'");
  EXPECT_EQ(tn_plan_find_output(plan, "z", &index), TN_OK);
}

TEST_F(Errors, NullPointers) {
  tn_tensor tensors[2] = {};
  EXPECT_EQ(tn_run(nullptr, tensors, tensors), TN_INVALID_ARGUMENT);
  EXPECT_EQ(tn_run(context, nullptr, tensors), TN_INVALID_ARGUMENT);
  EXPECT_EQ(tn_run(context, tensors, nullptr), TN_INVALID_ARGUMENT);
  EXPECT_EQ(tn_output_shapes(nullptr, tensors, tensors), TN_INVALID_ARGUMENT);
  EXPECT_EQ(tn_plan_open(nullptr, 0, &plan), TN_INVALID_ARGUMENT);
  EXPECT_EQ(tn_plan_open("x", 0, nullptr), TN_INVALID_ARGUMENT);
  EXPECT_EQ(tn_plan_open_memory(nullptr, 0, 0, &plan), TN_INVALID_ARGUMENT);
  EXPECT_EQ(tn_plan_check(nullptr), TN_INVALID_ARGUMENT);
  EXPECT_EQ(tn_context_create(nullptr, nullptr, &context), TN_INVALID_ARGUMENT);
  EXPECT_EQ(tn_plan_get_info(plan, nullptr), TN_INVALID_ARGUMENT);
  EXPECT_EQ(tn_plan_find_input(plan, nullptr, nullptr), TN_INVALID_ARGUMENT);
  EXPECT_EQ(tn_layout_create(plan, nullptr, nullptr), TN_INVALID_ARGUMENT);
  EXPECT_EQ(tn_plan_feature(nullptr, 0), nullptr);
  EXPECT_EQ(tn_plan_step_source(plan, 99, 0), nullptr);
  EXPECT_EQ(tn_cpu_has(nullptr), -1);
  EXPECT_STREQ(tn_last_message(nullptr), tn_last_error());
  tn_plan_close(nullptr);
  tn_context_destroy(nullptr);
  tn_layout_destroy(nullptr);
}

TEST_F(Errors, IndicesOutOfRange) {
  tn_tensor_info tensor = {};
  tensor.struct_size = sizeof tensor;
  EXPECT_EQ(tn_plan_input(plan, 2, &tensor), TN_INVALID_ARGUMENT);
  EXPECT_STREQ(tn_last_error(), "input 2 does not exist; there are 2");
  tn_kernel_info kernel = {};
  kernel.struct_size = sizeof kernel;
  EXPECT_EQ(tn_plan_kernel(plan, 2, &kernel), TN_INVALID_ARGUMENT);
}

TEST_F(Errors, ContextOptions) {
  auto create = [&](auto change) {
    tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
    change(options);
    tn_context *made = nullptr;
    tn_status status = tn_context_create(plan, &options, &made);
    tn_context_destroy(made);
    return status;
  };
  int32_t cpus[2] = {0, 1023};
  EXPECT_EQ(create([](auto &options) { options.struct_size = 0; }), TN_INVALID_ARGUMENT);
  EXPECT_EQ(create([](auto &options) { options.threads = 100000; }), TN_INVALID_ARGUMENT);
  EXPECT_EQ(create([&](auto &options) { options.threads = 3, options.cpus = cpus, options.cpu_count = 2; }), TN_INVALID_ARGUMENT);
  EXPECT_EQ(create([](auto &options) { options.arena_bytes = 64; }), TN_INVALID_ARGUMENT);
  EXPECT_EQ(create([](auto &options) { options.allocator.release = [](void *, void *, size_t) {}; }), TN_INVALID_ARGUMENT);
  EXPECT_EQ(create([&](auto &options) { options.cpus = cpus, options.cpu_count = 2; }), TN_DEVICE);
  EXPECT_NE(std::string(tn_last_error()).find("cannot run on CPU 1023"), std::string::npos) << tn_last_error();
  EXPECT_EQ(create([](auto &options) { options.max_bytes = 100; }), TN_LIMIT);
  // An older caller's struct ends early, a newer one's sets fields that are not known here.
  EXPECT_EQ(create([](auto &options) { options.struct_size = 8, options.threads = 1; }), TN_OK);
  struct {
    tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
    uint64_t future = 1;
  } newer;
  newer.options.struct_size = sizeof newer;
  EXPECT_EQ(tn_context_create(plan, &newer.options, &context), TN_INVALID_ARGUMENT);
}

// 2^62 rows of 4 floats: the size does not fit 63 bits.
TEST_F(Errors, SizesOverflow) {
  plan::Plan large = test::dynamicPlan();
  large.symbols[0].maximum = INT64_MAX;
  open(large);
  expectError(floats(int64_t(1) << 62, 4), floats(int64_t(1) << 62, 4), TN_SHAPE_MISMATCH, "overflows");
  expectError(floats(int64_t(1) << 58, 4), floats(int64_t(1) << 58, 4), TN_SHAPE_MISMATCH, "");
}

TEST_F(Errors, Files) {
  tn_plan *none = nullptr;
  EXPECT_EQ(tn_plan_open("/nonexistent/x.plan", 0, &none), TN_IO);
  EXPECT_STREQ(tn_last_error(), "/nonexistent/x.plan: cannot open: No such file or directory");
  EXPECT_EQ(tn_plan_open("/", 0, &none), TN_IO);
  EXPECT_EQ(tn_plan_open("/dev/null", 0, &none), TN_IO);
  EXPECT_EQ(tn_plan_open("/proc/self/cmdline", 0, &none), TN_BAD_PLAN);
  EXPECT_EQ(none, nullptr);
}

} // namespace
} // namespace tenon
