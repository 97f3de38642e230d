// Whether attributes and tensors hold one value of the type that they say.
#pragma once
#include "lib/Importer/OnnxProto.h"
#include <string>

namespace tenon::importer {

/// Why the node's attributes cannot be read, whatever its operator: two values, two of one name, a value of another type. Empty if they can.
/// Only nodes of functions may refer to attributes, which a call gives.
std::string malformedAttribute(const onnx::NodeProto &node, bool isInFunction);

/// Where more than one field of the tensor holds data, so that it is open which is meant; empty if none or one does.
std::string malformedTensor(const onnx::TensorProto &tensor);

} // namespace tenon::importer
