#include "tools/tenon/quantize/SievedDataset.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tenon::driver {
namespace {

constexpr double kTimesBeyond = 16;
constexpr int64_t kOneIn = 100, kFewestOthers = 4;
constexpr size_t kRunsAhead = 16, kBytesAhead = 256 << 20;

/// The largest finite magnitude of one of a run's samples.
double magnitudeOf(const HostTensor &tensor, int64_t sample, int64_t samples) {
  if (tensor.dtype != TN_F32)
    return 0;
  auto *values = reinterpret_cast<const float *>(tensor.data.data());
  int64_t count = tensor.elements() / samples;
  float largest = 0;
  for (const float *value = values + sample * count; value < values + (sample + 1) * count; value++)
    if (float magnitude = std::abs(*value); std::isfinite(magnitude))
      largest = std::max(largest, magnitude);
  return largest;
}

size_t bytesOf(const std::vector<HostTensor> &inputs) {
  size_t bytes = 0;
  for (const HostTensor &input : inputs)
    bytes += input.data.size();
  return bytes;
}

/// Copies a sample of a run over another one.
void replace(std::vector<HostTensor> &inputs, int64_t sample, int64_t other, int64_t samples) {
  for (HostTensor &input : inputs) {
    size_t size = input.data.size() / size_t(samples);
    std::memcpy(input.data.data() + size_t(sample) * size, input.data.data() + size_t(other) * size, size);
  }
}

} // namespace

void SievedDataset::start(const std::vector<tn_tensor_info> &inputs) {
  source.start(inputs);
  signature = inputs;
  ahead.clear();
  found.clear();
  inputsOfFound.clear();
  usual.assign(inputs.size(), 0);
  run = judged = passed = 0;
  isEnd = false;
  readAhead();
}

/// What is usual in the first runs: all but one sample that outlies.
void SievedDataset::readAhead() {
  size_t bytes = 0;
  while (ahead.size() < kRunsAhead && bytes < kBytesAhead) {
    std::vector<HostTensor> *inputs = source.next();
    if (!inputs) {
      isEnd = true;
      break;
    }
    std::vector<HostTensor> copy;
    for (const HostTensor &input : *inputs) {
      copy.emplace_back(input.dtype, input.dims, source.name());
      std::memcpy(copy.back().data.data(), input.data.data(), input.data.size());
    }
    bytes += bytesOf(copy);
    ahead.push_back(std::move(copy));
  }
  for (size_t i = 0; i < usual.size(); i++) {
    std::vector<double> magnitudes;
    for (const std::vector<HostTensor> &inputs : ahead)
      for (int64_t sample = 0; sample < samplesIn(inputs); sample++)
        magnitudes.push_back(magnitudeOf(inputs[i], sample, samplesIn(inputs)));
    std::sort(magnitudes.rbegin(), magnitudes.rend());
    bool isOutlying = int64_t(magnitudes.size()) > kFewestOthers && magnitudes[1] > 0 && magnitudes[0] > kTimesBeyond * magnitudes[1];
    usual[i] = magnitudes.empty() ? 0 : magnitudes[isOutlying];
    judged = int64_t(magnitudes.size());
  }
}

std::vector<HostTensor> *SievedDataset::read() {
  if (!ahead.empty()) {
    current = std::move(ahead.front());
    ahead.pop_front();
    return &current;
  }
  return isEnd ? nullptr : source.next();
}

int SievedDataset::outlyingInput(const std::vector<HostTensor> &inputs, int64_t sample, int64_t samples) const {
  if (judged <= kFewestOthers || int64_t(found.size()) >= std::max<int64_t>(judged / kOneIn, 1))
    return -1;
  for (size_t i = 0; i < inputs.size(); i++)
    if (usual[i] > 0 && magnitudeOf(inputs[i], sample, samples) > kTimesBeyond * usual[i])
      return int(i);
  return -1;
}

bool SievedDataset::sieve(std::vector<HostTensor> &inputs) {
  int64_t samples = samplesIn(inputs), good = -1;
  std::vector<int64_t> bad;
  for (int64_t sample = 0; sample < samples; sample++) {
    passed++;
    judged = std::max(judged, passed);
    int outlying = outlyingInput(inputs, sample, samples);
    if (outlying >= 0) {
      found.push_back({passed - 1, signature[size_t(outlying)].name, magnitudeOf(inputs[size_t(outlying)], sample, samples), 0});
      inputsOfFound.push_back(size_t(outlying));
      bad.push_back(sample);
      continue;
    }
    good = sample;
    for (size_t i = 0; i < inputs.size(); i++)
      usual[i] = std::max(usual[i], magnitudeOf(inputs[i], sample, samples));
  }
  for (int64_t sample : bad)
    if (good >= 0)
      replace(inputs, sample, good, samples);
  return good >= 0;
}

std::vector<HostTensor> *SievedDataset::next() {
  while (std::vector<HostTensor> *inputs = read()) {
    requireFinite(*inputs, signature, source.name(), run++);
    if (sieve(*inputs))
      return inputs;
  }
  return nullptr;
}

std::vector<OutlyingSample> SievedDataset::leftOut() const {
  std::vector<OutlyingSample> samples;
  for (size_t i = 0; i < found.size(); i++) {
    double limit = usual[inputsOfFound[i]];
    if (found[i].magnitude > kTimesBeyond * limit) {
      samples.push_back(found[i]);
      samples.back().limit = limit;
    }
  }
  return samples;
}

} // namespace tenon::driver
