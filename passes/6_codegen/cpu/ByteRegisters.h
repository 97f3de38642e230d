// Quantization and tables in whole registers of bytes (AVX2, AVX-512): four registers of numbers become one of bytes by saturating packs, and a table's 256
// values are sixteen shuffles of such a register, or two where it is a table itself (VBMI). One register of numbers at a time takes either as many
// instructions for a quarter of the bytes.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

constexpr int64_t kTogether = 4; // registers of f32 for one of bytes

/// Whether a target has instructions for whole registers of bytes.
bool hasByteRegisters(const Target &target);
/// emitQuantize of four registers of f32: their bytes, one register's after the other's.
mlir::Value quantizeTogether(KernelBuilder &b, nn::QuantizeOp op, llvm::ArrayRef<mlir::Value> numbers);
/// emitLookup of a register of bytes.
mlir::Value lookUpTogether(KernelBuilder &b, nn::LookupOp op, mlir::Value bytes);
/// Lanes [first, first + count) of a register.
mlir::Value partOf(KernelBuilder &b, mlir::Value lanes, int64_t first, int64_t count);

} // namespace tenon::cpu
