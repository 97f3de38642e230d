// What the CPU can do, by the names LLVM uses.
#pragma once

namespace tenon {

/// 1: this CPU and system have the feature; 0: not; -1: the name is not known for this architecture.
int hasCpuFeature(const char *name);

} // namespace tenon
