#include "passes/6_codegen/cpu/WinogradTransforms.h"
#include "passes/6_codegen/cpu/Registers.h"

namespace tenon::cpu {
using namespace mlir;
using Values = KernelBuilder::Values;

Values winogradInput(KernelBuilder &b, int64_t m, ValueRange d) {
  Registers r{b};
  if (m == 2)
    return {r.sub(d[0], d[2]), r.add(d[1], d[2]), r.sub(d[2], d[1]), r.sub(d[1], d[3])};
  // Points 1 and -1, and 2 and -2, share their even and odd halves.
  Value even1 = r.fma(d[2], -4.0, d[4]), odd1 = r.fma(d[1], -4.0, d[3]);
  Value even2 = r.sub(d[4], d[2]), odd2 = r.sub(d[3], d[1]);
  return {r.fma(d[0], 4.0, r.fma(d[2], -5.0, d[4])), r.add(even1, odd1),          r.sub(even1, odd1),
          r.fma(odd2, 2.0, even2),                   r.fma(odd2, -2.0, even2), r.fma(d[1], 4.0, r.fma(d[3], -5.0, d[5]))};
}

Values winogradOutput(KernelBuilder &b, int64_t m, ValueRange x) {
  Registers r{b};
  Value sum1 = r.add(x[1], x[2]), difference1 = r.sub(x[1], x[2]);
  if (m == 2)
    return {r.add(x[0], sum1), r.sub(difference1, x[3])};
  Value sum2 = r.add(x[3], x[4]), difference2 = r.sub(x[3], x[4]);
  return {r.add(r.add(x[0], sum1), sum2), r.fma(difference2, 2.0, difference1), r.fma(sum2, 4.0, sum1),
          r.add(r.fma(difference2, 8.0, difference1), x[5])};
}

Values winogradIntegerInput(KernelBuilder &b, int64_t m, ValueRange d) {
  Registers r{b};
  if (m == 2)
    return {r.subi(d[0], d[2]), r.addi(d[1], d[2]), r.subi(d[2], d[1]), r.subi(d[1], d[3])};
  Value even1 = r.subi(d[4], r.shl(d[2], 2)), odd1 = r.subi(d[3], r.shl(d[1], 2));
  Value even2 = r.subi(d[4], d[2]), odd = r.subi(d[3], d[1]), odd2 = r.addi(odd, odd);
  // 4 d0 - 5 d2 + d4 and 4 d1 - 5 d3 + d5 hold the differences too.
  return {r.addi(r.shl(r.subi(d[0], d[2]), 2), even2), r.addi(even1, odd1), r.subi(even1, odd1),
          r.addi(even2, odd2),                         r.subi(even2, odd2), r.subi(r.subi(d[5], d[3]), r.addi(odd2, odd2))};
}

Values winogradIntegerOutput(KernelBuilder &b, int64_t m, ValueRange x) {
  Registers r{b};
  Value sum1 = r.addi(x[1], x[2]), difference1 = r.subi(x[1], x[2]);
  auto twice = [&](Value v) { return r.addi(v, v); };
  if (m == 2)
    return {r.addi(twice(x[0]), sum1), r.subi(difference1, twice(x[3]))};
  auto sixfold = [&](Value v) { return twice(r.addi(v, twice(v))); };
  Value sum2 = r.addi(x[3], x[4]), difference2 = r.subi(x[3], x[4]);
  return {r.addi(r.addi(sixfold(x[0]), r.shl(sum1, 2)), sum2), r.addi(twice(difference1), difference2), r.addi(sum1, sum2),
          r.addi(r.addi(difference1, twice(difference2)), sixfold(x[5]))};
}

ArrayRef<int64_t> winogradShifts(int64_t m) {
  static const int64_t two[] = {1, 1}, four[] = {3, 2, 1, 1};
  return m == 2 ? ArrayRef(two) : ArrayRef(four);
}

} // namespace tenon::cpu
