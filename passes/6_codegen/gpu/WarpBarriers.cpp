// Barriers in shared memory, and the copies that arrive at them.
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {
using namespace mlir;

void Warp::beginBarrier(Value address, int64_t arrivals) {
  assembly({}, {address, i32(arrivals)}, "mbarrier.init.shared::cta.b64 [$0], $1;", "r,r,~{memory}", true);
}

void Warp::showBarriers() {
  assembly({}, {}, "fence.mbarrier_init.release.cluster;", "~{memory}", true);
}

void Warp::arrive(Value address) {
  assembly({}, {address}, "mbarrier.arrive.shared::cta.b64 _, [$0];", "r,~{memory}", true);
}

void Warp::arriveWithBytes(Value address, int64_t bytes) {
  assembly({}, {address, i32(bytes)}, "mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;", "r,r,~{memory}", true);
}

void Warp::waitForPhase(Value address, Value phase) {
  // The label is local to the braces.
  constexpr StringRef kText = "{ .reg .pred over; again: mbarrier.try_wait.parity.shared::cta.b64 over, [$0], $1; @!over bra again; }";
  assembly({}, {address, phase}, kText, "r,r,~{memory}", true);
}

void Warp::copyBulk(Value to, Value from, int64_t bytes, Value barrier) {
  assembly({}, {to, from, i32(bytes), barrier}, "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [$0], [$1], $2, [$3];",
           "r,l,r,r,~{memory}", true);
}

void Warp::joinWarp() {
  assembly({}, {}, "bar.warp.sync -1;", "~{memory}", true);
}

} // namespace tenon::gpu
