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
def Plan_ReadSizesOp : Plan_Op<"read_sizes", []> {
  let summary = "integers in memory become the values of symbols";
  let description = [{ The step that begins a new segment: what depends on the symbols is laid out when it has run. `type` is that of the integers. }];
  let arguments = (ins Plan_BufferType:$source, StrArrayAttr:$symbols, TypeAttr:$type);
  let assemblyFormat = "$source `->` $symbols `as` $type attr-dict `:` type($source)";
}
def Plan_RequireOp : Plan_Op<"require", []> {
  let summary = "the run fails unless `left` equals `right`, or is at most `right`";
  let arguments = (ins NN_ExprAttr:$left, NN_ExprAttr:$right, StrAttr:$what, UnitAttr:$at_most);
  let assemblyFormat = "$left `,` $right `,` $what attr-dict";
}
def Plan_IfOp : Plan_Op<"if", [AttrSizedOperandSegments]> {
  let summary = "one run of one of two plans";
  let description = [{
    Arguments are memory of the shapes `then_types` and `else_types`, in this plan's symbols. The results are memory of the plan that ran, of the shapes
    `result_types`, valid until it runs again; their sizes define `symbols`.
  }];
  let arguments = (ins Plan_BufferType:$condition, FlatSymbolRefAttr:$then_plan, Variadic<Plan_BufferType>:$then_args, FlatSymbolRefAttr:$else_plan,
    Variadic<Plan_BufferType>:$else_args, TypeArrayAttr:$then_types, TypeArrayAttr:$else_types, TypeArrayAttr:$result_types, StrArrayAttr:$symbols);
  let results = (outs Variadic<Plan_BufferType>:$outs);
  let assemblyFormat = [{
    $condition `then` $then_plan `(` $then_args `)` `else` $else_plan `(` $else_args `)` attr-dict `:` functional-type(operands, results)
  }];
}
def Plan_LoopOp : Plan_Op<"loop", [AttrSizedOperandSegments]> {
  let summary = "runs of a plan, one behind the other";
  let description = [{
    As `nn.loop`. `types` are the shapes of carried, scanned and captured memory, in this plan's symbols; results as those of `plan.if`.
  }];
  let arguments = (ins Optional<Plan_BufferType>:$trips, Optional<Plan_BufferType>:$condition, Variadic<Plan_BufferType>:$carried,
    Variadic<Plan_BufferType>:$scanned, Variadic<Plan_BufferType>:$captured, FlatSymbolRefAttr:$body, TypeArrayAttr:$types,
    TypeArrayAttr:$result_types, StrArrayAttr:$symbols, UnitAttr:$counts);
  let results = (outs Variadic<Plan_BufferType>:$outs);
  let assemblyFormat = [{
    (`trips` $trips^)? (`condition` $condition^)? `carried` `(` $carried `)` `scanned` `(` $scanned `)` `captured` `(` $captured `)` `body` $body
    attr-dict `:` functional-type(operands, results)
  }];
}
