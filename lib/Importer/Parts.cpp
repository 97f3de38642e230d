#include "lib/Importer/Parts.h"
#include "lib/Importer/Formula.h"
#include "lib/Importer/RunTimeSequences.h"
#include "lib/Importer/Strings.h"
#include "lib/Importer/TensorData.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

//===-- What stands for them --------------------------------------------------------------------------------------===//

static Type markerType(MLIRContext *context, StringRef name) {
  return OpaqueType::get(StringAttr::get(context, nn::NNDialect::getDialectNamespace()), name);
}

Value compound(Node &node, StringRef name, ValueRange parts) {
  return UnrealizedConversionCastOp::create(node.builder, node.location, markerType(node.context, name), parts).getResult(0);
}

UnrealizedConversionCastOp compoundOf(Value value, StringRef name) {
  if (!value || value.getType() != markerType(value.getContext(), name))
    return {};
  return value.getDefiningOp<UnrealizedConversionCastOp>();
}

bool isNumeric(Value value) { return isa<RankedTensorType>(value.getType()) && !isString(value); }
bool isSequence(Value value) { return isa<TupleType>(value.getType()) || compoundOf(value, kSequenceType); }
bool isAbsent(Value value) { return isa<NoneType>(value.getType()); }

Value absent(Node &node) {
  return UnrealizedConversionCastOp::create(node.builder, node.location, NoneType::get(node.context), ValueRange()).getResult(0);
}

//===-- Forms -----------------------------------------------------------------------------------------------------===//

Form formOf(Value value) {
  Form form;
  if (isAbsent(value)) {
    form.isOptional = true;
    return form;
  }
  if (auto optional = compoundOf(value, kOptionalType)) {
    form = formOf(optional.getInputs()[1]);
    form.isOptional = true;
    return form;
  }
  if (std::optional<RunTimeSequence> sequence = runTimeSequence(value)) {
    form.isSequence = true;
    form.isString = isString(sequence->data);
    form.element = getElementTypeOrSelf(sequence->data.getType());
    form.dims = sequence->dims;
    return form;
  }
  if (isa<TupleType>(value.getType())) {
    form.isSequence = true;
    for (auto [i, tensor] : llvm::enumerate(value.getDefiningOp()->getOperands())) {
      form.isString |= isString(tensor);
      form.element = getElementTypeOrSelf(tensor.getType());
      form.dims = i == 0 ? fixedDims(tensor) : commonDims(form.dims, fixedDims(tensor));
    }
    return form;
  }
  form.isString = isString(value);
  form.element = getElementTypeOrSelf(value.getType());
  form.dims = fixedDims(value);
  return form;
}

Form formOf(MLIRContext *context, const onnx::TypeProto &type) {
  const onnx::TypeProto *inner = &type;
  Form form;
  if (inner->has_optional_type()) {
    form.isOptional = true;
    inner = &inner->optional_type().elem_type();
  }
  if (inner->has_sequence_type()) {
    form.isSequence = true;
    inner = &inner->sequence_type().elem_type();
  }
  const onnx::TypeProto::Tensor &tensor = inner->tensor_type();
  form.isString = tensor.elem_type() == onnx::TensorProto::STRING;
  form.element = form.isString ? stringType(context) : elementType(context, tensor.elem_type());
  if (tensor.has_shape()) {
    form.dims.emplace();
    for (const onnx::TensorShapeProto::Dimension &dim : tensor.shape().dim())
      form.dims->push_back(dim.has_dim_value() && dim.dim_value() >= 0 ? dim.dim_value() : ShapedType::kDynamic);
  }
  return form;
}

/// Nothing is known of what it holds: no tensor, or none at all.
static bool holdsNothing(const Form &form) { return !form.element; }

std::optional<Form> join(const Form &a, const Form &b) {
  bool isOptional = a.isOptional || b.isOptional;
  bool aIsEmpty = holdsNothing(a), bIsEmpty = holdsNothing(b);
  // An absent optional may be one of anything, an empty sequence one of any tensors.
  if (aIsEmpty || bIsEmpty) {
    Form joined = bIsEmpty && !(aIsEmpty && b.isSequence) ? a : b;
    const Form &empty = bIsEmpty ? b : a;
    if (empty.isSequence && !joined.isSequence)
      return std::nullopt;
    joined.isOptional = isOptional;
    return joined;
  }
  if (a.isSequence != b.isSequence || a.element != b.element)
    return std::nullopt;
  Form joined = a;
  joined.isOptional = isOptional;
  joined.dims = commonDims(a.dims, b.dims);
  return joined;
}

//===-- To parts and back -----------------------------------------------------------------------------------------===//

size_t partCount(const Form &form) { return (form.isOptional ? 1 : 0) + (form.isString ? 3 : 1) + (form.isSequence ? 1 : 0); }

/// The tensors behind a tensor of strings; any other one is itself.
static SmallVector<Value> tensorParts(Value tensor) {
  if (!isString(tensor))
    return {tensor};
  Strings strings = stringsOf(tensor);
  return {strings.bytes, strings.starts, strings.lengths};
}

static SmallVector<Value> sequenceParts(Node &node, const RunTimeSequence &sequence) {
  if (node.failed())
    return {};
  SmallVector<Value> parts = tensorParts(sequence.data);
  parts.push_back(sequence.shapes);
  return parts;
}

/// What an optional that holds nothing passes: something of its types, which nothing reads.
static SmallVector<Value> nothing(Node &node, const Form &form) {
  if (!form.element || (!form.isSequence && !form.dims)) {
    node.unsupported(form.element ? "an optional of tensors of different ranks" : "an optional of which no type is known");
    return {};
  }
  if (form.isSequence)
    return sequenceParts(node, runTimeSequenceOf(node, {}, form.element));
  constexpr int64_t kMost = 1 << 16; // elements; where there were more, none
  int64_t count = 1;
  SmallVector<int64_t> shape;
  for (int64_t size : *form.dims) {
    shape.push_back(ShapedType::isDynamic(size) || size > kMost / std::max<int64_t>(count, 1) ? 0 : size);
    count *= shape.back();
  }
  if (form.isString)
    return tensorParts(stringConstant(node, std::vector<std::string>(count), shape));
  SmallVector<Dim> dims = llvm::map_to_vector(shape, [&](int64_t size) { return node.dim(size); });
  return {Formula(node).expand(node.scalar(0, form.element), dims)};
}

SmallVector<Value> partsOf(Node &node, Value value, const Form &form) {
  if (node.failed())
    return {};
  if (form.isOptional) {
    Form inner = form;
    inner.isOptional = false;
    auto held = compoundOf(value, kOptionalType);
    SmallVector<Value> parts{held ? held.getInputs()[0] : node.scalar(!isAbsent(value), node.builder.getI1Type())};
    llvm::append_range(parts, isAbsent(value) ? nothing(node, inner) : partsOf(node, held ? held.getInputs()[1] : value, inner));
    return parts;
  }
  if (!form.isSequence)
    return tensorParts(value);
  std::optional<RunTimeSequence> sequence = runTimeSequence(value);
  if (!sequence && !form.element)
    node.unsupported("an empty sequence of which no type is known");
  if (!sequence)
    sequence = runTimeSequenceOf(node, SmallVector<Value>(value.getDefiningOp()->getOperands()), form.element);
  return sequenceParts(node, *sequence);
}

Value compose(Node &node, const Form &form, ArrayRef<Value> parts) {
  if (node.failed())
    return {};
  if (form.isOptional) {
    Form inner = form;
    inner.isOptional = false;
    return compound(node, kOptionalType, {parts[0], compose(node, inner, parts.drop_front())});
  }
  Value tensor = form.isString ? stringsValue(node, {parts[0], parts[1], parts[2]}) : parts[0];
  return form.isSequence ? sequenceValue(node, {tensor, parts.back(), form.dims}) : tensor;
}

} // namespace tenon::importer
