#include "passes/6_codegen/gpu/MatrixResident.h"
#include "passes/6_codegen/gpu/Directions.h"
#include "passes/6_codegen/gpu/MatrixEmitter.h"
#include "passes/6_codegen/gpu/TensorMaps.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kChunk = MatrixSchedule::kChunk, kChunkBytes = 16, kWarp = 32, kWarpRows = 16, kWarpsOfTeam = 4, kGroupRows = MatrixSchedule::kGroupRows;
constexpr int64_t kCopyWarps = MatrixSchedule::kCopyThreads / kWarp;

class ResidentEmitter {
public:
  ResidentEmitter(KernelBuilder &b, const MatrixProblem &p, const MatrixSchedule &s)
      : b(b), w(b), p(p), c(p.contraction), s(s), l(residentLayout(p, s)), isMapped(tensorMapCount(b.kernelFunc()) > 0),
        lhs(inUnits(b, p, b.tensorOf(p.lhs))), epilogue(b, p.contraction.result) {}

  void emit() {
    thread = w.thread();
    lane = w.rem(thread, kWarp);
    warp = w.div(thread, kWarp);
    shared = w.shared();
    begin();
    b.ifThen(w.below(thread, w.i32(s.multiplyThreads())), [&] { multiply(); }, [&] { copy(); });
  }

private:
  using Values = KernelBuilder::Values;

  /// A stage: its number, and the phase of its barriers.
  struct Slot {
    Value stage, phase;
  };
  Slot ahead(Slot slot, int64_t count) { // at most as many as there are
    Value moved = w.add(slot.stage, count), wraps = w.below(w.i32(s.stages - 1), moved);
    return {w.select(wraps, w.add(moved, -s.stages), moved), w.bitXor(slot.phase, w.select(wraps, w.i32(1), w.i32(0)))};
  }
  Value full(Value stage) { return w.add(w.add(shared, l.barriersAt), w.mul(stage, 8)); }
  Value empty(Value stage) { return w.add(full(stage), s.stages * 8); }
  Value weightsBarrier() { return w.add(shared, l.barriersAt + 2 * s.stages * 8); }
  Value stageAt(Value stage) { return w.add(w.add(shared, l.stagesAt), w.mul(stage, l.stageBytes)); }
  void ofWarp(function_ref<void()> body) { b.ifThen(w.below(lane, w.i32(1)), body); } // one thread

  void begin() {
    b.ifThen(w.below(thread, w.i32(1)), [&] {
      for (int64_t stage = 0; stage < s.stages; ++stage) {
        w.beginBarrier(full(w.i32(stage)), s.tma ? 1 : kCopyWarps);
        w.beginBarrier(empty(w.i32(stage)), kWarpsOfTeam);
      }
      w.beginBarrier(weightsBarrier(), 1);
      w.showBarriers();
    });
    if (l.planes != l.chunks || l.pairsTaps) {
      clear(w.add(shared, c.tapCount() * l.chunks * s.tileColumns * kChunkBytes), s.tileColumns);
      w.showToProducts();
    }
    if (l.planes != l.chunks) { // zero times what lies in the last plane would not be zero if that is infinite
      for (int64_t stage = 0; stage < s.stages; ++stage) // without windows: there is one such plane
        clear(w.add(stageAt(w.i32(stage)), l.chunks * l.planeRows * kChunkBytes), l.planeRows);
      w.showToProducts();
    }
    w.barrier();
  }

  void clear(Value at, int64_t chunks) {
    Value zero = b.constant(0, VectorType::get({4}, b.ops().getI32Type()));
    for (int64_t first = 0; first < chunks; first += s.threads()) {
      Value own = w.add(thread, first);
      where(b, withinTile(w, own, first, s.threads(), chunks), [&] { w.store(w.add(at, w.mul(own, kChunkBytes)), zero); });
    }
  }

  // --- tiles

  /// The first pixel of a tile: image, row, pixel of the row; or the number of a matrix' row.
  struct Tile {
    Index image, row, pixel;
  };
  Tile tileOf(Index number) {
    if (!s.tileWidth)
      return {0, b.mul(number, s.tileRows), 0};
    Index across = b.dim(c.extents[2].ceilDiv(l.width)), down = b.dim(c.extents[1].ceilDiv(l.height)), rest = b.div(number, across);
    return {b.div(rest, down), b.mul(b.rem(rest, down), l.height), b.mul(b.rem(number, across), l.width)};
  }

  /// The number of the block's columns: neighbouring blocks have the same rows.
  Index tileAcross() { return b.rem(b.task(), residentTilesAcross(p, s)); }

  /// Emits `body` for every `teams`th tile of the block, from number `first` on.
  Values forTiles(Value first, int64_t teams, ValueRange init, llvm::function_ref<Values(const Tile &, ValueRange)> body) {
    int64_t across = residentTilesAcross(p, s), blocks = b.tasks().get() / across;
    Index low = b.add(b.div(b.task(), across), b.mul(w.wide(first), blocks)), tiles = b.dim(residentTiles(p, s));
    return b.loop(low, tiles, blocks * teams, init,
                  [&](Index number, ValueRange carried) { return body(tileOf(tileInOrder(b, number, tiles)), carried); });
  }

  // --- the warps that copy

  void copy() {
    Value own = w.add(thread, -s.multiplyThreads());
    b.ifThen(w.below(own, w.i32(1)), [&] { copyWeights(); });
    b.waitForInputs();
    if (s.tma)
      return isMapped ? b.ifThen(w.below(own, w.i32(1)), [&] { copyMapped(own); }) : copyMapped(own);
    // One stage less than there are, and that of a tile which is multiplied.
    int underWay = int(s.stages - 2);
    Values ring = forTiles(w.i32(0), 1, {w.i32(0), w.i32(1), w.i32(0), w.i32(0)}, [&](const Tile &tile, ValueRange carried) {
      Slot slot{carried[0], carried[1]};
      w.waitForPhase(empty(slot.stage), slot.phase);
      copyTile(tile, own, stageAt(slot.stage));
      w.commit();
      slot = ahead(slot, 1);
      Value begun = w.add(carried[2], 1), reported = carried[3];
      reported = b.ifElse(
          w.below(w.i32(underWay), begun), reported.getType(),
          [&] {
            w.waitFor(underWay);
            return Values{report(reported, 1)};
          },
          [&] { return Values{reported}; })[0];
      return Values{slot.stage, slot.phase, begun, reported};
    });
    w.waitFor(0);
    report(ring[3], underWay);
  }

  /// Tells that `count` stages are full of what this warp copies; the next one to tell of.
  Value report(Value stage, int count) {
    w.showToProducts();
    w.joinWarp();
    Slot slot{stage, w.i32(0)};
    for (int i = 0; i < count; ++i) {
      ofWarp([&] { w.arrive(full(slot.stage)); });
      slot = ahead(slot, 1);
    }
    return slot.stage;
  }

  // --- the same through tensor maps: by one thread

  /// Without maps, where buffers do not lie where they want them, by all threads of the warp.
  void copyMapped(Value own) {
    forTiles(w.i32(0), 1, {w.i32(0), w.i32(1)}, [&](const Tile &tile, ValueRange carried) {
      Slot slot{carried[0], carried[1]};
      w.waitForPhase(empty(slot.stage), slot.phase);
      isMapped ? copyRegions(tile, slot.stage) : copyRows(tile, own, slot.stage);
      slot = ahead(slot, 1);
      return Values{slot.stage, slot.phase};
    });
  }

  /// Where windows begin along an axis of space, in pixels from the first one of a tile times the stride.
  int64_t shiftOf(int axis) const { return c.lhsAxes[axis].shift; }
  /// Of remainder `region` of the axis from there on: the first place among those of the same one, and which that is.
  std::pair<int64_t, int64_t> beginOf(int axis, int64_t region) const {
    int64_t at = shiftOf(axis) + region, place = llvm::divideFloorSigned(at, l.stride);
    return {place, at - place * l.stride};
  }

  void copyRegions(const Tile &tile, Value stage) {
    w.arriveWithBytes(full(stage), l.mappedBytes());
    for (auto [number, part] : llvm::enumerate(l.parts))
      for (int64_t region = 0; region < l.regions(); ++region) {
        Value to = w.add(stageAt(stage), part.at + region * part.regionBytes);
        w.copyTile(to, tensorMapAt(b, number), coordinatesOf(tile, part, region), {}, full(stage));
      }
  }

  SmallVector<Value> coordinatesOf(const Tile &tile, const ResidentLayout::Part &part, int64_t region) {
    if (!s.tileWidth)
      return {w.i32(part.channel), w.narrow(tile.row)};
    Value row = w.narrow(tile.row), pixel = w.narrow(tile.pixel), image = w.narrow(tile.image);
    if (l.stride == 1)
      return {w.i32(part.channel), w.add(pixel, shiftOf(2)), w.add(row, shiftOf(1)), image};
    auto [down, downRest] = beginOf(1, l.pairsPixels ? region : region / l.stride);
    auto [across, acrossRest] = beginOf(2, l.pairsPixels ? 0 : region % l.stride);
    int64_t first = l.pairsPixels ? 0 : acrossRest * p.units(lhs.strides[2].get()) + part.channel;
    return {w.i32(first), w.add(pixel, across), w.i32(downRest), w.add(row, down), image};
  }

  /// What copies of maps would bring.
  void copyRows(const Tile &tile, Value own, Value stage) {
    Source source = sourceOf(tile);
    for (const ResidentLayout::Part &part : l.parts) {
      int64_t chunks = part.channels / kChunk;
      b.loop(w.wide(own), l.copied() * chunks, kWarp, [&](Index number) {
        Value pixel = w.div(w.narrow(number), chunks), chunk = w.rem(w.narrow(number), chunks);
        Value down = w.div(pixel, l.pitch * l.stride), across = w.rem(pixel, l.pitch * l.stride);
        copyChunk(source, down, across, w.add(chunk, part.channel / kChunk), w.add(stageAt(stage), placeOf(part, down, across, chunk)));
      });
    }
    w.commit();
    w.waitFor(0);
    w.showToProducts();
    w.joinWarp();
    ofWarp([&] { w.arrive(full(stage)); });
  }

  /// Of a chunk in a stage, which begins where exchanged chunks lie as at 0.
  Value placeOf(const ResidentLayout::Part &part, Value down, Value across, Value chunk) {
    constexpr int64_t kLine = 128;
    Value region = w.rem(down, l.stride), inRow = chunk;
    if (l.pairsPixels)
      inRow = w.add(chunk, w.mul(w.rem(across, 2), part.channels / kChunk));
    else
      region = w.add(w.mul(region, l.stride), w.rem(across, l.stride));
    Value row = w.add(w.mul(w.div(down, l.stride), l.pitch), w.div(across, l.stride));
    Value at = w.add(w.add(w.add(w.mul(region, part.regionBytes), w.mul(row, part.rowBytes)), w.mul(inRow, kChunkBytes)), part.at);
    return w.bitXor(at, w.mul(w.bitAnd(w.div(at, kLine), w.i32(part.rowBytes / kChunkBytes - 1)), kChunkBytes));
  }

  void copyWeights() {
    Tensor packed = b.argument(cast<BlockArgument>(c.unpacked().getOperand()).getArgNumber());
    int64_t bytes = c.tapCount() * l.chunks * s.tileColumns * kChunkBytes;
    w.arriveWithBytes(weightsBarrier(), bytes);
    packed.element = p.unit();
    Index from = b.mul(tileAcross(), bytes / 2); // in units
    w.copyBulk(shared, b.address(packed, from), bytes, weightsBarrier());
  }

  /// What a tile's copies have in common: where its first pixel lies, that may be outside, and what of it is inside.
  struct Source {
    Value base;         // address
    Value down, across; // i32: of the first pixel, in lhs; or how many rows of a matrix are left
  };
  Source sourceOf(const Tile &tile) {
    if (!s.tileWidth)
      return {b.address(lhs, b.add(lhs.offset, b.mul(tile.row, rowStride()))), {}, w.narrow(b.sub(b.dim(p.rows()), tile.row))};
    int64_t first = l.pairsPixels ? beginOf(2, 0).first * l.stride : shiftOf(2);
    Index down = b.add(b.mul(tile.row, l.stride), shiftOf(1)), across = b.add(b.mul(tile.pixel, l.stride), first);
    return {b.address(lhs, b.at(lhs, {tile.image, down, across, Index(0)})), w.narrow(down), w.narrow(across)};
  }

  /// Eight neighbouring threads copy one chunk of eight pixels, which are neighbours in a plane: shared memory is written 128 bytes at a time. Other
  /// threads of the warp have the chunks beside it, so that what is read is in one piece too.
  void copyTile(const Tile &tile, Value own, Value stage) {
    constexpr int64_t kPixels = 8;
    int64_t chunksOfWarp = l.chunks % 4 == 0 ? 4 : l.chunks % 2 == 0 ? 2 : 1, pixelsOfWarp = kWarp / chunksOfWarp, across = l.chunks / chunksOfWarp;
    int64_t units = int64_t(llvm::divideCeil(l.copied(), pixelsOfWarp)) * across; // of a warp
    Value eighth = w.div(lane, kPixels), ownPixel = w.add(w.rem(lane, kPixels), w.mul(w.div(eighth, chunksOfWarp), kPixels));
    Source source = sourceOf(tile);
    for (int64_t first = 0; first < units; first += kCopyWarps) {
      Value unit = w.add(w.div(own, kWarp), first);
      where(b, withinTile(w, unit, first, kCopyWarps, units), [&] {
        Value pixel = w.add(w.mul(w.div(unit, across), pixelsOfWarp), ownPixel);
        Value chunk = w.add(w.mul(w.rem(unit, across), chunksOfWarp), w.rem(eighth, chunksOfWarp));
        where(b, l.copied() % pixelsOfWarp ? w.below(pixel, w.i32(l.copied())) : Value(), [&] { copyPixel(source, pixel, chunk, stage); });
      });
    }
  }

  void copyPixel(const Source &source, Value pixel, Value chunk, Value stage) {
    Value down = w.div(pixel, l.pitch * l.stride), across = w.rem(pixel, l.pitch * l.stride);
    Value rest = w.add(w.mul(w.rem(down, l.stride), l.stride), w.rem(across, l.stride)); // of both, which planes
    Value row = w.add(w.mul(w.div(down, l.stride), l.pitch), w.div(across, l.stride));
    Value plane = w.add(w.mul(rest, l.planes), chunk);
    copyChunk(source, down, across, chunk, w.add(stage, w.mul(w.add(w.mul(plane, l.planeRows), row), kChunkBytes)));
  }

  /// The chunk of a pixel of the copied part; what padding reads where lhs has no such pixel. What does not depend on the tile is found once.
  void copyChunk(const Source &source, Value down, Value across, Value chunk, Value to) {
    Value inside;
    Index offset = b.mul(w.wide(chunk), kChunk);
    if (s.tileWidth) {
      auto within = [&](Value first, Value own, int axis) { return w.below(w.add(first, own), w.narrow(b.dim(nn::dimOf(p.lhs.getType(), axis)))); };
      inside = arith::AndIOp::create(b.ops(), within(source.down, down, 1), within(source.across, across, 2));
      offset = b.add(offset, b.add(b.mul(w.wide(down), lhs.strides[1]), b.mul(w.wide(across), lhs.strides[2])));
    } else {
      inside = w.below(across, source.across);
      offset = b.add(offset, b.mul(w.wide(across), rowStride()));
    }
    Tensor from = lhs;
    from.base = source.base;
    bool isAligned = lhs.alignment % kChunkBytes == 0;
    if (isAligned && c.padded && c.outside)
      return w.copyAsyncOr(to, b.address(from, offset), inside, w.i32(outsideWord(c)));
    if (isAligned)
      return w.copyAsync(to, b.address(from, offset), w.select(inside, w.i32(kChunkBytes), w.i32(0)));
    auto type = VectorType::get({kChunk}, lhs.element);
    int64_t alignment = p.units(2);                                                      // bytes of an element
    Value outside = p.isBytes() ? b.integer(outsideWord(c), type) : b.constant(0, type); // a word is two units
    Value loaded = b.ifElse(
        inside, type, [&] { return Values{LLVM::LoadOp::create(b.ops(), type, b.address(from, offset), alignment)}; }, [&] { return Values{outside}; })[0];
    w.store(to, loaded);
  }

  /// From one row of a matrix to the next: that of the last axis of rows which has more than one.
  Index rowStride() {
    for (int axis = c.rowAxes() - 1; axis >= 0; --axis)
      for (auto [own, map] : llvm::enumerate(c.lhsAxes))
        if (map.rowAxis == axis && !c.extents[axis].isConstant(1))
          return lhs.strides[own];
    return 0;
  }

  // --- the teams

  void multiply() {
    // What the epilogue reads, and the memory that it writes, may be in use until then.
    b.waitForInputs();
    w.waitForPhase(weightsBarrier(), w.i32(0));
    Value team = s.teams == 1 ? w.i32(0) : w.div(warp, kWarpsOfTeam);
    Value right = w.chunkedRows(shared, s.tileColumns);
    Index firstColumn = b.mul(tileAcross(), s.tileColumns);
    if (int64_t part = p.partColumns(s))
      quads.emplace(b, p, epilogue, lane, part);
    SmallVector<QuadStore::Columns> columns; // of all tiles
    if (quads && keepsColumns())
      columns = quads->columnsOf(firstColumn, s.tileColumns);
    forTiles(team, s.teams, {team, w.i32(0)}, [&](const Tile &tile, ValueRange carried) {
      Slot slot{carried[0], carried[1]};
      SmallVector<SmallVector<QuadStore::Unit>> units; // of each group
      for (int64_t group = 0; quads && readsAhead() && group < groups(); ++group)
        units.push_back(quads->unitsOf(rowsOf(tile, group), firstColumn, s.tileColumns));
      waitForTile(slot);
      SmallVector<Value> sums(groups() * s.tileColumns / 2, b.constant(0, p.sum()));
      Value left = s.tma ? w.swizzledRows(stageAt(slot.stage), l.parts.front().rowBytes) : w.chunkedRows(stageAt(slot.stage), l.planeRows);
      w.multiplyGroup(p.factors, s.tileColumns, left, right, steps(), sums);
      w.waitForProducts(sums);
      ofWarp([&] { w.arrive(empty(slot.stage)); });
      for (auto [group, own] : llvm::enumerate(units))
        quads->store(own, columns.empty() ? quads->columnsOf(firstColumn, s.tileColumns) : columns, sumsOf(sums, int64_t(group)));
      for (int64_t group = 0; quads && units.empty() && group < groups(); ++group)
        quads->store(rowsOf(tile, group), firstColumn, s.tileColumns, sumsOf(sums, group));
      if (!quads)
        finish(tile, sums);
      slot = ahead(slot, s.teams);
      return Values{slot.stage, slot.phase};
    });
  }

  /// Copies through maps come in any order, and of a phase only its parity is known: where a stage passes from team to team, the tile before this one
  /// in it may not have come yet, and the phase before that would do. So first that tile has to be gone.
  void waitForTile(Slot slot) {
    if (s.tma && s.stages % s.teams)
      w.waitForPhase(empty(slot.stage), w.bitXor(slot.phase, w.i32(1)));
    w.waitForPhase(full(slot.stage), slot.phase);
  }

  int64_t groups() const { return s.tileRows / kGroupRows; }

  /// Where the left operand of a plane begins under a tap, in chunks.
  int64_t leftOf(int64_t tap, int64_t plane) const {
    int64_t across = c.taps.empty() ? 1 : c.taps.back(), down = tap / across, right = tap % across;
    int64_t rest = down % l.stride * l.stride + right % l.stride, row = down / l.stride * l.pitch + right / l.stride;
    return (rest * l.planes + plane) * l.planeRows + row;
  }

  /// Where the operands of each product begin, in chunks: under each tap two planes at a time.
  SmallVector<Warp::GroupStep> steps() {
    SmallVector<Warp::GroupStep> result;
    if (s.tma)
      return stepsOfRows();
    if (l.pairsTaps)
      return stepsOfPairs();
    for (int64_t tap = 0; tap < c.tapCount(); ++tap)
      for (int64_t plane = 0; plane < l.planes; plane += 2)
        for (int64_t group = 0; group < groups(); ++group)
          result.push_back({group, leftOf(tap, plane) + group * kGroupRows, (tap * l.chunks + plane) * s.tileColumns});
    return result;
  }

  /// The same of copies of maps: 32 bytes of rows at a time.
  SmallVector<Warp::GroupStep> stepsOfRows() {
    constexpr int64_t kDepth = 16, kChunks = kDepth / kChunk; // of a product
    SmallVector<Warp::GroupStep> result;
    for (int64_t tap = 0; tap < c.tapCount(); ++tap)
      for (const ResidentLayout::Part &part : l.parts)
        for (int64_t chunk = 0; chunk < part.channels / kChunk; chunk += kChunks)
          for (int64_t group = 0; group < groups(); ++group) {
            int64_t left = (placeOfTap(tap, part) + group * kGroupRows * part.rowBytes) / kChunkBytes + chunk;
            int64_t right = (tap * l.chunks + part.channel / kChunk + chunk) * s.tileColumns;
            result.push_back({group, left + Warp::swizzleDistance(l.parts.front().rowBytes, part.rowBytes), right});
          }
    return result;
  }

  /// Where a part's rows begin under a tap, in bytes.
  int64_t placeOfTap(int64_t tap, const ResidentLayout::Part &part) const {
    int64_t taps = c.taps.empty() ? 1 : c.taps.back(), down = tap / taps, across = tap % taps;
    int64_t region = down % l.stride, row = down / l.stride * l.pitch, inRow = 0;
    if (l.pairsPixels) {
      auto [place, rest] = beginOf(2, across);
      row += place - beginOf(2, 0).first;
      inRow = rest * part.rowBytes / 2;
    } else {
      region = region * l.stride + across % l.stride;
      row += across / l.stride;
    }
    return part.at + region * part.regionBytes + row * part.rowBytes + inRow;
  }

  /// The same where a product takes planes of different taps: each of its operands says how far its second half lies from the first, a positive distance.
  /// A plane that has no other is multiplied together with whatever bytes lie next to it, those by the zeros behind the weights.
  SmallVector<Warp::GroupStep> stepsOfPairs() {
    struct Half {
      int64_t left, right;
    };
    SmallVector<Half> halves;
    for (int64_t tap = 0; tap < c.tapCount(); ++tap)
      for (int64_t plane = 0; plane < l.planes; ++plane)
        halves.push_back({leftOf(tap, plane), (tap * l.chunks + plane) * s.tileColumns});
    SmallVector<bool> taken(halves.size());
    SmallVector<Warp::GroupStep> result;
    for (size_t i = 0; i < halves.size(); ++i) {
      if (taken[i])
        continue;
      size_t j = i + 1;
      while (j < halves.size() && (taken[j] || halves[j].left <= halves[i].left))
        ++j;
      Half second{halves[i].left + 1, c.tapCount() * l.chunks * s.tileColumns};
      if (j < halves.size()) {
        taken[j] = true;
        second = halves[j];
      }
      auto apart = [](int64_t first, int64_t next, int64_t described) { return (next - first - described) * Warp::kLeading; };
      for (int64_t group = 0; group < groups(); ++group)
        result.push_back({group, halves[i].left + group * kGroupRows + apart(halves[i].left, second.left, l.planeRows),
                          halves[i].right + apart(halves[i].right, second.right, s.tileColumns)});
    }
    return result;
  }

  ArrayRef<Value> sumsOf(ArrayRef<Value> sums, int64_t group) const { return sums.slice(group * s.tileColumns / 2, s.tileColumns / 2); }

  /// Finds this warp's rows of a group.
  std::function<WarpStore::Row(Value)> rowsOf(const Tile &tile, int64_t group) {
    return [this, tile, group](Value own) { return rowAt(tile, w.add(w.add(w.mul(w.rem(warp, kWarpsOfTeam), kWarpRows), group * kGroupRows), own)); };
  }

  /// Whether threads have so many registers beside the sums and what else they need.
  bool hasRegisters(int64_t count) const {
    constexpr int64_t kOtherRegisters = 64;
    return groups() * s.tileColumns / 2 + count + kOtherRegisters <= residentRegisters(s);
  }
  bool readsAhead() const { return hasRegisters(groups() * s.tileColumns / 4); }                       // bytes that are added, and their places
  bool keepsColumns() const { return hasRegisters(groups() * s.tileColumns / 4 + s.tileColumns / 2); } // a bias and a scale of each

  void finish(const Tile &tile, ArrayRef<Value> sums) {
    Value memory = w.add(w.add(shared, l.piecesAt), w.mul(warp, MatrixSchedule::pieceBytes(l.piece)));
    WarpStore store(b, p, epilogue, lane, memory, l.piece);
    for (int64_t group = 0; group < groups(); ++group)
      store.store(rowsOf(tile, group), b.mul(tileAcross(), s.tileColumns), s.tileColumns, sumsOf(sums, group));
  }

  WarpStore::Row rowAt(const Tile &tile, Value ofTile) {
    if (!s.tileWidth) {
      Index at = b.add(tile.row, w.wide(ofTile));
      Value inside = b.lessThan(at, b.dim(p.rows()));
      return {inside, positionOfRow(b, c, b.select(inside, at, Index(0)))};
    }
    Value down = w.div(ofTile, l.pitch), across = w.rem(ofTile, l.pitch);
    Value inside = arith::AndIOp::create(b.ops(), w.below(down, w.i32(l.height)), w.below(across, w.i32(l.width)));
    Index row = b.add(tile.row, w.wide(down)), pixel = b.add(tile.pixel, w.wide(across));
    inside = arith::AndIOp::create(b.ops(), inside, b.lessThan(row, b.dim(c.extents[1])));
    inside = arith::AndIOp::create(b.ops(), inside, b.lessThan(pixel, b.dim(c.extents[2])));
    return {inside, {tile.image, b.select(inside, row, Index(0)), b.select(inside, pixel, Index(0)), Index(0)}};
  }

  KernelBuilder &b;
  Warp w;
  const MatrixProblem &p;
  const cpu::ContractionProblem &c;
  const MatrixSchedule &s;
  const ResidentLayout l;
  const bool isMapped; // through tensor maps
  Tensor lhs;
  cpu::Epilogue epilogue;
  std::optional<QuadStore> quads;
  Value thread, lane, warp, shared;
};
} // namespace

void emitResident(KernelBuilder &b, const MatrixProblem &p, const MatrixSchedule &s) {
  ResidentEmitter(b, p, s).emit();
}

} // namespace tenon::gpu
