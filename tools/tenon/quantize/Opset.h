// ONNX models as they are written in a newer opset.
#pragma once
#include <cstdint>
#include <string>

namespace onnx {
class ModelProto;
}

namespace tenon::driver {

/// The opset of ONNX's own operators; 0 where the model names none.
int64_t opsetOf(const onnx::ModelProto &model);

constexpr int64_t kOldestOpset = 7, kNewestOpset = 21; // that are known here

/// Writes the model in `wanted`, at most kNewestOpset, where its opset is older: it computes the same. `purpose` is why, for messages.
/// Throws Failure naming the node where an operator's meaning is not known to be kept.
void raiseOpset(onnx::ModelProto &model, int64_t wanted, const std::string &path, const std::string &purpose);

} // namespace tenon::driver
