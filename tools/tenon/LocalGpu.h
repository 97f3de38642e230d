// The GPU of this machine as a target. For the driver and the Python package.
#pragma once
#include "tenon/runtime.h"
#include <string>

namespace tenon::driver {

/// What --target takes for a GPU: "cuda:sm_90a", its own architecture where code can be generated for that, or the nearest earlier one, whose PTX it
/// runs; empty where it is older than all that are known.
std::string targetFor(const tn_device_info &gpu);

/// `targets` (with commas between them) with "cuda" replaced by what GPU number `device` of this machine is, libraries kept: "cuda+cublaslt" becomes
/// "cuda:sm_90a+cublaslt". Throws Failure where "cuda" is among them and there is no such GPU.
std::string withLocalGpu(const std::string &targets, uint32_t device = 0);

} // namespace tenon::driver
