// The tensors that `run` and `bench` feed a plan, from files or made up.
#pragma once
#include "tools/tenon/HostTensor.h"
#include "tools/tenon/Plan.h"

#include <string>
#include <vector>

namespace tenon::driver {

struct InputOptions {
  std::vector<std::string> files;  // --inputs: .npz (keys NAME or in:NAME), or .npy and .pb for a plan with one input
  std::vector<std::string> single; // --input: name=@file.npy, name=@file.pb; a .pb for all tensors of a sequence, an optional or strings too
};

/// One tensor for each input of the plan, in its order. Inputs that no file gives are an error. Throws Failure.
/// Types, ranks and sizes are checked by the runtime, whose messages name them.
std::vector<HostTensor> readInputs(const tn_plan *plan, const InputOptions &options);

/// The same with made-up contents, for one shape for each input: floats in [0, 1), integers and booleans 0 or 1; optionals hold something, sequences
/// are vectors, strings are letters, all of about equal lengths. Always the same.
std::vector<HostTensor> randomInputs(const tn_plan *plan, const std::vector<tn_tensor> &shapes);

} // namespace tenon::driver
