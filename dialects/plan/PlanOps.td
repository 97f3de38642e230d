// The plan dialect: what the runtime executes.
include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "dialects/nn/NNBase.td"

def Plan_Dialect : Dialect {
  let name = "plan";
  let summary = "Constants, arena slices and launches: the runtime's program";
  let cppNamespace = "::tenon::plan";
  let dependentDialects = ["::tenon::nn::NNDialect"];
  let useDefaultTypePrinterParser = 1;
}
class Plan_Op<string mnemonic, list<Trait> traits = []> : Op<Plan_Dialect, mnemonic, traits>;

def Plan_BufferType : TypeDef<Plan_Dialect, "Buffer"> {
  let mnemonic = "buffer";
  let summary = "the address of memory";
}

def Plan_FuncOp : Plan_Op<"func", [Symbol, IsolatedFromAbove, SingleBlock, NoTerminator, NoRegionArguments]> {
  let summary = "a plan: its signature and the steps of one run, in order";
  let description = [{
    `inputs` and `outputs` are the signature: tensor types, `input_names` and `output_names` their names. `arena_bytes`, `lower_bound` and
    `naive_bytes` are set by plan-pack-arena where every size is a constant.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeArrayAttr:$inputs, TypeArrayAttr:$outputs, StrArrayAttr:$input_names, StrArrayAttr:$output_names,
    OptionalAttr<I64Attr>:$arena_bytes, OptionalAttr<I64Attr>:$lower_bound, OptionalAttr<I64Attr>:$naive_bytes);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name attr-dict-with-keyword $body";
  let hasVerifier = 1;
}
def Plan_InputOp : Plan_Op<"input", [Pure]> {
  let summary = "the caller's memory of an input";
  let arguments = (ins I64Attr:$index);
  let results = (outs Plan_BufferType:$buffer);
  let assemblyFormat = "$index attr-dict `:` type($buffer)";
}
def Plan_OutputOp : Plan_Op<"output", [Pure]> {
  let summary = "the caller's memory of an output";
  let arguments = (ins I64Attr:$index);
  let results = (outs Plan_BufferType:$buffer);
  let assemblyFormat = "$index attr-dict `:` type($buffer)";
}
def Plan_ConstantOp : Plan_Op<"constant", [Pure]> {
  let summary = "a constant in the plan's weights section";
  let arguments = (ins AnyAttr:$value);
  let results = (outs Plan_BufferType:$buffer);
  let assemblyFormat = "$value attr-dict `->` type($buffer)";
}
def Plan_AllocOp : Plan_Op<"alloc", [MemoryEffects<[MemAlloc]>]> {
  let summary = "a slice of the arena, alive from the first to the last launch that uses it";
  let description = [{ `offset` is set by plan-pack-arena where every size in the plan is a constant; else the runtime packs. }];
  let arguments = (ins NN_ExprAttr:$size, DefaultValuedAttr<I64Attr, "64">:$alignment, OptionalAttr<I64Attr>:$offset);
  let results = (outs Plan_BufferType:$buffer);
  let assemblyFormat = "`size` `(` $size `)` (`offset` `(` $offset^ `)`)? attr-dict `:` type($buffer)";
}
def Plan_ViewOp : Plan_Op<"view", [Pure]> {
  let summary = "a buffer from a byte offset on";
  let arguments = (ins Plan_BufferType:$source, NN_ExprAttr:$offset);
  let results = (outs Plan_BufferType:$buffer);
  let assemblyFormat = "$source `offset` `(` $offset `)` attr-dict `:` type($buffer)";
}
def Plan_LaunchOp : Plan_Op<"launch", [AttrSizedOperandSegments]> {
  let summary = "one run of a kernel's tasks";
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<Plan_BufferType>:$args, Variadic<Plan_BufferType>:$outs,
    Optional<Plan_BufferType>:$workspace, NN_ExprAttr:$tasks);
  let assemblyFormat = "$kernel `(` $args `)` `->` `(` $outs `)` (`workspace` `(` $workspace^ `)`)? `tasks` `(` $tasks `)` attr-dict";
}
def Plan_CopyOp : Plan_Op<"copy", []> {
  let summary = "a copy of `size` bytes: for an output that is an input or a constant";
  let arguments = (ins Plan_BufferType:$source, Plan_BufferType:$destination, NN_ExprAttr:$size);
  let assemblyFormat = "$source `->` $destination `size` `(` $size `)` attr-dict `:` type($source)";
}
