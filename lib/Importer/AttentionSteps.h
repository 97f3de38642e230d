// Attention step by step, for the forms that nn.attention does not have.
#pragma once
#include "lib/Importer/Node.h"

namespace tenon::importer {

struct AttentionOperands {
  mlir::Value query, key, value, mask;
  double scale = 1.0;
  mlir::Value freeScale; ///< in place of `scale` where the size of heads is free
  mlir::Value sink;      ///< the score of a key more, whose value is 0: broadcast to [batch, heads, queries, 1]; may be null
};

/// What a node shows of its scores.
enum class AttentionScores { Raw, Capped, Masked, Probabilities };

/// The result; `scores` gets what `shown` says. A softcap of 0 is none.
mlir::Value spelledOut(Node &node, const AttentionOperands &in, double softcap, mlir::Type precision, AttentionScores shown, mlir::Value &scores);

} // namespace tenon::importer
