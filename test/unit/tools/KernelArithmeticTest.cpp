// What kernels multiply with, as their PTX says.
#include "tools/tenon/KernelArithmetic.h"

#include <gtest/gtest.h>

using namespace tenon::driver;

namespace {

TEST(KernelArithmetic, IsThatOfTheInstructions) {
  EXPECT_EQ(arithmeticOf("fma.rn.f32 %f1, %f2, %f3, %f4;"), Arithmetic::F32);
  EXPECT_EQ(arithmeticOf("\tmma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1}, ..."), Arithmetic::F16);
  EXPECT_EQ(arithmeticOf("\tmma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f1}, ..."), Arithmetic::F16);
  EXPECT_EQ(arithmeticOf("\twgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {%f1}, ..."), Arithmetic::F16);
  EXPECT_EQ(arithmeticOf("\twgmma.mma_async.sync.aligned.m64n64k32.s32.u8.s8 {%r1}, ..."), Arithmetic::I8);
  EXPECT_EQ(arithmeticOf("\tmma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%r1}, ..."), Arithmetic::I8);
  EXPECT_EQ(arithmeticOf("\tmma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {%f1}, ..."), Arithmetic::F8);
}

TEST(KernelArithmetic, TellsWholeProductsFromParts) {
  const std::string product = "\tmma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%f1}, ...";
  EXPECT_EQ(arithmeticOf(product), Arithmetic::TF32);
  EXPECT_EQ(arithmeticOf("\tand.b32 \t%r1, %r2, -8192;\n" + product), Arithmetic::ThreeTF32);
}

TEST(KernelArithmetic, OfTwoIsTheSlower) {
  EXPECT_EQ(arithmeticOf("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {}\nmma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {}"),
            Arithmetic::F16);
}

TEST(KernelArithmetic, IsThatOfTheVariantWhichRuns) {
  const char text[] = "metadata\0.version 8.0\n.target sm_90a\n.visible .entry conv_0(\n wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 "
                      "{}\n}\n.visible .entry a$b(\n}\n\0"
                      "machine code mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32\0"
                      ".version 7.4\n.target sm_87\n.visible .entry conv_0(\n mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {}\n}\n\0";
  std::string_view plan(text, sizeof text);
  std::map<std::string, Arithmetic> hopper = {{"conv_0", Arithmetic::F16}, {"a$b", Arithmetic::F32}}, orin = {{"conv_0", Arithmetic::I8}};
  EXPECT_EQ(arithmeticOfKernels(plan, "sm_90a"), hopper);
  EXPECT_EQ(arithmeticOfKernels(plan, "sm_87"), orin);
  EXPECT_TRUE(arithmeticOfKernels(plan, "sm_90").empty());
}

} // namespace
