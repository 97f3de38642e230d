// Values that a plan takes as several tensors, in the files that ONNX's test data has them in: strings, sequences and optionals.
#pragma once
#include "tenon/runtime.h"
#include "tools/tenon/HostTensor.h"

#include <span>
#include <string>
#include <vector>

namespace tenon::driver {

/// Parses a serialized onnx.TensorProto, SequenceProto or OptionalProto, as the parts ask for (tn_part, neighbours of one value): one tensor for each
/// of them. Any bytes are safe to give. Throws Failure.
std::vector<HostTensor> parseValue(std::span<const std::byte> bytes, std::span<const tn_tensor_info> parts, const std::string &what);

} // namespace tenon::driver
