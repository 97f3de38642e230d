// The architectures of GPUs that code can be generated for. Without LLVM: the runtime names them to those whose plan has no code for their GPU.
#pragma once

namespace tenon {

/// 10 * major + minor, ascending. lib/Target/Gpu.cpp describes each.
inline constexpr int kCapabilities[] = {75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121};

/// The one to compile for, for a GPU of that capability: its own, or the nearest earlier one, whose PTX it runs; 0 where it is older than all.
constexpr int nearestCapability(int capability) {
  int nearest = 0;
  for (int known : kCapabilities)
    if (known <= capability)
      nearest = known;
  return nearest;
}

/// Whether an architecture has instructions that it alone runs: whether sm_NNa exists.
constexpr bool hasOwnInstructions(int capability) {
  constexpr int kFirst = 90;
  return capability >= kFirst;
}

} // namespace tenon
