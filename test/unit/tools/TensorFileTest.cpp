// onnx.TensorProto and .npz files.
#include "tools/tenon/Failure.h"
#include "tools/tenon/File.h"
#include "tools/tenon/Npz.h"
#include "tools/tenon/TensorFile.h"

#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>
#include <random>

namespace tenon::driver {
namespace {

std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> result;
  for (int value : values)
    result.push_back(std::byte(value));
  return result;
}

TEST(TensorProto, RawDataIsRead) {
  // dims: 2; data_type: INT8 (3); name: "t"; raw_data: 05 FB
  FileTensor file = parseTensorProto(bytes({0x08, 2, 0x10, 3, 0x42, 1, 't', 0x4A, 2, 5, 0xFB}), "t.pb");
  EXPECT_EQ(file.name, "t");
  EXPECT_EQ(file.tensor.dtype, TN_I8);
  EXPECT_EQ(file.tensor.dims, std::vector<int64_t>{2});
  EXPECT_EQ(int(int8_t(file.tensor.data.data()[1])), -5);
}

TEST(TensorProto, TypedDataIsRead) {
  // dims: 2; data_type: BOOL (9); int32_data: 1, 0
  FileTensor file = parseTensorProto(bytes({0x08, 2, 0x10, 9, 0x2A, 2, 1, 0}), "t.pb");
  EXPECT_EQ(file.tensor.data.size(), 2u);
  EXPECT_EQ(int(file.tensor.data.data()[0]), 1);
}

TEST(TensorProto, ShortDataIsRefused) {
  EXPECT_THROW(parseTensorProto(bytes({0x08, 3, 0x10, 3, 0x4A, 2, 5, 6}), "t.pb"), Failure);
  EXPECT_THROW(parseTensorProto(bytes({0x08, 3, 0x10, 3}), "t.pb"), Failure);
}

TEST(Npz, WhatIsWrittenIsReadAgain) {
  std::string path = (std::filesystem::temp_directory_path() / ("tenon-npz-" + std::to_string(std::random_device()()) + ".npz")).string();
  HostTensor x(TN_F32, {2, 3}, "x"), empty(TN_I64, {0, 4}, "empty");
  std::memset(x.data.data(), 7, x.data.size());
  writeNpz(path, {{"a/b:0", x.view()}, {"empty", empty.view()}});
  std::vector<std::byte> first = readFile(path);
  writeNpz(path, {{"a/b:0", x.view()}, {"empty", empty.view()}});
  EXPECT_EQ(readFile(path), first);

  NpzReader reader(path);
  EXPECT_EQ(reader.names(), (std::vector<std::string>{"a/b:0", "empty"}));
  HostTensor read = reader.read("a/b:0");
  EXPECT_EQ(read.dims, x.dims);
  EXPECT_EQ(std::memcmp(read.data.data(), x.data.data(), x.data.size()), 0);
  EXPECT_EQ(reader.read("empty").dims, empty.dims);
  EXPECT_THROW(reader.read("other"), Failure);
  std::filesystem::remove(path);
}

} // namespace
} // namespace tenon::driver
