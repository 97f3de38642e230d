// Targets by name: what the emitters read off them, and what is said about names that nobody knows.
#include "lib/Target/Target.h"
#include "lib/Target/Gpu.h"
#include "llvm/Target/TargetMachine.h"
#include <gtest/gtest.h>

namespace tenon {
namespace {

Target parsed(llvm::StringRef name) {
  llvm::Expected<Target> target = Target::parse(name);
  EXPECT_TRUE(bool(target)) << name.str();
  return target ? *target : Target();
}

bool needs(const Target &target, llvm::StringRef feature) { return llvm::is_contained(target.required, feature); }

TEST(Target, EveryKnownNameHasACodeGenerator) {
  for (const std::string &name : Target::known()) {
    Target target = parsed(name);
    auto machine = target.machine();
    EXPECT_TRUE(bool(machine)) << name;
    if (!machine)
      llvm::consumeError(machine.takeError());
    EXPECT_EQ(target.name, name);
    EXPECT_GE(target.vectorBytes, 16);
  }
}

TEST(Target, VectorsFollowTheInstructionSet) {
  Target baseline = parsed("x86-64"), avx2 = parsed("x86-64-v3"), avx512 = parsed("x86-64-v4"), arm = parsed("aarch64");
  EXPECT_EQ(baseline.lanes(32), 4);
  EXPECT_FALSE(baseline.fma || baseline.f16c || baseline.roundInstructions);
  EXPECT_TRUE(baseline.required.empty());
  EXPECT_EQ(avx2.lanes(32), 8);
  EXPECT_EQ(avx2.vectorRegisters, 16);
  EXPECT_TRUE(avx2.fma && avx2.f16c && avx2.roundInstructions);
  EXPECT_TRUE(needs(avx2, "avx2") && needs(avx2, "fma"));
  EXPECT_EQ(avx512.lanes(32), 16);
  EXPECT_EQ(avx512.vectorRegisters, 32);
  EXPECT_TRUE(needs(avx512, "avx512f"));
  EXPECT_EQ(arm.lanes(32), 4);
  EXPECT_EQ(arm.vectorRegisters, 32);
  EXPECT_TRUE(needs(arm, "neon"));
}

TEST(Target, NativeDescribesThisMachine) {
  Target native = parsed("native");
  EXPECT_GE(native.cores, 1);
  EXPECT_GE(native.l1Bytes, 8 << 10);
  EXPECT_GE(native.l1Ways, 1);
  EXPECT_FALSE(native.cpu.empty());
}

TEST(Target, GpusByArchitectureAndByBoard) {
  Target hopper = parsed("cuda:sm_90"), specific = parsed("cuda:sm_90a"), orin = parsed("jetson-orin");
  EXPECT_TRUE(hopper.isGpu() && specific.isGpu() && orin.isGpu());
  EXPECT_EQ(hopper.gpuArch(), "sm_90");
  EXPECT_EQ(specific.gpuArch(), "sm_90a");
  EXPECT_EQ(orin.gpuArch(), "sm_87");
  EXPECT_EQ(parsed("jetson-thor").gpuArch(), "sm_110");
  EXPECT_EQ(parsed("dgx-spark").gpuArch(), "sm_121");
  EXPECT_EQ(parsed("cuda:sm_103a").gpuArch(), "sm_103a");
  EXPECT_EQ(hopper.lanes(32), 4); // 16 bytes an access
  EXPECT_FALSE(parsed("native").isGpu());
  // Only some architectures have instructions of their own.
  for (llvm::StringRef name : {"cuda:sm_80a", "cuda:sm_88a", "cuda:sm_42", "cuda:", "cuda:sm_"}) {
    llvm::Expected<Target> target = Target::parse(name);
    EXPECT_FALSE(bool(target)) << name.str();
    EXPECT_NE(llvm::toString(target.takeError()).find("cuda:sm_90a"), std::string::npos);
  }
}

TEST(Target, WhatAMultiprocessorHas) {
  // CUDA C++ programming guide, compute capabilities.
  const std::tuple<llvm::StringRef, int64_t, int64_t, int64_t> expected[] = {
      // threads, kilobytes of a multiprocessor and of a block
      {"cuda:sm_75", 1024, 64, 64},    {"cuda:sm_80", 2048, 164, 163},  {"cuda:sm_86", 1536, 100, 99},  {"cuda:sm_87", 1536, 164, 163},
      {"cuda:sm_88", 1536, 100, 99},   {"cuda:sm_89", 1536, 100, 99},   {"cuda:sm_90", 2048, 228, 227}, {"cuda:sm_100", 2048, 228, 227},
      {"cuda:sm_103", 2048, 228, 227}, {"cuda:sm_110", 1536, 228, 227}, {"cuda:sm_120", 1536, 100, 99}, {"cuda:sm_121", 1536, 100, 99}};
  for (auto [name, threads, ofMultiprocessor, ofBlock] : expected) {
    const GpuLimits &limits = limitsOf(parsed(name));
    EXPECT_EQ(limits.threads, threads) << name.str();
    EXPECT_EQ(limits.sharedOfMultiprocessor, ofMultiprocessor << 10) << name.str();
    EXPECT_EQ(limits.sharedOfBlock, ofBlock << 10) << name.str();
  }
}

TEST(Target, SharedMemoryWhereverCodeRuns) {
  // Code for sm_80 runs on 86, PTX of sm_100 on 120: their blocks have 99 KB.
  for (llvm::StringRef name : {"cuda:sm_80", "cuda:sm_87", "cuda:sm_89", "cuda:sm_90", "cuda:sm_100", "cuda:sm_120a", "dgx-spark"})
    EXPECT_EQ(sharedOfBlock(parsed(name)), 99 << 10) << name.str();
  EXPECT_EQ(sharedOfBlock(parsed("cuda:sm_75")), 64 << 10);
  // Of one architecture, or a board, it is what that has.
  for (llvm::StringRef name : {"cuda:sm_90a", "cuda:sm_103a", "jetson-thor"})
    EXPECT_EQ(sharedOfBlock(parsed(name)), 227 << 10) << name.str();
  EXPECT_EQ(sharedOfBlock(parsed("jetson-orin+cublaslt")), 163 << 10);
}

TEST(Target, MemoryOfBoards) {
  EXPECT_EQ(boardMemory(parsed("jetson-orin")), int64_t(64) << 30);
  EXPECT_EQ(boardMemory(parsed("jetson-orin-nano+cublaslt")), int64_t(8) << 30);
  EXPECT_FALSE(boardMemory(parsed("cuda:sm_87")) || boardMemory(parsed("native")));
  EXPECT_LT(parsed("jetson-orin-nano").cores, parsed("jetson-orin").cores);
}

TEST(Target, UnknownNamesAreRefusedWithTheKnownOnes) {
  llvm::Expected<Target> target = Target::parse("pentium-pro-max");
  ASSERT_FALSE(bool(target));
  std::string message = llvm::toString(target.takeError());
  EXPECT_NE(message.find("pentium-pro-max"), std::string::npos) << message;
  EXPECT_NE(message.find("x86-64-v3"), std::string::npos) << message;
}
} // namespace
} // namespace tenon
