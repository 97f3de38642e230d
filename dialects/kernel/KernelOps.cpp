// Text, accessors and verifiers of the kernel ops.
#include "dialects/kernel/Kernel.h"
#include "mlir/Interfaces/FunctionImplementation.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::kernel;

// --- kernel.func

void FuncOp::build(OpBuilder &builder, OperationState &state, StringRef name, FunctionType type, ArrayRef<NamedAttribute> attrs) {
  auto &properties = state.getOrAddProperties<Properties>();
  properties.setSymName(builder.getStringAttr(name));
  properties.setFunctionType(TypeAttr::get(type));
  properties.setSymVisibility(builder.getStringAttr("private"));
  state.addAttributes(attrs);
  Block *entry = new Block;
  state.addRegion()->push_back(entry);
  for (Type input : type.getInputs())
    entry->addArgument(input, state.location);
}

ParseResult FuncOp::parse(OpAsmParser &parser, OperationState &result) {
  auto buildType = [](Builder &builder, ArrayRef<Type> inputs, ArrayRef<Type> results, function_interface_impl::VariadicFlag,
                      std::string &) { return builder.getFunctionType(inputs, results); };
  return function_interface_impl::parseFunctionOp(parser, result, /*allowVariadic=*/false, getFunctionTypeAttrName(result.name), buildType,
                                                  getArgAttrsAttrName(result.name), getResAttrsAttrName(result.name));
}

void FuncOp::print(OpAsmPrinter &printer) {
  if (std::optional<StringRef> visibility = getSymVisibility())
    printer << " " << *visibility;
  printer << " ";
  printer.printSymbolName(getSymName());
  call_interface_impl::printFunctionSignature(printer, getArgumentTypes(), getArgAttrsAttr(), /*isVariadic=*/false, getResultTypes(),
                                              getResAttrsAttr(), &getBody(), /*printEmptyResult=*/false);
  // Attributes at their default are left out.
  SmallVector<StringRef> elided{getSymVisibilityAttrName(), getFunctionTypeAttrName(), getArgAttrsAttrName(), getResAttrsAttrName()};
  if (getSymbols().empty())
    elided.push_back(getSymbolsAttrName());
  if (getWorkspaceBytes() == 0)
    elided.push_back(getWorkspaceBytesAttrName());
  function_interface_impl::printFunctionAttributes(printer, *this, elided);
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false, /*printBlockTerminators=*/true);
}

LogicalResult FuncOp::verify() {
  if (getBody().empty())
    return emitOpError("expected a body");
  if (!getBody().hasOneBlock() || !isa_and_nonnull<ReturnOp>(getBody().front().empty() ? nullptr : &getBody().front().back()))
    return emitOpError("expected one block that ends in kernel.return");
  if (std::optional<ArrayRef<int64_t>> overwrites = getOverwrites()) {
    if (overwrites->size() != getResultTypes().size())
      return emitOpError() << "expected `overwrites` to have " << getResultTypes().size() << " entries, one a result, found " << overwrites->size();
    for (int64_t argument : *overwrites)
      if (argument < -1 || argument >= static_cast<int64_t>(getArgumentTypes().size()))
        return emitOpError() << "expected `overwrites` to name arguments or -1, found " << argument;
  }
  if (getWorkspaceBytes() < 0)
    return emitOpError() << "expected `workspace_bytes` of at least 0, found " << getWorkspaceBytes();
  return success();
}

ReturnOp FuncOp::terminator() { return cast<ReturnOp>(getBody().front().getTerminator()); }

static SmallVector<nn::Dim> placedStrides(Attribute placed, Type tensor) {
  if (auto strides = dyn_cast_or_null<nn::DimsAttr>(placed))
    return strides.dims();
  return denseStrides(tensor);
}

SmallVector<nn::Dim> FuncOp::argumentStrides(unsigned i) {
  return placedStrides(getArgAttr(i, "kernel.strides"), getArgumentTypes()[i]);
}
SmallVector<nn::Dim> FuncOp::resultStrides(unsigned i) {
  return placedStrides(getResultAttr(i, "kernel.strides"), getResultTypes()[i]);
}

LogicalResult KernelDialect::verifyRegionArgAttribute(Operation *op, unsigned, unsigned index, NamedAttribute attr) {
  auto func = dyn_cast<FuncOp>(op);
  return func ? verifyPlacement(op, func.getArgumentTypes()[index], attr, "argument", index) : success();
}
LogicalResult KernelDialect::verifyRegionResultAttribute(Operation *op, unsigned, unsigned index, NamedAttribute attr) {
  auto func = dyn_cast<FuncOp>(op);
  return func ? verifyPlacement(op, func.getResultTypes()[index], attr, "result", index) : success();
}
LogicalResult KernelDialect::verifyPlacement(Operation *op, Type type, NamedAttribute attr, StringRef what, unsigned index) {
  if (attr.getName() == "kernel.constant" && what == "argument" && isa<UnitAttr>(attr.getValue()))
    return success();
  if (attr.getName() == "kernel.winograd_errors" && what == "argument") {
    auto errors = dyn_cast<DenseF64ArrayAttr>(attr.getValue());
    return errors && errors.size() == 2 ? success() : op->emitOpError("expected kernel.winograd_errors to be array<f64: F(2x2)'s, F(4x4)'s>");
  }
  if (attr.getName() == "kernel.strassen_error" && what == "argument") {
    auto error = dyn_cast<FloatAttr>(attr.getValue());
    return error && error.getType().isF64() ? success() : op->emitOpError("expected kernel.strassen_error to be an f64");
  }
  if (attr.getName() == "kernel.largest_sum" && what == "argument") {
    auto sum = dyn_cast<IntegerAttr>(attr.getValue());
    return sum && sum.getType().isSignlessInteger(64) ? success() : op->emitOpError("expected kernel.largest_sum to be an i64");
  }
  if (attr.getName() == "kernel.split_share" && what == "argument") {
    auto share = dyn_cast<IntegerAttr>(attr.getValue());
    return share && share.getType().isInteger(64) ? success() : op->emitOpError("expected kernel.split_share to be an i64");
  }
  if (attr.getName() != "kernel.strides")
    return op->emitOpError() << "does not know the attribute " << attr.getName() << " of " << what << " " << index;
  auto tensor = dyn_cast<RankedTensorType>(type);
  auto strides = dyn_cast<nn::DimsAttr>(attr.getValue());
  if (!tensor || !strides || static_cast<int64_t>(strides.size()) != tensor.getRank())
    return op->emitOpError() << "expected kernel.strides of " << what << " " << index << " to be #nn.dims with one stride an axis of " << type
                             << ", found " << attr.getValue();
  return success();
}

// --- kernel.return, kernel.dispatch, kernel.unpack

LogicalResult ReturnOp::verify() {
  TypeRange expected = cast<FuncOp>((*this)->getParentOp()).getResultTypes();
  if (getOperandTypes() != expected)
    return emitOpError() << "expected the kernel's result types (" << expected << "), found (" << getOperandTypes() << ")";
  return success();
}

LogicalResult DispatchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto callee = symbols.lookupNearestSymbolFrom<FuncOp>(*this, getKernelAttr());
  if (!callee)
    return emitOpError() << "expected " << getKernelAttr() << " to be a kernel.func";
  if (callee.getArgumentTypes() != getArgs().getTypes() || callee.getResultTypes() != getOuts().getTypes())
    return emitOpError() << "expected the type " << callee.getFunctionType() << " of " << getKernelAttr() << ", found "
                         << FunctionType::get(getContext(), getArgs().getTypes(), getOuts().getTypes());
  return success();
}

LogicalResult UnpackOp::verify() {
  auto packed = cast<RankedTensorType>(getPacked().getType()), result = cast<RankedTensorType>(getResult().getType());
  PackingAttr packing = getPacking();
  if (packed.getShape() != ArrayRef<int64_t>(packing.packedShape()) || packed.getElementType() != result.getElementType())
    return emitOpError() << "expected a packed tensor of shape [" << packing.packedShape() << "] and of " << result.getElementType()
                         << ", found " << packed;
  bool fits = result.hasStaticShape() && result.getRank() == static_cast<int64_t>(packing.getPadded().size());
  if (fits && packing.getWinograd())
    fits = result.getDimSize(2) == 3 && result.getDimSize(3) == 3 && result.getElementType().isF32();
  if (fits)
    for (auto [extent, padded] : llvm::zip_equal(packing.transformedShape(result.getShape()), packing.getPadded()))
      fits &= extent <= padded;
  if (!fits)
    return emitOpError() << "expected a static result within `padded` = [" << packing.getPadded() << "]" << (packing.getWinograd() ? ", 3 x 3 filters of f32" : "")
                         << ", found " << result;
  return success();
}
