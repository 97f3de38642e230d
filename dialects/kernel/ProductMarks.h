// What is marked belongs to the kernels of products: sums of rows that one gives and others take (nn-norms-into-products), operands side by side, and
// factors that may be rounded.
#pragma once
#include "llvm/ADT/StringRef.h"
#include <cstdint>

namespace tenon::kernel {

/// Elements of a row that are summed together: part of a tile of any product, so that no two blocks share a sum.
constexpr int64_t kRowPart = 32;
/// A unit attribute of ops that the kernel before computes at its end: f32 sums of such parts of a row that it has made, or, of a filter of each channel,
/// of each row of pixels (nn-means-into-depthwise).
constexpr llvm::StringLiteral kRowSumsAttr = "kernel.row_sums";
/// The same of ops that the kernel of their reader computes, from such sums: statistics of a row, and what is made of them.
constexpr llvm::StringLiteral kRowValueAttr = "kernel.row_value";
/// Of a concat: two operands of a product, whose kernel reads them where they are (nn-join-added-convs).
constexpr llvm::StringLiteral kSharedDepthAttr = "kernel.shared_depth";
/// A unit attribute of products and attention of f32: their factors may lose the mantissa's last 13 bits, as matrix units take them (nn-lower-precision).
constexpr llvm::StringLiteral kTf32Attr = "kernel.tf32";
/// A unit attribute of products of bf16 that kernels of CPUs multiply in pairs as they lie in memory, and of the casts around them (nn-bf16-factors): those that
/// round, where subnormals may become 0, and those that widen a rounded number for another reader, which does so as it reads.
constexpr llvm::StringLiteral kBf16PairsAttr = "kernel.bf16_pairs";

} // namespace tenon::kernel
