// The sizes a kernel depends on.
#include "dialects/kernel/Kernel.h"
#include "llvm/ADT/SetVector.h"

namespace tenon::kernel {
using namespace mlir;

void collectSymbols(FuncOp func) {
  llvm::SetVector<StringRef> names;
  auto collect = [&](nn::Dim dim) {
    SmallVector<StringRef> found;
    dim.collectSymbols(found);
    names.insert(found.begin(), found.end());
  };
  AttrTypeWalker walker;
  walker.addWalk([&](nn::DimsAttr dims) {
    llvm::for_each(dims.dims(), collect);
    return WalkResult::skip();
  });
  walker.addWalk([&](nn::ExprAttr expr) {
    collect(nn::Dim(expr));
    return WalkResult::skip();
  });
  func->walk<WalkOrder::PreOrder>([&](Operation *op) {
    walker.walk(op->getAttrDictionary());
    for (Type type : op->getOperandTypes())
      walker.walk(type);
    for (Type type : op->getResultTypes())
      walker.walk(type);
  });
  func.setSymbolsAttr(Builder(func.getContext()).getStrArrayAttr(SmallVector<StringRef>(names.begin(), names.end())));
}

} // namespace tenon::kernel
