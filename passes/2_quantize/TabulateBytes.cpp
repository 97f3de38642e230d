#include "passes/2_quantize/Chain.h"
#include "passes/2_quantize/Passes.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace tenon::quantize {
#define GEN_PASS_DEF_TABULATEBYTES
#include "passes/2_quantize/Passes.h.inc"
namespace {
using namespace graph;

constexpr int64_t kValues = 256;

/// Ops that cost more than a look into a table.
bool isElementary(Operation *op) {
  return !isa<nn::AddOp, nn::SubOp, nn::MulOp, nn::MaxOp, nn::MinOp, nn::ReluOp, nn::ClipOp, nn::RoundOp, nn::FloorOp, nn::CeilOp, nn::CastOp, nn::AbsOp,
              nn::NegOp, nn::QuantizeOp, nn::LeakyReluOp, nn::LookupOp>(op);
}

/// Bytes as a function of one value of bytes. Values on the way that are functions of the same one are looked through.
std::optional<Chain> functionOfByte(nn::QuantizeOp root) {
  Chain chain = Chain::of(root, /*stopAtBytes=*/true);
  for (int round = 0; round < 4 && chain.sources.size() > 1 && llvm::all_of(chain.sources, isByte); ++round) {
    // The last source is a function of the others, or nothing is gained.
    Value last = *std::max_element(chain.sources.begin(), chain.sources.end(), [](Value a, Value b) {
      return !a.getDefiningOp() || (b.getDefiningOp() && a.getDefiningOp()->isBeforeInBlock(b.getDefiningOp()));
    });
    if (!last.getDefiningOp<nn::QuantizeOp>())
      return std::nullopt;
    Chain above = Chain::of(last, /*stopAtBytes=*/true);
    llvm::SetVector<Operation *> ops = above.ops;
    ops.insert(chain.ops.begin(), chain.ops.end());
    chain.ops = ops;
    chain.sources.remove(last);
    chain.sources.insert(above.sources.begin(), above.sources.end());
  }
  if (chain.sources.size() != 1 || !isByte(chain.sources.front()) || isConstant(chain.sources.front()))
    return std::nullopt;
  return chain;
}

struct TabulateBytes : impl::TabulateBytesBase<TabulateBytes> {
  ConstantEvaluator *evaluator = nullptr;

  void runOnOperation() override {
    if (!evaluator)
      return;
    SmallVector<Chain> chains;
    getOperation().walk([&](nn::QuantizeOp op) {
      std::optional<Chain> chain = functionOfByte(op);
      if (chain && (llvm::any_of(chain->ops, isElementary) || isByteIdentityCandidate(*chain)))
        chains.push_back(*chain);
    });
    if (chains.empty())
      return;
    OwningOpRef<ModuleOp> module = functions(chains);
    auto blobs = evaluator->evaluate(*module, {});
    if (failed(blobs) || blobs->size() != chains.size()) {
      getOperation().emitError("the tables of ") << chains.size() << " functions of bytes could not be computed";
      return signalPassFailure();
    }
    // The last first: what only it looked through is read by nobody then.
    for (size_t i = chains.size(); i-- > 0;)
      replace(chains[i], (*blobs)[i].getData());
    eraseUnread(chains);
  }

private:
  /// One type in and out, and nothing but a scale and a zero point on the way.
  static bool isByteIdentityCandidate(const Chain &chain) {
    return elementOf(chain.root) == elementOf(chain.sources.front()) &&
           llvm::all_of(chain.ops, [](Operation *op) { return isa<nn::AddOp, nn::SubOp, nn::MulOp, nn::CastOp, nn::QuantizeOp>(op); });
  }

  static Value allBytes(OpBuilder &builder, Location loc, Type element) {
    SmallVector<char> values;
    for (int64_t i = 0; i < kValues; ++i)
      values.push_back(char(i));
    auto type = RankedTensorType::get({kValues}, element);
    return nn::ConstantOp::create(builder, loc, Attribute(DenseElementsAttr::getFromRawBuffer(type, values)), type);
  }

  OwningOpRef<ModuleOp> functions(ArrayRef<Chain> chains) {
    Location loc = getOperation().getLoc();
    OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
    OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
    auto results = llvm::map_to_vector(chains, [](const Chain &chain) -> Type { return RankedTensorType::get({kValues}, elementOf(chain.root)); });
    auto main = func::FuncOp::create(builder, loc, "main", builder.getFunctionType({}, results));
    builder.setInsertionPointToEnd(main.addEntryBlock());
    SmallVector<Value> tables;
    for (const Chain &chain : chains)
      tables.push_back(chain.cloneWithConstants(builder, allBytes(builder, loc, elementOf(chain.sources.front()))));
    func::ReturnOp::create(builder, loc, tables);
    return module;
  }

  void replace(const Chain &chain, ArrayRef<char> table) {
    Value source = chain.sources.front(), root = chain.root;
    if (root.use_empty())
      return;
    bool isIdentity = elementOf(chain.root) == elementOf(source);
    for (int64_t i = 0; i < kValues; ++i)
      isIdentity &= table[i] == char(i);
    Value result = source;
    if (!isIdentity) {
      if (llvm::none_of(chain.ops, isElementary))
        return;
      OpBuilder builder(chain.root.getDefiningOp());
      auto contents = DenseElementsAttr::getFromRawBuffer(RankedTensorType::get({kValues}, elementOf(chain.root)), table);
      result = nn::LookupOp::create(builder, chain.root.getLoc(), source, cast<ElementsAttr>(contents));
    }
    (isIdentity ? removed : tabulated) += 1;
    root.replaceAllUsesWith(result);
  }

  /// Chains share ops.
  static void eraseUnread(ArrayRef<Chain> chains) {
    llvm::SmallPtrSet<Operation *, 32> erased;
    for (const Chain &chain : llvm::reverse(chains))
      for (Operation *op : llvm::reverse(chain.ops))
        if (!erased.contains(op) && op->use_empty()) {
          erased.insert(op);
          op->erase();
        }
  }
};
} // namespace

std::unique_ptr<Pass> createTabulateBytesPass(ConstantEvaluator *evaluator) {
  auto pass = std::make_unique<TabulateBytes>();
  pass->evaluator = evaluator;
  return pass;
}

} // namespace tenon::quantize
