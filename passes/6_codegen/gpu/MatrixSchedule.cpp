#include "passes/6_codegen/gpu/MatrixSchedule.h"
#include "dialects/kernel/ProductMarks.h"
#include "mlir/IR/TypeUtilities.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/gpu/MatrixCost.h"
#include "passes/6_codegen/gpu/MatrixResident.h"
#include "passes/6_codegen/gpu/MatrixTma.h"
#include "passes/6_codegen/gpu/TileLoader.h"

namespace tenon::gpu {
using namespace mlir;

MatrixSchedule MatrixSchedule::of(kernel::ScheduleAttr attr) {
  MatrixSchedule s;
  s.tileRows = attr.get("rows", s.tileRows);
  s.tileColumns = attr.get("columns", s.tileColumns);
  s.warpRows = attr.get("warp_rows", s.warpRows);
  s.warpColumns = attr.get("warp_columns", s.warpColumns);
  s.warpDepth = attr.get("warp_depth", s.warpDepth);
  s.stages = attr.get("stages", s.stages);
  s.splits = attr.get("splits", s.splits);
  s.direct = attr.get("direct", s.direct);
  s.groups = attr.get("groups", s.groups);
  s.round = attr.get("round", s.round);
  s.pipeline = attr.get("pipeline", s.pipeline);
  s.together = attr.get("together", s.together);
  s.resident = attr.get("resident", s.resident);
  s.teams = attr.get("teams", s.teams);
  s.tileWidth = attr.get("tile_width", s.tileWidth);
  s.tma = attr.get("tma", s.tma);
  return s;
}

kernel::ScheduleAttr MatrixSchedule::attr(MLIRContext *context) const {
  SmallVector<std::pair<StringRef, int64_t>> parameters{{"rows", tileRows},
                                                        {"columns", tileColumns},
                                                        {"warp_rows", warpRows},
                                                        {"warp_columns", warpColumns},
                                                        {"warp_depth", warpDepth},
                                                        {"stages", stages},
                                                        {"splits", splits},
                                                        {"direct", direct},
                                                        {"groups", groups},
                                                        {"round", round},
                                                        {"pipeline", pipeline},
                                                        {"together", together}};
  if (resident)
    parameters.append({{"resident", resident}, {"teams", teams}, {"tile_width", tileWidth}});
  if (tma)
    parameters.push_back({"tma", tma});
  return kernel::ScheduleAttr::get(context, "gpu.matrix", parameters);
}

int64_t MatrixSchedule::largestPiece(int64_t columns, int64_t most) {
  for (int64_t parts = 1;; ++parts)
    if (columns % (parts * kChunk) == 0 && columns / parts <= most)
      return columns / parts;
}

int64_t MatrixSchedule::pieceColumns() const {
  constexpr int64_t kWide = 192, kMostOfWide = 32; // where stages want the memory
  return largestPiece(tileColumns, tileColumns >= kWide || tma ? kMostOfWide : kMostPiece);
}

/// A gate, as of squeeze-and-excitation: `lhs` times one factor for each channel. Both are memory.
static void splitScale(MatrixProblem &p) {
  p.lhs = p.contraction.lhs;
  auto product = p.lhs.getDefiningOp<nn::MulOp>();
  bool isOneTap = p.contraction.tapCount() == 1 && p.paddedChannels == p.channels;
  if (!product || !isOneTap || p.isFull())
    return;
  auto isMemory = [](Value v) { return isa<BlockArgument>(kernel::viewOf(v).source); };
  auto dims = nn::dimsOf(product.getType());
  for (auto [full, factor] : {std::pair(product.getLhs(), product.getRhs()), std::pair(product.getRhs(), product.getLhs())}) {
    auto factors = nn::dimsOf(factor.getType());
    bool isOfChannels = !factors.empty() && factors.back() == dims.back() && llvm::all_of(ArrayRef(factors).drop_back(), [](nn::Dim d) { return d.isConstant(1); });
    bool isDense = isOfChannels && isMemory(factor) && kernel::viewOf(factor).strides.back().isConstant(1) && kernel::viewOf(factor).offset.isConstant(0);
    if (isDense && isMemory(full) && nn::dimsOf(full.getType()) == dims && factor.getType() != full.getType()) {
      p.lhs = full;
      p.scale = factor;
      return;
    }
  }
}

/// Two operands side by side, as of two 1x1 convolutions whose results are added: each is memory.
static void splitConcat(MatrixProblem &p) {
  p.parts = {p.lhs};
  auto concat = p.lhs.getDefiningOp<nn::ConcatOp>();
  bool isOneTap = p.contraction.tapCount() == 1 && p.paddedChannels == p.channels;
  if (!concat || !isOneTap || concat.getInputs().size() != 2 || int64_t(concat.getAxis()) != p.contraction.lhsChannel)
    return;
  auto isWhole = [](Value v) {
    auto channels = nn::dimsOf(v.getType()).back().asConstant();
    return isa<BlockArgument>(kernel::viewOf(v).source) && channels && *channels % MatrixSchedule::kChunk == 0;
  };
  if (llvm::all_of(concat.getInputs(), isWhole))
    p.parts.assign(concat.getInputs().begin(), concat.getInputs().end());
}

/// Whether both operands are matrices of a run that matrix units multiply faster than threads do one element each: not few numbers at a time.
static bool isOfRun(const MatrixProblem &p) {
  constexpr int64_t kLeastRows = 8, kLeastColumns = 8, kLeastDepth = 16;
  const cpu::ContractionProblem &c = p.contraction;
  if (!isa<nn::MatMulOp>(c.anchor) || c.unpacked() || p.isBytes() || !cpu::Prologue::matches(c.rhs))
    return false;
  int64_t rows = c.typical(p.rowsOfBatch());
  return (rows >= kLeastRows || !p.batchAxes) && *c.columns.asConstant() >= kLeastColumns && *c.depth.asConstant() >= kLeastDepth;
}

std::optional<MatrixProblem> MatrixProblem::of(kernel::FuncOp func, const Target &target) {
  constexpr int kFirst = 75, kFirstWithNarrow = 89;
  constexpr int64_t kNarrowTogether = 4; // elements that are gathered
  constexpr int64_t kGroupColumns = 16;  // two fragments, which ldmatrix loads
  if (target.computeCapability < kFirst)
    return std::nullopt;
  std::optional<cpu::ContractionProblem> contraction = cpu::ContractionProblem::of(func);
  if (!contraction)
    return std::nullopt;
  MatrixProblem p;
  p.contraction = *contraction;
  const cpu::ContractionProblem &c = p.contraction;
  auto elementOf = [](Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); };
  Type element = elementOf(c.rhs);
  auto depth = c.depth.asConstant(), columns = c.columns.asConstant();
  bool isMatrix = cast<RankedTensorType>(c.rhs.getType()).getRank() == 2 || !c.taps.empty();
  bool isFull = element.isF32() && elementOf(c.lhs) == element;
  bool isNarrow = isa<Float8E4M3FNType>(element) && elementOf(c.lhs) == element && depth && *depth % kNarrowTogether == 0;
  p.factors = c.dot > 1 ? Factors::Bytes : isNarrow ? Factors::E4M3 : isFull ? Factors::TF32 : isa<BFloat16Type>(element) ? Factors::BF16 : Factors::F16;
  p.inParts = isFull && !c.anchor->hasAttr(kernel::kTf32Attr);
  bool isHalf = isa<Float16Type, BFloat16Type>(element) && elementOf(c.lhs) == element;
  if (!(p.isBytes() || isFull || isHalf) || !depth || !columns)
    return std::nullopt;
  if (target.computeCapability < kFirstWithAsyncCopies && (isFull || p.factors == Factors::BF16))
    return std::nullopt;
  if (isNarrow && target.computeCapability < kFirstWithNarrow)
    return std::nullopt;
  bool isPackable = c.rhsConstant() && (c.unpacked() || c.rhsArgument());
  bool hasRows = llvm::any_of(c.rhsRows, [](int axis) { return axis >= 0; });
  std::optional<cpu::Epilogue::Program> program = cpu::Epilogue::programOf(c.result, /*rows=*/true);
  if (!program || !cpu::Prologue::matches(c.lhs))
    return std::nullopt;
  if (!isPackable || hasRows || !isMatrix) {
    for (auto [axis, ofRhs] : llvm::enumerate(c.rhsRows))
      p.batchAxes = ofRhs >= 0 ? int(axis) + 1 : p.batchAxes;
    p.ofRun = true;
    if (!isOfRun(p) || !program->sums.empty() || !program->rowValues.empty())
      return std::nullopt;
  }
  if (c.bias && !isa<BlockArgument>(kernel::viewOf(c.bias).source))
    return std::nullopt;
  p.columns = *columns;
  p.channels = p.units(*depth * c.dot);
  const int64_t imageChannels = p.units(4);
  p.paddedChannels = p.channels <= imageChannels && c.tapCount() > 1 ? imageChannels : llvm::alignTo(p.channels, MatrixSchedule::kChunk);
  p.paddedTaps = c.taps;
  if (p.paddedChannels % MatrixSchedule::kChunk)
    p.paddedTaps.back() = llvm::alignTo(p.paddedTaps.back(), MatrixSchedule::kChunk / imageChannels);
  p.depth = p.paddedChannels;
  for (int64_t tap : p.paddedTaps)
    p.depth *= tap;
  if (c.unpacked() && !p.isPacked(c.unpacked().getPacking()))
    return std::nullopt;
  if (c.groups == 1) {
    splitScale(p);
    splitConcat(p);
  } else {
    p.lhs = c.lhs;
    p.parts = {p.lhs};
    p.groupColumns = *c.groupColumns();
    if (p.isBytes() || p.groupColumns % kGroupColumns || p.channels % MatrixSchedule::kChunk || !program->sums.empty() || !program->rowValues.empty())
      return std::nullopt;
  }
  p.sumsRows = !program->sums.empty();
  p.rowValues = int64_t(program->rowValues.size());
  if (p.sumsRows && p.columns % kernel::kRowPart != 0)
    return std::nullopt;
  return p;
}

Type MatrixProblem::unit() const {
  MLIRContext *context = contraction.anchor->getContext();
  if (isBytes())
    return IntegerType::get(context, 16);
  return factors == Factors::BF16 ? Type(BFloat16Type::get(context)) : Type(Float16Type::get(context));
}

Type MatrixProblem::sum() const {
  MLIRContext *context = contraction.anchor->getContext();
  return factors == Factors::Bytes ? Type(IntegerType::get(context, 32)) : Type(Float32Type::get(context));
}

MatrixSchedule MatrixProblem::fitted(MatrixSchedule s) const {
  if (!s.direct && !s.pipeline && !s.tma && !s.resident)
    s.stages = std::min(s.stages, s.stepsOfBlock(steps(s)));
  return s;
}

bool MatrixProblem::isPacked(kernel::PackingAttr packing) const {
  constexpr int64_t kWidest = 256, kParts[] = {0, 16, 32, 64};
  for (int64_t part : ArrayRef(kParts).take_front(isFull() ? 1 : std::size(kParts)))
    for (int64_t tile = 0; tile <= kWidest; tile += MatrixSchedule::kChunk)
      if (!part || (tile ? tile : packedColumns()) % part == 0)
        if (packing == this->packing(tile, part))
          return true;
  return false;
}

nn::Dim MatrixProblem::rows() const {
  return nn::product(contraction.anchor->getContext(), ArrayRef(contraction.extents).drop_back());
}

nn::Dim MatrixProblem::rowsOfBatch() const {
  return nn::product(contraction.anchor->getContext(), ArrayRef(contraction.extents).drop_front(batchAxes).drop_back());
}

int64_t MatrixProblem::typicalRows(const MatrixSchedule &s) const {
  if (!batchAxes)
    return contraction.typical(rows());
  nn::Dim batches = nn::product(contraction.anchor->getContext(), ArrayRef(contraction.extents).take_front(batchAxes));
  return contraction.typical(batches) * int64_t(llvm::alignTo(contraction.typical(rowsOfBatch()), s.tileRows));
}

nn::Dim tilesOf(const MatrixProblem &p, const MatrixSchedule &s) {
  if (p.batchAxes) {
    nn::Dim batches = nn::product(p.contraction.anchor->getContext(), ArrayRef(p.contraction.extents).take_front(p.batchAxes));
    return batches * p.rowsOfBatch().ceilDiv(s.tileRows) * int64_t(llvm::divideCeil(p.columns, s.tileColumns));
  }
  return p.rows().ceilDiv(s.tileRows) * int64_t(llvm::divideCeil(p.columns, s.tileColumns));
}

bool MatrixProblem::readsResidual() const {
  Value result = contraction.result;
  return llvm::any_of(contraction.anchor->getParentOfType<kernel::FuncOp>().getArguments(), [&](Value argument) {
    return argument != kernel::viewOf(contraction.lhs).source && nn::numElements(argument.getType()) == nn::numElements(result.getType());
  });
}

int64_t MatrixProblem::partColumns(const MatrixSchedule &s) const {
  constexpr int64_t kQuad = 4, kAccess = 16, kLeast = 16; // threads of a row; bytes that one stores at once
  constexpr int64_t kForResidual = 40;                    // registers beside the sums, without which ptxas spills
  bool hasRegisters = !readsResidual() || kRegistersOfMultiprocessor / (s.threads() * s.together) - s.sumsOfThread() >= kForResidual;
  bool isOfHalves = (factors == Factors::F16 || factors == Factors::BF16) && s.groups && hasRegisters;
  bool isOfRows = sumsRows || rowValues;
  if (!(isBytes() || isOfHalves) || isNarrow() || ofRun || s.direct || (s.splits > 1 && !s.tma) || s.warpDepth > 1 ||
      (isOfRows && (!s.groups || s.tma)))
    return 0;
  auto func = contraction.anchor->getParentOfType<kernel::FuncOp>();
  int64_t bytes = 1;
  for (Type type : func.getResultTypes())
    if (!sumsRows || nn::numElements(type) == nn::numElements(contraction.result.getType()))
      bytes = std::max(bytes, nn::elementBytes(getElementTypeOrSelf(type)));
  int64_t ofWarp = s.tileColumns / s.warpColumns, packed = s.pipeline || s.tma || s.resident ? s.tileColumns : packedColumns();
  for (int64_t part = kQuad * kAccess / bytes; part >= kLeast; part /= 2)
    if (ofWarp % part == 0 && packed % part == 0 && columns % (part / kQuad) == 0 && (!sumsRows || part == kernel::kRowPart))
      return part;
  return 0;
}

kernel::PackingAttr MatrixProblem::packing(const MatrixSchedule &s) const {
  return packing(s.pipeline || s.tma || s.resident ? s.tileColumns : 0, partColumns(s));
}

kernel::PackingAttr MatrixProblem::packing(int64_t tileColumns, int64_t part) const {
  const cpu::ContractionProblem &c = contraction;
  SmallVector<int64_t> padded(cast<RankedTensorType>(c.rhs.getType()).getShape());
  padded[c.rhsColumn] = tileColumns ? int64_t(llvm::alignTo(columns, tileColumns)) : packedColumns();
  padded[c.rhsDepth] = elements(paddedChannels);
  for (auto [axis, size] : llvm::enumerate(paddedTaps))
    padded[c.rhsTap + axis] = size;
  SmallVector<int64_t> split, first(padded.size()); // where each axis begins after the split
  for (auto [axis, size] : llvm::enumerate(padded)) {
    first[axis] = int64_t(split.size());
    int64_t chunk = elements(MatrixSchedule::kChunk);
    if (int(axis) == c.rhsColumn) {
      // Of a part: a quarter for each thread of a row, whose neighbours lie in pairs eight columns apart.
      int64_t rest = tileColumns ? tileColumns : size;
      if (tileColumns)
        split.push_back(size / tileColumns);
      part ? split.append({rest / part, 4, part / 8, 2}) : split.push_back(rest);
    } else if (int(axis) == c.rhsDepth && tileColumns) {
      split.append({size / chunk, chunk});
    } else if (part && int(axis) > c.rhsTap && int(axis) < c.rhsTap + int(paddedTaps.size())) {
      split.back() *= size; // taps as one axis: tensors have eight
    } else {
      split.push_back(size);
    }
  }
  int64_t column = first[c.rhsColumn] + (tileColumns ? 1 : 0);
  SmallVector<int64_t> own{column};
  if (part)
    own.append({column + 2, column + 1, column + 3});
  SmallVector<int64_t> perm;
  tileColumns ? perm.push_back(first[c.rhsColumn]) : perm.append(own);
  for (size_t axis = 0; axis < (part ? std::min<size_t>(1, paddedTaps.size()) : paddedTaps.size()); ++axis)
    perm.push_back(first[c.rhsTap + axis]);
  perm.push_back(first[c.rhsDepth]);
  if (tileColumns) {
    perm.append(own);
    perm.push_back(first[c.rhsDepth] + 1);
  }
  return kernel::PackingAttr::get(c.anchor->getContext(), padded, split, perm);
}

namespace {

/// Where rows are summed: whether tiles have whole parts of rows, and whole warps finish them.
bool sumsWholeRows(const MatrixSchedule &s, const MatrixProblem &p) {
  constexpr int64_t kWarp = 32;
  return !p.sumsRows || (s.tileColumns % kernel::kRowPart == 0 && s.rowsOfBlock() * s.tileColumns / MatrixSchedule::kChunk % kWarp == 0);
}

/// Tiles as wide as groups of convolutions, or as parts of them.
SmallVector<MatrixSchedule> schedulesOfGroups(const MatrixProblem &p, const Target &target) {
  constexpr int64_t kFragments = 16, kWidest = 128, kMostSums = 64, kMostStages = 6, kFewestStages = 3;
  constexpr int kFirstWithClusters = 90;
  SmallVector<MatrixSchedule> schedules;
  for (int64_t columns = kFragments; columns <= std::min(kWidest, p.groupColumns); columns += kFragments)
    for (int64_t rows : {32, 64, 128})
      for (int64_t depth : {1, 2, 4})
        for (int64_t splits : {1, 2, 4, 8}) {
          MatrixSchedule s{rows, columns, rows / kFragments, 1, depth, kMostStages, splits};
          while (s.warpRows > 4)
            s.warpRows /= 2;
          if (columns % (2 * kFragments) == 0 && s.sumsOfThread() > kMostSums / 2)
            s.warpColumns = 2;
          s = p.fitted(s);
          while (s.stages > kFewestStages && s.sharedBytes() > sharedLimit(target))
            --s.stages;
          bool isNeedless = splits > 1 && (target.computeCapability < kFirstWithClusters || p.steps(s) < 2 * splits);
          if (p.groupColumns % columns == 0 && !isNeedless && s.sumsOfThread() <= kMostSums && s.sharedBytes() <= sharedLimit(target))
            schedules.push_back(s);
        }
  return schedules;
}

SmallVector<MatrixSchedule> directSchedules(const MatrixProblem &p, const Target &target) {
  constexpr int64_t kLargestTile = 2048;
  // For other GPUs than those of sm_90 ptxas takes some more registers where operands are in parts, and spilled them.
  constexpr int kHopper = 90;
  int64_t mostRegisters = p.inParts && target.computeCapability != kHopper ? 224 : 240;
  SmallVector<MatrixSchedule> schedules;
  if (p.channels % MatrixSchedule::kChunk)
    return schedules; // elements gathered one by one are shared by more columns in a stage
  for (int64_t rows : {16, 32, 64})
    for (int64_t columns : {16, 32, 64})
      for (int64_t warps : {1, 2, 4, 8, 16})
        for (int64_t stages : {1, 2}) {
          MatrixSchedule s{rows, columns, 1, 1, warps, stages, 1, /*direct=*/true};
          bool isNeedless = warps > p.steps(s) || (stages > 1 && warps * (stages / 2) >= p.steps(s));
          int64_t registers = directRegisters(s, p);
          bool fits = rows * columns <= kLargestTile && registers <= mostRegisters && registers * s.threads() <= kRegistersOfMultiprocessor &&
                      s.sharedBytes() + p.scaleBytes(s) <= sharedLimit(target);
          if (!isNeedless && fits)
            schedules.push_back(s);
        }
  return schedules;
}

/// Schedules of groups. Tiles as wide as a layer of so many columns waste nothing.
SmallVector<MatrixSchedule> groupSchedules(const MatrixProblem &p, const Target &target) {
  constexpr int kFirst = 90;
  SmallVector<MatrixSchedule> schedules;
  if (target.computeCapability != kFirst || !target.archSpecific || p.scale || p.inParts) // operands do not pass through registers
    return schedules;
  if (p.ofRun && (p.isFull() || ProductOperand::left(p).isAlongEdge()))
    return schedules;
  bool inPanels = p.ofRun && ProductOperand::right(p).isAlongEdge();
  struct Tile {
    int64_t rows, columns, stages, warpColumns = 1, leastDepth = 1, mostDepth = 1, round = 1;
  };
  static constexpr Tile kTiles[] = {{64, 32, 8, 1, 1, 4},  {64, 64, 6, 1, 1, 4}, {64, 64, 6, 1, 1, 1, 2}, {64, 64, 3},           {64, 80, 5, 1, 4, 4},
                                    {64, 128, 4, 1, 1, 4}, {64, 256, 5, 2}, {64, 256, 3, 2},      {128, 32, 4, 1, 1, 2},   {128, 64, 4, 1, 1, 2}, {128, 80, 3},
                                    {128, 96, 3},          {128, 128, 3},        {128, 128, 4},        {128, 128, 6},           {128, 192, 5},         {128, 256, 4},
                                    {256, 128, 4}};
  for (const Tile &tile : kTiles)
    for (int64_t depth = tile.leastDepth; depth <= tile.mostDepth; depth *= 2)
      for (int64_t splits : {1, 2, 4, 8}) {
        constexpr int64_t kGatheredStages = 3, kNarrow = 32, kOdd = 80, kPanel = 64;
        bool isGathered = p.channels % MatrixSchedule::kChunk;
        MatrixSchedule s{tile.rows,   tile.columns, tile.rows / 16,   tile.warpColumns, depth,
                         tile.stages, splits,       /*direct=*/false, /*groups=*/true,  tile.round};
        if (isGathered)
          s.stages = std::min(s.stages, kGatheredStages);
        s = p.fitted(s);
        bool isNeedless = (splits > 1 && p.steps(s) < 2 * splits) || (p.isNarrow() && tile.round > 1) ||
                          (tile.columns > kNarrow && tile.columns >= 2 * p.columns) || (tile.columns == kOdd && p.columns > 2 * kOdd) ||
                          (isGathered && tile.round > 1) || (inPanels && (tile.columns < kPanel || !llvm::isPowerOf2_64(tile.columns)));
        if (!isNeedless && s.sharedBytes() <= kSharedOfBlock && !llvm::is_contained(schedules, s))
          schedules.push_back(s);
      }
  return schedules;
}

/// Pipelines: for tiles that keep the matrix units busy for longer than their operands take to come.
SmallVector<MatrixSchedule> pipelineSchedules(const MatrixProblem &p, const Target &target) {
  constexpr int kFirst = 90;
  SmallVector<MatrixSchedule> schedules;
  if (p.sumsRows || p.rowValues)
    return schedules;
  bool isWhole = p.depth % MatrixSchedule::kStep == 0 && p.channels % MatrixSchedule::kChunk == 0;
  if (target.computeCapability != kFirst || !target.archSpecific || !isWhole || p.scale || p.inParts || p.isNarrow()) // operands do not pass through registers
    return schedules;
  struct Tile {
    int64_t rows, columns, stages;
  };
  static constexpr Tile kTiles[] = {{128, 128, 5}, {128, 192, 5}, {128, 256, 4}, {192, 128, 4}, {192, 192, 4}};
  SmallVector<Tile> tiles(kTiles, std::end(kTiles));
  constexpr int64_t kLeast = 72, kMost = 248, kOdd = 64; // a tile as wide as the result, where none of the others is
  if (p.packedColumns() >= kLeast && p.packedColumns() <= kMost && p.packedColumns() % kOdd)
    tiles.push_back({128, p.packedColumns(), 5});
  for (const Tile &tile : tiles) {
    MatrixSchedule s{tile.rows, tile.columns, tile.rows / 16, 1, 1, tile.stages, 1, /*direct=*/false, /*groups=*/true};
    s.pipeline = true;
    bool isNeedless = tile.columns >= 2 * p.columns || p.steps(s) < 2;
    if (!isNeedless && s.sharedBytes() <= kSharedOfBlock)
      schedules.push_back(s);
  }
  return schedules;
}
} // namespace

/// The best of each way to compute a product, then the second of each: costs compare less well between them, and a tuner has time for some.
static SmallVector<MatrixSchedule> inTurns(ArrayRef<MatrixSchedule> ranked) {
  SmallVector<std::pair<int, MatrixSchedule>> numbered;
  SmallVector<int> counts(7);
  for (const MatrixSchedule &s : ranked)
    numbered.push_back({counts[s.resident && s.tma ? 6 : s.resident ? 0 : s.tma ? 5 : s.pipeline ? 1 : s.groups ? 2 : s.direct ? 3 : 4]++, s});
  llvm::stable_sort(numbered, [](const auto &a, const auto &b) { return a.first < b.first; });
  return llvm::map_to_vector(numbered, [](const auto &entry) { return entry.second; });
}

/// Of groups of a convolution: the way whose tiles have any number of columns, the best first.
static SmallVector<MatrixSchedule> groupedSchedules(const MatrixProblem &p, const Target &target) {
  int64_t rows = p.contraction.typical(p.rows());
  SmallVector<MatrixSchedule> schedules = schedulesOfGroups(p, target);
  llvm::stable_sort(schedules,
                    [&](const MatrixSchedule &a, const MatrixSchedule &b) { return costOf(a, rows, p, target) < costOf(b, rows, p, target); });
  return schedules;
}

SmallVector<MatrixSchedule> matrixSchedules(const MatrixProblem &p, const Target &target) {
  if (p.isGrouped())
    return groupedSchedules(p, target);
  struct Shape {
    int64_t rows, columns, warpRows, warpColumns, warpDepth, stages;
  };
  static constexpr Shape kShapes[] = {{64, 64, 2, 2, 4, 6},  {64, 64, 4, 2, 2, 6},  {64, 64, 4, 2, 1, 6},   {64, 32, 4, 1, 4, 8},
                                      {64, 32, 4, 1, 2, 8},  {64, 32, 4, 1, 1, 8},  {32, 32, 2, 1, 4, 10},  {32, 32, 2, 1, 2, 10},
                                      {32, 64, 1, 4, 4, 8},  {32, 64, 1, 4, 2, 8},  {128, 64, 4, 2, 2, 4},  {128, 64, 4, 2, 1, 4},
                                      {128, 32, 4, 1, 2, 5}, {128, 32, 4, 1, 1, 5}, {128, 128, 4, 2, 1, 3}, {64, 128, 2, 4, 1, 4}};
  constexpr int kFirstWithClusters = 90, kClusterless = 1;
  SmallVector<std::pair<double, MatrixSchedule>> ranked;
  for (const Shape &shape : kShapes)
    for (int64_t splits : {1, 2, 4, 8}) {
      // Elements that are gathered one by one, or copied before copies were asynchronous, are there at once: stages would be code without use.
      constexpr int64_t kGatheredStages = 3;
      bool isAtOnce = p.channels % MatrixSchedule::kChunk || target.computeCapability < kFirstWithAsyncCopies;
      int64_t stages = isAtOnce ? std::min(shape.stages, kGatheredStages) : shape.stages;
      MatrixSchedule s = p.fitted({shape.rows, shape.columns, shape.warpRows, shape.warpColumns, shape.warpDepth, stages, splits});
      while (s.splits > 1 && s.stages > 2 && s.sharedBytes() + p.scaleBytes(s) > sharedLimit(target)) // room for what blocks send each other
        --s.stages;
      bool needless = splits > 1 && p.steps(s) < 2 * splits;
      // On sm_75 what is gathered waits in registers: of more chunks of a thread ptxas spills.
      constexpr int64_t kMostGathered = 4, kChunksOfStep = MatrixSchedule::kStep / MatrixSchedule::kChunk;
      bool isGathered = p.channels % MatrixSchedule::kChunk && target.computeCapability < kFirstWithAsyncCopies;
      needless |= isGathered && s.tileRows * kChunksOfStep > kMostGathered * s.threads();
      bool fits = s.sharedBytes() + p.scaleBytes(s) <= sharedLimit(target) && s.tileRows % splits == 0 && sumsWholeRows(s, p);
      if (needless || !fits || splits > (target.computeCapability >= kFirstWithClusters ? 8 : kClusterless))
        continue;
      ranked.push_back({costOf(s, p.typicalRows(s), p, target), s});
    }
  SmallVector<MatrixSchedule> others = p.ofRun ? SmallVector<MatrixSchedule>() : directSchedules(p, target);
  llvm::append_range(others, groupSchedules(p, target));
  if (!p.ofRun) {
    llvm::append_range(others, pipelineSchedules(p, target));
    llvm::append_range(others, residentSchedules(p, target));
    llvm::append_range(others, tmaSchedules(p, target));
  }
  for (const MatrixSchedule &s : others)
    if (sumsWholeRows(s, p))
      ranked.push_back({costOf(s, p.typicalRows(s), p, target), s});
  auto order = [](const std::pair<double, MatrixSchedule> &entry) {
    const MatrixSchedule &s = entry.second;
    return std::tuple(entry.first, s.splits, s.tileRows, s.tileColumns, s.warpDepth, s.stages, s.teams, s.together, s.tileWidth);
  };
  auto rank = [&] { llvm::sort(ranked, [&](const auto &a, const auto &b) { return order(a) < order(b); }); };
  rank();
  std::optional<MatrixSchedule> chosen = ranked.empty() ? std::nullopt : std::optional(ranked.front().second);
  constexpr double kMost = 2; // times the cost of the best
  double leastCost = ranked.empty() ? 0 : ranked.front().first;
  for (const MatrixSchedule &s : otherSchedules(p, target)) {
    double cost = costOf(s, p.typicalRows(s), p, target);
    bool isKnown = llvm::any_of(ranked, [&](const auto &entry) { return entry.second == s; });
    if (!isKnown && sumsWholeRows(s, p) && cost < kMost * leastCost)
      ranked.push_back({cost, s});
  }
  rank();
  SmallVector<MatrixSchedule> schedules = inTurns(llvm::map_to_vector(ranked, [](const auto &entry) { return entry.second; }));
  SmallVector<MatrixSchedule> measured;
  if (!p.ofRun)
    measured = measuredSchedules(p.contraction.typical(p.rows()), p, target);
  for (MatrixSchedule &s : measured) {
    auto isSame = [&](MatrixSchedule own) { // as many stages as there is room for depends on what else lies there
      own.stages = s.stages;
      return own == s;
    };
    const MatrixSchedule *found = s.resident ? llvm::find_if(schedules, isSame) : schedules.end();
    s = found == schedules.end() ? s : *found;
  }
  // Blocks that stay compute not every product of a size.
  auto isComputable = [&](const MatrixSchedule &s) {
    return sumsWholeRows(s, p) && (!(s.pipeline || s.tma || s.resident) || llvm::is_contained(schedules, s));
  };
  const MatrixSchedule *first = llvm::find_if(measured, isComputable);
  if (first != measured.end())
    chosen = *first;
  if (chosen) {
    llvm::erase(schedules, *chosen);
    schedules.insert(schedules.begin(), *chosen);
  }
  return schedules;
}

} // namespace tenon::gpu
