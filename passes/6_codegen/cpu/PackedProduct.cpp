// The kernel of a product whose weights have four or eight bits. A tile of 32 columns takes 16 or 32 bytes for each k, an eighth or a quarter of what f32 weights take: for few rows unpacking them
// costs less than those would take to arrive. For many rows a tile is unpacked once, into the workspace.
#include "passes/6_codegen/cpu/PackedProduct.h"
#include "dialects/nn/PackedWeights.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/6_codegen/cpu/ContractionEmitter.h"

namespace tenon::cpu {
using namespace mlir;
using Values = KernelBuilder::Values;
using nn::kHalfTile;
using nn::kTileColumns;

namespace {

std::optional<nn::PackedWeights> weightsOf(const ContractionProblem &p) {
  auto product = dyn_cast<nn::MatMulOp>(p.anchor);
  return product && !product.getTransposeRhs() ? nn::PackedWeights::of(product.getRhs()) : std::nullopt;
}

/// The argument behind one of the constants; null for a number inside the kernel.
BlockArgument argumentOf(Value constant) {
  if (auto unpack = constant.getDefiningOp<kernel::UnpackOp>())
    return dyn_cast<BlockArgument>(unpack.getPacked());
  return dyn_cast<BlockArgument>(constant);
}

/// Rows of a register tile that unpacks all columns of a tile: as many as leave room for the weights and their scales.
int64_t rowsOfTile(const Target &target) {
  int64_t lanes = target.lanes(32);
  constexpr int64_t kWide = 16, kMany = 10, kFew = 3, kOne = 1;
  return lanes >= kWide ? kMany : lanes * 2 >= kWide ? kFew : kOne;
}
/// The same where weights are unpacked already: two vectors of columns at once.
constexpr int64_t kStagedVectors = 2;
int64_t stagedRowsOfTile(const Target &target) {
  constexpr int64_t kWide = 16, kMany = 12, kUsual = 6;
  return target.lanes(32) >= kWide ? kMany : kUsual;
}

nn::Dim rowsOf(const ContractionProblem &p) { return nn::product(p.anchor->getContext(), ArrayRef(p.extents).drop_back()); }
/// So many rows take weights as they are read; more of them read what was unpacked before.
int64_t fewRows(const Target &target) { return 2 * rowsOfTile(target); }
bool mayStage(const ContractionProblem &p, const Target &target) { return rowsOf(p).asConstant().value_or(INT64_MAX) > fewRows(target); }
int64_t stagedNumbers(const nn::PackedWeights &w) { return w.depth() * kTileColumns; }

/// [blocks, size, tiles, 2, 16] with the tiles first.
kernel::PackingAttr tilesFirst(Value constant) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(constant.getType()).getShape();
  return kernel::PackingAttr::get(constant.getContext(), shape, shape, {2, 0, 1, 3, 4});
}

class PackedEmitter {
public:
  PackedEmitter(KernelBuilder &b, const ContractionProblem &p, const nn::PackedWeights &w)
      : b(b), p(p), w(w), lanes(b.target().lanes(32)), allVectors(kTileColumns / lanes), lhs(b.tensorOf(p.lhs)), codes(packed(w.codes)), scales(packed(w.scales)),
        epilogue(b, p.result), groups(p.rowGroups(/*lhsInPlace=*/true)), f32(b.ops().getF32Type()), vector(VectorType::get({lanes}, f32)) {
    if (argumentOf(w.zeroPoints))
      zeroPoints = packed(w.zeroPoints);
    if (mayStage(p, b.target()))
      staged = b.workspace(f32, 0, {stagedNumbers(w)});
  }

  void emit() {
    auto [first, end] = b.share(w.tiles, b.tasks(), b.task());
    b.loop(first, end, 1, [&](Index tile) {
      if (!staged)
        return allRows(tile, false);
      auto unpackFirst = [&] {
        stage(tile);
        allRows(tile, true);
      };
      if (rowsOf(p).isConstant())
        return unpackFirst();
      b.ifThen(b.lessThan(fewRows(b.target()), b.dim(rowsOf(p))), unpackFirst, [&] { allRows(tile, false); });
    });
  }

private:
  void allRows(Index tile, bool isStaged) {
    readsStaged = isStaged;
    vectors = isStaged ? std::min(kStagedVectors, allVectors) : allVectors;
    for (firstVector = 0; firstVector < allVectors; firstVector += vectors) {
      SmallVector<Index> rows(p.rowAxes(), 0);
      outer(0, rows, tile);
    }
  }

  /// A tile's weights in f32, [depth][32].
  void stage(Index tile) {
    firstVector = 0, vectors = allVectors;
    b.loop(0, w.blocks, 1, [&](Index block) {
      auto [scale, shift] = scalesOf(tile, block);
      b.loop(0, w.size, 1, [&, &scale = scale, &shift = shift](Index k) {
        Index depth = b.add(b.mul(block, w.size), k);
        for (auto [v, weights] : llvm::enumerate(unpacked(byteOf(tile, depth), scale, shift)))
          b.store(weights, *staged, b.add(b.mul(depth, kTileColumns), v * lanes));
      });
    });
  }

  Tensor packed(Value constant) { return b.tensorOf(constant.getDefiningOp<kernel::UnpackOp>().getPacked()); }

  /// The axes of rows outside of the tiles.
  void outer(size_t group, SmallVector<Index> &rows, Index tile) {
    if (group + 1 == groups.size())
      return tilesOfRows(rows, tile);
    b.loop(0, b.dim(groups[group].extent), 1, [&](Index row) {
      rows[groups[group].carrier] = row;
      outer(group + 1, rows, tile);
    });
  }

  void tilesOfRows(const SmallVector<Index> &rows, Index tile) {
    Index total = b.dim(groups.back().extent);
    int64_t most = readsStaged ? stagedRowsOfTile(b.target()) : rowsOfTile(b.target());
    forRowTiles(b, total, most, 0, b.div(b.add(total, most - 1), most), [&](Index first, int64_t count, Index) {
      SmallVector<SmallVector<Index>> positions(count, rows);
      for (int64_t r = 0; r < count; ++r)
        positions[r][groups.back().carrier] = b.add(first, r);
      product(positions, tile);
    });
  }

  Index lhsOffset(ArrayRef<Index> rows) {
    Index offset = lhs.offset;
    for (auto [axis, info] : llvm::enumerate(p.lhsAxes))
      if (info.rowAxis >= 0)
        offset = b.add(offset, b.mul(rows[info.rowAxis], lhs.strides[axis]));
    return offset;
  }

  void product(ArrayRef<SmallVector<Index>> positions, Index tile) {
    int64_t count = positions.size();
    // Sums of few rows are split between even and odd k, to hide the latency of the multiply-add.
    constexpr int64_t kEnoughSums = 8;
    int64_t splits = count * vectors < kEnoughSums ? 2 : 1;
    SmallVector<Index> bases;
    for (const SmallVector<Index> &rows : positions)
      bases.push_back(lhsOffset(rows));
    Values init = initial(tile, count);
    init.resize(splits * count * vectors, b.constant(0, vector));
    Values sums = b.loop(0, w.blocks, 1, init, [&](Index block, ValueRange carried) { return sumBlock(bases, tile, block, splits, carried); });
    for (int64_t i = 0; splits > 1 && i < count * vectors; ++i)
      sums[i] = arith::AddFOp::create(b.ops(), sums[i], sums[count * vectors + i]);
    store(positions, tile, sums);
  }

  /// The products of one block of k, whose columns have one scale each.
  Values sumBlock(ArrayRef<Index> bases, Index tile, Index block, int64_t splits, ValueRange carried) {
    Values scale, shift;
    if (!readsStaged)
      std::tie(scale, shift) = scalesOf(tile, block);
    Index firstDepth = b.mul(block, w.size);
    constexpr int64_t kUnrolled = 2; // blocks have an even number of k
    return b.loop(0, w.size, kUnrolled, carried, [&](Index k, ValueRange in) {
      Values sums(in);
      for (int64_t u = 0; u < kUnrolled; ++u) {
        Index depth = b.sum(firstDepth, k, u);
        Values weights = readsStaged ? loadStaged(depth) : unpacked(byteOf(tile, depth), scale, shift);
        int64_t first = u % splits * bases.size() * vectors;
        for (size_t r = 0; r < bases.size(); ++r) {
          Value x = b.broadcastLoad(lhs, b.add(bases[r], b.mul(depth, lhs.strides[p.lhsChannel])), lanes);
          for (int64_t v = 0; v < vectors; ++v) {
            Value &sum = sums[first + r * vectors + v];
            sum = b.fma(x, weights[v], sum);
          }
          if (bases.size() > 1)
            b.keepMemoryOrder(); // as in ContractionTile.cpp: loads ahead would spill sums
        }
      }
      return sums;
    });
  }

  /// A block's scales, and its zero points times those.
  std::pair<Values, Values> scalesOf(Index tile, Index block) {
    Index column = b.mul(b.add(b.mul(tile, w.blocks), block), kTileColumns);
    std::pair<Values, Values> both;
    for (int64_t v = 0; v < vectors; ++v) {
      Value scale = b.load(scales, b.add(column, v * lanes), lanes);
      Value zero = argumentOf(w.zeroPoints) ? b.load(zeroPoints, b.add(column, v * lanes), lanes) : b.constant(*zeroPointOfAll(w), vector);
      both.first.push_back(scale);
      both.second.push_back(arith::NegFOp::create(b.ops(), arith::MulFOp::create(b.ops(), zero, scale)));
    }
    return both;
  }

  Index byteOf(Index tile, Index depth) { return b.mul(b.add(b.mul(tile, w.depth()), depth), w.tileBytes()); }

  Values loadStaged(Index depth) {
    Values weights;
    for (int64_t v = 0; v < vectors; ++v)
      weights.push_back(b.load(*staged, b.add(b.mul(depth, kTileColumns), (firstVector + v) * lanes), lanes));
    return weights;
  }

  /// The weights of 32 columns for one k: (code - zero point) * scale, rounded once.
  Values unpacked(Index byte, ArrayRef<Value> scale, ArrayRef<Value> shift) {
    auto integers = VectorType::get({lanes}, b.ops().getI32Type());
    int64_t halves = kHalfTile / lanes;
    Values weights(vectors);
    auto wideAt = [&](int64_t vector) -> Value { return arith::ExtUIOp::create(b.ops(), integers, b.load(codes, b.add(byte, vector * lanes), lanes)); };
    constexpr int64_t kWhole = 8; // bits
    for (int64_t v = 0; w.bits == kWhole && v < vectors; ++v)
      weights[v] = wideAt(v);
    for (int64_t h = 0; w.bits != kWhole && h < halves; ++h) {
      Value wide = wideAt(h);
      Value low = arith::AndIOp::create(b.ops(), wide, b.integer(15, integers)), high = arith::ShRUIOp::create(b.ops(), wide, b.integer(4, integers));
      weights[h] = low, weights[halves + h] = high;
    }
    for (int64_t v = 0; v < vectors; ++v)
      weights[v] = b.fma(arith::SIToFPOp::create(b.ops(), vector, weights[v]), scale[v], shift[v]);
    return weights;
  }

  Value maskOf(Index tile, int64_t v) {
    return w.columns % kTileColumns ? b.tailMask(b.min(b.max(b.sub(w.columns, columnOf(tile, v)), 0), lanes), lanes) : Value();
  }
  Index columnOf(Index tile, int64_t v) { return b.add(b.mul(tile, kTileColumns), (firstVector + v) * lanes); }

  Values initial(Index tile, int64_t count) {
    Values row(vectors, b.constant(0, vector));
    for (int64_t v = 0; p.bias && v < vectors; ++v) {
      Tensor bias = b.tensorOf(p.bias);
      Index at = b.at(bias, {columnOf(tile, v)});
      Value mask = maskOf(tile, v);
      row[v] = b.convert(mask ? b.loadMasked(bias, at, lanes, mask) : b.load(bias, at, lanes), f32);
    }
    Values all;
    for (int64_t r = 0; r < count; ++r)
      all.append(row);
    return all;
  }

  void store(ArrayRef<SmallVector<Index>> positions, Index tile, ArrayRef<Value> sums) {
    for (int64_t v = 0; v < vectors; ++v) {
      auto column = [&] {
        for (auto [r, rows] : llvm::enumerate(positions)) {
          SmallVector<Index> position = rows;
          position.push_back(columnOf(tile, v));
          epilogue.store(sums[r * vectors + v], position, maskOf(tile, v));
        }
      };
      if (w.columns % kTileColumns == 0)
        column();
      else
        b.ifThen(b.lessThan(columnOf(tile, v), w.columns), column);
    }
  }

public:
  /// The number that all zero points are; none where they are an argument.
  static std::optional<double> zeroPointOfAll(const nn::PackedWeights &w) {
    auto constant = w.zeroPoints.getDefiningOp<nn::ConstantOp>();
    auto dense = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
    return dense && dense.getNumElements() == 1 && dense.getElementType().isF32() ? std::optional(double(*dense.value_begin<float>())) : std::nullopt;
  }

private:
  KernelBuilder &b;
  const ContractionProblem &p;
  const nn::PackedWeights &w;
  int lanes;
  int64_t allVectors;                         // of a tile's columns
  int64_t firstVector = 0, vectors = allVectors; // those of what is emitted now
  Tensor lhs, codes, scales, zeroPoints;
  std::optional<Tensor> staged; // where there may be many rows
  bool readsStaged = false;     // whether what is emitted now does
  Epilogue epilogue;
  SmallVector<RowGroup> groups;
  Type f32;
  VectorType vector;
};

class PackedProductFamily final : public KernelFamily {
public:
  StringRef name() const override { return "packed_product"; }

  bool matches(kernel::FuncOp func, const Target &target) const override {
    std::optional<ContractionProblem> p = ContractionProblem::of(func);
    std::optional<nn::PackedWeights> w = p ? weightsOf(*p) : std::nullopt;
    if (!w || kHalfTile % target.lanes(32) != 0 || w->size % 2 != 0 || !Epilogue::matches(p->result) || !isa<BlockArgument>(kernel::viewOf(p->lhs).source))
      return false;
    auto isConstant = [&](Value value) {
      BlockArgument argument = argumentOf(value);
      return argument && func.getArgAttr(argument.getArgNumber(), "kernel.constant");
    };
    if (p->bias && !isa<BlockArgument>(kernel::viewOf(p->bias).source))
      return false;
    bool isF32 = llvm::all_of(ArrayRef<Value>{p->lhs, p->result}, [](Value value) { return cast<RankedTensorType>(value.getType()).getElementType().isF32(); });
    return isF32 && isConstant(w->codes) && isConstant(w->scales) && (isConstant(w->zeroPoints) || PackedEmitter::zeroPointOfAll(*w));
  }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    out.push_back(kernel::ScheduleAttr::get(func.getContext(), name(), {{"tasks", int64_t(target.cores) * 2}}));
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const override {
    ContractionProblem p = *ContractionProblem::of(func);
    nn::PackedWeights w = *weightsOf(p);
    KernelPlan plan;
    plan.tasks = nn::Dim::constant(func.getContext(), std::clamp<int64_t>(schedule.get("tasks", 1), 1, std::max<int64_t>(w.tiles, 1)));
    constexpr int64_t kFloatBytes = 4;
    if (mayStage(p, target))
      plan.workspaceBytes = stagedNumbers(w) * kFloatBytes;
    for (Value constant : {w.codes, w.scales, w.zeroPoints})
      if (BlockArgument argument = argumentOf(constant); argument && !constant.getDefiningOp())
        plan.packings.push_back({argument.getArgNumber(), tilesFirst(constant)});
    for (unsigned i = 0; i < func.getNumResults(); ++i)
      plan.overwrites.push_back(func.getNumResults() == 1 ? p.overwritten() : -1);
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr, KernelBuilder &builder) const override {
    std::optional<ContractionProblem> p = ContractionProblem::of(func);
    std::optional<nn::PackedWeights> w = p ? weightsOf(*p) : std::nullopt;
    if (!w)
      return func.emitError("the family packed_product computes one nn.matmul with packed weights");
    for (Value constant : {w->codes, w->scales, w->zeroPoints})
      if (argumentOf(constant) && (!constant.getDefiningOp<kernel::UnpackOp>() || constant.getDefiningOp<kernel::UnpackOp>().getPacking() != tilesFirst(constant)))
        return func.emitError("packed weights are read with their tiles outermost");
    PackedEmitter(builder, *p, *w).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override {
    ContractionProblem p = *ContractionProblem::of(func);
    return nn::product(func.getContext(), p.extents) * p.depth * 2;
  }
};
} // namespace

const KernelFamily &packedProductFamily() {
  static const PackedProductFamily family;
  return family;
}

} // namespace tenon::cpu
