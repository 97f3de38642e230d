// Contractions of few weights and many rows on sm_90a: the weights stay in shared memory, and every pixel of lhs crosses the L2 cache once or little
// more.
//
// A block stays for many tiles of the same columns. Its last four warps copy what a tile reads, each pixel once: a tile of a convolution is a part of
// the image, and its copy that part with what windows reach around it. The other warps are teams of four, each with tiles of its own: while one
// stores its sums another multiplies. In a copy chunk k of every pixel lies with that of the others, a plane, so that the left operand under another
// tap of the window begins some rows further on, whatever their number: 64 neighbouring rows of a plane are one operand of wgmma. Rows where the
// window would reach around the edge of the copy are computed too, and not stored. At stride 2 even and odd pixels have planes of their own, along
// both axes: under one tap the pixels of neighbouring results are neighbours again.
//
// With `tma` the copies are those of tensor maps: one thread has a tile copied, zeros around the image included, and a pixel's channels are a row of
// up to 128 bytes whose chunks are exchanged. Rows under another tap begin some rows further on there, too: what is exchanged depends on the address
// alone. 80 channels are 64 and 16, each with a map of its own. At stride 2 the pixels of one remainder along a row of the image lie together, as
// above; two neighbours of up to 32 channels are one row, of which a tap reads one half.
#pragma once
#include "passes/6_codegen/gpu/MatrixSchedule.h"

namespace tenon::gpu {

/// What a block has in shared memory, and the part of an image that a tile is.
struct ResidentLayout {
  int64_t chunks = 0;              // of a pixel of lhs
  int64_t stride = 1, planes = 0;  // of the window; for the pixels of one remainder by it along both axes, an even number but where taps are paired
  bool pairsTaps = false;          // products take planes of different taps: of bytes, whose chunks are an odd number
  int64_t width = 0, height = 0;   // of a tile, in pixels of the result; 0: rows of a matrix
  int64_t pitch = 0, down = 0;     // pixels of a plane from one row to the next; its rows
  int64_t planeRows = 0;           // pixels of a plane with those past the last one, which are not copied
  int64_t weightBytes = 0, stageBytes = 0;
  int64_t piece = 0;               // columns that the epilogue stores at a time; 0 where it stores from registers
  int64_t stagesAt = 0, piecesAt = 0, barriersAt = 0, sharedBytes = 0;

  int64_t copied() const { return down * pitch * stride * stride; } // pixels

  /// Of tensor maps: channels of a pixel that are a row of the copy, and where their rows begin in a stage; those of each remainder lie behind each
  /// other.
  struct Part {
    int64_t channel = 0, channels = 0, rowBytes = 0, at = 0, regionBytes = 0;
  };
  llvm::SmallVector<Part> parts;
  bool pairsPixels = false; // rows have two neighbours

  int64_t regions() const { return pairsPixels ? stride : stride * stride; }
  int64_t mappedBytes() const; // that the copies of a stage bring
};
ResidentLayout residentLayout(const MatrixProblem &problem, const MatrixSchedule &s);

/// That a thread can have: each of the four schedulers of a multiprocessor has a fourth of them.
int64_t residentRegisters(const MatrixSchedule &s);

/// Tiles of all images, or rows, and of the columns.
int64_t residentTilesAcross(const MatrixProblem &problem, const MatrixSchedule &s);
nn::Dim residentTiles(const MatrixProblem &problem, const MatrixSchedule &s);
nn::Dim residentBlocks(const MatrixProblem &problem, const MatrixSchedule &s, const Target &target);
/// None where weights do not stay: too many, rows that are no pixels in a row, few tiles.
llvm::SmallVector<MatrixSchedule> residentSchedules(const MatrixProblem &problem, const Target &target);
/// The same with tiles that come through tensor maps.
llvm::SmallVector<MatrixSchedule> mappedResidentSchedules(const MatrixProblem &problem, const Target &target);
void emitResident(cpu::KernelBuilder &b, const MatrixProblem &problem, const MatrixSchedule &s);

} // namespace tenon::gpu
