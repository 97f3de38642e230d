#include "lib/Importer/OperatorSchemas.h"
#include "lib/Importer/Operators.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"

namespace tenon::importer {
using llvm::ArrayRef;
using llvm::SmallVector;
using llvm::StringRef;
using onnx::AttributeProto;

namespace {
struct OperatorSchema {
  StringRef domain, name;
  int since, minOutputs, maxOutputs;
  StringRef attributes; // "axis!:INT keepdims:INT"
};
struct AttributeSchema {
  StringRef name, type;
  bool isRequired;
};
} // namespace

static constexpr OperatorSchema kSchemas[] = {
#include "lib/Importer/OperatorSchemas.inc"
};

/// The schemas of one operator, oldest first.
static ArrayRef<OperatorSchema> schemasOf(StringRef domain, StringRef name) {
  const OperatorSchema *begin = std::begin(kSchemas), *end = std::end(kSchemas);
  begin = std::lower_bound(begin, end, std::pair(domain, name),
                           [](const OperatorSchema &schema, auto key) { return std::pair(schema.domain, schema.name) < key; });
  end = std::find_if(begin, end, [&](const OperatorSchema &schema) { return schema.domain != domain || schema.name != name; });
  return {begin, end};
}

static SmallVector<AttributeSchema> attributesOf(const OperatorSchema &schema) {
  SmallVector<StringRef> words;
  schema.attributes.split(words, ' ', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  return llvm::map_to_vector(words, [](StringRef word) {
    auto [name, type] = word.split(':');
    bool isRequired = name.consume_back("!");
    return AttributeSchema{name, type, isRequired};
  });
}

static std::string unknownAttribute(const AttributeProto &attribute, ArrayRef<AttributeSchema> known, int64_t opset) {
  std::string names;
  for (const AttributeSchema &entry : known)
    names += (names.empty() ? "" : ", ") + entry.name.str();
  return llvm::formatv("the operator has no attribute '{0}' at opset {1}; {2}", attribute.name(), opset,
                       names.empty() ? "it has none" : "its attributes are " + names);
}

std::string schemaViolation(const onnx::NodeProto &node, StringRef domain, int64_t opset) {
  ArrayRef<OperatorSchema> schemas = schemasOf(domain, node.op_type());
  while (!schemas.empty() && schemas.back().since > opset)
    schemas = schemas.drop_back();
  if (schemas.empty())
    return "";
  const OperatorSchema &schema = schemas.back();
  if (node.output_size() < schema.minOutputs || node.output_size() > schema.maxOutputs)
    return llvm::formatv("the node has {0} outputs; {1} were expected", node.output_size(),
                         schema.maxOutputs == kAnyNumber          ? llvm::formatv("{0} or more", schema.minOutputs).str()
                         : schema.minOutputs == schema.maxOutputs ? std::to_string(schema.minOutputs)
                                                                  : llvm::formatv("{0} to {1}", schema.minOutputs, schema.maxOutputs).str());
  SmallVector<AttributeSchema> known = attributesOf(schema);
  llvm::StringSet<> given;
  for (const AttributeProto &attribute : node.attribute()) {
    given.insert(attribute.name());
    const auto *entry = llvm::find_if(known, [&](const AttributeSchema &entry) { return entry.name == attribute.name(); });
    if (entry == known.end() && !StringRef(attribute.name()).starts_with("__")) // ONNX leaves such names to those who write models
      return unknownAttribute(attribute, known, opset);
    if (entry != known.end() && entry->type != AttributeProto::AttributeType_Name(attribute.type()))
      return llvm::formatv("attribute '{0}' has the type {1}; {2} was expected", attribute.name(),
                           AttributeProto::AttributeType_Name(attribute.type()), entry->type);
  }
  for (const AttributeSchema &entry : known)
    if (entry.isRequired && !given.contains(entry.name))
      return llvm::formatv("the attribute '{0}' is missing", entry.name);
  return "";
}

} // namespace tenon::importer
