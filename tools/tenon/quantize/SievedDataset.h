// Samples without those that lie far beyond all others, as a broken file or a forgotten division leaves them: they would widen the ranges of all tensors.
#pragma once
#include "tools/tenon/quantize/Dataset.h"

#include <deque>

namespace tenon::driver {

/// A sample that is left out, because of one of its inputs.
struct OutlyingSample {
  int64_t sample = 0; // counted from 0
  std::string input;
  double magnitude = 0, limit = 0; // its largest number, and that of all others
};

/// A sample whose largest number of some f32 input is more than 16 times that of every other sample is not passed on: one in a hundred at most, and none of fewer
/// than five. Where a run takes several samples, another one of them stands in its place. The first runs are read ahead, so that it may be the very first
/// sample; behind them a sample is judged by those before it.
class SievedDataset : public Dataset {
public:
  explicit SievedDataset(Dataset &source) : source(source) {}

  void start(const std::vector<tn_tensor_info> &inputs) override;
  /// Throws Failure where a number is NaN or infinite.
  std::vector<HostTensor> *next() override;
  std::optional<int64_t> runs() const override { return source.runs(); }
  std::string name() const override { return source.name(); }

  /// What was left out so far, and still lies far beyond all that was passed on.
  std::vector<OutlyingSample> leftOut() const;

private:
  void readAhead();
  std::vector<HostTensor> *read();
  /// The input by which a sample outlies; -1: it does not.
  int outlyingInput(const std::vector<HostTensor> &inputs, int64_t sample, int64_t samples) const;
  /// Leaves out what outlies. False: nothing is left of the run.
  bool sieve(std::vector<HostTensor> &inputs);

  Dataset &source;
  std::vector<tn_tensor_info> signature;
  std::deque<std::vector<HostTensor>> ahead;
  std::vector<HostTensor> current;
  bool isEnd = false;
  std::vector<double> usual; // by input: the largest number of samples that do not outlie
  int64_t run = 0, judged = 0, passed = 0; // judged: samples that `usual` is known of
  std::vector<OutlyingSample> found;
  std::vector<size_t> inputsOfFound;
};

} // namespace tenon::driver
