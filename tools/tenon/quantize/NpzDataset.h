// Samples from an archive of arrays, read as they are needed.
#pragma once
#include "tools/tenon/Npz.h"
#include "tools/tenon/quantize/Dataset.h"

namespace tenon::driver {

/// An .npz with an array for each input of the model, under NAME or in:NAME, its samples along the first axis. Memory holds one run's inputs.
class NpzDataset : public Dataset {
public:
  /// Throws Failure where the file is no archive.
  explicit NpzDataset(const std::string &path) : path(path), archive(path) {}

  void start(const std::vector<tn_tensor_info> &inputs) override;
  std::vector<HostTensor> *next() override;
  std::optional<int64_t> runs() const override { return count; }
  std::string name() const override { return path; }

private:
  void open(const tn_tensor_info &info);

  std::string path;
  NpzReader archive;
  std::vector<NpzStream> streams;
  std::vector<HostTensor> tensors;
  int64_t count = 0, at = 0;
};

} // namespace tenon::driver
