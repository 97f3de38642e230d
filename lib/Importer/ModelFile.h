// An ONNX model's bytes and its parsed protobuf message; finds where each tensor's data lies, outside files included.
#pragma once
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>
#include <optional>
#include <string>

namespace onnx {
class ModelProto;
class TensorProto;
} // namespace onnx

namespace tenon::importer {

/// Bytes and who keeps them alive.
struct SharedBytes {
  llvm::StringRef bytes;
  std::shared_ptr<llvm::MemoryBuffer> owner;
};

class ModelFile {
public:
  /// Maps and parses a file. Null with `error` set where it cannot be read or is no ONNX model.
  static std::unique_ptr<ModelFile> open(llvm::StringRef path, std::string &error);
  /// The same from memory; external data is then refused.
  static std::unique_ptr<ModelFile> parse(std::unique_ptr<llvm::MemoryBuffer> buffer, std::string &error);
  ~ModelFile();

  /// Tensors' raw_data fields hold references: use `rawData`.
  const onnx::ModelProto &model() const { return *message; }

  /// The bytes of a tensor that has raw or external data, which need not be aligned. None with `error` set if they
  /// cannot be had: an unsafe path, a missing or short file, a range outside it. `size` is what the tensor needs.
  std::optional<SharedBytes> rawData(const onnx::TensorProto &tensor, uint64_t size, std::string &error);

private:
  ModelFile() = default;
  bool parseMessage(std::string &error);
  std::optional<SharedBytes> externalData(const onnx::TensorProto &tensor, uint64_t size, std::string &error);
  std::shared_ptr<llvm::MemoryBuffer> externalFile(llvm::StringRef location, std::string &error);

  llvm::StringRef alignedBytes(uint64_t offset, uint64_t size);

  std::shared_ptr<llvm::MemoryBuffer> buffer;
  /// The same bytes where they are a private mapping of a file; null otherwise.
  char *writable = nullptr;
  llvm::DenseSet<uint64_t> moved; // offsets of the data that alignedBytes has moved
  std::unique_ptr<onnx::ModelProto> message;
  /// The model's folder with symbolic links resolved; empty for a model in memory.
  std::string folder;
  llvm::StringMap<std::shared_ptr<llvm::MemoryBuffer>> externalFiles;
};

/// Maps a regular file, privately; null with `error` set otherwise. Pipes and devices are refused: they may never end.
std::unique_ptr<llvm::WritableMemoryBuffer> mapFile(llvm::StringRef path, std::string &error);

} // namespace tenon::importer
