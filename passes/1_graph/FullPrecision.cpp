#include "passes/1_graph/FullPrecision.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/1_graph/Match.h"
#include <cmath>
#include <cstring>

using namespace mlir;

namespace tenon::graph {

static bool givesFloats(Operation *op) {
  auto tensor = op->getNumResults() == 1 ? dyn_cast<RankedTensorType>(op->getResult(0).getType()) : RankedTensorType();
  return tensor && tensor.getElementType().isF32();
}

bool isProduct(Operation *op) {
  return isa<nn::ConvOp, nn::ConvTransposeOp, nn::MatMulOp, nn::AttentionOp, nn::LSTMOp, nn::RecurrenceOp, nn::LinearAttentionOp>(op);
}

bool passesFloats(Operation *op) {
  return givesFloats(op) && !isProduct(op) && !isa<nn::ConstantOp>(op);
}

int64_t termsOf(Operation *op) {
  std::optional<int64_t> terms;
  if (auto matmul = dyn_cast<nn::MatMulOp>(op))
    terms = nn::dimOf(matmul.getRhs().getType(), rankOf(matmul.getRhs()) - (matmul.getTransposeRhs() ? 1 : 2)).asConstant();
  if (auto conv = dyn_cast<nn::ConvOp>(op))
    if (auto weight = cast<RankedTensorType>(conv.getWeight().getType()); weight.hasStaticShape() && weight.getDimSize(0))
      terms = weight.getNumElements() / weight.getDimSize(0);
  return terms.value_or(std::numeric_limits<int64_t>::max());
}

namespace {

using OpSet = llvm::DenseSet<Operation *>;

bool isByte(Type element) {
  return element.isInteger() && element.getIntOrFloatBitWidth() == 8;
}

/// Sums of products of bytes, with or without a bias.
bool isSumOfBytes(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || !elementOf(value).isInteger(32))
    return false;
  return isa<nn::ConvOp, nn::MatMulOp>(op) || (isa<nn::AddOp>(op) && llvm::any_of(op->getOperands(), isSumOfBytes));
}

bool isNarrow(Type element) {
  return isa<Float8E4M3FNType>(element);
}

/// Sums of products of 8-bit floats, which halves would not hold.
bool isSumOfNarrow(Operation &op) {
  return isa<nn::ConvOp, nn::MatMulOp>(op) && isNarrow(elementOf(op.getOperand(0)));
}

/// Arithmetic of a quantized network that is no chain of halves. Elementwise ops that come from bytes and their sums, or lead to bytes, end at the
/// loads and stores of what they are fused with; so do those around products of 8-bit floats. Between bytes, where a rounding would make others of them, means, maxima, softmaxes and joined
/// tensors are f32 as well; and filters that read bytes less a zero point are exact in f32.
class IntegerChains {
public:
  static void add(Block &body, OpSet &ops) {
    IntegerChains chains;
    for (Operation &op : body)
      chains.visitDown(op);
    for (Operation &op : llvm::reverse(body))
      chains.visitUp(op);
    ops.insert(chains.found.begin(), chains.found.end());
  }

private:
  void visitDown(Operation &op) {
    if (!givesFloats(&op))
      return;
    bool begins = isFromIntegers(op) || isSumOfNarrow(op), isElementwise = op.hasTrait<nn::Elementwise>();
    if (begins || (isElementwise && readsAny(op, found)) || readsCentredBytes(op))
      found.insert(&op);
    if (begins || (passesFloats(&op) && readsAny(op, afterBytes)))
      afterBytes.insert(&op);
  }

  void visitUp(Operation &op) {
    if (makesBytes(op)) {
      beforeBytes.insert(&op);
      leadsToBytes.insert(&op);
    }
    bool isBetween = afterBytes.contains(&op) && beforeBytes.contains(&op);
    if (isBetween || leadsToBytes.contains(&op))
      found.insert(&op);
    for (Value operand : op.getOperands())
      if (Operation *above = operand.getDefiningOp(); above && passesFloats(above)) {
        if (beforeBytes.contains(&op))
          beforeBytes.insert(above);
        if (leadsToBytes.contains(&op) && above->hasTrait<nn::Elementwise>())
          leadsToBytes.insert(above);
      }
  }

  static bool readsAny(Operation &op, const OpSet &set) {
    return llvm::any_of(op.getOperands(), [&](Value v) { return v.getDefiningOp() && set.contains(v.getDefiningOp()); });
  }
  static bool makesBytes(Operation &op) {
    auto cast = dyn_cast<nn::CastOp>(op);
    bool isShort = cast && (isByte(cast.getTo()) || isNarrow(cast.getTo()));
    return isa<nn::QuantizeOp>(op) || (isShort && elementOf(cast.getInput()).isF32());
  }
  static bool isFromIntegers(Operation &op) {
    auto cast = dyn_cast<nn::CastOp>(op); // an image of bytes is no part of them
    return cast && (isSumOfBytes(cast.getInput()) || (isByte(elementOf(cast.getInput())) && !isa<BlockArgument>(cast.getInput())));
  }
  static bool readsCentredBytes(Operation &op) {
    if (!isa<nn::ConvOp, nn::MatMulOp>(op))
      return false;
    Operation *input = op.getOperand(0).getDefiningOp();
    if (isa_and_nonnull<nn::TransposeOp>(input))
      input = input->getOperand(0).getDefiningOp();
    if (auto sub = dyn_cast_or_null<nn::SubOp>(input))
      input = isConstant(sub.getRhs()) ? sub.getLhs().getDefiningOp() : nullptr;
    auto cast = dyn_cast_or_null<nn::CastOp>(input);
    return cast && isByte(elementOf(cast.getInput()));
  }

  OpSet found, leadsToBytes;     // elementwise chains of either kind
  OpSet afterBytes, beforeBytes; // through all that passes floats
};

/// What leads linearly to a logarithm: a spectrum and the transforms of a signal before it. Quiet bands are small sums of large terms, and a
/// logarithm makes their relative error an absolute one; their squares would not even be normal numbers of f16.
class Spectra {
public:
  static void add(Block &body, OpSet &ops) {
    OpSet spectra;
    for (Operation &op : llvm::reverse(body))
      if (isa<nn::LogOp>(op) || spectra.contains(&op)) {
        spectra.insert(&op);
        for (Value operand : op.getOperands())
          if (Operation *above = operand.getDefiningOp(); above && isPart(above))
            spectra.insert(above);
      }
    ops.insert(spectra.begin(), spectra.end());
  }

private:
  static bool isPart(Operation *op) {
    return isa<nn::ConvOp, nn::MatMulOp, nn::ReduceOp, nn::AddOp, nn::SubOp, nn::MulOp, nn::DivOp, nn::NegOp, nn::AbsOp, nn::SqrtOp, nn::PowOp,
               nn::ClipOp, nn::MaxOp, nn::MinOp, nn::PadOp, nn::SliceOp, nn::ConcatOp, nn::GatherOp, nn::ReshapeOp, nn::TransposeOp>(op) &&
           givesFloats(op);
  }
};

/// Narrow convolutions, whose few terms do not average their roundings: where some have large biases, and where a network has hardly any others. What
/// follows a layer expects values near 1, so the terms of a sum with a bias of 16 nearly cancel it, and half a last place of f16 is 2^-7 there. The
/// layers around it are scaled like it, and what they lose it passes on.
class NarrowRegions {
public:
  static void add(Block &body, OpSet &ops) {
    SmallVector<Operation *> open;
    bool isNarrow = isNarrowNetwork(body);
    for (nn::ConvOp conv : body.getOps<nn::ConvOp>())
      if (isPart(conv) && (isNarrow || largestBias(conv) >= kLargeBias))
        open.push_back(conv);
    auto visit = [&](Operation *op) {
      if (op && isPart(op) && !ops.contains(op))
        open.push_back(op);
    };
    while (!open.empty()) {
      Operation *op = open.pop_back_val();
      if (!ops.insert(op).second)
        continue;
      for (Value operand : op->getOperands())
        visit(operand.getDefiningOp());
      for (Operation *user : op->getUsers())
        visit(user);
    }
  }

private:
  static constexpr float kLargeBias = 16;
  static constexpr int64_t kFewTerms = 144;

  /// Small networks of many layers, whose times are those of launches more than of products: f32 costs them little.
  static bool isNarrowNetwork(Block &body) {
    constexpr int64_t kManyLayers = 32, kFewWide = 6; // of which one in six may be wide
    int64_t products = 0, wide = 0;
    for (Operation &op : body)
      if (isProduct(&op)) {
        ++products;
        wide += termsOf(&op) > kFewTerms;
      }
    return products >= kManyLayers && wide * kFewWide <= products;
  }
  static bool isPart(Operation *op) { return isa<nn::ConvOp>(op) ? givesFloats(op) && termsOf(op) <= kFewTerms : passesFloats(op); }
  static float largestBias(nn::ConvOp conv) {
    auto constant = conv.getBias() ? conv.getBias().getDefiningOp<nn::ConstantOp>() : nn::ConstantOp();
    if (!constant)
      return 0;
    float largest = 0;
    if (auto dense = dyn_cast<DenseElementsAttr>(constant.getValue()))
      for (float bias : dense.getValues<float>())
        largest = std::max(largest, std::fabs(bias));
    if (auto resource = dyn_cast<DenseResourceElementsAttr>(constant.getValue()))
      if (AsmResourceBlob *blob = resource.getRawHandle().getBlob())
        for (size_t at = 0; at + sizeof(float) <= blob->getData().size(); at += sizeof(float)) {
          float bias; // blobs need not be aligned
          std::memcpy(&bias, blob->getData().data() + at, sizeof(float));
          largest = std::max(largest, std::fabs(bias));
        }
    return largest;
  }
};

/// What sizes, trip counts and conditions are computed from, as long as it is a few numbers: half types do not even hold 2049.
class Decisions {
public:
  static void add(Block &body, OpSet &ops) {
    Decisions decisions;
    // What the body of a branch or a loop gives may decide what its caller does next.
    if (auto func = dyn_cast<func::FuncOp>(body.getParentOp()); func && func.isPrivate())
      for (Value value : body.getTerminator()->getOperands())
        if (!getElementTypeOrSelf(value).isF32())
          decisions.visit(value);
    for (Operation &op : llvm::reverse(body)) {
      if (auto branch = dyn_cast<nn::IfOp>(op))
        decisions.visit(branch.getCondition());
      else if (auto loop = dyn_cast<nn::LoopOp>(op))
        for (Value decides : {loop.getTrips(), loop.getCondition()})
          decisions.visit(decides);
      else if (isa<nn::ReadSizesOp>(op) || decisions.found.contains(&op))
        for (Value operand : op.getOperands())
          decisions.visit(operand);
    }
    ops.insert(decisions.found.begin(), decisions.found.end());
  }

private:
  void visit(Value value) {
    constexpr int64_t kMostElements = 64;
    Operation *op = value ? value.getDefiningOp() : nullptr;
    auto type = op ? dyn_cast<RankedTensorType>(value.getType()) : RankedTensorType();
    if (type && type.hasStaticShape() && type.getNumElements() <= kMostElements && !isa<nn::ConstantOp>(op))
      found.insert(op);
  }

  OpSet found;
};

/// What moves constants for an op that is f32: a bias of integers behind a reshape.
void addConstantExpressions(Block &body, OpSet &ops) {
  for (Operation &op : llvm::reverse(body))
    if (passesFloats(&op) && isConstantExpression(op.getResult(0)) &&
        llvm::any_of(op.getUsers(), [&](Operation *user) { return ops.contains(user); }))
      ops.insert(&op);
}

} // namespace

llvm::DenseSet<Operation *> opsInFull(Block &body) {
  OpSet ops;
  NarrowRegions::add(body, ops);
  IntegerChains::add(body, ops);
  Spectra::add(body, ops);
  Decisions::add(body, ops);
  addConstantExpressions(body, ops);
  return ops;
}

} // namespace tenon::graph
