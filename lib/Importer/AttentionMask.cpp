#include "lib/Importer/AttentionMask.h"
#include "lib/Importer/Formula.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

/// Keys that the mask does not reach are not seen.
static Value padded(Node &node, Value mask, Dim keys) {
  SmallVector<Dim> dims = nn::dimsOf(mask.getType());
  if (dims.empty() || dims.size() > 4) {
    node.invalid("the mask has rank " + Twine(dims.size()) + "; 1 to 4 was expected");
    return {};
  }
  if (dims.back() == keys)
    return mask;
  SmallVector<Dim> low(dims.size(), node.dim(0)), high = low;
  high.back() = keys - dims.back();
  Type element = getElementTypeOrSelf(mask.getType());
  Value fill = node.scalar(element.isInteger(1) ? 0.0 : -INFINITY, element);
  return node.make<nn::PadOp>(mask, fill, node.dimsAttr(low), node.dimsAttr(high), nn::PadModeAttr::get(node.context, nn::PadMode::Constant));
}

Value attentionMask(Node &node, const MaskInputs &inputs, Dim queries, Dim keys, Type element) {
  Formula f(node);
  Value seen; // boolean conditions so far
  auto require = [&](Value condition) { seen = seen ? f.both(seen, condition) : condition; };
  Value key = f.positions(keys, 1, 2);
  Value valid = inputs.validKeys ? node.cast(inputs.validKeys, node.builder.getI64Type()) : Value();
  if (valid && !node.failed())
    valid = node.reshape(valid, {nn::dimOf(valid.getType(), 0), node.dim(1), node.dim(1), node.dim(1)});

  if (inputs.causal || inputs.left >= 0 || inputs.right >= 0) {
    // The query's position among the keys.
    Value query = f.positions(queries, 0, 2);
    Value own = valid ? f.add(query, f.sub(valid, f.sizeValue(queries))) : f.add(query, f.sizeValue(inputs.past));
    if (inputs.causal)
      require(f.atMost(key, own));
    if (inputs.left >= 0)
      require(f.atMost(f.add(own, -double(inputs.left)), key));
    if (inputs.right >= 0)
      require(f.atMost(key, f.add(own, double(inputs.right))));
  }
  if (valid)
    require(f.less(key, valid));
  if (node.failed() || !inputs.mask)
    return seen;

  Value mask = padded(node, inputs.mask, keys);
  if (node.failed())
    return {};
  if (getElementTypeOrSelf(mask.getType()).isInteger(1))
    return seen ? f.both(mask, seen) : mask;
  mask = node.cast(mask, element);
  return seen ? f.select(seen, mask, node.scalar(-INFINITY, element)) : mask;
}

} // namespace tenon::importer
