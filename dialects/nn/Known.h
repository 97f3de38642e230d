// Small tensors whose contents are known at compile time, as the folders compute with them. Private to the dialect.
#pragma once
#include "dialects/nn/NN.h"

namespace tenon::nn {

/// At most kMaxFoldedElements elements in row-major order, as integers, floats, or (i32 and i64 only) size expressions.
/// Exactly one of the three vectors is in use.
struct Known {
  mlir::RankedTensorType type; // static
  llvm::SmallVector<llvm::APInt> integers;
  llvm::SmallVector<llvm::APFloat> floats;
  llvm::SmallVector<Dim> sizes;

  bool isFloat() const { return llvm::isa<mlir::FloatType>(type.getElementType()); }
  bool isSizes() const { return !sizes.empty(); }
  int64_t count() const { return type.getNumElements(); }

  /// Reads dense, dense_resource or #nn.dims; none where it is large, unknown, or of another element type.
  static std::optional<Known> read(mlir::Attribute value, mlir::Type type);
  /// The same integers as expressions; none for floats and for integers beyond int64.
  std::optional<Known> asSizes() const;
  /// An attribute for nn.constant of `type`; expressions that are all constant become dense. Null if it has none.
  mlir::Attribute attribute() const;
};

/// Whether a static result of `type` is small enough to fold.
bool isFoldable(mlir::Type type);
/// All of `values` as Known; expressions everywhere if one of them holds expressions.
std::optional<llvm::SmallVector<Known>> readAll(llvm::ArrayRef<mlir::Attribute> values, mlir::ValueRange operands);

/// Element `index` of tensor number `source`.
struct Pick {
  unsigned source;
  int64_t index;
};
/// The tensor of `type` made of `picks` from `sources`, which are all of one kind.
mlir::Attribute pickElements(llvm::ArrayRef<Known> sources, llvm::ArrayRef<Pick> picks, mlir::RankedTensorType type);

/// For each element of `shape` in row-major order calls `visit` with its coordinates.
void forEachIndex(llvm::ArrayRef<int64_t> shape, llvm::function_ref<void(llvm::ArrayRef<int64_t>)> visit);
/// The row-major position of coordinates; those of a larger shape are broadcast (aligned at the last axis).
int64_t linearIndex(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> coordinates);

bool isUnsigned(mlir::Type element);
/// Whether `value` is a constant whose every element is `number`; looks at large constants only where they are splats.
bool isAll(mlir::Attribute value, double number);

} // namespace tenon::nn
