// Which kernels of a GPU walk their tasks backwards.
#include "passes/6_codegen/gpu/Directions.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/nn/NN.h"
#include "dialects/plan/Plan.h"
#include "mlir/Parser/Parser.h"
#include <gtest/gtest.h>

namespace tenon::gpu {
namespace {
using namespace mlir;

constexpr llvm::StringLiteral kKernels = R"(
  kernel.func private @a(%x: tensor<32x512x1024xf16>) -> tensor<32x512x1024xf16> {
    %0 = nn.relu %x : tensor<32x512x1024xf16> -> tensor<32x512x1024xf16>
    kernel.return %0 : tensor<32x512x1024xf16>
  }
  kernel.func private @b(%x: tensor<32x512x1024xf16>) -> tensor<32x512x1024xf16> {
    %0 = nn.neg %x : tensor<32x512x1024xf16> -> tensor<32x512x1024xf16>
    kernel.return %0 : tensor<32x512x1024xf16>
  }
  kernel.func private @c(%x: tensor<32x512x1024xf16>) -> tensor<32x512x1024xf16> {
    %0 = nn.abs %x : tensor<32x512x1024xf16> -> tensor<32x512x1024xf16>
    kernel.return %0 : tensor<32x512x1024xf16>
  }
  kernel.func private @small(%x: tensor<32xf16>, %w: tensor<32x512x1024xf16> {kernel.constant}) -> tensor<32xf16> {
    %0 = nn.relu %x : tensor<32xf16> -> tensor<32xf16>
    kernel.return %0 : tensor<32xf16>
  }
)";

/// The kernels that walk backwards, where a plan launches `names` one after the other.
std::string backward(ArrayRef<StringRef> names) {
  MLIRContext context;
  context.loadDialect<nn::NNDialect, kernel::KernelDialect, plan::PlanDialect>();
  std::string text = kKernels.str() +
                     "plan.func @main attributes {inputs = [], outputs = [], input_names = [], output_names = []} {\n"
                     "  %a = plan.alloc size(<33554432>) : !plan.buffer\n  %w = plan.constant dense<1.0> : tensor<4xf16> -> !plan.buffer\n";
  for (StringRef name : names)
    text += "  plan.launch @" + name.str() + (name == "small" ? "(%a, %w)" : "(%a)") + " -> (%a) tasks(<1>)\n";
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text + "}\n", &context);
  if (!module)
    return "not parsed";
  markDirections(*module);
  std::string result;
  for (kernel::FuncOp func : module->getOps<kernel::FuncOp>())
    if (func->hasAttr(kBackwardAttr))
      result += func.getSymName().str() + " ";
  return result;
}

TEST(Directions, EachBeginsWhereTheOneBeforeEnded) {
  EXPECT_EQ(backward({"a", "b", "c"}), "b ");
}

TEST(Directions, KernelsOfSmallTensorsDoNotCount) {
  EXPECT_EQ(backward({"a", "small", "b"}), "b ");
  EXPECT_EQ(backward({"small"}), "");
}

TEST(Directions, TheFirstLaunchDecides) {
  EXPECT_EQ(backward({"a", "b", "b", "c"}), "b ");
  EXPECT_EQ(backward({"a", "a", "b", "c"}), "b ");
}

} // namespace
} // namespace tenon::gpu
