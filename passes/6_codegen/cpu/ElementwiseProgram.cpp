#include "passes/6_codegen/cpu/ElementwiseProgram.h"
#include "passes/6_codegen/cpu/Elementwise.h"

using namespace mlir;

namespace tenon::cpu {

static bool isSplat(Value v) {
  DenseElementsAttr contents;
  auto constant = v.getDefiningOp<nn::ConstantOp>();
  return constant && (contents = dyn_cast<DenseElementsAttr>(constant.getValue())) && contents.isSplat();
}

/// Whether `v` broadcasts to the results without anything that only shows at run time.
bool ElementwiseProgram::fits(Value v) const {
  auto own = nn::dimsOf(v.getType());
  if (own.size() > dims.size())
    return false;
  for (auto [mine, result] : llvm::zip(own, ArrayRef(dims).take_back(own.size())))
    if (mine != result && !mine.isConstant(1))
      return false;
  return true;
}

bool ElementwiseProgram::add(Value v) {
  if (!seen.insert(v).second)
    return true;
  if (!fits(v))
    return false;
  if (isSplat(v))
    return true;
  kernel::View view = kernel::viewOf(v);
  if (isa<BlockArgument>(view.source)) {
    auto own = nn::dimsOf(v.getType());
    MLIRContext *ctx = v.getContext();
    Leaf leaf{v, SmallVector<nn::Dim>(dims.size() - own.size(), nn::Dim::constant(ctx, 0))};
    for (auto [size, result, stride] : llvm::zip(own, ArrayRef(dims).take_back(own.size()), view.strides))
      leaf.strides.push_back(size == result ? stride : nn::Dim::constant(ctx, 0));
    leafOf[v] = leaves.size();
    leaves.push_back(std::move(leaf));
    return true;
  }
  Operation *op = v.getDefiningOp();
  return op->hasTrait<nn::Elementwise>() && canEmitElementwise(op) && llvm::all_of(op->getOperands(), [&](Value o) { return add(o); });
}

std::optional<ElementwiseProgram> ElementwiseProgram::of(kernel::FuncOp func) {
  ElementwiseProgram program;
  ValueRange results = func.terminator().getOperands();
  if (results.empty())
    return std::nullopt;
  program.dims = nn::dimsOf(results[0].getType());
  for (Value result : results)
    if (nn::dimsOf(result.getType()) != program.dims || !program.add(result))
      return std::nullopt;
  return program;
}

MergedAxes::MergedAxes(const ElementwiseProgram &program, kernel::FuncOp func) {
  SmallVector<SmallVector<nn::Dim>> all;
  for (const Leaf &leaf : program.leaves)
    all.push_back(leaf.strides);
  for (unsigned i = 0; i < func.getNumResults(); ++i)
    all.push_back(func.resultStrides(i));
  strides.resize(all.size());
  for (unsigned axis = 0; axis < program.dims.size(); ++axis) {
    nn::Dim size = program.dims[axis];
    if (size.isConstant(1))
      continue;
    bool merges = !sizes.empty();
    for (unsigned t = 0; t < all.size() && merges; ++t)
      merges = strides[t].back() == all[t][axis] * size;
    if (merges)
      sizes.back() = sizes.back() * size;
    else
      sizes.push_back(size);
    for (unsigned t = 0; t < all.size(); ++t) {
      if (merges)
        strides[t].back() = all[t][axis];
      else
        strides[t].push_back(all[t][axis]);
    }
  }
}

ElementwiseEmitter::ElementwiseEmitter(KernelBuilder &b, kernel::FuncOp func)
    : b(b), func(func), program(*ElementwiseProgram::of(func)), merged(program, func), evaluator(b) {
  auto memory = [&](Tensor t, unsigned index) {
    t.sizes.clear(), t.strides.clear();
    for (auto [size, stride] : llvm::zip(merged.sizes, merged.strides[index])) {
      t.sizes.push_back(b.dim(size));
      t.strides.push_back(b.dim(stride));
    }
    return t;
  };
  for (auto [i, leaf] : llvm::enumerate(program.leaves))
    leaves.push_back(memory(b.tensorOf(leaf.value), i));
  for (unsigned i = 0; i < func.getNumResults(); ++i)
    results.push_back(memory(b.result(i), program.leaves.size() + i));
  hoisted.resize(leaves.size());
}

void ElementwiseEmitter::hoistLeaves(const Place &place) {
  for (auto [leaf, value] : llvm::zip(leaves, hoisted)) {
    value = {};
    bool moves = false;
    for (auto [i, stride] : llvm::zip(place.index, leaf.strides))
      moves |= Evaluator::isUnknown(i) && !stride.is(0);
    if (!moves)
      value = b.load(leaf, offsetOf(leaf, place));
  }
}

Index ElementwiseEmitter::offsetOf(const Tensor &t, const Place &place) {
  Index offset = t.offset;
  for (auto [i, stride] : llvm::zip(place.index, t.strides))
    if (!stride.is(0))
      offset = b.add(offset, b.mul(i, stride));
  return offset;
}

Value ElementwiseEmitter::load(unsigned i, const Place &place, Value given) {
  const Tensor &t = leaves[i];
  Value loaded = given ? given : hoisted[i];
  if (!loaded) {
    Index offset = offsetOf(t, place), stride = place.lanes ? t.strides[place.axis] : Index(0);
    loaded = !place.lanes || stride.is(0) ? b.load(t, offset)
             : stride.is(1)               ? b.load(t, offset, place.lanes)
                                          : b.loadStrided(t, offset, stride, place.lanes);
  }
  Type type = computeType(t.element);
  if (type != t.element)
    loaded = b.convert(loaded, type);
  return place.lanes ? b.splat(loaded, place.lanes) : loaded;
}

Value ElementwiseEmitter::value(Value v, const Place &place, ArrayRef<Value> given) {
  if (Value done = known.lookup(v))
    return done;
  Value result;
  if (auto leaf = program.leafOf.find(v); leaf != program.leafOf.end()) {
    result = load(leaf->second, place, given.empty() ? Value() : given[leaf->second]);
  } else if (isSplat(v)) {
    result = evaluator.at(v, Place{SmallVector<Index, 6>(cast<ShapedType>(v.getType()).getRank(), Index(0))});
    result = place.lanes ? b.splat(result, place.lanes) : result;
  } else {
    SmallVector<Value> operands;
    for (Value operand : v.getDefiningOp()->getOperands())
      operands.push_back(value(operand, place, given));
    result = emitElementwise(b, v.getDefiningOp(), operands);
  }
  return known[v] = result;
}

SmallVector<Value> ElementwiseEmitter::values(const Place &place, ArrayRef<Value> given) {
  known.clear();
  SmallVector<Value> computed;
  for (auto [t, v] : llvm::zip(results, func.terminator().getOperands())) {
    Value x = value(v, place, given);
    computed.push_back(computeType(t.element) == t.element ? x : b.convert(x, t.element));
  }
  return computed;
}

void ElementwiseEmitter::store(const Place &place, ArrayRef<Value> given) {
  for (auto [t, x] : llvm::zip(results, values(place, given))) {
    Index offset = offsetOf(t, place);
    if (!place.lanes || t.strides[place.axis].is(1))
      b.store(x, t, offset);
    else
      b.storeStrided(x, t, offset, t.strides[place.axis]);
  }
}

} // namespace tenon::cpu
