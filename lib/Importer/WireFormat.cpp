#include "lib/Importer/WireFormat.h"

#include "llvm/Support/Endian.h"
#include "llvm/Support/FormatVariadic.h"

namespace tenon::importer {
using llvm::StringRef;

std::string ByteRange::encoded() const {
  char bytes[16];
  llvm::support::endian::write64le(bytes, offset);
  llvm::support::endian::write64le(bytes + 8, size);
  return std::string(bytes, sizeof(bytes));
}

std::optional<ByteRange> ByteRange::decode(StringRef bytes) {
  if (bytes.size() != 16)
    return std::nullopt;
  return ByteRange{llvm::support::endian::read64le(bytes.data()), llvm::support::endian::read64le(bytes.data() + 8)};
}

namespace {
enum class Message { Model, Graph, Node, Attribute, Tensor, SparseTensor, Function };
enum class Treatment { Copy, Drop, Reference, Descend };
struct Rule {
  Treatment treatment;
  Message inner = Message::Model;
};
constexpr Rule kCopy{Treatment::Copy}, kDrop{Treatment::Drop}, kReference{Treatment::Reference};
constexpr Rule into(Message inner) { return {Treatment::Descend, inner}; }

/// What to do with a length-delimited field; the numbers are onnx-ml.proto's.
Rule ruleFor(Message message, uint64_t field) {
  switch (message) {
  case Message::Model:
    return field == 7    ? into(Message::Graph)
           : field == 25 ? into(Message::Function)
           : field == 6 || field == 20 || field == 26 ? kDrop // doc_string, training_info, configuration
                                                      : kCopy;
  case Message::Graph:
    return field == 1    ? into(Message::Node)
           : field == 5  ? into(Message::Tensor)
           : field == 15 ? into(Message::SparseTensor)
           : field == 10 || field == 14 || field == 16 ? kDrop // doc_string, quantization_annotation, metadata_props
                                                       : kCopy;
  case Message::Node:
    return field == 5 ? into(Message::Attribute)
           : field == 6 || field == 9 || field == 10 ? kDrop // doc_string, metadata_props, device_configurations
                                                     : kCopy;
  case Message::Attribute:
    return field == 5 || field == 10    ? into(Message::Tensor)
           : field == 6 || field == 11  ? into(Message::Graph)
           : field == 22 || field == 23 ? into(Message::SparseTensor)
           : field == 13                ? kDrop // doc_string
                                        : kCopy;
  case Message::Tensor:
    return field == 9 ? kReference : field == 12 || field == 16 ? kDrop : kCopy; // raw_data; doc_string, metadata_props
  case Message::SparseTensor:
    return field == 1 || field == 2 ? into(Message::Tensor) : kCopy;
  case Message::Function:
    return field == 7    ? into(Message::Node)
           : field == 11 ? into(Message::Attribute)
           : field == 8 || field == 14 ? kDrop // doc_string, metadata_props
                                       : kCopy;
  }
  return kCopy;
}

StringRef nameOf(Message message) {
  switch (message) {
  case Message::Model: return "ModelProto";
  case Message::Graph: return "GraphProto";
  case Message::Node: return "NodeProto";
  case Message::Attribute: return "AttributeProto";
  case Message::Tensor: return "TensorProto";
  case Message::SparseTensor: return "SparseTensorProto";
  case Message::Function: return "FunctionProto";
  }
  return "message";
}

enum WireType : unsigned { Varint = 0, Fixed64 = 1, Delimited = 2, Fixed32 = 5 };
constexpr int kMaxDepth = 100;

class Slimmer {
public:
  Slimmer(StringRef model, std::string &error) : begin(model.begin()), error(error) {}

  bool message(StringRef bytes, Message kind, int depth) {
    if (depth > kMaxDepth)
      return fail(bytes.begin(), kind, llvm::formatv("messages nest deeper than {0}", kMaxDepth).str());
    while (!bytes.empty())
      if (!field(bytes, kind, depth))
        return false;
    return true;
  }

  std::string out;

private:
  bool fail(const char *at, Message kind, const std::string &what) {
    error = llvm::formatv("{0} in a {1} at byte {2}", what, nameOf(kind), at - begin);
    return false;
  }

  static bool readVarint(StringRef &bytes, uint64_t &value) {
    value = 0;
    for (unsigned i = 0; i < 10 && i < bytes.size(); ++i) {
      uint8_t byte = bytes[i];
      value |= uint64_t(byte & 0x7f) << (7 * i);
      if (byte < 0x80) {
        bytes = bytes.drop_front(i + 1);
        return true;
      }
    }
    return false;
  }
  void writeVarint(uint64_t value) {
    for (; value >= 0x80; value >>= 7)
      out.push_back(char(value | 0x80));
    out.push_back(char(value));
  }

  /// Takes one field off `bytes` and writes what remains of it.
  bool field(StringRef &bytes, Message kind, int depth) {
    const char *start = bytes.begin();
    uint64_t tag, length;
    if (!readVarint(bytes, tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
      return fail(start, kind, "a malformed field tag");
    switch (tag & 7) {
    case Varint:
      if (!readVarint(bytes, length))
        return fail(start, kind, "a malformed integer");
      break;
    case Fixed64:
    case Fixed32: {
      size_t size = (tag & 7) == Fixed64 ? 8 : 4;
      if (bytes.size() < size)
        return fail(start, kind, "the file ends");
      bytes = bytes.drop_front(size);
      break;
    }
    case Delimited: {
      if (!readVarint(bytes, length))
        return fail(start, kind, "a malformed length");
      if (length > bytes.size())
        return fail(start, kind,
                    llvm::formatv("the file is cut short: a field needs {0} bytes, {1} are left", length, bytes.size()));
      StringRef payload = bytes.take_front(length);
      bytes = bytes.drop_front(length);
      return delimited(tag, payload, StringRef(start, payload.end() - start), kind, depth);
    }
    default:
      return fail(start, kind, "a field of an unknown wire type");
    }
    out.append(start, bytes.begin());
    return true;
  }

  bool delimited(uint64_t tag, StringRef payload, StringRef whole, Message kind, int depth) {
    Rule rule = ruleFor(kind, tag >> 3);
    switch (rule.treatment) {
    case Treatment::Drop:
      return true;
    case Treatment::Copy:
      out.append(whole.begin(), whole.end());
      return true;
    case Treatment::Reference: {
      std::string range = ByteRange{uint64_t(payload.begin() - begin), payload.size()}.encoded();
      writeVarint(tag);
      writeVarint(range.size());
      out.append(range);
      return true;
    }
    case Treatment::Descend:
      break;
    }
    // The inner length is known only afterwards: five bytes, the most a length below 2 GB takes, are kept for it.
    writeVarint(tag);
    size_t lengthAt = out.size();
    out.append(5, '\0');
    if (!message(payload, rule.inner, depth + 1))
      return false;
    uint64_t length = out.size() - lengthAt - 5;
    if (length > INT32_MAX)
      return fail(payload.begin(), kind, "more than 2 GB besides raw data");
    for (int i = 0; i < 5; ++i)
      out[lengthAt + i] = char(((length >> (7 * i)) & 0x7f) | (i < 4 ? 0x80 : 0));
    return true;
  }

  const char *begin;
  std::string &error;
};
} // namespace

std::optional<std::string> slimModel(StringRef model, std::string &error) {
  Slimmer slimmer(model, error);
  if (!slimmer.message(model, Message::Model, 0))
    return std::nullopt;
  return std::move(slimmer.out);
}

} // namespace tenon::importer
