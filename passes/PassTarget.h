// The CPU that a pass works for.
#pragma once
#include "lib/Target/Target.h"
#include "mlir/IR/Operation.h"

namespace tenon {

/// The target that a pass was constructed for, or else the one that its option names. Failure, reported at `op`, where no target has
/// that name.
inline llvm::FailureOr<Target> passTarget(mlir::Operation *op, const std::optional<Target> &given, llvm::StringRef name) {
  if (given)
    return *given;
  llvm::Expected<Target> parsed = Target::parse(name);
  if (!parsed)
    return op->emitError(llvm::toString(parsed.takeError()));
  return *parsed;
}

} // namespace tenon
