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

Values winogradIntegerFilter(KernelBuilder &b, int64_t m, ValueRange g) {
  Registers r{b};
  Value even1 = r.addi(g[0], g[2]);
  if (m == 2)
    return {g[0], r.addi(even1, g[1]), r.subi(even1, g[1]), g[2]};
  Value odd2 = r.addi(g[1], g[1]), even2 = r.addi(g[0], r.shl(g[2], 2)), negative = r.subi(b.integer(0, even1.getType()), even1);
  return {g[0], r.subi(negative, g[1]), r.addi(negative, g[1]), r.addi(even2, odd2), r.subi(even2, odd2), g[2]};
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

Values winogradStridedFilter(KernelBuilder &b, ValueRange g) {
  Registers r{b};
  return {g[0], r.addi(g[0], g[2]), r.subi(g[0], g[2]), r.addi(g[0], r.addi(g[2], g[2])), g[2], g[1]};
}

/// The first four points of F(4, 2): 0, 1, -1 and 2.
static Values finitePoints(Registers r, Value d0, Value d1, Value d2, Value d3) {
  auto twice = [&](Value v) { return r.addi(v, v); };
  Value last = r.subi(d3, d1), first = r.subi(d0, d2); // (t^2 - 1) t and, negated, t^2 - 1
  Value product = r.subi(r.subi(d3, d2), twice(d1));   // t (t + 1) (t - 2)
  Value other = r.addi(r.subi(last, r.addi(twice(d2), d2)), r.addi(twice(d1), d1)); // t (t - 1) (t - 2)
  return {r.addi(last, twice(first)), product, other, last};
}

Values winogradStridedInput(KernelBuilder &b, ValueRange d) {
  Registers r{b};
  Values points = finitePoints(r, d[0], d[2], d[4], d[6]);
  Value product = r.subi(d[2], d[6]); // t (t^2 - 1) (t - 2)
  points.push_back(r.addi(r.subi(d[8], d[4]), r.addi(product, product)));
  points.append(finitePoints(r, d[1], d[3], d[5], d[7]));
  return points;
}

Values winogradStridedOutput(KernelBuilder &b, ValueRange x) {
  Registers r{b};
  auto triple = [&](Value v) { return r.addi(v, r.addi(v, v)); };
  Value one = triple(x[1]), even = r.addi(one, x[2]), odd = r.subi(x[2], one), two = r.addi(x[3], x[3]);
  return {r.addi(r.subi(triple(x[0]), even), x[3]), r.addi(odd, two), r.subi(r.shl(x[3], 2), even), r.addi(r.addi(odd, r.shl(two, 2)), r.shl(triple(x[4]), 1))};
}

ArrayRef<int64_t> winogradShifts(int64_t m) {
  static const int64_t two[] = {1, 1}, four[] = {3, 2, 1, 1};
  return m == 2 ? ArrayRef(two) : ArrayRef(four);
}

} // namespace tenon::cpu
