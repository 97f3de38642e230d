#include "tools/tenon/ValueFile.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/TensorFile.h"

#include "onnx-ml.pb.h"

#include <algorithm>
#include <cstring>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

namespace tenon::driver {
namespace {

constexpr int64_t kColumns = 8; // of tn_part's shapes

// Of onnx-data.proto's SequenceProto and OptionalProto.
constexpr int kSequenceTensors = 3, kOptionalTensor = 3, kOptionalSequence = 5, kOptionalLast = 7;

/// Fields of a protobuf message that are messages or texts: their numbers and contents.
std::vector<std::pair<int, std::string>> fieldsOf(std::span<const std::byte> bytes, const std::string &what) {
  using Wire = google::protobuf::internal::WireFormatLite;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t *>(bytes.data()), int(std::min(bytes.size(), size_t(INT32_MAX))));
  std::vector<std::pair<int, std::string>> fields;
  bool good = bytes.size() <= size_t(INT32_MAX);
  while (uint32_t tag = good ? in.ReadTag() : 0) {
    uint32_t size = 0;
    if (Wire::GetTagWireType(tag) != Wire::WIRETYPE_LENGTH_DELIMITED)
      good = Wire::SkipField(&in, tag);
    else if (fields.emplace_back(Wire::GetTagFieldNumber(tag), ""), !in.ReadVarint32(&size) || !in.ReadString(&fields.back().second, int(size)))
      good = false;
  }
  if (!good || !in.ConsumedEntireMessage())
    throw Failure(what + ": is not a serialized onnx.SequenceProto or OptionalProto");
  return fields;
}

HostTensor scalar(bool value, const std::string &what) {
  HostTensor tensor(TN_BOOL, {}, what);
  *tensor.data.data() = std::byte(value);
  return tensor;
}

HostTensor integers(const std::vector<int64_t> &values, std::vector<int64_t> dims, const std::string &what) {
  HostTensor tensor(TN_I64, std::move(dims), what);
  if (!values.empty())
    std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
  return tensor;
}

void addStrings(std::span<const std::byte> bytes, const std::string &what, std::vector<HostTensor> &out) {
  onnx::TensorProto proto;
  if (bytes.size() > size_t(INT32_MAX) || !proto.ParseFromArray(bytes.data(), int(bytes.size())))
    throw Failure(what + ": is not a serialized onnx.TensorProto");
  if (proto.data_type() != onnx::TensorProto::STRING)
    throw Failure(what + ": holds no strings");
  std::vector<int64_t> dims(proto.dims().begin(), proto.dims().end()), ends;
  if (bytesOf(TN_U8, dims, what) != proto.string_data_size())
    throw Failure(what + ": holds " + std::to_string(proto.string_data_size()) + " strings, which is not what its shape says");
  std::string all;
  for (const std::string &text : proto.string_data())
    ends.push_back(int64_t((all += text).size()));
  HostTensor contents(TN_U8, {int64_t(all.size())}, what);
  std::copy_n(std::as_bytes(std::span(all)).data(), all.size(), contents.data.data());
  out.push_back(std::move(contents));
  out.push_back(integers(ends, std::move(dims), what));
}

void addSequence(std::span<const std::byte> bytes, tn_dtype dtype, const std::string &what, std::vector<HostTensor> &out) {
  std::vector<HostTensor> tensors;
  std::vector<int64_t> shapes;
  int64_t elements = 0;
  for (const auto &[number, contents] : fieldsOf(bytes, what)) {
    if (number != kSequenceTensors)
      continue;
    HostTensor tensor = parseTensorProto(std::as_bytes(std::span(contents)), what).tensor;
    if (tensor.dtype != dtype)
      throw Failure(what + ": holds a tensor of " + std::string(tn_dtype_name(tensor.dtype)) + " where " + tn_dtype_name(dtype) + " was expected");
    for (size_t axis = 0; axis < size_t(kColumns); ++axis)
      shapes.push_back(axis < tensor.dims.size() ? tensor.dims[axis] : -1);
    elements += tensor.elements();
    tensors.push_back(std::move(tensor));
  }
  HostTensor data(dtype, {elements}, what);
  std::byte *to = data.data.data();
  for (const HostTensor &tensor : tensors)
    to = std::copy_n(tensor.data.data(), tensor.data.size(), to);
  out.push_back(std::move(data));
  out.push_back(integers(shapes, {int64_t(tensors.size()), kColumns}, what));
}

const tn_tensor_info *find(std::span<const tn_tensor_info> parts, tn_part part) {
  auto found = std::find_if(parts.begin(), parts.end(), [&](const tn_tensor_info &info) { return info.part == part; });
  return found == parts.end() ? nullptr : &*found;
}

/// What an optional that holds nothing passes for its parts.
void addNothing(std::span<const tn_tensor_info> parts, const std::string &what, std::vector<HostTensor> &out) {
  for (const tn_tensor_info &info : parts) {
    if (info.part == TN_PART_PRESENT)
      continue;
    std::vector<int64_t> dims;
    for (int32_t axis = 0; axis < info.rank; ++axis)
      dims.push_back(std::max<int64_t>(info.dims[axis], 0));
    HostTensor tensor(info.dtype, std::move(dims), what);
    std::fill_n(tensor.data.data(), tensor.data.size(), std::byte(0));
    out.push_back(std::move(tensor));
  }
}

} // namespace

std::vector<HostTensor> parseValue(std::span<const std::byte> bytes, std::span<const tn_tensor_info> parts, const std::string &what) {
  std::vector<HostTensor> out;
  const tn_tensor_info *data = find(parts, TN_PART_DATA);
  bool isSequence = find(parts, TN_PART_SHAPES), isString = find(parts, TN_PART_BYTES);
  std::string held; // by an optional
  if (find(parts, TN_PART_PRESENT)) {
    bool isPresent = false;
    for (auto &[number, contents] : fieldsOf(bytes, what)) {
      bool isWanted = number == (isSequence ? kOptionalSequence : kOptionalTensor);
      if (!isWanted && number >= kOptionalTensor && number <= kOptionalLast)
        throw Failure(what + ": is an optional of something else than the plan's");
      if (isWanted)
        held = std::move(contents), isPresent = true;
    }
    out.push_back(scalar(isPresent, what));
    if (!isPresent) {
      addNothing(parts, what, out);
      return out;
    }
    bytes = std::as_bytes(std::span(held));
  }
  if (isSequence)
    addSequence(bytes, data->dtype, what, out);
  else if (isString)
    addStrings(bytes, what, out);
  else
    out.push_back(parseTensorProto(bytes, what).tensor);
  return out;
}

} // namespace tenon::driver
