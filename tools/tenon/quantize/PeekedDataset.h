// Samples of which some are looked at before all are used, from a source that may be read once only.
#pragma once
#include "tools/tenon/quantize/Dataset.h"

namespace tenon::driver {

class PeekedDataset : public Dataset {
public:
  /// The first runs of `source` are kept: at most `mostRuns` of `mostBytes`, and one in any case.
  PeekedDataset(Dataset &source, size_t mostRuns, size_t mostBytes) : source(source), first(source.name(), mostRuns, mostBytes) {}

  /// Begins with the first runs; those behind them follow once `continues` is set.
  void start(const std::vector<tn_tensor_info> &inputs) override {
    if (!isStarted)
      source.start(inputs);
    isStarted = true;
    first.start(inputs);
    isBehind = false;
  }
  std::vector<HostTensor> *next() override;
  std::optional<int64_t> runs() const override { return continues ? source.runs() : std::nullopt; }
  std::string name() const override { return source.name(); }

  bool continues = false;

private:
  Dataset &source;
  KeptSamples first;
  std::vector<HostTensor> *waiting = nullptr; // read, but not kept
  bool isStarted = false, isFull = false, isBehind = false;
};

} // namespace tenon::driver
