// What the inference of result types takes for granted of sizes that it cannot compare.
#pragma once
#include "dialects/nn/Dim.h"

namespace tenon::nn {

/// A condition on what two sizes are in a run: they are equal, or `left` is 1 where that may be broadcast.
struct SizeCondition {
  Dim left, right;
  bool mayBeOne;
};

/// Collects the conditions of everything that this thread infers while the object lives. Whoever builds ops from sizes of which nobody has said that
/// they are the same has them checked by the run (nn.require); elsewhere they are not looked at.
class SizeConditions {
public:
  SizeConditions();
  ~SizeConditions();
  SizeConditions(const SizeConditions &) = delete;
  SizeConditions &operator=(const SizeConditions &) = delete;

  llvm::ArrayRef<SizeCondition> get() const { return conditions; }
  /// Adds a condition to the innermost collection, if there is one.
  static void add(Dim left, Dim right, bool mayBeOne);

private:
  llvm::SmallVector<SizeCondition> conditions;
  SizeConditions *outer;
};

} // namespace tenon::nn
