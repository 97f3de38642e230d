#include "test/unit/codegen/gpu/HostCode.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "test/unit/codegen/gpu/Machine.h"

namespace tenon::test {
using namespace mlir;

namespace {
void runAssembly(const Assembly *assembly, uint64_t *values) {
  assembly->run(currentGpuThread(), values);
}

template <typename T> Value addressOf(OpBuilder &b, Location location, T *what) {
  Value number = LLVM::ConstantOp::create(b, location, b.getI64Type(), b.getI64IntegerAttr(int64_t(reinterpret_cast<uintptr_t>(what))));
  return LLVM::IntToPtrOp::create(b, location, LLVM::LLVMPointerType::get(b.getContext()), number);
}

LLVM::CallOp callHost(OpBuilder &b, Location location, Type result, Value function, ValueRange operands) {
  auto types = llvm::to_vector(operands.getTypes());
  auto type = LLVM::LLVMFunctionType::get(result, types);
  SmallVector<Value> all{function};
  llvm::append_range(all, operands);
  return LLVM::CallOp::create(b, location, type, all);
}

/// The 64-bit value that stands for an operand.
Value widened(OpBuilder &b, Location location, Value x) {
  Type i64 = b.getI64Type();
  if (isa<LLVM::LLVMPointerType>(x.getType()))
    return LLVM::PtrToIntOp::create(b, location, i64, x);
  unsigned bits = x.getType().getIntOrFloatBitWidth();
  if (!x.getType().isInteger())
    x = LLVM::BitcastOp::create(b, location, b.getIntegerType(bits), x);
  return bits == 64 ? x : LLVM::ZExtOp::create(b, location, i64, x).getResult();
}

Value narrowed(OpBuilder &b, Location location, Value x, Type type) {
  unsigned bits = type.getIntOrFloatBitWidth();
  if (bits < 64)
    x = LLVM::TruncOp::create(b, location, b.getIntegerType(bits), x);
  return type.isInteger() ? x : LLVM::BitcastOp::create(b, location, type, x).getResult();
}

/// Where values are handed over, made once in a function.
Value placesIn(LLVM::LLVMFuncOp function, llvm::DenseMap<Operation *, Value> &known) {
  Value &places = known[function];
  if (!places) {
    constexpr int64_t kMost = 600; // of a product with 256 columns: sums twice
    OpBuilder b(&function.getBody().front(), function.getBody().front().begin());
    Value count = LLVM::ConstantOp::create(b, function.getLoc(), b.getI64Type(), b.getI64IntegerAttr(kMost));
    places = LLVM::AllocaOp::create(b, function.getLoc(), LLVM::LLVMPointerType::get(b.getContext()), b.getI64Type(), count);
  }
  return places;
}

Value placeAt(OpBuilder &b, Location location, Value places, unsigned i) {
  return LLVM::GEPOp::create(b, location, places.getType(), b.getI64Type(), places, ArrayRef<LLVM::GEPArg>{int32_t(i)});
}

/// The kernel, called as `name(ptr parameters)`.
void addEntry(ModuleOp module, LLVM::LLVMFuncOp kernel) {
  OpBuilder b(module.getBodyRegion());
  Location location = kernel.getLoc();
  std::string name = kernel.getSymName().str();
  SmallVector<bool> areMaps;
  for (unsigned i = 0; i < kernel.getNumArguments(); ++i) {
    areMaps.push_back(bool(kernel.getArgAttr(i, LLVM::LLVMDialect::getByValAttrName())));
    kernel.setArgAttrs(i, ArrayRef<NamedAttribute>());
  }
  kernel.setSymName(name + ".kernel");
  kernel.setLinkage(LLVM::Linkage::Internal);
  SmallVector<StringAttr> foreign;
  for (NamedAttribute attribute : kernel->getDiscardableAttrs())
    if (attribute.getName().strref().starts_with("nvvm."))
      foreign.push_back(attribute.getName());
  for (StringAttr attribute : foreign)
    kernel->removeAttr(attribute);

  b.setInsertionPointToEnd(module.getBody());
  Type pointer = LLVM::LLVMPointerType::get(b.getContext()), nothing = LLVM::LLVMVoidType::get(b.getContext());
  auto entry = LLVM::LLVMFuncOp::create(b, location, name, LLVM::LLVMFunctionType::get(nothing, {pointer}));
  Block *block = entry.addEntryBlock(b);
  b.setInsertionPointToStart(block);
  SmallVector<Value> operands;
  for (unsigned i = 0; i < kernel.getNumArguments(); ++i) {
    Value at = LLVM::GEPOp::create(b, location, pointer, pointer, block->getArgument(0), ArrayRef<LLVM::GEPArg>{int32_t(i)});
    Value address = LLVM::LoadOp::create(b, location, pointer, at);
    operands.push_back(areMaps[i] ? address : LLVM::LoadOp::create(b, location, kernel.getArgumentTypes()[i], address).getResult());
  }
  LLVM::CallOp::create(b, location, kernel, operands);
  LLVM::ReturnOp::create(b, location, ValueRange());
}
} // namespace

/// The larger or smaller one of two numbers, of which one may be NaN: processors call a function for it.
static void replaceByChoice(Operation *op) {
  OpBuilder b(op);
  Value x = op->getOperand(0), y = op->getOperand(1);
  auto order = isa<LLVM::MaxNumOp>(op) ? LLVM::FCmpPredicate::ogt : LLVM::FCmpPredicate::olt;
  Value isBeyond = LLVM::FCmpOp::create(b, op->getLoc(), order, y, x), isNaN = LLVM::FCmpOp::create(b, op->getLoc(), LLVM::FCmpPredicate::uno, x, x);
  Value takesSecond = LLVM::OrOp::create(b, op->getLoc(), isBeyond, isNaN);
  op->getResult(0).replaceAllUsesWith(LLVM::SelectOp::create(b, op->getLoc(), takesSecond, y, x));
  op->erase();
}

/// To bf16, ties to even: processors without an instruction for it call a function.
static void replaceRounding(LLVM::FPTruncOp op) {
  OpBuilder b(op);
  Location location = op.getLoc();
  auto vector = dyn_cast<VectorType>(op.getArg().getType());
  auto integers = [&](unsigned bits) {
    return vector ? Type(VectorType::get(vector.getShape(), b.getIntegerType(bits))) : Type(b.getIntegerType(bits));
  };
  auto constant = [&](int32_t x) -> Value {
    IntegerAttr number = b.getI32IntegerAttr(x);
    Attribute value = vector ? Attribute(DenseElementsAttr::get(cast<ShapedType>(integers(32)), Attribute(number))) : number;
    return LLVM::ConstantOp::create(b, location, integers(32), cast<TypedAttr>(value));
  };
  Value bits = LLVM::BitcastOp::create(b, location, integers(32), op.getArg()), half = constant(16);
  Value odd = LLVM::AndOp::create(b, location, LLVM::LShrOp::create(b, location, bits, half), constant(1));
  Value rounded = LLVM::AddOp::create(b, location, LLVM::AddOp::create(b, location, bits, constant(0x7fff)), odd);
  Value quiet = LLVM::OrOp::create(b, location, bits, constant(1 << 22));
  Value isNaN = LLVM::FCmpOp::create(b, location, LLVM::FCmpPredicate::uno, op.getArg(), op.getArg());
  Value word = LLVM::LShrOp::create(b, location, LLVM::SelectOp::create(b, location, isNaN, quiet, rounded), half);
  op.replaceAllUsesWith(LLVM::BitcastOp::create(b, location, op.getType(), LLVM::TruncOp::create(b, location, integers(16), word)).getResult());
  op.erase();
}

/// The value that `text` computes of scalars.
Value HostCode::call(OpBuilder &b, Location location, Value values, llvm::StringRef text, llvm::StringRef constraints, ValueRange operands,
                     Type type) {
  auto &assembly = *assemblies.emplace_back(std::make_unique<Assembly>(text, constraints, foreign));
  for (auto [i, operand] : llvm::enumerate(operands))
    LLVM::StoreOp::create(b, location, widened(b, location, operand), placeAt(b, location, values, assembly.numResults() + unsigned(i)));
  callHost(b, location, LLVM::LLVMVoidType::get(b.getContext()), addressOf(b, location, &runAssembly), {addressOf(b, location, &assembly), values});
  auto result = [&](unsigned i, Type type) {
    return narrowed(b, location, LLVM::LoadOp::create(b, location, b.getI64Type(), placeAt(b, location, values, i)), type);
  };
  auto structure = dyn_cast_or_null<LLVM::LLVMStructType>(type);
  if (!structure)
    return type ? result(0, type) : Value();
  Value made = LLVM::PoisonOp::create(b, location, type);
  for (auto [i, element] : llvm::enumerate(structure.getBody()))
    made = LLVM::InsertValueOp::create(b, location, made, result(unsigned(i), element), ArrayRef<int64_t>{int64_t(i)});
  return made;
}

/// An instruction that becomes a call; of vectors a call for each lane, of functions of one operand.
void HostCode::replaceByCall(Operation *op, llvm::StringRef text, llvm::StringRef constraints) {
  OpBuilder b(op);
  Location location = op->getLoc();
  Value values = placesIn(op->getParentOfType<LLVM::LLVMFuncOp>(), places);
  Type type = op->getNumResults() ? op->getResultTypes()[0] : Type();
  auto vector = dyn_cast_or_null<VectorType>(type);
  Value made = vector ? Value(LLVM::PoisonOp::create(b, location, type)) : call(b, location, values, text, constraints, op->getOperands(), type);
  for (int64_t lane = 0; vector && lane < vector.getNumElements(); ++lane) {
    Value at = LLVM::ConstantOp::create(b, location, b.getI64Type(), b.getI64IntegerAttr(lane));
    Value x = LLVM::ExtractElementOp::create(b, location, op->getOperand(0), at);
    x = call(b, location, values, text, constraints, x, vector.getElementType());
    made = LLVM::InsertElementOp::create(b, location, made, x, at);
  }
  if (made)
    op->getResult(0).replaceAllUsesWith(made);
  op->erase();
}

static void replaceByNumber(Operation *op, int32_t (*number)()) {
  OpBuilder b(op);
  op->getResult(0).replaceAllUsesWith(callHost(b, op->getLoc(), b.getI32Type(), addressOf(b, op->getLoc(), number), {}).getResult());
  op->erase();
}

void HostCode::replaceIntrinsic(LLVM::CallIntrinsicOp op) {
  llvm::StringRef intrinsic = op.getIntrin();
  if (!intrinsic.consume_front("llvm.nvvm."))
    return;
  bool isPermutation = intrinsic == "prmt";
  std::string function = (intrinsic + "32 $0, $1;").str(); // "ex2.approx.ftz.f" without its width
  replaceByCall(op, isPermutation ? "prmt.b32 $0, $1, $2, $3;" : function, isPermutation ? "=r,r,r,r" : "=f,f");
}

void HostCode::replace(Operation *op) {
  if (auto assembly = dyn_cast<LLVM::InlineAsmOp>(op))
    return replaceByCall(op, assembly.getAsmString(), assembly.getConstraints());
  if (auto intrinsic = dyn_cast<LLVM::CallIntrinsicOp>(op))
    return replaceIntrinsic(intrinsic);
  if (isa<LLVM::Exp2Op>(op))
    return replaceByCall(op, "ex2.approx.f32 $0, $1;", "=f,f");
  if (isa<LLVM::MaxNumOp, LLVM::MinNumOp>(op))
    return replaceByChoice(op);
  if (auto rounding = dyn_cast<LLVM::FPTruncOp>(op); rounding && getElementTypeOrSelf(rounding.getType()).isBF16())
    return replaceRounding(rounding);
  if (isa<NVVM::ThreadIdXOp>(op))
    return replaceByNumber(op, tenonGpuThreadNumber);
  if (isa<NVVM::BlockIdXOp>(op))
    return replaceByNumber(op, tenonGpuBlockNumber);
  if (isa<NVVM::GridDimXOp>(op))
    return replaceByNumber(op, tenonGpuBlockCount);
  if (isa<NVVM::GriddepcontrolOp>(op)) // kernels do not overlap
    return op->erase();
  if (isa<NVVM::NVVMDialect>(op->getDialect()))
    foreign += "no one knows " + op->getName().getStringRef().str() + "\n";
}

/// Addresses of shared memory are numbers, which the machine understands.
static void replaceSharedMemory(ModuleOp module) {
  SmallVector<LLVM::PtrToIntOp> addresses;
  module.walk([&](LLVM::PtrToIntOp op) {
    if (cast<LLVM::LLVMPointerType>(op.getArg().getType()).getAddressSpace())
      addresses.push_back(op);
  });
  for (LLVM::PtrToIntOp op : addresses) {
    OpBuilder b(op);
    Operation *pointer = op.getArg().getDefiningOp();
    op.replaceAllUsesWith(LLVM::ConstantOp::create(b, op.getLoc(), b.getI32Type(), b.getI32IntegerAttr(kSharedStart)).getResult());
    op.erase();
    if (pointer->use_empty())
      pointer->erase();
  }
  for (auto global : llvm::make_early_inc_range(module.getOps<LLVM::GlobalOp>()))
    if (global.getAddrSpace())
      global.erase();
}

bool HostCode::rewrite(ModuleOp module, llvm::StringRef name, std::string &problem) {
  places.clear();
  foreign.clear();
  replaceSharedMemory(module);
  SmallVector<Operation *> all;
  module.walk([&](Operation *op) { all.push_back(op); });
  llvm::for_each(all, [&](Operation *op) { replace(op); });
  auto kernel = module.lookupSymbol<LLVM::LLVMFuncOp>(name);
  if (kernel)
    addEntry(module, kernel);
  else
    foreign += "there is no kernel " + name.str() + "\n";
  problem += foreign;
  return foreign.empty();
}

} // namespace tenon::test
