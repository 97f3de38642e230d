#include "lib/Importer/AttributeForm.h"
#include "lib/Importer/WireFormat.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"

namespace tenon::importer {
using llvm::SmallVector;
using onnx::AttributeProto;

/// The types of which the attribute holds values. One whose value is that type's default may hold none.
static SmallVector<AttributeProto::AttributeType> heldTypes(const AttributeProto &attribute) {
  const std::pair<bool, AttributeProto::AttributeType> fields[] = {
      {attribute.has_f(), AttributeProto::FLOAT},
      {attribute.has_i(), AttributeProto::INT},
      {attribute.has_s(), AttributeProto::STRING},
      {attribute.has_t(), AttributeProto::TENSOR},
      {attribute.has_g(), AttributeProto::GRAPH},
      {attribute.has_tp(), AttributeProto::TYPE_PROTO},
      {attribute.has_sparse_tensor(), AttributeProto::SPARSE_TENSOR},
      {attribute.floats_size() > 0, AttributeProto::FLOATS},
      {attribute.ints_size() > 0, AttributeProto::INTS},
      {attribute.strings_size() > 0, AttributeProto::STRINGS},
      {attribute.tensors_size() > 0, AttributeProto::TENSORS},
      {attribute.graphs_size() > 0, AttributeProto::GRAPHS},
      {attribute.type_protos_size() > 0, AttributeProto::TYPE_PROTOS},
      {attribute.sparse_tensors_size() > 0, AttributeProto::SPARSE_TENSORS},
  };
  SmallVector<AttributeProto::AttributeType> out;
  for (auto [isHeld, type] : fields)
    if (isHeld)
      out.push_back(type);
  return out;
}

std::string malformedAttribute(const onnx::NodeProto &node, bool isInFunction) {
  llvm::StringSet<> names;
  for (const AttributeProto &attribute : node.attribute()) {
    if (attribute.name().empty())
      return "an attribute has no name";
    std::string which = "attribute '" + attribute.name() + "'";
    if (!names.insert(attribute.name()).second)
      return which + " is there twice";
    bool isReference = !attribute.ref_attr_name().empty();
    if (isReference && !isInFunction)
      return which + " refers to the attribute '" + attribute.ref_attr_name() + "' of a function, but the node is in none";
    SmallVector<AttributeProto::AttributeType> held = heldTypes(attribute);
    if (held.size() + isReference > 1)
      return which + " has more than one value";
    if (!held.empty() && held[0] != attribute.type())
      return llvm::formatv("{0} has the type {1}, but its value is of type {2}", which, AttributeProto::AttributeType_Name(attribute.type()),
                           AttributeProto::AttributeType_Name(held[0]));
    if (std::string problem = attribute.has_t() ? malformedTensor(attribute.t()) : ""; !problem.empty())
      return which + ": " + problem;
  }
  return "";
}

std::string malformedTensor(const onnx::TensorProto &tensor) {
  std::optional<ByteRange> bytes = ByteRange::decode(tensor.raw_data());
  const std::pair<bool, const char *> fields[] = {
      {tensor.data_location() == onnx::TensorProto::EXTERNAL, "external_data"},
      {bytes && bytes->size > 0, "raw_data"},
      {tensor.float_data_size() > 0, "float_data"},
      {tensor.double_data_size() > 0, "double_data"},
      {tensor.int32_data_size() > 0, "int32_data"},
      {tensor.int64_data_size() > 0, "int64_data"},
      {tensor.uint64_data_size() > 0, "uint64_data"},
      {tensor.string_data_size() > 0, "string_data"},
  };
  const char *first = nullptr;
  for (auto [isHeld, name] : fields) {
    if (isHeld && first)
      return llvm::formatv("the tensor has data in {0} and in {1}; one of them was expected", first, name);
    if (isHeld)
      first = name;
  }
  return "";
}

} // namespace tenon::importer
