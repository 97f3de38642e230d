// Elements of values that are computed above an anchor.
#include "passes/6_codegen/cpu/Elementwise.h"

namespace tenon::cpu {
using namespace mlir;

bool Prologue::matches(Value value) { return OperandReader::canRead(value); }

Prologue::Prologue(KernelBuilder &b, Value value) : builder(b), root(value), reader(b) {}

Value Prologue::load(ArrayRef<Index> position, int lanes, int axis, Value mask) {
  LanePosition at{SmallVector<Index>(position), lanes > 1 ? axis : -1, lanes > 1 ? lanes : 0};
  Value loaded = reader.read(root, at, mask);
  return lanes > 1 ? builder.splat(loaded, lanes) : loaded;
}

} // namespace tenon::cpu
