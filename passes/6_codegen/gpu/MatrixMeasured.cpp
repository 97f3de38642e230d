// Tiles of products that were measured: each with 10 to 40 schedules, in a chain of launches of one kernel on an H200, as bench/gpu/chain.py times
// them, then in the whole network, where what shortens that replaces what was fastest by itself. bench/gpu/sweep.py makes such rows.
//
// The layers are those of ResNet-50, of ResNet-18 those with a stride, YOLOv8n, MobileNetV2, EfficientNet-B0, BERT-base with 128 tokens and ViT-B/16
// at batch 1 and 32; wherever else a product of these sizes occurs, the same tile is good. What is not listed is left to the cost model.
#include "passes/6_codegen/gpu/MatrixCost.h"

namespace tenon::gpu {
using llvm::SmallVector;

namespace {
enum class Kind { Direct, Staged, Groups, Pipeline, Resident, Mapped, Tma }; // Mapped: resident and tma

struct Measured {
  int64_t rows, columns, depth, channels; // of the product; of one tap
  Kind kind;
  int64_t tileRows, tileColumns, warpDepth, stages, splits, round;
  int64_t together = 1, teams = 1, tileWidth = 0; // teams: of Tma groups of warps
  bool isComputed = false; // lhs: by the kernel, from what it reads
  bool isPlain = false;    // nothing of the result's size is read
};

constexpr Measured kMeasured[] = {
    {1, 10, 240, 240, Kind::Direct, 16, 16, 8, 1, 1, 1},
    {1, 1000, 1280, 1280, Kind::Direct, 16, 16, 16, 2, 1, 1},
    {1, 1000, 2048, 2048, Kind::Direct, 16, 16, 16, 1, 1, 1},
    {1, 1000, 768, 768, Kind::Direct, 16, 16, 16, 2, 1, 1},
    {1, 1152, 48, 48, Kind::Direct, 16, 16, 1, 2, 1, 1},
    {1, 20, 480, 480, Kind::Direct, 32, 16, 8, 2, 1, 1},
    {1, 28, 672, 672, Kind::Direct, 16, 16, 8, 2, 1, 1},
    {1, 32, 8, 8, Kind::Direct, 16, 16, 1, 1, 1, 1},
    {1, 4, 96, 96, Kind::Direct, 32, 16, 2, 2, 1, 1},
    {1, 48, 1152, 1152, Kind::Direct, 16, 16, 16, 2, 1, 1},
    {1, 6, 144, 144, Kind::Direct, 32, 16, 4, 2, 1, 1},
    {1, 8, 32, 32, Kind::Direct, 16, 16, 1, 1, 1, 1},
    {1, 768, 3072, 3072, Kind::Direct, 16, 16, 16, 1, 1, 1},
    {1, 3072, 768, 768, Kind::Staged, 32, 32, 2, 10, 1, 1},
    {49, 1152, 192, 192, Kind::Staged, 32, 32, 2, 10, 1, 1},
    {49, 1280, 320, 320, Kind::Groups, 64, 32, 1, 5, 1, 1},
    {49, 160, 576, 576, Kind::Direct, 16, 16, 16, 1, 1, 1},
    {49, 160, 960, 960, Kind::Direct, 16, 16, 16, 2, 1, 1},
    {49, 2048, 1024, 1024, Kind::Groups, 64, 32, 1, 8, 2, 2},
    {49, 2048, 1536, 1536, Kind::Groups, 64, 32, 2, 12, 2, 1},
    {49, 2048, 512, 512, Kind::Groups, 64, 32, 2, 8, 1, 2},
    {49, 320, 960, 960, Kind::Groups, 64, 32, 1, 4, 4, 2},
    {49, 512, 2048, 2048, Kind::Groups, 64, 32, 2, 8, 4, 2},
    {49, 512, 2304, 256, Kind::Groups, 64, 32, 2, 9, 4, 1},
    {49, 512, 4608, 512, Kind::Groups, 64, 64, 1, 10, 8, 2},
    {49, 960, 160, 160, Kind::Staged, 32, 32, 2, 3, 1, 1},
    {128, 2304, 768, 768, Kind::Groups, 64, 64, 1, 12, 1, 2},
    {128, 3072, 768, 768, Kind::Groups, 64, 64, 2, 12, 1, 2},
    {128, 768, 3072, 3072, Kind::Groups, 64, 64, 1, 10, 4, 2},
    {128, 768, 768, 768, Kind::Groups, 64, 32, 1, 12, 1, 2},
    {196, 1024, 256, 256, Kind::Groups, 64, 32, 2, 4, 1, 2},
    {196, 1024, 512, 512, Kind::Groups, 64, 32, 2, 8, 1, 2},
    {196, 1024, 768, 768, Kind::Groups, 64, 32, 2, 12, 1, 2},
    {196, 256, 1024, 1024, Kind::Groups, 64, 32, 2, 16, 1, 2},
    {196, 256, 1152, 128, Kind::Staged, 32, 32, 2, 9, 2, 1},
    {196, 256, 128, 128, Kind::Groups, 64, 16, 1, 2, 1, 2},
    {196, 256, 2304, 256, Kind::Groups, 64, 64, 1, 9, 4, 1},
    {196, 384, 64, 64, Kind::Staged, 32, 32, 2, 1, 1, 1},
    {196, 480, 80, 80, Kind::Groups, 64, 32, 1, 4, 1, 1},
    {196, 512, 1024, 1024, Kind::Groups, 64, 32, 2, 16, 1, 2},
    {196, 576, 96, 96, Kind::Staged, 32, 32, 2, 2, 1, 1},
    {196, 64, 192, 192, Kind::Staged, 32, 32, 2, 3, 1, 1},
    {196, 64, 384, 384, Kind::Groups, 64, 32, 1, 6, 1, 2},
    {196, 672, 112, 112, Kind::Groups, 64, 32, 1, 8, 1, 1},
    {196, 768, 768, 768, Kind::Groups, 64, 48, 2, 12, 1, 2},
    {196, 96, 384, 384, Kind::Staged, 32, 32, 2, 6, 1, 1},
    {196, 96, 576, 576, Kind::Groups, 64, 32, 1, 9, 1, 1},
    {197, 2304, 768, 768, Kind::Groups, 64, 96, 1, 10, 1, 2},
    {197, 3072, 768, 768, Kind::Groups, 64, 96, 1, 10, 1, 2},
    {197, 768, 3072, 3072, Kind::Groups, 64, 64, 2, 10, 2, 2},
    {197, 768, 768, 768, Kind::Groups, 64, 32, 1, 12, 1, 2},
    {400, 128, 1152, 128, Kind::Groups, 64, 32, 2, 5, 4, 1},
    {400, 128, 256, 256, Kind::Staged, 32, 32, 2, 4, 1, 1},
    {400, 144, 2304, 256, Kind::Groups, 64, 48, 1, 9, 4, 1},
    {400, 256, 1152, 128, Kind::Groups, 64, 32, 2, 10, 2, 2},
    {400, 256, 256, 256, Kind::Staged, 32, 32, 2, 4, 1, 1},
    {400, 256, 384, 384, Kind::Staged, 32, 32, 2, 6, 1, 1},
    {400, 256, 512, 512, Kind::Staged, 32, 32, 2, 8, 1, 1},
    {400, 64, 2304, 256, Kind::Groups, 64, 32, 1, 8, 4, 2},
    {400, 64, 576, 64, Kind::Staged, 32, 32, 2, 9, 1, 1},
    {400, 64, 64, 64, Kind::Staged, 32, 32, 1, 1, 1, 1},
    {400, 80, 2304, 256, Kind::Direct, 16, 16, 16, 2, 1, 1},
    {400, 80, 720, 80, Kind::Groups, 64, 32, 1, 6, 2, 1},
    {400, 80, 80, 80, Kind::Staged, 32, 32, 2, 2, 1, 1},
    {784, 128, 1152, 128, Kind::Groups, 64, 64, 1, 5, 4, 1},
    {784, 128, 512, 512, Kind::Groups, 64, 32, 2, 8, 1, 2},
    {784, 192, 32, 32, Kind::Groups, 64, 32, 1, 1, 1, 1},
    {784, 240, 40, 40, Kind::Groups, 128, 32, 1, 4, 1, 1},
    {784, 256, 512, 512, Kind::Groups, 64, 64, 2, 8, 1, 1},
    {784, 32, 144, 144, Kind::Staged, 32, 32, 2, 3, 1, 1},
    {784, 32, 192, 192, Kind::Staged, 32, 32, 2, 3, 1, 1},
    {784, 512, 128, 128, Kind::Groups, 64, 64, 2, 2, 1, 2},
    {784, 512, 256, 256, Kind::Groups, 64, 32, 2, 8, 1, 2},
    {784, 512, 384, 384, Kind::Groups, 64, 64, 1, 6, 1, 2},
    {1600, 128, 128, 128, Kind::Groups, 64, 32, 2, 2, 1, 2},
    {1600, 128, 192, 192, Kind::Groups, 64, 32, 2, 3, 1, 1},
    {1600, 128, 256, 256, Kind::Groups, 64, 32, 2, 4, 1, 2},
    {1600, 128, 384, 384, Kind::Groups, 64, 32, 2, 6, 1, 2},
    {1600, 128, 576, 64, Kind::Groups, 64, 32, 2, 9, 1, 1},
    {1600, 144, 1152, 128, Kind::Groups, 64, 48, 1, 14, 1, 2},
    {1600, 64, 1152, 128, Kind::Groups, 64, 32, 1, 8, 2, 2},
    {1600, 64, 576, 64, Kind::Staged, 32, 32, 4, 9, 1, 1},
    {1600, 64, 64, 64, Kind::Staged, 32, 32, 2, 1, 1, 1},
    {1600, 80, 1152, 128, Kind::Groups, 64, 80, 1, 5, 4, 1},
    {1600, 80, 720, 80, Kind::Groups, 64, 32, 2, 12, 1, 2},
    {1600, 80, 80, 80, Kind::Groups, 64, 32, 1, 2, 1, 2},
    {3136, 128, 256, 256, Kind::Groups, 64, 64, 1, 4, 1, 1},
    {3136, 144, 24, 24, Kind::Groups, 128, 32, 1, 1, 1, 1},
    {3136, 24, 144, 144, Kind::Staged, 32, 32, 2, 3, 1, 1},
    {3136, 24, 96, 96, Kind::Staged, 32, 32, 2, 2, 1, 1},
    {3136, 256, 128, 128, Kind::Groups, 128, 64, 1, 2, 1, 1},
    {3136, 256, 64, 64, Kind::Groups, 64, 64, 1, 1, 1, 1},
    {3136, 64, 256, 256, Kind::Groups, 64, 32, 1, 4, 1, 2},
    {3136, 64, 576, 64, Kind::Groups, 64, 32, 1, 9, 1, 1},
    {3136, 64, 64, 64, Kind::Groups, 64, 32, 1, 1, 1, 1},
    {6400, 144, 576, 64, Kind::Groups, 128, 32, 1, 8, 1, 1},
    {6400, 32, 288, 32, Kind::Groups, 64, 32, 1, 5, 1, 1},
    {6400, 64, 128, 128, Kind::Groups, 64, 32, 1, 2, 1, 1},
    {6400, 64, 192, 192, Kind::Groups, 128, 32, 1, 3, 1, 1},
    {6400, 64, 288, 32, Kind::Groups, 64, 64, 2, 5, 1, 1},
    {6400, 64, 576, 64, Kind::Groups, 64, 64, 2, 9, 1, 1},
    {6400, 64, 64, 64, Kind::Groups, 64, 32, 1, 1, 1, 1},
    {6400, 64, 96, 96, Kind::Groups, 64, 32, 1, 2, 1, 1},
    {6400, 80, 576, 64, Kind::Groups, 64, 80, 4, 5, 1, 1},
    {6400, 80, 720, 80, Kind::Groups, 64, 80, 1, 10, 1, 2},
    {6400, 80, 80, 80, Kind::Groups, 64, 64, 1, 2, 1, 1},
    {12544, 16, 32, 32, Kind::Groups, 64, 32, 1, 1, 1, 1},
    {12544, 96, 16, 16, Kind::Groups, 64, 64, 1, 1, 1, 1},
    {25600, 16, 144, 16, Kind::Groups, 64, 32, 1, 3, 1, 1},
    {25600, 32, 144, 16, Kind::Groups, 128, 32, 1, 3, 1, 1},
    {25600, 32, 32, 32, Kind::Groups, 128, 32, 1, 1, 1, 1},
    {25600, 32, 48, 48, Kind::Groups, 128, 32, 1, 1, 1, 1},
    {33600, 1, 16, 16, Kind::Direct, 64, 16, 1, 1, 1, 1},
    // At batch 32.
    {32, 4, 96, 96, Kind::Staged, 32, 32, 2, 10, 1, 1},
    {32, 6, 144, 144, Kind::Staged, 32, 32, 2, 10, 1, 1},
    {32, 8, 32, 32, Kind::Direct, 16, 16, 1, 1, 1, 1},
    {32, 10, 240, 240, Kind::Direct, 16, 32, 8, 1, 1, 1},
    {32, 20, 480, 480, Kind::Direct, 16, 16, 8, 2, 1, 1},
    {32, 28, 672, 672, Kind::Direct, 16, 16, 8, 2, 1, 1},
    {32, 32, 8, 8, Kind::Direct, 16, 16, 1, 1, 1, 1},
    {32, 48, 1152, 1152, Kind::Direct, 16, 16, 16, 2, 1, 1},
    {32, 1000, 768, 768, Kind::Staged, 32, 32, 4, 10, 1, 1},
    {32, 1000, 1280, 1280, Kind::Direct, 16, 16, 16, 2, 1, 1},
    {32, 1000, 2048, 2048, Kind::Staged, 32, 64, 2, 7, 8, 1},
    {32, 1152, 48, 48, Kind::Direct, 16, 32, 2, 1, 1, 1},
    {1568, 160, 576, 576, Kind::Groups, 64, 32, 1, 8, 1, 1},
    {1568, 160, 960, 960, Kind::Staged, 32, 32, 2, 10, 1, 1},
    {1568, 320, 960, 960, Kind::Groups, 64, 64, 4, 6, 1, 1},
    {1568, 512, 2048, 2048, Kind::Tma, 64, 64, 1, 4, 1, 1, 3, 1, 0},
    {1568, 512, 4608, 512, Kind::Tma, 128, 128, 1, 5, 2, 1, 1, 2, 0},
    {1568, 960, 160, 160, Kind::Groups, 64, 64, 1, 3, 1, 1},
    {1568, 1152, 192, 192, Kind::Groups, 128, 64, 1, 4, 1, 1},
    {1568, 1280, 320, 320, Kind::Tma, 128, 128, 1, 6, 1, 1, 1, 2, 0},
    {1568, 2048, 512, 512, Kind::Tma, 128, 128, 1, 3, 1, 1, 2, 1, 0},
    {1568, 2048, 1024, 1024, Kind::Pipeline, 128, 256, 1, 4, 1, 1},
    {1568, 2048, 1536, 1536, Kind::Tma, 128, 256, 1, 4, 1, 1, 1, 2, 0},
    {4096, 768, 768, 768, Kind::Pipeline, 128, 192, 1, 5, 1, 1},
    {4096, 768, 3072, 3072, Kind::Tma, 192, 128, 1, 4, 1, 1, 1, 3, 0},
    {4096, 2304, 768, 768, Kind::Tma, 128, 192, 1, 5, 1, 1, 1, 2, 0},
    {4096, 3072, 768, 768, Kind::Tma, 128, 192, 1, 5, 1, 1, 1, 2, 0},
    {6272, 64, 192, 192, Kind::Groups, 64, 64, 1, 3, 1, 1},
    {6272, 64, 384, 384, Kind::Groups, 64, 32, 1, 8, 1, 1},
    {6272, 96, 384, 384, Kind::Groups, 64, 64, 1, 6, 1, 1},
    {6272, 96, 576, 576, Kind::Tma, 128, 96, 1, 5, 1, 1, 1, 2, 0},
    {6272, 256, 1024, 1024, Kind::Tma, 128, 128, 1, 6, 1, 1, 1, 2, 0},
    {6272, 256, 2304, 256, Kind::Tma, 128, 128, 1, 6, 1, 1, 1, 2, 0},
    {6272, 384, 64, 64, Kind::Groups, 64, 32, 1, 1, 1, 1},
    {6272, 480, 80, 80, Kind::Groups, 128, 96, 1, 3, 1, 1},
    {6272, 512, 1024, 1024, Kind::Pipeline, 192, 128, 1, 4, 1, 1},
    {6272, 576, 96, 96, Kind::Groups, 128, 64, 1, 2, 1, 1},
    {6272, 672, 112, 112, Kind::Groups, 128, 32, 1, 4, 1, 1},
    {6272, 768, 768, 768, Kind::Tma, 192, 192, 1, 4, 1, 1, 1, 3, 0},
    {6272, 1024, 256, 256, Kind::Pipeline, 128, 128, 1, 5, 1, 1},
    {6272, 1024, 512, 512, Kind::Pipeline, 192, 128, 1, 4, 1, 1},
    {6272, 1024, 768, 768, Kind::Tma, 192, 128, 1, 4, 1, 1, 1, 3, 0},
    {6304, 768, 768, 768, Kind::Tma, 128, 192, 1, 5, 1, 1, 1, 2, 0},
    {6304, 768, 3072, 3072, Kind::Pipeline, 192, 192, 1, 4, 1, 1},
    {6304, 2304, 768, 768, Kind::Tma, 192, 192, 1, 4, 1, 1, 1, 3, 0},
    {6304, 3072, 768, 768, Kind::Tma, 192, 128, 1, 4, 1, 1, 1, 3, 0},
    {12800, 64, 64, 64, Kind::Groups, 64, 64, 1, 6, 1, 1},
    {12800, 64, 576, 64, Kind::Groups, 64, 64, 1, 6, 1, 1},
    {12800, 80, 80, 80, Kind::Groups, 64, 128, 1, 4, 1, 1},
    {12800, 80, 720, 80, Kind::Groups, 64, 96, 1, 5, 1, 1},
    {12800, 128, 256, 256, Kind::Tma, 128, 128, 1, 6, 1, 1, 1, 2, 0},
    {12800, 128, 1152, 128, Kind::Tma, 128, 128, 1, 6, 1, 1, 1, 2, 0},
    {12800, 144, 2304, 256, Kind::Tma, 128, 144, 1, 5, 1, 1, 1, 2, 0},
    {12800, 256, 256, 256, Kind::Tma, 64, 128, 1, 4, 1, 1, 2, 1, 0},
    {12800, 256, 384, 384, Kind::Tma, 64, 128, 1, 4, 1, 1, 2, 1, 0},
    {12800, 256, 512, 512, Kind::Tma, 64, 128, 1, 4, 1, 1, 2, 1, 0},
    {12800, 256, 1152, 128, Kind::Tma, 128, 128, 1, 3, 1, 1, 2, 1, 0},
    {25088, 32, 144, 144, Kind::Groups, 128, 32, 1, 4, 1, 1},
    {25088, 32, 192, 192, Kind::Groups, 64, 32, 1, 3, 1, 1},
    {25088, 128, 512, 512, Kind::Tma, 192, 128, 1, 4, 1, 1, 1, 3, 0},
    {25088, 128, 1152, 128, Kind::Tma, 192, 128, 1, 4, 1, 1, 1, 3, 0},
    {25088, 192, 32, 32, Kind::Groups, 128, 96, 1, 1, 1, 1},
    {25088, 240, 40, 40, Kind::Groups, 64, 64, 1, 3, 1, 1},
    {25088, 256, 512, 512, Kind::Tma, 192, 128, 1, 4, 1, 1, 1, 3, 0},
    {25088, 512, 128, 128, Kind::Groups, 128, 128, 1, 2, 1, 1},
    {25088, 512, 256, 256, Kind::Pipeline, 128, 128, 1, 5, 1, 1},
    {25088, 512, 384, 384, Kind::Tma, 128, 128, 1, 6, 1, 1, 1, 2, 0},
    {51200, 64, 64, 64, Kind::Groups, 64, 64, 1, 3, 1, 1},
    {51200, 64, 576, 64, Kind::Mapped, 64, 64, 1, 7, 1, 1, 1, 2, 14, false, true},
    {51200, 64, 576, 64, Kind::Mapped, 64, 64, 1, 7, 1, 1, 1, 3, 14},
    {51200, 64, 576, 64, Kind::Mapped, 64, 64, 1, 3, 1, 1, 1, 3, 8}, // at stride 2
    {51200, 64, 576, 64, Kind::Tma, 128, 64, 1, 4, 1, 1, 2, 1, 0},
    {51200, 80, 80, 80, Kind::Mapped, 64, 80, 1, 8, 1, 1, 1, 2, 0},
    {51200, 80, 80, 80, Kind::Groups, 128, 80, 1, 3, 1, 1},
    {51200, 80, 720, 80, Kind::Mapped, 64, 80, 1, 5, 1, 1, 1, 2, 14},
    {51200, 80, 720, 80, Kind::Groups, 128, 80, 1, 3, 1, 1},
    {51200, 128, 128, 128, Kind::Tma, 64, 128, 1, 4, 1, 1, 2, 1, 0},
    {51200, 128, 192, 192, Kind::Tma, 64, 128, 1, 4, 1, 1, 2, 1, 0},
    {51200, 128, 256, 256, Kind::Tma, 64, 128, 1, 4, 1, 1, 2, 1, 0},
    {51200, 128, 384, 384, Kind::Tma, 128, 128, 1, 6, 1, 1, 1, 2, 0},
    {51200, 128, 576, 64, Kind::Tma, 128, 128, 1, 6, 1, 1, 1, 2, 0},
    {51200, 144, 1152, 128, Kind::Tma, 128, 144, 1, 5, 1, 1, 1, 2, 0},
    {100352, 24, 96, 96, Kind::Groups, 128, 32, 1, 4, 1, 1},
    {100352, 24, 144, 144, Kind::Groups, 128, 32, 1, 4, 1, 1},
    {100352, 64, 64, 64, Kind::Groups, 128, 64, 1, 4, 1, 1},
    {100352, 64, 256, 256, Kind::Tma, 128, 64, 1, 4, 1, 1, 2, 1, 0},
    {100352, 64, 576, 64, Kind::Resident, 64, 64, 1, 7, 1, 1, 1, 3, 14},
    {100352, 128, 256, 256, Kind::Pipeline, 128, 128, 1, 5, 1, 1},
    {100352, 144, 24, 24, Kind::Direct, 64, 32, 1, 1, 1, 1},
    {100352, 256, 64, 64, Kind::Groups, 128, 128, 1, 1, 1, 1},
    {100352, 256, 128, 128, Kind::Tma, 192, 128, 1, 4, 1, 1, 1, 3, 0},
    {204800, 32, 288, 32, Kind::Mapped, 128, 32, 1, 8, 1, 1, 1, 4, 14, false, true},
    {204800, 32, 288, 32, Kind::Resident, 128, 32, 1, 8, 1, 1, 1, 3, 14},
    {204800, 64, 64, 64, Kind::Groups, 64, 64, 1, 3, 1, 1},
    {204800, 64, 96, 96, Kind::Mapped, 128, 64, 1, 2, 1, 1, 2, 1, 0},
    {204800, 64, 96, 96, Kind::Groups, 64, 64, 1, 3, 1, 1},
    {204800, 64, 128, 128, Kind::Groups, 64, 64, 1, 3, 1, 1},
    {204800, 64, 192, 192, Kind::Groups, 128, 64, 1, 4, 1, 1},
    {204800, 64, 288, 32, Kind::Mapped, 64, 64, 1, 4, 1, 1, 1, 3, 20},
    {204800, 64, 288, 32, Kind::Resident, 64, 64, 1, 4, 1, 1, 1, 3, 7},
    {204800, 64, 576, 64, Kind::Mapped, 128, 64, 1, 4, 1, 1, 1, 3, 14},
    {204800, 64, 576, 64, Kind::Resident, 128, 64, 1, 4, 1, 1, 1, 3, 14},
    {204800, 80, 80, 80, Kind::Mapped, 128, 80, 1, 4, 1, 1, 1, 2, 0},
    {204800, 80, 80, 80, Kind::Resident, 64, 80, 1, 8, 1, 1, 1, 3, 0},
    {204800, 80, 720, 80, Kind::Mapped, 64, 80, 1, 5, 1, 1, 1, 3, 14},
    {204800, 80, 720, 80, Kind::Resident, 64, 80, 1, 5, 1, 1, 1, 3, 14},
    {204800, 144, 576, 64, Kind::Tma, 128, 144, 1, 5, 1, 1, 1, 2, 0},
    {401408, 16, 32, 32, Kind::Direct, 64, 16, 1, 1, 1, 1},
    {401408, 96, 16, 16, Kind::Resident, 128, 96, 1, 8, 1, 1, 1, 2, 0},
    {819200, 16, 144, 16, Kind::Resident, 128, 16, 1, 8, 1, 1, 1, 4, 16},
    {819200, 32, 32, 32, Kind::Direct, 64, 32, 1, 1, 1, 1},
    {819200, 32, 48, 48, Kind::Mapped, 128, 32, 1, 8, 1, 1, 1, 4, 0},
    {819200, 32, 48, 48, Kind::Direct, 32, 32, 1, 2, 1, 1},
    {819200, 32, 144, 16, Kind::Mapped, 128, 32, 1, 5, 1, 1, 1, 4, 20},
    {819200, 32, 144, 16, Kind::Groups, 128, 32, 1, 3, 1, 1},
    {1075200, 1, 16, 16, Kind::Direct, 64, 16, 1, 1, 1, 1},
};

/// The same of f32 in parts, and as tf32: BERT-base with 128 tokens and ViT-B/16 at batch 1, 8 to 24 schedules each. Depth and channels are counted in elements.
constexpr Measured kMeasuredInParts[] = {
    {1, 1000, 768, 768, Kind::Direct, 16, 16, 16, 1, 1, 1},   {128, 768, 768, 768, Kind::Staged, 32, 32, 2, 3, 8, 1},
    {128, 2304, 768, 768, Kind::Staged, 32, 64, 2, 6, 4, 1},  {128, 3072, 768, 768, Kind::Direct, 32, 32, 4, 2, 1, 1},
    {128, 768, 3072, 3072, Kind::Direct, 32, 32, 8, 2, 1, 1}, {196, 768, 768, 768, Kind::Direct, 32, 32, 8, 1, 1, 1},
    {197, 768, 768, 768, Kind::Direct, 32, 32, 8, 1, 1, 1},   {197, 2304, 768, 768, Kind::Staged, 32, 64, 2, 8, 1, 1},
    {197, 3072, 768, 768, Kind::Direct, 32, 32, 4, 1, 1, 1},  {197, 768, 3072, 3072, Kind::Direct, 32, 16, 8, 2, 1, 1},
};

constexpr Measured kMeasuredShort[] = {
    {1, 1000, 768, 768, Kind::Direct, 16, 16, 16, 1, 1, 1},   {128, 768, 768, 768, Kind::Groups, 64, 64, 1, 6, 4, 2},
    {128, 2304, 768, 768, Kind::Groups, 64, 64, 4, 6, 1, 1},  {128, 3072, 768, 768, Kind::Groups, 64, 64, 1, 6, 1, 1},
    {128, 768, 3072, 3072, Kind::Groups, 128, 64, 1, 4, 8, 1}, {196, 768, 768, 768, Kind::Groups, 64, 64, 2, 6, 2, 1},
    {197, 768, 768, 768, Kind::Groups, 64, 64, 1, 6, 2, 1},   {197, 2304, 768, 768, Kind::Groups, 64, 64, 1, 6, 1, 2},
    {197, 3072, 768, 768, Kind::Groups, 128, 96, 1, 3, 2, 1}, {197, 768, 3072, 3072, Kind::Groups, 128, 64, 1, 4, 4, 1},
};

// Products of bytes at batch 32, of ResNet-50 and YOLOv8n in 8 bits; depth and channels are counted in pairs of bytes.
constexpr Measured kMeasuredBytes[] = {
    {32, 1000, 1024, 1024, Kind::Staged, 32, 32, 2, 4, 4, 1},
    {1568, 512, 1024, 1024, Kind::Tma, 128, 64, 1, 6, 2, 1, 1, 2, 0},
    {1568, 512, 2304, 256, Kind::Tma, 128, 64, 1, 6, 2, 1, 1, 2, 0},
    {1568, 2048, 256, 256, Kind::Groups, 128, 128, 1, 3, 1, 1},
    {1568, 2048, 512, 512, Kind::Tma, 64, 128, 1, 4, 1, 1, 2, 1, 0},
    {6272, 256, 512, 512, Kind::Tma, 64, 128, 1, 4, 1, 1, 2, 1, 0},
    {6272, 256, 1152, 128, Kind::Tma, 128, 128, 1, 6, 1, 1, 1, 2, 0},
    {6272, 512, 512, 512, Kind::Tma, 192, 128, 1, 4, 1, 1, 1, 3, 0},
    {6272, 1024, 128, 128, Kind::Tma, 64, 128, 1, 4, 1, 1, 2, 1, 0},
    {6272, 1024, 256, 256, Kind::Tma, 128, 128, 1, 6, 1, 1, 1, 2, 0},
    {12800, 64, 1152, 128, Kind::Groups, 64, 64, 1, 6, 1, 2},
    {12800, 80, 1152, 128, Kind::Pipeline, 128, 80, 1, 5, 1, 1},
    {12800, 128, 128, 128, Kind::Groups, 64, 32, 1, 2, 1, 1},
    {12800, 128, 576, 64, Kind::Groups, 64, 128, 1, 4, 1, 1},
    {12800, 256, 128, 128, Kind::Groups, 64, 128, 1, 2, 1, 1},
    {12800, 256, 192, 192, Kind::Groups, 128, 128, 1, 3, 1, 1},
    {12800, 256, 256, 256, Kind::Groups, 128, 128, 1, 3, 1, 1},
    {12800, 256, 576, 64, Kind::Pipeline, 128, 256, 1, 4, 1, 1},
    {25088, 128, 256, 256, Kind::Tma, 192, 128, 1, 4, 1, 1, 1, 3, 0},
    {25088, 128, 576, 64, Kind::Tma, 192, 128, 1, 4, 1, 1, 1, 3, 0},
    {25088, 256, 256, 256, Kind::Tma, 192, 128, 1, 4, 1, 1, 1, 3, 0},
    {25088, 512, 64, 64, Kind::Groups, 64, 128, 1, 1, 1, 1},
    {25088, 512, 128, 128, Kind::Tma, 64, 128, 1, 4, 1, 1, 2, 1, 0},
    {51200, 64, 32, 32, Kind::Groups, 128, 64, 1, 1, 1, 1},
    {51200, 64, 288, 32, Kind::Groups, 128, 64, 1, 4, 1, 1},
    {51200, 64, 576, 64, Kind::Resident, 64, 64, 1, 7, 1, 1, 1, 3, 14},
    {51200, 80, 40, 40, Kind::Resident, 64, 80, 1, 8, 1, 1, 1, 3, 0},
    {51200, 80, 360, 40, Kind::Resident, 64, 80, 1, 8, 1, 1, 1, 3, 14},
    {51200, 80, 576, 64, Kind::Resident, 64, 80, 1, 7, 1, 1, 1, 3, 14},
    {51200, 128, 64, 64, Kind::Groups, 64, 32, 1, 1, 1, 1},
    {51200, 128, 96, 96, Kind::Groups, 64, 32, 1, 2, 1, 1},
    {51200, 128, 128, 128, Kind::Groups, 128, 128, 1, 2, 1, 1},
    {51200, 128, 192, 192, Kind::Groups, 128, 128, 1, 3, 1, 1},
    {51200, 128, 288, 32, Kind::Resident, 64, 128, 1, 4, 1, 1, 1, 3, 7},
    {100352, 64, 32, 32, Kind::Resident, 64, 64, 1, 8, 1, 1, 1, 4, 0},
    {100352, 64, 128, 128, Kind::Tma, 128, 64, 1, 4, 1, 1, 2, 1, 0},
    {100352, 64, 288, 32, Kind::Resident, 64, 64, 1, 8, 1, 1, 1, 4, 14},
    {100352, 128, 128, 128, Kind::Tma, 192, 128, 1, 4, 1, 1, 1, 3, 0},
    {100352, 256, 32, 32, Kind::Resident, 64, 128, 1, 8, 1, 1, 1, 3, 0, false, true},
    {100352, 256, 32, 32, Kind::Groups, 64, 128, 1, 1, 1, 1},
    {204800, 32, 144, 16, Kind::Resident, 128, 32, 1, 8, 1, 1, 1, 4, 14},
    {204800, 64, 32, 32, Kind::Resident, 64, 64, 1, 8, 1, 1, 1, 4, 0},
    {204800, 64, 48, 48, Kind::Resident, 64, 64, 1, 8, 1, 1, 1, 4, 0},
    {204800, 64, 64, 64, Kind::Groups, 64, 64, 1, 1, 1, 1},
    {204800, 64, 96, 96, Kind::Groups, 64, 64, 1, 2, 1, 1},
    {204800, 64, 144, 16, Kind::Resident, 128, 64, 1, 2, 1, 1, 2, 1, 20},
    {204800, 64, 288, 32, Kind::Resident, 128, 64, 1, 8, 1, 1, 1, 3, 14},
    {204800, 80, 40, 40, Kind::Resident, 64, 80, 1, 8, 1, 1, 1, 3, 0},
    {204800, 80, 288, 32, Kind::Resident, 64, 80, 1, 8, 1, 1, 1, 3, 14},
    {204800, 80, 360, 40, Kind::Resident, 64, 80, 1, 8, 1, 1, 1, 3, 14},
    {819200, 16, 72, 8, Kind::Resident, 128, 16, 1, 8, 1, 1, 1, 4, 16},
    {819200, 32, 16, 16, Kind::Resident, 128, 32, 1, 8, 1, 1, 1, 4, 0},
    {819200, 32, 24, 24, Kind::Resident, 128, 32, 1, 8, 1, 1, 1, 4, 0},
    {819200, 32, 72, 8, Kind::Resident, 128, 32, 1, 8, 1, 1, 1, 4, 20},
};

MatrixSchedule scheduleOf(const Measured &m) {
  MatrixSchedule s;
  s.tileRows = m.tileRows;
  s.tileColumns = m.tileColumns;
  s.direct = m.kind == Kind::Direct;
  s.pipeline = m.kind == Kind::Pipeline;
  s.resident = m.kind == Kind::Resident || m.kind == Kind::Mapped;
  s.tma = m.kind == Kind::Tma || m.kind == Kind::Mapped;
  s.groups = m.kind == Kind::Groups || s.pipeline || s.resident || s.tma;
  constexpr int64_t kFragmentRows = 16, kSmall = 32;
  s.warpRows = s.direct ? 1 : m.tileRows / kFragmentRows;
  s.warpColumns = s.direct || s.groups || m.tileColumns == kSmall ? 1 : 2;
  if (m.kind == Kind::Staged && m.tileRows == kSmall && m.tileColumns != kSmall) { // wide: each warp has all rows
    s.warpRows = 1;
    s.warpColumns = 4;
  }
  constexpr int64_t kWidest = 256;
  if (m.kind == Kind::Groups && m.tileRows == MatrixSchedule::kGroupRows && m.tileColumns == kWidest)
    s.warpColumns = 2;
  if (s.resident || s.tma)
    s.warpRows = MatrixSchedule::kGroupRows / kFragmentRows * (s.resident ? 1 : m.teams);
  s.warpDepth = m.warpDepth;
  s.stages = m.stages;
  s.splits = m.splits;
  s.round = m.round;
  s.together = m.together;
  s.teams = s.resident ? m.teams : 1;
  s.tileWidth = m.tileWidth;
  return s;
}
} // namespace

SmallVector<MatrixSchedule> measuredSchedules(int64_t rows, const MatrixProblem &p, const Target &target) {
  constexpr int kCapability = 90;
  SmallVector<MatrixSchedule> schedules;
  if (target.computeCapability != kCapability || !target.archSpecific || p.scale || p.isNarrow())
    return schedules;
  const int64_t unitsOfElement = p.isFull() ? p.units(1) : 1; // of bytes the table counts pairs

  bool isComputed = !llvm::all_of(p.parts, [](mlir::Value part) { return isa<mlir::BlockArgument>(kernel::viewOf(part).source); });
  auto add = [&](llvm::ArrayRef<Measured> table) {
    for (const Measured &m : table)
      if (m.rows == rows && m.columns == p.columns && m.depth * unitsOfElement == p.depth && m.channels * unitsOfElement == p.channels &&
          m.isComputed == isComputed && !(m.isPlain && p.readsResidual()) && !(m.kind == Kind::Mapped && p.isBytes()))
        schedules.push_back(p.fitted(scheduleOf(m)));
  };
  add(p.inParts     ? llvm::ArrayRef(kMeasuredInParts)
      : p.isFull()  ? llvm::ArrayRef(kMeasuredShort)
      : p.isBytes() ? llvm::ArrayRef(kMeasuredBytes)
                    : kMeasured);
  if (schedules.empty() && p.isBytes()) // stages of bytes hold as much as those of halves: what was measured of these stands for other sizes
    add(kMeasured);
  return schedules;
}

} // namespace tenon::gpu
