// Samples, as quantization sees them: the inputs of one run after the other.
#pragma once
#include "tools/tenon/HostTensor.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tenon::driver {

class Dataset {
public:
  virtual ~Dataset() = default;
  /// Begins with the first run, again after the first time. `inputs` is the signature that runs must fit. Throws Failure.
  virtual void start(const std::vector<tn_tensor_info> &inputs) = 0;
  /// The inputs of the next run, in the order of the signature; null at the end. They stay valid until the next call. Throws Failure.
  virtual std::vector<HostTensor> *next() = 0;
  /// How many runs there are, where that is known before the end.
  virtual std::optional<int64_t> runs() const { return std::nullopt; }
  /// For messages: the file that the samples come from.
  virtual std::string name() const = 0;
};

/// Runs that are kept in memory.
class KeptSamples : public Dataset {
public:
  KeptSamples(std::string name, size_t mostRuns, size_t mostBytes) : title(std::move(name)), mostRuns(mostRuns), mostBytes(mostBytes) {}

  /// Copies a run's inputs, where there is room (there always is for the first one); tells whether there was.
  bool keep(const std::vector<HostTensor> &inputs);

  void start(const std::vector<tn_tensor_info> &) override { at = 0; }
  std::vector<HostTensor> *next() override { return at < kept.size() ? &kept[at++] : nullptr; }
  std::optional<int64_t> runs() const override { return int64_t(kept.size()); }
  std::string name() const override { return title; }

private:
  std::string title;
  size_t mostRuns, mostBytes, bytes = 0, at = 0;
  std::vector<std::vector<HostTensor>> kept;
};

/// How many samples a run takes: the size of the first axis where all inputs have the same one, else 1.
int64_t samplesIn(const std::vector<HostTensor> &inputs);

/// Throws Failure where an element is NaN or infinite; `run` counts from 0.
void requireFinite(const std::vector<HostTensor> &inputs, const std::vector<tn_tensor_info> &signature, const std::string &dataset, int64_t run);

} // namespace tenon::driver
