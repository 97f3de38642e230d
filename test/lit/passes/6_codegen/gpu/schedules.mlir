// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_75 | FileCheck %s --check-prefix=SM75

// A half-precision product of constant weights goes to the matrix units.
// CHECK-LABEL: kernel.func private @product
// CHECK-SAME:    schedule = #kernel.schedule<"gpu.matrix"
// SM75-LABEL:  kernel.func private @product
// SM75-SAME:     schedule = #kernel.schedule<"gpu.matrix"
kernel.func private @product(%x: tensor<128x256xf16>, %w: tensor<512x256xf16> {kernel.constant}) -> tensor<128x512xf16> {
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<128x256xf16>, tensor<512x256xf16> -> tensor<128x512xf16>
  kernel.return %0 : tensor<128x512xf16>
}

// f32 is multiplied there in parts; weights that a run brings are not packed, and each thread has four columns: 128 x 512 / 4 tasks.
// CHECK-LABEL: kernel.func private @parts
// CHECK-SAME:    schedule = #kernel.schedule<"gpu.matrix"
// SM75-LABEL:  kernel.func private @parts
// SM75-SAME:     schedule = #kernel.schedule<"gpu.loops"
kernel.func private @parts(%x: tensor<128x256xf32>, %w: tensor<256x512xf32> {kernel.constant}) -> tensor<128x512xf32> {
  %0 = nn.matmul %x, %w : tensor<128x256xf32>, tensor<256x512xf32> -> tensor<128x512xf32>
  kernel.return %0 : tensor<128x512xf32>
}

// CHECK-LABEL: kernel.func private @exact
// CHECK-SAME:    schedule = #kernel.schedule<"gpu.loops", {lanes = 4 : i64, threads = 128 : i64}>
// CHECK-SAME:    tasks = #nn.expr<16384>
kernel.func private @exact(%x: tensor<128x256xf32>, %w: tensor<256x512xf32>) -> tensor<128x512xf32> {
  %0 = nn.matmul %x, %w : tensor<128x256xf32>, tensor<256x512xf32> -> tensor<128x512xf32>
  kernel.return %0 : tensor<128x512xf32>
}
