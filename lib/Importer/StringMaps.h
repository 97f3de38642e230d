// Operators of ai.onnx.ml that look values up, strings among them.
#pragma once
#include "lib/Importer/Operators.h"

namespace tenon::importer {

void registerStringMaps(OperatorTable &table);

} // namespace tenon::importer
