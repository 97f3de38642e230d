// RUN: tenon-opt %s --kernel-form-groups=group-norms=true --kernel-outline | FileCheck %s
// RUN: tenon-opt %s --kernel-form-groups --kernel-outline | FileCheck %s --check-prefix=ALONE

// What follows a group norm is computed at its store where kernels of rows compute it: those of GPUs.
// CHECK:      kernel.func private
// CHECK:        nn.group_norm
// CHECK-NEXT:   nn.silu
// CHECK-NEXT:   kernel.return
// ALONE:      nn.group_norm
// ALONE-NEXT: kernel.return
func.func @f(%x: tensor<1x32x8x8xf32>, %g: tensor<32xf32>, %b: tensor<32xf32>) -> tensor<1x32x8x8xf32> {
  %0 = nn.group_norm %x, %g, %b {groups = 4 : i64, epsilon = 1.0e-5 : f64} : (tensor<1x32x8x8xf32>, tensor<32xf32>, tensor<32xf32>) -> tensor<1x32x8x8xf32>
  %1 = nn.silu %0 : tensor<1x32x8x8xf32> -> tensor<1x32x8x8xf32>
  return %1 : tensor<1x32x8x8xf32>
}
