// Measuring in processes of their own: a plan that crashes, hangs or takes all memory takes one of them down, nothing else.
#pragma once
#include "tools/tenon/MeasureProtocol.h"

namespace tenon::driver {

/// Runs a job in a child process, in another one where a plan took the first down, and so on. One entry for each plan of the job.
/// Plans for a GPU run on that of number `device`. Throws Failure where no process can be started.
std::vector<Measured> measureInProcess(const MeasureJob &job, uint32_t device);

} // namespace tenon::driver
