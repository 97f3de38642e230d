#include "passes/6_codegen/gpu/MatrixPipeline.h"
#include "passes/6_codegen/gpu/MatrixEmitter.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kChunk = MatrixSchedule::kChunk, kRowBytes = MatrixSchedule::kStep * 2, kChunksOfRow = MatrixSchedule::kStep / kChunk;
constexpr int64_t kWarp = 32, kWarpRows = 16, kLhsWarps = 3;

/// A stage: its number, and the phase of its barriers.
struct Slot {
  Value stage, phase;
};

class PipelineEmitter {
public:
  PipelineEmitter(KernelBuilder &b, const MatrixProblem &p, const MatrixSchedule &s)
      : b(b), w(b), p(p), s(s), steps(p.steps(s)), lhs(b, w, p, s), epilogue(b, p.contraction.result) {}
  void emit();

private:
  using Values = KernelBuilder::Values;
  /// Emits `body` for each tile of the block; it is given the first row and column, and carries `init`.
  Values forTiles(ValueRange init, llvm::function_ref<Values(Index firstRow, Index firstColumn, ValueRange)> body);
  Slot next(Slot slot);
  Value full(Value stage) { return w.add(w.add(shared, s.barriersAt()), w.mul(stage, 8)); }
  Value empty(Value stage) { return w.add(full(stage), s.stages * 8); }
  Value stageAt(Value stage) { return w.add(shared, w.mul(stage, s.stageBytes())); }

  void beginBarriers();
  void copyWeights();
  void copyLhs();
  Values signal(ValueRange ring, int underWay);
  void multiply();
  void multiplyStep(Slot slot, MutableArrayRef<Value> sums);
  void finish(Index firstRow, Index firstColumn, ArrayRef<Value> sums);
  struct Unit {
    Value inside, sums; // of the row; where its sums lie in shared memory
    SmallVector<Index> position;
    Index column;       // of the piece
  };
  SmallVector<Unit> unitsOf(Index firstRow);
  void finishPiece(ArrayRef<Unit> units, Index firstColumn, function_ref<void()> writeSums);

  KernelBuilder &b;
  Warp w;
  const MatrixProblem &p;
  const MatrixSchedule &s;
  const int64_t steps;
  LhsLoader lhs;
  cpu::Epilogue epilogue;
  Value thread, lane, shared;
};

void PipelineEmitter::emit() {
  thread = w.thread();
  lane = w.rem(thread, kWarp);
  shared = w.shared();
  beginBarriers();
  int64_t multiplying = s.multiplyThreads();
  b.ifThen(
      w.below(thread, w.i32(multiplying)), [&] { multiply(); },
      [&] {
        Value copiesLhs = w.below(thread, w.i32(multiplying + kLhsWarps * kWarp));
        b.ifThen(copiesLhs, [&] { copyLhs(); }, [&] { b.ifThen(w.below(lane, w.i32(1)), [&] { copyWeights(); }); });
      });
}

void PipelineEmitter::beginBarriers() {
  b.ifThen(w.below(thread, w.i32(1)), [&] {
    for (int64_t stage = 0; stage < s.stages; ++stage) {
      w.beginBarrier(full(w.i32(stage)), kLhsWarps + 1);
      w.beginBarrier(empty(w.i32(stage)), s.warpRows);
    }
    w.showBarriers();
  });
  w.barrier();
}

KernelBuilder::Values PipelineEmitter::forTiles(ValueRange init, llvm::function_ref<Values(Index, Index, ValueRange)> body) {
  Index tiles = b.dim(tilesOf(p, s)), blocks = b.tasks();
  int64_t across = llvm::divideCeil(p.columns, s.tileColumns);
  auto one = [&](Index tile, ValueRange carried) {
    return body(b.mul(b.div(tile, across), s.tileRows), b.mul(b.rem(tile, across), s.tileColumns), carried);
  };
  bool isOne = !tiles.isConstant() || !blocks.isConstant() || tiles.get() <= blocks.get();
  return isOne ? one(b.task(), init) : b.loop(b.task(), tiles, blocks.get(), init, one);
}

Slot PipelineEmitter::next(Slot slot) {
  Value moved = w.add(slot.stage, 1);
  Value wraps = arith::CmpIOp::create(b.ops(), arith::CmpIPredicate::eq, moved, w.i32(s.stages));
  return {w.select(wraps, w.i32(0), moved), w.bitXor(slot.phase, w.select(wraps, w.i32(1), w.i32(0)))};
}

/// One thread: weights do not depend on the kernel before.
void PipelineEmitter::copyWeights() {
  Tensor packed = b.argument(cast<BlockArgument>(p.contraction.unpacked().getOperand()).getArgNumber());
  int64_t bytes = s.tileColumns * kRowBytes, elements = s.tileColumns * MatrixSchedule::kStep;
  forTiles({w.i32(0), w.i32(1)}, [&](Index, Index firstColumn, ValueRange ring) {
    Index tile = b.mul(firstColumn, p.depth); // where its weights begin
    return b.loop(0, steps, 1, ring, [&](Index step, ValueRange carried) {
      Slot slot{carried[0], carried[1]};
      w.waitForPhase(empty(slot.stage), slot.phase);
      w.arriveWithBytes(full(slot.stage), bytes);
      Value from = LLVM::GEPOp::create(b.ops(), packed.base.getType(), packed.element, packed.base,
                                       ArrayRef<LLVM::GEPArg>{b.value(b.add(tile, b.mul(step, elements)))});
      w.copyBulk(w.add(stageAt(slot.stage), s.tileRows * kRowBytes), from, bytes, full(slot.stage));
      slot = next(slot);
      return Values{slot.stage, slot.phase};
    });
  });
}

/// Copies that are under way when the oldest of them is waited for. One stage less than there are: that one is being filled.
void PipelineEmitter::copyLhs() {
  int underWay = int(std::min(s.stages - 2, steps));
  Value own = w.add(thread, -s.multiplyThreads());
  Value chunk = w.rem(own, kChunksOfRow), row = w.div(own, kChunksOfRow);
  b.waitForInputs();
  // The ring of copies, how many were begun, and the first stage that was not reported.
  auto ring = forTiles({w.i32(0), w.i32(1), w.i32(0), w.i32(0)}, [&](Index firstRow, Index, ValueRange ring) {
    lhs.begin(firstRow, row, kLhsWarps * kWarp / kChunksOfRow, chunk);
    return b.loop(0, steps, 1, ring, [&](Index step, ValueRange carried) {
      Slot slot{carried[0], carried[1]};
      w.waitForPhase(empty(slot.stage), slot.phase);
      lhs.load(w.narrow(step), stageAt(slot.stage));
      w.commit();
      slot = next(slot);
      Value begun = w.add(carried[2], 1), reported = carried[3];
      Value isLate = w.below(w.i32(underWay), begun);
      reported = b.ifElse(
          isLate, reported.getType(),
          [&] {
            w.waitFor(underWay);
            return signal({reported}, 1);
          },
          [&] { return Values{reported}; })[0];
      return Values{slot.stage, slot.phase, begun, reported};
    });
  });
  w.waitFor(0);
  signal({ring[3]}, underWay);
}

/// Reports that `count` stages are full of what this warp copies; the next one to report.
KernelBuilder::Values PipelineEmitter::signal(ValueRange ring, int count) {
  Slot slot{ring[0], w.i32(0)};
  w.showToProducts();
  w.joinWarp();
  for (int i = 0; i < count; ++i) {
    b.ifThen(w.below(lane, w.i32(1)), [&] { w.arrive(full(slot.stage)); });
    slot = next(slot);
  }
  return {slot.stage};
}

void PipelineEmitter::multiply() {
  // What the epilogue reads, and the memory that it writes, may be in use until then.
  b.waitForInputs();
  Type f32 = b.ops().getF32Type();
  forTiles({w.i32(0), w.i32(0)}, [&](Index firstRow, Index firstColumn, ValueRange ring) {
    Values init(ring);
    init.append(s.tileColumns / 2, b.constant(0, f32));
    auto results = b.loop(0, steps, 1, init, [&](Index, ValueRange carried) {
      Values values(carried);
      Slot slot{values[0], values[1]};
      w.waitForPhase(full(slot.stage), slot.phase);
      multiplyStep(slot, MutableArrayRef(values).drop_front(2));
      b.ifThen(w.below(lane, w.i32(1)), [&] { w.arrive(empty(slot.stage)); });
      slot = next(slot);
      values[0] = slot.stage;
      values[1] = slot.phase;
      return values;
    });
    finish(firstRow, firstColumn, ArrayRef(results).drop_front(2));
    return Values{results[0], results[1]};
  });
}

/// While a group waits for its products those of another one run.
void PipelineEmitter::multiplyStep(Slot slot, MutableArrayRef<Value> sums) {
  constexpr int64_t kDepth = 16, kDepthChunks = kDepth / kChunk; // of one instruction
  Value stage = stageAt(slot.stage);
  Value left = w.add(stage, w.mul(w.div(thread, MatrixSchedule::kCopyThreads), MatrixSchedule::kGroupRows * kRowBytes));
  Value right = w.add(stage, s.tileRows * kRowBytes);
  SmallVector<std::pair<Value, Value>> operands;
  for (int64_t k = 0; k < MatrixSchedule::kStep / kDepth; ++k)
    operands.emplace_back(w.swizzledRows(w.add(left, k * kDepth * 2)),
                          w.chunkedRows(w.add(right, k * kDepthChunks * s.tileColumns * kChunk * 2), s.tileColumns));
  w.multiplyGroup(p.bfloat, s.tileColumns, operands, sums);
  w.waitForProducts(sums);
}

/// Eight columns each of the rows of this warp, as its threads finish them in every piece.
SmallVector<PipelineEmitter::Unit> PipelineEmitter::unitsOf(Index firstRow) {
  const cpu::ContractionProblem &c = p.contraction;
  int64_t chunks = s.pieceColumns() / kChunk, pitch = s.pieceColumns() + 8;
  Value warp = w.div(thread, kWarp), sums = w.add(w.add(shared, s.stages * s.stageBytes()), w.mul(warp, s.pieceBytes()));
  SmallVector<Unit> units;
  for (int64_t i = 0; i < kWarpRows * chunks; i += kWarp) {
    Value own = w.add(lane, i), row = w.div(own, chunks), column = w.mul(w.rem(own, chunks), kChunk);
    Unit unit;
    Index at = b.add(firstRow, w.wide(w.add(w.mul(warp, kWarpRows), row)));
    unit.inside = b.lessThan(at, b.dim(p.rows()));
    at = b.select(unit.inside, at, Index(0)); // read there
    unit.sums = w.add(sums, w.mul(w.add(w.mul(row, pitch), column), 4));
    unit.column = w.wide(column);
    unit.position.resize(c.extents.size());
    for (int axis = c.rowAxes() - 1; axis >= 0; --axis) {
      Index extent = b.dim(c.extents[axis]);
      unit.position[axis] = axis ? b.rem(at, extent) : at;
      at = axis ? b.div(at, extent) : at;
    }
    units.push_back(std::move(unit));
  }
  return units;
}

void PipelineEmitter::finish(Index firstRow, Index firstColumn, ArrayRef<Value> sums) {
  SmallVector<Unit> units = unitsOf(firstRow);
  int64_t pitch = s.pieceColumns() + 8;
  Value own = w.add(w.mul(w.div(lane, 4), pitch), w.mul(w.rem(lane, 4), 2));
  Value to = w.add(w.add(w.add(shared, s.stages * s.stageBytes()), w.mul(w.div(thread, kWarp), s.pieceBytes())), w.mul(own, 4));
  auto pair = VectorType::get({2}, b.ops().getF32Type());
  for (int64_t piece = 0; piece < s.tileColumns; piece += s.pieceColumns())
    finishPiece(units, b.add(firstColumn, piece), [&] {
      w.joinWarp(); // the piece before was read
      for (int64_t n = 0; n < s.pieceColumns(); n += 8)
        for (int64_t half = 0; half < 2; ++half) {
          int64_t first = (piece + n) / 2 + half * 2;
          Value both = vector::FromElementsOp::create(b.ops(), pair, ValueRange{sums[first], sums[first + 1]});
          w.store(w.add(to, (half * 8 * pitch + n) * 4), both);
        }
      w.joinWarp();
    });
}

void PipelineEmitter::finishPiece(ArrayRef<Unit> units, Index firstColumn, function_ref<void()> writeSums) {
  const cpu::ContractionProblem &c = p.contraction;
  Type f32 = b.ops().getF32Type();
  struct Given {
    Value inside, mask, bias;
    SmallVector<Index> position;
    SmallVector<Value> read;
  };
  SmallVector<Given> given;
  for (const Unit &unit : units) { // all reads are on their way together
    Given g;
    Index column = b.add(firstColumn, unit.column);
    Value isColumn = b.lessThan(column, p.columns);
    g.inside = arith::AndIOp::create(b.ops(), unit.inside, isColumn);
    g.position = unit.position;
    // A multiple of a chunk, as the alignment of loads and stores sees; the first one where there is none.
    g.position.back() = b.mul(b.div(b.select(isColumn, column, Index(0)), kChunk), kChunk);
    g.mask = p.columns % kChunk ? b.tailMask(b.sub(p.columns, g.position.back()), kChunk) : Value();
    if (c.bias) {
      Tensor bias = b.tensorOf(c.bias);
      g.bias = b.convert(b.loadStrided(bias, b.at(bias, {g.position.back()}), bias.strides[0], kChunk, g.mask), f32);
    }
    g.read = epilogue.read(kChunk, g.position, g.mask);
    given.push_back(std::move(g));
  }
  writeSums();
  SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(0, kChunk));
  for (auto [unit, g] : llvm::zip(units, given)) {
    Value sums = vector::ShuffleOp::create(b.ops(), w.loadFloats(unit.sums), w.loadFloats(w.add(unit.sums, 16)), order);
    b.ifThen(g.inside, [&, &unit = unit, &g = g] {
      Value value = g.bias ? arith::AddFOp::create(b.ops(), sums, g.bias).getResult() : sums;
      epilogue.store(value, g.position, g.mask, g.read);
    });
  }
}
} // namespace

nn::Dim pipelineBlocks(const MatrixProblem &p, const MatrixSchedule &s, const Target &target) {
  nn::Dim tiles = tilesOf(p, s);
  auto count = tiles.asConstant();
  if (!count)
    return tiles;
  int64_t most = target.cores * s.together;
  // As many as are needed for the same number of rounds.
  return nn::Dim::constant(tiles.context(), llvm::divideCeil(*count, llvm::divideCeil(*count, most)));
}

void emitPipeline(KernelBuilder &b, const MatrixProblem &p, const MatrixSchedule &s) {
  PipelineEmitter(b, p, s).emit();
}

} // namespace tenon::gpu
