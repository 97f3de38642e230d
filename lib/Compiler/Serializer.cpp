#include "lib/Compiler/Serializer.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Parts.h"
#include "include/tenon/compiler.h"
#include "lib/Plan/PlanWriter.h"
#include "passes/6_codegen/cpu/DotBfloat.h"
#include "passes/6_codegen/cpu/KernelFamily.h"
#include "passes/6_codegen/gpu/Libraries.h"
#include "passes/6_codegen/gpu/TensorMaps.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/TargetParser/Triple.h"
#include <list>

namespace tenon {
using namespace mlir;

static void collectNames(Location location, llvm::SetVector<StringRef> &names) {
  if (auto fused = dyn_cast<FusedLoc>(location))
    for (Location part : fused.getLocations())
      collectNames(part, names);
  else if (auto named = dyn_cast<NameLoc>(location))
    names.insert(named.getName());
}

std::vector<std::string> sourceNames(Location location) {
  llvm::SetVector<StringRef> names;
  collectNames(location, names);
  return {names.begin(), names.end()};
}

static tn_dtype dtypeOf(Type element) {
  if (auto type = dyn_cast<IntegerType>(element)) {
    bool isUnsigned = type.isUnsigned();
    switch (type.getWidth()) {
    case 1: return TN_BOOL;
    case 2: return isUnsigned ? TN_U2 : TN_I2;
    case 4: return isUnsigned ? TN_U4 : TN_I4;
    case 8: return isUnsigned ? TN_U8 : TN_I8;
    case 16: return isUnsigned ? TN_U16 : TN_I16;
    case 32: return isUnsigned ? TN_U32 : TN_I32;
    case 64: return isUnsigned ? TN_U64 : TN_I64;
    }
  }
  return llvm::TypeSwitch<Type, tn_dtype>(element)
      .Case<Float32Type>([](Type) { return TN_F32; })
      .Case<Float16Type>([](Type) { return TN_F16; })
      .Case<BFloat16Type>([](Type) { return TN_BF16; })
      .Case<Float64Type>([](Type) { return TN_F64; })
      .Case<Float8E4M3FNType>([](Type) { return TN_F8E4M3FN; })
      .Case<Float8E5M2Type>([](Type) { return TN_F8E5M2; })
      .Case<Float8E4M3FNUZType>([](Type) { return TN_F8E4M3FNUZ; })
      .Case<Float8E5M2FNUZType>([](Type) { return TN_F8E5M2FNUZ; })
      .Case<Float8E8M0FNUType>([](Type) { return TN_F8E8M0; })
      .Case<Float4E2M1FNType>([](Type) { return TN_F4E2M1; })
      .Default(TN_DTYPE_NONE);
}

namespace {

/// What the plans of a module share.
struct Shared {
  Shared(ModuleOp module, const CodeImage &code, const Target &target) : code(code), target(target), symbols(module) {}
  const CodeImage &code;
  const Target &target;
  SymbolTable symbols;
  std::vector<plan::Plan> plans; // that steps call, callers before the called
  llvm::DenseMap<Attribute, plan::Constant> constants;
  std::list<std::vector<char>> storage;
};

/// One plan.func, and what it calls.
class FunctionSerializer {
public:
  FunctionSerializer(Shared &shared, bool isCalled) : code(shared.code), symbols(shared.symbols), shared(shared), isCalled(isCalled) {}

  FailureOr<plan::Plan> run(plan::FuncOp func) {
    describeTarget();
    if (failed(bindSymbols(func)) || failed(describeSignature(func)))
      return failure();
    for (Operation &op : func.getBody().front())
      if (failed(visit(op)))
        return failure();
    for (auto &[buffer, lifetime] : lifetimes) {
      plan::Buffer &slot = result.buffers[operands[buffer].index];
      slot.first = lifetime.first;
      slot.last = lifetime.second;
    }
    result.exprs = exprs.exprs();
    result.memory = {int64_t(func.getArenaBytes().value_or(-1)), int64_t(func.getLowerBound().value_or(-1)), int64_t(func.getNaiveBytes().value_or(-1))};
    return std::move(result);
  }

  /// Names of the symbols that the caller has to give, in their order.
  SmallVector<std::string> given;

private:
  void describeTarget() {
    const Target &target = shared.target;
    llvm::Triple triple(target.triple);
    if (target.isGpu())
      result.target = {"cuda", target.gpuArch(), target.name, {}, 64};
    else
      result.target = {"cpu", triple.getArchName().str(), target.cpu, isCalled ? std::vector<std::string>() : requiredFeatures(), 64};
  }

  /// Of a CPU: what all code may use, and what single kernels do.
  std::vector<std::string> requiredFeatures() const {
    std::vector<std::string> features = shared.target.required;
    auto module = cast<ModuleOp>(symbols.getOp());
    if (llvm::any_of(module.getOps<kernel::FuncOp>(), cpu::usesTilesOfBf16))
      features.push_back("amx-bf16");
    return features;
  }

  /// A symbol is the size of the first input axis that is just that symbol, or what a step defines.
  LogicalResult bindSymbols(plan::FuncOp func) {
    for (auto [input, type] : llvm::enumerate(func.getInputs().getAsValueRange<TypeAttr>()))
      for (auto [axis, dim] : llvm::enumerate(nn::dimsOf(type)))
        if (auto name = dim.asSymbol(); name && symbolIds.try_emplace(*name, result.symbols.size()).second)
          result.symbols.push_back({name->str(), uint32_t(input), uint32_t(axis)});
    uint32_t step = 0, firstResult = 0;
    auto define = [&](StringRef name, uint32_t index, uint32_t axis, Operation &op) -> LogicalResult {
      if (!symbolIds.try_emplace(name, result.symbols.size()).second)
        return op.emitError("defines the size '") << name << "' a second time";
      result.symbols.push_back({name.str(), index, axis, 0, INT64_MAX, plan::SymbolSource::Step, step});
      return success();
    };
    for (Operation &op : func.getBody().front()) {
      if (auto read = dyn_cast<plan::ReadSizesOp>(op))
        for (auto [element, name] : llvm::enumerate(read.getSymbols().getAsValueRange<StringAttr>()))
          if (failed(define(name, 0, element, op)))
            return failure();
      if (isa<plan::IfOp, plan::LoopOp>(op)) {
        for (StringRef name : op.getAttrOfType<ArrayAttr>("symbols").getAsValueRange<StringAttr>()) {
          auto [index, axis] = placeOf(name, op);
          if (index < 0)
            return op.emitError("defines the size '") << name << "', which no axis of its results has";
          if (failed(define(name, firstResult + index, axis, op)))
            return failure();
        }
        firstResult += op.getNumResults();
      }
      step += plan::isStep(&op);
    }
    return success();
  }

  /// The result and the axis whose size is `symbol`; -1 where there is none.
  static std::pair<int, int> placeOf(StringRef symbol, Operation &op) {
    for (auto [index, type] : llvm::enumerate(op.getAttrOfType<ArrayAttr>("result_types").getAsValueRange<TypeAttr>()))
      for (auto [axis, dim] : llvm::enumerate(nn::dimsOf(type)))
        if (dim.asSymbol() == symbol)
          return {int(index), int(axis)};
    return {-1, -1};
  }

  FailureOr<plan::ExprId> expr(nn::Dim dim, Operation *user) {
    if (dim.isOverflow())
      return user->emitError("a size of it overflows, or is an expression of too many terms");
    SmallVector<StringRef> names;
    dim.collectSymbols(names);
    for (StringRef name : names)
      if (isCalled && symbolIds.try_emplace(name, result.symbols.size()).second) {
        result.symbols.push_back({name.str(), 0, 0, 0, INT64_MAX, plan::SymbolSource::Caller, 0});
        given.push_back(name.str());
      } else if (!symbolIds.contains(name))
        return user->emitError("depends on the size '") << name << "', which is no input's dimension and which no step defines";
    using plan::ExprId;
    using plan::ExprOp;
    auto binary = [&](ExprOp op) { return [this, op](ExprId a, ExprId b) { return exprs.binary(op, a, b); }; };
    auto add = binary(ExprOp::Add), mul = binary(ExprOp::Mul), div = binary(ExprOp::FloorDiv), mod = binary(ExprOp::Mod),
         min = binary(ExprOp::Min), max = binary(ExprOp::Max);
    auto constant = [&](int64_t value) { return exprs.constant(value); };
    auto symbol = [&](StringRef name) { return exprs.symbol(symbolIds.lookup(name)); };
    return dim.fold<ExprId>({constant, symbol, add, mul, div, mod, min, max});
  }

  FailureOr<plan::Tensor> describe(Type type, StringRef name, Operation *op) {
    plan::Tensor tensor{name.str(), dtypeOf(cast<ShapedType>(type).getElementType()), {}, {}, {}};
    if (tensor.dtype == TN_DTYPE_NONE)
      return op->emitError("'") << name << "' has the element type " << type << ", which plans cannot hold";
    for (nn::Dim dim : nn::dimsOf(type)) {
      FailureOr<plan::ExprId> id = expr(dim, op);
      if (failed(id))
        return failure();
      tensor.dims.push_back(*id);
      tensor.dimText.push_back(dim.isConstant() ? "" : dim.str());
    }
    return tensor;
  }

  /// What a tensor is of the model's input or output: see 5_memory/Bufferize.cpp.
  LogicalResult describePart(Attribute attribute, plan::Tensor &tensor, Operation *op) {
    auto entry = dyn_cast<DictionaryAttr>(attribute);
    if (!entry || entry.empty())
      return success(bool(entry));
    auto value = entry.getAs<StringAttr>("value"), part = entry.getAs<StringAttr>("part");
    tensor.part = llvm::StringSwitch<tn_part>(part ? part.getValue() : "")
                      .Case("present", TN_PART_PRESENT)
                      .Case("data", TN_PART_DATA)
                      .Case("shapes", TN_PART_SHAPES)
                      .Case("bytes", TN_PART_BYTES)
                      .Case("ends", TN_PART_ENDS)
                      .Default(TN_PART_WHOLE);
    if (!value || tensor.part == TN_PART_WHOLE)
      return op->emitError("'") << tensor.name << "' is part of an input or output in a way that is not known: " << attribute;
    tensor.value = value.str();
    return success();
  }

  LogicalResult describeSignature(plan::FuncOp func) {
    auto all = [&](ArrayAttr types, ArrayAttr names, StringRef parts, std::vector<plan::Tensor> &out) -> LogicalResult {
      auto listed = func->getAttrOfType<ArrayAttr>(parts);
      for (auto [i, type, name] : llvm::enumerate(types.getAsValueRange<TypeAttr>(), names.getAsValueRange<StringAttr>())) {
        FailureOr<plan::Tensor> tensor = describe(type, name, func);
        if (failed(tensor))
          return failure();
        if (listed && i < listed.size() && failed(describePart(listed[i], *tensor, func)))
          return failure();
        out.push_back(std::move(*tensor));
      }
      return success();
    };
    return success(succeeded(all(func.getInputs(), func.getInputNames(), plan::kInputParts, result.inputs)) &&
                   succeeded(all(func.getOutputs(), func.getOutputNames(), plan::kOutputParts, result.outputs)));
  }

  LogicalResult visit(Operation &op) {
    return llvm::TypeSwitch<Operation *, LogicalResult>(&op)
        .Case<plan::InputOp>([&](plan::InputOp input) { return place(input.getBuffer(), plan::OperandKind::Input, input.getIndex()); })
        .Case<plan::OutputOp>([&](plan::OutputOp output) { return place(output.getBuffer(), plan::OperandKind::Output, output.getIndex()); })
        .Case<plan::ConstantOp, plan::AllocOp, plan::ViewOp, plan::LaunchOp, plan::CopyOp, plan::ReadSizesOp, plan::RequireOp, plan::IfOp, plan::LoopOp>(
            [&](auto each) { return add(each); })
        .Default([](Operation *other) { return other->emitError("cannot be serialized"); });
  }

  LogicalResult place(Value buffer, plan::OperandKind kind, uint32_t index) {
    operands[buffer] = {kind, index, exprs.constant(0)};
    return success();
  }

  LogicalResult add(plan::ConstantOp op) {
    // Equal attributes are one constant: several ops may hold the same one.
    auto [entry, isNew] = constantIds.try_emplace(op.getValue(), result.constants.size());
    if (isNew) {
      auto [made, isFirst] = shared.constants.try_emplace(op.getValue());
      if (isFirst) {
        FailureOr<plan::Constant> constant = constantOf(op);
        if (failed(constant))
          return failure();
        made->second = *constant;
      }
      result.constants.push_back(made->second);
    }
    return place(op.getBuffer(), plan::OperandKind::Constant, entry->second);
  }

  FailureOr<plan::Constant> constantOf(plan::ConstantOp op) {
    if (auto resource = dyn_cast<DenseResourceElementsAttr>(op.getValue())) {
      AsmResourceBlob *blob = resource.getRawHandle().getBlob();
      if (!blob)
        return op.emitError("the weights '") << resource.getRawHandle().getKey() << "' are missing: compile from the folder that --dump-phases wrote";
      return plan::Constant{resource.getRawHandle().getKey().str(), blob->getData().data(), blob->getData().size()};
    }
    if (auto dense = dyn_cast<DenseElementsAttr>(op.getValue()))
      return denseConstant(dense);
    return op.emitError("expected dense elements");
  }

  plan::Constant denseConstant(DenseElementsAttr dense) {
    int64_t count = dense.getNumElements();
    std::vector<char> bytes;
    if (dense.getElementType().isInteger(1)) { // packed in the attribute, one byte each in memory
      for (bool value : dense.getValues<bool>())
        bytes.push_back(value);
    } else {
      ArrayRef<char> raw = dense.getRawData();
      for (int64_t i = 0, copies = dense.isSplat() ? count : 1; i < copies; ++i)
        bytes.insert(bytes.end(), raw.begin(), raw.end());
    }
    shared.storage.push_back(std::move(bytes));
    return {"", shared.storage.back().data(), shared.storage.back().size()};
  }

  LogicalResult add(plan::AllocOp op) {
    FailureOr<plan::ExprId> size = expr(nn::Dim(op.getSize()), op);
    if (failed(size))
      return failure();
    result.buffers.push_back({*size, uint32_t(op.getAlignment()), 0, 0, int64_t(op.getOffset().value_or(-1))});
    return place(op.getBuffer(), plan::OperandKind::Buffer, result.buffers.size() - 1);
  }

  LogicalResult add(plan::ViewOp op) {
    FailureOr<plan::ExprId> offset = expr(nn::Dim(op.getOffset()), op);
    if (failed(offset))
      return failure();
    plan::Operand operand = operands[op.getSource()];
    operand.offset = exprs.binary(plan::ExprOp::Add, operand.offset, *offset);
    operands[op.getBuffer()] = operand;
    return success();
  }

  plan::Operand use(Value buffer) {
    Value root = buffer;
    while (auto view = root.getDefiningOp<plan::ViewOp>())
      root = view.getSource();
    if (root.getDefiningOp<plan::AllocOp>()) {
      uint32_t step = result.steps.size();
      lifetimes.try_emplace(root, step, step).first->second.second = step;
    }
    return operands[buffer];
  }

  FailureOr<uint32_t> kernelId(plan::LaunchOp launch, kernel::FuncOp func) {
    auto [entry, isNew] = kernelIds.try_emplace(func, result.kernels.size());
    if (isNew) {
      auto offset = code.entries.find(func.getSymName().str());
      if (offset == code.entries.end() && code.device.empty())
        return launch.emitError("no code was generated for @") << func.getSymName();
      std::string schedule;
      llvm::raw_string_ostream stream(schedule);
      llvm::interleave(
          func.getSchedule()->getParameters(), stream,
          [&](NamedAttribute parameter) {
            stream << parameter.getName().getValue() << '=';
            if (auto integer = dyn_cast<IntegerAttr>(parameter.getValue()))
              stream << integer.getInt();
            else
              stream << cast<StringAttr>(parameter.getValue()).getValue();
          },
          " ");
      plan::Kernel kernel{func.getSymName().str(),
                          func.getSchedule()->getFamily().str(),
                          schedule,
                          code.device.empty() ? offset->second : 0,
                          uint32_t(func.getNumArguments()),
                          uint32_t(func.getNumResults()),
                          func.getWorkspaceBytes() != 0,
                          uint32_t(func.getSymbols().size())};
      cpu::BlockShape block = cpu::familyNamed(func.getSchedule()->getFamily().getValue())->plan(func, *func.getSchedule(), shared.target).block;
      kernel.threads = block.threads;
      kernel.tasksPerBlock = block.tasksPerBlock;
      kernel.sharedBytes = block.sharedBytes;
      for (plan::TensorMap &map : gpu::tensorMapsOf(func))
        kernel.maps.push_back(std::move(map));
      kernel.library = gpu::libraryCallOf(func);
      result.kernels.push_back(std::move(kernel));
    }
    return entry->second;
  }

  LogicalResult add(plan::LaunchOp op) {
    auto func = symbols.lookup<kernel::FuncOp>(op.getKernel());
    if (!func || !func.getSchedule())
      return op.emitError("expected a scheduled kernel named @") << op.getKernel();
    FailureOr<uint32_t> kernel = kernelId(op, func);
    FailureOr<plan::ExprId> tasks = expr(nn::Dim(op.getTasks()), op);
    if (failed(kernel) || failed(tasks))
      return failure();
    plan::Launch launch;
    launch.kernel = *kernel;
    launch.tasks = *tasks;
    for (Value operand : op->getOperands())
      launch.operands.push_back(use(operand));
    for (StringRef name : func.getSymbols().getAsValueRange<StringAttr>()) {
      FailureOr<plan::ExprId> symbol = expr(nn::Dim::symbol(op.getContext(), name), op);
      if (failed(symbol))
        return failure();
      launch.symbols.push_back(*symbol);
    }
    launch.sources = sourceNames(op.getLoc());
    FailureOr<plan::ExprId> flops = expr(cpu::familyNamed(func.getSchedule()->getFamily().getValue())->operations(func), op);
    FailureOr<plan::ExprId> bytes = expr(bytesMoved(func), op);
    if (failed(flops) || failed(bytes))
      return failure();
    launch.flops = *flops;
    launch.bytes = *bytes;
    result.steps.push_back(std::move(launch));
    return success();
  }

  static nn::Dim bytesMoved(kernel::FuncOp func) {
    nn::Dim sum = nn::Dim::constant(func.getContext(), 0);
    for (TypeRange types : {TypeRange(func.getArgumentTypes()), TypeRange(func.getResultTypes())})
      for (Type type : types)
        sum = sum + nn::numElements(type) * nn::elementBytes(type);
    return sum;
  }

  LogicalResult add(plan::CopyOp op) {
    FailureOr<plan::ExprId> size = expr(nn::Dim(op.getSize()), op);
    if (failed(size))
      return failure();
    result.steps.push_back(plan::Copy{use(op.getSource()), use(op.getDestination()), *size, sourceNames(op.getLoc())});
    return success();
  }

  LogicalResult add(plan::ReadSizesOp op) {
    plan::ReadSizes read{use(op.getSource()), dtypeOf(op.getType()), {}, sourceNames(op.getLoc())};
    for (StringRef name : op.getSymbols().getAsValueRange<StringAttr>())
      read.symbols.push_back(symbolIds.lookup(name));
    result.steps.push_back(std::move(read));
    return success();
  }

  LogicalResult add(plan::RequireOp op) {
    FailureOr<plan::ExprId> left = expr(nn::Dim(op.getLeft()), op), right = expr(nn::Dim(op.getRight()), op);
    if (failed(left) || failed(right))
      return failure();
    auto relation = op.getAtMost() ? plan::Relation::AtMost : plan::Relation::Equal;
    result.steps.push_back(plan::Require{*left, *right, relation, op.getWhat().str(), sourceNames(op.getLoc())});
    return success();
  }

  FailureOr<plan::Call> callOf(Operation *op, FlatSymbolRefAttr callee, ValueRange arguments, ArrayAttr types) {
    auto func = symbols.lookup<plan::FuncOp>(callee.getAttr());
    if (!func)
      return op->emitError("calls ") << callee << ", which is no plan";
    plan::Call call;
    call.plan = shared.plans.size();
    shared.plans.emplace_back(); // its place; what it calls comes behind
    FunctionSerializer called(shared, true);
    FailureOr<plan::Plan> made = called.run(func);
    if (failed(made))
      return failure();
    shared.plans[call.plan] = std::move(*made);
    for (auto [argument, type] : llvm::zip_equal(arguments, types.getAsValueRange<TypeAttr>())) {
      FailureOr<plan::Tensor> tensor = describe(type, "", op);
      if (failed(tensor))
        return failure();
      call.arguments.push_back({use(argument), std::move(*tensor)});
    }
    for (const std::string &name : called.given) {
      FailureOr<plan::ExprId> value = expr(nn::Dim::symbol(op->getContext(), name), op);
      if (failed(value))
        return failure();
      call.symbols.push_back(*value);
    }
    return call;
  }

  LogicalResult addResults(Operation *op, ArrayAttr types) {
    for (auto [index, type] : llvm::enumerate(types.getAsValueRange<TypeAttr>())) {
      FailureOr<plan::Tensor> tensor = describe(type, "", op);
      if (failed(tensor) || failed(place(op->getResult(index), plan::OperandKind::Result, result.results.size())))
        return failure();
      result.results.push_back({uint32_t(result.steps.size()), uint32_t(index), std::move(*tensor)});
    }
    return success();
  }

  LogicalResult add(plan::IfOp op) {
    plan::Operand condition = use(op.getCondition());
    FailureOr<plan::Call> thenCall = callOf(op, op.getThenPlanAttr(), op.getThenArgs(), op.getThenTypes());
    FailureOr<plan::Call> elseCall = failed(thenCall) ? thenCall : callOf(op, op.getElsePlanAttr(), op.getElseArgs(), op.getElseTypes());
    if (failed(elseCall) || failed(addResults(op, op.getResultTypesAttr())))
      return failure();
    result.steps.push_back(plan::If{condition, std::move(*thenCall), std::move(*elseCall), sourceNames(op.getLoc())});
    return success();
  }

  LogicalResult add(plan::LoopOp op) {
    plan::Loop loop;
    if (op.getTrips())
      loop.trips = use(op.getTrips());
    if (op.getCondition())
      loop.condition = use(op.getCondition());
    SmallVector<Value> arguments(op.getCarried());
    llvm::append_range(arguments, op.getScanned());
    llvm::append_range(arguments, op.getCaptured());
    FailureOr<plan::Call> body = callOf(op, op.getBodyAttr(), arguments, op.getTypes());
    if (failed(body) || failed(addResults(op, op.getResultTypesAttr())))
      return failure();
    loop.body = std::move(*body);
    loop.carried = op.getCarried().size();
    loop.scanned = op.getScanned().size();
    loop.stacked = op.getOuts().size() - op.getCarried().size();
    loop.counts = op.getCounts();
    loop.sources = sourceNames(op.getLoc());
    result.steps.push_back(std::move(loop));
    return success();
  }

  const CodeImage &code;
  SymbolTable &symbols;
  Shared &shared;
  bool isCalled;
  plan::Plan result;
  plan::ExprTable exprs;
  llvm::StringMap<uint32_t> symbolIds;
  llvm::DenseMap<Value, plan::Operand> operands;
  llvm::MapVector<Value, std::pair<uint32_t, uint32_t>> lifetimes;
  llvm::DenseMap<Attribute, uint32_t> constantIds;
  llvm::DenseMap<Operation *, uint32_t> kernelIds;
};

void describeProducer(ModuleOp module, plan::Plan &plan) {
  auto text = [&](StringRef name) {
    auto attr = module->getAttrOfType<StringAttr>(name);
    return attr ? attr.str() : std::string();
  };
  plan.producer = std::string("tenon ") + versionString();
  plan.model = text("tenon.model");
  plan.tuning = text("tenon.tuning");
}

/// The plan.func that nothing calls.
FailureOr<plan::FuncOp> mainOf(ModuleOp module) {
  llvm::DenseSet<StringAttr> called;
  module.walk([&](Operation *op) {
    if (auto branch = dyn_cast<plan::IfOp>(op)) {
      called.insert(branch.getThenPlanAttr().getAttr());
      called.insert(branch.getElsePlanAttr().getAttr());
    } else if (auto loop = dyn_cast<plan::LoopOp>(op)) {
      called.insert(loop.getBodyAttr().getAttr());
    }
  });
  SmallVector<plan::FuncOp> funcs;
  for (auto func : module.getOps<plan::FuncOp>())
    if (!called.contains(func.getSymNameAttr()))
      funcs.push_back(func);
  if (funcs.size() != 1)
    return module.emitError("expected one plan.func that nothing calls, found ") << funcs.size();
  return funcs.front();
}

/// The plan of one module; what it points to lives in `shared`.
FailureOr<plan::Plan> planOf(const CompiledModule &compiled, Shared &shared) {
  FailureOr<plan::FuncOp> main = mainOf(compiled.module);
  if (failed(main))
    return failure();
  FailureOr<plan::Plan> made = FunctionSerializer(shared, false).run(*main);
  if (failed(made))
    return failure();
  describeProducer(compiled.module, *made);
  made->plans = std::move(shared.plans);
  made->code = std::as_bytes(std::span(compiled.code.bytes));
  for (const DeviceImage &image : compiled.code.device)
    made->deviceCode.push_back({image.arch, image.isPtx, std::as_bytes(std::span(image.bytes))});
  return made;
}

} // namespace

FailureOr<std::vector<std::byte>> serializePlan(ArrayRef<CompiledModule> modules, StringRef path) {
  plan::Plan result;
  std::list<Shared> shared;
  for (const CompiledModule &compiled : modules) {
    FailureOr<plan::Plan> made = planOf(compiled, shared.emplace_back(compiled.module, compiled.code, compiled.target));
    if (failed(made))
      return failure();
    if (shared.size() == 1)
      result = std::move(*made);
    else
      result.variants.push_back(std::move(*made));
  }
  if (path.empty())
    return plan::writePlanToMemory(result);
  if (std::string problem = plan::writePlan(result, path.str()); !problem.empty())
    return mlir::emitError(UnknownLoc::get(ModuleOp(modules.front().module).getContext())) << problem;
  return std::vector<std::byte>();
}

} // namespace tenon
