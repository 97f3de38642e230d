// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// What is rounded to a half type comes from the special function unit; f32 does not.
// CHECK-LABEL: .visible .entry half(
// CHECK:         tanh.approx.f32
// CHECK:         ret;
kernel.func private @half(%x: tensor<128x64xf16>) -> tensor<128x64xf16> {
  %0 = nn.gelu %x : tensor<128x64xf16> -> tensor<128x64xf16>
  kernel.return %0 : tensor<128x64xf16>
}

// An exponential and a quotient would be two of its functions.
// CHECK-LABEL: .visible .entry sigmoid_times(
// CHECK-COUNT-2: tanh.approx.f32
// CHECK-NOT:     {{ex2|rcp|div}}
// CHECK:         ret;
kernel.func private @sigmoid_times(%x: tensor<2x1xf16>) -> tensor<2x1xf16> {
  %0 = nn.silu %x : tensor<2x1xf16> -> tensor<2x1xf16>
  kernel.return %0 : tensor<2x1xf16>
}

// bf16 keeps both.
// CHECK-LABEL: .visible .entry brain(
// CHECK-NOT:     tanh.approx
// CHECK:         ex2.approx
// CHECK:         ret;
kernel.func private @brain(%x: tensor<2x1xbf16>) -> tensor<2x1xbf16> {
  %0 = nn.silu %x : tensor<2x1xbf16> -> tensor<2x1xbf16>
  kernel.return %0 : tensor<2x1xbf16>
}

// CHECK-LABEL: .visible .entry single(
// CHECK-NOT:     tanh.approx
// CHECK:         ret;
kernel.func private @single(%x: tensor<128x64xf32>) -> tensor<128x64xf32> {
  %0 = nn.gelu %x : tensor<128x64xf32> -> tensor<128x64xf32>
  kernel.return %0 : tensor<128x64xf32>
}
