#include "passes/6_codegen/cpu/RowReduction.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/Loops.h"
#include "passes/6_codegen/cpu/LoopsNest.h"
#include "passes/6_codegen/cpu/VectorMath.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace tenon::cpu {

namespace {

bool isAnchor(Operation &op) { return isa<nn::SoftmaxOp, nn::LayerNormOp, nn::RMSNormOp>(op); }

Operation *anchorOf(kernel::FuncOp func) {
  Operation *anchor = nullptr;
  for (Operation &op : func.getBody().front()) {
    if (!Evaluator::hasLoop(&op))
      continue;
    if (anchor || !isAnchor(op))
      return nullptr;
    anchor = &op;
  }
  return anchor;
}

int64_t axisOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, int64_t>(op).Case<nn::SoftmaxOp, nn::LayerNormOp, nn::RMSNormOp>([](auto row) { return row.getAxis(); });
}

/// Whether everything below the anchor is elementwise, element for element.
bool isAligned(kernel::FuncOp func, Operation *anchor) {
  DenseSet<Value> below{anchor->getResult(0)};
  auto dims = nn::dimsOf(anchor->getResult(0).getType());
  for (Operation &op : func.getBody().front().without_terminator()) {
    if (!llvm::any_of(op.getOperands(), [&](Value v) { return below.contains(v); }))
      continue;
    if (!op.hasTrait<nn::Elementwise>() || nn::dimsOf(op.getResult(0).getType()) != dims)
      return false;
    below.insert(op.getResult(0));
  }
  return llvm::all_of(func.getResultTypes(), [&](Type type) { return nn::dimsOf(type) == dims; });
}

/// Where the row's intermediate values are kept: nowhere needed, the first result's memory, or scratch memory.
enum class Keep { Nothing, Result, Workspace };

Keep keepOf(kernel::FuncOp func, Operation *anchor) {
  Value input = anchor->getOperand(0);
  // A norm of something that is merely loaded reads its row three times from the first cache.
  if (isa<BlockArgument>(kernel::viewOf(input).source) && !isa<nn::SoftmaxOp>(anchor))
    return Keep::Nothing;
  if (nn::dimOf(input.getType(), axisOf(anchor)).isConstant())
    return Keep::Workspace;
  // Rows of unknown length are kept where the result goes, if that has the right type.
  Value result = func.terminator().getOperand(0);
  auto type = cast<RankedTensorType>(result.getType());
  bool fits = type.getElementType() == computeType(cast<ShapedType>(input.getType()).getElementType()) && func.resultStrides(0).back().isConstant(1);
  return fits ? Keep::Result : Keep::Nothing;
}

class RowEmitter {
public:
  RowEmitter(KernelBuilder &b, kernel::FuncOp func, Operation *anchor, bool keep)
      : b(b), func(func), anchor(anchor), input(anchor->getOperand(0)), axis(axisOf(anchor)), evaluator(b),
        keep(keep ? keepOf(func, anchor) : Keep::Nothing), isLoaded(isa<BlockArgument>(kernel::viewOf(input).source)) {}

  void emit() {
    auto dims = nn::dimsOf(input.getType());
    length = b.dim(dims[axis]);
    lanes = evaluator.preferredLanes();
    if (length.isConstant())
      while (lanes > length.get())
        lanes /= 2;
    for (Value v : func.terminator().getOperands())
      if (!evaluator.lanesAllowed(v, axis))
        lanes = 0;
    if (lanes < 2)
      lanes = 0;
    for (unsigned r = 0; r < func.getNumResults(); ++r)
      results.push_back(b.result(r));

    Index rows = 1;
    for (unsigned d = 0; d < axis; ++d)
      rows = b.mul(rows, b.dim(dims[d]));
    auto [low, high] = b.share(rows, b.tasks(), b.task());
    b.loop(low, high, 1, [&](Index row) {
      Evaluator::Scope scope(evaluator);
      place = Place();
      place.index.assign(dims.size(), Index(0));
      for (unsigned d = axis; d-- > 0;) {
        Index size = b.dim(dims[d]);
        place.index[d] = d ? b.rem(row, size) : row;
        row = d ? b.div(row, size) : row;
      }
      place.index[axis] = Evaluator::unknown();
      emitRow();
    });
  }

private:
  Value spread(Value v, int width) { return width ? b.splat(v, width) : v; }
  Place elementAt(Index i, int width) const {
    Place p{place};
    p.index[axis] = i;
    p.lanes = width, p.axis = width ? int(axis) : -1;
    return p;
  }

  /// Folds what `element` makes of every element of the row.
  Value foldRow(Fold kind, function_ref<Value(const Place &)> element) {
    return evaluator.fold(kind, evaluator.typeAt(input, 0), Range{0, length}, lanes,
                          [&](ArrayRef<Index> i, int width) { return element(elementAt(i[0], width)); });
  }

  Tensor rowMemory() {
    Tensor t;
    if (keep == Keep::Workspace) {
      t = b.workspace(evaluator.typeAt(input, 0), 0, length);
      // Every row uses the same scratch: outer axes do not move it.
      t.strides.assign(place.index.size(), Index(0));
      t.strides[axis] = 1;
    } else {
      t = results[0];
    }
    return t;
  }

  void emitRow() {
    evaluator.hoist(input, place);
    if (keep != Keep::Nothing)
      memory = rowMemory();
    isKept = false;
    emitResults(isa<nn::SoftmaxOp>(anchor) ? softmax() : norm());
  }

  /// An element of the input: evaluated in the first pass, which keeps it, then read from where it was kept.
  Value element(const Place &p) {
    if (keep == Keep::Nothing || isLoaded)
      return evaluator.at(input, p);
    if (isKept)
      return fromMemory(p);
    Value x = evaluator.at(input, p);
    b.store(x, memory, b.at(memory, p.index));
    return x;
  }
  Value fromMemory(const Place &p) {
    Index offset = b.at(memory, p.index);
    return p.lanes ? b.load(memory, offset, p.lanes) : b.load(memory, offset);
  }

  std::function<Value(const Place &)> softmax() {
    auto &ops = b.ops();
    bool logarithm = cast<nn::SoftmaxOp>(anchor).getLogarithm();
    Value maximum = foldRow(Fold::MaxNumber, [&](const Place &p) { return element(p); });
    isKept = true;
    Value sum = foldRow(Fold::Add, [&](const Place &p) {
      Value e = emitExpNegative(b, arith::SubFOp::create(ops, element(p), spread(maximum, p.lanes)));
      if (!logarithm && keep != Keep::Nothing)
        b.store(e, memory, b.at(memory, p.index));
      return e;
    });
    if (logarithm) {
      Value shift = arith::AddFOp::create(ops, maximum, emitLog(b, sum));
      return [=, this](const Place &p) -> Value { return arith::SubFOp::create(b.ops(), element(p), spread(shift, p.lanes)); };
    }
    Value factor = arith::DivFOp::create(ops, b.constant(1.0, sum.getType()), sum);
    return [=, this](const Place &p) -> Value {
      Value e = keep != Keep::Nothing ? fromMemory(p)
                                      : emitExpNegative(b, arith::SubFOp::create(b.ops(), evaluator.at(input, p), spread(maximum, p.lanes)));
      return arith::MulFOp::create(b.ops(), e, spread(factor, p.lanes));
    };
  }

  std::function<Value(const Place &)> norm() {
    auto &ops = b.ops();
    auto layer = dyn_cast<nn::LayerNormOp>(anchor);
    auto rms = dyn_cast<nn::RMSNormOp>(anchor);
    Type type = evaluator.typeAt(input, 0);
    Value count = length.isConstant() ? b.constant(double(length.get()), type) : arith::SIToFPOp::create(ops, type, length.dynamic()).getResult();
    Value mean;
    if (layer) {
      mean = arith::DivFOp::create(ops, foldRow(Fold::Add, [&](const Place &p) { return element(p); }), count);
      isKept = true;
    }
    Value squares = foldRow(Fold::Add, [&](const Place &p) -> Value {
      Value x = element(p);
      if (mean)
        x = arith::SubFOp::create(ops, x, spread(mean, p.lanes));
      return arith::MulFOp::create(ops, x, x);
    });
    isKept = true;
    double epsilon = (layer ? layer.getEpsilon() : rms.getEpsilon()).convertToDouble();
    Value variance = arith::AddFOp::create(ops, arith::DivFOp::create(ops, squares, count), b.constant(epsilon, type));
    Value inverse = arith::DivFOp::create(ops, b.constant(1.0, type), math::SqrtOp::create(ops, variance));
    Value scale = layer ? layer.getScale() : rms.getScale(), bias = layer ? layer.getBias() : rms.getBias();
    return [=, this](const Place &p) -> Value {
      auto &ops = b.ops();
      Value x = element(p);
      if (mean)
        x = arith::SubFOp::create(ops, x, spread(mean, p.lanes));
      x = arith::MulFOp::create(ops, x, spread(inverse, p.lanes));
      if (scale)
        x = arith::MulFOp::create(ops, x, evaluator.atOperand(anchor, 1, p));
      if (bias)
        x = arith::AddFOp::create(ops, x, evaluator.atOperand(anchor, scale ? 2 : 1, p));
      return x;
    };
  }

  void emitResults(const std::function<Value(const Place &)> &value) {
    evaluator.provide(anchor->getResult(0), value);
    for (Value v : func.terminator().getOperands())
      evaluator.hoist(v, place);
    Index vectors = lanes ? b.mul(b.div(length, lanes), lanes) : Index(0);
    for (auto [low, high, width] : {std::tuple(Index(0), vectors, lanes), std::tuple(vectors, length, 0)}) {
      if (width == 0 && lanes && length.isConstant() && length.get() % lanes == 0)
        continue;
      b.loop(low, high, std::max(width, 1), [&, width = width](Index i) {
        Evaluator::Scope scope(evaluator);
        Place p = elementAt(i, width);
        SmallVector<Value> computed;
        for (auto [v, t] : llvm::zip(func.terminator().getOperands(), results)) {
          Value x = evaluator.at(v, p);
          computed.push_back(computeType(t.element) == t.element ? x : b.convert(x, t.element));
        }
        for (auto [x, t] : llvm::zip(computed, results)) {
          Index offset = b.at(t, p.index);
          if (!width || t.strides[axis].is(1))
            b.store(x, t, offset);
          else
            b.storeStrided(x, t, offset, t.strides[axis]);
        }
      });
    }
  }

  KernelBuilder &b;
  kernel::FuncOp func;
  Operation *anchor;
  Value input;
  unsigned axis;
  Evaluator evaluator;
  Keep keep;
  bool isLoaded; // the input is read from an argument
  bool isKept = false;
  Tensor memory; // of the row, where something is kept
  Index length;
  int lanes = 0;
  Place place; // of the row; its own axis unknown
  SmallVector<Tensor> results;
};

class RowReductionFamily final : public KernelFamily {
public:
  StringRef name() const override { return "row_reduction"; }
  bool matches(kernel::FuncOp func, const Target &target) const override;
  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override;
  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const override;
  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &builder) const override;
  nn::Dim operations(kernel::FuncOp func) const override;
};
} // namespace

bool RowReductionFamily::matches(kernel::FuncOp func, const Target &) const {
  Operation *anchor = anchorOf(func);
  if (!anchor || !canCompute(func))
    return false;
  Value input = anchor->getOperand(0);
  auto dims = nn::dimsOf(input.getType());
  if (axisOf(anchor) + 1 != int64_t(dims.size()) || !isa<FloatType>(cast<ShapedType>(input.getType()).getElementType()))
    return false;
  return isAligned(func, anchor);
}

void RowReductionFamily::schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const {
  for (int64_t keep : {1, 0})
    for (int64_t tasks : {int64_t(target.cores) * 2, int64_t(target.cores) * 4})
      out.push_back(kernel::ScheduleAttr::get(func.getContext(), name(), {{"keep", keep}, {"tasks", tasks}}));
}

nn::Dim RowReductionFamily::operations(kernel::FuncOp func) const {
  return nn::numElements(anchorOf(func)->getResult(0).getType()) * (isa<nn::SoftmaxOp>(anchorOf(func)) ? 20 : 8);
}

KernelPlan RowReductionFamily::plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const {
  KernelPlan plan;
  Operation *anchor = anchorOf(func);
  plan.tasks = tasksFor(operations(func).ceilDiv(target.lanes(32) / 4), schedule.get("tasks", 1));
  plan.overwrites.assign(func.getNumResults(), -1);
  if (schedule.get("keep", 1) && keepOf(func, anchor) == Keep::Workspace) {
    // One row in the computation type, in whole cache lines so that tasks do not share any.
    int64_t bytes = *nn::dimOf(anchor->getOperand(0).getType(), axisOf(anchor)).asConstant() * computeType(cast<ShapedType>(anchor->getOperand(0).getType()).getElementType()).getIntOrFloatBitWidth() / 8;
    plan.workspaceBytes = (bytes + 63) / 64 * 64;
  }
  return plan;
}

LogicalResult RowReductionFamily::emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &b) const {
  RowEmitter(b, func, anchorOf(func), schedule.get("keep", 1)).emit();
  return success();
}

const KernelFamily &rowReductionFamily() {
  static const RowReductionFamily family;
  return family;
}

} // namespace tenon::cpu
