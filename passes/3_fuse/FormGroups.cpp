#include "dialects/kernel/ProductMarks.h"
#include "dialects/nn/PackedWeights.h"
#include "passes/3_fuse/Groups.h"
#include "passes/3_fuse/Passes.h"
#include "passes/3_fuse/RowSums.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace tenon::fuse {
#define GEN_PASS_DEF_FORMGROUPS
#include "passes/3_fuse/Passes.h.inc"
namespace {

/// Ops that stay in the function between dispatches.
bool staysOutside(Operation *op) {
  return !isa_and_nonnull<nn::NNDialect>(op->getDialect()) ||
         isa<nn::ConstantOp, nn::ReshapeOp, nn::ReadSizesOp, nn::RequireOp, nn::IfOp, nn::LoopOp>(op);
}

bool sameDims(Value a, Value b) { return nn::dimsOf(a.getType()) == nn::dimsOf(b.getType()); }

class GroupFormer {
public:
  GroupFormer(Block &block, bool gates, bool images, bool groupNorms)
      : block(block), gates(gates), images(images), groupNorms(groupNorms), grouping(block) {}

  void run() {
    separateDecodings();
    roundImagesLast();
    if (images)
      quantizeImagesLast();
    materializeSizes();
    seedAnchors();
    for (int group = 0, n = grouping.size(); group < n; ++group)
      takePackedWeights(group);
    for (int group = 0, n = grouping.size(); group < n; ++group)
      if (decodesBytes(grouping.group(group).anchor)) // before what makes the bytes widens them
        growPrologue(group);
    for (int group = grouping.size() - 1; group >= 0; --group) { // the later of two anchors takes what joins them
      growEpilogue(group);
      takeDecoding(group);
    }
    takeRows();
    for (int group = 0, n = grouping.size(); gates && group < n; ++group)
      takeSqueeze(group);
    for (int group = 0, n = grouping.size(); group < n; ++group) {
      if (grouping.group(group).ops.empty()) // merged into another
        continue;
      takePad(group);
      takeSharedDepth(group);
      if (images)
        takeImage(group);
      growPrologue(group);
    }
    formElementwiseGroups();
    for (int group = 0, n = grouping.size(); group < n; ++group)
      takeTranspose(group);
    takeViews();
    formViewGroups();
    for (int group = 0; group < grouping.size(); ++group)
      for (Operation *op : grouping.group(group).ops)
        op->setAttr(kGroupAttr, Builder(op->getContext()).getI64IntegerAttr(group));
  }

  int64_t viewsTaken = 0, epilogueOps = 0, prologueOps = 0;

private:
  /// Numbers made of bytes are made by each of their readers: bytes are a quarter to write and to read again. From the last op on, so that what a copy
  /// reads is separated after it.
  void separateDecodings() {
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
      if (!isDecoding(&op))
        continue;
      for (OpOperand &use : llvm::make_early_inc_range(op.getUses())) {
        if (op.hasOneUse())
          break;
        use.set(OpBuilder(use.getOwner()).clone(op)->getResult(0));
      }
    }
    grouping = Grouping(block);
  }

  /// An image that is rounded and then seen through a transpose: the other way round its convolution can take both.
  void roundImagesLast() {
    for (nn::ConvOp conv : block.getOps<nn::ConvOp>()) {
      auto transpose = conv.getInput().getDefiningOp<nn::TransposeOp>();
      auto round = transpose ? transpose.getInput().getDefiningOp<nn::CastOp>() : nn::CastOp();
      if (!round || !roundsImage(conv, round) || !transpose->hasOneUse() || !round->hasOneUse())
        continue;
      OpBuilder builder(transpose);
      auto transposed = cast<RankedTensorType>(transpose.getType()).clone(getElementTypeOrSelf(round.getInput().getType()));
      Value image = nn::TransposeOp::create(builder, transpose.getLoc(), transposed, round.getInput(), transpose.getPerm());
      Value rounded = nn::CastOp::create(builder, round.getLoc(), transpose.getType(), image, round.getTo());
      transpose.replaceAllUsesWith(rounded);
      transpose.erase();
      round.erase();
    }
    grouping = Grouping(block);
  }

  /// What makes bytes of the image that `conv` reads, through a pad or not: from nn.quantize up, each read by the next alone.
  static SmallVector<Operation *> quantizing(nn::ConvOp conv, Value bytes) {
    SmallVector<Operation *> chain;
    for (Operation *op = bytes.getDefiningOp(); op && op->hasOneUse() && quantizesImage(conv, op); op = op->getOperand(0).getDefiningOp())
      chain.push_back(op);
    return chain;
  }

  static Value withoutPad(nn::ConvOp conv) {
    auto pad = conv.getInput().getDefiningOp<nn::PadOp>();
    return pad && takesPad(conv, pad) ? pad.getInput() : conv.getInput();
  }

  /// An image whose bytes are seen through a transpose: the other way round its convolution can make them.
  void quantizeImagesLast() {
    for (nn::ConvOp conv : block.getOps<nn::ConvOp>()) {
      auto transpose = withoutPad(conv).getDefiningOp<nn::TransposeOp>();
      SmallVector<Operation *> chain = transpose && transpose->hasOneUse() ? quantizing(conv, transpose.getInput()) : SmallVector<Operation *>();
      if (chain.empty())
        continue;
      OpBuilder builder(transpose);
      Value source = chain.back()->getOperand(0);
      auto shape = cast<RankedTensorType>(transpose.getType());
      Value image = nn::TransposeOp::create(builder, transpose.getLoc(), shape.clone(getElementTypeOrSelf(source.getType())), source, transpose.getPerm());
      for (Operation *op : llvm::reverse(chain)) {
        Operation *copy = builder.clone(*op);
        copy->setOperand(0, image);
        image = copy->getResult(0);
        image.setType(shape.clone(getElementTypeOrSelf(image.getType())));
      }
      transpose.replaceAllUsesWith(image);
      transpose.erase();
      for (Operation *op : chain)
        op->erase();
    }
    grouping = Grouping(block);
  }

  /// Sizes that something reads as data, rather than a kernel, which has them among its symbols: a kernel writes them.
  void materializeSizes() {
    for (nn::ConstantOp constant : llvm::make_early_inc_range(block.getOps<nn::ConstantOp>())) {
      if (!isa<nn::DimsAttr>(constant.getValue()))
        continue;
      Value copy;
      for (OpOperand &use : llvm::make_early_inc_range(constant->getUses())) {
        Operation *reader = use.getOwner();
        if (!staysOutside(reader))
          continue;
        OpBuilder builder(constant->getContext());
        builder.setInsertionPointAfter(constant);
        if (!copy)
          copy = nn::CastOp::create(builder, constant.getLoc(), constant.getType(), constant,
                                    cast<RankedTensorType>(constant.getType()).getElementType());
        use.set(copy);
      }
    }
    // Constants of sizes that the run defines were moved to the front; positions must say what depends on what.
    if (!block.getOps<nn::ReadSizesOp>().empty())
      kernel::sortByDependencies(block);
    grouping = Grouping(block);
  }

  void seedAnchors() {
    for (Operation &op : block)
      if (!staysOutside(&op) && anchorOf(&op) != Anchor::Elementwise && !isView(&op) && !isTaken(&op) && !isOfRows(&op) && !isSharedDepth(&op))
        grouping.create(&op);
  }

  /// Sums and values of rows join their products; those that cannot are anchors like others.
  void takeRows() {
    for (int group = 0, n = grouping.size(); group < n; ++group) {
      takeRowSums(grouping, group);
      takeRowValues(grouping, group);
    }
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
      if (!isOfRows(&op) || grouping.groupOf(&op) >= 0)
        continue;
      if (op.use_empty())
        op.erase();
      else if (!staysOutside(&op) && anchorOf(&op) != Anchor::Elementwise)
        grouping.create(&op);
    }
  }

  /// A pad that all its readers take.
  static bool isTaken(Operation *op) {
    auto pad = dyn_cast<nn::PadOp>(op);
    return pad && llvm::all_of(op->getUsers(), [&](Operation *user) { return takesPad(user, pad); });
  }

  /// A concat that the kernel of its only reader reads through.
  static bool isSharedDepth(Operation *op) {
    return op->hasAttr(kernel::kSharedDepthAttr) && op->hasOneUse() && anchorOf(*op->user_begin()) == Anchor::Contraction;
  }

  void takeSharedDepth(int group) {
    Operation *anchor = grouping.group(group).anchor, *both = anchor->getNumOperands() ? anchor->getOperand(0).getDefiningOp() : nullptr;
    if (both && isSharedDepth(both) && !grouping.add(group, both))
      grouping.create(both);
  }

  /// Copies the pad that an anchor reads through into its kernel.
  void takePad(int group) {
    Operation *anchor = grouping.group(group).anchor;
    auto pad = anchor->getNumOperands() ? anchor->getOperand(0).getDefiningOp<nn::PadOp>() : nn::PadOp();
    if (!pad || !isTaken(pad))
      return;
    OpBuilder builder(anchor);
    Operation *copy = builder.clone(*pad);
    grouping.adopt(group, copy, anchor);
    anchor->setOperand(0, copy->getResult(0));
    if (pad->use_empty())
      pad->erase();
  }

  /// Takes what makes bytes of an image.
  void takeImage(int group) {
    auto conv = dyn_cast<nn::ConvOp>(grouping.group(group).anchor);
    SmallVector<Operation *> chain = conv ? quantizing(conv, withoutPad(conv)) : SmallVector<Operation *>();
    if (chain.empty() || llvm::any_of(chain, [&](Operation *op) { return grouping.groupOf(op) >= 0; }) || !grouping.add(group, chain))
      return;
    prologueOps += chain.size();
  }

  /// The values of the ops in `ops` that something outside of `ops` reads.
  static SmallVector<Value> liveOuts(const llvm::SetVector<Operation *> &ops) {
    SmallVector<Value> values;
    for (Operation *op : ops)
      for (Value result : op->getResults())
        if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !ops.contains(user); }))
          values.push_back(result);
    return values;
  }

  bool takes(Operation *anchor, Operation *user) const {
    bool isAfterGroupNorm = groupNorms && isa<nn::GroupNormOp>(anchor) && user->hasTrait<nn::Elementwise>() && user->getNumResults() == 1;
    return isAfterGroupNorm || takesEpilogue(anchor, user);
  }

  /// The first reader of `values` outside of `ops` that may join the group around `anchor`.
  Operation *nextEpilogue(Operation *anchor, ArrayRef<Value> values, const llvm::SetVector<Operation *> &ops) const {
    Operation *next = nullptr;
    for (Value value : values)
      for (Operation *user : value.getUsers())
        if (!ops.contains(user) && grouping.groupOf(user) < 0 && takes(anchor, user) && !staysOutside(user) && !isOfRows(user) &&
            sameDims(user->getResult(0), anchor->getResult(0)) && (!next || user->isBeforeInBlock(next)))
          next = user;
    return next;
  }

  /// Takes the elementwise ops of the anchor's result, as long as the kernel keeps one result: a value that others read ends
  /// the epilogue, unless all of them join too (x * tanh(softplus(x))).
  void growEpilogue(int group) {
    Operation *anchor = grouping.group(group).anchor;
    if (anchor->getNumResults() != 1)
      return;
    constexpr int kLookAhead = 8; // ops tried before the results must have come together again
    llvm::SetVector<Operation *> trial = grouping.group(group).ops;
    SmallVector<Operation *> pending;
    while (pending.size() < kLookAhead) {
      Operation *next = nextEpilogue(anchor, liveOuts(trial), trial);
      if (!next)
        return;
      trial.insert(next);
      pending.push_back(next);
      if (liveOuts(trial).size() != 1)
        continue;
      if (!grouping.add(group, pending))
        return;
      epilogueOps += pending.size();
      pending.clear();
    }
  }

  /// Takes what widens the bytes that an epilogue reads, a residual's: they are read as bytes.
  void takeDecoding(int group) {
    Operation *anchor = grouping.group(group).anchor;
    SmallVector<Value> frontier;
    for (Operation *op : grouping.group(group).ops)
      if (op != anchor)
        llvm::append_range(frontier, op->getOperands());
    while (!frontier.empty()) {
      Value value = frontier.pop_back_val();
      Operation *op = value.getDefiningOp();
      if (!op || grouping.groupOf(op) >= 0 || staysOutside(op) || !sameDims(value, anchor->getResult(0)) || !decodesOperand(anchor, op) ||
          grouping.isReadOutside(value, group) || !grouping.add(group, op))
        continue;
      ++epilogueOps;
      llvm::append_range(frontier, op->getOperands());
    }
  }

  /// Takes the product of a gate that comes before this one, with its activation.
  void takeSqueeze(int group) {
    auto excite = dyn_cast<nn::ConvOp>(grouping.group(group).anchor);
    Operation *activation = excite ? excite.getInput().getDefiningOp() : nullptr;
    int other = activation && activation->hasOneUse() ? grouping.groupOf(activation) : -1;
    if (other < 0 || other == group || !isGate(grouping.group(other).anchor, excite))
      return;
    bool isChain = llvm::all_of(grouping.group(other).ops, [&](Operation *op) { // whose every result the next one reads
      return op == grouping.group(other).anchor || (op->hasTrait<nn::Elementwise>() && op->getNumOperands() == 1);
    });
    auto squeeze = cast<nn::ConvOp>(grouping.group(other).anchor);
    if (isChain && grouping.merge(group, other))
      takeMean(group, squeeze.getInput());
  }

  /// Takes the mean that a gate begins with, where sums of what it is made of are there.
  void takeMean(int group, Value mean) {
    int other = mean.getDefiningOp() ? grouping.groupOf(mean.getDefiningOp()) : -1;
    if (other >= 0 && other != group && isMeanOfSums(mean, grouping.group(other).anchor))
      grouping.merge(group, other);
  }

  static std::optional<nn::PackedWeights> packedWeights(Operation *anchor) {
    auto product = dyn_cast<nn::MatMulOp>(anchor);
    return product && !product.getTransposeRhs() ? nn::PackedWeights::of(product.getRhs()) : std::nullopt;
  }

  /// Takes what unpacks a product's weights, where nothing else reads them.
  void takePackedWeights(int group) {
    std::optional<nn::PackedWeights> weights = packedWeights(grouping.group(group).anchor);
    if (weights && llvm::all_of(weights->ops, [&](Operation *op) { return op->hasOneUse() && grouping.groupOf(op) < 0; }))
      grouping.add(group, weights->ops);
  }

  /// Takes the elementwise ops above the anchor's first operand that nothing else reads.
  void growPrologue(int group) {
    Operation *anchor = grouping.group(group).anchor;
    if (anchor->getNumOperands() == 0 || packedWeights(anchor)) // those read their first operand for every tile of columns
      return;
    SmallVector<Value> frontier{anchor->getOperand(0)};
    Value shape = anchor->getOperand(0);
    while (!frontier.empty()) {
      Value value = frontier.pop_back_val();
      Operation *op = value.getDefiningOp();
      if (!op || grouping.groupOf(op) >= 0 || staysOutside(op) || !takesPrologue(anchor, 0, op) || !sameDims(value, shape) ||
          grouping.isReadOutside(value, group) || !grouping.add(group, op))
        continue;
      ++prologueOps;
      llvm::append_range(frontier, op->getOperands());
    }
  }

  /// What is left of elementwise ops: each joins the groups of its operands where they have its shape.
  void formElementwiseGroups() {
    for (Operation &op : block) {
      if (staysOutside(&op) || anchorOf(&op) != Anchor::Elementwise || grouping.groupOf(&op) >= 0)
        continue;
      int group = grouping.create(&op);
      for (Value operand : op.getOperands()) {
        Operation *producer = operand.getDefiningOp();
        int other = producer ? grouping.groupOf(producer) : -1;
        if (other < 0 || other == group || anchorOf(grouping.group(other).anchor) != Anchor::Elementwise || !sameDims(operand, op.getResult(0)))
          continue;
        if (grouping.merge(other, group))
          group = other;
      }
    }
  }

  /// A transpose that an anchor can do at its store.
  void takeTranspose(int group) {
    if (grouping.group(group).ops.size() != 1)
      return;
    Operation *anchor = grouping.group(group).anchor;
    if (anchor->getNumResults() != 1 || !anchor->hasOneUse())
      return;
    auto transpose = dyn_cast<nn::TransposeOp>(*anchor->user_begin());
    if (transpose && takesTranspose(anchor, transpose))
      grouping.add(group, transpose.getOperation());
  }

  /// Reads of transposes, slices and expands become reads of their source: the views are copied into the kernel.
  void takeViews() {
    for (int number = 0; number < grouping.size(); ++number) {
      SmallVector<Operation *> ops(grouping.group(number).ops.begin(), grouping.group(number).ops.end());
      for (Operation *op : ops)
        for (OpOperand &operand : op->getOpOperands())
          takeView(operand, number);
    }
  }

  void takeView(OpOperand &operand, int number) {
    Operation *anchor = grouping.group(number).anchor;
    SmallVector<Operation *> chain = viewChain(operand, anchor, number);
    if (chain.empty())
      return;
    // From the source down: clones right before the reader.
    OpBuilder builder(operand.getOwner());
    IRMapping mapping;
    Operation *last = nullptr;
    for (Operation *view : llvm::reverse(chain)) {
      last = builder.clone(*view, mapping);
      grouping.adopt(number, last, operand.getOwner());
    }
    operand.set(last->getResult(0));
    ++viewsTaken;
  }

  /// The views between `operand` and what it can read in place, nearest first; empty where it reads its operand itself.
  /// Reshapes next to the source stay outside, where they cost nothing.
  SmallVector<Operation *> viewChain(OpOperand &operand, Operation *anchor, int number) {
    SmallVector<Operation *> chain;
    kernel::View view = kernel::viewOf(operand.get());
    if (!readsView(anchor, operand, view))
      return {};
    for (Value value = operand.get(); value != view.source;) {
      Operation *op = value.getDefiningOp();
      if (grouping.groupOf(op) >= 0)
        return {};
      chain.push_back(op);
      value = op->getOperand(0);
    }
    while (!chain.empty() && isa<nn::ReshapeOp>(chain.back()))
      chain.pop_back();
    return chain;
  }

  /// Views that something still reads are copies of their own, each with the views above it.
  void formViewGroups() {
    SmallVector<Operation *> views;
    for (Operation &op : block)
      if (op.hasTrait<nn::ViewLike>() && grouping.groupOf(&op) < 0)
        views.push_back(&op);
    for (Operation *view : llvm::reverse(views)) {
      if (view->use_empty())
        view->erase();
      else if (isView(view))
        takeView(view->getOpOperand(0), grouping.create(view));
    }
  }

  Block &block;
  bool gates, images, groupNorms;
  Grouping grouping;
};

struct FormGroups : impl::FormGroupsBase<FormGroups> {
  using FormGroupsBase::FormGroupsBase;

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (func.isExternal())
      return;
    GroupFormer former(func.getBody().front(), gates, images, groupNorms);
    former.run();
    views += former.viewsTaken;
    epilogues += former.epilogueOps;
    prologues += former.prologueOps;
  }
};

} // namespace
} // namespace tenon::fuse
