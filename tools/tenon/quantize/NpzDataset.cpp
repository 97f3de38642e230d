#include "tools/tenon/quantize/NpzDataset.h"
#include "tools/tenon/Failure.h"

namespace tenon::driver {
namespace {

std::string sizesText(const std::vector<int64_t> &dims) {
  std::string text;
  for (int64_t size : dims)
    text += (text.empty() ? "" : ", ") + (size < 0 ? "?" : std::to_string(size));
  return "[" + text + "]";
}

} // namespace

/// Checks the array of an input and makes the tensor that holds one run of it.
void NpzDataset::open(const tn_tensor_info &info) {
  std::string input = info.name, key = archive.has("in:" + input) ? "in:" + input : input;
  if (!archive.has(key))
    throw Failure(path + ": has no array '" + input + "'; one for each input of the model was expected, with its samples along the first axis");
  NpzStream stream = archive.stream(key);
  const std::vector<int64_t> &found = stream.dims(), expected(info.dims, info.dims + info.rank);
  auto mismatch = [&](const std::string &why) {
    return Failure(path + ": '" + input + "' is " + typeText(stream.dtype(), found) + "; " + why + ", for an input " + typeText(info));
  };
  if (stream.dtype() != info.dtype)
    throw mismatch("the input's element type was expected");
  if (found.size() != expected.size() || expected.empty())
    throw mismatch("the input's rank was expected, with the samples along the first axis");
  for (size_t axis = 1; axis < found.size(); axis++)
    if (expected[axis] >= 0 && found[axis] != expected[axis])
      throw mismatch(sizesText(expected) + " was expected behind the first axis");
  int64_t batch = expected[0] > 0 ? expected[0] : 1;
  if (found[0] == 0 || found[0] % batch)
    throw mismatch("at least one sample, and a multiple of " + std::to_string(batch) + ", was expected");
  int64_t here = found[0] / batch;
  if (!streams.empty() && here != count)
    throw Failure(path + ": '" + input + "' has samples for " + std::to_string(here) + " runs, the inputs before it for " + std::to_string(count));
  count = here;
  std::vector<int64_t> dims = found;
  dims[0] = batch;
  tensors.emplace_back(info.dtype, dims, path + ", array '" + key + "'");
  streams.push_back(std::move(stream));
}

void NpzDataset::start(const std::vector<tn_tensor_info> &inputs) {
  streams.clear();
  tensors.clear();
  at = count = 0;
  for (const tn_tensor_info &info : inputs)
    open(info);
}

std::vector<HostTensor> *NpzDataset::next() {
  if (at == count)
    return nullptr;
  at++;
  for (size_t i = 0; i < streams.size(); i++)
    streams[i].read({tensors[i].data.data(), tensors[i].data.size()});
  return &tensors;
}

} // namespace tenon::driver
