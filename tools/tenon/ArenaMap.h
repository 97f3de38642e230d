// A picture of the arena: addresses downwards, steps to the right.
#pragma once
#include "tenon/runtime.h"

#include <string>
#include <vector>

namespace tenon::driver {

/// `buffers` of an arena of `arenaBytes` over `steps` steps, drawn into at most 88 columns and 24 lines. A cell shows a letter of the buffer that holds
/// most of it, '.' where it is free.
std::string arenaMap(const std::vector<tn_buffer_info> &buffers, uint64_t arenaBytes, uint32_t steps);

/// The letter that stands for a buffer in the map.
char arenaLetter(size_t buffer);

} // namespace tenon::driver
