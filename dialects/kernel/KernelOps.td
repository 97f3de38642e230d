// The kernel dialect: units of code and their dispatches.
include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/CallInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "dialects/nn/NNBase.td"

def Kernel_Dialect : Dialect {
  let name = "kernel";
  let summary = "Units of code: fused groups of nn ops, how they are computed, and where they are called";
  let cppNamespace = "::tenon::kernel";
  let dependentDialects = ["::tenon::nn::NNDialect"];
  let useDefaultAttributePrinterParser = 1;
  let hasRegionArgAttrVerify = 1;
  let hasRegionResultAttrVerify = 1;
  let extraClassDeclaration = [{
  private:
    static ::llvm::LogicalResult verifyPlacement(::mlir::Operation *op, ::mlir::Type type, ::mlir::NamedAttribute attr, ::llvm::StringRef what, unsigned index);
  public:
  }];
}
class Kernel_Op<string mnemonic, list<Trait> traits = []> : Op<Kernel_Dialect, mnemonic, traits>;

def Kernel_ScheduleAttr : AttrDef<Kernel_Dialect, "Schedule"> {
  let mnemonic = "schedule";
  let summary = "How a kernel is computed: everything a tuner may choose and nothing else";
  let description = [{
    The family's name and its parameters, integers and strings:
    `#kernel.schedule<"contraction", {mr = 6 : i64, nr = 16 : i64, kc = 256 : i64, order = "ij"}>`.
  }];
  let parameters = (ins "::mlir::StringAttr":$family, "::mlir::DictionaryAttr":$parameters);
  let assemblyFormat = "`<` $family `,` $parameters `>`";
  let extraClassDeclaration = [{
    /// A schedule of integer parameters.
    static ScheduleAttr get(::mlir::MLIRContext *context, ::llvm::StringRef family,
                            ::llvm::ArrayRef<std::pair<::llvm::StringRef, int64_t>> parameters);
    /// The integer parameter `name`, or `otherwise` where it is absent.
    int64_t get(::llvm::StringRef name, int64_t otherwise) const;
    ::llvm::StringRef get(::llvm::StringRef name, ::llvm::StringRef otherwise) const;
  }];
}

def Kernel_PackingAttr : AttrDef<Kernel_Dialect, "Packing"> {
  let mnemonic = "packing";
  let summary = "The layout of a packed constant: pad at the end, reshape, transpose";
  let description = [{
    packed = transpose(reshape(pad(x, to `padded`), `split`), `perm`); `padded` has the rank of x, `split` refines it.
    A [64, 64, 3, 3] filter in panels of 16 output channels, k in the order (r, s, c):
    `#kernel.packing<padded = [64, 64, 3, 3], split = [4, 16, 64, 3, 3], perm = [0, 3, 4, 2, 1]>`.
    With `winograd = m` a [K, C, 3, 3] filter x first becomes [K, C, m + 2, m + 2]: G x Gt of Winograd's F(m x m, 3 x 3), m is 2 or 4.
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$padded, ArrayRefParameter<"int64_t">:$split, ArrayRefParameter<"int64_t">:$perm,
    DefaultValuedParameter<"int64_t", "0">:$winograd);
  let builders = [AttrBuilder<(ins "::llvm::ArrayRef<int64_t>":$padded, "::llvm::ArrayRef<int64_t>":$split, "::llvm::ArrayRef<int64_t>":$perm),
                              "return $_get($_ctxt, padded, split, perm, int64_t(0));">];
  let assemblyFormat = "`<` `padded` `=` `[` $padded `]` `,` `split` `=` `[` $split `]` `,` `perm` `=` `[` $perm `]` (`,` `winograd` `=` $winograd^)? `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    ::llvm::SmallVector<int64_t> packedShape() const;
    /// The shape of a tensor of shape `shape` after the transform, before padding.
    ::llvm::SmallVector<int64_t> transformedShape(::llvm::ArrayRef<int64_t> shape) const;
  }];
}

def Kernel_FuncOp : Kernel_Op<"func", [AutomaticAllocationScope, FunctionOpInterface, IsolatedFromAbove]> {
  let summary = "a kernel: nn ops that are computed together";
  let description = [{
    Arguments are all tensors it reads, weights included; the body is nn ops (and `kernel.unpack`) ended by
    `kernel.return`. `symbols` names the sizes its types and attributes use, in the order in which their values are passed.
    Set by 4_schedule: `schedule`, `tasks` (how many independent tasks there are), `workspace_bytes` (for one task),
    `overwrites` (result i may use the memory of argument overwrites[i], -1: none).

    ```mlir
    kernel.func private @conv_relu(%x: tensor<1x56x56x64xf32>, %w: tensor<64x64x1x1xf32>, %b: tensor<64xf32>) -> tensor<1x56x56x64xf32> {
      %0 = nn.conv %x, %w bias %b {…, layout = #nn.layout<channels_last>} : …
      %1 = nn.relu %0 : …
      kernel.return %1 : tensor<1x56x56x64xf32>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<FunctionType>:$function_type, OptionalAttr<StrAttr>:$sym_visibility,
    OptionalAttr<DictArrayAttr>:$arg_attrs, OptionalAttr<DictArrayAttr>:$res_attrs, DefaultValuedAttr<StrArrayAttr, "{}">:$symbols,
    OptionalAttr<Kernel_ScheduleAttr>:$schedule, OptionalAttr<NN_ExprAttr>:$tasks, DefaultValuedAttr<I64Attr, "0">:$workspace_bytes,
    OptionalAttr<DenseI64ArrayAttr>:$overwrites);
  let regions = (region AnyRegion:$body);
  /// A private kernel with an entry block whose arguments have the types of `type`.
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::FunctionType":$type,
                                 CArg<"::llvm::ArrayRef<::mlir::NamedAttribute>", "{}">:$attrs)>];
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::llvm::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::llvm::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
    ::mlir::Region *getCallableRegion() { return &getBody(); }
    /// Strides in elements of argument or result `i` as 5_memory placed it: `kernel.strides`, or dense row-major.
    ::llvm::SmallVector<::tenon::nn::Dim> argumentStrides(unsigned i);
    ::llvm::SmallVector<::tenon::nn::Dim> resultStrides(unsigned i);
    ReturnOp terminator();
  }];
}

def Kernel_ReturnOp : Kernel_Op<"return", [Pure, HasParent<"FuncOp">, ReturnLike, Terminator]> {
  let summary = "the results of a kernel";
  let arguments = (ins Variadic<NN_Tensor>:$operands);
  let assemblyFormat = "$operands attr-dict `:` type($operands)";
  let hasVerifier = 1;
}

def Kernel_DispatchOp : Kernel_Op<"dispatch", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "one run of a kernel";
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<NN_Tensor>:$args);
  let results = (outs Variadic<NN_Tensor>:$outs);
  let assemblyFormat = "$kernel `(` $args `)` attr-dict `:` functional-type($args, $outs)";
}

def Kernel_UnpackOp : Kernel_Op<"unpack", [Pure]> {
  let summary = "the logical tensor behind a packed argument";
  let description = [{ The inverse of `packing`. An emitter that knows the layout reads panels and never materializes this. }];
  let arguments = (ins NN_Tensor:$packed, Kernel_PackingAttr:$packing);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$packed attr-dict `:` type($packed) `->` type($result)";
  let hasVerifier = 1;
}
