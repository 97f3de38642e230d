// Tensors whose bytes lie in another file, next to the model.
#include "lib/Importer/ModelFile.h"
#include "lib/Importer/OnnxProto.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

namespace tenon::importer {
using llvm::StringRef;
namespace path = llvm::sys::path;

/// A location names a file below the model's folder: a model must not be able to read the rest of the disk.
static bool isSafe(StringRef location, std::string &error) {
  if (location.empty() || location.contains('\0'))
    error = "its external data names no file";
  else if (path::is_absolute(location))
    error = llvm::formatv("external data '{0}' is an absolute path; it must lie in the model's folder", location);
  else if (llvm::is_contained(llvm::make_range(path::begin(location), path::end(location)), ".."))
    error = llvm::formatv("external data '{0}' leaves the model's folder", location);
  else
    return true;
  return false;
}

std::shared_ptr<llvm::MemoryBuffer> ModelFile::externalFile(StringRef location, std::string &error) {
  if (folder.empty()) {
    error = "has external data, which needs a model that is read from a file";
    return nullptr;
  }
  if (!isSafe(location, error))
    return nullptr;
  std::shared_ptr<llvm::MemoryBuffer> &known = externalFiles[location];
  if (known)
    return known;
  llvm::SmallString<256> joined(folder), resolved;
  path::append(joined, location);
  if (std::error_code code = llvm::sys::fs::real_path(joined, resolved)) {
    error = llvm::formatv("external data '{0}' cannot be opened: {1}", location, code.message());
    return nullptr;
  }
  llvm::SmallString<256> inside(folder);
  if (!StringRef(inside).ends_with("/"))
    inside += '/';
  if (!StringRef(resolved).starts_with(inside)) {
    error = llvm::formatv("external data '{0}' is a link that leaves the model's folder", location);
    return nullptr;
  }
  std::string fault;
  known = mapFile(resolved, fault);
  if (!known)
    error = llvm::formatv("external data '{0}' {1}", location, fault);
  return known;
}

std::optional<SharedBytes> ModelFile::externalData(const onnx::TensorProto &tensor, uint64_t size, std::string &error) {
  StringRef location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
  for (const onnx::StringStringEntryProto &entry : tensor.external_data()) {
    StringRef key = entry.key(), value = entry.value();
    uint64_t number = 0;
    bool isNumber = key == "offset" || key == "length";
    if (isNumber && value.getAsInteger(10, number)) {
      error = llvm::formatv("external data has the {0} '{1}', which is not a size", key, value);
      return std::nullopt;
    }
    if (key == "location")
      location = value;
    else if (key == "offset")
      offset = number;
    else if (key == "length")
      length = number;
  }
  if (length && *length != size) {
    error = llvm::formatv("external data has {0} bytes; its type and dimensions need {1}", *length, size);
    return std::nullopt;
  }
  std::shared_ptr<llvm::MemoryBuffer> file = externalFile(location, error);
  if (!file)
    return std::nullopt;
  uint64_t available = file->getBufferSize();
  if (offset > available || size > available - offset) {
    error = llvm::formatv("external data '{0}' is too short: bytes {1} to {2} are needed, it has {3}", location, offset,
                          offset + size, available);
    return std::nullopt;
  }
  return SharedBytes{file->getBuffer().substr(offset, size), file};
}

} // namespace tenon::importer
