// A block whose share of the depth fits into its stages: all copies begin at once, no stage is used twice, and groups wait for their products once.
#include "passes/6_codegen/gpu/MatrixEmitter.h"

namespace tenon::gpu {
using namespace mlir;

KernelBuilder::Values MatrixEmitter::multiplyAtOnce() {
  auto stageAt = [&](int64_t step) { return w.add(shared, step * s.stageBytes()); };
  // Before the kernel before has ended: weights, and where the rest will be. What lies beyond the depth is zero.
  SmallVector<LhsLoader::Step> coming;
  for (int64_t step = 0; step < share; ++step) {
    Value number = w.add(firstStep, step);
    if (!p.ofRun)
      loadColumns(number, stageAt(step));
    if (!left)
      coming.push_back(lhs.stepOf(number));
  }
  readColumnOperands();
  b.waitForInputs();
  lhs.loadScale(thread, scaleAt());
  for (int64_t step = 0; step < share; ++step) {
    if (p.ofRun)
      loadColumns(w.add(firstStep, step), stageAt(step));
    left ? left->load(w.add(firstStep, step), stageAt(step)) : lhs.copy(coming[step], stageAt(step));
    if ((step + 1) % s.round == 0)
      w.commit();
  }
  beginRowValues();
  readResiduals();
  KernelBuilder::Values sums(fragmentsDown * fragmentsAcross * 4, b.constant(0, p.sum()));
  for (int64_t step = 0; step < share; step += s.round) {
    w.waitFor(int((share - step) / s.round) - 1);
    if (s.groups)
      w.showToProducts();
    w.barrier();
    if (s.groups && !p.isNarrow())
      multiplyGroup(stageAt(step), sums);
    if (s.groups && p.isNarrow()) {
      KernelBuilder::Values ofRound = groupSums(sums);
      multiplyGroup(stageAt(step), ofRound);
      waitForGroup(ofRound, sums);
    }
    for (int64_t i = step; !s.groups && i < step + s.round; ++i)
      multiplyStage(w.add(firstStep, i), stageAt(i), sums);
  }
  if (s.groups && !p.isNarrow())
    w.waitForProducts(sums);
  w.barrier(); // the sums take the place of the stages
  return sums;
}

} // namespace tenon::gpu
