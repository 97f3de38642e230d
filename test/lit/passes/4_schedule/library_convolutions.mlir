// Convolutions of a half type, or in tf32, that cuDNN can compute as a whole; where both libraries can, cublasLt does: it needs no time to start.
// RUN: tenon-opt %s --kernel-assign-schedules="target=cuda:sm_90a+cudnn from-libraries=true" --kernel-pack-constants=target=cuda:sm_90a+cudnn --split-input-file | FileCheck %s
// RUN: tenon-opt %s --kernel-assign-schedules="target=cuda:sm_90a+cudnn+cublaslt from-libraries=true" --split-input-file | FileCheck %s --check-prefix=BOTH
// RUN: tenon-opt %s --kernel-assign-schedules="target=cuda:sm_90a+cublaslt from-libraries=true" --split-input-file | FileCheck %s --check-prefix=OTHER
// OTHER-NOT: "cudnn"

// Filters are packed with their channels last; the bias is rounded before ReLU.
// CHECK-LABEL: func @main
// CHECK-DAG: %[[BIAS:.*]] = nn.cast %{{.*}} {to = f16} : tensor<64xf32> -> tensor<64xf16>
// CHECK-DAG: %[[FILTERS:.*]] = nn.transpose %{{.*}} {perm = array<i64: 0, 2, 3, 1>} : tensor<64x64x3x3xf16> -> tensor<64x3x3x64xf16>
// CHECK: kernel.dispatch @window(%{{.*}}, %[[FILTERS]], %[[BIAS]])
// CHECK: kernel.func private @window(%arg0: tensor<1x56x56x64xf16>, %arg1: tensor<64x3x3x64xf16> {kernel.constant}, %arg2: tensor<64xf16> {kernel.constant})
// CHECK-SAME: schedule = #kernel.schedule<"cudnn", {algorithm = 0 : i64}>, tasks = #nn.expr<1>, workspace_bytes = 2097152 : i64
// BOTH-LABEL: kernel.func private @window
// BOTH-SAME: "cudnn"
func.func @main(%x: tensor<1x56x56x64xf16>) -> tensor<1x28x28x64xf16> {
  %w = nn.constant dense<1.0> : tensor<64x64x3x3xf16>
  %b = nn.constant dense<1.0> : tensor<64xf32>
  %y = kernel.dispatch @window(%x, %w, %b) : (tensor<1x56x56x64xf16>, tensor<64x64x3x3xf16>, tensor<64xf32>) -> tensor<1x28x28x64xf16>
  return %y : tensor<1x28x28x64xf16>
}
kernel.func private @window(%x: tensor<1x56x56x64xf16>, %w: tensor<64x64x3x3xf16>, %b: tensor<64xf32>) -> tensor<1x28x28x64xf16> {
  %0 = nn.conv %x, %w bias %b {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x56x56x64xf16>, tensor<64x64x3x3xf16>, tensor<64xf32> -> tensor<1x28x28x64xf16>
  %1 = nn.relu %0 : tensor<1x28x28x64xf16> -> tensor<1x28x28x64xf16>
  kernel.return %1 : tensor<1x28x28x64xf16>
}

// -----

// A single pixel in tf32, what is added before SiLU, and a bias that stays f32 before ReLU6.
// CHECK-LABEL: func @main
// CHECK: kernel.func private @pixel
// CHECK-SAME: schedule = #kernel.schedule<"cudnn"
// CHECK: kernel.func private @added
// CHECK-SAME: schedule = #kernel.schedule<"cudnn"
// CHECK: kernel.func private @clipped
// CHECK-SAME: tensor<64xf32> {kernel.constant}
// CHECK-SAME: schedule = #kernel.schedule<"cudnn"
// BOTH: kernel.func private @pixel
// BOTH-SAME: "cublaslt"
// BOTH: kernel.func private @added
// BOTH-SAME: "cudnn"
func.func @main(%x: tensor<1x8x8x64xf32>, %z: tensor<1x8x8x64xf16>) -> (tensor<1x8x8x64xf32>, tensor<1x8x8x64xf16>) {
  %w = nn.constant dense<1.0> : tensor<64x64x1x1xf32>
  %v = nn.constant dense<1.0> : tensor<64x64x1x1xf16>
  %y = kernel.dispatch @pixel(%x, %w) : (tensor<1x8x8x64xf32>, tensor<64x64x1x1xf32>) -> tensor<1x8x8x64xf32>
  %a = kernel.dispatch @added(%z, %v) : (tensor<1x8x8x64xf16>, tensor<64x64x1x1xf16>) -> tensor<1x8x8x64xf16>
  %b = nn.constant dense<1.0> : tensor<64xf32>
  %c = kernel.dispatch @clipped(%a, %v, %b) : (tensor<1x8x8x64xf16>, tensor<64x64x1x1xf16>, tensor<64xf32>) -> tensor<1x8x8x64xf16>
  return %y, %c : tensor<1x8x8x64xf32>, tensor<1x8x8x64xf16>
}
kernel.func private @pixel(%x: tensor<1x8x8x64xf32>, %w: tensor<64x64x1x1xf32>) -> tensor<1x8x8x64xf32> {
  %0 = nn.conv %x, %w {kernel.tf32, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x8x8x64xf32>, tensor<64x64x1x1xf32> -> tensor<1x8x8x64xf32>
  kernel.return %0 : tensor<1x8x8x64xf32>
}
kernel.func private @added(%x: tensor<1x8x8x64xf16>, %w: tensor<64x64x1x1xf16>) -> tensor<1x8x8x64xf16> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x8x8x64xf16>, tensor<64x64x1x1xf16> -> tensor<1x8x8x64xf16>
  %1 = nn.add %0, %x : tensor<1x8x8x64xf16>, tensor<1x8x8x64xf16> -> tensor<1x8x8x64xf16>
  %2 = nn.silu %1 : tensor<1x8x8x64xf16> -> tensor<1x8x8x64xf16>
  kernel.return %2 : tensor<1x8x8x64xf16>
}
kernel.func private @clipped(%x: tensor<1x8x8x64xf16>, %w: tensor<64x64x1x1xf16>, %b: tensor<64xf32>) -> tensor<1x8x8x64xf16> {
  %0 = nn.conv %x, %w bias %b {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x8x8x64xf16>, tensor<64x64x1x1xf16>, tensor<64xf32> -> tensor<1x8x8x64xf16>
  %1 = nn.clip %0 {low = 0.0 : f64, high = 6.0 : f64} : tensor<1x8x8x64xf16> -> tensor<1x8x8x64xf16>
  kernel.return %1 : tensor<1x8x8x64xf16>
}

// -----

// What it cannot: full f32, groups, channels that do not fill accesses, filters that are no constants, another activation.
// CHECK-NOT: "cudnn"
func.func @main(%x: tensor<1x8x8x64xf32>, %h: tensor<1x8x8x64xf16>, %n: tensor<1x8x8x12xf16>, %f: tensor<64x64x1x1xf16>) {
  %w = nn.constant dense<1.0> : tensor<64x64x3x3xf32>
  %g = nn.constant dense<1.0> : tensor<64x32x3x3xf16>
  %v = nn.constant dense<1.0> : tensor<16x12x1x1xf16>
  %u = nn.constant dense<1.0> : tensor<64x64x1x1xf16>
  %0 = kernel.dispatch @full(%x, %w) : (tensor<1x8x8x64xf32>, tensor<64x64x3x3xf32>) -> tensor<1x6x6x64xf32>
  %1 = kernel.dispatch @groups(%h, %g) : (tensor<1x8x8x64xf16>, tensor<64x32x3x3xf16>) -> tensor<1x6x6x64xf16>
  %2 = kernel.dispatch @odd(%n, %v) : (tensor<1x8x8x12xf16>, tensor<16x12x1x1xf16>) -> tensor<1x8x8x16xf16>
  %3 = kernel.dispatch @computed(%h, %f) : (tensor<1x8x8x64xf16>, tensor<64x64x1x1xf16>) -> tensor<1x8x8x64xf16>
  %4 = kernel.dispatch @sigmoid(%h, %u) : (tensor<1x8x8x64xf16>, tensor<64x64x1x1xf16>) -> tensor<1x8x8x64xf16>
  return
}
kernel.func private @full(%x: tensor<1x8x8x64xf32>, %w: tensor<64x64x3x3xf32>) -> tensor<1x6x6x64xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x8x8x64xf32>, tensor<64x64x3x3xf32> -> tensor<1x6x6x64xf32>
  kernel.return %0 : tensor<1x6x6x64xf32>
}
kernel.func private @groups(%x: tensor<1x8x8x64xf16>, %w: tensor<64x32x3x3xf16>) -> tensor<1x6x6x64xf16> {
  %0 = nn.conv %x, %w {groups = 2 : i64, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x8x8x64xf16>, tensor<64x32x3x3xf16> -> tensor<1x6x6x64xf16>
  kernel.return %0 : tensor<1x6x6x64xf16>
}
kernel.func private @odd(%x: tensor<1x8x8x12xf16>, %w: tensor<16x12x1x1xf16>) -> tensor<1x8x8x16xf16> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x8x8x12xf16>, tensor<16x12x1x1xf16> -> tensor<1x8x8x16xf16>
  kernel.return %0 : tensor<1x8x8x16xf16>
}
kernel.func private @computed(%x: tensor<1x8x8x64xf16>, %w: tensor<64x64x1x1xf16>) -> tensor<1x8x8x64xf16> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x8x8x64xf16>, tensor<64x64x1x1xf16> -> tensor<1x8x8x64xf16>
  kernel.return %0 : tensor<1x8x8x64xf16>
}
kernel.func private @sigmoid(%x: tensor<1x8x8x64xf16>, %w: tensor<64x64x1x1xf16>) -> tensor<1x8x8x64xf16> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x8x8x64xf16>, tensor<64x64x1x1xf16> -> tensor<1x8x8x64xf16>
  %1 = nn.sigmoid %0 : tensor<1x8x8x64xf16> -> tensor<1x8x8x64xf16>
  kernel.return %1 : tensor<1x8x8x64xf16>
}
