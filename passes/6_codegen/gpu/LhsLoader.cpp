// The left operand on its way to shared memory.
#include "passes/6_codegen/gpu/MatrixEmitter.h"

namespace tenon::gpu {
using namespace mlir;

constexpr int64_t kChunk = MatrixSchedule::kChunk, kRowBytes = MatrixSchedule::kStep * 2, kChunksOfRow = MatrixSchedule::kStep / kChunk;

/// Memory of f32 in halves, as its depth is counted: strides and offset, except along the last axis.
static Tensor inHalves(KernelBuilder &b, Tensor floats) {
  constexpr int64_t kHalves = 2;
  Tensor halves = floats;
  halves.element = b.ops().getF16Type();
  halves.offset = b.mul(floats.offset, kHalves);
  for (int axis = 0; axis + 1 < floats.rank(); ++axis)
    halves.strides[axis] = b.mul(floats.strides[axis], kHalves);
  halves.sizes.back() = b.mul(floats.sizes.back(), kHalves);
  return halves;
}

Tensor inUnits(KernelBuilder &b, const MatrixProblem &p, Tensor memory) {
  return p.isBytes() ? inPairs(b, memory) : p.isFull() ? inHalves(b, memory) : memory;
}

static bool hasChunks(const MatrixProblem &p, Value part) {
  const cpu::ContractionProblem &c = p.contraction;
  kernel::View view = kernel::viewOf(part);
  int64_t elements = p.elements(kChunk);
  auto divides = [&](nn::Dim d) { return d.dividedExactlyBy(nn::Dim::constant(d.context(), elements)).has_value() || d.isConstant(0); };
  if (!isa<BlockArgument>(view.source) || p.paddedChannels != p.channels || p.channels % kChunk != 0 || !divides(view.offset))
    return false;
  auto dims = nn::dimsOf(part.getType());
  for (auto [axis, stride] : llvm::enumerate(view.strides))
    if (int(axis) == c.lhsChannel ? !stride.isConstant(1) : !dims[axis].isConstant(1) && !divides(stride))
      return false;
  return true;
}

bool hasChunks(const MatrixProblem &p) {
  return p.parts.size() == 1 && hasChunks(p, p.lhs);
}

/// The memory of a part of lhs, counted as the depth is, if its chunks can be copied.
static std::optional<Tensor> chunkMemory(KernelBuilder &b, const MatrixProblem &p, Value part) {
  constexpr int64_t kAccess = 16;
  if (!hasChunks(p, part))
    return std::nullopt;
  Tensor memory = b.tensorOf(part);
  if (memory.alignment % kAccess)
    return std::nullopt;
  return inUnits(b, p, memory);
}

Value withinTile(Warp &w, Value own, int64_t first, int64_t step, int64_t edge) {
  return first + step <= edge ? Value() : w.below(own, w.i32(edge));
}

void where(KernelBuilder &b, Value condition, llvm::function_ref<void()> body) {
  condition ? b.ifThen(condition, body) : body();
}

LhsLoader::LhsLoader(KernelBuilder &b, Warp &w, const MatrixProblem &p, const MatrixSchedule &s)
    : b(b), w(w), p(p), c(p.contraction), s(s) {
  for (Value part : p.parts)
    if (std::optional<Tensor> memory = chunkMemory(b, p, part))
      parts.push_back(*memory);
  if (parts.size() != p.parts.size())
    parts.clear();
  if (parts.empty() && !p.isBytes())
    prologue.emplace(b, c.lhs);
  if (!parts.empty() && p.scale)
    scale = b.tensorOf(p.scale);
}

void LhsLoader::begin(Index firstRow, Index end, Value row, int64_t rowStep, Value ownChunk) {
  chunk = ownChunk;
  rows.clear();
  for (int64_t i = 0; i < s.tileRows; i += rowStep) {
    Value own = w.add(row, i);
    Row r;
    r.ofTile = withinTile(w, own, i, rowStep, s.tileRows);
    Index at = b.add(firstRow, w.wide(own));
    r.inside = b.lessThan(at, end);
    // A row that is not there reads where row 0 does, and nothing of it.
    SmallVector<Index> coordinates = coordinatesOf(b.select(r.inside, at, Index(0)));
    for (const Tensor &part : parts)
      r.bases.push_back(b.add(part.offset, b.mul(group, p.channels)));
    for (auto [axis, map] : llvm::enumerate(c.lhsAxes)) {
      Index position = map.rowAxis < 0 ? Index(map.shift) : b.add(b.mul(coordinates[map.rowAxis], map.rowScale), map.shift);
      r.index.push_back(position);
      r.position.push_back(w.narrow(position));
      for (auto [base, part] : llvm::zip_equal(r.bases, parts))
        if (int(axis) != c.lhsChannel)
          base = b.add(base, b.mul(position, part.strides[axis]));
    }
    r.taps = !parts.empty() && c.padded ? tapsInside(r) : Value();
    Value swizzled = w.bitXor(chunk, w.rem(own, kChunksOfRow));
    r.to = w.add(w.mul(own, kRowBytes), w.mul(swizzled, kChunk * 2));
    rows.push_back(std::move(r));
  }
}

/// Where a row of the result is along each of its axes; past the end of the last one where memory of one tap is walked as one.
SmallVector<Index> LhsLoader::coordinatesOf(Index row) {
  SmallVector<Index> coordinates(c.rowAxes(), Index(0));
  if (parts.size() == 1 && !c.padded && c.tapCount() == 1)
    if (SmallVector<cpu::RowGroup> groups = c.rowGroups(/*lhsInPlace=*/true); groups.size() == 1) {
      coordinates[groups[0].carrier] = row;
      return coordinates;
    }
  std::optional<int64_t> count = p.rows().asConstant();
  bool isNarrow = count && llvm::isInt<32>(*count); // divisions of 64 bits are dear
  for (int axis = c.rowAxes() - 1; axis >= 0; --axis) {
    bool isFirst = true;
    for (int outer = 0; outer < axis; ++outer)
      isFirst &= c.extents[outer].isConstant(1);
    if (isFirst) {
      coordinates[axis] = row;
      break;
    }
    if (isNarrow) {
      Value number = w.narrow(row);
      int64_t extent = *c.extents[axis].asConstant();
      coordinates[axis] = w.wide(w.rem(number, extent));
      row = w.wide(w.div(number, extent));
    } else {
      Index extent = b.dim(c.extents[axis]);
      coordinates[axis] = b.rem(row, extent);
      row = b.div(row, extent);
    }
  }
  return coordinates;
}

/// A bit for each tap of the row: whether it is inside lhs. Null where there are more than bits.
Value LhsLoader::tapsInside(const Row &row) {
  constexpr int64_t kBits = 32;
  int64_t count = c.tapCount();
  if (count > kBits || p.paddedTaps != c.taps)
    return {};
  Value bits = w.i32(0);
  // Along each axis once; a tap is inside where it is along all.
  SmallVector<SmallVector<Value>> along(c.taps.size());
  for (const auto &[axis, map] : llvm::enumerate(c.lhsAxes))
    for (int64_t at = 0; map.tapAxis >= 0 && at < c.taps[map.tapAxis]; ++at)
      along[map.tapAxis].push_back(w.below(w.add(row.position[axis], at * map.tapScale), w.narrow(b.dim(nn::dimOf(c.lhs.getType(), axis)))));
  for (int64_t tap = 0; tap < count; ++tap) {
    Value inside = row.inside;
    int64_t rest = tap;
    for (int axis = int(c.taps.size()) - 1; axis >= 0; rest /= c.taps[axis--])
      if (!along[axis].empty())
        inside = arith::AndIOp::create(b.ops(), inside, along[axis][rest % c.taps[axis]]);
    bits = arith::OrIOp::create(b.ops(), bits, w.select(inside, w.i32(int64_t(1) << tap), w.i32(0)));
  }
  return bits;
}

/// Where element `element` of the depth lies: its tap, its channel.
LhsLoader::Tap LhsLoader::tapOf(Value element) {
  Tap tap;
  tap.inside = w.below(element, w.i32(p.depth));
  tap.channel = w.rem(element, p.paddedChannels);
  if (p.paddedChannels != p.channels)
    tap.inside = arith::AndIOp::create(b.ops(), tap.inside, w.below(tap.channel, w.i32(p.channels)));
  Value rest = w.div(element, p.paddedChannels);
  constexpr int64_t kLastBit = 31; // beyond the depth there may be more
  tap.bit = arith::ShLIOp::create(b.ops(), w.i32(1), w.bitAnd(rest, w.i32(kLastBit)));
  tap.at.resize(c.taps.size());
  for (int axis = int(c.taps.size()) - 1; axis >= 0; --axis) {
    tap.at[axis] = axis ? w.rem(rest, p.paddedTaps[axis]) : rest;
    rest = axis ? w.div(rest, p.paddedTaps[axis]) : rest;
    if (p.paddedTaps[axis] != c.taps[axis])
      tap.inside = arith::AndIOp::create(b.ops(), tap.inside, w.below(tap.at[axis], w.i32(c.taps[axis])));
  }
  return tap;
}

/// Whether a row has this tap inside lhs.
Value LhsLoader::reads(const Row &row, const Tap &tap) {
  Value inside = arith::AndIOp::create(b.ops(), row.inside, tap.inside);
  if (!c.padded)
    return inside;
  if (row.taps) {
    Value has = arith::CmpIOp::create(b.ops(), arith::CmpIPredicate::ne, w.bitAnd(row.taps, tap.bit), w.i32(0));
    return arith::AndIOp::create(b.ops(), has, tap.inside);
  }
  for (auto [axis, map] : llvm::enumerate(c.lhsAxes)) {
    if (map.tapAxis < 0)
      continue;
    Value position = w.add(row.position[axis], w.mul(tap.at[map.tapAxis], map.tapScale));
    Value extent = w.narrow(b.dim(nn::dimOf(c.lhs.getType(), axis)));
    inside = arith::AndIOp::create(b.ops(), inside, w.below(position, extent));
  }
  return inside;
}

/// Copies the factors of all channels to `to`.
void LhsLoader::loadScale(Value thread, Value to) {
  if (!scale)
    return;
  int64_t chunks = p.depth / kChunk;
  for (int64_t first = 0; first < chunks; first += s.threads()) {
    Value own = w.add(thread, first);
    where(b, withinTile(w, own, first, s.threads(), chunks), [&] { w.copyAsync(w.add(to, w.mul(own, kChunk * 2)), scaleAt(w.mul(own, kChunk)), w.i32(16)); });
  }
}

Value LhsLoader::scaleAt(Value channel) {
  return LLVM::GEPOp::create(b.ops(), scale->base.getType(), scale->element, scale->base, ArrayRef<LLVM::GEPArg>{b.value(w.wide(channel))});
}

/// The factors of this thread's chunk in step `step` of a direct schedule.
Value LhsLoader::readScale(Value step) {
  Value first = w.mul(w.add(w.mul(step, MatrixSchedule::kDirectStep / kChunk), chunk), kChunk);
  return w.loadIf(w.below(first, w.i32(p.depth)), scaleAt(first));
}

Index LhsLoader::offsetOf(const Tap &tap, const Tensor &part) {
  Index offset = w.wide(tap.channel);
  for (auto [axis, map] : llvm::enumerate(c.lhsAxes))
    if (map.tapAxis >= 0)
      offset = b.add(offset, b.mul(b.mul(w.wide(tap.at[map.tapAxis]), map.tapScale), part.strides[axis]));
  return offset;
}

LhsLoader::Step LhsLoader::stepOf(Value number) {
  Step step{number, {}, {}, {}};
  if (parts.empty())
    return step;
  step.tap = tapOf(w.mul(w.add(w.mul(number, s.step() / kChunk), chunk), kChunk));
  for (const Tensor &part : parts)
    step.offsets.push_back(offsetOf(step.tap, part));
  if (parts.size() > 1) {
    int64_t channels = p.channelsOfFirst();
    // Where steps do not straddle the parts all threads decide alike.
    step.isOfSecond = channels % s.step() ? w.below(w.i32(channels - 1), step.tap.channel) : w.below(w.i32(channels / s.step() - 1), number);
    step.offsets[1] = b.sub(step.offsets[1], channels);
  }
  return step;
}

/// An address that is not read, where the row has no such tap.
Value LhsLoader::chunkAt(const Row &row, const Step &step) {
  auto at = [&](size_t part) -> Value {
    Value element = b.value(b.add(row.bases[part], step.offsets[part]));
    return LLVM::GEPOp::create(b.ops(), parts[part].base.getType(), parts[part].element, parts[part].base, ArrayRef<LLVM::GEPArg>{element});
  };
  return step.isOfSecond ? w.select(step.isOfSecond, at(1), at(0)) : at(0);
}

void LhsLoader::copy(const Step &step, Value stage) {
  if (parts.empty())
    return gather(step.number, stage);
  for (const Row &row : rows) {
    Value from = chunkAt(row, step), inside = reads(row, step.tap);
    if (fillsPadding()) {
      where(b, row.ofTile, [&] { w.copyAsyncOr(w.add(stage, row.to), from, inside, w.i32(outsideWord(c))); });
      continue;
    }
    Value bytes = w.select(inside, w.i32(16), w.i32(0));
    where(b, row.ofTile, [&] { w.copyAsync(w.add(stage, row.to), from, bytes); });
  }
}

SmallVector<Value> LhsLoader::read(Value number) {
  SmallVector<Value> chunks;
  if (!parts.empty()) {
    Step step = stepOf(number);
    for (const Row &row : rows) {
      Value inside = reads(row, step.tap), chunk = w.loadIf(inside, chunkAt(row, step));
      chunks.push_back(fillsPadding() ? fillPadding(chunk, inside, step.tap) : chunk);
    }
    return chunks;
  }
  Value first = w.mul(w.add(w.mul(number, MatrixSchedule::kDirectStep / kChunk), chunk), kChunk);
  if (p.isBytes())
    return gatherBytes(first);
  SmallVector<Tap> taps;
  for (int64_t k = 0; k < kChunk; ++k)
    taps.push_back(tapOf(w.add(first, k)));
  auto words = VectorType::get({4}, b.ops().getI32Type());
  for (const Row &row : rows)
    chunks.push_back(LLVM::BitcastOp::create(b.ops(), words, gatherChunk(row, taps)));
  return chunks;
}

/// Lanes where the row has no such tap are some of its elements.
Value LhsLoader::elements(const Row &row, const Tap &tap, int lanes) {
  SmallVector<Index> position;
  for (auto [axis, map] : llvm::enumerate(c.lhsAxes)) {
    Index at = row.index[axis];
    if (int(axis) == c.lhsChannel) { // a multiple of the lanes, as the alignment of loads sees
      Value channel = p.isFull() ? w.div(tap.channel, 2) : tap.channel;
      at = b.add(b.mul(b.div(w.wide(channel), lanes), lanes), b.mul(group, p.elements(p.channels)));
    } else if (map.tapAxis >= 0) {
      Value there = w.add(row.position[axis], w.mul(tap.at[map.tapAxis], map.tapScale));
      if (lanes > 1)
        there = w.clamp(there, w.add(w.narrow(b.dim(nn::dimOf(c.lhs.getType(), axis))), -1));
      at = w.wide(there);
    }
    position.push_back(at);
  }
  return prologue->load(position, lanes, c.lhsChannel);
}

/// Chunks of elements read one by one: few channels, strides, prologues.
void LhsLoader::gather(Value step, Value stage) {
  Value first = w.mul(w.add(w.mul(step, kChunksOfRow), chunk), kChunk);
  if (p.isBytes()) {
    for (auto [row, words] : llvm::zip_equal(rows, gatherBytes(first)))
      where(b, row.ofTile, [&, &row = row, &words = words] { w.store(w.add(stage, row.to), words); });
    return;
  }
  SmallVector<Tap> taps;
  for (int64_t k = 0; k < kChunk; k += p.units(1))
    taps.push_back(tapOf(w.add(first, k)));
  for (const Row &row : rows) {
    Value vector = gatherChunk(row, taps);
    where(b, row.ofTile, [&] { w.store(w.add(stage, row.to), vector); });
  }
}

Value LhsLoader::gatherChunk(const Row &row, ArrayRef<Tap> taps) {
  Type storage = p.isFull() ? Type(b.ops().getF32Type()) : p.unit();
  int lanes = int(p.elements(kChunk));
  auto type = VectorType::get({lanes}, storage);
  if (p.channels % kChunk == 0) { // of one tap, and read without a branch: all chunks are on their way together
    Value chunk = b.convert(elements(row, taps[0], lanes), storage);
    return arith::SelectOp::create(b.ops(), reads(row, taps[0]), chunk, b.constant(0, type));
  }
  Value vector = LLVM::PoisonOp::create(b.ops(), type);
  for (auto [k, tap] : llvm::enumerate(taps)) {
    Value value = b.ifElse(
        reads(row, tap), storage, [&] { return KernelBuilder::Values{b.convert(elements(row, tap, 1), storage)}; },
        [&] { return KernelBuilder::Values{b.constant(0, storage)}; })[0];
    vector = b.insertLane(vector, value, k);
  }
  return vector;
}

} // namespace tenon::gpu
