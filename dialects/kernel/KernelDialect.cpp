// Registration of the kernel dialect, its attributes, and what needs no more than their parameters.
#include "dialects/kernel/Kernel.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::kernel;

#include "dialects/kernel/KernelDialect.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/kernel/KernelAttrs.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/kernel/KernelOps.cpp.inc"

void KernelDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/kernel/KernelAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/kernel/KernelOps.cpp.inc"
      >();
}

ScheduleAttr ScheduleAttr::get(MLIRContext *context, StringRef family, ArrayRef<std::pair<StringRef, int64_t>> parameters) {
  Builder builder(context);
  NamedAttrList list;
  for (auto [name, value] : parameters)
    list.append(name, builder.getI64IntegerAttr(value));
  return get(context, builder.getStringAttr(family), list.getDictionary(context));
}

int64_t ScheduleAttr::get(StringRef name, int64_t otherwise) const {
  auto value = getParameters().getAs<IntegerAttr>(name);
  return value ? value.getInt() : otherwise;
}

StringRef ScheduleAttr::get(StringRef name, StringRef otherwise) const {
  auto value = getParameters().getAs<StringAttr>(name);
  return value ? value.getValue() : otherwise;
}

SmallVector<int64_t> PackingAttr::packedShape() const {
  return llvm::map_to_vector(getPerm(), [&](int64_t axis) { return getSplit()[axis]; });
}

SmallVector<int64_t> PackingAttr::transformedShape(ArrayRef<int64_t> shape) const {
  SmallVector<int64_t> transformed(shape);
  if (getWinograd())
    transformed[2] = transformed[3] = getWinograd() + 2;
  return transformed;
}

LogicalResult PackingAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError, ArrayRef<int64_t> padded, ArrayRef<int64_t> split,
                                  ArrayRef<int64_t> perm, int64_t winograd) {
  auto countOf = [](ArrayRef<int64_t> shape) {
    int64_t count = 1;
    for (int64_t extent : shape)
      if (extent < 1 || __builtin_mul_overflow(count, extent, &count))
        return int64_t(0);
    return count;
  };
  if (!countOf(padded) || countOf(padded) != countOf(split))
    return emitError() << "expected `split` to hold the elements of `padded`, at least one; found [" << padded << "] and [" << split << "]";
  if (perm.size() != split.size() || !isPermutationVector(perm))
    return emitError() << "expected `perm` to be a permutation of the " << split.size() << " axes of `split`, found [" << perm << "]";
  if (winograd && ((winograd != 2 && winograd != 4) || padded.size() != 4))
    return emitError() << "expected `winograd` to be 2 or 4, for filters of 4 axes; found " << winograd << " for " << padded.size();
  return success();
}
