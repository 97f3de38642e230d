// Reading and writing NumPy's array format.
#include "tools/tenon/Failure.h"
#include "tools/tenon/Npy.h"

#include <cstring>
#include <gtest/gtest.h>
#include <random>

namespace tenon::driver {
namespace {

std::vector<std::byte> bytesOfText(const std::string &text) {
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

/// A version 1 file with this dictionary and `data`.
std::vector<std::byte> file(std::string dictionary, const std::string &data) {
  dictionary += '\n';
  std::string text("\x93NUMPY\x01\x00", 8);
  text += char(dictionary.size() & 255);
  text += char(dictionary.size() >> 8);
  return bytesOfText(text + dictionary + data);
}

template <typename T> std::string dataOf(std::initializer_list<T> values) { return {reinterpret_cast<const char *>(values.begin()), values.size() * sizeof(T)}; }

TEST(Npy, WhatIsWrittenIsReadAgain) {
  for (tn_dtype dtype : {TN_F32, TN_F16, TN_BF16, TN_F64, TN_I8, TN_I16, TN_I32, TN_I64, TN_U8, TN_U16, TN_U32, TN_U64, TN_BOOL})
    for (const std::vector<int64_t> &dims : {std::vector<int64_t>{}, {0}, {7}, {2, 3, 4}}) {
      std::string header = npyHeader(dtype, dims, "x");
      EXPECT_EQ(header.size() % 64, 0u);
      HostTensor tensor(dtype, dims, "x");
      for (size_t i = 0; i < tensor.data.size(); i++)
        tensor.data.data()[i] = std::byte(i);
      std::string data(reinterpret_cast<const char *>(tensor.data.data()), tensor.data.size());
      HostTensor read = parseNpy(bytesOfText(header + data), "x");
      EXPECT_EQ(read.dtype, dtype);
      EXPECT_EQ(read.dims, dims);
      EXPECT_EQ(std::memcmp(read.data.data(), data.data(), data.size()), 0);
    }
}

TEST(Npy, FortranOrderIsTransposed) {
  // Columns first: the matrix is [[1, 3, 5], [2, 4, 6]].
  HostTensor tensor = parseNpy(file("{'descr': '<i4', 'fortran_order': True, 'shape': (2, 3), }", dataOf<int32_t>({1, 2, 3, 4, 5, 6})), "x");
  int32_t values[6];
  std::memcpy(values, tensor.data.data(), sizeof values);
  EXPECT_EQ((std::vector<int32_t>(values, values + 6)), (std::vector<int32_t>{1, 3, 5, 2, 4, 6}));
}

TEST(Npy, WhatDoesNotFitIsRefused) {
  auto refused = [](const std::vector<std::byte> &bytes, const char *message) {
    try {
      parseNpy(bytes, "bad.npy");
      ADD_FAILURE() << "accepted; expected: " << message;
    } catch (const Failure &failure) {
      EXPECT_NE(std::string(failure.what()).find(message), std::string::npos) << failure.what();
      EXPECT_EQ(std::string(failure.what()).find("bad.npy"), 0u) << failure.what();
    }
  };
  refused({}, "not a .npy array");
  refused(file("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", "1234"), "big-endian");
  refused(file("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "12345678"), "'|O'");
  refused(file("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "1234"), "truncated");
  refused(file("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "1234"), "shape");
  refused(file("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", ""), "larger than any memory");
  refused(file("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", "1234"), "rank 9");
  refused(file("{'descr': '<f4', 'fortran_order': False, }", "1234"), "without 'shape'");
}

TEST(Npy, DamagedBytesNeverCrash) {
  std::vector<std::byte> sound = file("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", dataOf<float>({1, 2, 3, 4}));
  std::mt19937 random(0);
  for (int round = 0; round < 5000; round++) {
    std::vector<std::byte> bytes = sound;
    for (int flips = int(random() % 4) + 1; flips > 0; flips--)
      bytes[random() % bytes.size()] = std::byte(random());
    bytes.resize(random() % 2 ? bytes.size() : random() % bytes.size());
    try {
      parseNpy(bytes, "x");
    } catch (const Failure &) {
    }
  }
}

} // namespace
} // namespace tenon::driver
