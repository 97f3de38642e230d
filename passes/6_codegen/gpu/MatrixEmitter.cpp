#include "passes/6_codegen/gpu/MatrixEmitter.h"
#include "mlir/IR/TypeUtilities.h"
#include "passes/6_codegen/cpu/VectorMath.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kChunk = MatrixSchedule::kChunk, kRowBytes = MatrixSchedule::kStep * 2, kChunksOfRow = MatrixSchedule::kStep / kChunk;
constexpr int64_t kFragmentRows = 16, kFragmentColumns = 8, kFragmentDepth = 16; // of mma.sync
} // namespace

Value addSums(KernelBuilder &b, Value x, Value y) {
  bool isInteger = getElementTypeOrSelf(x.getType()).isInteger();
  return isInteger ? arith::AddIOp::create(b.ops(), x, y).getResult() : arith::AddFOp::create(b.ops(), x, y).getResult();
}

MatrixEmitter::MatrixEmitter(KernelBuilder &b, const MatrixProblem &p, const MatrixSchedule &s)
    : b(b), w(b), p(p), s(s), fragmentsDown(s.tileRows / s.warpRows / kFragmentRows),
      fragmentsAcross(s.tileColumns / s.warpColumns / kFragmentColumns), rowStep(s.threads() / kChunksOfRow), lhs(b, w, p, s),
      epilogue(b, p.contraction.result, /*reader=*/nullptr, /*rows=*/true), program(*cpu::Epilogue::programOf(p.contraction.result, /*rows=*/true)) {}

void MatrixEmitter::emit() {
  thread = w.thread();
  shared = w.shared();
  chunk = w.rem(thread, kChunksOfRow);
  threadRow = w.div(thread, kChunksOfRow);
  // Neighbouring blocks share columns: the weights of one, the smaller part at batch 1, are read by many at a time.
  Index task = b.task();
  Index tile = s.splits == 1 ? task : b.div(task, s.splits);
  int64_t tilesAcross = llvm::divideCeil(p.columns, s.tileColumns);
  firstColumn = b.mul(b.rem(tile, tilesAcross), s.tileColumns);
  Index down = b.div(tile, tilesAcross);
  firstRow = p.batchAxes ? rowOfBatch(down) : b.mul(down, s.tileRows);
  rank = s.splits == 1 ? w.i32(0) : w.rankInCluster();
  if (s.splits > 1)
    w.arriveInCluster();
  // Steps that fill up the last round lie beyond the depth: zeros are copied there.
  int64_t steps = llvm::alignTo(p.steps(s), s.round);
  share = s.stepsOfBlock(steps);
  firstStep = w.mul(rank, share);
  lastStep = w.add(firstStep, share);
  lastStep = w.select(w.below(lastStep, w.i32(steps)), lastStep, w.i32(steps));

  if (int64_t part = p.partColumns(s))
    quads.emplace(b, p, epilogue, w.rem(thread, 32), part);
  KernelBuilder::Values sums;
  if (s.direct) {
    sums = multiplyDirect();
  } else {
    p.ofRun ? beginOperands() : beginColumns();
    if (p.isGrouped())
      lhs.setGroup(b.div(firstColumn, p.groupColumns));
    if (!left)
      lhs.begin(firstRow, rowEnd(), threadRow, rowStep, chunk);
    sums = s.isAtOnce(steps) ? multiplyAtOnce() : multiplyAll();
  }
  finishRowValues();
  if (quads)
    return storeQuads(sums);
  writeSums(sums);
  finish();
}

/// The thread's columns of the packed weights: one chunk of each, column after column.
void MatrixEmitter::beginColumns() {
  Tensor packed = b.argument(cast<BlockArgument>(p.contraction.unpacked().getOperand()).getArgNumber());
  for (int64_t i = 0; i < s.tileColumns; i += rowStep) {
    Value own = w.add(threadRow, i);
    Index column = b.add(firstColumn, w.wide(own));
    Value inside = b.lessThan(column, p.packedColumns());
    Index at = b.select(inside, b.mul(column, p.depth), Index(0));
    Value from = LLVM::GEPOp::create(b.ops(), packed.base.getType(), p.unit(), packed.base, ArrayRef<LLVM::GEPArg>{b.value(at)});
    Value to = w.add(w.mul(own, kRowBytes), w.mul(w.bitXor(chunk, w.rem(own, kChunksOfRow)), kChunk * 2));
    columns.push_back({inside, from, w.add(to, s.tileRows * kRowBytes), withinTile(w, own, i, rowStep, s.tileColumns)});
  }
}

void MatrixEmitter::loadColumns(Value step, Value stage) {
  if (right)
    return right->load(step, stage);
  Value element = w.mul(w.add(w.mul(step, kChunksOfRow), chunk), kChunk);
  Value within = w.below(element, w.i32(p.depth));
  Value offset = w.select(within, element, w.i32(0));
  for (const Column &column : columns) {
    Value inside = arith::AndIOp::create(b.ops(), column.inside, within);
    Value from = LLVM::GEPOp::create(b.ops(), column.from.getType(), p.unit(), column.from, ArrayRef<LLVM::GEPArg>{b.value(w.wide(offset))});
    Value bytes = w.select(inside, w.i32(16), w.i32(0));
    where(b, column.ofTile, [&] { w.copyAsync(w.add(stage, column.to), from, bytes); });
  }
}

/// Weights of the steps from `first` on go to the L2 cache while the kernel before runs: a line for each of a row's threads.
void MatrixEmitter::prefetchColumns(Value first) {
  Value step = w.add(first, chunk), element = w.mul(step, MatrixSchedule::kStep);
  Value isNeeded = arith::AndIOp::create(b.ops(), w.below(step, lastStep), w.below(element, w.i32(p.depth)));
  for (const Column &column : columns) {
    Value inside = arith::AndIOp::create(b.ops(), column.inside, isNeeded);
    b.ifThen(column.ofTile ? arith::AndIOp::create(b.ops(), inside, column.ofTile).getResult() : inside, [&] {
      w.prefetch(LLVM::GEPOp::create(b.ops(), column.from.getType(), p.unit(), column.from, ArrayRef<LLVM::GEPArg>{b.value(w.wide(element))}));
    });
  }
}

/// The pipeline: while the stages of one round are multiplied those of the next are on their way.
KernelBuilder::Values MatrixEmitter::multiplyAll() {
  auto stageAt = [&](Value offset, int64_t stage) { return w.add(w.add(shared, offset), stage * s.stageBytes()); };
  int64_t ahead = s.stages - s.round, roundBytes = s.round * s.stageBytes();
  auto guarded = [&](Value step, llvm::function_ref<void()> body) {
    b.ifThen(arith::CmpIOp::create(b.ops(), arith::CmpIPredicate::slt, step, lastStep), body);
  };
  // Weights do not depend on the kernel before.
  for (int64_t stage = 0; !p.ofRun && stage < ahead; ++stage)
    guarded(w.add(firstStep, stage), [&] { loadColumns(w.add(firstStep, stage), stageAt(w.i32(0), stage)); });
  if (!p.ofRun)
    prefetchColumns(w.add(firstStep, ahead));
  readColumnOperands();
  b.waitForInputs();
  lhs.loadScale(thread, scaleAt());
  for (int64_t stage = 0; stage < ahead; ++stage) {
    guarded(w.add(firstStep, stage), [&] {
      if (p.ofRun)
        loadColumns(w.add(firstStep, stage), stageAt(w.i32(0), stage));
      loadLeft(w.add(firstStep, stage), stageAt(w.i32(0), stage));
    });
    if ((stage + 1) % s.round == 0)
      w.commit();
  }
  beginRowValues();
  readResiduals();
  KernelBuilder::Values init{w.i32(0), w.i32(ahead * s.stageBytes())};
  init.append(fragmentsDown * fragmentsAcross * 4, b.constant(0, p.sum()));
  auto next = [&](Value offset) {
    Value moved = w.add(offset, roundBytes);
    Value wraps = arith::CmpIOp::create(b.ops(), arith::CmpIPredicate::eq, moved, w.i32(s.stages * s.stageBytes()));
    return w.select(wraps, w.i32(0), moved);
  };
  auto results = b.loop(w.wide(firstStep), w.wide(lastStep), s.round, init, [&](Index step, ValueRange carried) {
    KernelBuilder::Values values(carried);
    w.waitFor(int(s.stages / s.round) - 2);
    if (s.groups)
      w.showToProducts();
    w.barrier();
    MutableArrayRef<Value> sums = MutableArrayRef(values).drop_front(2);
    KernelBuilder::Values ofRound = groupSums(sums);
    if (s.groups) // while they are computed the next stage's copies start
      multiplyGroup(w.add(shared, values[0]), ofRound);
    SmallVector<KernelBuilder::Values> elements;
    for (int64_t stage = 0; stage < s.round; ++stage) {
      Value coming = w.add(w.narrow(step), ahead + stage);
      beginElements(coming, elements);
      guarded(coming, [&] {
        if (!readsElements(right))
          loadColumns(coming, stageAt(values[1], stage));
        if (!readsElements(left))
          loadLeft(coming, stageAt(values[1], stage));
      });
    }
    w.commit();
    if (s.groups)
      waitForGroup(ofRound, sums);
    for (int64_t stage = 0; !s.groups && stage < s.round; ++stage)
      multiplyStage(w.add(w.narrow(step), stage), stageAt(values[0], stage), sums);
    endElements(elements, [&](int64_t stage) { return stageAt(values[1], stage); });
    values[0] = next(values[0]);
    values[1] = next(values[1]);
    return values;
  });
  w.waitFor(0);
  w.barrier();
  return KernelBuilder::Values(ArrayRef(results).drop_front(2));
}

MatrixEmitter::WarpPlace MatrixEmitter::warpPlace() {
  Value warp = w.div(thread, 32), flat = w.rem(warp, s.warpRows * s.warpColumns);
  return {w.mul(w.rem(flat, s.warpRows), s.tileRows / s.warpRows), w.mul(w.div(flat, s.warpRows), s.tileColumns / s.warpColumns),
          s.warpDepth == 1 ? w.i32(0) : w.div(warp, s.warpRows * s.warpColumns)};
}

void MatrixEmitter::scaleWords(MutableArrayRef<Value> words, ArrayRef<Value> factors) {
  auto pair = VectorType::get({2}, p.unit());
  for (auto [word, factor] : llvm::zip_equal(words, factors)) {
    Value product = arith::MulFOp::create(b.ops(), LLVM::BitcastOp::create(b.ops(), pair, word), LLVM::BitcastOp::create(b.ops(), pair, factor));
    word = LLVM::BitcastOp::create(b.ops(), word.getType(), product);
  }
}

void MatrixEmitter::multiplyStage(Value step, Value stage, MutableArrayRef<Value> sums) {
  Value lane = w.rem(thread, 32);
  auto [warpRow, warpColumn, warpDepth] = warpPlace();
  // ldmatrix: lane l gives the address of row l % 8 of matrix l / 8.
  Value matrix = w.div(lane, 8), rowOfMatrix = w.rem(lane, 8);
  Value low = w.rem(matrix, 2), high = w.div(matrix, 2);
  Value leftRow = w.add(warpRow, w.add(w.mul(low, 8), rowOfMatrix)), rightRow = w.add(warpColumn, w.add(w.mul(high, 8), rowOfMatrix));
  Value leftAt = w.add(stage, w.mul(leftRow, kRowBytes)), rightAt = w.add(w.add(stage, w.mul(rightRow, kRowBytes)), s.tileRows * kRowBytes);
  auto chunkAt = [&](Value half, Value k) { return w.mul(w.bitXor(w.add(half, w.mul(k, 2)), rowOfMatrix), kChunk * 2); };
  for (int64_t first = 0; first < MatrixSchedule::kStep / kFragmentDepth; first += s.warpDepth) {
    SmallVector<Warp::Fragment> lefts, rights;
    Value k = w.add(warpDepth, first);
    Value leftChunk = chunkAt(high, k), rightChunk = chunkAt(low, k);
    for (int64_t m = 0; m < fragmentsDown; ++m)
      lefts.push_back(left && left->isAcross() ? left->fragment(stage, warpRow, m * kFragmentRows, k, /*isRight=*/false)
                                               : w.loadMatrices(w.add(w.add(leftAt, leftChunk), m * kFragmentRows * kRowBytes)));
    if (lhs.isScaled()) {
      // A thread's pairs along the depth, of pairs eight elements apart, are the same in all rows.
      Value element = w.add(w.add(w.mul(step, MatrixSchedule::kStep), w.mul(k, kFragmentDepth)), w.mul(w.rem(lane, 4), 2));
      Value low = w.loadWordIf(w.below(element, w.i32(p.depth)), w.add(scaleAt(), w.mul(element, 2)));
      Value high = w.loadWordIf(w.below(w.add(element, 8), w.i32(p.depth)), w.add(scaleAt(), w.mul(w.add(element, 8), 2)));
      for (Warp::Fragment &fragment : lefts)
        scaleWords(fragment, {low, low, high, high});
    }
    for (int64_t n = 0; n < fragmentsAcross; n += 2) {
      Warp::Fragment both = right && right->isAcross() ? right->fragment(stage, warpColumn, n * kFragmentColumns, k, /*isRight=*/true)
                                                       : w.loadMatrices(w.add(w.add(rightAt, rightChunk), n * kFragmentColumns * kRowBytes));
      rights.push_back({both[0], both[1]});
      rights.push_back({both[2], both[3]});
    }
    multiplyAllOf(lefts, rights, sums);
  }
}

void MatrixEmitter::multiplyAllOf(MutableArrayRef<Warp::Fragment> lefts, MutableArrayRef<Warp::Fragment> rights, MutableArrayRef<Value> sums) {
  SmallVector<Warp::Fragment> leftRests, rightRests;
  if (p.inParts) { // (a + a') (b + b'), less a' b', which is too small to matter
    leftRests = llvm::map_to_vector(lefts, [&](Warp::Fragment &words) { return w.splitFull(words); });
    rightRests = llvm::map_to_vector(rights, [&](Warp::Fragment &words) { return w.splitFull(words); });
  } else if (p.ofRun && p.isFull()) { // weights were rounded at compile time, for what is cut off of lhs
    for (MutableArrayRef<Warp::Fragment> fragments : {lefts, rights})
      for (Warp::Fragment &words : fragments)
        words = w.roundFull(words);
  }
  for (int64_t m = 0; m < fragmentsDown; ++m)
    for (int64_t n = 0; n < fragmentsAcross; ++n) {
      MutableArrayRef<Value> own = sums.slice((m * fragmentsAcross + n) * 4, 4);
      if (p.inParts) {
        w.multiply(p.factors, leftRests[m], rights[n], own);
        w.multiply(p.factors, lefts[m], rightRests[n], own);
      }
      w.multiply(p.factors, lefts[m], rights[n], own);
    }
}

/// The sums to shared memory, from where the epilogue reads eight of a row at a time.
void MatrixEmitter::writeSums(ValueRange sums) {
  bool isSent = s.splits > 1 && s.warpDepth == 1; // straight to the blocks that finish them
  if (isSent)
    w.waitForCluster();
  Value lane = w.rem(thread, 32);
  WarpPlace place = warpPlace();
  Value row = w.add(place.row, w.div(lane, 4)), column = w.add(place.column, w.mul(w.rem(lane, 4), 2));
  Value at = w.add(w.add(shared, w.mul(place.depth, s.sumsBytes())), w.mul(w.add(w.mul(row, s.sumsPitch()), column), 4));
  for (int64_t m = 0; m < fragmentsDown; ++m)
    for (int64_t half = 0; half < 2; ++half) {
      int64_t below = m * kFragmentRows + half * 8;
      Value start = isSent ? placeInCluster(w.add(row, below), column) : w.add(at, below * s.sumsPitch() * 4);
      for (int64_t n = 0; n < fragmentsAcross; ++n) {
        int64_t first = (m * fragmentsAcross + n) * 4 + half * 2;
        Value pair = vector::FromElementsOp::create(b.ops(), VectorType::get({2}, p.sum()), ValueRange{sums[first], sums[first + 1]});
        Value to = w.add(start, n * kFragmentColumns * 4);
        isSent ? w.storePeer(to, pair) : w.store(to, pair);
      }
    }
  isSent ? w.clusterBarrier() : w.barrier();
  if (s.splits > 1 && !isSent)
    sendSums();
}

/// Where the block that finishes a row keeps what this block has of it.
Value MatrixEmitter::placeInCluster(Value row, Value column) {
  Value ofBlock = w.add(w.rem(row, s.rowsOfBlock()), w.mul(rank, s.rowsOfBlock()));
  Value own = w.add(w.add(shared, s.receivedAt()), w.mul(w.add(w.mul(ofBlock, s.sumsPitch()), column), 4));
  return w.peer(own, w.div(row, s.rowsOfBlock()));
}

/// Adds up what the warps that share the depth have, and sends it to the blocks that finish it.
void MatrixEmitter::sendSums() {
  w.waitForCluster();
  int64_t chunks = s.tileColumns / kChunk, units = s.tileRows * chunks;
  for (int64_t first = 0; first < units; first += s.threads()) {
    Value unit = w.add(thread, first);
    where(b, withinTile(w, unit, first, s.threads(), units), [&] {
      Value row = w.div(unit, chunks), column = w.mul(w.rem(unit, chunks), kChunk);
      auto [low, high] = addParts(w.add(shared, w.mul(w.add(w.mul(row, s.sumsPitch()), column), 4)), s.warpDepth, s.sumsBytes());
      Value to = placeInCluster(row, column);
      w.storePeer(to, low);
      w.storePeer(w.add(to, 16), high);
    });
  }
  w.clusterBarrier();
}

/// Eight neighbouring sums, added up over `parts` that lie `distance` bytes apart, as two vectors of four.
std::pair<Value, Value> MatrixEmitter::addParts(Value address, int64_t parts, int64_t distance) {
  Value low = w.loadSums(address, p.factors), high = w.loadSums(w.add(address, 16), p.factors);
  for (int64_t part = 1; part < parts; ++part) {
    Value at = w.add(address, part * distance);
    low = addSums(b, low, w.loadSums(at, p.factors));
    high = addSums(b, high, w.loadSums(w.add(at, 16), p.factors));
  }
  return {low, high};
}

/// Eight sums of a row that this block finishes, added up over the blocks of the cluster, or over the warps that share the depth.
Value MatrixEmitter::readSums(Value row, Value column) {
  bool isShared = s.splits > 1;
  Value address = w.add(shared, w.mul(w.add(w.mul(row, s.sumsPitch()), column), 4));
  auto [low, high] = isShared ? addParts(w.add(address, s.receivedAt()), s.splits, s.rowsOfBlock() * s.sumsPitch() * 4)
                              : addParts(address, s.warpDepth, s.sumsBytes());
  SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(0, kChunk));
  return vector::ShuffleOp::create(b.ops(), low, high, order);
}

/// Eight columns of a row that this thread finishes, and where they are in the result. Each block of a cluster finishes some of the rows.
MatrixEmitter::Unit MatrixEmitter::unitOf(Value unit, bool clamped) {
  int64_t chunks = s.tileColumns / kChunk;
  Unit u;
  u.row = w.div(unit, chunks);
  u.column = w.mul(w.rem(unit, chunks), kChunk);
  Index at = b.add(firstRow, w.wide(w.add(w.mul(rank, s.rowsOfBlock()), u.row))), n = b.add(firstColumn, w.wide(u.column));
  u.inside = arith::AndIOp::create(b.ops(), b.lessThan(at, rowEnd()), b.lessThan(n, p.columns));
  if (clamped) {
    at = b.min(at, b.sub(rowEnd(), 1));
    n = b.min(n, p.columns - kChunk);
  }
  u.position = positionOfRow(b, p.contraction, at);
  u.position.back() = b.mul(b.div(n, kChunk), kChunk); // a multiple of a chunk, as the alignment of loads and stores sees
  return u;
}

KernelBuilder::Values MatrixEmitter::finishUnit(const Unit &u, int64_t number) {
  const cpu::ContractionProblem &c = p.contraction;
  Value sums = readSums(u.row, u.column);
  Index n = u.position.back();
  Value mask = p.columns % kChunk ? b.tailMask(b.sub(p.columns, n), kChunk) : Value();
  if (columnBias) {
    sums = addSums(b, sums, columnBias);
  } else if (c.bias) {
    Tensor bias = b.tensorOf(c.bias);
    Value added = b.loadStrided(bias, b.at(bias, {n}), bias.strides[0], kChunk, mask);
    sums = addSums(b, sums, b.convert(added, p.sum()));
  }
  provideRowValues(u.row);
  provideResiduals(number);
  KernelBuilder::Values parts;
  epilogue.store(sums, u.position, mask, {}, [&](nn::ReduceKind kind, Value lanes) {
    parts.push_back(b.reduceAdd(kind == nn::ReduceKind::SumSquare ? arith::MulFOp::create(b.ops(), lanes, lanes).getResult() : lanes));
  });
  return parts;
}

void MatrixEmitter::finish() {
  ArrayRef<unsigned> results = epilogue.rowSums();
  auto one = [&](Value unit, int64_t number) {
    Unit u = unitOf(unit);
    if (results.empty())
      return b.ifThen(u.inside, [&] { finishUnit(u, number); });
    Value zero = b.constant(0, b.ops().getF32Type());
    SmallVector<Type> types(results.size(), zero.getType());
    auto parts = b.ifElse(u.inside, types, [&] { return finishUnit(u, number); }, [&] { return KernelBuilder::Values(results.size(), zero); });
    for (auto [result, part] : llvm::zip_equal(results, parts))
      storeRowSum(result, part, u);
  };
  int64_t units = s.rowsOfBlock() * (s.tileColumns / kChunk);
  for (int64_t first = 0; first < units; first += s.threads()) {
    Value unit = w.add(thread, first);
    where(b, withinTile(w, unit, first, s.threads(), units), [&] { one(unit, first / s.threads()); });
  }
}

} // namespace tenon::gpu
