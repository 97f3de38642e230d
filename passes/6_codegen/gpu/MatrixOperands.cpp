// Operands of the epilogue that are on their way while the products are computed: to read them afterwards would take as long as a stage.
#include "passes/6_codegen/gpu/MatrixCost.h"
#include "passes/6_codegen/gpu/MatrixEmitter.h"

namespace tenon::gpu {
using namespace mlir;

constexpr int64_t kChunk = MatrixSchedule::kChunk, kFragmentRows = 16, kFragmentColumns = 8;

int64_t MatrixEmitter::unitsOfThread() const {
  return llvm::divideCeil(s.rowsOfBlock() * (s.tileColumns / kChunk), s.threads());
}

/// Whether threads have registers for what is read ahead, and read the same columns in each of their units.
bool MatrixEmitter::readsAhead() const {
  constexpr int64_t kMostSums = 32, kMostUnits = 4, kMostRegisters = 160;
  int64_t sums = fragmentsDown * fragmentsAcross * 4;
  bool hasRegisters = s.direct ? directRegisters(s, p) <= kMostRegisters : sums <= kMostSums;
  return !quads && hasRegisters && unitsOfThread() <= kMostUnits && p.columns % kChunk == 0 && s.threads() % (s.tileColumns / kChunk) == 0;
}

/// The argument whose elements `operand` is, at most cast; null for others.
static BlockArgument argumentOf(Value operand) {
  if (auto cast = operand.getDefiningOp<nn::CastOp>())
    operand = cast.getInput();
  auto argument = dyn_cast<BlockArgument>(operand);
  Type element = argument ? getElementTypeOrSelf(argument.getType()) : Type();
  return element && (element.isF32() || isa<Float16Type, BFloat16Type>(element)) ? argument : BlockArgument();
}

/// Biases and the like, one element for each column: constants, which do not depend on the kernel before.
void MatrixEmitter::readColumnOperands() {
  constexpr int64_t kMostSums = 32; // a thread has the registers for what these need beside them
  if (quads && sumsOfThread() <= kMostSums)
    readQuadColumns();
  if (!readsAhead())
    return;
  Value own = w.mul(w.rem(thread, s.tileColumns / kChunk), kChunk);
  Index column = b.min(b.add(firstColumn, w.wide(own)), p.columns - kChunk);
  column = b.mul(b.div(column, kChunk), kChunk);
  Type f32 = b.ops().getF32Type();
  auto read = [&](BlockArgument argument, Type type) {
    Tensor memory = b.argument(argument.getArgNumber());
    SmallVector<Index> position(memory.rank(), Index(0));
    position.back() = column;
    return b.convert(b.loadStrided(memory, b.at(memory, position), memory.strides.back(), kChunk), type);
  };
  auto isColumnVector = [&](BlockArgument argument) {
    SmallVector<nn::Dim> dims = nn::dimsOf(argument.getType());
    return b.kernelFunc().getArgAttr(argument.getArgNumber(), "kernel.constant") && !dims.empty() && dims.back().isConstant(p.columns) &&
           llvm::all_of(ArrayRef(dims).drop_back(), [](nn::Dim dim) { return dim.isConstant(1); });
  };
  if (auto bias = dyn_cast_if_present<BlockArgument>(p.contraction.bias); bias && isColumnVector(bias))
    columnBias = read(bias, p.sum());
  for (Operation *op : program.ops)
    for (Value operand : op->getOperands())
      if (BlockArgument argument = argumentOf(operand); argument && isColumnVector(argument))
        epilogue.provide(operand, read(argument, f32));
}

/// What is added to the result element by element, as it is stored.
void MatrixEmitter::readResiduals() {
  constexpr int64_t kMostSums = 64;
  if (quads && sumsOfThread() <= kMostSums)
    readQuadUnits();
  if (!readsAhead())
    return;
  auto dims = nn::dimsOf(p.contraction.result.getType());
  for (Operation *op : program.ops)
    for (Value operand : op->getOperands()) {
      BlockArgument argument = argumentOf(operand);
      if (!argument || nn::dimsOf(argument.getType()) != dims || residuals.contains(operand))
        continue;
      Tensor memory = b.argument(argument.getArgNumber());
      for (int64_t i = 0; i < unitsOfThread(); ++i) {
        Unit u = unitOf(w.add(thread, i * s.threads()), /*clamped=*/true);
        residuals[operand].push_back(b.loadStrided(memory, b.at(memory, u.position), memory.strides.back(), kChunk));
      }
    }
}

void MatrixEmitter::provideResiduals(int64_t unit) {
  for (auto &[operand, loaded] : residuals)
    epilogue.provide(operand, b.convert(loaded[unit], b.ops().getF32Type()));
}

void MatrixEmitter::readQuadColumns() {
  quadColumns = quads->columnsOf(b.add(firstColumn, w.wide(warpPlace().column)), fragmentsAcross * kFragmentColumns);
}

void MatrixEmitter::readQuadUnits() {
  WarpPlace place = warpPlace();
  for (int64_t m = 0; m < fragmentsDown; ++m) {
    auto rowOf = [&](Value ofFragment) {
      Index at = b.add(firstRow, w.wide(w.add(w.add(place.row, m * kFragmentRows), ofFragment)));
      Value inside = b.lessThan(at, b.dim(p.rows()));
      return QuadStore::Row{inside, positionOfRow(b, p.contraction, b.select(inside, at, Index(0)))};
    };
    quadUnits.push_back(quads->unitsOf(rowOf, b.add(firstColumn, w.wide(place.column)), fragmentsAcross * kFragmentColumns));
  }
}

void MatrixEmitter::storeQuads(ArrayRef<Value> sums) {
  if (quadUnits.empty())
    readQuadUnits();
  if (quadColumns.empty())
    readQuadColumns();
  int64_t own = fragmentsAcross * 4;
  for (auto [m, units] : llvm::enumerate(quadUnits)) {
    provideQuadRows(int64_t(m));
    quads->store(units, quadColumns, sums.slice(int64_t(m) * own, own));
  }
}

} // namespace tenon::gpu
