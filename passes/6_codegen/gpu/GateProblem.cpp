#include "passes/6_codegen/gpu/GateProblem.h"
#include "passes/6_codegen/cpu/Elementwise.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int kFirst = 90, kFirstWithout = 120; // GPUs whose blocks have so much shared memory

Type elementOf(Value v) {
  return cast<RankedTensorType>(v.getType()).getElementType();
}

/// A 1x1 convolution of one position of each image, with constant weights as they are.
bool isProductOfRow(nn::ConvOp conv, kernel::FuncOp func) {
  auto weight = dyn_cast<BlockArgument>(conv.getWeight());
  auto shape = cast<RankedTensorType>(conv.getWeight().getType()).getShape();
  auto dims = nn::dimsOf(conv.getInput().getType());
  bool isOneRow = llvm::all_of(ArrayRef(dims).drop_back().drop_front(), [](nn::Dim d) { return d.isConstant(1); }) &&
                  dims.front().asConstant().value_or(GateProblem::kMostImages + 1) <= GateProblem::kMostImages;
  bool isOneTap =
      llvm::all_of(shape.drop_front(2), [](int64_t size) { return size == 1; }) && llvm::all_of(conv.getPads(), [](int64_t pad) { return pad == 0; });
  bool hasBias = !conv.getBias() || isa<BlockArgument>(kernel::viewOf(conv.getBias()).source);
  return weight && func.getArgAttr(weight.getArgNumber(), "kernel.constant") && conv.getGroups() == 1 &&
         conv.getLayout() == nn::Layout::ChannelsLast && isOneRow && isOneTap && hasBias;
}

/// The f32 sums in memory that `mean` is made of by a sum, factors and a rounding, so that it is a sum of parts; null where it is not.
nn::ReduceOp sumsBehind(Value mean) {
  while (Operation *op = mean.getDefiningOp()) {
    if (auto reduce = dyn_cast<nn::ReduceOp>(op)) {
      auto parts = dyn_cast<BlockArgument>(reduce.getInput());
      bool isOfRows = parts && reduce.getKind() == nn::ReduceKind::Sum && reduce.getAxes() == ArrayRef<int64_t>{1} && reduce.getKeepDims() &&
                      elementOf(parts).isF32() && cast<RankedTensorType>(parts.getType()).getRank() == 4;
      return isOfRows && nn::dimOf(parts.getType(), 1).isConstant() ? reduce : nn::ReduceOp();
    }
    auto mul = dyn_cast<nn::MulOp>(op);
    auto factor = mul ? mul.getRhs().getDefiningOp<nn::ConstantOp>() : nn::ConstantOp();
    if (!isa<nn::CastOp>(op) && !(factor && cast<RankedTensorType>(factor.getType()).getNumElements() == 1))
      return {};
    mean = op->getOperand(0);
  }
  return {};
}

/// Whether the row of each image begins at a multiple of a chunk.
bool isRowInMemory(Value row) {
  kernel::View view = kernel::viewOf(row);
  return isa<BlockArgument>(view.source) && view.offset.isConstant(0) && view.strides.back().isConstant(1) &&
         (nn::dimsOf(row.getType()).front().isConstant(1) || view.strides.front().asConstant().value_or(1) % GateProblem::kChunk == 0);
}
} // namespace

std::optional<GateProblem> GateProblem::of(kernel::FuncOp func, const Target &target) {
  constexpr int64_t kMostHidden = 64, kMostShared = 200 << 10;
  auto convs = llvm::to_vector(func.getBody().getOps<nn::ConvOp>());
  if (target.computeCapability < kFirst || target.computeCapability >= kFirstWithout || convs.size() != 2 || !isProductOfRow(convs[0], func) ||
      !isProductOfRow(convs[1], func))
    return std::nullopt;
  GateProblem p;
  p.squeeze = convs[0];
  p.excite = convs[1];
  for (Value value = p.excite.getInput(); value != p.squeeze.getResult();) {
    Operation *op = value.getDefiningOp();
    if (!op || !op->hasTrait<nn::Elementwise>() || op->getNumOperands() != 1 || !cpu::canEmitElementwise(op))
      return std::nullopt;
    p.between.insert(p.between.begin(), op);
    value = op->getOperand(0);
  }
  Type element = elementOf(p.squeeze.getInput());
  p.bfloat = element.isBF16();
  p.sums = sumsBehind(p.squeeze.getInput());
  p.rowsOfSums = p.sums ? *nn::dimOf(p.sums.getInput().getType(), 1).asConstant() : 0;
  bool isHalf = (element.isF16() || element.isBF16()) && elementOf(p.squeeze.getWeight()) == element && elementOf(p.excite.getWeight()) == element;
  auto first = cast<RankedTensorType>(p.squeeze.getWeight().getType()).getShape(),
       second = cast<RankedTensorType>(p.excite.getWeight().getType()).getShape();
  p.hidden = first[0];
  p.channels = first[1];
  p.results = second[0];
  p.images = *nn::dimsOf(p.squeeze.getInput().getType()).front().asConstant();
  p.threads = kMostThreads; // what takes most shared memory
  p.rounds = 1;
  bool isRow = p.sums ? cast<RankedTensorType>(p.sums.getInput().getType()).getShape().back() == p.channels : isRowInMemory(p.squeeze.getInput());
  if (!isRow || !isHalf || !cpu::Epilogue::matches(p.excite.getResult()) || p.channels % kChunk || p.hidden > kMostHidden ||
      p.sharedBytes() > kMostShared)
    return std::nullopt;
  return p;
}

} // namespace tenon::gpu
