// ONNX's messages as protoc made them, with the warnings of generated code kept out.
#pragma once
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wall"
#pragma clang diagnostic ignored "-Wextra"
#include "onnx-ml.pb.h"
#pragma clang diagnostic pop
