// Maxima of small windows, channels last: a thread for 16 bytes of channels of one pixel, all of whose loads are on their way together.
//
// A tap outside of the image reads the nearest element inside, which is another one of the same window: the maximum stays what it is.
#include "passes/6_codegen/gpu/Pool.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/Loops.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kAccessBytes = 16;
constexpr int kFirstWithHalfMaxima = 80;

nn::PoolOp poolOf(kernel::FuncOp func) {
  auto pools = func.getBody().getOps<nn::PoolOp>();
  return llvm::hasSingleElement(pools) ? *pools.begin() : nn::PoolOp();
}

Type elementOf(Value v) {
  return cast<RankedTensorType>(v.getType()).getElementType();
}

bool isByte(Type element) {
  return element.isInteger() && element.getIntOrFloatBitWidth() == 8;
}

int64_t lanesOf(nn::PoolOp pool) {
  return kAccessBytes / nn::elementBytes(elementOf(pool.getInput()));
}

class PoolEmitter {
public:
  PoolEmitter(KernelBuilder &b, nn::PoolOp pool) : b(b), w(b), ops(b.ops()), pool(pool), lanes(lanesOf(pool)), image(b.tensorOf(pool.getInput())) {}

  void emit() {
    position = w.pixelOf(b.task(), nn::dimsOf(pool.getResult().getType()), lanes);
    SmallVector<Index> rows = tapsOf(0), columns = tapsOf(1);
    SmallVector<Value> taps;
    for (Index row : rows)
      for (Index column : columns)
        taps.push_back(b.load(image, b.at(image, {position[0], row, column, position[3]}), int(lanes)));
    while (taps.size() > 1) { // pairs, so that the chain is short
      SmallVector<Value> halved;
      for (size_t i = 0; i + 1 < taps.size(); i += 2)
        halved.push_back(larger(taps[i], taps[i + 1]));
      if (taps.size() % 2)
        halved.push_back(taps.back());
      taps = std::move(halved);
    }
    cpu::Epilogue(b, pool.getResult()).store(isByte(image.element) ? taps[0] : b.convert(taps[0], ops.getF32Type()), position);
  }

private:
  Value larger(Value x, Value y) {
    return isByte(image.element) ? largerBytes(x, y) : arith::MaxNumFOp::create(ops, x, y).getResult();
  }

  /// By pairs of 16 bits, for which there are instructions: one of two bytes in the upper half of each, then the other.
  Value largerBytes(Value x, Value y) {
    constexpr int64_t kHigh = 0xff00, kByte = 8;
    auto pairs = VectorType::get({lanes / 2}, ops.getI16Type());
    Value mask = b.integer(kHigh, pairs), distance = b.integer(kByte, pairs);
    auto odd = [&](Value v) { return arith::AndIOp::create(ops, LLVM::BitcastOp::create(ops, pairs, v), mask).getResult(); };
    auto even = [&](Value v) { return arith::ShLIOp::create(ops, LLVM::BitcastOp::create(ops, pairs, v), distance).getResult(); };
    auto most = [&](Value v, Value u) {
      return image.element.isUnsignedInteger() ? arith::MaxUIOp::create(ops, v, u).getResult() : arith::MaxSIOp::create(ops, v, u).getResult();
    };
    Value low = arith::ShRUIOp::create(ops, most(even(x), even(y)), distance);
    return LLVM::BitcastOp::create(ops, x.getType(), arith::OrIOp::create(ops, most(odd(x), odd(y)), low));
  }

  /// Where the taps along a spatial axis read.
  SmallVector<Index> tapsOf(int axis) {
    int64_t extent = *nn::dimOf(pool.getInput().getType(), 1 + axis).asConstant();
    Value first = w.add(w.mul(w.narrow(position[1 + axis]), pool.getStrides()[axis]), w.i32(-pool.getPads()[axis]));
    SmallVector<Index> taps;
    for (int64_t tap = 0; tap < pool.getWindow()[axis]; ++tap) {
      Value at = arith::MinSIOp::create(ops, arith::MaxSIOp::create(ops, w.add(first, tap), w.i32(0)), w.i32(extent - 1));
      taps.push_back(w.wide(at));
    }
    return taps;
  }

  KernelBuilder &b;
  Warp w;
  ImplicitLocOpBuilder &ops;
  nn::PoolOp pool;
  int64_t lanes;
  Tensor image;
  SmallVector<Index> position;
};

class PoolFamily final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.pool"; }

  bool matches(kernel::FuncOp func, const Target &target) const override {
    constexpr int64_t kMostTaps = 25; // of which each thread has all in registers
    nn::PoolOp pool = poolOf(func);
    if (!pool || pool.getKind() != nn::PoolKind::Max || pool.getLayout() != nn::Layout::ChannelsLast || pool.getWindow().size() != 2 ||
        pool.getWindow()[0] * pool.getWindow()[1] > kMostTaps || llvm::any_of(pool.getDilations(), [](int64_t dilation) { return dilation != 1; }))
      return false;
    Type element = elementOf(pool.getInput());
    bool isHalf = element.isF16() || element.isBF16();
    if (!element.isF32() && !isByte(element) && !(isHalf && target.computeCapability >= kFirstWithHalfMaxima))
      return false;
    for (Type type : {pool.getInput().getType(), pool.getResult().getType()})
      for (int64_t axis = 1; axis < 4; ++axis)
        if (!nn::dimOf(type, axis).asConstant())
          return false;
    kernel::View view = kernel::viewOf(pool.getInput());
    return *nn::dimOf(pool.getInput().getType(), 3).asConstant() % lanesOf(pool) == 0 && isa<BlockArgument>(view.source) &&
           view.strides.back().isConstant(1) && cpu::Epilogue::matches(pool.getResult());
  }

  void schedules(kernel::FuncOp func, const Target &, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    for (int64_t threads : {128, 64, 256})
      out.push_back(kernel::ScheduleAttr::get(func.getContext(), name(), {{"threads", threads}}));
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &) const override {
    nn::PoolOp pool = poolOf(func);
    KernelPlan plan;
    plan.tasks = nn::numElements(pool.getResult().getType()).floorDiv(lanesOf(pool));
    plan.overwrites.assign(func.getNumResults(), -1);
    int threads = int(schedule.get("threads", 128));
    plan.block = {threads, threads};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr, KernelBuilder &b) const override {
    PoolEmitter(b, poolOf(func)).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override { return cpu::loopsFamily().operations(func); }
};
} // namespace

const KernelFamily &poolFamily() {
  static const PoolFamily family;
  return family;
}

} // namespace tenon::gpu
