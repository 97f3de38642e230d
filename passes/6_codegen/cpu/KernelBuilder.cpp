// The function around a kernel's code: its buffers, its sizes, its entry point.
#include "passes/6_codegen/cpu/KernelBuilder.h"
#include "dialects/kernel/ProductMarks.h"
#include "dialects/nn/DimFold.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "passes/6_codegen/cpu/NarrowFloat.h"
#include "passes/6_codegen/gpu/Directions.h"
#include "passes/6_codegen/gpu/TensorMaps.h"

namespace tenon::cpu {
using namespace mlir;

/// Inserts at the head of the function, after what is already there.
struct KernelBuilder::AtHead {
  explicit AtHead(KernelBuilder &b) : owner(b), guard(b.builder) {
    if (b.lastAtHead)
      b.builder.setInsertionPointAfter(b.lastAtHead);
    else
      b.builder.setInsertionPointToStart(&b.body.front());
  }
  ~AtHead() {
    // The builder stands behind the last op it made; the op before that point is the new end of the head.
    auto point = owner.builder.getInsertionPoint();
    if (point != owner.body.front().begin())
      owner.lastAtHead = &*std::prev(point);
  }
  KernelBuilder &owner;
  OpBuilder::InsertionGuard guard;
};

namespace {
bool hasWorkspace(kernel::FuncOp func) { return func.getWorkspaceBytes() > 0; }

unsigned numBuffers(kernel::FuncOp func) { return func.getNumArguments() + func.getNumResults() + hasWorkspace(func); }

/// A result that may overwrite an argument shares its memory: neither may be called noalias.
SmallVector<bool> mayAlias(kernel::FuncOp func) {
  SmallVector<bool> aliased(numBuffers(func), false);
  std::optional<ArrayRef<int64_t>> overwrites = func.getOverwrites();
  if (!overwrites)
    return aliased;
  for (auto [result, argument] : llvm::enumerate(*overwrites))
    if (argument >= 0 && argument < int64_t(func.getNumArguments()))
      aliased[argument] = aliased[func.getNumArguments() + result] = true;
  return aliased;
}

/// What is known of the address of a buffer (gpu::markAlignments).
int64_t bufferAlignment(kernel::FuncOp func, unsigned index) {
  auto known = func->getAttrOfType<DenseI64ArrayAttr>("tenon.alignments");
  return known && index < known.size() ? known[index] : 1;
}

SmallVector<Index> denseStrides(KernelBuilder &b, ArrayRef<Index> sizes) {
  SmallVector<Index> strides(sizes.size(), Index(1));
  for (int axis = int(sizes.size()) - 2; axis >= 0; --axis)
    strides[axis] = b.mul(strides[axis + 1], sizes[axis + 1]);
  return strides;
}
} // namespace

Value KernelBuilder::attributeConstant(TypedAttr value) {
  Value &known = constants[value];
  if (!known) {
    AtHead head(*this);
    known = arith::ConstantOp::create(builder, value);
  }
  return known;
}

KernelBuilder::KernelBuilder(ModuleOp module, kernel::FuncOp func, const Target &target, BlockShape block)
    : machine(target), block(block), builder(func.getLoc(), func.getContext()), func(func), module(module) {
  builder.setInsertionPointToEnd(module.getBody());
  unsigned buffers = numBuffers(func), symbols = func.getSymbols().size();
  SmallVector<Type> inputs(buffers, LLVM::LLVMPointerType::get(func.getContext()));
  inputs.append(symbols, builder.getI64Type());
  inputs.append(gpu::tensorMapCount(func), LLVM::LLVMPointerType::get(func.getContext()));
  inputs.push_back(builder.getI64Type());
  body = func::FuncOp::create(builder, (func.getSymName() + ".body").str(), builder.getFunctionType(inputs, {}));
  body.setPrivate();
  body->setAttr("llvm.linkage", LLVM::LinkageAttr::get(func.getContext(), LLVM::Linkage::Internal));
  for (auto [i, aliased] : llvm::enumerate(mayAlias(func)))
    if (!aliased)
      body.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(), builder.getUnitAttr());
  if (llvm::any_of(func.getBody().front(), [](Operation &op) { return op.hasAttr(kernel::kBf16PairsAttr); }))
    body->setAttr(kernel::kBf16PairsAttr, builder.getUnitAttr()); // how `convert` rounds
  builder.setInsertionPointToStart(body.addEntryBlock());
}

void KernelBuilder::finish() {
  func::ReturnOp::create(builder);
  machine.isGpu() ? emitGpuEntryPoint() : emitEntryPoint();
}

void KernelBuilder::call(KernelBuilder &part, ArrayRef<unsigned> buffers, Index task) {
  func::ReturnOp::create(part.builder);
  SmallVector<Value> operands = llvm::map_to_vector(buffers, [&](unsigned i) -> Value { return body.getArgument(i); });
  operands.push_back(value(task));
  func::CallOp::create(builder, part.body, operands);
}

/// The function of runtime/kernel_abi.h: loads every pointer and size, calls the body.
void KernelBuilder::emitEntryPoint() {
  builder.setInsertionPointToEnd(module.getBody());
  Type pointer = LLVM::LLVMPointerType::get(func.getContext());
  Type i64 = builder.getI64Type();
  auto entry = func::FuncOp::create(builder, func.getSymName(), builder.getFunctionType({pointer, builder.getI32Type()}, {}));
  builder.setInsertionPointToStart(entry.addEntryBlock());
  Value args = entry.getArgument(0);
  auto element = [&](Type type, Value base, int32_t index) -> Value {
    Value at = index ? Value(LLVM::GEPOp::create(builder, pointer, type, base, ArrayRef<LLVM::GEPArg>{index})) : base;
    return LLVM::LoadOp::create(builder, type, at);
  };
  SmallVector<Value> operands;
  Value buffers = element(pointer, args, 0);
  for (unsigned i = 0, e = numBuffers(func); i < e; ++i)
    operands.push_back(element(pointer, buffers, i));
  if (!func.getSymbols().empty()) {
    Value symbols = element(pointer, args, 1);
    for (unsigned i = 0, e = func.getSymbols().size(); i < e; ++i)
      operands.push_back(element(i64, symbols, i));
  }
  operands.push_back(arith::ExtUIOp::create(builder, i64, entry.getArgument(1)));
  func::CallOp::create(builder, body, operands);
  func::ReturnOp::create(builder);
}

/// Kernels for these GPUs overlap with the end of the one before (programmatic dependent launch).
static constexpr int kFirstWithDependentLaunch = 90;

void KernelBuilder::waitForInputs() {
  if (machine.computeCapability >= kFirstWithDependentLaunch)
    NVVM::GriddepcontrolOp::create(builder, NVVM::GridDepActionKind::wait);
}

/// One thread or one block for each task; more threads than tasks leave at once.
void KernelBuilder::emitGpuEntryPoint() {
  builder.setInsertionPointToEnd(module.getBody());
  Type i32 = builder.getI32Type(), i64 = builder.getI64Type();
  SmallVector<Type> parameters(ArrayRef(body.getArgumentTypes()).drop_back());
  parameters.push_back(i32);
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(func.getContext()), parameters);
  auto entry = LLVM::LLVMFuncOp::create(builder, func.getSymName(), type);
  entry->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), builder.getUnitAttr());
  entry->setAttr(NVVM::NVVMDialect::getReqntidAttrName(), builder.getDenseI32ArrayAttr({block.threads}));
  constexpr int kMapWords = 16, kMapAlignment = 64; // CUtensorMap, by value
  for (unsigned i = numBuffers(func) + func.getSymbols().size(), e = i + gpu::tensorMapCount(func); i < e; ++i) {
    entry.setArgAttr(i, LLVM::LLVMDialect::getByValAttrName(), TypeAttr::get(LLVM::LLVMArrayType::get(i64, kMapWords)));
    entry.setArgAttr(i, LLVM::LLVMDialect::getAlignAttrName(), builder.getI64IntegerAttr(kMapAlignment));
    entry.setArgAttr(i, NVVM::NVVMDialect::getGridConstantAttrName(), builder.getUnitAttr());
  }
  builder.setInsertionPointToStart(entry.addEntryBlock(builder));
  if (block.cluster > 1)
    entry->setAttr(NVVM::NVVMDialect::getClusterDimAttrName(), builder.getDenseI32ArrayAttr({block.cluster}));
  if (block.together > 1)
    entry->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), builder.getI32IntegerAttr(block.together));
  if (machine.computeCapability >= kFirstWithDependentLaunch)
    NVVM::GriddepcontrolOp::create(builder, NVVM::GridDepActionKind::launch_dependents);
  if (!block.waits)
    waitForInputs();
  Value task = NVVM::BlockIdXOp::create(builder, i32), tasks = entry.getArguments().back();
  if (func->hasAttr(gpu::kBackwardAttr) && block.cluster == 1) { // blocks of a cluster stay in their order
    Value last =
        arith::SubIOp::create(builder, NVVM::GridDimXOp::create(builder, i32), arith::ConstantOp::create(builder, builder.getI32IntegerAttr(1)));
    task = arith::SubIOp::create(builder, last, task);
  }
  auto call = [&] {
    SmallVector<Value> operands(entry.getArguments().drop_back());
    operands.push_back(arith::ExtUIOp::create(builder, i64, task));
    func::CallOp::create(builder, body, operands);
  };
  if (block.tasksPerBlock == 1) {
    call();
  } else {
    Value threads = arith::ConstantOp::create(builder, builder.getI32IntegerAttr(block.threads));
    task = arith::AddIOp::create(builder, arith::MulIOp::create(builder, task, threads), NVVM::ThreadIdXOp::create(builder, i32));
    ifThen(arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, task, tasks), call);
  }
  LLVM::ReturnOp::create(builder, ValueRange());
}

// --- what the kernel was given

Tensor KernelBuilder::bufferOf(unsigned index, Type tensor, ArrayRef<nn::Dim> strides) {
  Tensor t;
  t.base = body.getArgument(index);
  t.element = cast<RankedTensorType>(tensor).getElementType();
  t.alignment = bufferAlignment(func, index);
  for (nn::Dim d : nn::dimsOf(tensor))
    t.sizes.push_back(dim(d));
  for (nn::Dim d : strides)
    t.strides.push_back(dim(d));
  return t;
}

Tensor KernelBuilder::argument(unsigned i) { return bufferOf(i, func.getArgumentTypes()[i], func.argumentStrides(i)); }

Tensor KernelBuilder::result(unsigned i) {
  return bufferOf(func.getNumArguments() + i, func.getResultTypes()[i], func.resultStrides(i));
}

Tensor KernelBuilder::workspace(Type element, Index offsetBytes, ArrayRef<Index> sizes) {
  assert(hasWorkspace(func) && "the kernel's plan asks for no workspace");
  Tensor bytes;
  bytes.base = body.getArgument(numBuffers(func) - 1);
  bytes.element = builder.getI8Type();
  Tensor t;
  t.base = address(bytes, add(mul(task(), func.getWorkspaceBytes()), offsetBytes));
  t.element = element;
  t.sizes.assign(sizes.begin(), sizes.end());
  t.strides = denseStrides(*this, sizes);
  return t;
}

Tensor KernelBuilder::table(DenseElementsAttr contents) {
  if (auto known = tables.find(contents); known != tables.end())
    return known->second;
  Attribute key = contents;
  Type element = contents.getElementType();
  if (element.getIntOrFloatBitWidth() < 8) { // one byte each
    auto byte = [](const APInt &bits) { return bits.zext(8); };
    if (auto integers = dyn_cast<DenseIntElementsAttr>(contents))
      contents = cast<DenseElementsAttr>(integers.mapValues(builder.getI8Type(), byte));
    else
      contents = cast<DenseElementsAttr>(cast<DenseFPElementsAttr>(contents).mapValues(
          builder.getI8Type(), [&](const APFloat &value) { return byte(value.bitcastToAPInt()); }));
  } else if (isNarrowFloat(element)) {
    contents = contents.bitcast(builder.getI8Type());
  } else if (auto integer = dyn_cast<IntegerType>(element)) {
    contents = contents.bitcast(builder.getIntegerType(integer.getWidth()));
  }
  int64_t count = contents.getNumElements();
  contents = contents.reshape(RankedTensorType::get({count}, contents.getElementType()));
  std::string name = (func.getSymName() + ".table" + Twine(tables.size())).str();
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(module.getBody());
    LLVM::GlobalOp::create(builder, LLVM::LLVMArrayType::get(contents.getElementType(), count), /*isConstant=*/true,
                           LLVM::Linkage::Private, name, contents);
  }
  AtHead head(*this);
  Tensor t;
  t.base = LLVM::AddressOfOp::create(builder, LLVM::LLVMPointerType::get(func.getContext()), name);
  t.element = element;
  t.sizes = {Index(count)};
  t.strides = {Index(1)};
  return tables[key] = t;
}

Index KernelBuilder::task() { return Index(body.getArgument(body.getNumArguments() - 1)); }

Index KernelBuilder::tasks() { return func.getTasksAttr() ? dim(nn::Dim(func.getTasksAttr())) : Index(1); }

Tensor KernelBuilder::tensorOf(Value v) {
  kernel::View view = kernel::viewOf(v);
  auto source = dyn_cast<BlockArgument>(view.source);
  assert(source && "the value is computed, not read from an argument");
  Tensor t = argument(source.getArgNumber());
  t.offset = dim(view.offset);
  t.sizes = sizesOf(v);
  t.strides.clear();
  for (nn::Dim stride : view.strides)
    t.strides.push_back(dim(stride));
  return t;
}

SmallVector<Index> KernelBuilder::sizesOf(Value v) {
  SmallVector<Index> sizes;
  for (nn::Dim d : nn::dimsOf(v.getType()))
    sizes.push_back(dim(d));
  return sizes;
}

Index KernelBuilder::dim(nn::Dim d) {
  if (std::optional<int64_t> constant = d.asConstant())
    return Index(*constant);
  auto known = dims.find(d.attr());
  if (known != dims.end())
    return known->second;
  // Rounds towards minus infinity; a divisor is a size, and a size of 0 must not trap.
  auto floorDiv = [&](Index a, Index b) -> Index {
    b = max(b, 1);
    Value quotient = arith::DivSIOp::create(builder, value(a), value(b));
    Index remainder = sub(a, mul(Index(quotient), b));
    return select(lessThan(remainder, 0), sub(Index(quotient), 1), Index(quotient));
  };
  auto constant = [](int64_t c) { return Index(c); };
  auto symbol = [&](StringRef name) -> Index {
    for (auto [i, attr] : llvm::enumerate(func.getSymbols()))
      if (cast<StringAttr>(attr).getValue() == name)
        return Index(body.getArgument(numBuffers(func) + i));
    func.emitError("size '") << name << "' is not among the kernel's symbols";
    return Index(0);
  };
  auto plus = [&](Index a, Index b) { return add(a, b); };
  auto times = [&](Index a, Index b) { return mul(a, b); };
  auto mod = [&](Index a, Index b) { return sub(a, mul(floorDiv(a, b), max(b, 1))); };
  auto least = [&](Index a, Index b) { return min(a, b); };
  auto most = [&](Index a, Index b) { return max(a, b); };
  nn::Dim::Folder<Index> folder{constant, symbol, plus, times, floorDiv, mod, least, most};
  AtHead head(*this);
  Index result = d.fold(folder);
  dims[d.attr()] = result;
  return result;
}

} // namespace tenon::cpu
