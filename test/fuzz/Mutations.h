// The single changes that a model's mutant consists of. Each may find nothing to change.
#pragma once
#include "test/fuzz/Draw.h"
#include "test/fuzz/ModelParts.h"

namespace tenon::fuzz {

/// Nodes, edges, inputs, outputs, subgraphs.
void mutateStructure(onnx::ModelProto &model, ModelParts &parts, Draw &draw);
/// Element types, ranks, dimensions, symbols, sequences; constants and how their data is stored.
void mutateTypes(ModelParts &parts, Draw &draw);
/// Attributes: absent, of another node, of another kind, values at edges.
void mutateAttributes(ModelParts &parts, Draw &draw);
/// IR version and opsets.
void mutateVersions(onnx::ModelProto &model, Draw &draw);

/// A tensor of these dimensions with drawn contents: as many as they say unless that is many.
void fillTensor(onnx::TensorProto &tensor, Draw &draw);
int drawElementType(Draw &draw);

} // namespace tenon::fuzz
