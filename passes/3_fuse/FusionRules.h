// Which ops a kernel may hold around its anchor: one table, asked by kernel-form-groups.
#pragma once
#include "dialects/kernel/Kernel.h"

namespace tenon::fuse {

/// The families of anchors, by what their code can inline.
enum class Anchor {
  Elementwise, // no anchor: a group of elementwise ops
  Contraction, // conv, matmul
  Attention,
  Rows,        // softmax, norms, reductions
  Window,      // pool, resize
  Lookup,      // gathers
  Move,        // concat, slice, transpose, pad, tile, depth_to_space: data movement on its own
  Other,       // everything else stays alone
};
Anchor anchorOf(mlir::Operation *op);

/// Whether `op` is a view that can be part of a kernel: transpose, slice, expand. A reshape is one only together with these.
bool isView(mlir::Operation *op);

/// Whether the kernel around `anchor` may compute `op`, an elementwise op of the anchor's result.
bool takesEpilogue(mlir::Operation *anchor, mlir::Operation *op);
/// Whether the kernel of `anchor`, one filter a channel, reads bytes and subtracts their zero point itself, or widens bf16.
bool decodesBytes(mlir::Operation *anchor);
/// Whether `op` rounds an image of few channels to the half type that `anchor` multiplies: it gathers elements, and rounds them on the way.
bool roundsImage(mlir::Operation *anchor, mlir::Operation *op);
/// Whether `op` is part of what makes bytes of an image of few channels that `anchor` multiplies, a scale and nn.quantize: a convolution with a stride
/// that reads the image once for all columns can do so on its way.
bool quantizesImage(mlir::Operation *anchor, mlir::Operation *op);
/// Whether `op` makes numbers of bytes: a cast, then scalars; or of the bf16 that products multiply in pairs: a cast.
bool isDecoding(mlir::Operation *op);
/// The same where the kernel of `anchor` may do it as it reads them behind its sums: convolutions and products of bytes, and any that read bf16.
bool decodesOperand(mlir::Operation *anchor, mlir::Operation *op);
/// Whether two products of one row of each image, `excite` of what is made of `squeeze`'s result, may be one kernel.
bool isGate(mlir::Operation *squeeze, mlir::Operation *excite);
/// Whether `value`, a gate's row, is made by a factor and a rounding of `anchor`'s total of sums that a kernel gave.
bool isMeanOfSums(mlir::Value value, mlir::Operation *anchor);
/// Whether it may compute `op`, whose result is operand `operand` of the anchor, at its loads.
bool takesPrologue(mlir::Operation *anchor, unsigned operand, mlir::Operation *op);
/// Whether it may read its first operand through `pad`, a constant pad of the spatial axes: convolutions of bytes, which pad with a zero point.
bool takesPad(mlir::Operation *anchor, nn::PadOp pad);
/// Whether it may store its result through `transpose`.
bool takesTranspose(mlir::Operation *anchor, nn::TransposeOp transpose);
/// Whether `user` in the kernel around `anchor` may read its operand through the view.
bool readsView(mlir::Operation *anchor, mlir::OpOperand &operand, const kernel::View &view);
/// Whether a constant operand lives inside the kernel (scalars, shapes) instead of being an argument (weights).
bool inlinesConstant(mlir::OpOperand &operand, nn::ConstantOp constant);

} // namespace tenon::fuse
