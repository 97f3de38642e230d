#include "passes/6_codegen/cpu/Attention.h"
#include "passes/6_codegen/cpu/AttentionEmitter.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
class AttentionFamily : public KernelFamily {
public:
  StringRef name() const override { return "attention"; }

  bool matches(kernel::FuncOp func, const Target &) const override {
    std::optional<AttentionProblem> p = AttentionProblem::of(func);
    if (!p)
      return false;
    auto floating = [](Value v) { return isa<Float16Type, BFloat16Type, Float32Type>(cast<RankedTensorType>(v.getType()).getElementType()); };
    Value mask = p->op.getMask();
    return floating(p->op.getQuery()) && floating(p->op.getKey()) && floating(p->op.getValue()) &&
           (!mask || floating(mask) || cast<RankedTensorType>(mask.getType()).getElementType().isInteger(1));
  }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    AttentionProblem p = *AttentionProblem::of(func);
    llvm::SmallSetVector<kernel::ScheduleAttr, 8> all;
    for (int64_t rows : {6, 4, 3, 8}) {
      AttentionSchedule s = guess(p, target, rows);
      all.insert(s.attr(func.getContext()));
      for (int64_t keys : {128, 256, 512, 1024}) {
        s.keyBlock = keys;
        s.rowBlock = s.rowBlock ? s.rowBlock : kRowBlock;
        all.insert(s.attr(func.getContext()));
      }
    }
    out.append(all.begin(), all.end());
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr attr, const Target &target) const override {
    AttentionProblem p = *AttentionProblem::of(func);
    AttentionSchedule s = AttentionSchedule::of(attr);
    AttentionLayout layout(p, s, target);
    KernelPlan plan;
    plan.tasks = layout.units.min(nn::Dim::constant(func.getContext(), s.tasks));
    constexpr int64_t kFloatBytes = 4;
    plan.workspaceBytes = llvm::alignTo(layout.total * kFloatBytes, 64);
    plan.overwrites.assign(1, -1);
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr attr, KernelBuilder &builder) const override {
    std::optional<AttentionProblem> p = AttentionProblem::of(func);
    if (!p)
      return func.emitError("the attention family computes one nn.attention on views of arguments");
    AttentionSchedule s = AttentionSchedule::of(attr);
    if (std::string why = validate(*p, s); !why.empty())
      return func.emitError("schedule ") << attr << " cannot compute this kernel: " << why;
    AttentionEmitter(builder, *p, s).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override {
    AttentionProblem p = *AttentionProblem::of(func);
    return p.batch * p.heads * p.rows * p.keys * (2 * (p.depth + p.width));
  }

private:
  static constexpr int64_t kRowBlock = 192;

  /// One unit a head where there are enough heads for the cores, else blocks of rows; keys all at once where their scores, keys and
  /// values stay in the second-level cache.
  static AttentionSchedule guess(const AttentionProblem &p, const Target &target, int64_t rows) {
    AttentionSchedule s;
    s.rows = rows;
    int64_t registers = target.vectorRegisters;
    s.vectors = std::max<int64_t>(1, (registers - 1) / (rows + 1));
    constexpr int64_t kMostVectors = 4, kKeyBlock = 256, kSharesPerCore = 4, kFloatBytes = 4;
    s.vectors = std::min(s.vectors, kMostVectors);
    while (s.vectors > 1 && s.vectors * target.lanes(32) > std::max<int64_t>(p.width, 1) * 2)
      --s.vectors;
    // A row of scores for each row of a tile in the L1, the packed keys and values in the L2.
    std::optional<int64_t> known = p.keys.asConstant();
    bool allKeys = known && *known * rows * kFloatBytes <= target.l1Bytes && *known * (p.depth + p.width) * kFloatBytes <= target.l2Bytes / 2;
    s.keyBlock = allKeys ? 0 : kKeyBlock;
    int64_t units = p.heads.asConstant().value_or(1) * p.batch.asConstant().value_or(1);
    std::optional<int64_t> length = p.rows.asConstant();
    bool fewHeads = units < 2 * target.cores && target.cores > 1;
    if (!length || (!allKeys && *length > kRowBlock) || (fewHeads && *length > kRowBlock))
      s.rowBlock = kRowBlock;
    s.tasks = target.cores > 1 ? kSharesPerCore * target.cores : 1;
    constexpr int64_t kWorthATask = 32 << 10;
    std::optional<int64_t> work = (p.batch * p.heads * p.rows * p.keys * (p.depth + p.width)).asConstant();
    if (work)
      s.tasks = std::clamp<int64_t>(*work / kWorthATask, 1, s.tasks);
    return s;
  }
};
} // namespace

const KernelFamily &attentionFamily() {
  static const AttentionFamily family;
  return family;
}

} // namespace tenon::cpu
