// kernel::viewOf: which chains of views are strides over an argument, and which are not.
#include "dialects/kernel/Kernel.h"
#include <gtest/gtest.h>

using namespace tenon;

namespace {
class ViewTest : public testing::Test {
protected:
  ViewTest() { ctx.loadDialect<kernel::KernelDialect>(); }

  /// The view of what a kernel returns; `signature` is its argument list, `body` computes %v of `type`.
  kernel::View view(const std::string &signature, const std::string &body, const std::string &type) {
    std::string text = "kernel.func private @f(" + signature + ") -> " + type + " {\n" + body + "\nkernel.return %v : " + type + "\n}";
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &ctx);
    EXPECT_TRUE(module) << text;
    auto func = *module->getOps<kernel::FuncOp>().begin();
    return kernel::viewOf(func.terminator().getOperand(0));
  }
  static std::string text(llvm::ArrayRef<nn::Dim> dims) {
    return llvm::join(llvm::map_range(dims, [](nn::Dim dim) { return dim.str(); }), " ");
  }

  mlir::MLIRContext ctx;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

TEST_F(ViewTest, Transpose) {
  kernel::View v = view("%x: tensor<2x3x4xf32>", "%v = nn.transpose %x {perm = array<i64: 2, 0, 1>} : tensor<2x3x4xf32> -> tensor<4x2x3xf32>",
                        "tensor<4x2x3xf32>");
  EXPECT_TRUE(llvm::isa<mlir::BlockArgument>(v.source));
  EXPECT_EQ(v.offset.str(), "0");
  EXPECT_EQ(text(v.strides), "1 12 4");
}

// Rows 7, 5, 3 of a matrix of free width.
TEST_F(ViewTest, SliceBackwards) {
  kernel::View v = view("%x: tensor<8x?xf32, #nn.dims<[8, w]>>",
                        "%v = nn.slice %x {starts = #nn.dims<[7, 0]>, sizes = #nn.dims<[3, w]>, steps = array<i64: -2, 1>}"
                        " : tensor<8x?xf32, #nn.dims<[8, w]>> -> tensor<3x?xf32, #nn.dims<[3, w]>>",
                        "tensor<3x?xf32, #nn.dims<[3, w]>>");
  EXPECT_EQ(v.offset.str(), "7 * w");
  EXPECT_EQ(text(v.strides), "-2 * w 1");
}

// Splitting an axis, then moving the parts: the heads of attention.
TEST_F(ViewTest, ReshapeThenTranspose) {
  kernel::View v = view("%x: tensor<1x?x768xf32, #nn.dims<[1, t, 768]>>",
                        "%r = nn.reshape %x {dims = #nn.dims<[1, t, 12, 64]>} : tensor<1x?x768xf32, #nn.dims<[1, t, 768]>>"
                        " -> tensor<1x?x12x64xf32, #nn.dims<[1, t, 12, 64]>>\n"
                        "%v = nn.transpose %r {perm = array<i64: 0, 2, 1, 3>} : tensor<1x?x12x64xf32, #nn.dims<[1, t, 12, 64]>>"
                        " -> tensor<1x12x?x64xf32, #nn.dims<[1, 12, t, 64]>>",
                        "tensor<1x12x?x64xf32, #nn.dims<[1, 12, t, 64]>>");
  EXPECT_TRUE(llvm::isa<mlir::BlockArgument>(v.source));
  EXPECT_EQ(text(llvm::ArrayRef(v.strides).drop_front()), "64 768 1");
}

// Merging the axes of a transposed matrix needs two strides for one axis: the transpose is computed first.
TEST_F(ViewTest, MergeAcrossTransposeIsNoView) {
  kernel::View v = view("%x: tensor<2x3xf32>",
                        "%t = nn.transpose %x {perm = array<i64: 1, 0>} : tensor<2x3xf32> -> tensor<3x2xf32>\n"
                        "%v = nn.reshape %t {dims = #nn.dims<[6]>} : tensor<3x2xf32> -> tensor<6xf32>",
                        "tensor<6xf32>");
  EXPECT_FALSE(llvm::isa<mlir::BlockArgument>(v.source));
  EXPECT_EQ(text(v.strides), "1");
}

TEST_F(ViewTest, ExpandHasStrideZero) {
  kernel::View v = view("%x: tensor<1x4xf32>", "%v = nn.expand %x {dims = #nn.dims<[5, 3, 4]>} : tensor<1x4xf32> -> tensor<5x3x4xf32>",
                        "tensor<5x3x4xf32>");
  EXPECT_EQ(text(v.strides), "0 0 1");
}

// An argument that lives inside a larger tensor is read with that tensor's strides.
TEST_F(ViewTest, PlacedArgument) {
  kernel::View v = view("%x: tensor<4x8xf32> {kernel.strides = #nn.dims<[32, 1]>}",
                        "%v = nn.transpose %x {perm = array<i64: 1, 0>} : tensor<4x8xf32> -> tensor<8x4xf32>", "tensor<8x4xf32>");
  EXPECT_EQ(text(v.strides), "1 32");
}
} // namespace
