#include "dialects/kernel/ProductMarks.h"
#include "mlir/IR/TypeUtilities.h"
#include "passes/6_codegen/gpu/MatrixEmitter.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kQuad = 4, kFragmentColumns = 8, kHalfRows = 8, kHalves = 2; // of a warp's 16 rows
}

QuadStore::QuadStore(KernelBuilder &b, const MatrixProblem &p, cpu::Epilogue &epilogue, Value lane, int64_t part)
    : b(b), w(b), p(p), epilogue(epilogue), lane(lane), part(part), lanes(part / kQuad) {
  cpu::Epilogue::Program program = *cpu::Epilogue::programOf(p.contraction.result, /*rows=*/true);
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
  for (auto [number, shared] : llvm::enumerate(columns))
    storePart(units.slice(number * kHalves, kHalves), shared, sums.slice(int64_t(number) * part / 2, part / 2));
}

void QuadStore::store(ArrayRef<Unit> units, Index firstColumn, ArrayRef<Value> sums) {
  int64_t parts = int64_t(units.size()) / kHalves;
  SmallVector<Columns> next = columnsOf(firstColumn, part);
  for (int64_t number = 0; number < parts; ++number) {
    Columns shared = next.front();
    if (number + 1 < parts)
      next = columnsOf(b.add(firstColumn, (number + 1) * part), part);
    storePart(units.slice(number * kHalves, kHalves), shared, sums.slice(number * part / 2, part / 2));
  }
}

void QuadStore::storePart(ArrayRef<Unit> units, const Columns &columns, ArrayRef<Value> sums) {
  SmallVector<Value> parts;
  for (auto [half, unit] : llvm::enumerate(units)) {
    SmallVector<Value> own;
    for (int64_t n = 0; n < part; n += kFragmentColumns)
      llvm::append_range(own, sums.slice(n / 2 + int64_t(half) * 2, 2));
    for (size_t i = 0; i < epilogue.rowValues().size(); ++i)
      epilogue.provide(epilogue.rowValues()[i], rowValues[half][i]);
    llvm::append_range(parts, storeUnit(unit, columns, own));
  }
  if (!parts.empty())
    storeRowSums(units, parts);
}

/// Gives the thread's shares of the sums of its row; zeros where there is none, so that whole warps add them up.
SmallVector<Value> QuadStore::storeUnit(const Unit &unit, const Columns &columns, ArrayRef<Value> sums) {
  auto finish = [&] {
    KernelBuilder::Values parts;
    Value value = vector::FromElementsOp::create(b.ops(), VectorType::get({lanes}, p.sum()), sums);
    for (auto [operand, vector] : llvm::zip_equal(operands, columns.operands))
      epilogue.provide(operand, vector);
    value = columns.bias ? addSums(b, value, b.convert(columns.bias, p.sum())) : value;
    epilogue.store(value, unit.position, {}, unit.read, [&](nn::ReduceKind kind, Value summed) {
      parts.push_back(b.reduceAdd(kind == nn::ReduceKind::SumSquare ? arith::MulFOp::create(b.ops(), summed, summed).getResult() : summed));
    });
    return parts;
  };
  if (epilogue.rowSums().empty()) {
    b.ifThen(unit.inside, [&] { finish(); });
    return {};
  }
  Value zero = b.constant(0, b.ops().getF32Type());
  KernelBuilder::Values none(epilogue.rowSums().size(), zero);
  SmallVector<Type> types(none.size(), zero.getType());
  auto parts = b.ifElse(unit.inside, types, finish, [&] { return none; });
  return SmallVector<Value>(parts.begin(), parts.end());
}

/// Each thread of a quad gets the total of another one of up to four sums: what one thread keeps its neighbour sends.
void QuadStore::storeRowSums(ArrayRef<Unit> units, ArrayRef<Value> parts) {
  ArrayRef<unsigned> results = epilogue.rowSums();
  Value ofQuad = w.rem(lane, kQuad), zero = b.constant(0, b.ops().getF32Type());
  auto isSet = [&](int64_t bit) -> Value { return arith::CmpIOp::create(b.ops(), arith::CmpIPredicate::ne, w.bitAnd(ofQuad, w.i32(bit)), w.i32(0)); };
  Value isOdd = isSet(1), isUpper = isSet(2);
  auto fold = [&](Value second, Value low, Value high, int64_t distance) -> Value {
    Value kept = w.select(second, high, low), sent = w.select(second, low, high);
    return arith::AddFOp::create(b.ops(), kept, w.exchange(sent, distance));
  };
  struct Place {
    Value address, inside;
  };
  auto placeOf = [&](size_t number) -> Place {
    const Unit &unit = units[number / results.size()];
    Tensor sums = b.result(results[number % results.size()]);
    SmallVector<Index> position(unit.position);
    position.back() = b.div(position.back(), kernel::kRowPart);
    return {b.address(sums, b.at(sums, position)), unit.inside};
  };
  for (size_t first = 0; first < parts.size(); first += kQuad) {
    Value own[kQuad];
    Place places[kQuad];
    for (size_t i = 0; i < size_t(kQuad); ++i) {
      bool isThere = first + i < parts.size();
      own[i] = isThere ? parts[first + i] : zero;
      places[i] = isThere ? placeOf(first + i) : Place{places[0].address, b.integer(0, b.ops().getI1Type())};
    }
    Value total = fold(isUpper, fold(isOdd, own[0], own[1], 1), fold(isOdd, own[2], own[3], 1), 2);
    auto ofThread = [&](auto member) { return w.select(isUpper, w.select(isOdd, member(3), member(2)), w.select(isOdd, member(1), member(0))); };
    Value address = ofThread([&](size_t i) { return places[i].address; });
    b.ifThen(ofThread([&](size_t i) { return places[i].inside; }), [&] { LLVM::StoreOp::create(b.ops(), total, address); });
  }
}

} // namespace tenon::gpu
