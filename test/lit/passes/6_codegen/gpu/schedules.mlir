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

// f32 is multiplied there in parts.
// CHECK-LABEL: kernel.func private @parts
// CHECK-SAME:    schedule = #kernel.schedule<"gpu.matrix"
// SM75-LABEL:  kernel.func private @parts
// SM75-SAME:     schedule = #kernel.schedule<"gpu.loops"
kernel.func private @parts(%x: tensor<128x256xf32>, %w: tensor<256x512xf32> {kernel.constant}) -> tensor<128x512xf32> {
  %0 = nn.matmul %x, %w : tensor<128x256xf32>, tensor<256x512xf32> -> tensor<128x512xf32>
  kernel.return %0 : tensor<128x512xf32>
}

// What a run brings is not packed, and read as it lies.
// CHECK-LABEL: kernel.func private @of_run
// CHECK-SAME:    schedule = #kernel.schedule<"gpu.matrix"
// SM75-LABEL:  kernel.func private @of_run
// SM75-SAME:     schedule = #kernel.schedule<"gpu.loops"
kernel.func private @of_run(%x: tensor<128x256xf32>, %w: tensor<256x512xf32>) -> tensor<128x512xf32> {
  %0 = nn.matmul %x, %w : tensor<128x256xf32>, tensor<256x512xf32> -> tensor<128x512xf32>
  kernel.return %0 : tensor<128x512xf32>
}

// Every warp takes the f32 of its fragments apart, and every thread finds its places in a batch: large tiles have less of both.
// CHECK-LABEL: kernel.func private @large
// CHECK-SAME:    schedule = #kernel.schedule<"gpu.matrix", {columns = 128 : i64,
// CHECK-SAME:    rows = 128 : i64
kernel.func private @large(%x: tensor<4096x4096xf32>, %y: tensor<4096x4096xf32>) -> tensor<4096x4096xf32> {
  %0 = nn.matmul %x, %y : tensor<4096x4096xf32>, tensor<4096x4096xf32> -> tensor<4096x4096xf32>
  kernel.return %0 : tensor<4096x4096xf32>
}

// CHECK-LABEL: kernel.func private @heads
// CHECK-SAME:    schedule = #kernel.schedule<"gpu.matrix", {columns = 128 : i64,
// CHECK-SAME:    rows = 128 : i64
kernel.func private @heads(%x: tensor<384x197x64xf16>, %y: tensor<384x64x197xf16>) -> tensor<384x197x197xf16> {
  %0 = nn.matmul %x, %y : tensor<384x197x64xf16>, tensor<384x64x197xf16> -> tensor<384x197x197xf16>
  kernel.return %0 : tensor<384x197x197xf16>
}

// Turns of many points, of which tiles would be nearly empty: an element is a thread's.
// CHECK-LABEL: kernel.func private @points
// CHECK-SAME:    schedule = #kernel.schedule<"gpu.loops"
kernel.func private @points(%x: tensor<1000x3x3xf32>, %y: tensor<1000x3x3xf32>) -> tensor<1000x3x3xf32> {
  %0 = nn.matmul %x, %y : tensor<1000x3x3xf32>, tensor<1000x3x3xf32> -> tensor<1000x3x3xf32>
  kernel.return %0 : tensor<1000x3x3xf32>
}
