// Floats of 8 bits or fewer: f8e4m3fn, f8e5m2, their fnuz forms, f8e8m0 and f4e2m1.
//
// In memory they are one byte each, in registers the f32 of the same value: every one of them is an f32 exactly.
#pragma once
#include "passes/6_codegen/cpu/Registers.h"

namespace tenon::cpu {

bool isNarrowFloat(mlir::Type element);

/// How an f32 becomes a narrow float.
struct Narrowing {
  bool saturate = false;                             // what is too large becomes the largest number, not infinity or NaN
  nn::RoundMode rounding = nn::RoundMode::Nearest;   // of f8e8m0; all others round to the nearest, halves to even
};

/// The bits of `x` (f32) as the format `element`, in i8.
mlir::Value encodeNarrow(Registers r, mlir::Value x, mlir::Type element, Narrowing how = {});
/// The f32 that bits (i8) in the format `element` stand for.
mlir::Value decodeNarrow(Registers r, mlir::Value bits, mlir::Type element);

/// An f64 as an f32 that rounds to every narrower format as the f64 does: truncated, its last bit set where that was not exact
/// (Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms using rounding to odd").
mlir::Value roundToOdd(Registers r, mlir::Value x);

} // namespace tenon::cpu
