#include "passes/6_codegen/cpu/ContractionProblem.h"
#include "passes/6_codegen/cpu/DotBytes.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "llvm/Support/MathExtras.h"

namespace tenon::cpu {
using namespace mlir;

/// Whether each leading axis of an operand has the result's size, or is known to be 1: other ones may or may not repeat, which loops alone can compute.
static bool broadcastKnown(Value operand, ArrayRef<nn::Dim> extents) {
  SmallVector<nn::Dim> dims = nn::dimsOf(operand.getType());
  int shift = int(extents.size()) - int(dims.size());
  for (int axis = 0; axis + 2 < int(dims.size()); ++axis)
    if (!dims[axis].isConstant(1) && dims[axis] != extents[axis + shift])
      return false;
  return true;
}

/// The axis of an operand of rank `rank` that broadcasts to axis `axis` of a result of rank `resultRank`, or -1.
static int alignedAxis(Value operand, int rank, int axis, int resultRank, nn::Dim extent) {
  int aligned = axis - (resultRank - rank);
  if (aligned < 0)
    return -1;
  return nn::dimOf(operand.getType(), aligned).isConstant(1) && !extent.isConstant(1) ? -1 : aligned;
}

static int rankOf(Value value) { return cast<RankedTensorType>(value.getType()).getRank(); }

static bool describe(nn::MatMulOp op, ContractionProblem &p) {
  p.lhs = op.getLhs();
  p.rhs = op.getRhs();
  p.bias = op.getBias();
  if (!broadcastKnown(p.lhs, p.extents) || !broadcastKnown(p.rhs, p.extents))
    return false;
  int rank = p.extents.size(), lhsRank = rankOf(p.lhs), rhsRank = rankOf(p.rhs);
  p.lhsAxes.resize(lhsRank);
  p.lhsChannel = op.getTransposeLhs() ? lhsRank - 2 : lhsRank - 1;
  p.lhsAxes[op.getTransposeLhs() ? lhsRank - 1 : lhsRank - 2].rowAxis = rank - 2;
  p.rhsDepth = op.getTransposeRhs() ? rhsRank - 1 : rhsRank - 2;
  p.rhsColumn = op.getTransposeRhs() ? rhsRank - 2 : rhsRank - 1;
  p.rhsRows.assign(rank - 1, -1);
  for (int axis = 0; axis < rank - 2; ++axis) {
    if (int a = alignedAxis(p.lhs, lhsRank, axis, rank, p.extents[axis]); a >= 0)
      p.lhsAxes[a].rowAxis = axis;
    int a = alignedAxis(p.rhs, rhsRank, axis, rank, p.extents[axis]);
    if (a >= 0 && !nn::dimOf(p.rhs.getType(), a).isConstant(1))
      p.rhsRows[axis] = a;
  }
  p.depth = nn::dimOf(p.lhs.getType(), p.lhsChannel);
  return true;
}

static bool describe(nn::ConvOp op, ContractionProblem &p) {
  p.lhs = op.getInput();
  p.rhs = op.getWeight();
  p.bias = op.getBias();
  auto weight = cast<RankedTensorType>(p.rhs.getType());
  if (op.getLayout() != nn::Layout::ChannelsLast || !weight.hasStaticShape())
    return false;
  p.groups = op.getGroups();
  p.depth = nn::dimOf(p.rhs.getType(), 1);
  if (p.groups > 1 && p.depth.isConstant(1) && weight.getDimSize(0) == p.groups)
    return false; // one input and one output channel a group: the depthwise family
  int spatial = weight.getRank() - 2;
  p.lhsAxes.resize(spatial + 2);
  p.lhsChannel = spatial + 1;
  p.lhsAxes[0].rowAxis = 0;
  for (int s = 0; s < spatial; ++s)
    p.lhsAxes[1 + s] = {1 + s, op.getStrides()[s], s, op.getDilations()[s], -op.getPads()[s]};
  p.taps.assign(weight.getShape().begin() + 2, weight.getShape().end());
  p.padded = llvm::any_of(op.getPads(), [](int64_t pad) { return pad != 0; });
  p.rhsColumn = 0;
  p.rhsDepth = 1;
  p.rhsTap = 2;
  p.rhsRows.assign(spatial + 1, -1);
  return true;
}

std::optional<ContractionProblem> ContractionProblem::of(kernel::FuncOp func) {
  ContractionProblem p;
  for (Operation &op : func.getBody().front())
    if (isa<nn::MatMulOp, nn::ConvOp>(op)) {
      if (p.anchor)
        return std::nullopt;
      p.anchor = &op;
    }
  if (!p.anchor)
    return std::nullopt;
  p.result = p.anchor->getResult(0);
  p.extents = nn::dimsOf(p.result.getType());
  p.columns = p.extents.back();
  auto conv = dyn_cast<nn::ConvOp>(p.anchor);
  bool described = conv ? describe(conv, p) : describe(cast<nn::MatMulOp>(p.anchor), p);
  if (!described || (isBytes(p.lhs) && !countInFours(p)))
    return std::nullopt;
  return p;
}

int64_t ContractionProblem::tapCount() const {
  int64_t count = 1;
  for (int64_t tap : taps)
    count *= tap;
  return count;
}

bool ContractionProblem::skipsTaps(const LhsAxis &axis) const {
  constexpr int64_t kFar = 4;
  return padded && outside == 0 && axis.tapAxis >= 0 && axis.tapScale >= kFar;
}

double ContractionProblem::liveShare() const {
  double share = 1;
  for (auto [index, axis] : llvm::enumerate(lhsAxes)) {
    if (!skipsTaps(axis))
      continue;
    int64_t outputs = typical(extents[axis.rowAxis]), inputs = typical(nn::dimOf(lhs.getType(), index)), live = 0;
    for (int64_t tap = 0; tap < taps[axis.tapAxis]; ++tap) {
      int64_t start = tap * axis.tapScale + axis.shift; // of the tap in row 0
      auto rowsBefore = [&](int64_t position) { return std::clamp<int64_t>(llvm::divideCeilSigned(position - start, axis.rowScale), 0, outputs); };
      live += rowsBefore(inputs) - rowsBefore(0);
    }
    share *= double(live) / std::max<int64_t>(outputs * taps[axis.tapAxis], 1);
  }
  return share;
}

Type ContractionProblem::computeElement() const {
  return computeType(cast<RankedTensorType>(result.getType()).getElementType());
}

std::optional<int64_t> ContractionProblem::groupColumns() const {
  std::optional<int64_t> all = columns.asConstant();
  return all ? std::optional<int64_t>(*all / groups) : std::nullopt;
}

kernel::UnpackOp ContractionProblem::unpacked() const { return rhs.getDefiningOp<kernel::UnpackOp>(); }

BlockArgument ContractionProblem::rhsArgument() const { return dyn_cast<BlockArgument>(rhs); }

bool ContractionProblem::rhsConstant() const {
  if (unpacked())
    return true;
  BlockArgument argument = rhsArgument();
  auto func = argument ? dyn_cast<kernel::FuncOp>(argument.getOwner()->getParentOp()) : nullptr;
  return func && func.getArgAttr(argument.getArgNumber(), "kernel.constant");
}

static bool storedAsComputed(Value value, Type compute) {
  return cast<RankedTensorType>(value.getType()).getElementType() == compute;
}

nn::Dim ContractionProblem::lhsChannels() const { return nn::dimOf(lhs.getType(), lhsChannel).ceilDiv(dot); }

bool ContractionProblem::lhsReadable() const {
  if (dot > 1) // countInFours has looked at the strides; bytes are narrower than the pairs that are made of them
    return !padded && !woven && !widens();
  return !padded && storedAsComputed(lhs, computeElement()) && isa<BlockArgument>(kernel::viewOf(lhs).source);
}

bool ContractionProblem::rhsReadable() const {
  kernel::View view = kernel::viewOf(rhs);
  return isa<BlockArgument>(view.source) && view.strides[rhsColumn].isConstant(1);
}

nn::Dim ContractionProblem::lhsRowStride(ArrayRef<nn::Dim> strides, int rowAxis) const {
  nn::Dim sum = nn::Dim::constant(anchor->getContext(), 0);
  for (auto [axis, stride] : llvm::zip(lhsAxes, strides))
    if (axis.rowAxis == rowAxis)
      sum = sum + stride * axis.rowScale;
  return sum;
}

namespace {
/// Strides along the result's axes of everything the epilogue reads and writes; none where something is not strided.
std::optional<SmallVector<SmallVector<nn::Dim>>> epilogueStrides(const ContractionProblem &p) {
  auto func = p.anchor->getParentOfType<kernel::FuncOp>();
  MLIRContext *ctx = func.getContext();
  nn::Dim zero = nn::Dim::constant(ctx, 0);
  int rank = p.extents.size();
  SmallVector<SmallVector<nn::Dim>> all;
  llvm::SmallPtrSet<Operation *, 8> program{p.anchor};
  for (Operation *op = p.anchor->getNextNode(); op; op = op->getNextNode()) {
    bool depends = llvm::any_of(op->getOperands(), [&](Value v) { return program.contains(v.getDefiningOp()); });
    if (!depends)
      continue;
    if (isa<kernel::ReturnOp>(op))
      break;
    if (!op->hasTrait<nn::Elementwise>() || nn::dimsOf(op->getResult(0).getType()) != p.extents)
      return std::nullopt;
    program.insert(op);
    SmallVector<Value> operands(op->getOperands());
    while (!operands.empty()) {
      Value operand = operands.pop_back_val();
      Operation *producer = operand.getDefiningOp();
      if (program.contains(producer) || (isa_and_nonnull<nn::ConstantOp>(producer) && cast<RankedTensorType>(operand.getType()).getNumElements() == 1))
        continue;
      if (producer && producer->hasTrait<nn::Elementwise>() && nn::dimsOf(operand.getType()) == p.extents) { // of bytes that are widened as they are read
        llvm::append_range(operands, producer->getOperands());
        continue;
      }
      kernel::View view = kernel::viewOf(operand);
      if (!isa<BlockArgument>(view.source))
        return std::nullopt;
      int operandRank = rankOf(operand);
      SmallVector<nn::Dim> strides(rank, zero);
      for (int axis = 0; axis < rank; ++axis) {
        int aligned = axis - (rank - operandRank);
        if (aligned >= 0 && !nn::dimOf(operand.getType(), aligned).isConstant(1))
          strides[axis] = view.strides[aligned];
      }
      all.push_back(strides);
    }
  }
  for (unsigned i = 0; i < func.getNumResults(); ++i) {
    Operation *producer = func.terminator().getOperand(i).getDefiningOp();
    if (!program.contains(producer))
      return std::nullopt;
    all.push_back(func.resultStrides(i));
  }
  return all;
}
} // namespace

SmallVector<RowGroup> ContractionProblem::rowGroups(bool lhsInPlace) const {
  auto strides = epilogueStrides(*this);
  SmallVector<nn::Dim> lhsStrides;
  if (lhsInPlace)
    lhsStrides = kernel::viewOf(lhs).strides;
  auto merges = [&](const RowGroup &group, int axis) {
    if (!strides || rhsRows[axis] >= 0 || llvm::any_of(ArrayRef(rhsRows).slice(group.first, axis - group.first), [](int a) { return a >= 0; }))
      return false;
    if (group.extent.isConstant(1) || extents[axis].isConstant(1))
      return true;
    // A free axis over many known rows stays a loop of its own: the rows then need no code for remainders.
    constexpr int64_t kManyRows = 48;
    nn::Dim inner = nn::product(anchor->getContext(), ArrayRef<nn::Dim>(extents).slice(axis, rowAxes() - axis));
    if (!group.extent.isConstant() && inner.asConstant().value_or(0) >= kManyRows)
      return false;
    for (const auto &s : *strides)
      if (s[group.carrier] != s[axis] * extents[axis])
        return false;
    return !lhsInPlace || lhsRowStride(lhsStrides, group.carrier) == lhsRowStride(lhsStrides, axis) * extents[axis];
  };
  SmallVector<RowGroup> groups{{0, 0, 0, extents[0]}};
  for (int axis = 1; axis < rowAxes(); ++axis) {
    RowGroup &group = groups.back();
    if (merges(group, axis))
      group = {group.first, axis, extents[axis].isConstant(1) ? group.carrier : axis, group.extent * extents[axis]};
    else
      groups.push_back({axis, axis, axis, extents[axis]});
  }
  return groups;
}

int64_t ContractionProblem::overwritten() const {
  auto func = anchor->getParentOfType<kernel::FuncOp>();
  for (BlockArgument argument : func.getBody().getArguments()) {
    if (argument.getType() != func.getResultTypes().front() || !argument.hasOneUse() || func.getArgAttr(argument.getArgNumber(), "kernel.constant"))
      continue;
    Operation *user = *argument.user_begin();
    if (user->hasTrait<nn::Elementwise>() && anchor->isBeforeInBlock(user) && user->getResult(0).getType() == argument.getType() &&
        result.getType() == argument.getType())
      return argument.getArgNumber();
  }
  return -1;
}

int64_t ContractionProblem::typical(nn::Dim dim) const {
  constexpr int64_t kBatch = 1, kLength = 64;
  SmallVector<StringRef> symbols, batch;
  dim.collectSymbols(symbols);
  if (rowAxes() > 1)
    extents[0].collectSymbols(batch);
  llvm::DenseMap<StringRef, int64_t> sizes;
  for (StringRef symbol : symbols)
    sizes[symbol] = llvm::is_contained(batch, symbol) ? kBatch : kLength;
  return std::max<int64_t>(1, dim.evaluate(sizes).value_or(kLength)); // an expression may come out as nothing
}

} // namespace tenon::cpu
