// Kernels that libraries compute: what the reader says about them, and what it refuses.
#include "tenon/runtime.h"

#include "test/unit/runtime/TestPlans.h"

#include <functional>
#include <gtest/gtest.h>
#include <limits>

namespace tenon {
namespace {

using plan::LibraryCall;
using test::libraryPlan;

tn_plan *opened(const plan::Plan &data) {
  auto bytes = plan::writePlanToMemory(data);
  tn_plan *plan = nullptr;
  tn_plan_open_memory(bytes.data(), bytes.size(), 0, &plan);
  return plan;
}

TEST(LibraryCall, IsTold) {
  tn_plan *plan = opened(libraryPlan());
  ASSERT_TRUE(plan) << tn_last_error();
  tn_plan_info info{};
  info.struct_size = sizeof info;
  ASSERT_EQ(tn_plan_get_info(plan, &info), TN_OK);
  EXPECT_EQ(info.format_version, 4u);
  tn_kernel_info kernel{};
  kernel.struct_size = sizeof kernel;
  ASSERT_EQ(tn_plan_kernel(plan, 2, &kernel), TN_OK);
  EXPECT_STREQ(kernel.library, "cublasLt");
  EXPECT_STREQ(kernel.family, "cublaslt");
  EXPECT_EQ(kernel.threads, 0u);
  ASSERT_EQ(tn_plan_kernel(plan, 0, &kernel), TN_OK);
  EXPECT_STREQ(kernel.library, "");
  tn_plan_close(plan);
}

TEST(LibraryCall, InACalledPlanOrAVariantNeedsTheNewFormatToo) {
  plan::Plan outer = test::gpuPlan();
  outer.variants = {test::gpuPlan()};
  auto versionOf = [](const plan::Plan &data) { return uint32_t(plan::writePlanToMemory(data)[8]); };
  EXPECT_EQ(versionOf(outer), 1u);
  outer.variants[0].kernels.push_back(libraryPlan().kernels[2]);
  EXPECT_EQ(versionOf(outer), 4u);
}

TEST(LibraryCall, ImpossibleOnesAreRefused) {
  using Change = std::function<void(LibraryCall &)>;
  constexpr uint64_t kHuge = uint64_t(1) << 41;
  const std::pair<const char *, Change> changes[] = {
      {"kernel 2: the library that computes it is unknown", [](auto &call) { call.library = plan::Library::None; }},
      {"the library that computes it is unknown", [](auto &call) { call.library = plan::Library(200); }},
      {"its library's activation or algorithm is unknown", [](auto &call) { call.activation = plan::Activation(77); }},
      {"its library's activation or algorithm is unknown", [](auto &call) { call.algorithm = 16; }},
      {"a buffer of its library's does not exist", [](auto &call) { call.left.buffer = 4; }},
      {"a buffer of its library's does not exist", [](auto &call) { call.bias->buffer = UINT32_MAX; }},
      {"no f32, f16 or bf16", [](auto &call) { call.right.dtype = TN_I64; }},
      {"the alignment of a tensor of its library's is impossible", [](auto &call) { call.left.alignment = 0; }},
      {"the alignment of a tensor of its library's is impossible", [](auto &call) { call.left.alignment = 24; }},
      {"the alignment of a tensor of its library's is impossible", [](auto &call) { call.left.alignment = 512; }},
      {"another number of axes", [](auto &call) { call.left.sizes.pop_back(); }},
      {"another number of axes", [](auto &call) { call.result.strides.push_back(1); }},
      {"another number of axes", [](auto &call) { call.bias->sizes = {1, 4}; }},
      {"is empty or too large", [](auto &call) { call.left.sizes[1] = 0; }},
      {"is empty or too large", [](auto &call) { call.left.sizes[2] = kHuge; }},
      {"is empty or too large", [](auto &call) { call.right.strides[1] = kHuge; }},
      {"is empty or too large", [](auto &call) { call.left.offset = UINT64_MAX - 8; }},
      {"it would write to an argument", [](auto &call) { call.result.buffer = 1; }},
      {"the sizes of its library's product do not match", [](auto &call) { call.left.sizes[2] = 3; }},
      {"the sizes of its library's product do not match", [](auto &call) { call.right.sizes[0] = 2; }},
      {"the sizes of its library's product do not match", [](auto &call) { call.bias->sizes[0] = 3; }},
      {"the bias of its library's product is not dense", [](auto &call) { call.bias->strides[0] = 2; }},
      {"what its library adds does not match the product", [](auto &call) { call.added = call.result, call.added->sizes[1] = 1; }},
      {"is no matrix", [](auto &call) { call.right.strides = {0, 2, 4}; }},
      {"is no matrix", [](auto &call) { call.result.strides = {0, 2, 1}; }},
      {"is no matrix", [](auto &call) { call.left.sizes[0] = call.right.sizes[0] = call.result.sizes[0] = 2; }}, // results on top of each other
      {"the element types of its library's product differ", [](auto &call) { call.right.dtype = TN_F16; }},
      {"its elements are no f32",
       [](auto &call) { call.tf32 = true, call.left.dtype = call.right.dtype = call.bias->dtype = call.result.dtype = TN_F16; }},
      {"step 0: a library would leave the memory of an operand", [](auto &call) { call.left.offset = 16; }},       // of an input,
      {"step 0: a library would leave the memory of an operand", [](auto &call) { call.right.strides[2] = 5; }},   // a constant
      {"step 0: a library would leave the memory of an operand", [](auto &call) { call.result.strides[1] = 64; }}, // and a buffer
      {"its library's workspace is not its own", [](auto &call) { call.workspaceBytes = 0; }},
      {"its workspace has less room than a library is told", [](auto &call) { call.workspaceBytes = 769; }},
  };
  for (const auto &[sentence, change] : changes) {
    plan::Plan plan = libraryPlan();
    change(*plan.kernels[2].library);
    tn_plan *made = opened(plan);
    EXPECT_EQ(made, nullptr) << sentence;
    tn_plan_close(made);
    EXPECT_NE(std::string(tn_last_error()).find(sentence), std::string::npos) << "expected: " << sentence << "\nfound: " << tn_last_error();
  }
}

TEST(LibraryCall, ImpossibleConvolutionsAreRefused) {
  using Change = std::function<void(LibraryCall &)>;
  const std::pair<const char *, Change> changes[] = {
      {"its library's product has a window", [](auto &call) { call = *libraryPlan().kernels[2].library, call.window = {{}, {}}; }},
      {"its library's activation or algorithm is unknown",
       [](auto &call) { call = *libraryPlan().kernels[2].library, call.activation = plan::Activation::Silu; }},
      {"its library's activation or algorithm is unknown", [](auto &call) { call.most = -1; }},
      {"its library's activation or algorithm is unknown", [](auto &call) { call.most = std::numeric_limits<float>::quiet_NaN(); }},
      {"has another number of axes",
       [](auto &call) {
         call.library = plan::Library::CublasLt;
         call.activation = plan::Activation::None;
       }},
      {"the window of its library's convolution has another number of axes", [](auto &call) { call.window.pop_back(); }},
      {"the sizes of its library's convolution do not match", [](auto &call) { call.window[0].step = 1; }},
      {"the sizes of its library's convolution do not match", [](auto &call) { call.window[0].step = 0; }},
      {"the sizes of its library's convolution do not match", [](auto &call) { call.window[1].dilation = 0; }},
      {"the sizes of its library's convolution do not match", [](auto &call) { call.window[1].before = UINT32_MAX; }},
      {"the sizes of its library's convolution do not match", [](auto &call) { call.window[1].dilation = 4; }},
      {"the sizes of its library's convolution do not match", [](auto &call) { call.right.sizes[1] = 1; }},
      {"the sizes of its library's convolution do not match", [](auto &call) { call.added = call.left; }},
      {"is not channels last", [](auto &call) { call.result.strides = {16, 4, 2, 1}; }},
      {"is not channels last", [](auto &call) { call.result.strides[3] = 3; }},
      {"the bias of its library's convolution is not dense", [](auto &call) { call.bias->strides[0] = 2; }},
      {"the bias of its library's convolution has other elements", [](auto &call) { call.bias->dtype = TN_F16; }},
      {"of f32, or of tf32 that are none", [](auto &call) { call.tf32 = false; }},
      {"a library would leave the memory of an operand", [](auto &call) { call.left.strides[0] = 24, call.left.offset = 4 * 24; }},
  };
  tn_plan *possible = opened(test::convolutionPlan());
  EXPECT_TRUE(possible) << tn_last_error();
  tn_plan_close(possible);
  for (const auto &[sentence, change] : changes) {
    plan::Plan plan = test::convolutionPlan();
    change(*plan.kernels[2].library);
    tn_plan *made = opened(plan);
    EXPECT_EQ(made, nullptr) << sentence;
    tn_plan_close(made);
    EXPECT_NE(std::string(tn_last_error()).find(sentence), std::string::npos) << "expected: " << sentence << "\nfound: " << tn_last_error();
  }
}

TEST(LibraryCall, ComputesAloneAndOnGpusOnly) {
  plan::Plan threads = libraryPlan(), maps = libraryPlan(), onCpu = test::staticPlan();
  threads.kernels[2].threads = 128;
  maps.kernels[2].maps = {{0, 16, 2, {64, 100}, {128}, {1, 1}, {64, 128}, {}, {}, 128}};
  onCpu.kernels[0].library = libraryPlan().kernels[2].library;
  for (const auto &[plan, sentence] : {std::pair(threads, "a library computes it, and it has threads"),
                                       {maps, "a library computes it, and it has threads"},
                                       {onCpu, "a library computes it, in a plan that is not for a GPU"}}) {
    EXPECT_EQ(opened(plan), nullptr);
    EXPECT_NE(std::string(tn_last_error()).find(sentence), std::string::npos) << tn_last_error();
  }
}

} // namespace
} // namespace tenon
