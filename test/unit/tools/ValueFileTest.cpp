// Strings, sequences and optionals in ONNX's files, as the tensors that plans take.
#include "tools/tenon/ValueFile.h"
#include "tools/tenon/Failure.h"

#include <cstring>
#include <gtest/gtest.h>

using namespace tenon::driver;

namespace {

std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> out;
  for (int value : values)
    out.push_back(std::byte(value));
  return out;
}

tn_tensor_info part(tn_part part, tn_dtype dtype, int32_t rank = 1) {
  tn_tensor_info info{};
  info.part = part;
  info.dtype = dtype;
  info.rank = rank;
  info.dims[0] = -1;
  return info;
}

std::vector<int64_t> integersOf(const HostTensor &tensor) {
  std::vector<int64_t> out(tensor.data.size() / sizeof(int64_t));
  std::memcpy(out.data(), tensor.data.data(), tensor.data.size());
  return out;
}

const tn_tensor_info kStrings[] = {part(TN_PART_BYTES, TN_U8), part(TN_PART_ENDS, TN_I64)};
const tn_tensor_info kSequence[] = {part(TN_PART_DATA, TN_I8), part(TN_PART_SHAPES, TN_I64, 2)};
const tn_tensor_info kOptional[] = {part(TN_PART_PRESENT, TN_BOOL, 0), part(TN_PART_DATA, TN_I8)};

// i8[2] = {5, -5}, then the length of the message
#define TENSOR 0x08, 2, 0x10, 3, 0x4A, 2, 5, 0xFB

} // namespace

TEST(ValueFile, Strings) {
  // dims 3, data_type STRING, string_data "ab", "", "c"
  std::vector<HostTensor> parts = parseValue(bytes({0x08, 3, 0x10, 8, 0x32, 2, 'a', 'b', 0x32, 0, 0x32, 1, 'c'}), kStrings, "s.pb");
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(std::memcmp(parts[0].data.data(), "abc", 3), 0);
  EXPECT_EQ(parts[1].dims, std::vector<int64_t>{3});
  EXPECT_EQ(integersOf(parts[1]), (std::vector<int64_t>{2, 2, 3}));
  EXPECT_THROW(parseValue(bytes({0x08, 4, 0x10, 8, 0x32, 0}), kStrings, "s.pb"), Failure);
  EXPECT_THROW(parseValue(bytes({TENSOR}), kStrings, "s.pb"), Failure);
}

TEST(ValueFile, Sequences) {
  // elem_type TENSOR, twice the tensor
  std::vector<HostTensor> parts = parseValue(bytes({0x10, 1, 0x1A, 8, TENSOR, 0x1A, 8, TENSOR}), kSequence, "q.pb");
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].dims, std::vector<int64_t>{4});
  EXPECT_EQ(parts[1].dims, (std::vector<int64_t>{2, 8}));
  EXPECT_EQ(integersOf(parts[1]), (std::vector<int64_t>{2, -1, -1, -1, -1, -1, -1, -1, 2, -1, -1, -1, -1, -1, -1, -1}));
  EXPECT_EQ(parseValue(bytes({0x10, 1}), kSequence, "q.pb")[1].dims, (std::vector<int64_t>{0, 8}));
  EXPECT_THROW(parseValue(bytes({0x1A, 90}), kSequence, "q.pb"), Failure);
  const tn_tensor_info floats[] = {part(TN_PART_DATA, TN_F32), kSequence[1]};
  EXPECT_THROW(parseValue(bytes({0x10, 1, 0x1A, 8, TENSOR}), floats, "q.pb"), Failure);
}

TEST(ValueFile, Optionals) {
  // elem_type TENSOR, tensor_value
  std::vector<HostTensor> parts = parseValue(bytes({0x10, 1, 0x1A, 8, TENSOR}), kOptional, "o.pb");
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(*parts[0].data.data(), std::byte(1));
  EXPECT_EQ(parts[1].dims, std::vector<int64_t>{2});
  parts = parseValue({}, kOptional, "o.pb");
  EXPECT_EQ(*parts[0].data.data(), std::byte(0));
  EXPECT_EQ(parts[1].dims, std::vector<int64_t>{0});
}
