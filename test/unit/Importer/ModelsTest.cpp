// Real models, where TENON_SHARED has them: every one imports, typed, with no shape arithmetic left.
#include "test/unit/Importer/ModelBuilder.h"

#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>

using namespace tenon::importer::test;

class Models : public testing::TestWithParam<const char *> {};

TEST_P(Models, Imports) {
  const char *shared = std::getenv("TENON_SHARED");
  std::filesystem::path path = std::filesystem::path(shared ? shared : "") / "models" / (std::string(GetParam()) + ".onnx");
  if (!shared || !std::filesystem::exists(path))
    GTEST_SKIP() << "TENON_SHARED does not hold " << GetParam();
  Imported result = importPath(path.string());
  EXPECT_TRUE(result.ok) << result.message;
  EXPECT_EQ(result.count("nn.shape"), 0);
}

INSTANTIATE_TEST_SUITE_P(Shared, Models,
                         testing::Values("mnist8_cntk", "resnet20_cifar10", "vit_cifar10", "cgan_32", "crepe_tiny", "magika_v3_3", "mobilenetv2_224",
                                         "squeezenet1.1", "squeezenet1.1_fp16", "super_resolution_224", "ultraface_rfb320", "fastestdet_352",
                                         "yolov8n_640", "yolov8n_seg_320", "yolox_nano_416", "deeplabv3_mnv2_257", "road_segmentation_adas_0001",
                                         "lstr_lane_360x640", "ppocr_v2_cls", "ppocr_v2_rec_en", "basic_pitch_nmp"),
                         [](const auto &info) {
                           std::string name = info.param;
                           for (char &c : name)
                             if (c == '.')
                               c = '_';
                           return name;
                         });
