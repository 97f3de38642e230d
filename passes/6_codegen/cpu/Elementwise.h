// Elementwise nn ops on emitted values: what every family inlines at its loads and stores.
#pragma once
#include "passes/6_codegen/cpu/OperandReader.h"

namespace tenon::cpu {

/// The computation type of a storage type: f16 and bf16 compute in f32, everything else in itself.
mlir::Type computeType(mlir::Type storage);

/// Emits one nn elementwise op on operands (scalars, or vectors of one length) in their computation types; the result
/// is in the computation type of the op's result. Null if the op is not known.
mlir::Value emitElementwise(KernelBuilder &b, mlir::Operation *op, mlir::ValueRange operands);
bool canEmitElementwise(mlir::Operation *op);

/// The elementwise ops that hang below `anchor` (a value of the kernel's body) up to kernel.return, as a program that turns a
/// register of the anchor's result into registers of the kernel's results.
///
/// Other operands of those ops are arguments: the same shape as the result (residual), a vector along the last axis
/// (bias), a scalar, or anything that broadcasts to the result; views of arguments are read in place, small constants and elementwise
/// ops of such are computed. nn.reshape and nn.transpose within the program move where the rest of it reads and stores.
///
/// Families that can do `rows` have two things more. Operands may be values of a row, [..., 1], that are made of sums over arguments: the
/// family provides them. Results may be f32 sums, of kRowPart neighbours (or their squares) or, of a filter, of rows of pixels: the family sums up.
class Epilogue {
public:
  struct Program {
    llvm::SmallVector<mlir::Operation *> ops;
    llvm::SmallVector<mlir::Value> rowValues;
    llvm::DenseMap<mlir::Value, mlir::Value> sums; // a value of the program for each result that is summed
  };
  /// None where not everything from `anchor` to the terminator is such a program.
  static std::optional<Program> programOf(mlir::Value anchor, bool rows = false);
  static bool matches(mlir::Value anchor) { return programOf(anchor).has_value(); }
  /// The same up to the first operand of `reader`, another anchor, which is all that the program gives.
  static bool matchesUpTo(mlir::Value anchor, mlir::Operation *reader);
  /// With `reader`, the program up to its first operand.
  Epilogue(KernelBuilder &b, mlir::Value anchor, mlir::Operation *reader = nullptr, bool rows = false);

  /// What becomes of `acc` on the way to the reader's first operand.
  mlir::Value value(mlir::Value acc, llvm::ArrayRef<Index> position, mlir::Value mask = {});

  /// Given the lanes that are summed into each result of `rowSums`, in that order.
  using RowSum = llvm::function_ref<void(nn::ReduceKind kind, mlir::Value lanes)>;
  /// Applies the program to `lanes` neighbours along the last axis of the anchor's result at `position` (one index per axis)
  /// and stores every result of the kernel. `acc` is a scalar or a vector in the anchor's computation type; `mask` as in
  /// KernelBuilder or null. All is read before the first store, so a result may overwrite a residual.
  void store(mlir::Value acc, llvm::ArrayRef<Index> position, mlir::Value mask = {}) { store(acc, position, mask, {}); }
  /// What `store` of so many lanes at `position` reads, for one that is given it: so reads of several positions are on their way together.
  /// Empty where lanes are taken apart: then `store` reads itself.
  llvm::SmallVector<mlir::Value> read(int lanes, llvm::ArrayRef<Index> position, mlir::Value mask);
  void store(mlir::Value acc, llvm::ArrayRef<Index> position, mlir::Value mask, llvm::ArrayRef<mlir::Value> given, RowSum rowSum = {});
  /// Whether registers of so many numbers are better stored several at a time: where they end as bytes, of which a register holds more (ByteRegisters.h).
  bool storesTogether(int64_t lanes) const;
  /// `store` of registers that `position` and `mask` tell the places of; only where storesTogether. Neighbours in `accs` whose number is no multiple of
  /// `across` follow on one another in the last axis.
  void storeTogether(mlir::ValueRange accs, int64_t across, llvm::function_ref<llvm::SmallVector<Index>(int64_t)> position,
                     llvm::function_ref<mlir::Value(int64_t)> mask);
  /// Prefetches what `store` at this position will read or write.
  void prefetch(llvm::ArrayRef<Index> position);

  /// The values of a row that the program reads.
  llvm::ArrayRef<mlir::Value> rowValues() const { return program.rowValues; }
  /// The numbers of the results that are sums of rows.
  llvm::ArrayRef<unsigned> rowSums() const { return summed; }
  /// What a value of a row is, as a scalar, in the row of the next store; or an operand, in as many lanes as are stored. Null, before `read`: such an operand
  /// will be provided, and is not read.
  void provide(mlir::Value rowValue, mlir::Value scalar) { provided[rowValue] = scalar; }

private:
  bool storeAt(mlir::Value acc, const LanePosition &position, mlir::Value mask, llvm::ArrayRef<mlir::Value> given, RowSum rowSum);
  mlir::Value inputOf(mlir::Operation *op) const;
  /// How a result becomes bytes: by a quantization, and tables of bytes behind it.
  struct Ending {
    nn::QuantizeOp quantize;
    llvm::SmallVector<nn::LookupOp> tables;
  };
  std::optional<Ending> endingOf(mlir::Value result) const;
  llvm::SmallVector<mlir::Operation *> before(llvm::ArrayRef<Ending> endings) const;
  void storeParts(mlir::Value bytes, const Tensor &result, int64_t first, int64_t count, int64_t across,
                  llvm::function_ref<llvm::SmallVector<Index>(int64_t)> position, llvm::function_ref<mlir::Value(int64_t)> mask);

  KernelBuilder &builder;
  mlir::Value anchor;
  mlir::Operation *end = nullptr; // another anchor that reads what the program gives; null: kernel.return
  OperandReader reader;
  Program program;
  llvm::DenseMap<mlir::Value, mlir::Value> provided;
  llvm::SmallVector<Tensor> results;
  llvm::SmallVector<unsigned> summed;
};

/// Reads elements of a value of the body that is not an argument: a prologue of views, elementwise ops, pads, concats and
/// gathers above the anchor, evaluated where it is needed.
class Prologue {
public:
  static bool matches(mlir::Value value);
  Prologue(KernelBuilder &b, mlir::Value value);
  /// `lanes` neighbours along `axis` from `position` on, in the computation type; a scalar for one lane. Vector loads where the memory is contiguous,
  /// broadcasts where it is constant along the axis, lane by lane otherwise.
  mlir::Value load(llvm::ArrayRef<Index> position, int lanes, int axis, mlir::Value mask = {});

private:
  KernelBuilder &builder;
  mlir::Value root;
  OperandReader reader;
};

} // namespace tenon::cpu
