#include "passes/6_codegen/gpu/MatrixTma.h"
#include "passes/6_codegen/gpu/Directions.h"
#include "passes/6_codegen/gpu/MatrixEmitter.h"
#include "passes/6_codegen/gpu/MatrixMaps.h"
#include "passes/6_codegen/gpu/MatrixStore.h"
#include "passes/6_codegen/gpu/StageRing.h"
#include "passes/6_codegen/gpu/TensorMaps.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kChunk = MatrixSchedule::kChunk, kStep = MatrixSchedule::kStep, kRowBytes = kStep * 2, kChunksOfRow = kStep / kChunk;
constexpr int64_t kWarp = 32, kWarpRows = 16, kGroupThreads = 128, kGroupRows = MatrixSchedule::kGroupRows;

class TmaEmitter {
public:
  TmaEmitter(KernelBuilder &b, const MatrixProblem &p, const MatrixSchedule &s)
      : b(b), w(b), p(p), s(s), steps(s.stepsOfBlock(p.steps(s))), rowsOfGroup(s.tileRows / s.groupsDown()), early(std::min(s.stages, steps)),
        maps(tensorMapsOf(b.kernelFunc())), lhs(b, w, p, s), epilogue(b, p.contraction.result, /*reader=*/nullptr, /*rows=*/true), stages(b, p, s) {}
  void emit();

private:
  using Values = KernelBuilder::Values;
  using Slot = StageRing::Slot;

  void copy();
  void copyWeights(Index firstColumn, Index step, Value stage);
  /// Where the first row of a tile is, as copies want it: coordinates behind the channel's.
  SmallVector<SmallVector<Value>> coordinatesOf(Index firstRow);
  void copyLhs(ArrayRef<SmallVector<Value>> coordinates, Value step, Value stage);
  void copyPart(size_t part, ArrayRef<Value> coordinates, Value channel, Value tap, Value stage);
  void copyByThreads();
  void multiply();
  void multiplyStep(Slot slot, MutableArrayRef<Value> sums);
  /// The first of the 16 rows of this warp, in the tile: its part number `down`.
  Value firstOfWarp(int64_t down);
  WarpStore::Row rowAt(Index firstRow, Value ofTile);
  /// Of the rows of each part of the warp.
  using RowValues = SmallVector<SmallVector<SmallVector<Value>>>;
  RowValues readRows(WarpStore &stores, Index firstRow);
  Index stepOf(Index own) { return s.splits == 1 ? own : b.add(own, w.wide(w.mul(rank, steps))); } // of the depth
  Value isFinished();
  Value receivedAt(int64_t four);
  void sendSums(ArrayRef<Value> sums);
  void addReceived(MutableArrayRef<Value> sums);
  int64_t partsDown() const { return rowsOfGroup / kGroupRows; }
  std::function<WarpStore::Row(Value)> rowsFrom(Index firstRow, int64_t down);
  bool readsAhead() const;
  void finishQuads(ArrayRef<SmallVector<QuadStore::Unit>> units, ArrayRef<QuadStore::Columns> columns, Index firstRow, Index firstColumn,
                   ArrayRef<Value> sums);
  void finish(WarpStore &stores, Index firstRow, Index firstColumn, const RowValues &rows, ArrayRef<Value> sums);

  KernelBuilder &b;
  Warp w;
  const MatrixProblem &p;
  const MatrixSchedule &s;
  const int64_t steps, rowsOfGroup, early; // stages that are filled for the first time
  SmallVector<plan::TensorMap> maps; // of the parts of lhs; none where buffers do not lie where maps want them
  LhsLoader lhs;
  cpu::Epilogue epilogue;
  std::optional<QuadStore> quads;
  StageRing stages;
  Value thread, lane, rank;
};

void TmaEmitter::emit() {
  thread = w.thread();
  lane = w.rem(thread, kWarp);
  stages.begin(thread, maps.empty() ? 2 : 1);
  if (s.splits > 1) {
    rank = w.rankInCluster();
    w.arriveInCluster();
  }
  b.ifThen(
      w.below(thread, w.i32(s.multiplyThreads())), [&] { multiply(); },
      [&] {
        if (maps.empty())
          copyByThreads();
        else
          b.ifThen(w.below(lane, w.i32(1)), [&] { copy(); });
        if (s.splits > 1) { // for all threads of a cluster
          w.waitForCluster();
          w.clusterBarrier();
        }
      });
}

/// One thread. Weights do not depend on the kernel before: those of the first stages are on their way before that has ended.
void TmaEmitter::copy() {
  Index firstColumn = stages.firstColumnOf(s.splits > 1 ? b.div(b.task(), s.splits) : tileInOrder(b, b.task(), b.dim(tilesOf(p, s))));
  for (int64_t stage = 0; stage < early; ++stage)
    copyWeights(firstColumn, stepOf(Index(stage)), w.i32(stage));
  b.waitForInputs();
  // The ring, and how many stages were filled, up to `early`.
  stages.forTiles({w.i32(0), w.i32(1), w.i32(0)}, [&](Index firstRow, Index firstColumn, ValueRange ring) {
    auto coordinates = coordinatesOf(firstRow);
    return b.loop(0, steps, 1, ring, [&](Index step, ValueRange carried) {
      Slot slot{carried[0], carried[1]};
      Value filled = carried[2], isEarly = w.below(filled, w.i32(early));
      b.ifThen(isEarly, [] {}, [&] {
        w.waitForPhase(stages.empty(slot.stage), slot.phase);
        copyWeights(firstColumn, stepOf(step), slot.stage);
      });
      copyLhs(coordinates, w.narrow(stepOf(step)), slot.stage);
      slot = stages.next(slot);
      return Values{slot.stage, slot.phase, w.select(isEarly, w.add(filled, 1), filled)};
    });
  });
}

/// The barrier is told of both operands.
void TmaEmitter::copyWeights(Index firstColumn, Index step, Value stage) {
  Tensor packed = b.argument(cast<BlockArgument>(p.contraction.unpacked().getOperand()).getArgNumber());
  int64_t bytes = s.tileColumns * kRowBytes, elements = s.tileColumns * kStep;
  w.arriveWithBytes(stages.full(stage), maps.empty() ? bytes : s.stageBytes());
  Index at = b.add(b.mul(firstColumn, p.depth), b.mul(step, elements));
  Value from = LLVM::GEPOp::create(b.ops(), packed.base.getType(), p.unit(), packed.base, ArrayRef<LLVM::GEPArg>{b.value(at)});
  w.copyBulk(w.add(stages.at(stage), s.tileRows * kRowBytes), from, bytes, stages.full(stage));
}

SmallVector<SmallVector<Value>> TmaEmitter::coordinatesOf(Index firstRow) {
  const cpu::ContractionProblem &c = p.contraction;
  Value row = w.narrow(firstRow);
  return llvm::map_to_vector(maps, [&](const plan::TensorMap &map) -> SmallVector<Value> {
    if (!isOfImages(map))
      return {row};
    int64_t height = *c.extents[1].asConstant(), width = *c.extents[2].asConstant();
    Value line = w.div(row, width), image = w.div(line, height);
    auto first = [&](Value at, const cpu::LhsAxis &axis) { return w.add(w.mul(at, axis.rowScale), axis.shift); };
    return {first(w.rem(row, width), c.lhsAxes[2]), first(w.rem(line, height), c.lhsAxes[1]), image};
  });
}

void TmaEmitter::copyLhs(ArrayRef<SmallVector<Value>> coordinates, Value step, Value stage) {
  int64_t ofTap = p.channels / kStep;
  Value channel = w.mul(w.rem(step, ofTap), kStep), tap = w.div(step, ofTap);
  if (maps.size() == 1)
    return copyPart(0, coordinates[0], channel, tap, stage);
  int64_t first = p.units(p.channelsOfFirst());
  b.ifThen(
      w.below(channel, w.i32(first)), [&] { copyPart(0, coordinates[0], channel, tap, stage); },
      [&] { copyPart(1, coordinates[1], w.add(channel, -first), tap, stage); });
}

void TmaEmitter::copyPart(size_t part, ArrayRef<Value> coordinates, Value channel, Value tap, Value stage) {
  const cpu::ContractionProblem &c = p.contraction;
  SmallVector<Value> at{channel}, taps;
  llvm::append_range(at, coordinates);
  if (isOfImages(maps[part]))
    taps = {w.mul(w.rem(tap, c.taps[1]), c.lhsAxes[2].tapScale), w.mul(w.div(tap, c.taps[1]), c.lhsAxes[1].tapScale)};
  w.copyTile(stages.at(stage), tensorMapAt(b, part), at, taps, stages.full(stage));
}

/// Where maps cannot be had, all threads of the warp read lhs as it lies.
void TmaEmitter::copyByThreads() {
  b.waitForInputs();
  Value chunk = w.rem(lane, kChunksOfRow), row = w.div(lane, kChunksOfRow), isFirst = w.below(lane, w.i32(1));
  stages.forTiles({w.i32(0), w.i32(1)}, [&](Index firstRow, Index firstColumn, ValueRange ring) {
    lhs.begin(firstRow, b.dim(p.rows()), row, kWarp / kChunksOfRow, chunk);
    return b.loop(0, steps, 1, ring, [&](Index step, ValueRange carried) {
      Slot slot{carried[0], carried[1]};
      w.waitForPhase(stages.empty(slot.stage), slot.phase);
      b.ifThen(isFirst, [&] { copyWeights(firstColumn, stepOf(step), slot.stage); });
      lhs.load(w.narrow(stepOf(step)), stages.at(slot.stage));
      w.commit();
      w.waitFor(0);
      w.showToProducts();
      w.joinWarp();
      b.ifThen(isFirst, [&] { w.arrive(stages.full(slot.stage)); });
      slot = stages.next(slot);
      return Values{slot.stage, slot.phase};
    });
  });
}

void TmaEmitter::multiply() {
  // What the epilogue reads, and the memory that it writes, may be in use until then.
  b.waitForInputs();
  Value memory = w.add(w.add(stages.memory(), s.stages * s.stageBytes()), w.mul(w.div(thread, kWarp), s.pieceBytes()));
  WarpStore stores(b, p, epilogue, lane, memory, s.pieceColumns());
  if (int64_t part = p.partColumns(s))
    quads.emplace(b, p, epilogue, lane, part);
  stages.forTiles({w.i32(0), w.i32(0)}, [&](Index firstRow, Index firstColumn, ValueRange ring) {
    RowValues rows = readRows(stores, firstRow);
    SmallVector<QuadStore::Columns> columns;
    SmallVector<SmallVector<QuadStore::Unit>> units; // of each part of the warp's rows
    if (quads && readsAhead()) {
      columns = quads->columnsOf(firstColumn, s.tileColumns);
      for (int64_t down = 0; down < partsDown(); ++down)
        units.push_back(quads->unitsOf(rowsFrom(firstRow, down), firstColumn, s.tileColumns));
    }
    auto results = stages.multiply(ring, rowsOfGroup / kGroupRows * s.tileColumns / 2, lane, [&](Slot slot, MutableArrayRef<Value> sums) { multiplyStep(slot, sums); });
    MutableArrayRef<Value> sums = MutableArrayRef(results).drop_front(2);
    auto finishAll = [&] { quads ? finishQuads(units, columns, firstRow, firstColumn, sums) : finish(stores, firstRow, firstColumn, rows, sums); };
    if (s.splits == 1) {
      finishAll();
    } else {
      sendSums(sums);
      b.ifThen(isFinished(), [&] {
        addReceived(sums);
        finishAll();
      });
    }
    return Values{results[0], results[1]};
  });
}

/// While a group waits for its products those of another one run, of this block or of the one beside it.
void TmaEmitter::multiplyStep(Slot slot, MutableArrayRef<Value> sums) {
  constexpr int64_t kDepth = 16, kDepthChunks = kDepth / kChunk; // of one instruction
  Value stage = stages.at(slot.stage), group = w.div(thread, kGroupThreads);
  Value left = w.swizzledRows(w.add(stage, w.mul(group, rowsOfGroup * kRowBytes)));
  Value right = w.chunkedRows(w.add(stage, s.tileRows * kRowBytes), s.tileColumns);
  SmallVector<Warp::GroupStep> all;
  for (int64_t k = 0; k < kStep / kDepth; ++k)
    for (int64_t down = 0; down < rowsOfGroup / kGroupRows; ++down)
      all.push_back({down, down * kGroupRows * kChunksOfRow + k * kDepthChunks, k * kDepthChunks * s.tileColumns});
  w.multiplyGroup(p.factors, s.tileColumns, left, right, all, sums);
  w.waitForProducts(sums);
}

Value TmaEmitter::firstOfWarp(int64_t down) {
  Value group = w.div(thread, kGroupThreads), inGroup = w.rem(w.div(thread, kWarp), kGroupThreads / kWarp);
  return w.add(w.add(w.mul(group, rowsOfGroup), w.mul(inGroup, kWarpRows)), down * kGroupRows);
}

WarpStore::Row TmaEmitter::rowAt(Index firstRow, Value ofTile) {
  Index at = b.add(firstRow, w.wide(ofTile));
  Value inside = b.lessThan(at, b.dim(p.rows()));
  return {inside, positionOfRow(b, p.contraction, b.select(inside, at, Index(0)))};
}

/// Before the products: that they wait for their operands hides it.
TmaEmitter::RowValues TmaEmitter::readRows(WarpStore &stores, Index firstRow) {
  RowValues all(rowsOfGroup / kGroupRows);
  if (epilogue.rowValues().empty())
    return all;
  RowStatistics statistics(b, w, epilogue);
  SmallVector<RowStatistics::Row> loaded;
  for (int64_t down = 0; down < int64_t(all.size()); ++down)
    for (int64_t i = 0; i < WarpStore::kRowsOfThread; ++i) {
      WarpStore::Row row = rowAt(firstRow, w.add(firstOfWarp(down), stores.rowOfThread(i)));
      loaded.push_back(statistics.load(ArrayRef(row.position).drop_back(), w.rem(lane, RowStatistics::kQuad)));
    }
  for (auto [number, row] : llvm::enumerate(loaded))
    all[number / WarpStore::kRowsOfThread].push_back(statistics.values(row));
  return all;
}

/// Whether this block finishes the rows of this group: of a cluster that of its rank.
Value TmaEmitter::isFinished() {
  return arith::CmpIOp::create(b.ops(), arith::CmpIPredicate::eq, w.div(thread, kGroupThreads), rank);
}

/// Where a thread that finishes rows finds its fourth number `four` of the other block's sums.
Value TmaEmitter::receivedAt(int64_t four) {
  constexpr int64_t kBytes = 16;
  return w.add(w.add(stages.memory(), s.exchangeAt() + four * kGroupThreads * kBytes), w.mul(w.rem(thread, kGroupThreads), kBytes));
}

/// Rows that the other block finishes: its thread of the same number has the same ones.
void TmaEmitter::sendSums(ArrayRef<Value> sums) {
  auto type = VectorType::get({4}, p.sum());
  Value group = w.div(thread, kGroupThreads);
  w.waitForCluster();
  b.ifThen(
      isFinished(), [] {},
      [&] {
        for (int64_t four = 0; four < int64_t(sums.size()) / 4; ++four)
          w.storePeer(w.peer(receivedAt(four), group), vector::FromElementsOp::create(b.ops(), type, sums.slice(four * 4, 4)));
      });
  w.clusterBarrier();
}

void TmaEmitter::addReceived(MutableArrayRef<Value> sums) {
  for (int64_t four = 0; four < int64_t(sums.size()) / 4; ++four) {
    Value received = w.loadSums(receivedAt(four), p.factors);
    for (int64_t i = 0; i < 4; ++i)
      sums[four * 4 + i] = addSums(b, sums[four * 4 + i], b.extractLane(received, i));
  }
}

std::function<WarpStore::Row(Value)> TmaEmitter::rowsFrom(Index firstRow, int64_t down) {
  return [this, firstRow, first = firstOfWarp(down)](Value ofWarp) { return rowAt(firstRow, w.add(first, ofWarp)); };
}

/// Whether threads have registers for what their epilogue reads beside the sums.
bool TmaEmitter::readsAhead() const {
  constexpr int64_t kRegisters = 65536, kOtherRegisters = 48;
  int64_t sums = partsDown() * s.tileColumns / 2;
  return sums + sums / 2 + s.tileColumns / 8 + kOtherRegisters <= kRegisters / (s.threads() * s.together);
}

void TmaEmitter::finishQuads(ArrayRef<SmallVector<QuadStore::Unit>> units, ArrayRef<QuadStore::Columns> columns, Index firstRow, Index firstColumn,
                             ArrayRef<Value> sums) {
  int64_t each = s.tileColumns / 2;
  for (int64_t down = 0; down < partsDown(); ++down)
    if (units.empty())
      quads->store(rowsFrom(firstRow, down), firstColumn, s.tileColumns, sums.slice(down * each, each));
    else
      quads->store(units[down], columns, sums.slice(down * each, each));
}

void TmaEmitter::finish(WarpStore &stores, Index firstRow, Index firstColumn, const RowValues &rows, ArrayRef<Value> sums) {
  int64_t each = s.tileColumns / 2;
  for (int64_t down = 0; down < rowsOfGroup / kGroupRows; ++down) {
    Value first = firstOfWarp(down);
    stores.provideRows(rows[down]);
    stores.store([&](Value ofWarp) { return rowAt(firstRow, w.add(first, ofWarp)); }, firstColumn, s.tileColumns, sums.slice(down * each, each));
  }
}
} // namespace

/// Two blocks share the depth of a tile where that is long and tiles are too few for all multiprocessors.
static void addSplitSchedules(const MatrixProblem &p, const Target &target, SmallVectorImpl<MatrixSchedule> &schedules) {
  constexpr int64_t kSplits = 2, kGroups = 2, kLeastSteps = 16;
  for (auto [columns, stages] : {std::pair<int64_t, int64_t>(64, 6), {128, 5}, {256, 3}}) {
    MatrixSchedule s{128, columns, kGroups * kGroupThreads / kWarp, 1, 1, stages, kSplits, /*direct=*/false, /*groups=*/true};
    s.tma = true;
    auto tiles = tilesOf(p, s).asConstant();
    bool isNeedless = p.columns % columns || !tiles || *tiles * kSplits > target.cores || p.steps(s) % kSplits || p.steps(s) < kLeastSteps;
    if (!isNeedless && !p.sumsRows && !p.rowValues && s.sharedBytes() <= kSharedOfBlock && lhsMapsOf(p, s))
      schedules.push_back(s);
  }
}

llvm::SmallVector<MatrixSchedule> tmaSchedules(const MatrixProblem &p, const Target &target) {
  constexpr int kFirst = 90;
  SmallVector<MatrixSchedule> schedules;
  if (target.computeCapability != kFirst || !target.archSpecific || p.scale || p.isFull() || p.isNarrow())
    return schedules;
  struct Tile {
    int64_t rows, columns, groups, stages, together;
  };
  constexpr Tile kTiles[] = {{64, 64, 1, 4, 3},  {64, 128, 1, 4, 2},  {64, 256, 1, 5, 1},  {128, 64, 1, 4, 2},  {128, 128, 1, 3, 2}, {128, 128, 2, 6, 1},
                             {128, 192, 2, 5, 1}, {128, 256, 2, 4, 1}, {192, 128, 3, 4, 1}, {192, 192, 3, 4, 1}, {256, 128, 2, 4, 1}};
  SmallVector<Tile> tiles(kTiles, std::end(kTiles));
  constexpr int64_t kLeast = 72, kMost = 248, kOdd = 64; // a tile as wide as the result, where none of the others is
  constexpr int64_t kOfBytes = 16;                       // columns of an instruction are a multiple of these
  if (p.packedColumns() >= kLeast && p.packedColumns() <= kMost && p.packedColumns() % kOdd && !(p.isBytes() && p.packedColumns() % kOfBytes))
    tiles.push_back({128, p.packedColumns(), 2, 5, 1});
  addSplitSchedules(p, target, schedules);
  for (const Tile &tile : tiles) {
    MatrixSchedule s{tile.rows, tile.columns, tile.groups * kGroupThreads / kWarp, 1, 1, tile.stages, 1, /*direct=*/false, /*groups=*/true};
    s.tma = true;
    s.together = tile.together;
    bool isNeedless = (tile.columns > kOdd && tile.columns >= 2 * p.columns) || p.steps(s) < 2;
    bool hasQuads = s.pieceColumns() == kernel::kRowPart || !(p.sumsRows || p.rowValues); // threads that share a row
    if (!isNeedless && hasQuads && s.sharedBytes() <= kSharedOfBlock / s.together && lhsMapsOf(p, s))
      schedules.push_back(s);
  }
  return schedules;
}

void emitTma(KernelBuilder &b, const MatrixProblem &p, const MatrixSchedule &s) {
  TmaEmitter(b, p, s).emit();
}

} // namespace tenon::gpu
