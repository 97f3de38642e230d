// Layers that walk a sequence with a state, beside nn.lstm.
#ifndef TENON_NN_RECURRENT
#define TENON_NN_RECURRENT
include "dialects/nn/NNBase.td"

def NN_CellEnum : NN_Enum<"Cell", "what a recurrent layer computes in a step", [
  I32EnumAttrCase<"RNN", 0, "rnn">, I32EnumAttrCase<"GRU", 1, "gru">, I32EnumAttrCase<"LSTM", 2, "lstm">]>;
def NN_Cell : NN_EnumAttr<NN_CellEnum, "cell">;

def NN_RecurrenceOp : NN_Op<"recurrence", [AttrSizedOperandSegments]> {
  let summary = "the steps of a recurrent layer whose input product is computed already";
  let description = [{
    gates [T, B, D, G * H] holds input * weights + biases; recurrence [D, H, G * H] the weights of the state; reset_bias [D, H] (gru with
    `linear_before_reset`) the recurrent bias of the hidden gate; lengths [B] (i32: steps beyond them give zeros and leave the states);
    initial_h and initial_c [D, B, H]; peephole [D, 3 * H] (i, o, f). D is 2 for `bidirectional`, else 1. With a = gates + h R:

        rnn (G = 1)   h' = f(a)
        gru (G = 3)   z = f(az)  r = f(ar)  n = g(gates_n + (r * h) Rn), linear_before_reset: g(gates_n + r * (h Rn + reset_bias))
                      h' = (1 - z) * n + z * h
        lstm (G = 4)  i = f(ai + pi * c)  fg = f(af + pf * c), input_forget: 1 - i  c' = fg * c + i * g(ac)
                      o = f(ao + po * c')  h' = o * h(c')

    Gates lie in the order z, r, n and i, o, f, c. `activations` names f (and g, h) as ONNX does; `alpha` and `beta` are their parameters.
    `clip` above 0 bounds a, the sum that goes into an activation, to [-clip, clip].

    Results: the sequence [T, D, B, H], the last h and (lstm; zeros otherwise) the last c [D, B, H].

    ```mlir
    %seq, %h, %c = nn.recurrence %a, %r {cell = #nn.cell<gru>, direction = #nn.direction<forward>, activations = ["Sigmoid", "Tanh"],
                                         alpha = array<f64: 0.0, 0.0>, beta = array<f64: 0.0, 0.0>, clip = 0.0 : f64}
       : tensor<?x1x1x192xf32, #nn.dims<[t, 1, 1, 192]>>, tensor<1x64x192xf32>
       -> tensor<?x1x1x64xf32, #nn.dims<[t, 1, 1, 64]>>, tensor<1x1x64xf32>, tensor<1x1x64xf32>
    ```
    ONNX: RNN, GRU, LSTM with clip, input_forget or other activations than nn.lstm's.
  }];
  let arguments = (ins NN_Tensor:$gates, NN_Tensor:$recurrence, NN_OptionalTensor:$reset_bias, NN_OptionalTensor:$lengths,
    NN_OptionalTensor:$initial_h, NN_OptionalTensor:$initial_c, NN_OptionalTensor:$peephole, NN_Cell:$cell, NN_Direction:$direction,
    StrArrayAttr:$activations, DenseF64ArrayAttr:$alpha, DenseF64ArrayAttr:$beta, F64Attr:$clip, UnitAttr:$input_forget,
    UnitAttr:$linear_before_reset);
  let assemblyFormat = [{ $gates `,` $recurrence (`reset_bias` `(` $reset_bias^ `:` type($reset_bias) `)`)?
    (`lengths` `(` $lengths^ `:` type($lengths) `)`)? (`initial_h` `(` $initial_h^ `:` type($initial_h) `)`)?
    (`initial_c` `(` $initial_c^ `:` type($initial_c) `)`)? (`peephole` `(` $peephole^ `:` type($peephole) `)`)?
    attr-dict `:` type($gates) `,` type($recurrence) `->` type(results) }];
  let results = (outs NN_Tensor:$sequence, NN_Tensor:$last_h, NN_Tensor:$last_c);
}

def NN_LinearAttentionOp : NN_Op<"linear_attention", [AttrSizedOperandSegments]> {
  let summary = "attention through a state of outer products, updated step by step";
  let description = [{
    query [B, T, Hq * K], key [B, T, Hk * K], value [B, T, Hk * V], past [B, Hk, K, V] (zeros where absent), decay [B, T, Hk * K] or
    [B, T, Hk], beta [B, T, Hk] or [B, T, 1]. Hq is a multiple of Hk. For each batch and key head, with the state S [K, V]:

        S = exp(decay_t) * S                        where decay is given
        w = beta_t * (v_t - S' k_t)                 where beta is given, otherwise w = v_t
        S = S + k_t w'
        o_t = scale * S' q_t                        for every query head of the key head

    Results: the sequence [B, T, Hq * V] and the last state [B, Hk, K, V].

    ```mlir
    %y, %state = nn.linear_attention %q, %k, %v {query_heads = 4 : i64, key_heads = 4 : i64, scale = 0.25 : f64}
       : tensor<1x8x64xf32>, tensor<1x8x64xf32>, tensor<1x8x64xf32> -> tensor<1x8x64xf32>, tensor<1x4x16x16xf32>
    ```
    ONNX: LinearAttention.
  }];
  let arguments = (ins NN_Tensor:$query, NN_Tensor:$key, NN_Tensor:$value, NN_OptionalTensor:$past, NN_OptionalTensor:$decay,
    NN_OptionalTensor:$beta, I64Attr:$query_heads, I64Attr:$key_heads, F64Attr:$scale);
  let assemblyFormat = [{ $query `,` $key `,` $value (`past` `(` $past^ `:` type($past) `)`)? (`decay` `(` $decay^ `:` type($decay) `)`)?
    (`beta` `(` $beta^ `:` type($beta) `)`)? attr-dict `:` type($query) `,` type($key) `,` type($value) `->` type(results) }];
  let results = (outs NN_Tensor:$sequence, NN_Tensor:$state);
}
#endif
