// Reads ONNX's protobuf bytes without copying the weights.
//
// The protobuf runtime copies every `bytes` field into a string: 435 MB for a BERT. So the serialized model is first
// copied without its bulk: `TensorProto.raw_data` becomes a 16-byte reference into the original bytes, and what the
// importer does not read (documentation, training graphs, annotations) is dropped. What remains is a few per mille of
// the file, has the same schema, and is what the protobuf runtime parses.
#pragma once
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <string>

namespace tenon::importer {

/// A range of the original bytes, as it stands in the `raw_data` field of a slimmed model.
struct ByteRange {
  uint64_t offset = 0;
  uint64_t size = 0;

  std::string encoded() const;
  /// None unless `bytes` was made by `encoded`.
  static std::optional<ByteRange> decode(llvm::StringRef bytes);
};

/// Copies a serialized onnx.ModelProto without its bulk. None with `error` set where the bytes are not the wire format.
/// Every raw_data field of the result is an encoded ByteRange within `model`. Allocates at most a small multiple of
/// the bytes that are not raw data; messages nest at most 100 deep, as in the protobuf runtime.
std::optional<std::string> slimModel(llvm::StringRef model, std::string &error);

} // namespace tenon::importer
