// Loads and stores through pointers.
#include "passes/6_codegen/cpu/NarrowFloat.h"
#include <numeric>

namespace tenon::cpu {
using namespace mlir;

namespace {
/// In memory whatever is smaller is a byte, and signs are the business of the operations.
Type memoryType(Type element) {
  if (isNarrowFloat(element))
    return IntegerType::get(element.getContext(), 8);
  if (auto integer = dyn_cast<IntegerType>(element))
    return IntegerType::get(element.getContext(), std::max(integer.getWidth(), 8u));
  return element;
}

unsigned bytesOf(Type element) { return nn::elementBytes(element); }

bool isBool(Type type) { return getElementTypeOrSelf(type).isInteger(1); }

/// The byte of a boolean, of an integer of less than 8 bits or of a narrow float as it is in registers.
Value fromMemory(KernelBuilder &b, Value loaded, Type element) {
  Registers r{b};
  if (isBool(element)) // anything but 0 is true
    return r.cmp(arith::CmpIPredicate::ne, loaded, b.integer(0, loaded.getType()));
  if (isNarrowFloat(element))
    return decodeNarrow(r, loaded, element);
  bool isPart = isa<IntegerType>(element) && element.getIntOrFloatBitWidth() < 8;
  return isPart ? r.truncate(loaded, r.like(loaded, signless(element))) : loaded;
}

Value toMemory(KernelBuilder &b, Value v, Type element) {
  Registers r{b};
  if (isNarrowFloat(element))
    return encodeNarrow(r, v, element);
  Type type = getElementTypeOrSelf(v);
  bool isPart = isa<IntegerType>(type) && type.getIntOrFloatBitWidth() < 8;
  return isPart ? r.zext(v, r.like(v, b.ops().getI8Type())) : v;
}

bool isScalarOffset(Index offset) { return offset.isConstant() && llvm::isInt<32>(offset.get()); }
} // namespace

Index KernelBuilder::at(const Tensor &t, ArrayRef<Index> indices) {
  Index offset = t.offset;
  for (auto [index, stride] : llvm::zip_equal(indices, t.strides))
    offset = add(offset, mul(index, stride));
  return offset;
}

Value KernelBuilder::address(const Tensor &t, Index offset) {
  if (offset.is(0))
    return t.base;
  LLVM::GEPArg index = isScalarOffset(offset) ? LLVM::GEPArg(int32_t(offset.get())) : LLVM::GEPArg(value(offset));
  return LLVM::GEPOp::create(builder, t.base.getType(), memoryType(t.element), t.base, ArrayRef<LLVM::GEPArg>{index});
}

int64_t KernelBuilder::alignmentAt(const Tensor &t, Index offset, int64_t accessBytes) {
  int64_t element = bytesOf(t.element);
  if (!machine.isGpu() || accessBytes == element)
    return element; // CPUs access vectors anywhere
  int64_t divisor = divisorOf(offset) * element;
  return std::max(element, divisor ? std::gcd(std::gcd(t.alignment, divisor), int64_t(16)) : std::gcd(t.alignment, int64_t(16)));
}

Value KernelBuilder::load(const Tensor &t, Index offset) {
  Type type = memoryType(t.element);
  Value loaded = LLVM::LoadOp::create(builder, type, address(t, offset), bytesOf(t.element));
  return fromMemory(*this, loaded, t.element);
}

Value KernelBuilder::load(const Tensor &t, Index offset, int lanes) {
  auto type = VectorType::get({lanes}, memoryType(t.element));
  Value loaded = LLVM::LoadOp::create(builder, type, address(t, offset), alignmentAt(t, offset, lanes * bytesOf(t.element)));
  return fromMemory(*this, loaded, t.element);
}

Value KernelBuilder::loadMasked(const Tensor &t, Index offset, int lanes, Value mask, Value passthru) {
  if (!mask)
    return load(t, offset, lanes);
  auto type = VectorType::get({lanes}, memoryType(t.element));
  if (!passthru)
    passthru = constant(0, type);
  else
    passthru = toMemory(*this, passthru, t.element);
  Value loaded = LLVM::MaskedLoadOp::create(builder, type, address(t, offset), mask, passthru,
                                            builder.getI32IntegerAttr(bytesOf(t.element)), /*nontemporal=*/nullptr);
  return fromMemory(*this, loaded, t.element);
}

/// The addresses of `lanes` elements that lie `stride` apart.
Value KernelBuilder::lanePointers(const Tensor &t, Index offset, Index stride, int lanes) {
  auto iota = llvm::to_vector(llvm::seq<int64_t>(0, lanes));
  auto type = VectorType::get({lanes}, builder.getI64Type());
  Value lane = attributeConstant(DenseIntElementsAttr::get(type, iota));
  Value distance = arith::MulIOp::create(builder, lane, splat(value(stride), lanes));
  auto pointers = VectorType::get({lanes}, t.base.getType());
  return LLVM::GEPOp::create(builder, pointers, memoryType(t.element), address(t, offset), ArrayRef<LLVM::GEPArg>{distance});
}

Value KernelBuilder::loadStrided(const Tensor &t, Index offset, Index stride, int lanes, Value mask) {
  if (stride.is(0))
    return broadcastLoad(t, offset, lanes);
  if (stride.is(1))
    return loadMasked(t, offset, lanes, mask);
  auto type = VectorType::get({lanes}, memoryType(t.element));
  Value loaded;
  if (mask) {
    loaded = LLVM::masked_gather::create(builder, type, lanePointers(t, offset, stride, lanes), mask,
                                         ValueRange{constant(0, type)}, builder.getI32IntegerAttr(bytesOf(t.element)));
  } else {
    loaded = LLVM::PoisonOp::create(builder, type);
    for (int lane = 0; lane < lanes; ++lane) {
      Value element = LLVM::LoadOp::create(builder, type.getElementType(), address(t, add(offset, mul(stride, lane))), bytesOf(t.element));
      loaded = insertLane(loaded, element, lane);
    }
  }
  return fromMemory(*this, loaded, t.element);
}

Value KernelBuilder::broadcastLoad(const Tensor &t, Index offset, int lanes) { return splat(load(t, offset), lanes); }

void KernelBuilder::store(Value v, const Tensor &t, Index offset) {
  auto vector = dyn_cast<VectorType>(v.getType());
  int64_t lanes = vector ? vector.getNumElements() : 1;
  LLVM::StoreOp::create(builder, toMemory(*this, v, t.element), address(t, offset), alignmentAt(t, offset, lanes * bytesOf(t.element)));
}

void KernelBuilder::storeMasked(Value v, const Tensor &t, Index offset, Value mask) {
  if (!mask)
    return store(v, t, offset);
  LLVM::MaskedStoreOp::create(builder, toMemory(*this, v, t.element), address(t, offset), mask, bytesOf(t.element));
}

void KernelBuilder::storeStrided(Value v, const Tensor &t, Index offset, Index stride, Value mask) {
  auto type = dyn_cast<VectorType>(v.getType());
  if (!type || stride.is(1))
    return storeMasked(v, t, offset, mask);
  int lanes = type.getNumElements();
  v = toMemory(*this, v, t.element);
  if (mask) {
    LLVM::masked_scatter::create(builder, v, lanePointers(t, offset, stride, lanes), mask, bytesOf(t.element));
    return;
  }
  for (int lane = 0; lane < lanes; ++lane)
    LLVM::StoreOp::create(builder, extractLane(v, lane), address(t, add(offset, mul(stride, lane))), bytesOf(t.element));
}

void KernelBuilder::prefetch(const Tensor &t, Index offset, int locality, bool write) {
  LLVM::Prefetch::create(builder, address(t, offset), write, locality, /*cache=*/1);
}

void KernelBuilder::keepMemoryOrder() {
  LLVM::InlineAsmOp::create(builder, TypeRange(), ValueRange(), "", "~{memory}", /*has_side_effects=*/true, /*is_align_stack=*/false,
                            LLVM::tailcallkind::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr());
}

void KernelBuilder::fill(const Tensor &t, Index offset, Index count, Value scalar) {
  int lanes = machine.lanes(bytesOf(t.element) * 8);
  Value vector = splat(scalar, lanes);
  lanesLoop(count, lanes, [&](Index position, Value mask) { storeMasked(vector, t, add(offset, position), mask); });
}

Value KernelBuilder::tailMask(Index remaining, int lanes) {
  if (remaining.isConstant()) {
    SmallVector<bool> on;
    for (int lane = 0; lane < lanes; ++lane)
      on.push_back(lane < remaining.get());
    return attributeConstant(DenseElementsAttr::get(VectorType::get({lanes}, builder.getI1Type()), on));
  }
  // 32 bits compare in one instruction on every target; more than `lanes` would not fit into them.
  auto iota = llvm::to_vector(llvm::seq<int32_t>(0, lanes));
  Value lane = attributeConstant(DenseIntElementsAttr::get(VectorType::get({lanes}, builder.getI32Type()), iota));
  Value limit = arith::TruncIOp::create(builder, builder.getI32Type(), value(min(remaining, lanes)));
  return arith::CmpIOp::create(builder, arith::CmpIPredicate::slt, lane, splat(limit, lanes));
}

} // namespace tenon::cpu
