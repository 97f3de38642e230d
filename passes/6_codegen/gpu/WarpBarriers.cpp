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

void Warp::arriveWithBytes(Value address, Value bytes) {
  assembly({}, {address, bytes}, "mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;", "r,r,~{memory}", true);
}

void Warp::waitForPhase(Value address, Value phase) {
  // The label is local to the braces.
  constexpr StringRef kText = "{ .reg .pred over; again: mbarrier.try_wait.parity.shared::cta.b64 over, [$0], $1; @!over bra again; }";
  assembly({}, {address, phase}, kText, "r,r,~{memory}", true);
}

void Warp::waitForPeers(Value address, Value phase) {
  constexpr StringRef kText =
      "{ .reg .pred over; again: mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 over, [$0], $1; @!over bra again; }";
  assembly({}, {address, phase}, kText, "r,r,~{memory}", true);
}

void Warp::sendWord(Value to, Value x, Value barrier) {
  bool isFloat = isa<FloatType>(x.getType());
  assembly({}, {to, x, barrier}, "st.async.shared::cluster.mbarrier::complete_tx::bytes.b32 [$0], $1, [$2];",
           isFloat ? "r,f,r,~{memory}" : "r,r,r,~{memory}", true);
}

void Warp::copyBulk(Value to, Value from, int64_t bytes, Value barrier) {
  assembly({}, {to, from, i32(bytes), barrier}, "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [$0], [$1], $2, [$3];",
           "r,l,r,r,~{memory}", true);
}

void Warp::copyTile(Value to, Value map, ValueRange at, ValueRange taps, Value barrier) {
  SmallVector<Value> operands{to, map};
  std::string constraints = "r,l", text = "cp.async.bulk.tensor." + std::to_string(at.size()) + "d.shared::cluster.global." +
                                          (taps.empty() ? "tile" : "im2col") + ".mbarrier::complete_tx::bytes [$0], [$1, ";
  auto list = [&](ValueRange values, StringRef constraint) {
    for (auto [i, value] : llvm::enumerate(values)) {
      text += (i ? ", $" : "{$") + std::to_string(operands.size());
      operands.push_back(value);
      constraints += "," + constraint.str();
    }
    text += "}";
  };
  list(at, "r");
  text += "], [$" + std::to_string(operands.size()) + "]";
  operands.push_back(barrier);
  constraints += ",r";
  if (!taps.empty()) {
    text += ", ";
    list(llvm::map_to_vector(taps, [&](Value tap) -> Value { return arith::TruncIOp::create(ops, ops.getI16Type(), tap); }), "h");
  }
  assembly({}, operands, text + ";", constraints + ",~{memory}", true);
}

void Warp::joinWarp() {
  assembly({}, {}, "bar.warp.sync -1;", "~{memory}", true);
}

} // namespace tenon::gpu
