// RUN: tenon-opt %s --kernel-form-groups=images=true --kernel-outline | FileCheck %s
// RUN: tenon-opt %s --kernel-form-groups --kernel-outline | FileCheck %s --check-prefix=APART

// Where a GPU has stems, the convolution reads the image in f32, through the transpose, and makes bytes of it.
// CHECK:         kernel.func private @{{.*}}(%[[X:.*]]: tensor<1x3x64x64xf32>
// CHECK:         %[[T:.*]] = nn.transpose %[[X]]
// CHECK:         %[[D:.*]] = nn.div %[[T]]
// CHECK:         %[[Q:.*]] = nn.quantize %[[D]]
// CHECK:         %[[P:.*]] = nn.pad %[[Q]]
// CHECK:         nn.conv %[[P]]
// APART:         nn.quantize {{.*}} : tensor<1x3x64x64xf32> -> tensor<1x3x64x64xui8>
// APART-NEXT:    kernel.return
func.func @main(%x: tensor<1x3x64x64xf32>) -> tensor<1x32x32x16xi32> {
  %s = nn.constant dense<0.0078125> : tensor<f32>
  %z = nn.constant dense<128> : tensor<ui8>
  %w = nn.constant dense<3> : tensor<16x3x3x3xi8>
  %0 = nn.div %x, %s : tensor<1x3x64x64xf32>, tensor<f32> -> tensor<1x3x64x64xf32>
  %1 = nn.quantize %0 {to = ui8, zero_point = 128 : i64} : tensor<1x3x64x64xf32> -> tensor<1x3x64x64xui8>
  %2 = nn.transpose %1 {perm = array<i64: 0, 2, 3, 1>} : tensor<1x3x64x64xui8> -> tensor<1x64x64x3xui8>
  %3 = nn.pad %2 value %z {high = #nn.dims<[0, 1, 1, 0]>, low = #nn.dims<[0, 1, 1, 0]>} : tensor<1x64x64x3xui8>, tensor<ui8> -> tensor<1x66x66x3xui8>
  %4 = nn.conv %3, %w {strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x66x66x3xui8>, tensor<16x3x3x3xi8> -> tensor<1x32x32x16xi32>
  return %4 : tensor<1x32x32x16xi32>
}
