#include "lib/Importer/ModelFile.h"
#include "lib/Importer/OnnxProto.h"
#include "lib/Importer/WireFormat.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <cstring>

namespace tenon::importer {
using llvm::StringRef;

ModelFile::~ModelFile() = default;

std::unique_ptr<llvm::WritableMemoryBuffer> mapFile(StringRef path, std::string &error) {
  llvm::sys::fs::file_status status;
  if (std::error_code code = llvm::sys::fs::status(path, status)) {
    error = "cannot be opened: " + code.message();
    return nullptr;
  }
  if (status.type() != llvm::sys::fs::file_type::regular_file) {
    error = "is not a regular file";
    return nullptr;
  }
  auto buffer = llvm::WritableMemoryBuffer::getFile(path);
  if (!buffer) {
    error = "cannot be read: " + buffer.getError().message();
    return nullptr;
  }
  return std::move(*buffer);
}

std::unique_ptr<ModelFile> ModelFile::open(StringRef path, std::string &error) {
  std::unique_ptr<llvm::WritableMemoryBuffer> buffer = mapFile(path, error);
  if (!buffer)
    return nullptr;
  char *bytes = buffer->getBufferStart();
  std::unique_ptr<ModelFile> file = parse(std::move(buffer), error);
  if (!file)
    return nullptr;
  file->writable = bytes;
  StringRef parent = llvm::sys::path::parent_path(path);
  llvm::SmallString<256> resolved;
  if (!llvm::sys::fs::real_path(parent.empty() ? StringRef(".") : parent, resolved))
    file->folder = resolved.str().str();
  return file;
}

std::unique_ptr<ModelFile> ModelFile::parse(std::unique_ptr<llvm::MemoryBuffer> buffer, std::string &error) {
  std::unique_ptr<ModelFile> file(new ModelFile);
  file->buffer = std::move(buffer);
  return file->parseMessage(error) ? std::move(file) : nullptr;
}

bool ModelFile::parseMessage(std::string &error) {
  if (buffer->getBufferSize() == 0) {
    error = "is empty; an ONNX model was expected";
    return false;
  }
  std::string fault;
  std::optional<std::string> slim = slimModel(buffer->getBuffer(), fault);
  if (!slim) {
    error = "is not a whole ONNX model: " + fault;
    return false;
  }
  message = std::make_unique<onnx::ModelProto>();
  if (slim->size() > INT32_MAX || !message->ParseFromArray(slim->data(), int(slim->size()))) {
    error = "is not an ONNX model: its fields do not follow onnx.proto";
    return false;
  }
  if (!message->has_graph() || !message->has_ir_version()) {
    error = "is not an ONNX model: it has no " + std::string(message->has_graph() ? "IR version" : "graph");
    return false;
  }
  return true;
}

std::optional<SharedBytes> ModelFile::rawData(const onnx::TensorProto &tensor, uint64_t size, std::string &error) {
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL)
    return externalData(tensor, size, error);
  std::optional<ByteRange> range = ByteRange::decode(tensor.raw_data());
  if (!range || range->size != size) {
    error = "holds " + std::to_string(range ? range->size : 0) + " bytes; its type and dimensions need " + std::to_string(size);
    return std::nullopt;
  }
  return SharedBytes{alignedBytes(range->offset, range->size), buffer};
}

/// Protobuf aligns nothing. What constant folding reads must be aligned, and copies of all weights would be as large as the model: instead
/// they move down over the field's header, a tag and at least two bytes of length, which nobody reads any more.
StringRef ModelFile::alignedBytes(uint64_t offset, uint64_t size) {
  constexpr uint64_t kAlignment = 4, kTwoBytesOfLength = 128;
  const char *bytes = buffer->getBufferStart() + offset;
  uint64_t shift = reinterpret_cast<uintptr_t>(bytes) % kAlignment;
  if (!writable || shift == 0 || size < kTwoBytesOfLength)
    return {bytes, size};
  if (moved.insert(offset).second)
    std::memmove(writable + offset - shift, bytes, size);
  return {bytes - shift, size};
}

} // namespace tenon::importer
