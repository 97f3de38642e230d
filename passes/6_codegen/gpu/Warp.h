// Instructions of a GPU that MLIR's vectors do not reach: matrix products of a warp, asynchronous copies, barriers, shared memory.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// What the matrix units multiply: halves, summed in f32, bytes without a sign by bytes with one, summed in i32, the leading bits of f32, or floats of 8 bits.
/// Where halves are counted, two bytes count as one, and an f32 as two: fragments, chunks and descriptors are then the same.
enum class Factors { F16, BF16, Bytes, TF32, E4M3 };

/// Emits through a KernelBuilder. Addresses of shared memory are i32, as the instructions want them.
class Warp {
public:
  explicit Warp(KernelBuilder &b) : b(b), ops(b.ops()) {}

  // --- i32 arithmetic, where 64 bits would cost registers
  mlir::Value i32(int64_t v) { return b.integer(v, ops.getI32Type()); }
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value add(mlir::Value x, int64_t y) { return y ? add(x, i32(y)) : x; }
  mlir::Value mul(mlir::Value x, int64_t y);
  mlir::Value div(mlir::Value x, int64_t y); // not negative
  mlir::Value rem(mlir::Value x, int64_t y);
  mlir::Value bitXor(mlir::Value x, mlir::Value y);
  mlir::Value bitAnd(mlir::Value x, mlir::Value y);
  mlir::Value below(mlir::Value x, mlir::Value y); // unsigned: a negative x is not below
  mlir::Value clamp(mlir::Value x, mlir::Value most); // at least 0
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y);
  Index wide(mlir::Value x);   // sign extended
  mlir::Value narrow(Index i); // i32
  /// The pixel and the first of `lanes` channels that number `task` stands for, in a tensor of the given dims, channels last; in 32 bits where sizes are known.
  llvm::SmallVector<Index> pixelOf(Index task, llvm::ArrayRef<nn::Dim> dims, int64_t lanes);

  mlir::Value thread(); // of the block, i32
  mlir::Value rankInCluster();
  mlir::Value exchange(mlir::Value x, int64_t distance); // x of the thread whose number differs in the bit `distance`; 32 bits
  mlir::Value exp2(mlir::Value x);                       // f32, by the special function unit: a relative error of 2^-22
  mlir::Value rsqrt(mlir::Value x);                      // the same for 1 / sqrt(x)
  mlir::Value ballot(mlir::Value condition);             // i32: a bit for each thread of the warp
  mlir::Value fromLane(mlir::Value x, mlir::Value lane); // x of one thread of the warp; 32 bits

  // --- global memory, 16 bytes as vector<4xi32>
  mlir::Value loadIf(mlir::Value condition, mlir::Value address); // zeros where the condition does not hold; what kernels before wrote
  /// The same for 1 to 16 bytes at a multiple of their size, as a vector of `type`.
  mlir::Value loadIf(mlir::Value condition, mlir::Value address, mlir::VectorType type);
  mlir::Value loadConstant(mlir::Value address);                  // weights, which nothing writes
  void prefetch(mlir::Value address);                             // its line to the L2 cache

  // --- shared memory
  mlir::Value shared();                                                // the address of the block's dynamic shared memory
  /// 16 bytes, of which the first `bytes` (0 or 16) are read, the rest zero. On sm_75 a copy is over at once.
  void copyAsync(mlir::Value to, mlir::Value from, mlir::Value bytes);
  /// The same of 4, 8 or 16 bytes at a multiple of them.
  void copyAsync(mlir::Value to, mlir::Value from, mlir::Value bytes, int64_t width);
  /// Copies 16 bytes where `condition` holds, and stores the word `filler` four times where it does not.
  void copyAsyncOr(mlir::Value to, mlir::Value from, mlir::Value condition, mlir::Value filler);
  void commit();
  void waitFor(int groups); // until at most so many groups of copies are under way
  void barrier();
  void store(mlir::Value address, mlir::Value vector);               // 4, 8 or 16 bytes
  void storeIf(mlir::Value condition, mlir::Value address, mlir::Value x); // x: 4 bytes
  mlir::Value loadFloats(mlir::Value address);                       // vector<4xf32>
  mlir::Value loadSums(mlir::Value address, Factors factors);        // four: vector<4xf32>, or vector<4xi32> of bytes
  mlir::Value loadWordIf(mlir::Value condition, mlir::Value address); // i32; 0 where the condition does not hold
  mlir::Value loadElement(mlir::Value address, mlir::Type type);      // of 2, 4 or 8 bytes
  void countShared(mlir::Value address);                              // adds 1 to a word that other threads count in, too
  mlir::Value takeShared(mlir::Value address);                        // the same: what it was before
  std::pair<mlir::Value, mlir::Value> loadPair(mlir::Value address); // two f32
  /// The same address in the shared memory of another block of the cluster, for loadPeer and storePeer.
  mlir::Value peer(mlir::Value address, mlir::Value rank);
  mlir::Value loadPeer(mlir::Value address);               // vector<4xf32>
  void storePeer(mlir::Value address, mlir::Value vector); // 8 or 16 bytes
  void arriveInCluster();                                  // this block runs: others may write to its shared memory once they have waited
  void waitForCluster();                                   // until all blocks have arrived
  void clusterBarrier();

  // --- matrix products
  using Fragment = llvm::SmallVector<mlir::Value>;
  /// Four 8x8 matrices, lane l giving the address of row l % 8 of matrix l / 8.
  Fragment loadMatrices(mlir::Value address, bool transposed = false);
  /// Of f32: leaves the leading bits of each, as many as matrix units multiply, and gives what is left of them.
  Fragment splitFull(Fragment &words);
  /// Of f32: each rounded to the bits that matrix units multiply, which cut off the rest.
  Fragment roundFull(mlir::ValueRange words);
  /// 16 x 8 sums += 16 x 16 of `left` by 16 x 8 of `right`, of bytes 16 x 32 by 32 x 8, of f32 16 x 8 by 8 x 8.
  void multiply(Factors factors, mlir::ValueRange left, mlir::ValueRange right, llvm::MutableArrayRef<mlir::Value> sums);
  void multiply(bool bfloat, mlir::ValueRange left, mlir::ValueRange right, llvm::MutableArrayRef<mlir::Value> sums) {
    multiply(bfloat ? Factors::BF16 : Factors::F16, left, right, sums);
  }

  // --- matrix products of four warps (sm_90a), of operands in shared memory
  /// Describes rows of 32, 64 or 128 bytes whose 16-byte chunks are exchanged.
  mlir::Value swizzledRows(mlir::Value address, int64_t rowBytes = 128);
  static int64_t swizzleDistance(int64_t fromRowBytes, int64_t toRowBytes); // from a description of such rows to that of others at the same address
  /// The same of rows of the depth, with 64 halves of the other axis each, the next 64 of which lie `panelBytes` further on.
  mlir::Value swizzledPanels(mlir::Value address, int64_t panelBytes);
  void showToProducts();                         // what this thread wrote to shared memory, or copied and waited for
  /// Begins: 64 x `columns` sums += 64 x 16 by 16 x `columns` of each pair; without `adds` they begin at 0. Nothing may touch the sums until
  /// waitForProducts. `inPanels`: the right ones are described by swizzledPanels.
  void multiplyGroup(Factors factors, int64_t columns, llvm::ArrayRef<std::pair<mlir::Value, mlir::Value>> operands,
                     llvm::MutableArrayRef<mlir::Value> sums, bool adds = true, bool inPanels = false);
  /// A product of a sequence: the group of 64 rows whose sums it adds to, and by how many 16-byte chunks its operands begin after those described.
  static constexpr int64_t kLeading = 1 << 16; // times chunks, in a distance: by how many an operand's second half lies further from its first one
  struct GroupStep {
    int64_t group, left, right;
  };
  /// The same for many products whose operands lie at known distances; `sums` of one group after the other.
  void multiplyGroup(Factors factors, int64_t columns, mlir::Value left, mlir::Value right, llvm::ArrayRef<GroupStep> steps,
                     llvm::MutableArrayRef<mlir::Value> sums);
  void waitForProducts(llvm::MutableArrayRef<mlir::Value> sums);
  /// Describes rows in columns of 16-byte chunks: `rows` chunks of the first eight elements of the depth, then those of the next.
  mlir::Value chunkedRows(mlir::Value address, int64_t rows);

  // --- barriers in shared memory that count arrivals and bytes, sm_90 (WarpBarriers.cpp); a phase is 0 or 1, the first 0
  void beginBarrier(mlir::Value address, int64_t arrivals);
  void showBarriers(); // to copies that will arrive at them
  void arrive(mlir::Value address);
  void arriveWithBytes(mlir::Value address, int64_t bytes) { arriveWithBytes(address, i32(bytes)); } // which copyBulk or sendWord brings
  void arriveWithBytes(mlir::Value address, mlir::Value bytes);
  void waitForPhase(mlir::Value address, mlir::Value phase); // until it is over; at once for the one before the first
  /// Stores 4 bytes in the shared memory of a block of the cluster, and tells its barrier: addresses of `peer`. waitForPeers waits for them.
  void sendWord(mlir::Value to, mlir::Value x, mlir::Value barrier);
  void waitForPeers(mlir::Value address, mlir::Value phase);
  void copyBulk(mlir::Value to, mlir::Value from, int64_t bytes, mlir::Value barrier);
  /// Has a tile copied through a tensor map: `at` are the coordinates of its first element from the innermost axis on, and, where the map is of images,
  /// `taps` by how much its pixels lie further along each axis of space.
  void copyTile(mlir::Value to, mlir::Value map, mlir::ValueRange at, mlir::ValueRange taps, mlir::Value barrier);
  void joinWarp(); // its threads meet

private:
  mlir::Value assembly(mlir::Type result, mlir::ValueRange operands, llvm::StringRef text, llvm::StringRef constraints, bool effects);
  bool hasAsyncCopies() const;
  void multiplyInParts(Factors factors, mlir::ValueRange left, mlir::ValueRange right, llvm::MutableArrayRef<mlir::Value> sums);
  mlir::Value described(mlir::Value address, int64_t leadingBytes, int64_t strideBytes, int64_t swizzle);
  Fragment parts(mlir::Value structure);
  void update(llvm::MutableArrayRef<mlir::Value> values, mlir::ValueRange operands, llvm::StringRef text, llvm::StringRef constraints);
  mlir::Value floats(llvm::StringRef instruction, mlir::Value address);
  void storeWords(llvm::StringRef instruction, mlir::Value address, mlir::Value vector);

  KernelBuilder &b;
  mlir::ImplicitLocOpBuilder &ops;
};

} // namespace tenon::gpu
