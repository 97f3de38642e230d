// Which keys a query of scaled dot-product attention sees, as one mask.
#pragma once
#include "lib/Importer/Node.h"

namespace tenon::importer {

struct MaskInputs {
  mlir::Value mask;      // boolean (true: seen) or added to the scores; may be null
  mlir::Value validKeys; // [batch]: so many keys at the front count; may be null
  nn::Dim past;          // keys before the first query's own
  bool causal = false;
  int64_t left = -1, right = -1; // a window around the query's position; -1: open
};

/// A mask that broadcasts to [batch, heads, queries, keys], boolean or of the elements `element`; null where every query sees every
/// key, and after a failure.
mlir::Value attentionMask(Node &node, const MaskInputs &inputs, nn::Dim queries, nn::Dim keys, mlir::Type element);

} // namespace tenon::importer
