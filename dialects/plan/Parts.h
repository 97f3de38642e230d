// Attributes of plan.func for inputs and outputs that are passed as several tensors: a dictionary for each tensor, empty for those that are whole,
// otherwise {value = "name of the model's input", part = "present" | "data" | "shapes" | "bytes" | "ends"}, as include/tenon/runtime.h has them.
#pragma once
#include "llvm/ADT/StringRef.h"

namespace tenon::plan {

constexpr llvm::StringLiteral kInputParts = "plan.input_parts", kOutputParts = "plan.output_parts";

} // namespace tenon::plan
