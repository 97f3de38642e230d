// Integers that fold, and control flow.
#include "passes/6_codegen/cpu/KernelBuilder.h"
#include <numeric>

namespace tenon::cpu {
using namespace mlir;

namespace {
constexpr auto kNoWrap = arith::IntegerOverflowFlags::nsw;

/// An i64 value as base + shift. Sums keep their constant outermost, so that addresses which differ by a constant share
/// everything else and the constant becomes the displacement of the load.
struct Shifted {
  Value base;
  int64_t shift = 0;
};

Shifted shifted(Index i) {
  APInt constant;
  if (auto sum = i.dynamic().getDefiningOp<arith::AddIOp>())
    if (matchPattern(sum.getRhs(), m_ConstantInt(&constant)))
      return {sum.getLhs(), constant.getSExtValue()};
  return {i.dynamic(), 0};
}
} // namespace

Value KernelBuilder::value(Index i) {
  return i.isConstant() ? attributeConstant(builder.getI64IntegerAttr(i.get())) : i.dynamic();
}

Index KernelBuilder::add(Index a, Index b) {
  if (a.isConstant() && b.isConstant())
    return Index(a.get() + b.get());
  if (a.isConstant())
    std::swap(a, b);
  Shifted x = shifted(a);
  Index base = x.base;
  int64_t shift = x.shift;
  if (b.isConstant()) {
    if (b.is(0))
      return a;
    shift += b.get();
  } else {
    Shifted y = shifted(b);
    base = arith::AddIOp::create(builder, x.base, y.base, kNoWrap).getResult();
    shift += y.shift;
  }
  return shift ? Index(arith::AddIOp::create(builder, value(base), value(shift), kNoWrap).getResult()) : base;
}

Index KernelBuilder::sub(Index a, Index b) {
  if (b.isConstant())
    return add(a, Index(-b.get()));
  Shifted y = shifted(b);
  if (a.isConstant())
    return Index(arith::SubIOp::create(builder, value(a.get() - y.shift), y.base, kNoWrap).getResult());
  Shifted x = shifted(a);
  if (x.base == y.base)
    return Index(x.shift - y.shift);
  return add(Index(arith::SubIOp::create(builder, x.base, y.base, kNoWrap).getResult()), Index(x.shift - y.shift));
}

Index KernelBuilder::mul(Index a, Index b) {
  if (a.isConstant() && b.isConstant())
    return Index(a.get() * b.get());
  if (a.isConstant())
    std::swap(a, b);
  if (b.is(0))
    return Index(0);
  if (b.is(1))
    return a;
  if (!b.isConstant())
    return Index(arith::MulIOp::create(builder, a.dynamic(), b.dynamic(), kNoWrap).getResult());
  Shifted x = shifted(a);
  return add(Index(arith::MulIOp::create(builder, x.base, value(b), kNoWrap).getResult()), Index(x.shift * b.get()));
}

Index KernelBuilder::div(Index a, Index b) {
  if (a.is(0) || b.is(1))
    return a;
  if (a.isConstant() && b.isConstant())
    return b.is(0) ? Index(0) : Index(a.get() / b.get());
  return Index(arith::DivUIOp::create(builder, value(a), value(b)).getResult());
}

Index KernelBuilder::rem(Index a, Index b) {
  if (a.is(0) || b.is(1))
    return Index(0);
  if (a.isConstant() && b.isConstant())
    return b.is(0) ? Index(0) : Index(a.get() % b.get());
  return Index(arith::RemUIOp::create(builder, value(a), value(b)).getResult());
}

Index KernelBuilder::min(Index a, Index b) {
  if (a.isConstant() && b.isConstant())
    return Index(std::min(a.get(), b.get()));
  if (a.dynamic() == b.dynamic())
    return a;
  return Index(arith::MinSIOp::create(builder, value(a), value(b)).getResult());
}

Index KernelBuilder::max(Index a, Index b) {
  if (a.isConstant() && b.isConstant())
    return Index(std::max(a.get(), b.get()));
  if (a.dynamic() == b.dynamic())
    return a;
  return Index(arith::MaxSIOp::create(builder, value(a), value(b)).getResult());
}

Value KernelBuilder::lessThan(Index a, Index b) {
  if (a.isConstant() && b.isConstant())
    return attributeConstant(builder.getBoolAttr(a.get() < b.get()));
  return arith::CmpIOp::create(builder, arith::CmpIPredicate::slt, value(a), value(b));
}

Value KernelBuilder::equal(Index a, Index b) {
  if (a.isConstant() && b.isConstant())
    return attributeConstant(builder.getBoolAttr(a.get() == b.get()));
  return arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, value(a), value(b));
}

Index KernelBuilder::select(Value condition, Index a, Index b) {
  if (a.isConstant() && b.isConstant() && a.get() == b.get())
    return a;
  if (matchPattern(condition, m_NonZero()))
    return a;
  if (matchPattern(condition, m_Zero()))
    return b;
  return Index(arith::SelectOp::create(builder, condition, value(a), value(b)).getResult());
}

std::pair<Index, Index> KernelBuilder::share(Index total, Index parts, Index t) {
  // The first total % parts ranges hold one unit more.
  Index each = div(total, parts), extra = rem(total, parts);
  Index low = add(mul(each, t), min(t, extra));
  Index size = add(each, select(lessThan(t, extra), Index(1), Index(0)));
  return {low, add(low, size)};
}

// --- control flow

void KernelBuilder::loop(Index low, Index high, int64_t step, llvm::function_ref<void(Index)> emit) {
  loop(low, high, step, {}, [&](Index i, ValueRange) {
    emit(i);
    return Values();
  });
}

KernelBuilder::Values KernelBuilder::loop(Index low, Index high, int64_t step, ValueRange init,
                                          llvm::function_ref<Values(Index, ValueRange)> emit) {
  if (low.isConstant() && high.isConstant()) {
    if (high.get() <= low.get())
      return Values(init);
    if (high.get() - low.get() <= step)
      return emit(low, init);
  }
  auto loop = scf::ForOp::create(builder, value(low), value(high), value(Index(step)), init);
  {
    OpBuilder::InsertionGuard guard(builder);
    // A loop without carried values comes with its terminator.
    if (init.empty())
      builder.setInsertionPoint(loop.getBody()->getTerminator());
    else
      builder.setInsertionPointToEnd(loop.getBody());
    Values results = emit(Index(loop.getInductionVar()), loop.getRegionIterArgs());
    if (!init.empty())
      scf::YieldOp::create(builder, results);
  }
  return Values(loop.getResults());
}

void KernelBuilder::ifThen(Value condition, llvm::function_ref<void()> then, llvm::function_ref<void()> otherwise) {
  ifElse(
      condition, {}, [&] { return then(), Values(); }, [&] { return (otherwise ? otherwise() : void()), Values(); });
}

KernelBuilder::Values KernelBuilder::ifElse(Value condition, TypeRange types, llvm::function_ref<Values()> then,
                                            llvm::function_ref<Values()> otherwise) {
  if (matchPattern(condition, m_NonZero()))
    return then();
  if (matchPattern(condition, m_Zero()))
    return otherwise();
  auto branch = scf::IfOp::create(builder, types, condition, /*addThenBlock=*/true, /*addElseBlock=*/true);
  auto fill = [&](Block &block, llvm::function_ref<Values()> emit) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToEnd(&block);
    scf::YieldOp::create(builder, emit());
  };
  fill(branch.getThenRegion().front(), then);
  fill(branch.getElseRegion().front(), otherwise);
  return Values(branch.getResults());
}

void KernelBuilder::lanesLoop(Index count, int lanes, llvm::function_ref<void(Index, Value)> emit) {
  Index remainder = rem(count, lanes), whole = sub(count, remainder);
  loop(0, whole, lanes, [&](Index i) { emit(i, {}); });
  ifThen(lessThan(0, remainder), [&] { emit(whole, tailMask(remainder, lanes)); });
}

int64_t KernelBuilder::divisorOf(Index i) {
  // 0 is divided by everything, and gcd(0, x) = x.
  if (i.isConstant())
    return std::abs(i.get());
  Value v = i.dynamic();
  auto of = [&](Value operand) { return divisorOf(folded(operand)); };
  if (auto argument = dyn_cast<BlockArgument>(v)) {
    auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp());
    return loop && argument == loop.getInductionVar() ? std::gcd(of(loop.getLowerBound()), of(loop.getStep())) : 1;
  }
  Operation *op = v.getDefiningOp();
  if (isa<arith::AddIOp, arith::SubIOp, arith::MinSIOp, arith::MaxSIOp>(op))
    return std::gcd(of(op->getOperand(0)), of(op->getOperand(1)));
  if (isa<arith::MulIOp>(op)) {
    int64_t a = of(op->getOperand(0)), b = of(op->getOperand(1));
    constexpr int64_t kLarge = int64_t(1) << 30;
    return std::max(a, b) > kLarge ? std::max(a, b) : a * b;
  }
  if (isa<arith::SelectOp>(op))
    return std::gcd(of(op->getOperand(1)), of(op->getOperand(2)));
  return 1;
}

Index KernelBuilder::folded(Value v) {
  APInt constant;
  return matchPattern(v, m_ConstantInt(&constant)) ? Index(constant.getSExtValue()) : Index(v);
}

} // namespace tenon::cpu
