// One call registers every pass of Tenon and every named phase.
#pragma once

namespace tenon {

/// Makes the passes of all phases known to MLIR's registry, for tenon-opt and textual pipelines. Call once.
void registerAllPasses();

} // namespace tenon
