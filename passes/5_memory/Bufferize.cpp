// @main on tensors becomes plan.func on buffers.
#include "dialects/plan/Parts.h"
#include "dialects/plan/Plan.h"
#include "passes/5_memory/Passes.h"
#include "passes/PassTarget.h"
#include "passes/5_memory/Placement.h"

namespace tenon::memory {
#define GEN_PASS_DEF_BUFFERIZE
#include "passes/5_memory/Passes.h.inc"

namespace {
using namespace mlir;

/// Writes the plan.func of one function.
class Writer {
public:
  Writer(func::FuncOp func, StridedKernels &kernels, const Placement &placement)
      : func(func), kernels(kernels), placement(placement), sizes(func.front()), builder(func), type(plan::BufferType::get(func.getContext())) {}

  void write() {
    SmallVector<Attribute> inputNames, outputNames, inputTypes, outputTypes;
    for (auto [i, type] : llvm::enumerate(func.getArgumentTypes())) {
      inputNames.push_back(nameOf(func.getArgAttr(i, "nn.name"), "input", i));
      inputTypes.push_back(declaredType(func.getArgAttr(i, "nn.type"), type));
    }
    for (auto [i, type] : llvm::enumerate(func.getResultTypes())) {
      outputNames.push_back(nameOf(func.getResultAttr(i, "nn.name"), "output", i));
      outputTypes.push_back(declaredType(func.getResultAttr(i, "nn.type"), type));
    }
    auto partsOf = [&](unsigned count, auto attributeOf) {
      SmallVector<Attribute> parts;
      for (unsigned i = 0; i < count; ++i) {
        Attribute value = attributeOf(i, "nn.value"), part = attributeOf(i, "nn.part");
        parts.push_back(value && part ? builder.getDictionaryAttr({builder.getNamedAttr("value", value), builder.getNamedAttr("part", part)})
                                      : builder.getDictionaryAttr({}));
      }
      return parts;
    };
    auto inputParts = partsOf(func.getNumArguments(), [&](unsigned i, StringRef name) { return func.getArgAttr(i, name); });
    auto outputParts = partsOf(func.getNumResults(), [&](unsigned i, StringRef name) { return func.getResultAttr(i, name); });
    auto planFunc = plan::FuncOp::create(builder, func.getLoc(), func.getName(), builder.getArrayAttr(inputTypes),
                                         builder.getArrayAttr(outputTypes), builder.getArrayAttr(inputNames),
                                         builder.getArrayAttr(outputNames), IntegerAttr(), IntegerAttr(), IntegerAttr());
    setParts(planFunc, plan::kInputParts, inputParts);
    setParts(planFunc, plan::kOutputParts, outputParts);
    builder.createBlock(&planFunc.getBody());

    auto returns = func.front().getTerminator();
    for (auto [i, argument] : llvm::enumerate(func.getArguments()))
      roots[argument] = plan::InputOp::create(builder, argument.getLoc(), type, i);
    for (OpOperand &operand : returns->getOpOperands())
      placeOutput(operand.get(), operand.getOperandNumber());
    for (Operation &op : func.front()) {
      if (auto dispatch = dyn_cast<kernel::DispatchOp>(op); dispatch && !placement.isView(dispatch))
        launch(dispatch);
      if (auto read = dyn_cast<nn::ReadSizesOp>(op))
        plan::ReadSizesOp::create(builder, read.getLoc(), buffer(read.getInput()), read.getSymbols(),
                                  cast<ShapedType>(read.getInput().getType()).getElementType());
      if (auto branch = dyn_cast<nn::IfOp>(op))
        call(branch);
      if (auto loop = dyn_cast<nn::LoopOp>(op))
        call(loop);
      if (auto require = dyn_cast<nn::RequireOp>(op))
        plan::RequireOp::create(builder, require.getLoc(), require.getLeft(), require.getRight(), require.getWhat(), require.getAtMost());
    }
    for (OpOperand &operand : returns->getOpOperands())
      copyOutput(operand.get(), operand.getOperandNumber());
  }

private:
  /// Inputs and outputs that are tensors, as nearly all are, say nothing.
  void setParts(plan::FuncOp planFunc, StringRef name, ArrayRef<Attribute> parts) {
    if (llvm::any_of(parts, [](Attribute part) { return !cast<DictionaryAttr>(part).empty(); }))
      planFunc->setAttr(name, builder.getArrayAttr(parts));
  }
  Attribute nameOf(Attribute given, StringRef kind, unsigned index) {
    return given ? given : builder.getStringAttr(kind + Twine(index));
  }

  /// The type that callers see, where the memory is typed otherwise: packed elements are bytes to the compiler.
  static Attribute declaredType(Attribute declared, Type type) { return declared ? declared : TypeAttr::get(type); }

  nn::Dim bytesOf(Type tensor) { return nn::numElements(tensor) * nn::elementBytes(tensor); }

  /// The producer of an output writes into it, unless that buffer is an input, a constant, a view or another output already, or the output's
  /// size is not known yet when the producer runs.
  void placeOutput(Value value, unsigned index) {
    outputs.push_back(plan::OutputOp::create(builder, value.getLoc(), type, index));
    Value base = throughReshapes(value);
    auto producer = base.getDefiningOp<kernel::DispatchOp>();
    if (producer && placement.of(base).owner == base && sizes.isKnown(value.getType(), producer))
      roots.try_emplace(base, outputs.back());
  }

  void copyOutput(Value value, unsigned index) {
    Value source = buffer(value);
    if (source != outputs[index])
      plan::CopyOp::create(builder, value.getLoc(), source, outputs[index], bytesOf(value.getType()).attr());
  }

  Value root(Value owner) {
    Value &root = roots[owner];
    if (root)
      return root;
    OpBuilder::InsertionGuard guard(builder);
    if (auto constant = owner.getDefiningOp<nn::ConstantOp>())
      return root = plan::ConstantOp::create(builder, owner.getLoc(), type, constant.getValue());
    return root = plan::AllocOp::create(builder, owner.getLoc(), type, bytesOf(owner.getType()).attr(), 64, IntegerAttr());
  }

  Value buffer(Value value) {
    const Place &place = placement.of(value);
    Value base = root(place.owner);
    if (place.offset.isConstant(0))
      return base;
    nn::Dim bytes = place.offset * nn::elementBytes(place.owner.getType());
    return plan::ViewOp::create(builder, value.getLoc(), type, base, bytes.attr());
  }

  nn::DimsAttr stridesOf(Value value) {
    ArrayRef<nn::Dim> strides = placement.of(value).strides;
    return isDense(value.getType(), strides) ? nn::DimsAttr() : nn::dimsAttr(value.getContext(), strides);
  }

  void launch(kernel::DispatchOp dispatch) {
    SmallVector<nn::DimsAttr> argumentStrides, resultStrides;
    SmallVector<Value> arguments, results;
    for (Value value : dispatch.getArgs()) {
      argumentStrides.push_back(stridesOf(value));
      arguments.push_back(buffer(value));
    }
    for (Value value : dispatch.getOuts()) {
      resultStrides.push_back(stridesOf(value));
      results.push_back(buffer(value));
    }
    kernel::FuncOp kernelFunc = kernels.variant(kernels.lookup(dispatch), argumentStrides, resultStrides);
    Value workspace;
    nn::Dim tasks(*kernelFunc.getTasks());
    if (int64_t bytes = kernelFunc.getWorkspaceBytes())
      workspace = plan::AllocOp::create(builder, dispatch.getLoc(), type, (tasks * bytes).attr(), 64, IntegerAttr());
    plan::LaunchOp::create(builder, dispatch.getLoc(), kernelFunc.getSymName(), arguments, results, workspace, tasks.attr());
  }

  SmallVector<Value> buffers(ValueRange values) {
    return llvm::map_to_vector(values, [&](Value value) { return buffer(value); });
  }
  ArrayAttr typesOf(ValueRange values) { return builder.getTypeArrayAttr(SmallVector<Type>(values.getTypes())); }

  /// The memory of a call's results is the called plan's.
  void takeResults(Operation *from, Operation *call) {
    for (auto [value, result] : llvm::zip_equal(from->getResults(), call->getResults()))
      roots[value] = result;
  }

  void call(nn::IfOp op) {
    SmallVector<Type> results(op.getNumResults(), type);
    auto made = plan::IfOp::create(builder, op.getLoc(), results, buffer(op.getCondition()), op.getThenFuncAttr(), buffers(op.getThenArgs()),
                                   op.getElseFuncAttr(), buffers(op.getElseArgs()), typesOf(op.getThenArgs()), typesOf(op.getElseArgs()),
                                   typesOf(op.getOuts()), op.getSymbols());
    takeResults(op, made);
  }

  void call(nn::LoopOp op) {
    SmallVector<Type> results(op.getNumResults(), type);
    SmallVector<Value> arguments(op.getCarried());
    llvm::append_range(arguments, op.getScanned());
    llvm::append_range(arguments, op.getCaptured());
    auto optional = [&](Value value) { return value ? buffer(value) : Value(); };
    auto made = plan::LoopOp::create(builder, op.getLoc(), results, optional(op.getTrips()), optional(op.getCondition()), buffers(op.getCarried()),
                                     buffers(op.getScanned()), buffers(op.getCaptured()), op.getBodyAttr(), typesOf(arguments), typesOf(op.getOuts()),
                                     op.getSymbols(), op.getCounts() ? builder.getUnitAttr() : UnitAttr());
    takeResults(op, made);
  }

  func::FuncOp func;
  StridedKernels &kernels;
  const Placement &placement;
  kernel::SizeDefinitions sizes;
  OpBuilder builder;
  Type type;
  llvm::DenseMap<Value, Value> roots;
  SmallVector<Value> outputs;
};

class BufferizePass : public impl::BufferizeBase<BufferizePass> {
public:
  using BufferizeBase::BufferizeBase;
  explicit BufferizePass(const Target &target) : given(target) { targetName = target.name; }

  void runOnOperation() override {
    FailureOr<Target> target = passTarget(getOperation(), given, targetName);
    if (failed(target))
      return signalPassFailure();
    ModuleOp module = getOperation();
    StridedKernels kernels(module, *target);
    for (auto func : llvm::make_early_inc_range(module.getOps<func::FuncOp>())) {
      if (failed(check(func)))
        return signalPassFailure();
      Placement placement(func, kernels, inPlace);
      Writer(func, kernels, placement).write();
      views += placement.views;
      copies += placement.copies;
      overwritten += placement.overwritten;
      func.erase();
    }
    variants += kernels.variants;
    eraseUnusedKernels(module);
  }

private:
  LogicalResult check(func::FuncOp func) {
    if (!func.getBody().hasOneBlock())
      return func.emitError("expected one block");
    for (Operation &op : func.front().without_terminator()) {
      if (!isa<kernel::DispatchOp, nn::ConstantOp, nn::ReshapeOp, nn::ReadSizesOp, nn::RequireOp, nn::IfOp, nn::LoopOp>(op))
        return op.emitError("expected only dispatches, constants, reshapes, calls and definitions of sizes after the phase fuse, found '")
               << op.getName() << "'";
      if (auto constant = dyn_cast<nn::ConstantOp>(op); constant && !isa<ElementsAttr>(constant.getValue()))
        return op.emitError("sizes are not data here: expected them inside a kernel");
    }
    return success();
  }

  void eraseUnusedKernels(ModuleOp module) {
    llvm::DenseSet<StringRef> used;
    module.walk([&](plan::LaunchOp launch) { used.insert(launch.getKernel()); });
    for (auto func : llvm::make_early_inc_range(module.getOps<kernel::FuncOp>()))
      if (!used.contains(func.getSymName()))
        func.erase();
  }

  std::optional<Target> given;
};
} // namespace

std::unique_ptr<Pass> createBufferize(const Target &target) { return std::make_unique<BufferizePass>(target); }

void buildMemoryPipeline(OpPassManager &pm, const Target &target) {
  pm.addNestedPass<func::FuncOp>(createOrderDispatches());
  pm.addPass(createBufferize(target));
  if (target.isGpu())
    pm.addPass(createMergeLaunches(target));
  pm.addPass(createPackArena());
}

} // namespace tenon::memory
