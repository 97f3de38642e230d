#include "passes/6_codegen/gpu/TensorMaps.h"
#include "passes/6_codegen/gpu/MatrixMaps.h"
#include "passes/6_codegen/gpu/MatrixTma.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr StringRef kAttribute = "tenon.tensor_maps";

template <typename T> Attribute list(OpBuilder &b, const std::vector<T> &values) {
  return b.getDenseI64ArrayAttr(llvm::map_to_vector(values, [](T value) { return int64_t(value); }));
}

DictionaryAttr attributeOf(OpBuilder &b, const plan::TensorMap &map) {
  return b.getDictionaryAttr({b.getNamedAttr("buffer", b.getI64IntegerAttr(map.buffer)), b.getNamedAttr("offset", b.getI64IntegerAttr(int64_t(map.offset))),
                              b.getNamedAttr("element_bytes", b.getI64IntegerAttr(map.elementBytes)), b.getNamedAttr("sizes", list(b, map.sizes)),
                              b.getNamedAttr("strides", list(b, map.strides)), b.getNamedAttr("steps", list(b, map.steps)),
                              b.getNamedAttr("box", list(b, map.box)), b.getNamedAttr("lower", list(b, map.lower)),
                              b.getNamedAttr("upper", list(b, map.upper)), b.getNamedAttr("swizzle", b.getI64IntegerAttr(map.swizzleBytes))});
}

plan::TensorMap mapOf(DictionaryAttr attr) {
  auto number = [&](StringRef name) { return cast<IntegerAttr>(attr.get(name)).getInt(); };
  auto fill = [&](StringRef name, auto &values) {
    ArrayRef<int64_t> from = cast<DenseI64ArrayAttr>(attr.get(name)).asArrayRef();
    values.assign(from.begin(), from.end());
  };
  plan::TensorMap map;
  map.buffer = uint32_t(number("buffer"));
  map.offset = uint64_t(number("offset"));
  map.elementBytes = uint32_t(number("element_bytes"));
  map.swizzleBytes = uint32_t(number("swizzle"));
  fill("sizes", map.sizes), fill("strides", map.strides), fill("steps", map.steps);
  fill("box", map.box), fill("lower", map.lower), fill("upper", map.upper);
  return map;
}
} // namespace

void markTensorMaps(kernel::FuncOp func, const Target &target) {
  if (func.getSchedule()->getFamily().getValue() != "gpu.matrix")
    return;
  MatrixSchedule s = MatrixSchedule::of(*func.getSchedule());
  std::optional<MatrixProblem> p = s.tma ? MatrixProblem::of(func, target) : std::nullopt;
  std::optional<LhsMaps> maps = p ? lhsMapsOf(*p, s) : std::nullopt;
  OpBuilder b(func.getContext());
  if (maps && hasAlignedMaps(func, *maps))
    func->setAttr(kAttribute, b.getArrayAttr(llvm::map_to_vector(*maps, [&](const plan::TensorMap &map) -> Attribute { return attributeOf(b, map); })));
}

unsigned tensorMapCount(kernel::FuncOp func) {
  auto maps = func->getAttrOfType<ArrayAttr>(kAttribute);
  return maps ? unsigned(maps.size()) : 0;
}

Value tensorMapAt(cpu::KernelBuilder &b, size_t number) {
  Operation *body = b.ops().getInsertionBlock()->getParentOp();
  auto func = isa<func::FuncOp>(body) ? cast<func::FuncOp>(body) : body->getParentOfType<func::FuncOp>();
  return func.getArgument(unsigned(func.getNumArguments() - 1 - tensorMapCount(b.kernelFunc()) + number));
}

SmallVector<plan::TensorMap> tensorMapsOf(kernel::FuncOp func) {
  SmallVector<plan::TensorMap> maps;
  if (auto all = func->getAttrOfType<ArrayAttr>(kAttribute))
    for (DictionaryAttr attr : all.getAsRange<DictionaryAttr>())
      maps.push_back(mapOf(attr));
  return maps;
}

} // namespace tenon::gpu
