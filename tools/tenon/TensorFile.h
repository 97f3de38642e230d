// Tensors in files: .npy, .npz and ONNX's TensorProto (.pb).
#pragma once
#include "tools/tenon/HostTensor.h"

#include <span>
#include <string>

namespace tenon::driver {

/// A tensor and the name that its file gives it, "" if none.
struct FileTensor {
  std::string name;
  HostTensor tensor;
};

/// Reads one tensor from a .npy or .pb file. Throws Failure.
FileTensor readTensorFile(const std::string &path);

/// Parses a serialized onnx.TensorProto without external data. Any bytes are safe to give. Throws Failure.
FileTensor parseTensorProto(std::span<const std::byte> bytes, const std::string &what);

} // namespace tenon::driver
