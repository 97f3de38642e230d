// Views, concats and slices in place, results that overwrite operands.
#include "passes/5_memory/Placement.h"

namespace tenon::memory {
using namespace mlir;

Value throughReshapes(Value value) {
  while (auto reshape = value.getDefiningOp<nn::ReshapeOp>())
    value = reshape.getInput();
  return value;
}

/// The one op of a kernel that only moves data, or null.
template <typename OpTy> static OpTy onlyOp(kernel::FuncOp func) {
  Block &body = func.getBody().front();
  if (std::distance(body.begin(), body.end()) != 2)
    return {};
  return dyn_cast<OpTy>(&body.front());
}

/// Whether the kernel is `concat` of its arguments, in their order.
static nn::ConcatOp asConcat(kernel::FuncOp func) {
  auto concat = onlyOp<nn::ConcatOp>(func);
  return concat && llvm::equal(concat.getInputs(), func.getBody().getArguments()) ? concat : nn::ConcatOp();
}

/// The strides of a tensor of sizes `from` where one of sizes `to` has `strides`; none where that does more than to merge neighbouring axes of known
/// sizes.
static std::optional<SmallVector<nn::Dim>> stridesOfParts(ArrayRef<nn::Dim> from, ArrayRef<nn::Dim> to, ArrayRef<nn::Dim> strides) {
  if (from.empty())
    return std::nullopt;
  SmallVector<nn::Dim> before(from.size(), nn::Dim::constant(from.front().context(), 0));
  size_t axis = from.size();
  for (size_t merged = to.size(); merged-- > 0;) {
    std::optional<int64_t> rest = to[merged].asConstant();
    nn::Dim stride = strides[merged];
    while (rest && *rest > 1 && axis > 0) {
      std::optional<int64_t> size = from[--axis].asConstant();
      if (!size || *size < 1 || *rest % *size != 0)
        return std::nullopt;
      before[axis] = stride;
      stride = stride * *size;
      rest = *rest / *size;
    }
    if (!rest || *rest != 1)
      return std::nullopt;
  }
  while (axis > 0)
    if (!from[--axis].isConstant(1))
      return std::nullopt;
  return before;
}

/// The strides of what `reshape` reads if its result has `strides`, where it merges axes.
static std::optional<SmallVector<nn::Dim>> stridesBefore(nn::ReshapeOp reshape, ArrayRef<nn::Dim> strides) {
  return stridesOfParts(nn::dimsOf(reshape.getInput().getType()), nn::dimsOf(reshape.getType()), strides);
}

/// The strides of its result if what it reads has `strides`, where it takes axes apart.
static std::optional<SmallVector<nn::Dim>> stridesAfter(nn::ReshapeOp reshape, ArrayRef<nn::Dim> strides) {
  return stridesOfParts(nn::dimsOf(reshape.getType()), nn::dimsOf(reshape.getInput().getType()), strides);
}

static nn::Dim addressOf(const Place &place, ArrayRef<nn::Dim> starts) {
  nn::Dim offset = place.offset;
  for (auto [start, stride] : llvm::zip_equal(starts, place.strides))
    offset = offset + start * stride;
  return offset;
}

Placement::Placement(func::FuncOp func, StridedKernels &kernels, bool inPlace) : func(func), kernels(kernels), sizes(func.front()) {
  for (Value value : func.front().getTerminator()->getOperands())
    returned.insert(throughReshapes(value));

  // Last first: a concat of concats gives the inner one its place. copyInto adds dispatches, so the list is made before.
  SmallVector<kernel::DispatchOp> dispatches(func.getOps<kernel::DispatchOp>());
  if (inPlace)
    for (kernel::DispatchOp dispatch : llvm::reverse(dispatches))
      if (nn::ConcatOp concat = asConcat(kernels.lookup(dispatch)))
        placeConcat(dispatch, concat.getAxis());

  nn::Dim zero = nn::Dim::constant(func.getContext(), 0);
  auto own = [&](Value value) {
    if (isa<RankedTensorType>(value.getType()))
      places.try_emplace(value, Place{value, zero, kernel::denseStrides(value.getType())});
  };
  llvm::for_each(func.getArguments(), own);
  for (Operation &op : func.front()) {
    if (auto dispatch = dyn_cast<kernel::DispatchOp>(op); dispatch && inPlace) {
      placeSlice(dispatch);
      overwrite(dispatch);
    }
    if (isa<nn::ReshapeOp>(op))
      placeReshape(&op);
    llvm::for_each(op.getResults(), own);
  }
}

bool Placement::readersAccept(Value value, ArrayRef<nn::Dim> strides, Operation *except) {
  for (OpOperand &use : value.getUses()) {
    if (use.getOwner() == except)
      continue;
    if (auto reshape = dyn_cast<nn::ReshapeOp>(use.getOwner()); reshape && kernels.isForGpu() && !returned.contains(value)) {
      std::optional<SmallVector<nn::Dim>> after = places.contains(reshape) ? std::nullopt : stridesAfter(reshape, strides);
      if (!after || !readersAccept(reshape, *after, except))
        return false;
      continue;
    }
    auto reader = dyn_cast<kernel::DispatchOp>(use.getOwner());
    if (!reader || !kernels.acceptsArgument(reader, use.getOperandNumber(), strides))
      return false;
  }
  return true;
}

bool Placement::canMove(Value value, kernel::DispatchOp concat, ArrayRef<nn::Dim> strides) {
  auto producer = value.getDefiningOp<kernel::DispatchOp>();
  if (!producer || places.contains(value) || returned.contains(value) || !sizes.isKnown(concat.getOuts()[0].getType(), producer))
    return false;
  if (isDense(value.getType(), strides))
    return true;
  return kernels.acceptsResult(producer, cast<OpResult>(value).getResultNumber(), strides) && readersAccept(value, strides, concat);
}

/// On GPUs, where a concat is a launch: also through a reshape of a kernel's result, as of an image's pixels to rows. The strides of that result, or
/// none.
std::optional<SmallVector<nn::Dim>> Placement::canMoveThrough(Value value, kernel::DispatchOp concat, ArrayRef<nn::Dim> strides) {
  auto reshape = value.getDefiningOp<nn::ReshapeOp>();
  auto producer = reshape ? reshape.getInput().getDefiningOp<kernel::DispatchOp>() : kernel::DispatchOp();
  bool isFree = producer && kernels.isForGpu() && reshape.getInput().hasOneUse() && !places.contains(value) && !places.contains(reshape.getInput()) &&
                !returned.contains(reshape.getInput()) && readersAccept(value, strides, concat);
  if (!isFree || !sizes.isKnown(concat.getOuts()[0].getType(), producer))
    return std::nullopt;
  std::optional<SmallVector<nn::Dim>> before = stridesBefore(reshape, strides);
  bool isAccepted = before && kernels.acceptsResult(producer, cast<OpResult>(reshape.getInput()).getResultNumber(), *before);
  return isAccepted ? before : std::nullopt;
}

/// A concat whose operands already lie one after another in one buffer is a view of it (DenseNet's growing concats).
bool Placement::sideBySide(kernel::DispatchOp concat, int64_t axis) {
  Value result = concat.getOuts()[0];
  auto first = places.find(concat.getArgs()[0]);
  if (first == places.end() || places.contains(result) || returned.contains(result))
    return false;
  nn::Dim offset = first->second.offset;
  for (Value operand : concat.getArgs()) {
    auto place = places.find(operand);
    if (place == places.end() || place->second.owner != first->second.owner || place->second.offset != offset ||
        place->second.strides != first->second.strides)
      return false;
    offset = offset + nn::dimOf(operand.getType(), axis) * first->second.strides[axis];
  }
  Place place = first->second;
  if (!isDense(result.getType(), place.strides) && !readersAccept(result, place.strides, nullptr))
    return false;
  places[result] = place;
  viewOps.insert(concat);
  ++views;
  return true;
}

void Placement::placeConcat(kernel::DispatchOp dispatch, int64_t axis) {
  if (sideBySide(dispatch, axis))
    return;
  Value result = dispatch.getOuts()[0];
  nn::Dim zero = nn::Dim::constant(func.getContext(), 0);
  Place whole = places.lookup(result);
  if (!whole.owner)
    whole = {result, zero, kernel::denseStrides(result.getType())};

  // Worth it where at least half of the operands need no copy. Axes outside the concat's must not be reordered: strides are the result's.
  llvm::SmallDenseSet<Value> seen;
  SmallVector<bool> moves;
  SmallVector<std::optional<SmallVector<nn::Dim>>> before; // strides of what a reshape reads
  for (Value operand : dispatch.getArgs()) {
    bool isNew = seen.insert(operand).second;
    before.push_back(isNew ? canMoveThrough(operand, dispatch, whole.strides) : std::nullopt);
    moves.push_back(before.back() || (isNew && canMove(operand, dispatch, whole.strides)));
  }
  if (2 * llvm::count(moves, true) < int64_t(moves.size()))
    return;

  places[result] = whole;
  SmallVector<nn::Dim> starts(whole.strides.size(), zero);
  for (auto [operand, move, source] : llvm::zip_equal(dispatch->getOpOperands(), moves, before)) {
    Value value = move ? operand.get() : copyInto(operand);
    places[value] = {whole.owner, addressOf(whole, starts), whole.strides};
    if (source)
      places[value.getDefiningOp<nn::ReshapeOp>().getInput()] = {whole.owner, addressOf(whole, starts), *source};
    starts[axis] = starts[axis] + nn::dimOf(value.getType(), axis);
  }
  viewOps.insert(dispatch);
  ++views;
}

Value Placement::copyInto(OpOperand &operand) {
  OpBuilder builder(operand.getOwner());
  auto type = cast<RankedTensorType>(operand.get().getType());
  kernel::FuncOp copy = kernels.copyKernel(type);
  auto dispatch = kernel::DispatchOp::create(builder, operand.getOwner()->getLoc(), TypeRange{type}, copy.getSymName(), ValueRange{operand.get()});
  operand.set(dispatch.getOuts()[0]);
  ++copies;
  return operand.get();
}

void Placement::placeSlice(kernel::DispatchOp dispatch) {
  auto slice = onlyOp<nn::SliceOp>(kernels.lookup(dispatch));
  Value result = dispatch.getOuts()[0];
  if (!slice || places.contains(result) || returned.contains(result))
    return;
  const Place &source = of(dispatch.getArgs()[0]);
  Place place{source.owner, addressOf(source, slice.getStarts().dims()), source.strides};
  for (auto [stride, step] : llvm::zip_equal(place.strides, slice.getSteps()))
    stride = stride * step;
  if (!isDense(result.getType(), place.strides) &&
      (!(place.strides.empty() || place.strides.back().isConstant(1)) || !readersAccept(result, place.strides, nullptr)))
    return;
  places[result] = place;
  viewOps.insert(dispatch);
  ++views;
}

/// Reshapes are always views: whoever places their operand sees them as readers that accept dense memory, or on a GPU strides of axes that they take
/// apart.
void Placement::placeReshape(Operation *op) {
  if (places.contains(op->getResult(0))) // in a concat
    return;
  Place source = of(op->getOperand(0));
  std::optional<SmallVector<nn::Dim>> strides;
  if (!isDense(op->getOperand(0).getType(), source.strides))
    strides = stridesAfter(cast<nn::ReshapeOp>(op), source.strides);
  places[op->getResult(0)] = {source.owner, source.offset, strides ? *strides : kernel::denseStrides(op->getResult(0).getType())};
}

void Placement::overwrite(kernel::DispatchOp dispatch) {
  kernel::FuncOp kernelFunc = kernels.lookup(dispatch);
  if (!kernelFunc.getOverwrites())
    return;
  for (auto [index, argument] : llvm::enumerate(*kernelFunc.getOverwrites())) {
    Value result = dispatch.getOuts()[index];
    if (argument < 0 || places.contains(result) || returned.contains(result))
      continue;
    Value operand = dispatch.getArgs()[argument];
    const Place &place = of(operand);
    // The buffer must be an arena buffer that this value fills, and this its last reader.
    bool arena = place.owner.getDefiningOp<kernel::DispatchOp>() && !returned.contains(place.owner);
    bool same = arena && nn::numElements(place.owner.getType()) == nn::numElements(result.getType()) &&
                cast<ShapedType>(place.owner.getType()).getElementType() == cast<ShapedType>(result.getType()).getElementType() &&
                isDense(operand.getType(), place.strides) && operand.getType() == result.getType();
    if (!same || llvm::count(dispatch.getArgs(), operand) != 1)
      continue;
    bool last = llvm::all_of(places, [&](const auto &entry) {
      return entry.second.owner != place.owner || entry.first == operand ||
             llvm::all_of(entry.first.getUsers(), [&](Operation *user) { return user->isBeforeInBlock(dispatch); });
    });
    last = last && llvm::all_of(operand.getUsers(), [&](Operation *user) { return user == dispatch || user->isBeforeInBlock(dispatch); });
    if (!last)
      continue;
    places[result] = {place.owner, place.offset, place.strides};
    ++overwritten;
    return;
  }
}

} // namespace tenon::memory
