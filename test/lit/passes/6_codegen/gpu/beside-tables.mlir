// A part that is a kernel of its own as well: its table of constants is there twice, and the texts of both are assembled together.
// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_90a assembly" | FileCheck %s

// CHECK:      // .globl more
// CHECK:      .global .align {{[0-9]+}} .b8 [[MORE:more.*shifted.*table0]][16]
// CHECK:      .entry more(
// CHECK:      [[MORE]]
// CHECK:      // .globl shifted
// CHECK:      .global .align {{[0-9]+}} .b8 [[OWN:shifted.*table0]][16]
// CHECK:      .entry shifted(
// CHECK:      [[OWN]]
kernel.func private @shifted(%x: tensor<8x64xf16>) -> tensor<8x64xf16> attributes {schedule = #kernel.schedule<"gpu.loops", {lanes = 4 : i64, threads = 128 : i64}>, tasks = #nn.expr<128>} {
  %c = nn.constant dense<[[1.0], [2.0], [3.0], [5.0], [7.0], [11.0], [13.0], [17.0]]> : tensor<8x1xf16>
  %0 = nn.add %x, %c : tensor<8x64xf16>, tensor<8x1xf16> -> tensor<8x64xf16>
  kernel.return %0 : tensor<8x64xf16>
}
kernel.func private @negated(%x: tensor<8x64xf16>) -> tensor<8x64xf16> attributes {schedule = #kernel.schedule<"gpu.loops", {lanes = 4 : i64, threads = 128 : i64}>, tasks = #nn.expr<128>} {
  %0 = nn.neg %x : tensor<8x64xf16> -> tensor<8x64xf16>
  kernel.return %0 : tensor<8x64xf16>
}
kernel.func private @more(%x: tensor<8x64xf16>) -> (tensor<8x64xf16>, tensor<8x64xf16>) attributes {schedule = #kernel.schedule<"gpu.beside", {}>, tasks = #nn.expr<2>} {
  %0 = kernel.dispatch @shifted(%x) : (tensor<8x64xf16>) -> tensor<8x64xf16>
  %1 = kernel.dispatch @negated(%x) : (tensor<8x64xf16>) -> tensor<8x64xf16>
  kernel.return %0, %1 : tensor<8x64xf16>, tensor<8x64xf16>
}
