// Control flow: functions of the module that a run calls once, one of two, or again and again.
#ifndef TENON_NN_CONTROL
#define TENON_NN_CONTROL
include "dialects/nn/NNBase.td"
include "mlir/IR/SymbolInterfaces.td"

class NN_ControlOp<string mnemonic> : Op<NN_Dialect, mnemonic, [MemoryEffects<[MemWrite]>, AttrSizedOperandSegments,
                                                                DeclareOpInterfaceMethods<SymbolUserOpInterface>]>;

def NN_IfOp : NN_ControlOp<"if"> {
  let summary = "the results of one of two functions";
  let description = [{
    `then_func` runs where `condition` (one boolean) is true, `else_func` otherwise, each with its own arguments; everything that a function reads
    is an argument. A function may use its caller's symbols. Sizes of results that the two functions do not share are `symbols` that this op defines.

    ```mlir
    %y = nn.if %c then @then(%x) else @else(%x, %w) {symbols = ["/If.size0"]}
       : (tensor<i1>, tensor<4xf32>, tensor<4xf32>, tensor<8xf32>) -> tensor<?xf32, #nn.dims<["/If.size0"]>>
    ```
    ONNX: If.
  }];
  let arguments = (ins NN_Tensor:$condition, FlatSymbolRefAttr:$then_func, Variadic<NN_Tensor>:$then_args, FlatSymbolRefAttr:$else_func,
                       Variadic<NN_Tensor>:$else_args, DefaultValuedAttr<StrArrayAttr, "{}">:$symbols);
  let results = (outs Variadic<NN_Tensor>:$outs);
  let assemblyFormat = [{
    $condition `then` $then_func `(` $then_args `)` `else` $else_func `(` $else_args `)` attr-dict `:` functional-type(operands, results)
  }];
}

def NN_LoopOp : NN_ControlOp<"loop"> {
  let summary = "a function again and again";
  let description = [{
    `body` runs at most `trips` times (absent: no limit), each time with (iteration number, i64; carried values; one slice of each of `scanned` along its
    first axis; captured values), and gives (whether to go on, a boolean, unless the loop `counts`; the next carried values; slices of the stacked
    results). It does not run at all where `condition` is given and false. The results are the last carried values and the stacked slices, one behind
    the other along a new first axis.

    A carried value whose size changes has a symbol of its own in the body's argument. Sizes that only the run knows are `symbols` that this op defines.

    ```mlir
    // Adds the rows of %x: no condition, 8 trips, no stacked results.
    %sum = nn.loop trips %n carried(%zero) scanned(%x) captured() body @add {counts, stacked = 0 : i64}
         : (tensor<i64>, tensor<4xf32>, tensor<8x4xf32>) -> tensor<4xf32>
    ```
    ONNX: Loop, Scan.
  }];
  let arguments = (ins NN_OptionalTensor:$trips, NN_OptionalTensor:$condition, Variadic<NN_Tensor>:$carried, Variadic<NN_Tensor>:$scanned,
                       Variadic<NN_Tensor>:$captured, FlatSymbolRefAttr:$body, I64Attr:$stacked, UnitAttr:$counts,
                       DefaultValuedAttr<StrArrayAttr, "{}">:$symbols);
  let results = (outs Variadic<NN_Tensor>:$outs);
  let assemblyFormat = [{
    (`trips` $trips^)? (`condition` $condition^)? `carried` `(` $carried `)` `scanned` `(` $scanned `)` `captured` `(` $captured `)` `body` $body
    attr-dict `:` functional-type(operands, results)
  }];
}
#endif
