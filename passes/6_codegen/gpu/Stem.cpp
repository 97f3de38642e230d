// The first convolution of a network: an image of up to four channels, every second pixel or fewer, few columns.
//
// A block lays its patch of the image into shared memory as [row][pixel][4 channels], whatever the image's own layout and type. Neighbouring pixels
// of the result lie 16 bytes or more apart there, so that ldmatrix reads the left operand of mma.sync, four taps of four channels deep, from the
// patch itself: nothing is gathered. The weights stay in registers. Their columns are dealt out so that each thread ends up with neighbouring
// channels.
//
// Bytes become halves on their way to shared memory, which hold them exactly, as f32 does their sums.
#include "passes/6_codegen/gpu/Stem.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/Registers.h"
#include "passes/6_codegen/gpu/ImageBytes.h"
#include "passes/6_codegen/gpu/MatrixSchedule.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kPixelChannels = 4, kPixelBytes = 8, kFragment = 16, kFragmentColumns = 8,
                  kDepthTaps = 4; // of mma.sync: rows, columns, taps of a step
constexpr int64_t kChunk = MatrixSchedule::kChunk, kChunkBytes = 16;

/// A convolution as this family sees it.
struct StemProblem {
  MatrixProblem matrix;
  Value image; // memory; of any float type
  cpu::LhsAxis down, across;
  int64_t height = 0, width = 0, channels = 0, rows = 0, pixels = 0; // of the image, of the result
  int64_t lanes = 1;                // pixels of one load
  SmallVector<Operation *> program; // that makes bytes of the image


  int64_t taps(int axis) const { return matrix.paddedTaps[axis]; }
  int64_t depth() const { return taps(0) * taps(1) * kPixelChannels; }
  /// Of bytes: what the filter's size allows.
  int64_t largestSum() const { return matrix.contraction.tapCount() * channels * 255 * 128; }
  int64_t depthSteps() const { return taps(0) * taps(1) / kDepthTaps; }
  int64_t fragments() const { return matrix.columns % (4 * kFragmentColumns) == 0 ? 4 : 2; } // of columns, of a warp
  int64_t warpColumns() const { return matrix.columns / (fragments() * kFragmentColumns); }

  static std::optional<StemProblem> of(kernel::FuncOp func, const Target &target);
  StemProblem withLanes(int64_t most) const {
    StemProblem p = *this;
    p.lanes = std::min(lanes, most);
    return p;
  }
};

Type elementOf(Value v) {
  return cast<RankedTensorType>(v.getType()).getElementType();
}

/// Pixels that one load brings: all of them lie inside of the image or none.
int64_t lanesOf(Value image, const cpu::LhsAxis &across, int64_t width) {
  kernel::View view = kernel::viewOf(image);
  auto dims = nn::dimsOf(image.getType());
  for (int64_t lanes : {4, 2}) {
    auto divides = [&](nn::Dim d) { return d.isConstant(0) || d.dividedExactlyBy(nn::Dim::constant(d.context(), lanes)).has_value(); };
    bool isAligned = width % lanes == 0 && view.strides[2].isConstant(1) && divides(view.offset);
    for (int axis : {0, 1, 3})
      isAligned &= dims[axis].isConstant(1) || divides(view.strides[axis]);
    if (isAligned)
      return lanes;
  }
  return 1;
}

std::optional<StemProblem> StemProblem::of(kernel::FuncOp func, const Target &target) {
  std::optional<MatrixProblem> matrix = MatrixProblem::of(func, target);
  if (!matrix || matrix->isFull() || matrix->isNarrow() || matrix->elements(matrix->paddedChannels) != kPixelChannels || matrix->paddedTaps.size() != 2)
    return std::nullopt;
  StemProblem p;
  p.matrix = *matrix;
  const cpu::ContractionProblem &c = p.matrix.contraction;
  p.image = c.lhs;
  if (auto conversion = c.lhs.getDefiningOp<nn::CastOp>())
    p.image = conversion.getInput();
  for (Operation *op = p.image.getDefiningOp(); p.matrix.isBytes() && isa_and_nonnull<nn::QuantizeOp, nn::MulOp, nn::DivOp>(op); op = p.image.getDefiningOp()) {
    p.program.insert(p.program.begin(), op);
    p.image = op->getOperand(0);
  }
  Type stored = elementOf(p.image);
  bool isMemory = isa<BlockArgument>(kernel::viewOf(p.image).source);
  if (!isMemory || c.lhsAxes.size() != 4 || c.lhsChannel != 3 || !(stored.isF32() || stored == elementOf(c.lhs)))
    return std::nullopt;
  p.down = c.lhsAxes[1];
  p.across = c.lhsAxes[2];
  auto dims = nn::dimsOf(p.image.getType());
  auto height = dims[1].asConstant(), width = dims[2].asConstant(), channels = dims[3].asConstant(), rows = c.extents[1].asConstant(), pixels = c.extents[2].asConstant();
  constexpr int64_t kMostRegisters = 128; // of weights
  bool isWindow = c.lhsAxes[0].rowAxis == 0 && c.lhsAxes[0].shift == 0 && p.down.rowAxis == 1 && p.across.rowAxis == 2 && p.down.tapAxis == 0 &&
                  p.across.tapAxis == 1 && p.down.tapScale == 1 && p.across.tapScale == 1;
  constexpr int64_t kLargestExact = int64_t(1) << 24;
  p.channels = channels.value_or(0);
  if (p.matrix.isBytes() && p.largestSum() > kLargestExact)
    return std::nullopt;
  if (!height || !width || !channels || !rows || !pixels || !isWindow || p.across.rowScale % 2 || p.taps(1) % kDepthTaps || p.matrix.columns % kFragment ||
      p.depthSteps() * p.fragments() * 2 > kMostRegisters || p.warpColumns() > 4)
    return std::nullopt;
  p.height = *height;
  p.width = *width;
  p.rows = *rows;
  p.pixels = *pixels;
  p.lanes = lanesOf(p.image, p.across, p.width);
  return p;
}

/// A block computes `rows` x `columns` pixels of the result with all channels, a tile; `warps` share the pixels of a column panel. With `together`
/// blocks of a multiprocessor each stays for many tiles and keeps its weights; 0: a block for each tile. `lanes`: pixels of a load, where the image
/// allows more: what a thread stores lies nearer to what its neighbours store, in fewer of the same banks.
struct StemSchedule {
  int64_t rows = 4, columns = 32, warps = 2, together = 0, lanes = 4;

  bool operator==(const StemSchedule &) const = default;
  static StemSchedule of(kernel::ScheduleAttr attr) {
    return {attr.get("rows", 4), attr.get("columns", 32), attr.get("warps", 2), attr.get("together", 0), attr.get("lanes", 4)};
  }
  kernel::ScheduleAttr attr(MLIRContext *context) const {
    SmallVector<std::pair<StringRef, int64_t>> parameters{{"rows", rows}, {"columns", columns}, {"warps", warps}, {"together", together}};
    if (lanes < StemSchedule().lanes)
      parameters.push_back({"lanes", lanes});
    return kernel::ScheduleAttr::get(context, "gpu.stem", parameters);
  }
  int64_t threads(const StemProblem &p) const { return p.warpColumns() * warps * 32; }
  /// Pixels of the image before the first one that a load of `lanes` brings with it.
  int64_t pixelsBefore(const StemProblem &p) const { return (p.lanes + p.across.shift % p.lanes) % p.lanes; }
  int64_t patchRows(const StemProblem &p) const { return (rows - 1) * p.down.rowScale + p.taps(0); }
  int64_t loadsOfRow(const StemProblem &p) const {
    return llvm::divideCeil((columns - 1) * p.across.rowScale + p.taps(1) + pixelsBefore(p), p.lanes);
  }
  /// Where the first pixel that is multiplied lies: at a multiple of 16 bytes, with room for those before it.
  int64_t patchOffset() const { return 2 * kChunkBytes; }
  int64_t patchPitch(const StemProblem &p) const {
    return int64_t(llvm::alignTo(patchOffset() + loadsOfRow(p) * p.lanes * kPixelBytes, kChunkBytes));
  }
  int64_t patchBytes(const StemProblem &p) const { return patchRows(p) * patchPitch(p); }
  /// Bytes of a column of the weights: an odd number of chunks, so that eight columns lie in different banks.
  static int64_t columnPitch(const StemProblem &p) { return (p.depth() / kChunk | 1) * kChunkBytes; }
  int64_t sharedBytes(const StemProblem &p) const { return patchBytes(p) + p.matrix.columns * columnPitch(p); }
  int64_t tilesDown(const StemProblem &p) const { return llvm::divideCeil(p.rows, rows); }
  int64_t tilesAcross(const StemProblem &p) const { return llvm::divideCeil(p.pixels, columns); }
  nn::Dim tiles(const StemProblem &p) const { return p.matrix.contraction.extents[0] * (tilesDown(p) * tilesAcross(p)); }
  /// Of blocks that stay there are as many as are needed for the same number of rounds.
  nn::Dim blocks(const StemProblem &p, const Target &target) const {
    nn::Dim all = tiles(p);
    std::optional<int64_t> count = all.asConstant();
    if (!together || !count)
      return all;
    return nn::Dim::constant(all.context(), llvm::divideCeil(*count, llvm::divideCeil(*count, target.cores * together)));
  }
};

class StemEmitter {
public:
  StemEmitter(KernelBuilder &b, const StemProblem &p, const StemSchedule &s)
      : b(b), w(b), ops(b.ops()), p(p), s(s), half(p.matrix.factors == Factors::BF16 ? Type(ops.getBF16Type()) : Type(ops.getF16Type())), image(b.tensorOf(p.image)),
        lanesAtOnce(std::clamp<int64_t>(image.alignment / nn::elementBytes(image.element), 1, p.lanes)), epilogue(b, p.matrix.contraction.result) {}

  void emit() {
    thread = w.thread();
    lane = w.rem(thread, 32);
    warp = w.div(thread, 32);
    panel = w.rem(warp, p.warpColumns());
    shared = w.shared();
    copyWeights(); // which do not depend on the kernel before
    s.together ? computeTiles() : computeTile();
  }

private:
  void computeTile() {
    beginTile(b.task());
    b.waitForInputs();
    loadPatch();
    w.waitFor(0);
    w.barrier();
    readWeights();
    multiplyTile();
  }

  void computeTiles() {
    w.waitFor(0);
    w.barrier();
    readWeights();
    b.waitForInputs();
    if (loadsOfThread() * p.channels * p.lanes <= kMostPixelsAhead)
      return computeTilesAhead();
    b.loop(b.task(), b.dim(s.tiles(p)), b.tasks().get(), [&](Index tile) {
      beginTile(tile);
      loadPatch();
      w.barrier();
      multiplyTile();
      w.barrier(); // the patch was read
    });
  }

  /// The same, with the next tile's pixels on their way to registers while a tile is multiplied.
  void computeTilesAhead() {
    Index tiles = b.dim(s.tiles(p));
    beginTile(b.task());
    b.loop(b.task(), tiles, b.tasks().get(), carried(loadsFrom(0, loadsOfThread())), [&](Index tile, ValueRange values) {
      beginTile(tile);
      for (const Load &each : loadsOf(values))
        each.inPatch ? b.ifThen(each.inPatch, [&] { store(each); }) : store(each);
      w.barrier();
      Index next = b.add(tile, b.tasks());
      beginTile(b.select(b.lessThan(next, tiles), next, tile));
      KernelBuilder::Values coming = carried(loadsFrom(0, loadsOfThread()));
      beginTile(tile);
      multiplyTile();
      w.barrier(); // the patch was read
      return coming;
    });
  }

  void beginTile(Index tile) {
    firstPixel = b.mul(b.rem(tile, s.tilesAcross(p)), s.columns);
    Index rest = b.div(tile, s.tilesAcross(p));
    firstRow = b.mul(b.rem(rest, s.tilesDown(p)), s.rows);
    number = b.div(rest, s.tilesDown(p));
  }

  void multiplyTile() {
    int64_t fragments = s.rows * (s.columns / kFragment);
    b.loop(w.wide(w.div(warp, p.warpColumns())), fragments, s.warps, [&](Index fragment) { multiply(w.narrow(fragment)); });
  }

  Value weightsAt() { return w.add(shared, s.patchBytes(p)); }

  void copyWeights() {
    const cpu::ContractionProblem &c = p.matrix.contraction;
    Tensor packed = b.argument(cast<BlockArgument>(c.unpacked().getOperand()).getArgNumber());
    int64_t chunksOfColumn = p.depth() / kChunk, chunks = p.matrix.columns * chunksOfColumn;
    for (int64_t first = 0; first < chunks; first += s.threads(p)) {
      Value chunk = w.add(thread, first);
      auto copy = [&] {
        Value to = w.add(w.mul(w.div(chunk, chunksOfColumn), s.columnPitch(p)), w.mul(w.rem(chunk, chunksOfColumn), kChunkBytes));
        Index element = w.wide(w.mul(chunk, kChunk));
        if (p.matrix.isBytes())
          return w.store(w.add(weightsAt(), to), weightsOfChunk(packed, element));
        Value from = LLVM::GEPOp::create(ops, packed.base.getType(), half, packed.base, ArrayRef<LLVM::GEPArg>{b.value(element)});
        w.copyAsync(w.add(weightsAt(), to), from, w.i32(kChunkBytes));
      };
      first + s.threads(p) <= chunks ? copy() : b.ifThen(w.below(chunk, w.i32(chunks)), copy);
    }
    w.commit();
  }

  /// Bytes as halves: a byte as the last bits of 1024, from which that and the sign are subtracted again; conversions are slower.
  Value weightsOfChunk(const Tensor &packed, Index element) {
    if (half.isBF16())
      return b.convert(b.load(packed, element, int(kChunk)), half);
    constexpr int64_t kSigns = 0x80808080, kExponents = 0x64646464, kLowBytes = 0x4140, kHighBytes = 0x4342;
    constexpr double kSubtracted = 1024 + 128;
    Type word = ops.getI32Type();
    Value from = LLVM::GEPOp::create(ops, packed.base.getType(), ops.getI8Type(), packed.base, ArrayRef<LLVM::GEPArg>{b.value(element)});
    Value words = LLVM::LoadOp::create(ops, VectorType::get({2}, word), from, /*alignment=*/kChunk);
    SmallVector<Value> pairs;
    for (int64_t i = 0; i < 2; ++i) {
      Value own = w.bitXor(b.extractLane(words, int(i)), w.i32(int32_t(kSigns)));
      for (int64_t bytes : {kLowBytes, kHighBytes})
        pairs.push_back(
            LLVM::CallIntrinsicOp::create(ops, word, ops.getStringAttr("llvm.nvvm.prmt"), ValueRange{own, w.i32(kExponents), w.i32(bytes)})
                ->getResult(0));
    }
    auto all = VectorType::get({kChunk}, half);
    Value halves = vector::BitCastOp::create(ops, all, vector::FromElementsOp::create(ops, VectorType::get({kChunk / 2}, word), pairs));
    return arith::SubFOp::create(ops, halves, b.constant(kSubtracted, all));
  }

  /// Some pixels of a row of the patch, one channel after the other.
  struct Load {
    Value inPatch, inside, to;                // i1 or null, i1, an address
    SmallVector<SmallVector<Value>> channels; // the pixels of each
  };

  int64_t loads() const { return s.patchRows(p) * s.loadsOfRow(p); }
  int64_t loadsOfThread() const { return llvm::divideCeil(loads(), s.threads(p)); }

  /// The thread's loads from number `first` on, at most `count` of them.
  SmallVector<Load> loadsFrom(int64_t first, int64_t count) {
    SmallVector<Load> result;
    int64_t step = s.threads(p);
    for (int64_t at = first * step; at < std::min(loads(), (first + count) * step); at += step)
      result.push_back(load(w.add(thread, at), at + step > loads() ? loads() : 0));
    return result;
  }

  void loadPatch() {
    constexpr int64_t kTogether = 6; // whose loads are on their way before the first is used
    for (int64_t first = 0; first < loadsOfThread(); first += kTogether)
      for (const Load &each : loadsFrom(first, kTogether))
        each.inPatch ? b.ifThen(each.inPatch, [&] { store(each); }) : store(each);
  }

  /// What loads bring, in a row, and the same loads again.
  static constexpr int64_t kMostPixelsAhead = 64; // for which threads have registers
  KernelBuilder::Values carried(ArrayRef<Load> loads) {
    KernelBuilder::Values values;
    for (const Load &each : loads) {
      values.push_back(each.inside);
      for (ArrayRef<Value> pixels : each.channels)
        llvm::append_range(values, pixels);
    }
    return values;
  }
  SmallVector<Load> loadsOf(ValueRange values) {
    SmallVector<Load> result;
    for (int64_t number = 0, step = s.threads(p); number < loadsOfThread(); ++number) {
      int64_t at = number * step;
      Value own = w.add(thread, at);
      Load &each = result.emplace_back();
      each.inPatch = at + step > loads() ? w.below(own, w.i32(loads())) : Value();
      each.to = placeOf(own);
      each.inside = values.front();
      values = values.drop_front();
      for (int64_t channel = 0; channel < p.channels; ++channel) {
        each.channels.emplace_back(values.begin(), values.begin() + p.lanes);
        values = values.drop_front(p.lanes);
      }
    }
    return result;
  }

  /// Where the patch has the first pixel of a load.
  Value placeOf(Value number) {
    Value row = w.div(number, s.loadsOfRow(p)), pixel = w.mul(w.rem(number, s.loadsOfRow(p)), p.lanes * kPixelBytes);
    return w.add(w.add(shared, w.add(w.mul(row, s.patchPitch(p)), pixel)), s.patchOffset() - s.pixelsBefore(p) * kPixelBytes);
  }

  /// `most`: the number of loads, if this one may be beyond them; else 0.
  Load load(Value number32, int64_t most) {
    Load result;
    Value row = w.div(number32, s.loadsOfRow(p)), group = w.rem(number32, s.loadsOfRow(p));
    Index down = b.add(b.add(b.mul(firstRow, p.down.rowScale), w.wide(row)), p.down.shift);
    Index across = b.add(b.add(b.mul(firstPixel, p.across.rowScale), b.mul(w.wide(group), p.lanes)), p.across.shift - s.pixelsBefore(p));
    Value inside = arith::AndIOp::create(ops, w.below(w.narrow(down), w.i32(p.height)), w.below(w.narrow(across), w.i32(p.width)));
    if (most) {
      result.inPatch = w.below(number32, w.i32(most));
      inside = arith::AndIOp::create(ops, inside, result.inPatch);
    }
    result.inside = inside;
    Type stored = cpu::signless(image.element);
    for (int64_t channel = 0; channel < p.channels; ++channel) {
      Index offset = b.at(image, {number, down, across, Index(channel)});
      SmallVector<Value> &pixels = result.channels.emplace_back();
      for (int64_t i = 0; i < p.lanes; i += lanesAtOnce) {
        Value at = b.value(b.add(offset, i));
        Value from = LLVM::GEPOp::create(ops, image.base.getType(), stored, image.base, ArrayRef<LLVM::GEPArg>{at});
        Value loaded = w.loadIf(inside, from, VectorType::get({lanesAtOnce}, stored));
        for (int64_t lane = 0; lane < lanesAtOnce; ++lane)
          pixels.push_back(b.extractLane(loaded, int(lane)));
      }
    }
    result.to = placeOf(number32);
    return result;
  }

  void store(const Load &load) {
    for (int64_t i = 0; i < p.lanes; ++i) {
      Value pixel = b.constant(0, VectorType::get({kPixelChannels}, half));
      for (auto [channel, pixels] : llvm::enumerate(load.channels))
        pixel = b.insertLane(pixel, image.element == half ? pixels[i] : rounded(load, pixels[i]), int(channel));
      w.store(w.add(load.to, i * kPixelBytes), pixel);
    }
  }

  /// An element of the image as it is multiplied.
  Value rounded(const Load &load, Value x) {
    if (!p.matrix.isBytes())
      return b.convert(x, half);
    x = p.program.empty() ? b.convert(x, ops.getF32Type(), /*fromUnsigned=*/true) : emitImageByte(b, p.program, x);
    if (int64_t outside = p.matrix.contraction.outside)
      x = w.select(load.inside, x, b.constant(double(outside), x.getType()));
    return b.convert(x, half);
  }

  /// The weights of this warp's columns as fragments: a thread's neighbouring sums in all fragments are neighbouring channels.
  void readWeights() {
    Value matrix = w.div(lane, 8), column = w.rem(lane, 8), high = w.rem(matrix, 2), second = w.div(matrix, 2);
    int64_t own = 2 * p.fragments(); // columns of a thread
    Value channel = w.add(w.add(w.mul(w.div(column, 2), own), w.rem(column, 2)), w.mul(panel, p.fragments() * kFragmentColumns));
    Value at = w.add(w.add(weightsAt(), w.mul(w.add(channel, w.mul(second, 2)), s.columnPitch(p))), w.mul(high, kChunkBytes));
    for (int64_t step = 0; step < p.depthSteps(); ++step)
      for (int64_t fragment = 0; fragment < p.fragments(); fragment += 2) {
        Warp::Fragment both = w.loadMatrices(w.add(at, step * 2 * kChunkBytes + fragment * 2 * s.columnPitch(p)));
        weights.push_back({both[0], both[1]});
        weights.push_back({both[2], both[3]});
      }
  }

  /// Sixteen pixels of a row of the result.
  void multiply(Value tile) {
    int64_t tilesOfRow = s.columns / kFragment, apart = p.across.rowScale * kPixelBytes;
    Value row = w.div(tile, tilesOfRow), pixel = w.mul(w.rem(tile, tilesOfRow), kFragment);
    Value matrix = w.div(lane, 8), own = w.add(w.rem(lane, 8), w.mul(w.rem(matrix, 2), 8));
    Value at = w.add(w.add(shared, w.mul(row, p.down.rowScale * s.patchPitch(p))), w.mul(w.add(pixel, own), apart));
    at = w.add(w.add(at, w.mul(w.div(matrix, 2), kChunkBytes)), s.patchOffset());
    SmallVector<Value> sums(p.fragments() * 4, b.constant(0, ops.getF32Type()));
    int64_t stepsAcross = p.taps(1) / kDepthTaps;
    for (int64_t step = 0; step < p.depthSteps(); ++step) {
      int64_t stepAcross = step % stepsAcross;
      Warp::Fragment left = w.loadMatrices(w.add(at, step / stepsAcross * s.patchPitch(p) + stepAcross * kDepthTaps * kPixelBytes));
      if (stepAcross == stepsAcross - 1)
        dropPaddedTaps(left);
      for (int64_t i = 0; i < p.fragments(); ++i)
        w.multiply(half.isBF16(), left, weights[step * p.fragments() + i], MutableArrayRef(sums).slice(i * 4, 4));
    }
    for (int64_t lower = 0; lower < 2; ++lower)
      finish(row, w.add(w.add(pixel, w.div(lane, 4)), lower * 8), sums, lower);
  }

  /// Pixels under taps that the filter does not have: zero times what lies there would not be zero if that is infinite.
  void dropPaddedTaps(Warp::Fragment &left) {
    int64_t taps = p.matrix.contraction.taps[1] % kDepthTaps; // of the last step; two threads of four hold the first tap of two
    if (!taps)
      return;
    Value isFirst = w.below(w.rem(lane, 4), w.i32(2));
    for (int64_t chunk = 0; chunk < 2; ++chunk)
      for (int64_t i = 2 * chunk; i < 2 * chunk + 2; ++i) {
        if (taps <= 2 * chunk)
          left[i] = w.i32(0);
        else if (taps == 2 * chunk + 1)
          left[i] = w.select(isFirst, left[i], w.i32(0));
      }
  }

  void finish(Value row, Value pixel, ArrayRef<Value> sums, int64_t lower) {
    const cpu::ContractionProblem &c = p.matrix.contraction;
    Index down = b.add(firstRow, w.wide(row)), across = b.add(firstPixel, w.wide(pixel));
    auto write = [&] {
      SmallVector<Value> own;
      for (int64_t i = 0; i < p.fragments(); ++i)
        own.append({sums[i * 4 + lower * 2], sums[i * 4 + lower * 2 + 1]});
      int64_t lanes = int64_t(own.size());
      Value values = vector::FromElementsOp::create(ops, VectorType::get({lanes}, ops.getF32Type()), own);
      Index channel = b.mul(w.wide(w.add(w.mul(panel, 4), w.rem(lane, 4))), lanes);
      bool isLeftExact = !c.bias && llvm::all_of(c.result.getUsers(), [](Operation *user) { // f32 of the integers is what these sums are
        auto conversion = dyn_cast<nn::CastOp>(user);
        return conversion && conversion.getTo().isF32();
      });
      if (p.matrix.isBytes() && !isLeftExact)
        values = integers(values);
      if (c.bias) {
        Tensor bias = b.tensorOf(c.bias);
        Value added = b.convert(b.loadStrided(bias, b.at(bias, {channel}), bias.strides[0], int(lanes)), p.matrix.sum());
        values = p.matrix.isBytes() ? arith::AddIOp::create(ops, values, added).getResult() : arith::AddFOp::create(ops, values, added).getResult();
      }
      epilogue.store(values, {number, down, across, channel});
    };
    Value inside;
    auto limit = [&](bool isExact, Index at, int64_t extent) {
      if (isExact)
        return;
      Value within = b.lessThan(at, extent);
      inside = inside ? arith::AndIOp::create(ops, inside, within).getResult() : within;
    };
    limit(p.rows % s.rows == 0, down, p.rows);
    limit(p.pixels % s.columns == 0, across, p.pixels);
    inside ? b.ifThen(inside, write) : write();
  }

  /// Sums of bytes, which f32 holds exactly. Small ones are the last bits of a sum with 1.5 * 2^23: conversions are slower.
  Value integers(Value sums) {
    constexpr double kMagic = 12582912;
    constexpr int64_t kMagicBits = 0x4b400000, kMostSmall = (int64_t(1) << 22) - 1;
    auto type = cast<VectorType>(sums.getType()).clone(p.matrix.sum());
    if (p.largestSum() > kMostSmall)
      return arith::FPToSIOp::create(ops, type, sums);
    cpu::Registers r{b};
    return r.subi(r.bits(r.add(sums, kMagic)), r.integer(kMagicBits, type));
  }

  KernelBuilder &b;
  Warp w;
  ImplicitLocOpBuilder &ops;
  const StemProblem p;
  const StemSchedule s;
  Type half;
  Tensor image;
  int64_t lanesAtOnce; // of a load, as far as the image's place in memory is known
  cpu::Epilogue epilogue;
  Value thread, lane, warp, panel, shared;
  Index firstRow, firstPixel, number;
  SmallVector<Warp::Fragment> weights;
};

/// Microseconds, about, as measured on an H200: what a multiprocessor's blocks take for their weights and patches, and a thread for its loads and products.
double costOf(const StemSchedule &s, const StemProblem &p, const Target &target) {
  constexpr double kStart = 3, kBlock = 0.25, kBytesPerMicrosecond = 60e3, kLoad = 0.25, kStep = 0.012, kHeld = 0.8, kThreadsOfMultiprocessor = 1024;
  double blocks = double(s.tilesDown(p) * s.tilesAcross(p)), threads = double(s.threads(p)), cores = double(target.cores);
  double waves = std::ceil(blocks * threads / (cores * kThreadsOfMultiprocessor)), blocksOfMultiprocessor = std::ceil(blocks / cores);
  double loads = std::ceil(double(s.patchRows(p) * s.loadsOfRow(p)) / threads);
  double tiles = std::ceil(double(s.rows * s.columns / kFragment) / double(s.warps));
  double weights = double(p.matrix.columns * s.columnPitch(p)) / kBytesPerMicrosecond;
  // Weights that fill the registers come late, to each warp for itself.
  constexpr int64_t kManyFragments = 32;
  double held = p.depthSteps() * p.fragments() > kManyFragments ? kHeld * double(s.warps) * blocks / cores : 0;
  return kStart + held + waves * (kLoad * loads + kStep * tiles * double(p.depthSteps() * p.fragments()) / 4) +
         blocksOfMultiprocessor * (kBlock + weights);
}

/// Blocks that stay, the best first; none where each would have few tiles. As measured on an H200: two rows of the result, as many of its pixels as
/// make whole tiles, four warps; of 16 columns eight warps and loads of two pixels (YOLOv8n at batch 32: 66 us instead of 70, of an image in halves
/// 54 instead of 59).
SmallVector<StemSchedule> stayingSchedules(const StemProblem &p, const Target &target) {
  constexpr int64_t kWidest = 160, kWarps = 4, kFewTiles = 4, kMostTogether = 4, kRegisters = 65536, kOtherRegisters = 64;
  constexpr int64_t kNarrowLoad = 2;
  SmallVector<int64_t> widths;
  if (target.computeCapability < kFirstWithAsyncCopies)
    return {};
  for (int64_t parts = 1; parts <= p.pixels / kFragment; ++parts)
    if (p.pixels % (parts * kFragment) == 0 && p.pixels / parts <= kWidest)
      widths.push_back(p.pixels / parts);
  widths.resize(std::min<size_t>(widths.size(), 2));
  SmallVector<StemSchedule> result;
  bool isNarrow = p.matrix.columns == kFragment && !p.matrix.isBytes();
  auto add = [&](int64_t rows, int64_t columns, int64_t warps, int64_t lanes) {
    if (rows * columns == kFragment)
      return; // one warp alone would have something to do
    StemProblem own = p.withLanes(lanes);
    StemSchedule s{rows, columns, std::max<int64_t>(1, warps / p.warpColumns()), 0, lanes};
    int64_t registers = kOtherRegisters + (p.depthSteps() + 2) * p.fragments() * 2;
    s.together = std::min({kMostTogether, kRegisters / (registers * s.threads(p)), sharedOfMultiprocessor(target) / s.sharedBytes(own)});
    std::optional<int64_t> tiles = s.tiles(p).asConstant();
    bool fits = s.together && s.sharedBytes(own) <= sharedLimit(target) && tiles && *tiles >= kFewTiles * target.cores * s.together;
    if (fits && !llvm::is_contained(result, s))
      result.push_back(s);
  };
  if (isNarrow && !widths.empty())
    add(2, widths.front(), 2 * kWarps, p.lanes > kNarrowLoad ? kNarrowLoad : StemSchedule().lanes);
  for (int64_t lanes : {StemSchedule().lanes, kNarrowLoad})
    for (int64_t rows : {2, 1, 4})
      for (int64_t columns : widths)
        for (int64_t warps : {kWarps, 2 * kWarps})
          if (lanes > kNarrowLoad || p.lanes > kNarrowLoad)
            add(rows, columns, warps, lanes);
  return result;
}

class StemFamily final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.stem"; }

  bool matches(kernel::FuncOp func, const Target &target) const override { return StemProblem::of(func, target).has_value(); }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    StemProblem p = *StemProblem::of(func, target);
    for (const StemSchedule &s : stayingSchedules(p, target))
      out.push_back(s.attr(func.getContext()));
    SmallVector<std::pair<double, StemSchedule>> ranked;
    for (int64_t rows : {1, 2, 4, 8, 16})
      for (int64_t columns : {16, 32, 64})
        for (int64_t warps : {1, 2, 4, 8}) {
          StemSchedule s{rows, columns, warps};
          bool isNeedless = columns >= p.pixels + kFragment || rows > p.rows || warps > rows * columns / kFragment;
          if (!isNeedless && s.threads(p) >= 64 && s.threads(p) <= 256 && s.sharedBytes(p) <= sharedLimit(target))
            ranked.push_back({costOf(s, p, target), s});
        }
    auto order = [](const auto &entry) { return std::tuple(entry.first, entry.second.rows, entry.second.columns, entry.second.warps); };
    llvm::sort(ranked, [&](const auto &a, const auto &b) { return order(a) < order(b); });
    for (const auto &[cost, s] : ranked)
      out.push_back(s.attr(func.getContext()));
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr attr, const Target &target) const override {
    StemSchedule s = StemSchedule::of(attr);
    StemProblem p = StemProblem::of(func, target)->withLanes(s.lanes);
    KernelPlan plan;
    plan.tasks = s.blocks(p, target);
    if (p.matrix.contraction.rhsArgument())
      plan.packings.push_back({p.matrix.contraction.rhsArgument().getArgNumber(), p.matrix.plainPacking()});
    plan.overwrites.assign(func.getNumResults(), -1);
    plan.block = {int(s.threads(p)), 1, int(s.sharedBytes(p)), 1, /*waits=*/true, int(std::max<int64_t>(1, s.together))};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr attr, KernelBuilder &builder) const override {
    std::optional<StemProblem> p = StemProblem::of(func, builder.target());
    if (!p)
      return func.emitError("the stem family computes one convolution of an image of up to four channels in a half type or of bytes");
    if (!p->matrix.contraction.unpacked())
      return func.emitError("constant weights have to be packed before code is emitted (kernel-pack-constants)");
    StemSchedule s = StemSchedule::of(attr);
    StemEmitter(builder, p->withLanes(s.lanes), s).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override {
    cpu::ContractionProblem p = *cpu::ContractionProblem::of(func);
    return nn::product(func.getContext(), p.extents) * p.depth * (2 * p.dot * p.tapCount());
  }
};
} // namespace

const KernelFamily &stemFamily() {
  static const StemFamily family;
  return family;
}

} // namespace tenon::gpu
