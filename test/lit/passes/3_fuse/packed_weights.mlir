// RUN: tenon-opt %s --split-input-file --kernel-form-groups --kernel-outline | FileCheck %s

// What unpacks weights of four bits is in the kernel that multiplies with them, the sum behind the product too; the codes are an argument, bytes as they are.
// CHECK-LABEL: func.func @token
// CHECK:         kernel.dispatch @[[K:[a-z_0-9]+]](
// CHECK-NOT:     kernel.dispatch
// CHECK:         return
// CHECK:       kernel.func private @[[K]]({{.*}}tensor<2x32x2x1x16xui8>{{.*}}) -> tensor<1x40xf32>
// CHECK:         nn.bit_shift
// CHECK:         nn.mul
// CHECK:         nn.slice
// CHECK:         nn.matmul
// CHECK:         nn.add
func.func @token(%x: tensor<1x64xf32>, %y: tensor<1x40xf32>) -> tensor<1x40xf32> {
  %c = nn.constant dense_resource<codes> : tensor<2x32x2x1x16xui8>
  %a = nn.constant dense<[[0], [4]]> : tensor<2x1xui8>
  %s = nn.constant dense_resource<scales> : tensor<2x1x2x2x16xf32>
  %m = nn.constant dense<15> : tensor<ui8>
  %z = nn.constant dense<8.0> : tensor<f32>
  %0 = nn.bit_shift %c, %a {nn.kept_packed} : tensor<2x32x2x1x16xui8>, tensor<2x1xui8> -> tensor<2x32x2x2x16xui8>
  %1 = nn.bitwise_and %0, %m : tensor<2x32x2x2x16xui8>, tensor<ui8> -> tensor<2x32x2x2x16xui8>
  %2 = nn.cast %1 {to = f32} : tensor<2x32x2x2x16xui8> -> tensor<2x32x2x2x16xf32>
  %3 = nn.sub %2, %z : tensor<2x32x2x2x16xf32>, tensor<f32> -> tensor<2x32x2x2x16xf32>
  %4 = nn.mul %3, %s : tensor<2x32x2x2x16xf32>, tensor<2x1x2x2x16xf32> -> tensor<2x32x2x2x16xf32>
  %5 = nn.reshape %4 {dims = #nn.dims<[64, 64]>} : tensor<2x32x2x2x16xf32> -> tensor<64x64xf32>
  %6 = nn.slice %5 {starts = #nn.dims<[0, 0]>, sizes = #nn.dims<[64, 40]>, steps = array<i64: 1, 1>} : tensor<64x64xf32> -> tensor<64x40xf32>
  %7 = nn.matmul %x, %6 : tensor<1x64xf32>, tensor<64x40xf32> -> tensor<1x40xf32>
  %8 = nn.add %7, %y : tensor<1x40xf32>, tensor<1x40xf32> -> tensor<1x40xf32>
  return %8 : tensor<1x40xf32>
}

// -----

// And of weights of eight bits, which have nothing to shift.
// CHECK-LABEL: func.func @bytes
// CHECK:         kernel.dispatch @[[B:[a-z_0-9]+]](
// CHECK-NOT:     kernel.dispatch
// CHECK:         return
// CHECK:       kernel.func private @[[B]]({{.*}}tensor<2x32x2x2x16xui8>{{.*}}) -> tensor<1x64xf32>
// CHECK:         nn.cast
// CHECK:         nn.matmul
func.func @bytes(%x: tensor<1x64xf32>) -> tensor<1x64xf32> {
  %c = nn.constant dense_resource<bytes> : tensor<2x32x2x2x16xui8>
  %s = nn.constant dense_resource<scales> : tensor<2x1x2x2x16xf32>
  %z = nn.constant dense<128.0> : tensor<f32>
  %2 = nn.cast %c {to = f32, nn.kept_packed} : tensor<2x32x2x2x16xui8> -> tensor<2x32x2x2x16xf32>
  %3 = nn.sub %2, %z : tensor<2x32x2x2x16xf32>, tensor<f32> -> tensor<2x32x2x2x16xf32>
  %4 = nn.mul %3, %s : tensor<2x32x2x2x16xf32>, tensor<2x1x2x2x16xf32> -> tensor<2x32x2x2x16xf32>
  %5 = nn.reshape %4 {dims = #nn.dims<[64, 64]>} : tensor<2x32x2x2x16xf32> -> tensor<64x64xf32>
  %7 = nn.matmul %x, %5 : tensor<1x64xf32>, tensor<64x64xf32> -> tensor<1x64xf32>
  return %7 : tensor<1x64xf32>
}
