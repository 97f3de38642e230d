#include "passes/6_codegen/gpu/LibraryEnding.h"

namespace tenon::gpu {
using namespace mlir;

namespace {

Type elementOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getElementType();
}

bool isConstant(BlockArgument argument) {
  auto func = dyn_cast<kernel::FuncOp>(argument.getOwner()->getParentOp());
  return func && func.getArgAttr(argument.getArgNumber(), "kernel.constant");
}

/// A vector along the columns, in the product's type, or a constant that can be rounded to it.
bool isBias(Value value, const cpu::ContractionProblem &p) {
  BlockArgument argument = widenedArgument(value);
  SmallVector<nn::Dim> dims = nn::dimsOf(value.getType());
  bool isVector =
      !dims.empty() && dims.back() == p.columns && llvm::all_of(ArrayRef(dims).drop_back(), [](nn::Dim dim) { return dim.isConstant(1); });
  if (!argument || !isVector || dims != nn::dimsOf(argument.getType()))
    return false;
  Type element = elementOf(p.result);
  return elementOf(argument) == element || (elementOf(argument).isF32() && isConstant(argument));
}

/// The activation that an op is; None for other ops. `most` is set for Clip.
plan::Activation activationOf(Operation *op, float &most) {
  if (isa<nn::ReluOp>(op))
    return plan::Activation::Relu;
  if (isa<nn::SiluOp>(op))
    return plan::Activation::Silu;
  if (auto gelu = dyn_cast<nn::GeluOp>(op))
    return gelu.getTanh() ? plan::Activation::Gelu : plan::Activation::ExactGelu;
  auto clip = dyn_cast<nn::ClipOp>(op);
  if (!clip || !clip.getLow() || !clip.getLow()->isZero())
    return plan::Activation::None;
  if (!clip.getHigh())
    return plan::Activation::Relu;
  most = float(clip.getHigh()->convertToDouble());
  constexpr float kLargest = 1e6f;
  return most > 0 && most < kLargest ? plan::Activation::Clip : plan::Activation::None;
}

/// Adds an op to what the library computes at the end; false where it cannot.
bool take(Operation *op, Value current, const cpu::ContractionProblem &p, ArrayRef<plan::Activation> known, LibraryEnding &ending) {
  if (ending.activation != plan::Activation::None)
    return false;
  ending.activation = activationOf(op, ending.most);
  if (ending.activation != plan::Activation::None)
    return llvm::is_contained(known, ending.activation);
  auto add = dyn_cast<nn::AddOp>(op);
  if (!add || op->getOperand(0) == op->getOperand(1))
    return false;
  Value other = op->getOperand(op->getOperand(0) == current);
  if (!ending.bias && isBias(other, p))
    return ending.bias = other, true;
  bool isSum = !ending.added && other.getType() == current.getType() && isa<BlockArgument>(kernel::viewOf(other).source);
  return isSum && (ending.added = other, true);
}

} // namespace

std::optional<LibraryEnding> LibraryEnding::of(const cpu::ContractionProblem &p, ArrayRef<plan::Activation> known) {
  LibraryEnding ending;
  ending.bias = p.bias;
  if (p.bias && !isBias(p.bias, p))
    return std::nullopt;
  Value current = p.result;
  while (true) {
    if (!current.hasOneUse() || p.anchor->getNumResults() != 1)
      return std::nullopt;
    Operation *user = *current.user_begin();
    if (isa<kernel::ReturnOp>(user))
      return ending;
    if (user->getNumResults() != 1 || user->getResult(0).getType() != p.result.getType() || !take(user, current, p, known, ending))
      return std::nullopt;
    current = user->getResult(0);
  }
}

BlockArgument LibraryEnding::biasArgument() const {
  return bias ? widenedArgument(bias) : BlockArgument();
}

BlockArgument widenedArgument(Value value) {
  if (auto cast = value.getDefiningOp<nn::CastOp>())
    value = cast.getInput();
  return dyn_cast<BlockArgument>(kernel::viewOf(value).source);
}

bool isLibraryElement(Type type) {
  return type.isF32() || type.isF16() || type.isBF16();
}

tn_dtype libraryDtype(Type element) {
  return element.isF32() ? TN_F32 : element.isF16() ? TN_F16 : TN_BF16;
}

int64_t bufferAlignment(kernel::FuncOp func, unsigned buffer) {
  constexpr int64_t kOwn = 16;
  auto known = func->getAttrOfType<DenseI64ArrayAttr>("tenon.alignments");
  return known && buffer < known.size() ? known[buffer] : kOwn;
}

std::optional<SmallVector<int64_t>> constantsOf(ArrayRef<nn::Dim> dims) {
  SmallVector<int64_t> values;
  for (nn::Dim dim : dims) {
    std::optional<int64_t> value = dim.asConstant();
    if (!value)
      return std::nullopt;
    values.push_back(*value);
  }
  return values;
}

} // namespace tenon::gpu
