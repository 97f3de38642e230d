// Mutants of valid models, for libFuzzer.
#pragma once
#include "lib/Importer/OnnxProto.h"

namespace tenon::fuzz {

/// Changes a model in a few places. Equal models and seeds give equal mutants.
void mutateModel(onnx::ModelProto &model, unsigned seed);
/// Adds nodes of another model, fed by this one's values.
void crossModels(onnx::ModelProto &model, const onnx::ModelProto &other, unsigned seed);

/// Gives every Loop a trip count of at most `most`: what it was, or that number where it had none.
/// Returns whether there was one.
bool boundLoops(onnx::ModelProto &model, int64_t most);

} // namespace tenon::fuzz
