#include "passes/6_codegen/cpu/Bitcast.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/NarrowFloat.h"

namespace tenon::cpu {
using namespace mlir;

/// The bits as an integer; of a boolean the byte that it is in memory.
static Value bitsOf(Registers r, Value x, Type element) {
  auto integer = [&](unsigned width) { return r.like(x, r.b.ops().getIntegerType(width)); };
  if (element.isInteger(1))
    return r.zext(x, integer(8));
  if (isa<IntegerType>(element))
    return x;
  if (isNarrowFloat(element)) {
    Value byte = encodeNarrow(r, x, element);
    return element.getIntOrFloatBitWidth() == 8 ? byte : r.truncate(byte, integer(element.getIntOrFloatBitWidth()));
  }
  return r.bits(r.b.convert(x, element)); // f16 and bf16 are f32 in registers
}

static Value fromBits(Registers r, Value bits, Type element) {
  if (element.isInteger(1))
    return r.cmp(arith::CmpIPredicate::ne, bits, r.integer(0, bits.getType()));
  if (isa<IntegerType>(element))
    return bits;
  if (isNarrowFloat(element)) {
    Type byte = r.like(bits, r.b.ops().getI8Type());
    return decodeNarrow(r, bits.getType() == byte ? bits : r.zext(bits, byte), element);
  }
  return r.b.convert(r.bitcast(bits, r.like(bits, element)), computeType(element));
}

Value emitBitcast(Registers r, Value x, Type from, Type to) { return fromBits(r, bitsOf(r, x, from), to); }

} // namespace tenon::cpu
