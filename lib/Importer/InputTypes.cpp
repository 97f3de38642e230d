#include "lib/Importer/InputTypes.h"
#include "lib/Importer/Locations.h"
#include "lib/Importer/TensorData.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "mlir/IR/Diagnostics.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

Dim InputTypes::wantedDim(StringRef text) {
  int64_t size;
  return text.getAsInteger(10, size) ? Dim::symbol(context, text) : Dim::constant(context, size);
}

/// The model's name of a free dimension; an unnamed one ("?" to some exporters) is named after its input.
static std::string freeName(const onnx::TensorShapeProto::Dimension &dim, int axis, StringRef input) {
  bool named = dim.has_dim_param() && !dim.dim_param().empty() && dim.dim_param() != "?";
  return named ? dim.dim_param() : (input + ".dim" + Twine(axis)).str();
}
static bool isFree(const onnx::TensorShapeProto::Dimension &dim) {
  return !dim.has_dim_value() || dim.dim_value() < 0; // some exporters write -1
}

Dim InputTypes::declaredDim(const onnx::TensorShapeProto &shape, int axis, StringRef name) {
  const onnx::TensorShapeProto::Dimension &dim = shape.dim(axis);
  if (!isFree(dim))
    return Dim::constant(context, dim.dim_value());
  std::string free = freeName(dim, axis, name);
  auto found = bound.find(free);
  return found != bound.end() ? found->second : Dim::symbol(context, free);
}

static FailureOr<SmallVector<std::string>> parseShape(StringRef text, Location location) {
  SmallVector<StringRef> parts;
  if (!text.empty()) // a scalar otherwise
    text.split(parts, text.contains(',') ? ',' : 'x');
  SmallVector<std::string> out;
  for (StringRef part : parts) {
    part = part.trim();
    uint64_t size;
    bool isNumber = !part.getAsInteger(10, size) && size >= 1 && size <= INT32_MAX;
    bool isName = !part.empty() && (llvm::isAlpha(part[0]) || part[0] == '_');
    if (!isNumber && !isName && part != "?")
      return emitError(location) << "the shape '" << text << "' has the entry '" << part << "'; a size from 1 to " << INT32_MAX
                                 << ", a name or ? was expected, as in 1x3x224x224 or batch,3,224,224";
    out.push_back(part.str());
  }
  return out;
}

LogicalResult InputTypes::bind(const onnx::ValueInfoProto &input, const Shape &wanted) {
  Location location = partLocation(context, input.name());
  if (!input.type().has_tensor_type())
    return emitError(location) << "a shape is given for an input that is no tensor";
  if (!input.type().tensor_type().has_shape())
    return success();
  const onnx::TensorShapeProto &shape = input.type().tensor_type().shape();
  if (size_t(shape.dim_size()) != wanted.size())
    return emitError(location) << "the wanted shape has " << wanted.size() << " dimensions, the input has " << shape.dim_size();
  for (int axis = 0; axis < shape.dim_size(); ++axis) {
    if (wanted[axis] == "?")
      continue;
    const onnx::TensorShapeProto::Dimension &dim = shape.dim(axis);
    Dim size = wantedDim(wanted[axis]);
    if (!isFree(dim)) {
      if (size != Dim::constant(context, dim.dim_value()))
        return emitError(location) << "axis " << axis << " is wanted as " << wanted[axis] << ", but the model fixes it to " << dim.dim_value();
      continue;
    }
    std::string free = freeName(dim, axis, input.name());
    Dim other = bound.try_emplace(free, size).first->second;
    if (other != size)
      return emitError(location) << "axis " << axis << " is wanted as " << wanted[axis] << ", but its dimension '" << free
                                 << "' is also wanted as " << other.str();
  }
  return success();
}

LogicalResult InputTypes::prepare(const onnx::GraphProto &graph) {
  llvm::StringSet<> initializers;
  for (const onnx::TensorProto &tensor : graph.initializer())
    initializers.insert(tensor.name());
  llvm::StringMap<const onnx::ValueInfoProto *> inputs;
  std::string names;
  for (const onnx::ValueInfoProto &input : graph.input())
    if (!initializers.contains(input.name())) {
      inputs[input.name()] = &input;
      names += (names.empty() ? "'" : ", '") + input.name() + "'";
    }
  for (const auto &[name, text] : options.shapes) {
    Location location = partLocation(context, name);
    const onnx::ValueInfoProto *input = inputs.lookup(name);
    if (!input)
      return emitError(location) << "a shape is given for an input that the model does not have; its inputs are " << names;
    FailureOr<Shape> shape = parseShape(text, location);
    if (failed(shape) || failed(bind(*input, *shape)))
      return failure();
    if (!overrides.try_emplace(name, *shape).second)
      return emitError(location) << "two shapes are given for one input";
  }
  return success();
}

FailureOr<RankedTensorType> InputTypes::typeOf(StringRef name, const onnx::TypeProto::Tensor &tensor, Type element) {
  Location location = partLocation(context, name);
  auto wanted = overrides.find(name);
  if (!tensor.has_shape() && wanted == overrides.end())
    return emitError(location) << "the model gives the input no shape; give one: --shape " << name << "=1x3x224x224";
  SmallVector<Dim> dims;
  if (tensor.has_shape())
    for (int axis = 0; axis < tensor.shape().dim_size(); ++axis)
      dims.push_back(declaredDim(tensor.shape(), axis, name));
  else
    for (auto [axis, text] : llvm::enumerate(wanted->second))
      dims.push_back(text == "?" ? Dim::symbol(context, (name + ".dim" + Twine(axis)).str()) : wantedDim(text));
  Dim bytes = nn::product(context, dims) * ((element.getIntOrFloatBitWidth() + 7) / 8);
  if (llvm::all_of(dims, [](Dim dim) { return dim.isConstant(); }) && !bytes.isConstant())
    return emitError(location) << "the input's size overflows";
  return nn::tensorOf(dims, element);
}

RankedTensorType InputTypes::declaredType(const onnx::ValueInfoProto &info) {
  const onnx::TypeProto::Tensor &tensor = info.type().tensor_type();
  Type element = elementType(context, tensor.elem_type());
  if (!element || !tensor.has_shape())
    return {};
  SmallVector<Dim> dims;
  for (int axis = 0; axis < tensor.shape().dim_size(); ++axis)
    dims.push_back(declaredDim(tensor.shape(), axis, info.name()));
  return nn::tensorOf(dims, element);
}

} // namespace tenon::importer
