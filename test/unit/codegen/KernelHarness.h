// Compiles one kernel from MLIR text for a target and runs it here.
//
//   KernelHarness k(R"(
//     kernel.func private @k(%x: tensor<4x8xf32>, %w: tensor<8x3xf32> {kernel.constant}) -> tensor<4x3xf32> { ... })");
//   ASSERT_TRUE(k.compile());                                   // the family's first choice
//   ASSERT_TRUE(k.compile("#kernel.schedule<\"loops\", {}>"));  // or a given schedule
//   std::vector<float> y(12);
//   k.run({x.data(), w.data(), y.data()});                      // arguments (unpacked), then results
//   double seconds = k.bestSeconds({x.data(), w.data(), y.data()});
//
// Symbolic sizes: k.run(buffers, {{"batch", 3}}). `compiles` only generates code, for targets that cannot run here.
//
// Kernels for GPUs run here, too, thread by thread on the machine of gpu/Machine.h: target "cuda:sm_90a".
#pragma once
#include "dialects/kernel/Kernel.h"
#include "lib/Target/ObjectCode.h"
#include "lib/Target/Target.h"
#include "passes/6_codegen/cpu/KernelFamily.h"
#include "runtime/kernel_abi.h"
#include "test/unit/codegen/gpu/HostCode.h"

namespace tenon::test {

class KernelHarness {
public:
  using Buffers = std::vector<void *>;
  using Sizes = llvm::DenseMap<llvm::StringRef, int64_t>;

  /// With what kernels are made of, and what they are lowered to.
  static std::unique_ptr<mlir::MLIRContext> makeContext();

  explicit KernelHarness(llvm::StringRef text, llvm::StringRef target = "native");
  ~KernelHarness();

  /// The kernel as parsed, or as scheduled after `compile`. Null if the text does not parse (`message` says why).
  kernel::FuncOp func();
  const Target &target() const { return machine; }

  /// Schedules, packs, emits, links and maps the kernel. An empty schedule means the first choice of the first family that matches.
  bool compile(llvm::StringRef schedule = {});
  /// The same from code that is emitted by `emit` instead of a family.
  bool compileBy(llvm::function_ref<void(kernel::FuncOp, mlir::ModuleOp)> emit);
  /// Whether the text compiles for every target that Tenon names; `message` says for which it does not.
  static bool compilesEverywhere(llvm::StringRef text, std::string &message);

  /// Runs all tasks, in order, on this thread. Constant arguments that the schedule packs are given unpacked.
  void run(const Buffers &buffers, const Sizes &sizes = Sizes());
  /// The same of a kernel for a GPU, in one of the two orders of gpu/Machine.h; empty, or what went wrong.
  std::string runOnGpu(const Buffers &buffers, const Sizes &sizes, bool isEager);
  /// The shortest of `rounds` runs, packing not counted. Numbers count on an idle machine only.
  double bestSeconds(const Buffers &buffers, const Sizes &sizes = Sizes(), int rounds = 20);

  const CodeImage &image() const { return code; }
  std::string assembly();
  std::string message; // diagnostics of what failed

private:
  struct Launch;
  Launch prepare(const Buffers &buffers, const Sizes &sizes);
  bool link(mlir::ModuleOp emitted);
  void unmap();

  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  Target machine;
  std::vector<std::pair<unsigned, kernel::PackingAttr>> packings;
  cpu::BlockShape block; // of a kernel for a GPU
  HostCode host;         // what its code calls
  CodeImage code;
  void *mapping = nullptr;
  size_t mapped = 0;
};

} // namespace tenon::test
