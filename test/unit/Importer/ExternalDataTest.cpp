// Weights beside the model: mapped, and only from the model's own folder.
#include "test/unit/Importer/ModelBuilder.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace tenon::importer::test;
using testing::IsSubstring;
namespace fs = std::filesystem;

namespace {
/// A folder with `model/` in it, where models are written, and a file of 4096 bytes beside and within.
class ExternalData : public testing::Test {
protected:
  void SetUp() override {
    root = fs::temp_directory_path() / ("tenon-external-" + std::to_string(getpid()));
    fs::create_directories(root / "model" / "data");
    for (fs::path path : {root / "secret.bin", root / "model" / "w.bin", root / "model" / "data" / "w.bin"})
      std::ofstream(path) << std::string(4096, 'w');
  }
  void TearDown() override { fs::remove_all(root); }

  /// 256 floats at `offset` of the file.
  Imported load(const std::string &location, const std::string &offset = "0", const std::string &length = "1024") {
    ModelBuilder builder;
    builder.output("w");
    onnx::TensorProto &tensor = *builder.graph.add_initializer();
    tensor.set_name("w");
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    tensor.add_dims(256);
    tensor.set_data_location(onnx::TensorProto::EXTERNAL);
    auto add = [&](const char *key, const std::string &value) {
      auto &entry = *tensor.add_external_data();
      entry.set_key(key);
      entry.set_value(value);
    };
    add("location", location);
    add("offset", offset);
    if (!length.empty())
      add("length", length);
    fs::path path = root / "model" / "m.onnx";
    std::ofstream(path, std::ios::binary) << builder.bytes();
    inMemory = builder.bytes();
    return importPath(path.string());
  }

  fs::path root;
  std::string inMemory;
};
} // namespace

TEST_F(ExternalData, IsMapped) {
  EXPECT_EQ(load("w.bin").signature, "() -> tensor<256xf32>");
  EXPECT_TRUE(load("data/w.bin", "3072").ok);
  EXPECT_TRUE(load("./w.bin", "3072", "").ok);
}

TEST_F(ExternalData, NeedsAFile) {
  load("w.bin");
  EXPECT_PRED_FORMAT2(IsSubstring, "external data, which needs a model that is read from a file", importBytes(inMemory).message);
}

TEST_F(ExternalData, StaysInTheFolder) {
  EXPECT_PRED_FORMAT2(IsSubstring, "external data '../secret.bin' leaves the model's folder", load("../secret.bin").message);
  EXPECT_PRED_FORMAT2(IsSubstring, "leaves the model's folder", load("data/../../secret.bin").message);
  EXPECT_PRED_FORMAT2(IsSubstring, "is an absolute path", load((root / "secret.bin").string()).message);
  EXPECT_PRED_FORMAT2(IsSubstring, "names no file", load("").message);
  fs::create_symlink(root / "secret.bin", root / "model" / "link.bin");
  EXPECT_PRED_FORMAT2(IsSubstring, "'link.bin' is a link that leaves the model's folder", load("link.bin").message);
  fs::create_symlink(root / "model" / "w.bin", root / "model" / "inner.bin");
  EXPECT_TRUE(load("inner.bin").ok);
}

TEST_F(ExternalData, MissingAndShort) {
  EXPECT_PRED_FORMAT2(IsSubstring, "external data 'none.bin' cannot be opened: No such file", load("none.bin").message);
  EXPECT_PRED_FORMAT2(IsSubstring, "external data 'data' is not a regular file", load("data").message);
  EXPECT_PRED_FORMAT2(IsSubstring, "'w.bin' is too short: bytes 3076 to 4100 are needed, it has 4096", load("w.bin", "3076").message);
  EXPECT_PRED_FORMAT2(IsSubstring, "is too short", load("w.bin", "18446744073709551615").message);
  EXPECT_PRED_FORMAT2(IsSubstring, "external data has 1000 bytes; its type and dimensions need 1024", load("w.bin", "0", "1000").message);
  EXPECT_PRED_FORMAT2(IsSubstring, "has the offset '-4', which is not a size", load("w.bin", "-4").message);
}
