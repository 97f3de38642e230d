#include "passes/6_codegen/cpu/Depthwise.h"
#include "dialects/kernel/ProductMarks.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/LoopsNest.h"
#include "passes/6_codegen/cpu/SingleOp.h"
#include "passes/6_codegen/cpu/SlidingWindow.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace tenon::cpu {

namespace {
/// An argument, seen through views, whose innermost axis is contiguous.
bool isRowMajorArgument(Value v) {
  kernel::View view = kernel::viewOf(v);
  return isa<BlockArgument>(view.source) && !view.strides.empty() && view.strides.back().isConstant(1);
}

/// A filter: an argument, packed or not.
bool isFilter(Value v) {
  if (auto unpack = v.getDefiningOp<kernel::UnpackOp>())
    return isa<BlockArgument>(unpack.getPacked());
  return isa<BlockArgument>(kernel::viewOf(v).source);
}

bool isFloat(Value v) { return isa<FloatType>(cast<ShapedType>(v.getType()).getElementType()); }

class DepthwiseFamily final : public KernelFamily {
public:
  StringRef name() const override { return "depthwise"; }
  bool matches(kernel::FuncOp func, const Target &target) const override;
  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override;
  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const override;
  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &builder) const override;
  nn::Dim operations(kernel::FuncOp func) const override;
};
} // namespace

FilterInput FilterInput::of(Value input) {
  FilterInput found{input};
  Value wide = input;
  if (auto sub = wide.getDefiningOp<nn::SubOp>()) {
    auto constant = sub.getRhs().getDefiningOp<nn::ConstantOp>();
    auto contents = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
    if (!contents || contents.getNumElements() != 1 || !contents.getElementType().isF32())
      return found;
    found.zeroPoint = (*contents.value_begin<APFloat>()).convertToFloat();
    wide = sub.getLhs();
  }
  auto cast = wide.getDefiningOp<nn::CastOp>();
  Type from = cast ? getElementTypeOrSelf(cast.getInput()) : Type();
  if (cast && cast.getTo().isF32() && from.isInteger() && from.getIntOrFloatBitWidth() == 8)
    return {cast.getInput(), true, from.isUnsignedInteger(), found.zeroPoint};
  if (cast && cast->hasAttr(kernel::kBf16PairsAttr) && cast.getTo().isF32() && cast == input.getDefiningOp())
    return {cast.getInput(), true};
  return {input};
}

int64_t depthwisePixels(const Target &target, int64_t widest, int64_t stride) {
  // 7 to 8 pixels fill the registers at stride 1, fewer beside the taps of a row of 5; with a stride a loaded vector serves fewer taps.
  bool isRoomy = target.vectorRegisters >= 32;
  return stride == 1 ? (widest <= 3 || isRoomy ? 8 : 6) : (widest > 3 && isRoomy ? 6 : 4);
}

kernel::PackingAttr depthwisePacking(RankedTensorType filter) {
  auto perm = llvm::to_vector(llvm::seq<int64_t>(2, filter.getRank()));
  perm.append({1, 0});
  return kernel::PackingAttr::get(filter.getContext(), filter.getShape(), filter.getShape(), perm);
}

DepthwiseParameters::DepthwiseParameters(KernelBuilder &b, nn::ConvOp conv) : b(b), spatial(conv.getStrides().size()), lanes(b.target().lanes(32)) {
  if (auto unpack = conv.getWeight().getDefiningOp<kernel::UnpackOp>()) {
    filter = b.argument(cast<BlockArgument>(unpack.getPacked()).getArgNumber());
    packed = true;
  } else {
    filter = b.tensorOf(conv.getWeight());
  }
  if (conv.getBias())
    biases = b.tensorOf(conv.getBias());
}

Value DepthwiseParameters::read(const Tensor &t, Index offset, Index stride, Value mask) {
  Value x = stride.is(1) ? b.loadMasked(t, offset, lanes, mask) : b.loadStrided(t, offset, stride, lanes, mask);
  return computeType(t.element) == t.element ? x : b.convert(x, computeType(t.element));
}

Value DepthwiseParameters::weight(Index row, Index column, Index c, Value mask) {
  SmallVector<Index> index;
  if (!packed)
    index = {c, 0};
  if (spatial == 2)
    index.push_back(row);
  index.push_back(column);
  if (packed)
    index.append({Index(0), c});
  return read(filter, b.at(filter, index), packed ? filter.strides.back() : filter.strides.front(), mask);
}

Value DepthwiseParameters::bias(Index c, Value mask) {
  if (!biases)
    return b.constant(0, VectorType::get({lanes}, computeType(filter.element)));
  return read(*biases, b.at(*biases, c), 1, mask);
}

nn::ConvOp depthwiseOf(kernel::FuncOp func) {
  nn::ConvOp conv = onlyOp<nn::ConvOp>(func);
  if (!conv || conv.getLayout() != nn::Layout::ChannelsLast || conv.getStrides().size() > 2)
    return {};
  auto weight = cast<RankedTensorType>(conv.getWeight().getType());
  if (!weight.hasStaticShape() || weight.getDimSize(1) != 1 || weight.getDimSize(0) != int64_t(conv.getGroups()) || conv.getGroups() == 1)
    return {};
  if (!isFloat(conv.getInput()) || !isFloat(conv.getWeight()) || !isRowMajorArgument(FilterInput::of(conv.getInput()).memory) || !isFilter(conv.getWeight()))
    return {};
  return !conv.getBias() || isRowMajorArgument(conv.getBias()) ? conv : nn::ConvOp();
}

bool DepthwiseFamily::matches(kernel::FuncOp func, const Target &) const {
  nn::ConvOp conv = depthwiseOf(func);
  return conv && Epilogue::matches(conv.getResult());
}

void DepthwiseFamily::schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const {
  nn::ConvOp conv = onlyOp<nn::ConvOp>(func);
  auto weight = cast<RankedTensorType>(conv.getWeight().getType());
  int64_t taps = 1, widest = weight.getShape().back(), stride = conv.getStrides().back();
  for (int64_t size : weight.getShape().drop_front(2))
    taps *= size;
  int64_t best = depthwisePixels(target, widest, stride);
  int64_t tasks = int64_t(target.cores) * 2;
  bool unroll = taps <= 25; // tuned on AVX-512: rows of 5x5 unrolled are up to 1.29 times as fast
  auto add = [&](int64_t pixels, bool rows) {
    auto schedule = kernel::ScheduleAttr::get(func.getContext(), name(), {{"pixels", pixels}, {"unroll_rows", rows}, {"tasks", tasks}});
    if (!llvm::is_contained(out, schedule))
      out.push_back(schedule);
  };
  add(best, unroll);
  for (int64_t pixels : {4, 5, 6, 7, 8, 3, 2})
    for (bool rows : {true, false})
      add(pixels, rows);
}

nn::Dim DepthwiseFamily::operations(kernel::FuncOp func) const {
  nn::ConvOp conv = onlyOp<nn::ConvOp>(func);
  int64_t taps = 1;
  for (int64_t size : cast<RankedTensorType>(conv.getWeight().getType()).getShape().drop_front(2))
    taps *= size;
  return nn::numElements(conv.getType()) * (2 * taps);
}

KernelPlan DepthwiseFamily::plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const {
  nn::ConvOp conv = onlyOp<nn::ConvOp>(func);
  KernelPlan plan;
  // A vector instruction does `lanes` multiply-adds: tasks are counted in those.
  plan.tasks = tasksFor(operations(func).ceilDiv(2 * target.lanes(32) / 4), schedule.get("tasks", 1)).min(windowRows(conv.getResult()));
  plan.overwrites.assign(func.getNumResults(), -1);
  if (auto argument = dyn_cast<BlockArgument>(conv.getWeight()))
    plan.packings.emplace_back(argument.getArgNumber(), depthwisePacking(cast<RankedTensorType>(argument.getType())));
  return plan;
}

LogicalResult DepthwiseFamily::emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &b) const {
  nn::ConvOp conv = onlyOp<nn::ConvOp>(func);
  unsigned spatial = conv.getStrides().size();
  int lanes = b.target().lanes(32);
  SlidingWindow window;
  FilterInput input = FilterInput::of(conv.getInput());
  window.input = b.tensorOf(input.memory);
  Type element = computeType(getElementTypeOrSelf(conv.getInput()));
  auto result = b.sizesOf(conv.getResult());
  window.rows = spatial == 2 ? result[1] : Index(1);
  window.columns = result[spatial];
  setWindow(window, cast<RankedTensorType>(conv.getWeight().getType()).getShape().drop_front(2), conv.getStrides(), conv.getPads(), conv.getDilations());
  window.pixels = schedule.get("pixels", 4);
  window.unrollRows = schedule.get("unroll_rows", 1);

  DepthwiseParameters parameters(b, conv);
  auto parameter = [&](Index r, Index s, Index c, Value mask) { return parameters.weight(r, s, c, mask); };
  window.parameter = parameter;
  Type type = VectorType::get({lanes}, element);
  auto decode = [&](Value bytes) {
    Value number = b.convert(bytes, element, input.isUnsigned);
    return input.zeroPoint == 0 ? number : Value(arith::SubFOp::create(b.ops(), number, b.constant(input.zeroPoint, type)));
  };
  if (input.isBytes)
    window.decode = decode;
  auto start = [&](Index c, Value mask) { return parameters.bias(c, mask); };
  auto step = [&](Value acc, Value x, Value weight) { return b.fma(x, weight, acc); };
  Epilogue epilogue(b, conv.getResult());
  auto finish = [&](Value acc, ArrayRef<Index> position, Value mask, bool) { epilogue.store(acc, position, mask); };
  window.start = start;
  window.step = step;
  window.finish = finish;
  auto finishAll = [&](ValueRange accs, llvm::function_ref<SmallVector<Index>(int64_t)> position, Value mask) {
    epilogue.storeTogether(accs, 1, position, [&](int64_t) { return mask; });
  };
  if (epilogue.storesTogether(lanes))
    window.finishAll = finishAll;
  window.emit(b);
  return success();
}

const KernelFamily &depthwiseFamily() {
  static const DepthwiseFamily family;
  return family;
}

} // namespace tenon::cpu
