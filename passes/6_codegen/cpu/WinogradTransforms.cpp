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

} // namespace tenon::cpu
