#include "passes/6_codegen/gpu/MatrixEmitter.h"
#include "mlir/IR/TypeUtilities.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kQuad = 4, kFragmentColumns = 8, kHalfRows = 8, kHalves = 2; // of a warp's 16 rows
}

QuadStore::QuadStore(KernelBuilder &b, const MatrixProblem &p, cpu::Epilogue &epilogue, Value lane, int64_t part)
    : b(b), w(b), p(p), epilogue(epilogue), lane(lane), part(part), lanes(part / kQuad) {
  cpu::Epilogue::Program program = *cpu::Epilogue::programOf(p.contraction.result);
  for (Operation *op : program.ops)
    for (Value operand : op->getOperands()) {
      auto argument = dyn_cast<BlockArgument>(operand);
      SmallVector<nn::Dim> dims = nn::dimsOf(operand.getType());
      bool isColumnVector = argument && b.kernelFunc().getArgAttr(argument.getArgNumber(), "kernel.constant") && getElementTypeOrSelf(operand).isF32() &&
                            !dims.empty() && dims.back().isConstant(p.columns) &&
                            llvm::all_of(ArrayRef(dims).drop_back(), [](nn::Dim dim) { return dim.isConstant(1); });
      if (isColumnVector && !llvm::is_contained(operands, operand)) {
        operands.push_back(operand);
        epilogue.provide(operand, {}); // before each store
      }
    }
}

/// A multiple of the lanes, as the alignment of loads and stores sees; the first ones where there are none.
Index QuadStore::columnOf(Index column) {
  return b.mul(b.div(b.select(b.lessThan(column, p.columns), column, Index(0)), lanes), lanes);
}

SmallVector<QuadStore::Columns> QuadStore::columnsOf(Index firstColumn, int64_t columns) {
  SmallVector<Columns> result;
  Index own = b.add(firstColumn, w.wide(w.mul(w.rem(lane, kQuad), lanes)));
  for (int64_t column = 0; column < columns; column += part) {
    Index at = columnOf(b.add(own, column));
    auto read = [&](Value operand) {
      Tensor memory = b.tensorOf(operand);
      SmallVector<Index> position(memory.rank(), Index(0));
      position.back() = at;
      return b.loadStrided(memory, b.at(memory, position), memory.strides.back(), int(lanes));
    };
    Columns &columnsOfPart = result.emplace_back();
    if (Value bias = p.contraction.bias)
      columnsOfPart.bias = read(bias);
    for (Value operand : operands)
      columnsOfPart.operands.push_back(read(operand));
  }
  return result;
}

SmallVector<QuadStore::Unit> QuadStore::unitsOf(function_ref<Row(Value)> rowOf, Index firstColumn, int64_t columns) {
  SmallVector<Unit> units;
  SmallVector<Row> rows;
  for (int64_t half = 0; half < kHalves; ++half)
    rows.push_back(rowOf(w.add(w.div(lane, kQuad), half * kHalfRows)));
  Index own = b.add(firstColumn, w.wide(w.mul(w.rem(lane, kQuad), lanes)));
  for (int64_t first = 0; first < columns; first += part) {
    Index column = b.add(own, first);
    for (const Row &row : rows) {
      Unit &unit = units.emplace_back();
      unit.inside = arith::AndIOp::create(b.ops(), row.inside, b.lessThan(column, p.columns));
      unit.position = row.position;
      unit.position.back() = columnOf(column);
      unit.read = epilogue.read(int(lanes), unit.position, {});
    }
  }
  return units;
}

void QuadStore::store(function_ref<Row(Value)> rowOf, Index firstColumn, int64_t columns, ArrayRef<Value> sums) {
  constexpr int64_t kMostColumns = 128;
  for (int64_t first = 0; first < columns; first += kMostColumns) {
    int64_t count = std::min(columns - first, kMostColumns);
    Index column = b.add(firstColumn, first);
    SmallVector<Unit> units = unitsOf(rowOf, column, count);
    store(units, columnsOf(column, count), sums.slice(first / 2, count / 2));
  }
}

void QuadStore::store(ArrayRef<Unit> units, ArrayRef<Columns> columns, ArrayRef<Value> sums) {
  auto type = VectorType::get({lanes}, p.sum());
  for (auto [number, unit] : llvm::enumerate(units)) {
    int64_t ofPart = int64_t(number) / kHalves, half = int64_t(number) % kHalves;
    SmallVector<Value> own;
    for (int64_t n = ofPart * part; n < (ofPart + 1) * part; n += kFragmentColumns)
      llvm::append_range(own, sums.slice(n / 2 + half * 2, 2));
    const Columns &shared = columns[ofPart];
    b.ifThen(unit.inside, [&, &unit = unit] {
      Value value = vector::FromElementsOp::create(b.ops(), type, own);
      for (auto [operand, vector] : llvm::zip_equal(operands, shared.operands))
        epilogue.provide(operand, vector);
      epilogue.store(shared.bias ? addSums(b, value, b.convert(shared.bias, p.sum())) : value, unit.position, {}, unit.read);
    });
  }
}

} // namespace tenon::gpu
