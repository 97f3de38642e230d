#include "mlir/IR/IRMapping.h"
#include "passes/3_fuse/Passes.h"
#include "passes/6_codegen/cpu/ChainSchedule.h"
#include "passes/PassTarget.h"

using namespace mlir;

namespace tenon::fuse {
#define GEN_PASS_DEF_CHAINDEPTHWISE
#include "passes/3_fuse/Passes.h.inc"
namespace {

/// Dispatches that follow on one another: each reads what the one before gives, which nothing else reads.
using Chain = SmallVector<kernel::DispatchOp>;

/// What a chain of kernels computes, as one.
class ChainKernel {
public:
  ChainKernel(const Chain &chain, const SymbolTable &symbols) : chain(chain) {
    for (kernel::DispatchOp dispatch : chain)
      for (Value operand : dispatch.getArgs())
        if (!isInside(operand))
          arguments.insert(operand);
    build(symbols);
  }
  ~ChainKernel() {
    if (func)
      func->erase();
  }

  kernel::FuncOp function() const { return func; }

  /// Replaces the dispatches by one; the kernel becomes a function of the module.
  void commit(SymbolTable &symbols) {
    kernel::DispatchOp last = chain.back();
    symbols.insert(func, Block::iterator(symbols.lookup(last.getKernel())));
    OpBuilder builder(last);
    auto dispatch = kernel::DispatchOp::create(builder, func.getLoc(), last.getResultTypes(), FlatSymbolRefAttr::get(func), arguments.getArrayRef());
    last.replaceAllUsesWith(dispatch);
    for (kernel::DispatchOp old : llvm::reverse(chain)) {
      Operation *kernel = symbols.lookup(old.getKernel());
      old.erase();
      symbols.erase(kernel);
    }
    func = nullptr;
  }

private:
  bool isInside(Value value) const { return llvm::is_contained(chain, value.getDefiningOp<kernel::DispatchOp>()); }

  void build(const SymbolTable &symbols) {
    MLIRContext *context = chain.front().getContext();
    OpBuilder builder(context);
    Location loc = builder.getFusedLoc(llvm::map_to_vector(chain, [](kernel::DispatchOp dispatch) { return dispatch.getLoc(); }));
    auto type = builder.getFunctionType(TypeRange(arguments.getArrayRef()), chain.back().getResultTypes());
    func = kernel::FuncOp::create(builder, loc, chain.back().getKernel(), type);
    Block &body = func.getBody().front();
    builder.setInsertionPointToEnd(&body);
    IRMapping known; // from values around the dispatches to values in the kernel
    for (auto [value, argument] : llvm::zip(arguments, body.getArguments()))
      known.map(value, Value(argument));
    SmallVector<Value> returned;
    for (kernel::DispatchOp dispatch : chain) {
      auto part = symbols.lookup<kernel::FuncOp>(dispatch.getKernel());
      IRMapping mapping;
      for (auto [argument, operand] : llvm::zip(part.getBody().getArguments(), dispatch.getArgs()))
        mapping.map(Value(argument), known.lookup(operand));
      for (Operation &op : part.getBody().front().without_terminator())
        builder.clone(op, mapping);
      returned.clear();
      for (auto [result, value] : llvm::zip(dispatch.getOuts(), part.terminator().getOperands())) {
        returned.push_back(mapping.lookup(value));
        known.map(Value(result), returned.back());
      }
    }
    kernel::ReturnOp::create(builder, loc, returned);
    kernel::collectSymbols(func);
  }

  Chain chain;
  llvm::SetVector<Value> arguments;
  kernel::FuncOp func;
};

struct ChainDepthwise : impl::ChainDepthwiseBase<ChainDepthwise> {
  using ChainDepthwiseBase::ChainDepthwiseBase;
  explicit ChainDepthwise(const Target &target) : given(target) { targetName = target.name; }

  void runOnOperation() override {
    FailureOr<Target> target = passTarget(getOperation(), given, targetName);
    if (failed(target))
      return signalPassFailure();
    SymbolTable symbols(getOperation());
    SmallVector<kernel::DispatchOp> filters;
    getOperation().walk([&](kernel::DispatchOp dispatch) {
      if (auto conv = convolutionOf(dispatch, symbols); conv && conv.getGroups() > 1)
        filters.push_back(dispatch);
    });
    for (kernel::DispatchOp dispatch : filters)
      join(dispatch, symbols, *target);
  }

private:
  /// The convolution of a kernel that has one, reads constant filters, and gives one result.
  static nn::ConvOp convolutionOf(kernel::DispatchOp dispatch, const SymbolTable &symbols) {
    auto func = dispatch ? symbols.lookup<kernel::FuncOp>(dispatch.getKernel()) : kernel::FuncOp();
    if (!func || func.getNumResults() != 1 || !llvm::hasSingleElement(func.getBody().getOps<nn::ConvOp>()))
      return {};
    nn::ConvOp conv = *func.getBody().getOps<nn::ConvOp>().begin();
    auto weight = dyn_cast<BlockArgument>(conv.getWeight());
    auto constant = weight ? dispatch.getArgs()[weight.getArgNumber()].getDefiningOp<nn::ConstantOp>() : nn::ConstantOp();
    return constant && isa<ElementsAttr>(constant.getValue()) ? conv : nn::ConvOp();
  }

  /// The dispatch of a convolution that alone reads the result of `dispatch`.
  static kernel::DispatchOp readerOf(kernel::DispatchOp dispatch, const SymbolTable &symbols) {
    if (!dispatch->hasOneUse())
      return {};
    auto reader = dyn_cast<kernel::DispatchOp>(*dispatch->user_begin());
    return convolutionOf(reader, symbols) ? reader : kernel::DispatchOp();
  }

  void join(kernel::DispatchOp filter, SymbolTable &symbols, const Target &target) {
    nn::ConvOp conv = convolutionOf(filter, symbols);
    auto input = dyn_cast<BlockArgument>(conv.getInput());
    auto before = input ? filter.getArgs()[input.getArgNumber()].getDefiningOp<kernel::DispatchOp>() : kernel::DispatchOp();
    if (!convolutionOf(before, symbols) || readerOf(before, symbols) != filter)
      before = {};
    kernel::DispatchOp after = readerOf(filter, symbols);
    SmallVector<Chain> forms;
    if (before && after)
      forms.push_back({before, filter, after});
    if (before)
      forms.push_back({before, filter});
    if (after)
      forms.push_back({filter, after});

    constexpr double kWorthIt = 0.02; // of the kernels' time
    double most = 0;
    const Chain *best = nullptr;
    for (const Chain &chain : forms)
      if (cpu::ChainGain gain = gainOf(chain, symbols, target); gain.won > std::max(most, kWorthIt * gain.separate)) {
        most = gain.won;
        best = &chain;
      }
    if (!best)
      return;
    ChainKernel(*best, symbols).commit(symbols);
    ++chains;
  }

  static cpu::ChainGain gainOf(const Chain &chain, const SymbolTable &symbols, const Target &target) {
    ChainKernel kernel(chain, symbols);
    std::optional<cpu::ChainProblem> problem = cpu::ChainProblem::of(kernel.function());
    return problem ? cpu::chainGain(*problem, target) : cpu::ChainGain();
  }

  std::optional<Target> given;
};

} // namespace

std::unique_ptr<Pass> createChainDepthwise(const Target &target) {
  return std::make_unique<ChainDepthwise>(target);
}

} // namespace tenon::fuse
