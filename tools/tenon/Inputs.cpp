#include "tools/tenon/Inputs.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/File.h"
#include "tools/tenon/Npz.h"
#include "tools/tenon/TensorFile.h"
#include "tools/tenon/ValueFile.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <random>

namespace tenon::driver {
namespace {

/// Places tensors by input name.
class Collector {
public:
  explicit Collector(const tn_plan *plan) : infos(inputsOf(plan)), tensors(infos.size()) {}

  void addArchive(const std::string &path) {
    NpzReader archive(path);
    bool any = false;
    for (size_t i = 0; i < infos.size(); i++) {
      std::string name = infos[i].name;
      for (const std::string &key : {"in:" + name, name})
        if (!tensors[i] && archive.has(key))
          tensors[i] = archive.read(key), any = true;
    }
    if (!any && !infos.empty())
      throw Failure(path + ": holds none of the plan's inputs: " + names());
  }

  void addFile(const std::string &path) {
    FileTensor file = readTensorFile(path);
    std::optional<size_t> index = file.name.empty() ? std::nullopt : find(file.name);
    if (!index && infos.size() == 1)
      index = 0;
    if (!index)
      throw Failure(path + ": does not say which input it is: give it as --input NAME=@" + path + ", where NAME is one of " + names());
    tensors[*index] = std::move(file.tensor);
  }

  void addNamed(const std::string &text) {
    size_t at = text.find("=@");
    if (at == std::string::npos || at == 0)
      throw UsageFailure("--input '" + text + "': expected NAME=@FILE");
    std::optional<size_t> index = find(text.substr(0, at));
    if (!index && addParts(text.substr(0, at), text.substr(at + 2)))
      return;
    if (!index)
      throw Failure("--input: the plan has no input '" + text.substr(0, at) + "'; its inputs are " + names());
    tensors[*index] = readTensorFile(text.substr(at + 2)).tensor;
  }

  std::vector<HostTensor> take() {
    std::vector<HostTensor> all;
    for (size_t i = 0; i < infos.size(); i++) {
      if (!tensors[i])
        throw Failure("input '" + std::string(infos[i].name) + "' " + typeText(infos[i]) + " is not given: --inputs FILE.npz or --input '" + infos[i].name + "=@FILE'");
      all.push_back(std::move(*tensors[i]));
    }
    return all;
  }

private:
  /// A file for all tensors of a sequence, an optional or strings, which are neighbours. Whether there is such an input.
  bool addParts(const std::string &value, const std::string &path) {
    auto belongs = [&](const tn_tensor_info &info) { return info.part != TN_PART_WHOLE && info.value == value; };
    size_t first = size_t(std::find_if(infos.begin(), infos.end(), belongs) - infos.begin()), last = first;
    while (last < infos.size() && belongs(infos[last]))
      last++;
    if (first == last)
      return false;
    if (!endsWith(path, ".pb"))
      throw Failure(path + ": '" + value + "' is several tensors: give each of them, or a .pb file of all (onnx.SequenceProto, OptionalProto or TensorProto of strings)");
    std::vector<HostTensor> parts = parseValue(readFile(path), std::span(infos).subspan(first, last - first), path);
    for (size_t i = first; i < last; i++)
      tensors[i] = std::move(parts[i - first]);
    return true;
  }

  std::optional<size_t> find(const std::string &name) const {
    for (size_t i = 0; i < infos.size(); i++)
      if (infos[i].name == name)
        return i;
    return std::nullopt;
  }

  std::string names() const {
    std::string text;
    for (const tn_tensor_info &info : infos)
      text += (text.empty() ? "'" : ", '") + std::string(info.name) + "' " + typeText(info);
    return text;
  }

  std::vector<tn_tensor_info> infos;
  std::vector<std::optional<HostTensor>> tensors;
};

template <typename T, typename Make> void fill(HostTensor &tensor, Make make) {
  for (size_t i = 0; i + sizeof(T) <= tensor.data.size(); i += sizeof(T)) {
    T value = make();
    std::memcpy(tensor.data.data() + i, &value, sizeof value);
  }
}

/// Has a part of an optional, a sequence or strings say what fits the part before it, which has `elements`.
void makeConsistent(tn_part part, HostTensor &tensor, int64_t elements) {
  auto *numbers = reinterpret_cast<int64_t *>(tensor.data.data());
  int64_t rows = part == TN_PART_SHAPES ? tensor.dims[0] : tensor.elements(), columns = part == TN_PART_SHAPES ? tensor.dims[1] : 1;
  for (int64_t row = 0, start = 0; row < rows && (part == TN_PART_SHAPES || part == TN_PART_ENDS); row++) {
    int64_t end = start + (elements - start) / (rows - row);
    std::fill_n(numbers + row * columns, columns, -1);
    numbers[row * columns] = part == TN_PART_SHAPES ? end - start : end;
    start = end;
  }
  if (part == TN_PART_PRESENT)
    fill<uint8_t>(tensor, [] { return uint8_t(1); });
  if (part == TN_PART_BYTES)
    fill<uint8_t>(tensor, [letter = 0]() mutable { return uint8_t('a' + letter++ % 26); });
}

} // namespace

std::vector<HostTensor> readInputs(const tn_plan *plan, const InputOptions &options) {
  Collector collector(plan);
  for (const std::string &text : options.single)
    collector.addNamed(text);
  for (const std::string &path : options.files)
    endsWith(path, ".npz") ? collector.addArchive(path) : collector.addFile(path);
  return collector.take();
}

std::vector<HostTensor> randomInputs(const tn_plan *plan, const std::vector<tn_tensor> &shapes) {
  std::mt19937 random(1);
  auto unit = [&] { return float(random() >> 8) * 0x1p-24f; };
  auto bit = [&] { return random() & 1; };
  std::vector<HostTensor> tensors;
  for (const tn_tensor &shape : shapes) {
    HostTensor tensor(shape.dtype, dimsOf(shape), "input");
    switch (shape.dtype) {
    case TN_F32: fill<float>(tensor, unit); break;
    case TN_F64: fill<double>(tensor, unit); break;
    case TN_F16: fill<_Float16>(tensor, unit); break;
    case TN_BF16: fill<uint16_t>(tensor, [&] { float value = unit(); uint32_t bits; std::memcpy(&bits, &value, 4); return uint16_t(bits >> 16); }); break;
    case TN_I16:
    case TN_U16: fill<uint16_t>(tensor, bit); break;
    case TN_I32:
    case TN_U32: fill<uint32_t>(tensor, bit); break;
    case TN_I64:
    case TN_U64: fill<uint64_t>(tensor, bit); break;
    case TN_I8:
    case TN_U8:
    case TN_BOOL: fill<uint8_t>(tensor, bit); break;
    default: std::memset(tensor.data.data(), 0, tensor.data.size());
    }
    tensors.push_back(std::move(tensor));
  }
  std::vector<tn_tensor_info> infos = inputsOf(plan);
  for (size_t i = 0; i < infos.size(); i++)
    makeConsistent(infos[i].part, tensors[i], i == 0 ? 0 : tensors[i - 1].elements());
  return tensors;
}

} // namespace tenon::driver
