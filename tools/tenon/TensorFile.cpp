#include "tools/tenon/TensorFile.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/File.h"
#include "tools/tenon/Npy.h"

namespace tenon::driver {

FileTensor readTensorFile(const std::string &path) {
  std::vector<std::byte> bytes = readFile(path);
  if (endsWith(path, ".pb"))
    return parseTensorProto(bytes, path);
  return {"", parseNpy(bytes, path)};
}

} // namespace tenon::driver
