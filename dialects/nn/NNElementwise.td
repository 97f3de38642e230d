// Elementwise ops: one element of the result from the elements at the same (broadcast) position.
// Those with a folder are exact: a folded constant has the bits that the generated code would give. Elementary functions
// have none; constant folding runs the generated code for them.
#ifndef TENON_NN_ELEMENTWISE
#define TENON_NN_ELEMENTWISE
include "dialects/nn/NNBase.td"

def NN_AbsOp : NN_Unary<"abs"> {
  let summary = "absolute value |x|";
  let description = [{ ONNX: Abs. }];
  let hasFolder = 1;
}
def NN_NegOp : NN_Unary<"neg"> {
  let summary = "negation -x";
  let description = [{ ONNX: Neg. }];
  let hasFolder = 1;
}
def NN_ExpOp : NN_Unary<"exp"> {
  let summary = "e^x";
  let description = [{ ONNX: Exp. }];
}
def NN_LogOp : NN_Unary<"log"> {
  let summary = "natural logarithm";
  let description = [{ ONNX: Log. }];
}
def NN_SqrtOp : NN_Unary<"sqrt"> {
  let summary = "square root";
  let description = [{ ONNX: Sqrt. }];
  let hasFolder = 1;
}
def NN_ReciprocalOp : NN_Unary<"reciprocal"> {
  let summary = "1 / x";
  let description = [{ ONNX: Reciprocal. }];
  let hasFolder = 1;
}
def NN_SinOp : NN_Unary<"sin"> {
  let summary = "sine";
  let description = [{ ONNX: Sin. }];
}
def NN_CosOp : NN_Unary<"cos"> {
  let summary = "cosine";
  let description = [{ ONNX: Cos. }];
}
def NN_TanOp : NN_Unary<"tan"> {
  let summary = "tangent";
  let description = [{ ONNX: Tan. }];
}
def NN_AsinOp : NN_Unary<"asin"> {
  let summary = "inverse sine";
  let description = [{ ONNX: Asin. }];
}
def NN_AcosOp : NN_Unary<"acos"> {
  let summary = "inverse cosine";
  let description = [{ ONNX: Acos. }];
}
def NN_AtanOp : NN_Unary<"atan"> {
  let summary = "inverse tangent";
  let description = [{ ONNX: Atan. }];
}
def NN_SinhOp : NN_Unary<"sinh"> {
  let summary = "hyperbolic sine";
  let description = [{ ONNX: Sinh. }];
}
def NN_CoshOp : NN_Unary<"cosh"> {
  let summary = "hyperbolic cosine";
  let description = [{ ONNX: Cosh. }];
}
def NN_TanhOp : NN_Unary<"tanh"> {
  let summary = "hyperbolic tangent";
  let description = [{ ONNX: Tanh. }];
}
def NN_AsinhOp : NN_Unary<"asinh"> {
  let summary = "inverse hyperbolic sine";
  let description = [{ ONNX: Asinh. }];
}
def NN_AcoshOp : NN_Unary<"acosh"> {
  let summary = "inverse hyperbolic cosine";
  let description = [{ ONNX: Acosh. }];
}
def NN_AtanhOp : NN_Unary<"atanh"> {
  let summary = "inverse hyperbolic tangent";
  let description = [{ ONNX: Atanh. }];
}
def NN_ErfOp : NN_Unary<"erf"> {
  let summary = "error function 2/sqrt(pi) * integral of e^(-t^2) from 0 to x";
  let description = [{ ONNX: Erf. }];
}
def NN_SignOp : NN_Unary<"sign"> {
  let summary = "-1, 0 or 1 by the sign of x";
  let description = [{ ONNX: Sign. }];
  let hasFolder = 1;
}
def NN_FloorOp : NN_Unary<"floor"> {
  let summary = "largest integer not above x";
  let description = [{ ONNX: Floor. }];
  let hasFolder = 1;
}
def NN_CeilOp : NN_Unary<"ceil"> {
  let summary = "smallest integer not below x";
  let description = [{ ONNX: Ceil. }];
  let hasFolder = 1;
}
def NN_RoundOp : NN_Unary<"round"> {
  let summary = "nearest integer, halves to even";
  let description = [{ ONNX: Round. }];
  let hasFolder = 1;
}
def NN_ReluOp : NN_Unary<"relu"> {
  let summary = "max(x, 0)";
  let description = [{ ONNX: Relu. }];
  let hasFolder = 1;
}
def NN_SigmoidOp : NN_Unary<"sigmoid"> {
  let summary = "1 / (1 + e^-x)";
  let description = [{ ONNX: Sigmoid. }];
}
def NN_HardSwishOp : NN_Unary<"hard_swish"> {
  let summary = "x * max(0, min(1, x / 6 + 1 / 2))";
  let description = [{ ONNX: HardSwish. }];
}
def NN_SiluOp : NN_Unary<"silu"> {
  let summary = "x * sigmoid(x)";
  let description = [{ ONNX: Swish; recomposed from Sigmoid and Mul. }];
}
def NN_SoftplusOp : NN_Unary<"softplus"> {
  let summary = "log(1 + e^x)";
  let description = [{ ONNX: Softplus. }];
}
def NN_SoftsignOp : NN_Unary<"softsign"> {
  let summary = "x / (1 + |x|)";
  let description = [{ ONNX: Softsign. }];
}
def NN_MishOp : NN_Unary<"mish"> {
  let summary = "x * tanh(log(1 + e^x))";
  let description = [{ ONNX: Mish. }];
}
def NN_NotOp : NN_Unary<"not"> {
  let summary = "logical negation of a boolean";
  let description = [{ ONNX: Not. }];
  let hasFolder = 1;
}
def NN_BitwiseNotOp : NN_Unary<"bitwise_not"> {
  let summary = "complement of every bit";
  let description = [{ ONNX: BitwiseNot. }];
  let hasFolder = 1;
}

def NN_LeakyReluOp : NN_Unary<"leaky_relu"> {
  let summary = "x for x >= 0, alpha * x below";
  let description = [{ ONNX: LeakyRelu. }];
  let arguments = (ins NN_Tensor:$input, DefaultValuedAttr<F64Attr, "0.01">:$alpha);
}
def NN_EluOp : NN_Unary<"elu"> {
  let summary = "x for x > 0, alpha * (e^x - 1) otherwise";
  let description = [{ ONNX: Elu. }];
  let arguments = (ins NN_Tensor:$input, DefaultValuedAttr<F64Attr, "1.0">:$alpha);
}
def NN_CeluOp : NN_Unary<"celu"> {
  let summary = "max(0, x) + min(0, alpha * (e^(x / alpha) - 1))";
  let description = [{ ONNX: Celu. }];
  let arguments = (ins NN_Tensor:$input, DefaultValuedAttr<F64Attr, "1.0">:$alpha);
}
def NN_SeluOp : NN_Unary<"selu"> {
  let summary = "gamma * (x for x > 0, alpha * (e^x - 1) otherwise)";
  let description = [{ ONNX: Selu. }];
  let arguments = (ins NN_Tensor:$input, DefaultValuedAttr<F64Attr, "1.67326319217681884765625">:$alpha, DefaultValuedAttr<F64Attr, "1.05070102214813232421875">:$gamma);
}
def NN_ThresholdedReluOp : NN_Unary<"thresholded_relu"> {
  let summary = "x for x > alpha, 0 otherwise";
  let description = [{ ONNX: ThresholdedRelu. }];
  let arguments = (ins NN_Tensor:$input, DefaultValuedAttr<F64Attr, "1.0">:$alpha);
}
def NN_HardSigmoidOp : NN_Unary<"hard_sigmoid"> {
  let summary = "max(0, min(1, alpha * x + beta))";
  let description = [{ ONNX: HardSigmoid. }];
  let arguments = (ins NN_Tensor:$input, DefaultValuedAttr<F64Attr, "0.2">:$alpha, DefaultValuedAttr<F64Attr, "0.5">:$beta);
}

def NN_GeluOp : NN_Unary<"gelu"> {
  let summary = "x/2 * (1 + erf(x / sqrt(2))), or its tanh form";
  let description = [{ ONNX: Gelu, FastGelu; recomposed. }];
  let arguments = (ins NN_Tensor:$input, UnitAttr:$tanh);
}
def NN_ClipOp : NN_Unary<"clip"> {
  let summary = "min(max(x, low), high); an absent bound does not limit";
  let description = [{ ONNX: Clip. }];
  let arguments = (ins NN_Tensor:$input, OptionalAttr<F64Attr>:$low, OptionalAttr<F64Attr>:$high);
  let hasFolder = 1;
}
def NN_IsNanOp : NN_Unary<"is_nan"> {
  let summary = "whether x is NaN";
  let description = [{ ONNX: IsNaN. }];
  let hasFolder = 1;
}
def NN_IsInfOp : NN_Unary<"is_inf"> {
  let summary = "whether x is infinite, of the detected signs";
  let description = [{ ONNX: IsInf. }];
  let arguments = (ins NN_Tensor:$input, DefaultValuedAttr<BoolAttr, "true">:$negative, DefaultValuedAttr<BoolAttr, "true">:$positive);
  let hasFolder = 1;
}
def NN_CastOp : NN_Op<"cast", [NN_Elementwise]> {
  let summary = "conversion to another element type";
  let description = [{
    Floats to integers truncate towards zero and saturate (below 8 bits they wrap), to booleans compare with zero. Floats of 8 bits are rounded to the nearest, halves to even;
    what is too large for them becomes their largest number with `saturate`, infinity or NaN without. `rounding` is that of f8E8M0FNU.
    ONNX: Cast, CastLike.
  }];
  let arguments = (ins NN_Tensor:$input, TypeAttr:$to, DefaultValuedAttr<BoolAttr, "true">:$saturate,
    DefaultValuedAttr<NN_RoundMode, "RoundMode::Up">:$rounding);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

def NN_QuantizeOp : NN_Op<"quantize", [NN_Elementwise]> {
  let summary = "saturate(round(x) + zero_point) as an integer of 8 bits; halves go to even, NaN to the lowest";
  let description = [{
    The scale is not part of it: the input counts in steps of the result.

    ```mlir
    %q = nn.quantize %x {zero_point = 128 : i64, to = ui8} : tensor<4xf32> -> tensor<4xui8>
    ```
    ONNX: QuantizeLinear and the results of QLinear operators, without their scale.
  }];
  let arguments = (ins NN_Tensor:$input, I64Attr:$zero_point, TypeAttr:$to);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}
def NN_LookupOp : NN_Op<"lookup", [NN_Elementwise]> {
  let summary = "table[x] of bytes; a signed x counts by its bits, as 0 to 255";
  let description = [{
    Whatever a chain of functions between 8-bit values computes, as the 256 values it has.

    ```mlir
    %y = nn.lookup %x {table = dense_resource<sigmoid> : tensor<256xui8>} : tensor<4xui8> -> tensor<4xui8>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, ElementsAttr:$table);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}
def NN_BitcastOp : NN_Op<"bitcast", [NN_Elementwise]> {
  let summary = "the same bits as another element type of the same width";
  let description = [{ A boolean counts as the byte 0 or 1. ONNX: BitCast. }];
  let arguments = (ins NN_Tensor:$input, TypeAttr:$to);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

def NN_AddOp : NN_Binary<"add", [Commutative]> {
  let summary = "sum";
  let description = [{ ONNX: Add, Sum. }];
  let hasFolder = 1;
}
def NN_SubOp : NN_Binary<"sub"> {
  let summary = "difference";
  let description = [{ ONNX: Sub. }];
  let hasFolder = 1;
}
def NN_MulOp : NN_Binary<"mul", [Commutative]> {
  let summary = "product";
  let description = [{ ONNX: Mul. }];
  let hasFolder = 1;
}
def NN_DivOp : NN_Binary<"div"> {
  let summary = "quotient; integers truncate towards zero";
  let description = [{ ONNX: Div. }];
  let hasFolder = 1;
}
def NN_PowOp : NN_Binary<"pow"> {
  let summary = "lhs to the power rhs, in the type of lhs";
  let description = [{ ONNX: Pow. }];
  let hasFolder = 1;
}
def NN_MaxOp : NN_Binary<"max", [Commutative]> {
  let summary = "the larger, NaN if either is";
  let description = [{ ONNX: Max. }];
  let hasFolder = 1;
}
def NN_MinOp : NN_Binary<"min", [Commutative]> {
  let summary = "the smaller, NaN if either is";
  let description = [{ ONNX: Min. }];
  let hasFolder = 1;
}
def NN_AndOp : NN_Binary<"and", [Commutative]> {
  let summary = "logical conjunction";
  let description = [{ ONNX: And. }];
  let hasFolder = 1;
}
def NN_OrOp : NN_Binary<"or", [Commutative]> {
  let summary = "logical disjunction";
  let description = [{ ONNX: Or. }];
  let hasFolder = 1;
}
def NN_XorOp : NN_Binary<"xor", [Commutative]> {
  let summary = "logical exclusive or";
  let description = [{ ONNX: Xor. }];
  let hasFolder = 1;
}
def NN_BitwiseAndOp : NN_Binary<"bitwise_and", [Commutative]> {
  let summary = "and of every bit";
  let description = [{ ONNX: BitwiseAnd. }];
  let hasFolder = 1;
}
def NN_BitwiseOrOp : NN_Binary<"bitwise_or", [Commutative]> {
  let summary = "or of every bit";
  let description = [{ ONNX: BitwiseOr. }];
  let hasFolder = 1;
}
def NN_BitwiseXorOp : NN_Binary<"bitwise_xor", [Commutative]> {
  let summary = "exclusive or of every bit";
  let description = [{ ONNX: BitwiseXor. }];
  let hasFolder = 1;
}
def NN_PreluOp : NN_Binary<"prelu"> {
  let summary = "lhs for lhs >= 0, lhs * rhs below";
  let description = [{ ONNX: PRelu. }];
}
def NN_ModOp : NN_Binary<"mod"> {
  let summary = "remainder; with fmod the sign of lhs, else of rhs";
  let description = [{ ONNX: Mod. }];
  let arguments = (ins NN_Tensor:$lhs, NN_Tensor:$rhs, UnitAttr:$fmod);
  let hasFolder = 1;
}
def NN_BitShiftOp : NN_Binary<"bit_shift"> {
  let summary = "lhs shifted by rhs bits";
  let description = [{
    Of signed elements the sign fills up from the left. Distances outside of [0, width) leave 0, or -1 of a negative element that goes to the right.
    ONNX: BitShift.
  }];
  let arguments = (ins NN_Tensor:$lhs, NN_Tensor:$rhs, UnitAttr:$left);
  let hasFolder = 1;
}

def NN_EqualOp : NN_Binary<"equal"> {
  let summary = "lhs == rhs, as a boolean";
  let description = [{ ONNX: Equal. }];
  let hasFolder = 1;
}
def NN_LessOp : NN_Binary<"less"> {
  let summary = "lhs < rhs, as a boolean";
  let description = [{ ONNX: Less. }];
  let hasFolder = 1;
}
def NN_LessOrEqualOp : NN_Binary<"less_or_equal"> {
  let summary = "lhs <= rhs, as a boolean";
  let description = [{ ONNX: LessOrEqual. }];
  let hasFolder = 1;
}
def NN_GreaterOp : NN_Binary<"greater"> {
  let summary = "lhs > rhs, as a boolean";
  let description = [{ ONNX: Greater. }];
  let hasFolder = 1;
}
def NN_GreaterOrEqualOp : NN_Binary<"greater_or_equal"> {
  let summary = "lhs >= rhs, as a boolean";
  let description = [{ ONNX: GreaterOrEqual. }];
  let hasFolder = 1;
}
def NN_SelectOp : NN_Op<"select", [NN_Elementwise]> {
  let summary = "on_true where the condition holds, on_false elsewhere; all three broadcast";
  let description = [{ ONNX: Where. }];
  let arguments = (ins NN_Tensor:$condition, NN_Tensor:$on_true, NN_Tensor:$on_false);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$condition `,` $on_true `,` $on_false attr-dict `:` type($condition) `,` type($on_true) `,` type($on_false) `->` type($result)";
  let hasFolder = 1;
}
#endif
