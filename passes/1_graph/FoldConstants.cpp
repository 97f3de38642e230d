#include "passes/1_graph/FoldConstants.h"
#include "dialects/nn/PackedWeights.h"
#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinDialect.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/IRMapping.h"
#include <cstring>

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_FOLDCONSTANTS
#include "passes/1_graph/Passes.h.inc"
namespace {

/// Results up to this many bytes become `dense`, larger ones blobs.
constexpr int64_t kDenseBytes = 1024;
/// A result that is larger than this and than 4 times its operands is cheaper to compute at run time than to store.
constexpr int64_t kLargeBytes = 1 << 20;
constexpr int64_t kGrowth = 4;

/// Bytes of a static tensor as blobs store it (booleans one byte each); none where that is not known.
std::optional<int64_t> bytesOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !tensor.hasStaticShape() || !tensor.getElementType().isIntOrFloat())
    return std::nullopt;
  return tensor.getNumElements() * llvm::divideCeil(tensor.getElementTypeBitWidth(), 8);
}

bool dependsOnSymbols(Operation *op) {
  return llvm::any_of(op->getAttrs(), [](NamedAttribute attr) {
    auto dims = dyn_cast<nn::DimsAttr>(attr.getValue());
    return dims && llvm::any_of(dims.dims(), [](nn::Dim d) { return !d.isConstant(); });
  });
}

ElementsAttr toAttribute(AsmResourceBlob blob, RankedTensorType type, const std::string &name) {
  ArrayRef<char> data = blob.getData();
  if (*bytesOf(type) > kDenseBytes) {
    auto &manager = DenseResourceElementsHandle::getManagerInterface(type.getContext());
    return DenseResourceElementsAttr::get(type, manager.insert(name, std::move(blob)));
  }
  if (type.getElementType().isInteger(1)) {
    auto flags = llvm::map_to_vector(data, [](char c) { return c != 0; });
    return DenseElementsAttr::get(type, ArrayRef<bool>(flags));
  }
  return DenseElementsAttr::getFromRawBuffer(type, data);
}

/// The part of one function that constants alone determine.
class ConstantPart {
public:
  ConstantPart(func::FuncOp func, bool everything) : everything(everything) {
    for (Operation &op : func.getBody().front())
      if (canFold(&op))
        known.insert(&op);
    for (Operation *op : known)
      for (Value result : op->getResults())
        if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !known.contains(user); }))
          roots.push_back(result);
    keepNeeded();
  }

  llvm::SetVector<Operation *> known; // in the order of the function
  bool everything;                    // whatever the size of the results
  SmallVector<Value> roots;           // values that the rest of the function reads

  /// The part as a function of its own. Blobs become arguments, small constants stay inside.
  OwningOpRef<ModuleOp> outline(Location loc, SmallVectorImpl<ArrayRef<char>> &inputs) const {
    OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
    OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
    auto type = builder.getFunctionType({}, llvm::map_to_vector(roots, [](Value v) { return v.getType(); }));
    auto main = func::FuncOp::create(builder, loc, "main", type);
    Block *body = main.addEntryBlock();
    builder.setInsertionPointToEnd(body);
    IRMapping mapping;
    for (Operation *op : known) {
      for (Value operand : op->getOperands())
        if (!mapping.contains(operand))
          mapping.map(operand, import(operand, body, builder, inputs));
      builder.clone(*op, mapping);
    }
    func::ReturnOp::create(builder, loc, llvm::map_to_vector(roots, [&](Value v) { return mapping.lookup(v); }));
    main.setFunctionType(builder.getFunctionType(body->getArgumentTypes(), type.getResults()));
    for (auto [i, argument] : llvm::enumerate(main.getArgumentTypes()))
      if (isPart(argument))
        main.setArgAttr(i, "nn.type", asBytes(argument));
    for (auto [i, result] : llvm::enumerate(main.getResultTypes()))
      if (isPart(result))
        main.setResultAttr(i, "nn.type", asBytes(result));
    return module;
  }

private:
  /// Constants of less than a byte have one byte an element, as everywhere inside a plan; a signature would pack them.
  static bool isPart(Type type) { return getElementTypeOrSelf(type).getIntOrFloatBitWidth() < 8 && !getElementTypeOrSelf(type).isInteger(1); }
  static TypeAttr asBytes(Type type) {
    return TypeAttr::get(nn::withElement(cast<RankedTensorType>(type), IntegerType::get(type.getContext(), 8)));
  }

  bool isKnown(Value value) const { return isConstant(value) || known.contains(value.getDefiningOp()); }

  bool canFold(Operation *op) const {
    if (!isa_and_nonnull<nn::NNDialect>(op->getDialect()) || isa<nn::ConstantOp>(op) || op->getNumOperands() == 0 ||
        op->getNumRegions() != 0 || !isMemoryEffectFree(op) || nn::isKeptPacked(op) || !llvm::all_of(op->getOperands(), [&](Value v) { return isKnown(v); }) || dependsOnSymbols(op))
      return false;
    int64_t read = 0, written = 0;
    for (Type type : op->getOperandTypes())
      read += bytesOf(type).value_or(0);
    for (Type type : op->getResultTypes()) {
      auto bytes = bytesOf(type);
      if (!bytes)
        return false;
      written += *bytes;
    }
    return everything || written <= kLargeBytes || written <= kGrowth * read;
  }

  /// Drops known ops that no root needs: dead code is not worth compiling.
  void keepNeeded() {
    llvm::SetVector<Operation *> needed;
    SmallVector<Operation *> work;
    for (Value root : roots)
      work.push_back(root.getDefiningOp());
    while (!work.empty()) {
      Operation *op = work.pop_back_val();
      if (op && known.contains(op) && needed.insert(op))
        for (Value operand : op->getOperands())
          work.push_back(operand.getDefiningOp());
    }
    known.remove_if([&](Operation *op) { return !needed.contains(op); });
  }

  static Value import(Value value, Block *body, OpBuilder &builder, SmallVectorImpl<ArrayRef<char>> &inputs) {
    auto constant = value.getDefiningOp<nn::ConstantOp>();
    if (auto resource = dyn_cast<DenseResourceElementsAttr>(constant.getValue()))
      if (AsmResourceBlob *blob = resource.getRawHandle().getBlob()) {
        inputs.push_back(blob->getData());
        return body->addArgument(value.getType(), value.getLoc());
      }
    return builder.clone(*constant)->getResult(0);
  }
};

struct FoldConstants : impl::FoldConstantsBase<FoldConstants> {
  FoldConstants(ConstantEvaluator *evaluator, bool everything) : evaluator(evaluator) { this->everything = everything; }

  ConstantEvaluator *evaluator;

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (func.isExternal())
      return;
    ConstantPart part(func, everything);
    foldable += part.known.size();
    if (part.roots.empty() || !evaluator)
      return;
    SmallVector<ArrayRef<char>> inputs;
    OwningOpRef<ModuleOp> module = part.outline(func.getLoc(), inputs);
    auto blobs = evaluator->evaluate(*module, inputs);
    if (failed(blobs) || blobs->size() != part.roots.size()) {
      func.emitError("the constant part of the model could not be evaluated (") << part.known.size() << " operations)";
      return signalPassFailure();
    }
    replace(part, *blobs, func.getName());
  }

  void replace(ConstantPart &part, MutableArrayRef<AsmResourceBlob> blobs, StringRef function) {
    // Plans hold the names: those of functions that are folded at once must not depend on which one comes first.
    std::string prefix = function == "main" ? "folded_" : ("folded_" + function + "_").str();
    for (auto [index, root] : llvm::enumerate(part.roots)) {
      auto type = cast<RankedTensorType>(root.getType());
      if (int64_t(blobs[index].getData().size()) != *bytesOf(type)) {
        emitError(root.getLoc(), "constant folding gave ") << blobs[index].getData().size() << " bytes for " << type;
        return signalPassFailure();
      }
      OpBuilder builder(root.getDefiningOp());
      auto value = toAttribute(std::move(blobs[index]), type, prefix + std::to_string(index));
      auto constant = nn::ConstantOp::create(builder, root.getLoc(), Attribute(value), type);
      root.replaceUsesWithIf(constant, [&](OpOperand &use) { return !part.known.contains(use.getOwner()); });
    }
    for (Operation *op : llvm::reverse(part.known.getArrayRef()))
      if (op->use_empty())
        op->erase();
    folded += part.known.size();
  }
};

} // namespace

std::unique_ptr<Pass> createFoldConstantsPass(ConstantEvaluator *evaluator, bool everything) {
  return std::make_unique<FoldConstants>(evaluator, everything);
}

} // namespace tenon::graph
