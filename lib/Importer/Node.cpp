#include "lib/Importer/Node.h"
#include "lib/Importer/GraphImporter.h"
#include "lib/Importer/Scope.h"
#include "lib/Importer/TensorData.h"

#include "llvm/Support/Endian.h"
#include "mlir/IR/Verifier.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;
using onnx::AttributeProto;

Node::Node(GraphImporter &importer, Scope &scope, const onnx::NodeProto &proto, int64_t opset, Location location, ArrayRef<Value> inputs)
    : proto(proto), opset(opset), location(location), importer(importer), scope(scope), builder(importer.builder()),
      context(builder.getContext()), inputs(inputs) {}

//===-- Attributes ------------------------------------------------------------------------------------------------===//

const AttributeProto *Node::attribute(StringRef name) const {
  for (const AttributeProto &attribute : proto.attribute())
    if (attribute.name() == name)
      return &attribute;
  return nullptr;
}

const AttributeProto *Node::typed(StringRef name, AttributeProto::AttributeType type) {
  const AttributeProto *found = attribute(name);
  if (!found || found->type() == type || found->type() == AttributeProto::UNDEFINED)
    return found;
  invalid("attribute '" + name + "' has the wrong type");
  return nullptr;
}

int64_t Node::integer(StringRef name, int64_t otherwise) {
  const AttributeProto *found = typed(name, AttributeProto::INT);
  return found ? found->i() : otherwise;
}
double Node::real(StringRef name, double otherwise) {
  const AttributeProto *found = typed(name, AttributeProto::FLOAT);
  return found ? found->f() : otherwise;
}
StringRef Node::text(StringRef name, StringRef otherwise) {
  const AttributeProto *found = typed(name, AttributeProto::STRING);
  return found ? StringRef(found->s()) : otherwise;
}
std::optional<SmallVector<int64_t>> Node::integers(StringRef name) {
  const AttributeProto *found = typed(name, AttributeProto::INTS);
  if (!found)
    return std::nullopt;
  return SmallVector<int64_t>(found->ints().begin(), found->ints().end());
}
std::optional<SmallVector<double>> Node::reals(StringRef name) {
  const AttributeProto *found = typed(name, AttributeProto::FLOATS);
  if (!found)
    return std::nullopt;
  return SmallVector<double>(found->floats().begin(), found->floats().end());
}
std::vector<std::string> Node::texts(StringRef name) {
  const AttributeProto *found = typed(name, AttributeProto::STRINGS);
  return found ? std::vector<std::string>(found->strings().begin(), found->strings().end()) : std::vector<std::string>();
}

//===-- Known inputs ----------------------------------------------------------------------------------------------===//

/// Without the input's name: nodes of one reason are one line of the list.
static std::string inputText(size_t i) {
  return "input " + std::to_string(i);
}
static std::string dependsOnValues(const Twine &what) {
  return (what + " depends on values that only a run knows").str();
}

std::optional<SmallVector<Dim>> Node::knownDims(size_t i) {
  if (failed())
    return std::nullopt;
  if (!in(i)) {
    invalid("input " + Twine(i) + " is missing");
    return std::nullopt;
  }
  if (nn::numElements(in(i).getType()).isConstant(0))
    return SmallVector<Dim>();
  std::optional<SmallVector<Dim>> values = nn::constantDims(in(i));
  if (!values)
    unsupported(dependsOnValues(inputText(i)));
  return values;
}

/// So many sizes a run reads at most, and so many elements are told apart.
constexpr int64_t kMostSizes = 64;

SmallVector<std::optional<Dim>> Node::knownParts(Value value) const {
  if (std::optional<SmallVector<Dim>> known = nn::constantDims(value))
    return llvm::map_to_vector(*known, [](Dim dim) { return std::optional(dim); });
  int64_t count = nn::numElements(value.getType()).asConstant().value_or(0);
  if (count == 0 || count > kMostSizes)
    return {};
  Operation *op = value.getDefiningOp();
  SmallVector<std::optional<Dim>> parts;
  if (auto concat = dyn_cast_or_null<nn::ConcatOp>(op); concat && cast<RankedTensorType>(value.getType()).getRank() == 1)
    for (Value input : concat.getInputs())
      llvm::append_range(parts, knownParts(input));
  else if (isa_and_nonnull<nn::ReshapeOp>(op) || (isa_and_nonnull<nn::CastOp>(op) && getElementTypeOrSelf(op->getOperand(0)).isInteger()))
    parts = knownParts(op->getOperand(0));
  if (int64_t(parts.size()) != count)
    parts.assign(count, std::nullopt);
  return parts;
}

SmallVector<Dim> Node::readSizes(Value value, StringRef what) {
  if (failed())
    return {};
  if (std::optional<SmallVector<Dim>> known = nn::constantDims(value))
    return *known;
  std::optional<int64_t> count = nn::numElements(value.getType()).asConstant();
  if (!count || *count > kMostSizes) {
    unsupported("it takes its sizes from a tensor of " + nn::numElements(value.getType()).str() + " elements that the run computes; at most " +
                Twine(kMostSizes) + " are supported");
    return {};
  }
  Type element = getElementTypeOrSelf(value.getType());
  if (!element.isSignlessInteger(32) && !element.isSignlessInteger(64) && !element.isF32())
    value = cast(value, builder.getI64Type());
  return failed() ? SmallVector<Dim>() : importer.readSizes(value, location, what);
}

std::optional<SmallVector<Dim>> Node::sizes(size_t i) {
  if (failed())
    return std::nullopt;
  if (!in(i)) {
    invalid("input " + Twine(i) + " is missing");
    return std::nullopt;
  }
  SmallVector<std::optional<Dim>> parts = knownParts(in(i));
  bool isComplete = llvm::all_of(parts, [](const std::optional<Dim> &part) { return part.has_value(); });
  bool hasAll = nn::numElements(in(i).getType()).isConstant(int64_t(parts.size()));
  SmallVector<Dim> read, out;
  if (!isComplete || !hasAll)
    read = readSizes(isa<FloatType>(element(i)) ? cast(in(i), builder.getI64Type()) : in(i));
  if (failed())
    return std::nullopt;
  for (auto [index, part] : llvm::enumerate(parts))
    out.push_back(part ? *part : read[index]);
  return out;
}

void Node::require(Dim left, Dim right, const Twine &what) {
  if (failed() || left == right)
    return;
  if (left.isConstant() && right.isConstant())
    return invalid(what + ": found " + left.str() + ", expected " + right.str());
  nn::RequireOp::create(builder, location, left.attr(), right.attr(), builder.getStringAttr(what), UnitAttr());
}

void Node::requireAtMost(Dim left, Dim right, const Twine &what) {
  std::optional<int64_t> slack = failed() ? std::nullopt : (right - left).lowerBound();
  if (failed() || (slack && *slack >= 0))
    return;
  if (left.isConstant() && right.isConstant())
    return invalid(what + ": found " + left.str() + ", expected at most " + right.str());
  nn::RequireOp::create(builder, location, left.attr(), right.attr(), builder.getStringAttr(what), builder.getUnitAttr());
}

void Node::takeLength(size_t i, int64_t count) {
  if (!failed() && in(i) && rank(i) == 1 && count >= 0)
    takeSize(i, 0, count);
}

void Node::takeOne(size_t i) {
  if (failed() || !in(i) || nn::numElements(in(i).getType()).isConstant())
    return;
  for (int64_t axis = 0; axis < rank(i); ++axis)
    takeSize(i, axis, 1);
}

void Node::takeSize(size_t i, int64_t axis, int64_t size) {
  if (failed())
    return;
  SmallVector<Dim> sizes = dims(i);
  if (sizes[axis].isConstant())
    return;
  require(sizes[axis], dim(size), "axis " + Twine(axis) + " of input " + Twine(i));
  sizes[axis] = dim(size);
  inputs[i] = reshape(inputs[i], sizes);
}

std::optional<int64_t> Node::declaredRank(int i) const {
  if (!wants(i))
    return std::nullopt;
  auto found = scope.ranks.find(proto.output(i));
  return found == scope.ranks.end() ? std::nullopt : std::optional(found->second);
}

std::optional<SmallVector<int64_t>> Node::knownIntegers(size_t i) {
  std::optional<SmallVector<Dim>> values = knownDims(i);
  if (!values)
    return std::nullopt;
  SmallVector<int64_t> out;
  for (Dim value : *values) {
    if (!value.isConstant()) {
      unsupported("input " + Twine(i) + " is " + value.str() + ", which must be a constant here");
      return std::nullopt;
    }
    out.push_back(*value.asConstant());
  }
  return out;
}

template <typename T> static void appendAs(ArrayRef<char> bytes, SmallVectorImpl<double> &out) {
  for (size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
    T value; // the bytes need not be aligned
    memcpy(&value, bytes.data() + at, sizeof(T));
    out.push_back(double(value));
  }
}

std::optional<SmallVector<double>> Node::knownReals(size_t i) {
  if (failed())
    return std::nullopt;
  if (!in(i)) {
    invalid("input " + Twine(i) + " is missing");
    return std::nullopt;
  }
  return realsOf(in(i), inputText(i));
}

/// Floats of one or two bytes.
static void appendNarrow(ArrayRef<char> data, FloatType type, SmallVectorImpl<double> &out) {
  size_t bytes = type.getWidth() / 8;
  for (size_t at = 0; at + bytes <= data.size(); at += bytes) {
    uint16_t bits = bytes == 1 ? uint8_t(data[at]) : llvm::support::endian::read16le(data.data() + at);
    out.push_back(APFloat(type.getFloatSemantics(), APInt(type.getWidth(), bits)).convertToDouble());
  }
}

std::optional<SmallVector<double>> Node::realsOf(Value value, const Twine &what) {
  SmallVector<double> out;
  auto constant = value.getDefiningOp<nn::ConstantOp>();
  if (auto dense = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : nullptr) {
    if (isa<FloatType>(dense.getElementType())) {
      for (APFloat value : dense.getValues<APFloat>())
        out.push_back(value.convertToDouble());
      return out;
    }
    if (auto integer = dyn_cast<IntegerType>(dense.getElementType())) {
      for (APInt value : dense.getValues<APInt>())
        out.push_back(value.roundToDouble(!integer.isUnsigned() && integer.getWidth() > 1));
      return out;
    }
  }
  auto resource = constant ? dyn_cast<DenseResourceElementsAttr>(constant.getValue()) : nullptr;
  if (AsmResourceBlob *blob = resource ? resource.getRawHandle().getBlob() : nullptr) {
    Type element = resource.getElementType();
    if (element.isF32() || element.isF64()) {
      element.isF32() ? appendAs<float>(blob->getData(), out) : appendAs<double>(blob->getData(), out);
      return out;
    }
    if (auto narrow = dyn_cast<FloatType>(element); narrow && (narrow.getWidth() == 8 || narrow.getWidth() == 16)) {
      appendNarrow(blob->getData(), narrow, out);
      return out;
    }
  }
  unsupported(dependsOnValues(what));
  return std::nullopt;
}

std::optional<SmallVector<int64_t>> Node::integersFrom(StringRef name, size_t i) {
  if (in(i))
    return knownIntegers(i);
  return integers(name);
}

int64_t Node::axisOf(int64_t axis, int64_t rank) {
  if (axis >= -rank && axis < rank)
    return axis < 0 ? axis + rank : axis;
  invalid("axis " + Twine(axis) + " is outside a tensor of rank " + Twine(rank));
  return 0;
}

SmallVector<int64_t> Node::axesOf(ArrayRef<int64_t> axes, int64_t rank) {
  SmallVector<int64_t> out;
  for (int64_t axis : axes) {
    int64_t counted = axisOf(axis, rank);
    if (!failed() && llvm::is_contained(out, counted))
      invalid("axis " + Twine(axis) + " is given twice");
    out.push_back(counted);
  }
  return out;
}

//===-- Building --------------------------------------------------------------------------------------------------===//

/// Bytes of a fully known shape; none where they overflow what a machine can address.
static bool isAddressable(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return true;
  constexpr int64_t kLargest = int64_t(1) << 47; // the user half of a 48-bit address space
  int64_t elements = 1;
  for (int64_t size : tensor.getShape()) {
    if (ShapedType::isDynamic(size))
      continue;
    if (size == 0)
      return true;
    if (size > kLargest / elements)
      return false;
    elements *= size;
  }
  return true;
}

/// The axes of its first operand that an op reads, or writes, at places that it computes: they must not be empty where anything is read. None of
/// ops that do no such thing.
static SmallVector<Dim> placedAxes(Operation *op) {
  auto dims = [&] { return nn::dimsOf(op->getOperand(0).getType()); };
  return llvm::TypeSwitch<Operation *, SmallVector<Dim>>(op)
      .Case<nn::GatherOp, nn::GatherElementsOp, nn::ScatterElementsOp>([&](auto gather) { return SmallVector<Dim>{dims()[gather.getAxis()]}; })
      .Case<nn::GatherNDOp, nn::ScatterNDOp>([&](auto) { return dims(); })
      .Case<nn::GridSampleOp, nn::RoiAlignOp, nn::ResizeOp>([&](auto) {
        SmallVector<Dim> spatial = dims();
        return SmallVector<Dim>(ArrayRef(spatial).drop_front(std::min<size_t>(2, spatial.size())));
      })
      .Default([](Operation *) { return SmallVector<Dim>(); });
}

void Node::requirePlaces(Operation *op) {
  for (Dim places : placedAxes(op)) {
    if (places.lowerBound().value_or(0) >= 1)
      continue;
    // What a scatter writes are its updates.
    Dim used = nn::numElements(isa<nn::ScatterElementsOp, nn::ScatterNDOp>(op) ? op->getOperand(2).getType() : op->getResult(0).getType());
    requireAtMost(used.isOverflow() ? dim(1) : used.min(dim(1)), places, "how much is read of a tensor that may be empty");
  }
}

SmallVector<Value> Node::finish(OperationState &state, unsigned count) {
  SmallVector<Value> none(count);
  state.types.clear();
  nn::SizeConditions conditions;
  auto *inference = state.name.getRegisteredInfo()->getInterface<InferTypeOpInterface>();
  if (mlir::failed(inference->inferReturnTypes(context, location, state.operands, state.attributes.getDictionary(context),
                                         state.getRawProperties(), state.regions, state.types))) {
    outcome = Outcome::Invalid;
    return none;
  }
  if (!llvm::all_of(state.types, isAddressable)) {
    invalid("the result's size overflows");
    return none;
  }
  for (const nn::SizeCondition &condition : conditions.get())
    importer.require(condition, location);
  Operation *op = builder.create(state);
  if (mlir::failed(verify(op, /*verifyRecursively=*/false))) {
    outcome = Outcome::Invalid;
    op->erase();
    return none;
  }
  SmallVector<Value> folded;
  if (succeeded(builder.tryFold(op, folded)) && folded.size() == op->getNumResults()) {
    op->erase();
    return folded;
  }
  requirePlaces(op);
  return failed() ? none : SmallVector<Value>(op->getResults());
}

Value Node::constant(ElementsAttr value) {
  return nn::ConstantOp::create(builder, location, value);
}

Value Node::constant(ArrayRef<Dim> values, RankedTensorType type) {
  if (llvm::all_of(values, [](Dim value) { return value.isConstant(); })) {
    unsigned width = type.getElementTypeBitWidth();
    auto numbers =
        llvm::map_to_vector(values, [&](Dim value) { return APInt(width, *value.asConstant(), /*isSigned=*/true, /*implicitTrunc=*/true); });
    return constant(DenseElementsAttr::get(type, numbers));
  }
  return nn::ConstantOp::create(builder, location, nn::dimsAttr(context, values), type);
}

Value Node::scalar(double value, Type element) {
  auto type = RankedTensorType::get({}, element);
  if (isa<FloatType>(element))
    return constant(DenseElementsAttr::get(type, FloatAttr::get(element, value).getValue()));
  constexpr double kLargest = 9.2e18; // below 2^63
  int64_t rounded = std::isnan(value) ? 0 : int64_t(std::clamp(value, -kLargest, kLargest));
  return constant(DenseElementsAttr::get(type, APInt(element.getIntOrFloatBitWidth(), rounded, /*isSigned=*/true, /*implicitTrunc=*/true)));
}

Value Node::reshape(Value value, ArrayRef<Dim> dims) { return make<nn::ReshapeOp>(value, dimsAttr(dims)); }

Value Node::transpose(Value value, ArrayRef<int64_t> permutation) {
  return make<nn::TransposeOp>(value, i64s(permutation));
}

Value Node::cast(Value value, Type element) {
  if (failed() || getElementTypeOrSelf(value.getType()) == element)
    return value;
  return make<nn::CastOp>(value, TypeAttr::get(element), builder.getBoolAttr(true), nn::RoundModeAttr::get(context, nn::RoundMode::Up));
}

Value Node::slice(Value value, int64_t axis, Dim start, Dim size) {
  if (failed())
    return {};
  SmallVector<Dim> sizes = nn::dimsOf(value.getType());
  SmallVector<Dim> starts(sizes.size(), dim(0));
  SmallVector<int64_t> steps(sizes.size(), 1);
  starts[axis] = start;
  sizes[axis] = size;
  return make<nn::SliceOp>(value, dimsAttr(starts), dimsAttr(sizes), i64s(steps));
}

void Node::result(size_t i, Value value) {
  if (results.size() <= i)
    results.resize(i + 1);
  results[i] = value;
}

//===-- Reporting -------------------------------------------------------------------------------------------------===//

void Node::unsupported(const Twine &why) {
  if (failed())
    return;
  outcome = Outcome::Unsupported;
  importer.unsupportedNodes().add(proto, location, why.str());
}

void Node::invalid(const Twine &why) {
  if (failed())
    return;
  outcome = Outcome::Invalid;
  emitError(location) << why;
}

} // namespace tenon::importer
