// What the kernels of a plan for a GPU multiply with.
#pragma once
#include "tools/tenon/Peak.h"

#include <map>
#include <string>
#include <string_view>

namespace tenon::driver {

/// By the kernels' names: what their PTX for `arch` ("sm_90a") multiplies on matrix units, the slowest where there are several, or F32 where it uses
/// none. `plan` is the bytes of the file, which holds PTX as text. Kernels that a library computes are not among them.
std::map<std::string, Arithmetic> arithmeticOfKernels(std::string_view plan, std::string_view arch);

/// The same of one kernel's PTX.
Arithmetic arithmeticOf(std::string_view ptx);

} // namespace tenon::driver
