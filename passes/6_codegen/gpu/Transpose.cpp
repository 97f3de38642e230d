// Tensors whose innermost axis changes: a block moves a tile of the axis that is read in a row and of the one that is written in a row, through shared
// memory, so that both sides are 16 bytes wide. The rows of a tile are an odd number of words apart there: a thread that gathers a column meets every
// bank once.
#include "passes/6_codegen/gpu/Transpose.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/Loops.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kThreads = 128, kAccessBytes = 16, kWordBytes = 4;

/// A transpose as this family sees it. `source` and `target` are axes of the result: neighbours in memory that is read, and in memory that is written.
struct TransposeProblem {
  nn::TransposeOp op;
  int source = 0, target = 0;
  int64_t lanes = 0;          // of an access
  int64_t sources = 0, targets = 0; // of a tile

  static std::optional<TransposeProblem> of(kernel::FuncOp func);
  Type element() const { return cast<RankedTensorType>(nn::TransposeOp(op).getInput().getType()).getElementType(); }
  int64_t pitch() const { // bytes from one row of the tile, of neighbours as they are read, to the next
    int64_t words = sources * nn::elementBytes(element()) / kWordBytes;
    return (words | 1) * kWordBytes;
  }
  int64_t sharedBytes() const { return targets * pitch(); }
  SmallVector<nn::Dim> dims() const { return nn::dimsOf(nn::TransposeOp(op).getResult().getType()); }
  /// Tiles along each axis of the result.
  SmallVector<nn::Dim> tiles() const {
    SmallVector<nn::Dim> result = dims();
    result[source] = result[source].ceilDiv(sources);
    result[target] = result[target].ceilDiv(targets);
    return result;
  }
};

std::optional<TransposeProblem> TransposeProblem::of(kernel::FuncOp func) {
  TransposeProblem p;
  for (Operation &op : func.getBody().front().without_terminator()) {
    auto transpose = dyn_cast<nn::TransposeOp>(op);
    if (transpose && p.op)
      return std::nullopt;
    p.op = transpose ? transpose : p.op;
  }
  if (!p.op || !isa<BlockArgument>(p.op.getInput()) || !cpu::Epilogue::matches(p.op.getResult()) || !cpu::canCompute(func))
    return std::nullopt;
  int64_t bytes = nn::elementBytes(p.element());
  bool isFloat = p.element().isF16() || p.element().isBF16() || p.element().isF32();
  if (!isFloat)
    return std::nullopt;
  SmallVector<nn::Dim> dims = p.dims();
  p.target = int(dims.size()) - 1;
  auto perm = p.op.getPerm();
  p.source = int(llvm::find(perm, int64_t(dims.size()) - 1) - perm.begin());
  p.lanes = kAccessBytes / bytes;
  auto sources = dims[p.source].asConstant(), targets = dims[p.target].asConstant();
  constexpr int64_t kTile = 64, kWidest = 96, kLeastTargets = 32; // narrower ones have no use for a tile
  if (p.source == p.target || !sources || !targets || *sources % p.lanes || *targets % p.lanes || *targets < kLeastTargets)
    return std::nullopt;
  p.sources = *sources <= kWidest ? *sources : kTile;
  p.targets = kTile;
  return p;
}

class TransposeEmitter {
public:
  TransposeEmitter(KernelBuilder &b, const TransposeProblem &p) : b(b), w(b), ops(b.ops()), p(p), bytes(nn::elementBytes(p.element())) {}

  void emit() {
    nn::TransposeOp op = p.op;
    thread = w.thread();
    shared = w.shared();
    SmallVector<nn::Dim> dims = p.dims(), tiles = p.tiles();
    first.resize(dims.size());
    Index rest = b.task();
    for (int axis = int(dims.size()) - 1; axis >= 0; --axis) {
      first[axis] = axis ? b.rem(rest, b.dim(tiles[axis])) : rest;
      rest = axis ? b.div(rest, b.dim(tiles[axis])) : rest;
    }
    first[p.source] = b.mul(first[p.source], p.sources);
    first[p.target] = b.mul(first[p.target], p.targets);
    Tensor memory = b.tensorOf(op.getInput());
    loadTile(memory);
    w.barrier();
    cpu::Epilogue epilogue(b, op.getResult());
    forUnits(p.sources, p.targets / p.lanes, [&](Value source, Value chunk) { store(epilogue, source, chunk); });
  }

private:
  /// Emits `body` for every pair below `rows` and `chunks`, neighbouring threads having neighbouring chunks.
  void forUnits(int64_t rows, int64_t chunks, llvm::function_ref<void(Value, Value)> body) {
    for (int64_t at = 0; at < rows * chunks; at += kThreads) {
      Value unit = w.add(thread, at);
      auto one = [&] { body(w.div(unit, chunks), w.rem(unit, chunks)); };
      at + kThreads <= rows * chunks ? one() : b.ifThen(w.below(unit, w.i32(rows * chunks)), one);
    }
  }

  /// The position of a tile's element; and whether it is one of the result.
  std::pair<SmallVector<Index>, Value> positionOf(Index source, Index target) {
    SmallVector<Index> position(first);
    position[p.source] = b.add(first[p.source], source);
    position[p.target] = b.add(first[p.target], target);
    SmallVector<nn::Dim> dims = p.dims();
    Value inside = arith::AndIOp::create(ops, b.lessThan(position[p.source], b.dim(dims[p.source])), b.lessThan(position[p.target], b.dim(dims[p.target])));
    return {position, inside};
  }

  /// All loads are on their way before the first is used. Those beyond the tensor, or beyond the tile, read its first elements, which nothing reads.
  void loadTile(const Tensor &memory) {
    struct Chunk {
      Value ofTile, to, words; // ofTile: i1, or null where all are
    };
    int64_t chunks = p.sources / p.lanes, all = p.targets * chunks;
    SmallVector<Chunk> loaded;
    for (int64_t at = 0; at < all; at += kThreads) {
      Chunk &own = loaded.emplace_back();
      Value unit = w.add(thread, at);
      if (at + kThreads > all) {
        own.ofTile = w.below(unit, w.i32(all));
        unit = w.select(own.ofTile, unit, w.i32(0));
      }
      Value target = w.div(unit, chunks), chunk = w.rem(unit, chunks);
      own.to = w.add(shared, w.add(w.mul(target, p.pitch()), w.mul(chunk, kAccessBytes)));
      own.words = load(memory, target, chunk);
    }
    for (const Chunk &own : loaded) {
      auto write = [&] {
        for (int64_t word = 0; word < kAccessBytes / kWordBytes; ++word)
          w.store(w.add(own.to, word * kWordBytes), vector::FromElementsOp::create(ops, VectorType::get({1}, ops.getI32Type()), b.extractLane(own.words, int(word))));
      };
      own.ofTile ? b.ifThen(own.ofTile, write) : write();
    }
  }

  Value load(const Tensor &memory, Value target, Value chunk) {
    auto [position, inside] = positionOf(b.mul(w.wide(chunk), p.lanes), w.wide(target));
    for (int axis : {p.source, p.target})
      position[axis] = b.select(inside, position[axis], Index(0));
    nn::TransposeOp op = p.op;
    SmallVector<Index> at(position.size());
    for (auto [axis, from] : llvm::enumerate(op.getPerm()))
      at[from] = position[axis];
    // A multiple of the lanes, as the alignment of loads sees.
    at.back() = b.mul(b.div(at.back(), p.lanes), p.lanes);
    return LLVM::BitcastOp::create(ops, VectorType::get({kAccessBytes / kWordBytes}, ops.getI32Type()), b.load(memory, b.at(memory, at), int(p.lanes)));
  }

  void store(cpu::Epilogue &epilogue, Value source, Value chunk) {
    auto [position, inside] = positionOf(w.wide(source), b.mul(w.wide(chunk), p.lanes));
    b.ifThen(inside, [&, &position = position] {
      Value from = w.add(shared, w.add(w.mul(chunk, p.lanes * p.pitch()), w.mul(source, bytes)));
      SmallVector<Value> elements;
      for (int64_t lane = 0; lane < p.lanes; ++lane)
        elements.push_back(w.loadElement(w.add(from, lane * p.pitch()), p.element()));
      Value vector = vector::FromElementsOp::create(ops, VectorType::get({p.lanes}, p.element()), elements);
      epilogue.store(b.convert(vector, cpu::computeType(p.element())), position);
    });
  }

  KernelBuilder &b;
  Warp w;
  ImplicitLocOpBuilder &ops;
  const TransposeProblem &p;
  int64_t bytes;
  Value thread, shared;
  SmallVector<Index> first; // of the tile, by axis of the result
};

class TransposeFamily final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.transpose"; }
  bool matches(kernel::FuncOp func, const Target &) const override { return TransposeProblem::of(func).has_value(); }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr, const Target &) const override {
    TransposeProblem p = *TransposeProblem::of(func);
    KernelPlan plan;
    plan.tasks = nn::product(func.getContext(), p.tiles());
    plan.overwrites.assign(func.getNumResults(), -1);
    plan.block = {int(kThreads), 1, int(p.sharedBytes())};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr, KernelBuilder &builder) const override {
    std::optional<TransposeProblem> p = TransposeProblem::of(func);
    if (!p)
      return func.emitError("the transpose family computes one nn.transpose of an argument that changes the innermost axis");
    TransposeEmitter(builder, *p).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override { return cpu::loopsFamily().operations(func); }
};
} // namespace

const KernelFamily &transposeFamily() {
  static const TransposeFamily family;
  return family;
}

} // namespace tenon::gpu
