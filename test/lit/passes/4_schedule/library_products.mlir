// What cublasLt can compute as a whole it does, where the target may call it and libraries are asked for.
// RUN: tenon-opt %s --kernel-assign-schedules="target=cuda:sm_90a+cublaslt from-libraries=true" --kernel-pack-constants=target=cuda:sm_90a+cublaslt --split-input-file | FileCheck %s
// RUN: tenon-opt %s --kernel-assign-schedules="target=cuda:sm_90a+cublaslt" --split-input-file | FileCheck %s --check-prefix=OWN
// RUN: tenon-opt %s --kernel-assign-schedules="target=cuda:sm_90a from-libraries=true" --split-input-file | FileCheck %s --check-prefix=OWN
// OWN-NOT: "cublaslt"

// The bias of a convolution in halves is rounded to one; what is added may be overwritten.
// CHECK-LABEL: func @main
// CHECK: %[[BIAS:.*]] = nn.cast %{{.*}} {to = f16} : tensor<64xf32> -> tensor<64xf16>
// CHECK: kernel.dispatch @convolution(%{{.*}}, %{{.*}}, %[[BIAS]], %{{.*}})
// CHECK: kernel.func private @convolution(%arg0: tensor<1x56x56x64xf16>, %arg1: tensor<64x64x1x1xf16> {kernel.constant}, %[[ARG:.*]]: tensor<64xf16> {kernel.constant},
// CHECK-SAME: overwrites = array<i64: 3>, schedule = #kernel.schedule<"cublaslt", {algorithm = 0 : i64}>, tasks = #nn.expr<1>, workspace_bytes = 4194304 : i64
// CHECK-NEXT: nn.cast %[[ARG]] {to = f32}
func.func @main(%x: tensor<1x56x56x64xf16>, %r: tensor<1x56x56x64xf16>) -> tensor<1x56x56x64xf16> {
  %w = nn.constant dense<1.0> : tensor<64x64x1x1xf16>
  %b = nn.constant dense<1.0> : tensor<64xf32>
  %y = kernel.dispatch @convolution(%x, %w, %b, %r) : (tensor<1x56x56x64xf16>, tensor<64x64x1x1xf16>, tensor<64xf32>, tensor<1x56x56x64xf16>) -> tensor<1x56x56x64xf16>
  return %y : tensor<1x56x56x64xf16>
}
kernel.func private @convolution(%x: tensor<1x56x56x64xf16>, %w: tensor<64x64x1x1xf16>, %b: tensor<64xf32>, %r: tensor<1x56x56x64xf16>) -> tensor<1x56x56x64xf16> {
  %0 = nn.conv %x, %w bias %b {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x56x56x64xf16>, tensor<64x64x1x1xf16>, tensor<64xf32> -> tensor<1x56x56x64xf16>
  %1 = nn.add %0, %r : tensor<1x56x56x64xf16>, tensor<1x56x56x64xf16> -> tensor<1x56x56x64xf16>
  %2 = nn.relu %1 : tensor<1x56x56x64xf16> -> tensor<1x56x56x64xf16>
  kernel.return %2 : tensor<1x56x56x64xf16>
}

// -----

// Batches of matrices, a transposed factor, the tanh form of GELU, f32.
// CHECK-LABEL: kernel.func private @batches
// CHECK-SAME: schedule = #kernel.schedule<"cublaslt"
// CHECK-LABEL: kernel.func private @gelu
// CHECK-SAME: schedule = #kernel.schedule<"cublaslt"
kernel.func private @batches(%a: tensor<2x12x128x64xf32>, %b: tensor<2x12x128x64xf32>) -> tensor<2x12x128x128xf32> {
  %0 = nn.matmul %a, %b {transpose_rhs} : tensor<2x12x128x64xf32>, tensor<2x12x128x64xf32> -> tensor<2x12x128x128xf32>
  kernel.return %0 : tensor<2x12x128x128xf32>
}
kernel.func private @gelu(%a: tensor<1x128x64xf32>, %w: tensor<64x256xf32>, %b: tensor<256xf32>) -> tensor<1x128x256xf32> {
  %0 = nn.matmul %a, %w : tensor<1x128x64xf32>, tensor<64x256xf32> -> tensor<1x128x256xf32>
  %1 = nn.add %b, %0 : tensor<256xf32>, tensor<1x128x256xf32> -> tensor<1x128x256xf32>
  %2 = nn.gelu %1 {tanh} : tensor<1x128x256xf32> -> tensor<1x128x256xf32>
  kernel.return %2 : tensor<1x128x256xf32>
}

// -----

// What it cannot: other activations, a window, sizes that are free, a factor that is computed, batches that do not lie behind each other, two results, what comes
// behind an activation.
// CHECK-NOT: "cublaslt"
kernel.func private @erf(%a: tensor<1x128x64xf16>, %w: tensor<64x256xf16>) -> tensor<1x128x256xf16> {
  %0 = nn.matmul %a, %w : tensor<1x128x64xf16>, tensor<64x256xf16> -> tensor<1x128x256xf16>
  %1 = nn.gelu %0 : tensor<1x128x256xf16> -> tensor<1x128x256xf16>
  kernel.return %1 : tensor<1x128x256xf16>
}
kernel.func private @clip(%a: tensor<1x128x64xf16>, %w: tensor<64x256xf16>) -> tensor<1x128x256xf16> {
  %0 = nn.matmul %a, %w : tensor<1x128x64xf16>, tensor<64x256xf16> -> tensor<1x128x256xf16>
  %1 = nn.clip %0 {low = 0.0 : f64, high = 6.0 : f64} : tensor<1x128x256xf16> -> tensor<1x128x256xf16>
  kernel.return %1 : tensor<1x128x256xf16>
}
kernel.func private @window(%x: tensor<1x56x56x64xf16>, %w: tensor<64x64x3x3xf16>) -> tensor<1x56x56x64xf16> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x56x56x64xf16>, tensor<64x64x3x3xf16> -> tensor<1x56x56x64xf16>
  kernel.return %0 : tensor<1x56x56x64xf16>
}
kernel.func private @strided(%x: tensor<1x56x56x64xf16>, %w: tensor<64x64x1x1xf16>) -> tensor<1x28x28x64xf16> {
  %0 = nn.conv %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x56x56x64xf16>, tensor<64x64x1x1xf16> -> tensor<1x28x28x64xf16>
  kernel.return %0 : tensor<1x28x28x64xf16>
}
kernel.func private @free(%a: tensor<?x64xf16, #nn.dims<[n, 64]>>, %w: tensor<64x256xf16>) -> tensor<?x256xf16, #nn.dims<[n, 256]>> attributes {symbols = ["n"]} {
  %0 = nn.matmul %a, %w : tensor<?x64xf16, #nn.dims<[n, 64]>>, tensor<64x256xf16> -> tensor<?x256xf16, #nn.dims<[n, 256]>>
  kernel.return %0 : tensor<?x256xf16, #nn.dims<[n, 256]>>
}
kernel.func private @computed(%a: tensor<128x64xf16>, %w: tensor<64x256xf16>) -> tensor<128x256xf16> {
  %0 = nn.relu %a : tensor<128x64xf16> -> tensor<128x64xf16>
  %1 = nn.matmul %0, %w : tensor<128x64xf16>, tensor<64x256xf16> -> tensor<128x256xf16>
  kernel.return %1 : tensor<128x256xf16>
}
kernel.func private @heads(%a: tensor<2x128x12x64xf16>, %b: tensor<2x12x64x128xf16>) -> tensor<2x12x128x128xf16> {
  %0 = nn.transpose %a {perm = array<i64: 0, 2, 1, 3>} : tensor<2x128x12x64xf16> -> tensor<2x12x128x64xf16>
  %1 = nn.matmul %0, %b : tensor<2x12x128x64xf16>, tensor<2x12x64x128xf16> -> tensor<2x12x128x128xf16>
  kernel.return %1 : tensor<2x12x128x128xf16>
}
kernel.func private @two(%a: tensor<128x64xf16>, %w: tensor<64x256xf16>) -> (tensor<128x256xf16>, tensor<128x256xf16>) {
  %0 = nn.matmul %a, %w : tensor<128x64xf16>, tensor<64x256xf16> -> tensor<128x256xf16>
  %1 = nn.relu %0 : tensor<128x256xf16> -> tensor<128x256xf16>
  kernel.return %0, %1 : tensor<128x256xf16>, tensor<128x256xf16>
}
kernel.func private @behind(%a: tensor<128x64xf16>, %w: tensor<64x256xf16>, %r: tensor<128x256xf16>) -> tensor<128x256xf16> {
  %0 = nn.matmul %a, %w : tensor<128x64xf16>, tensor<64x256xf16> -> tensor<128x256xf16>
  %1 = nn.relu %0 : tensor<128x256xf16> -> tensor<128x256xf16>
  %2 = nn.add %1, %r : tensor<128x256xf16>, tensor<128x256xf16> -> tensor<128x256xf16>
  kernel.return %2 : tensor<128x256xf16>
}
