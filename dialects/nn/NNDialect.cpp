// Registration of the nn dialect, its attributes, and nn.constant.
#include "dialects/nn/NN.h"
#include "llvm/ADT/TypeSwitch.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::nn;

#include "dialects/nn/NNDialect.cpp.inc"
#include "dialects/nn/NNEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/nn/NNAttrs.cpp.inc"

void NNDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/nn/NNAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/nn/NNOps.cpp.inc"
      >();
}

Operation *NNDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type, Location loc) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !tensor.hasStaticShape() || !isa<ElementsAttr, DimsAttr>(value))
    return nullptr;
  return ConstantOp::create(builder, loc, value, tensor);
}

void ConstantOp::build(OpBuilder &builder, OperationState &state, Attribute value, RankedTensorType type) {
  build(builder, state, type, value, TypeAttr::get(type));
}

void ConstantOp::build(OpBuilder &builder, OperationState &state, ElementsAttr value) {
  build(builder, state, value, cast<RankedTensorType>(value.getType()));
}

// nn.constant dense<1.0> : tensor<2xf32>     nn.constant dims<[batch, 3]> : tensor<2xi64>
void ConstantOp::print(OpAsmPrinter &printer) {
  printer.printOptionalAttrDict((*this)->getAttrs(), {getValueAttrName(), getTypeAttrName()});
  printer << ' ';
  if (auto dims = dyn_cast<DimsAttr>(getValue())) {
    printer << "dims";
    dims.print(printer);
    printer << " : " << getTypeAttr().getValue();
  } else {
    printer.printAttribute(getValue());
  }
}

ParseResult ConstantOp::parse(OpAsmParser &parser, OperationState &result) {
  Attribute value;
  Type type;
  if (parser.parseOptionalAttrDict(result.attributes))
    return failure();
  llvm::SMLoc loc = parser.getCurrentLocation();
  if (succeeded(parser.parseOptionalKeyword("dims"))) {
    if (!(value = DimsAttr::parse(parser, {})) || parser.parseColonType(type))
      return failure();
  } else {
    if (parser.parseAttribute(value))
      return failure();
    auto elements = dyn_cast<ElementsAttr>(value);
    if (!elements)
      return parser.emitError(loc, "expected dense<...>, dense_resource<...> or dims<[...]>");
    type = elements.getType();
  }
  result.addAttribute(getValueAttrName(result.name), value);
  result.addAttribute(getTypeAttrName(result.name), TypeAttr::get(type));
  result.addTypes(type);
  return success();
}

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }
