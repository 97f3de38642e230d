// Rows along one axis of a tensor, and those of top-k.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"
#include "passes/6_codegen/cpu/SingleOp.h"

namespace tenon::cpu {

/// Where the `row`th row along `axis` of a tensor of sizes `dims` begins.
inline llvm::SmallVector<Index> placeOfRow(KernelBuilder &b, llvm::ArrayRef<nn::Dim> dims, int axis, Index row) {
  llvm::SmallVector<Index> place(dims.size(), Index(0));
  for (int i = int(dims.size()) - 1; i >= 0; --i) {
    if (i == axis)
      continue;
    Index extent = b.dim(dims[i]);
    place[i] = b.rem(row, extent);
    row = b.div(row, extent);
  }
  return place;
}

/// One row of a top-k: its elements, and the places of its results, of which the kernel may return either or both.
class TopKRow {
public:
  TopKRow(KernelBuilder &b, nn::TopKOp op, kernel::FuncOp func)
      : b(b), input(b.tensorOf(op.getInput())), dims(nn::dimsOf(op.getInput().getType())), axis(op.getAxis()) {
    if (auto i = returnedAs(func, op.getValues()))
      values = b.result(*i);
    if (auto i = returnedAs(func, op.getPositions()))
      positions = b.result(*i);
  }

  void moveTo(Index row) {
    llvm::SmallVector<Index> place = placeOfRow(b, dims, axis, row);
    base = b.at(input, place);
    valueBase = values ? b.at(*values, place) : Index(0);
    positionBase = positions ? b.at(*positions, place) : Index(0);
  }

  bool hasValues() const { return values.has_value(); }
  bool hasPositions() const { return positions.has_value(); }
  bool isUnsigned() const { return input.element.isUnsignedInteger(); }

  mlir::Value element(Index position) { return b.load(input, b.add(base, b.mul(position, input.strides[axis]))); }
  mlir::Value valueAt(Index rank) { return b.load(*values, valueAddress(rank)); }
  mlir::Value positionAt(Index rank) { return b.load(*positions, positionAddress(rank)); }
  void put(Index rank, mlir::Value value, mlir::Value position) {
    if (values)
      b.store(value, *values, valueAddress(rank));
    if (positions)
      b.store(position, *positions, positionAddress(rank));
  }

private:
  Index valueAddress(Index rank) { return b.add(valueBase, b.mul(rank, values->strides[axis])); }
  Index positionAddress(Index rank) { return b.add(positionBase, b.mul(rank, positions->strides[axis])); }

  KernelBuilder &b;
  Tensor input;
  std::optional<Tensor> values, positions;
  llvm::SmallVector<nn::Dim> dims;
  int axis;
  Index base, valueBase, positionBase;
};

} // namespace tenon::cpu
