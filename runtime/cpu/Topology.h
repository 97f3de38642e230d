// The processors this process may use.
#pragma once

namespace tenon {

/// Physical cores among the CPUs of the process's affinity mask, at most its control group's CPU quota; at least 1.
unsigned usableCores();

} // namespace tenon
