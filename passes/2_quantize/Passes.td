// Passes of quantized networks, in the order of their use.
#ifndef TENON_QUANTIZE_PASSES
#define TENON_QUANTIZE_PASSES
include "mlir/Pass/PassBase.td"

class QuantizePass<string argument> : Pass<argument, "::mlir::func::FuncOp"> {
  let dependentDialects = ["::tenon::nn::NNDialect"];
}

def FormQuantize : QuantizePass<"nn-form-quantize"> {
  let summary = "Find quantization in its parts, and fold its scale into what comes before";
  let description = [{
    round, zero point, clip and cast become nn.quantize. Where what is quantized was computed from integers, the division by the scale moves into
    the scales before it: sums of products are then multiplied once, as quantized runtimes do. A ReLU below a zero point at the end of the range
    is what saturation does anyway.
    Before:  %0 = nn.mul (nn.cast %sums {to = f32}), %a   %1 = nn.div (nn.relu %0), %s   %y = nn.cast (nn.clip (nn.round %1)) {to = ui8}
    After:   %0 = nn.mul (nn.cast %sums {to = f32}), (nn.div %a, %s)   %y = nn.quantize %0 {zero_point = 0, to = ui8}
  }];
  let statistics = [Statistic<"formed", "formed", "quantizations found">];
}

def DotProducts : QuantizePass<"nn-dot-products"> {
  let summary = "Convolve and multiply bytes as they are, without their zero points";
  let description = [{
    sum (x - z) w = sum x w - z sum w: x stays a byte without a sign, w is a signed one, z sum w goes into the bias, and padding reads z. The sums
    are exact in i32. Constant weights of one group with a multiple of 4 input channels, or an image's few; nn-exact-integers takes the others.
    Before:  %0 = nn.sub (nn.cast %x {to = i32}), %z   %y = nn.conv %0, %w {pads = [1, 1, 1, 1]} : tensor<1x8x4x4xi32>, tensor<8x8x3x3xi32> …
    After:   %0 = nn.pad %x value %z …   %y = nn.conv %0, (nn.cast %w {to = i8}) bias %b : tensor<1x8x6x6xui8>, tensor<8x8x3x3xi8> …
  }];
  let statistics = [Statistic<"rewritten", "rewritten", "convolutions and products of bytes">];
}

def NarrowProducts : QuantizePass<"nn-narrow-products"> {
  let summary = "Convolve and multiply floats of 8 bits (e4m3) as they are";
  let description = [{
    For GPUs whose matrix units do. The activations' scale and those of the weights, one a result, are factors of the f32 sums. Constant weights of
    one group, summed over a multiple of 4; everything else is computed from what the floats stand for.
    Before:  %0 = nn.mul (nn.cast %x {to = f32}), %a   %1 = nn.mul (nn.cast %w {to = f32}), %b   %y = nn.matmul %0, %1
    After:   %0 = nn.matmul %x, %w : tensor<4x8xf8E4M3FN>, tensor<8x8xf8E4M3FN> -> tensor<4x8xf32>   %y = nn.mul %0, (nn.mul %a, %b)
  }];
  let statistics = [Statistic<"rewritten", "rewritten", "convolutions and products of 8-bit floats">];
}

def DropRounding : QuantizePass<"nn-drop-rounding"> {
  let summary = "Sum filters of one channel without rounding what are integers, from the bias on";
  let description = [{
    nn-exact-integers says by nn.round which f32 values are integers, so that nothing scales them. Where everything is in its place, that is only work.
    Before:  %0 = nn.round (nn.conv %x, %w {groups = 8})   %y = nn.add %0, %bias
    After:   %y = nn.conv %x, %w bias %bias {groups = 8}
  }];
  let statistics = [Statistic<"dropped", "dropped", "roundings that changed nothing">];
}

def PropagateQuantization : QuantizePass<"nn-propagate-quantization"> {
  let summary = "Quantize before data moves, so that bytes move";
  let description = [{
    A chain of elementwise ops that ends in nn.quantize moves above reshapes, transposes, slices, concats, pixel shuffles and nearest resizes, and,
    where it grows with its input, above maxima over windows. A slice of numbers that were made of bytes moves the other way, above what made them. Nothing is
    computed differently.
    Before:  %0 = nn.concat %a, %b   %1 = nn.div %0, %s   %y = nn.quantize %1
    After:   %y = nn.concat (nn.quantize (nn.div %a, %s)), (nn.quantize (nn.div %b, %s))
  }];
  let statistics = [Statistic<"moved", "moved", "movements of data that became movements of bytes">];
}

def SumBytes : QuantizePass<"nn-sum-bytes"> {
  let summary = "Sum bytes before they are scaled";
  let description = [{
    A sum or a mean of bytes that are scaled is that of the bytes less their zero point, scaled. Integers in f32 add up without rounding, in whatever order a
    target adds them: what is halfway between two bytes becomes the same one everywhere. And bytes are read, not numbers.
    Before:  %0 = nn.mul (nn.sub (nn.cast %x), %z), %s   %y = nn.reduce %0 {kind = mean}
    After:   %0 = nn.reduce (nn.sub (nn.cast %x), %z) {kind = mean}   %y = nn.mul %0, %s
  }];
  let statistics = [Statistic<"summed", "summed", "sums that became sums of bytes">];
}

def TabulateBytes : QuantizePass<"nn-tabulate-bytes"> {
  let summary = "Replace functions of one byte by tables of their 256 values";
  let description = [{
    Everything elementwise from one 8-bit value to another one that holds an elementary function; what gives back its input goes altogether.
    The table holds what the compiled code would compute.
    Before:  %0 = nn.sigmoid (nn.mul (nn.cast %x), %s)   %y = nn.quantize (nn.div %0, %t)
    After:   %y = nn.lookup %x {table = dense<…> : tensor<256xui8>}
  }];
  let constructor = "::tenon::quantize::createTabulateBytesPass(nullptr)";
  let statistics = [Statistic<"tabulated", "tabulated", "functions replaced by a table">,
                    Statistic<"removed", "removed", "functions that gave back their input">];
}
#endif
