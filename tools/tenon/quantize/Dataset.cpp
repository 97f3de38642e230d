#include "tools/tenon/quantize/Dataset.h"
#include "tools/tenon/Failure.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tenon::driver {

bool KeptSamples::keep(const std::vector<HostTensor> &inputs) {
  size_t more = 0;
  for (const HostTensor &input : inputs)
    more += input.data.size();
  if (!kept.empty() && (kept.size() >= mostRuns || more > mostBytes - bytes))
    return false;
  std::vector<HostTensor> copy;
  for (const HostTensor &input : inputs) {
    copy.emplace_back(input.dtype, input.dims, title);
    std::memcpy(copy.back().data.data(), input.data.data(), input.data.size());
  }
  bytes = std::min(bytes + more, mostBytes);
  kept.push_back(std::move(copy));
  return true;
}

int64_t samplesIn(const std::vector<HostTensor> &inputs) {
  if (inputs.empty() || inputs.front().dims.empty())
    return 1;
  int64_t count = inputs.front().dims.front();
  return std::all_of(inputs.begin(), inputs.end(), [&](const HostTensor &input) { return !input.dims.empty() && input.dims.front() == count; }) ? count : 1;
}

void requireFinite(const std::vector<HostTensor> &inputs, const std::vector<tn_tensor_info> &signature, const std::string &dataset, int64_t run) {
  for (size_t i = 0; i < inputs.size(); i++) {
    if (inputs[i].dtype != TN_F32)
      continue;
    auto *values = reinterpret_cast<const float *>(inputs[i].data.data());
    int64_t count = inputs[i].elements();
    auto bad = std::find_if(values, values + count, [](float value) { return !std::isfinite(value); });
    if (bad == values + count)
      continue;
    int64_t samples = samplesIn(inputs), sample = run * samples + (bad - values) / std::max<int64_t>(count / samples, 1);
    throw Failure(dataset + ": sample " + std::to_string(sample) + " of '" + signature[i].name + "' holds NaN or infinity; finite numbers were expected");
  }
}

} // namespace tenon::driver
