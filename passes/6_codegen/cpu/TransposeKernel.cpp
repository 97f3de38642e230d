#include "passes/6_codegen/cpu/TransposeKernel.h"
#include "passes/6_codegen/cpu/ElementwiseProgram.h"
#include "passes/6_codegen/cpu/LoopsNest.h"
#include "passes/6_codegen/cpu/Transpose.h"

using namespace mlir;

namespace tenon::cpu {

namespace {

/// How two axes trade places: results are contiguous along `across`, transposed operands along `along`.
enum class Exchange {
  Squares, // blocks of lanes x lanes elements, transposed in registers
  Weave,   // few elements across (channels of an image): vectors along `along` are interleaved into the result
  Unravel, // few elements along: vectors are read across and along at once and taken apart
};

struct TransposePlan {
  unsigned across, along; // merged axes
  Exchange kind;
  SmallVector<bool> transposed; // for each leaf: contiguous along `along`
};

constexpr int64_t kFew = 8;

std::optional<TransposePlan> planOf(const ElementwiseProgram &program, const MergedAxes &merged, int64_t lanes) {
  unsigned rank = merged.sizes.size(), leaves = program.leaves.size();
  if (rank < 2 || leaves == 0 || !canTranspose(lanes))
    return std::nullopt;
  auto stride = [&](unsigned tensor, unsigned axis) { return merged.strides[tensor][axis]; };
  TransposePlan plan{rank - 1, rank, Exchange::Squares, {}};
  for (unsigned tensor = leaves; tensor < merged.strides.size(); ++tensor)
    if (!stride(tensor, plan.across).isConstant(1))
      return std::nullopt;
  for (unsigned leaf = 0; leaf < leaves; ++leaf) {
    nn::Dim s = stride(leaf, plan.across);
    plan.transposed.push_back(!s.isConstant(0) && !s.isConstant(1));
    if (!plan.transposed.back())
      continue;
    unsigned along = rank;
    for (unsigned axis = 0; axis + 1 < rank; ++axis)
      if (stride(leaf, axis).isConstant(1))
        along = axis;
    // All transposed operands lie along one axis.
    if (along == rank || (plan.along != rank && plan.along != along))
      return std::nullopt;
    plan.along = along;
  }
  if (plan.along == rank)
    return std::nullopt;
  auto across = merged.sizes[plan.across].asConstant(), along = merged.sizes[plan.along].asConstant();
  if (across && *across < lanes) {
    // The interleaved vectors must be contiguous in every result, and other operands must not need the same.
    plan.kind = Exchange::Weave;
    for (unsigned tensor = leaves; tensor < merged.strides.size(); ++tensor)
      if (!stride(tensor, plan.along).isConstant(*across))
        return std::nullopt;
    for (unsigned leaf = 0; leaf < leaves; ++leaf)
      if (!plan.transposed[leaf] && !stride(leaf, plan.along).isConstant(0))
        return std::nullopt;
    return *across <= kFew ? std::optional(plan) : std::nullopt;
  }
  if (along && *along < lanes) {
    plan.kind = Exchange::Unravel;
    for (unsigned leaf = 0; leaf < leaves; ++leaf)
      if (plan.transposed[leaf] && !stride(leaf, plan.across).isConstant(*along))
        return std::nullopt;
    return *along <= kFew ? std::optional(plan) : std::nullopt;
  }
  return plan;
}

class TransposeEmitter {
public:
  TransposeEmitter(KernelBuilder &b, kernel::FuncOp func, const Target &target)
      : b(b), e(b, func), lanes(target.lanes(32)), plan(*planOf(e.program, e.merged, lanes)), across(b.dim(e.merged.sizes[plan.across])),
        along(b.dim(e.merged.sizes[plan.along])) {}

  void emit() {
    // Units: the other axes, and blocks of the axis that is long in every case.
    bool weave = plan.kind == Exchange::Weave, unravel = plan.kind == Exchange::Unravel;
    Index longAxis = unravel ? across : along;
    int64_t block = unravel || weave ? lanes * 32 : lanes * 2; // squares: a whole cache line of the operand
    Index blocks = b.div(b.add(longAxis, block - 1), block), units = blocks;
    SmallVector<unsigned> outer;
    for (unsigned axis = 0; axis < e.merged.sizes.size(); ++axis)
      if (axis != plan.across && axis != plan.along)
        outer.push_back(axis);
    for (unsigned axis : outer)
      units = b.mul(units, b.dim(e.merged.sizes[axis]));
    auto [low, high] = b.share(units, b.tasks(), b.task());
    b.loop(low, high, 1, [&](Index unit) {
      Evaluator::Scope scope(e.evaluator);
      place = Place();
      place.index.assign(e.merged.sizes.size(), Index(0));
      Index start = b.mul(b.rem(unit, blocks), block), rest = b.div(unit, blocks);
      for (unsigned axis : llvm::reverse(outer)) {
        Index size = b.dim(e.merged.sizes[axis]);
        place.index[axis] = b.rem(rest, size);
        rest = b.div(rest, size);
      }
      if (weave)
        emitWoven(start, b.min(b.add(start, block), along));
      else if (unravel)
        emitUnravelled(start, b.min(b.add(start, block), across));
      else
        emitSquares(start, b.min(b.add(start, block), along));
    });
  }

private:
  Place at(Index a, Index l, int width, unsigned axis) {
    Place p{place};
    p.index[plan.across] = a;
    p.index[plan.along] = l;
    p.lanes = width;
    p.axis = width ? int(axis) : -1;
    return p;
  }
  void elements(Index lowAcross, Index highAcross, Index lowAlong, Index highAlong) {
    b.loop(lowAlong, highAlong, 1, [&](Index l) {
      b.loop(lowAcross, highAcross, 1, [&](Index a) {
        Evaluator::Scope scope(e.evaluator);
        e.store(at(a, l, 0, 0));
      });
    });
  }

  /// Vectors along `along` for every element across, interleaved.
  void emitWoven(Index low, Index high) {
    Index whole = b.add(low, b.mul(b.div(b.sub(high, low), lanes), lanes));
    b.loop(low, whole, lanes, [&](Index l) {
      Evaluator::Scope scope(e.evaluator);
      SmallVector<SmallVector<Value>> planes(e.results.size());
      for (int64_t a = 0; a < across.get(); ++a)
        for (auto [result, x] : llvm::zip(planes, e.values(at(a, l, lanes, plan.along))))
          result.push_back(x);
      for (auto [t, result] : llvm::zip(e.results, planes)) {
        Index offset = e.offsetOf(t, at(0, l, 0, 0));
        for (auto [part, x] : llvm::enumerate(result.size() == 1 ? result : interleave(b, result)))
          b.store(x, t, b.add(offset, int64_t(part) * lanes));
      }
    });
    elements(0, across, whole, high);
  }

  /// `lanes` elements across times all along are one contiguous run of a transposed operand.
  void emitUnravelled(Index low, Index high) {
    Index whole = b.add(low, b.mul(b.div(b.sub(high, low), lanes), lanes));
    int64_t few = along.get();
    b.loop(low, whole, lanes, [&](Index a) {
      Evaluator::Scope scope(e.evaluator);
      SmallVector<SmallVector<Value>> given(few, SmallVector<Value>(e.leaves.size()));
      for (auto [leaf, t] : llvm::enumerate(e.leaves)) {
        if (!plan.transposed[leaf])
          continue;
        Index offset = e.offsetOf(t, at(a, 0, 0, 0));
        SmallVector<Value> run;
        for (int64_t part = 0; part < few; ++part)
          run.push_back(b.load(t, b.add(offset, part * lanes), lanes));
        for (auto [l, x] : llvm::enumerate(deinterleave(b, run)))
          given[l][leaf] = x;
      }
      for (int64_t l = 0; l < few; ++l)
        e.store(at(a, l, lanes, plan.across), given[l]);
    });
    elements(whole, high, 0, along);
  }

  /// Squares over [low, high) along and everything across; at the ends squares overlap.
  void emitSquares(Index low, Index high) {
    auto square = [&](Index a, Index l) {
      Evaluator::Scope scope(e.evaluator);
      SmallVector<SmallVector<Value>> given(lanes, SmallVector<Value>(e.leaves.size()));
      for (auto [leaf, t] : llvm::enumerate(e.leaves)) {
        if (!plan.transposed[leaf])
          continue;
        SmallVector<Value> rows;
        for (int64_t i = 0; i < lanes; ++i)
          rows.push_back(b.load(t, e.offsetOf(t, at(b.add(a, i), l, 0, 0)), lanes));
        for (auto [i, x] : llvm::enumerate(transposeSquare(b, rows)))
          given[i][leaf] = x;
      }
      for (int64_t i = 0; i < lanes; ++i)
        e.store(at(a, b.add(l, i), lanes, plan.across), given[i]);
    };
    auto squares = [&] {
      b.loop(0, across, lanes, [&](Index a) {
        Index from = b.min(a, b.sub(across, lanes));
        b.loop(low, high, lanes, [&](Index l) { square(from, b.min(l, b.sub(along, lanes))); });
      });
    };
    if (across.isConstant() && along.isConstant())
      return squares();
    Value fits = b.lessThan(lanes - 1, b.min(across, along));
    b.ifThen(fits, squares, [&] { elements(0, across, low, high); });
  }

  KernelBuilder &b;
  ElementwiseEmitter e;
  int64_t lanes;
  TransposePlan plan;
  Index across, along;
  Place place; // of the other axes
};

class TransposeFamily final : public KernelFamily {
public:
  StringRef name() const override { return "transpose"; }

  bool matches(kernel::FuncOp func, const Target &target) const override {
    auto program = ElementwiseProgram::of(func);
    return program && planOf(*program, MergedAxes(*program, func), target.lanes(32));
  }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    for (int64_t tasks : {int64_t(target.cores) * 2, int64_t(target.cores), int64_t(target.cores) * 4})
      out.push_back(kernel::ScheduleAttr::get(func.getContext(), name(), {{"tasks", tasks}}));
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &) const override {
    KernelPlan plan;
    plan.tasks = tasksFor(operations(func), schedule.get("tasks", 1));
    plan.overwrites.assign(func.getNumResults(), -1);
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr, KernelBuilder &b) const override {
    TransposeEmitter(b, func, b.target()).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override { return nn::numElements(func.getResultTypes().front()); }
};

} // namespace

const KernelFamily &transposeFamily() {
  static const TransposeFamily family;
  return family;
}

} // namespace tenon::cpu
