// Dialect, attributes, enums and op base classes of nn.
#ifndef TENON_NN_BASE
#define TENON_NN_BASE
include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/TensorEncoding.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def NN_Dialect : Dialect {
  let name = "nn";
  let summary = "The neural-network graph, free of any framework's opset";
  let description = [{
    Value semantics on ranked tensors. Every dimension is a constant or an expression over named symbols
    (`#nn.dims` as the tensor's encoding). One canonical op per meaning; what a model format calls the same thing in
    another way is the importer's business.

    Elementwise ops compute each element of the result from the operands' elements at the same position, after numpy
    broadcasting aligned at the last axis. Of two sizes the one that is not 1 wins; two different expressions give their max.

    ```mlir
    %y = nn.add %x, %bias : tensor<?x64xf32, #nn.dims<[n, 64]>>, tensor<64xf32> -> tensor<?x64xf32, #nn.dims<[n, 64]>>
    ```
    f16 and bf16 are computed in f32 and rounded once at the end of a kernel; integers wrap.
  }];
  let cppNamespace = "::tenon::nn";
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let hasCanonicalizer = 1;
}

class NN_Attr<string name, string attrMnemonic, list<Trait> traits = []> : AttrDef<NN_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

def NN_CallAttr : NN_Attr<"Call", "call"> {
  let summary = "An atom of a dimension expression that is not a symbol: floordiv, mod, min or max of two expressions";
  let parameters = (ins "::mlir::StringAttr":$function, "::mlir::Attribute":$lhs, "::mlir::Attribute":$rhs);
  let assemblyFormat = "`<` $function `,` $lhs `,` $rhs `>`";
}

def NN_ExprAttr : NN_Attr<"Expr", "expr"> {
  let summary = "An integer expression over sizes, canonical";
  let description = [{
    `terms[i]` is an array of atoms (a StringAttr for a symbol, `#nn.call` otherwise), `coefficients[i]` its factor; the
    constant term has an empty array. Written as usual: `#nn.expr<2 * batch + floordiv(h - 1, 2) + 1>`.
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$coefficients, ArrayRefParameter<"::mlir::ArrayAttr">:$terms);
  let hasCustomAssemblyFormat = 1;
}

def NN_DimsAttr : NN_Attr<"Dims", "dims", [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "A list of dimension expressions: a tensor's encoding, or the contents of a small integer tensor";
  let description = [{ `#nn.dims<[batch, 3, floordiv(h - 1, 2) + 1]>` }];
  let parameters = (ins ArrayRefParameter<"::tenon::nn::ExprAttr">:$exprs);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    ::llvm::SmallVector<::tenon::nn::Dim> dims() const;
    size_t size() const { return getExprs().size(); }
  }];
}

class NN_Enum<string name, string description, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, description, cases> {
  let genSpecializedAttr = 0;
  let cppNamespace = "::tenon::nn";
}
/// Written `#nn.layout<channels_last>`.
class NN_EnumAttr<I32EnumAttr enum, string mnemonic> : EnumAttr<NN_Dialect, enum, mnemonic> {
  let assemblyFormat = "`<` $value `>`";
}

def NN_LayoutEnum : NN_Enum<"Layout", "where the channel axis is", [
  I32EnumAttrCase<"ChannelsFirst", 0, "channels_first">, I32EnumAttrCase<"ChannelsLast", 1, "channels_last">]>;
def NN_Layout : NN_EnumAttr<NN_LayoutEnum, "layout">;

def NN_PoolKindEnum : NN_Enum<"PoolKind", "what a pooling window computes", [
  I32EnumAttrCase<"Max", 0, "max">, I32EnumAttrCase<"Average", 1, "average">, I32EnumAttrCase<"Lp", 2, "lp">]>;
def NN_PoolKind : NN_EnumAttr<NN_PoolKindEnum, "pool_kind">;

def NN_ReduceKindEnum : NN_Enum<"ReduceKind", "what a reduction computes", [
  I32EnumAttrCase<"Sum", 0, "sum">, I32EnumAttrCase<"Mean", 1, "mean">, I32EnumAttrCase<"Max", 2, "max">,
  I32EnumAttrCase<"Min", 3, "min">, I32EnumAttrCase<"Prod", 4, "prod">, I32EnumAttrCase<"SumSquare", 5, "sum_square">,
  I32EnumAttrCase<"L1", 6, "l1">, I32EnumAttrCase<"L2", 7, "l2">, I32EnumAttrCase<"LogSum", 8, "log_sum">,
  I32EnumAttrCase<"LogSumExp", 9, "log_sum_exp">]>;
def NN_ReduceKind : NN_EnumAttr<NN_ReduceKindEnum, "reduce_kind">;

def NN_PadModeEnum : NN_Enum<"PadMode", "what padding holds", [
  I32EnumAttrCase<"Constant", 0, "constant">, I32EnumAttrCase<"Reflect", 1, "reflect">,
  I32EnumAttrCase<"Edge", 2, "edge">, I32EnumAttrCase<"Wrap", 3, "wrap">]>;
def NN_PadMode : NN_EnumAttr<NN_PadModeEnum, "pad_mode">;

def NN_ResizeModeEnum : NN_Enum<"ResizeMode", "interpolation", [
  I32EnumAttrCase<"Nearest", 0, "nearest">, I32EnumAttrCase<"Linear", 1, "linear">, I32EnumAttrCase<"Cubic", 2, "cubic">]>;
def NN_ResizeMode : NN_EnumAttr<NN_ResizeModeEnum, "resize_mode">;

def NN_CoordinateModeEnum : NN_Enum<"CoordinateMode", "output coordinate to input coordinate, as ONNX Resize names them", [
  I32EnumAttrCase<"HalfPixel", 0, "half_pixel">, I32EnumAttrCase<"HalfPixelSymmetric", 1, "half_pixel_symmetric">,
  I32EnumAttrCase<"PytorchHalfPixel", 2, "pytorch_half_pixel">, I32EnumAttrCase<"AlignCorners", 3, "align_corners">,
  I32EnumAttrCase<"Asymmetric", 4, "asymmetric">, I32EnumAttrCase<"TfHalfPixelForNN", 5, "tf_half_pixel_for_nn">,
  I32EnumAttrCase<"TfCropAndResize", 6, "tf_crop_and_resize">]>;
def NN_CoordinateMode : NN_EnumAttr<NN_CoordinateModeEnum, "coordinate_mode">;

def NN_NearestModeEnum : NN_Enum<"NearestMode", "rounding of nearest-neighbour coordinates", [
  I32EnumAttrCase<"RoundPreferFloor", 0, "round_prefer_floor">, I32EnumAttrCase<"RoundPreferCeil", 1, "round_prefer_ceil">,
  I32EnumAttrCase<"Floor", 2, "floor">, I32EnumAttrCase<"Ceil", 3, "ceil">]>;
def NN_NearestMode : NN_EnumAttr<NN_NearestModeEnum, "nearest_mode">;

def NN_RoundModeEnum : NN_Enum<"RoundMode", "rounding of a conversion", [
  I32EnumAttrCase<"Up", 0, "up">, I32EnumAttrCase<"Down", 1, "down">, I32EnumAttrCase<"Nearest", 2, "nearest">]>;
def NN_RoundMode : NN_EnumAttr<NN_RoundModeEnum, "round_mode">;

def NN_DirectionEnum : NN_Enum<"Direction", "the way a recurrent layer walks the sequence", [
  I32EnumAttrCase<"Forward", 0, "forward">, I32EnumAttrCase<"Reverse", 1, "reverse">, I32EnumAttrCase<"Bidirectional", 2, "bidirectional">]>;
def NN_Direction : NN_EnumAttr<NN_DirectionEnum, "direction">;

def NN_Elementwise : NativeOpTrait<"Elementwise"> { let cppNamespace = "::tenon::nn"; }
def NN_ViewLike : NativeOpTrait<"ViewLike"> { let cppNamespace = "::tenon::nn"; }

/// Any element type an ONNX tensor may have, quantized types included. Every `?` is named by `#nn.dims`.
def NN_Tensor : Type<And<[RankedTensorOf<[AnyType]>.predicate, CPred<"::tenon::nn::hasNamedDims($_self)">]>,
                     "ranked tensor whose free axes are named by #nn.dims", "::mlir::RankedTensorType">;
def NN_OptionalTensor : Optional<NN_Tensor>;

/// Verifies by inference: whatever `inferReturnTypes` refuses is an error of the op, and so is another result type.
def NN_VerifiedByInference : NativeOpTrait<"VerifiedByInference"> { let cppNamespace = "::tenon::nn"; }

/// Every op infers its result types: InferTypeOpAdaptor's `inferReturnTypes(ctx, location, adaptor, types)`. All that there is
/// to check about operands and attributes is checked there, so that importer and verifier say the same.
class NN_Op<string mnemonic, list<Trait> traits = []>
    : Op<NN_Dialect, mnemonic, !listconcat(traits, [Pure, NN_VerifiedByInference, InferTypeOpAdaptor])>;

class NN_Unary<string mnemonic, list<Trait> traits = []> : NN_Op<mnemonic, !listconcat([NN_Elementwise], traits)> {
  let arguments = (ins NN_Tensor:$input);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}
class NN_Binary<string mnemonic, list<Trait> traits = []> : NN_Op<mnemonic, !listconcat([NN_Elementwise], traits)> {
  let arguments = (ins NN_Tensor:$lhs, NN_Tensor:$rhs);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)";
}
#endif
