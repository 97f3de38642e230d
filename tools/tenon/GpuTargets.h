// Names of GPUs as targets, and the libraries that plans for them may call.
#pragma once
#include <string>

namespace tenon::driver {

/// Whether a target is a GPU: "cuda", this machine's, or one that the compiler knows.
bool isGpu(const std::string &target);

/// Targets (with commas between them) whose plans may call `libraries` (likewise): "cuda:sm_90a" and "cublaslt" make "cuda:sm_90a+cublaslt".
/// Throws UsageFailure where a library is unknown or a target no GPU.
std::string withLibraries(const std::string &targets, const std::string &libraries);

} // namespace tenon::driver
