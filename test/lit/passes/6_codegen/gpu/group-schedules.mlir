// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90a | FileCheck %s
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s --check-prefix=PORTABLE

// Many rows and a wide result: groups of warps where the architecture has their products, and nowhere else.
// CHECK-LABEL:    kernel.func private @product
// CHECK-SAME:       groups = 1
// PORTABLE-LABEL: kernel.func private @product
// PORTABLE-SAME:    groups = 0
kernel.func private @product(%x: tensor<4096x768xf16>, %w: tensor<2304x768xf16> {kernel.constant}) -> tensor<4096x2304xf16> {
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<4096x768xf16>, tensor<2304x768xf16> -> tensor<4096x2304xf16>
  kernel.return %0 : tensor<4096x2304xf16>
}
