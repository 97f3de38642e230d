// RUN: tenon-opt %s --kernel-form-groups | FileCheck %s

// Both convolutions could take the sum; the later one does. The ReLU of the other stays with it.
// CHECK-LABEL: func.func @residual
// CHECK:         nn.conv {{.*}}kernel.group = 0
// CHECK:         nn.relu {{.*}}kernel.group = 0
// CHECK:         nn.conv {{.*}}kernel.group = 1
// CHECK:         nn.add {{.*}}kernel.group = 1
// CHECK:         nn.relu {{.*}}kernel.group = 1
func.func @residual(%x: tensor<1x4x4x8xf32>, %w: tensor<8x8x1x1xf32>) -> tensor<1x4x4x8xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>}
     : tensor<1x4x4x8xf32>, tensor<8x8x1x1xf32> -> tensor<1x4x4x8xf32>
  %1 = nn.relu %0 : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xf32>
  %2 = nn.conv %1, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>}
     : tensor<1x4x4x8xf32>, tensor<8x8x1x1xf32> -> tensor<1x4x4x8xf32>
  %3 = nn.add %2, %1 : tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32> -> tensor<1x4x4x8xf32>
  %4 = nn.relu %3 : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xf32>
  return %4 : tensor<1x4x4x8xf32>
}

// Squeeze and excite: the gate is an epilogue of the small convolution, the scaling a prologue of the 1x1 convolution.
// CHECK-LABEL: func.func @gate
// CHECK:         nn.conv %arg1, {{.*}}kernel.group = 0
// CHECK:         nn.sigmoid {{.*}}kernel.group = 0
// CHECK:         nn.mul {{.*}}kernel.group = 1
// CHECK:         nn.conv {{.*}}kernel.group = 1
func.func @gate(%x: tensor<1x4x4x8xf32>, %s: tensor<1x1x1x8xf32>, %w: tensor<8x8x1x1xf32>) -> tensor<1x4x4x8xf32> {
  %0 = nn.conv %s, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>}
     : tensor<1x1x1x8xf32>, tensor<8x8x1x1xf32> -> tensor<1x1x1x8xf32>
  %1 = nn.sigmoid %0 : tensor<1x1x1x8xf32> -> tensor<1x1x1x8xf32>
  %2 = nn.mul %x, %1 : tensor<1x4x4x8xf32>, tensor<1x1x1x8xf32> -> tensor<1x4x4x8xf32>
  %3 = nn.conv %2, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>}
     : tensor<1x4x4x8xf32>, tensor<8x8x1x1xf32> -> tensor<1x4x4x8xf32>
  return %3 : tensor<1x4x4x8xf32>
}

// %0 joins %1 only if the softmax, which needs %0 and is needed by %2, is not between them: %2 starts a group of its own.
// CHECK-LABEL: func.func @circle
// CHECK:         %[[A:.*]] = nn.exp %arg0 {kernel.group = [[A:[0-9]+]]
// CHECK:         nn.softmax %{{.*}}kernel.group
// CHECK-NOT:     nn.add {{.*}}kernel.group = [[A]] :
// CHECK:         return
func.func @circle(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %0 = nn.exp %x : tensor<4x8xf32> -> tensor<4x8xf32>
  %1 = nn.softmax %0 {axis = 1 : i64} : tensor<4x8xf32> -> tensor<4x8xf32>
  %2 = nn.add %0, %1 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %1, %2 : tensor<4x8xf32>, tensor<4x8xf32>
}

// Heads are read in place: slice, reshape and transpose are copied into the kernel; the result is stored transposed.
// CHECK-LABEL: func.func @heads
// CHECK-COUNT-3: nn.slice {{.*}}kernel.group = 0
// CHECK:         nn.attention {{.*}}kernel.group = 0
// CHECK:         %[[T:.*]] = nn.transpose {{.*}}kernel.group = 0
// CHECK:         nn.reshape %[[T]] {dims
// CHECK-NOT:     kernel.group = 1
func.func @heads(%x: tensor<1x4x24xf32>) -> tensor<1x4x8xf32> {
  %q0 = nn.slice %x {starts = #nn.dims<[0, 0, 0]>, sizes = #nn.dims<[1, 4, 8]>, steps = array<i64: 1, 1, 1>} : tensor<1x4x24xf32> -> tensor<1x4x8xf32>
  %k0 = nn.slice %x {starts = #nn.dims<[0, 0, 8]>, sizes = #nn.dims<[1, 4, 8]>, steps = array<i64: 1, 1, 1>} : tensor<1x4x24xf32> -> tensor<1x4x8xf32>
  %v0 = nn.slice %x {starts = #nn.dims<[0, 0, 16]>, sizes = #nn.dims<[1, 4, 8]>, steps = array<i64: 1, 1, 1>} : tensor<1x4x24xf32> -> tensor<1x4x8xf32>
  %q1 = nn.reshape %q0 {dims = #nn.dims<[1, 4, 2, 4]>} : tensor<1x4x8xf32> -> tensor<1x4x2x4xf32>
  %k1 = nn.reshape %k0 {dims = #nn.dims<[1, 4, 2, 4]>} : tensor<1x4x8xf32> -> tensor<1x4x2x4xf32>
  %v1 = nn.reshape %v0 {dims = #nn.dims<[1, 4, 2, 4]>} : tensor<1x4x8xf32> -> tensor<1x4x2x4xf32>
  %q = nn.transpose %q1 {perm = array<i64: 0, 2, 1, 3>} : tensor<1x4x2x4xf32> -> tensor<1x2x4x4xf32>
  %k = nn.transpose %k1 {perm = array<i64: 0, 2, 1, 3>} : tensor<1x4x2x4xf32> -> tensor<1x2x4x4xf32>
  %v = nn.transpose %v1 {perm = array<i64: 0, 2, 1, 3>} : tensor<1x4x2x4xf32> -> tensor<1x2x4x4xf32>
  %a = nn.attention %q, %k, %v {scale = 0.5} : tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32> -> tensor<1x2x4x4xf32>
  %t = nn.transpose %a {perm = array<i64: 0, 2, 1, 3>} : tensor<1x2x4x4xf32> -> tensor<1x4x2x4xf32>
  %y = nn.reshape %t {dims = #nn.dims<[1, 4, 8]>} : tensor<1x4x2x4xf32> -> tensor<1x4x8xf32>
  return %y : tensor<1x4x8xf32>
}

// Rounding an image to halves joins its convolution, behind the transpose that it is seen through.
// CHECK-LABEL: func.func @image
// CHECK:         nn.transpose %arg0 {kernel.group = 0
// CHECK:         nn.cast {{.*}}kernel.group = 0{{.*}} : tensor<1x8x8x3xf32> -> tensor<1x8x8x3xf16>
// CHECK:         nn.conv {{.*}}kernel.group = 0
func.func @image(%x: tensor<1x3x8x8xf32>, %w: tensor<8x3x3x3xf16>) -> tensor<1x4x4x8xf16> {
  %0 = nn.cast %x {to = f16} : tensor<1x3x8x8xf32> -> tensor<1x3x8x8xf16>
  %1 = nn.transpose %0 {perm = array<i64: 0, 2, 3, 1>} : tensor<1x3x8x8xf16> -> tensor<1x8x8x3xf16>
  %2 = nn.conv %1, %w {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>}
     : tensor<1x8x8x3xf16>, tensor<8x3x3x3xf16> -> tensor<1x4x4x8xf16>
  return %2 : tensor<1x4x4x8xf16>
}

// A residual of bytes is widened where the convolution adds it.
// CHECK-LABEL: func.func @byte_residual
// CHECK:         nn.cast %arg1 {kernel.group = 0
// CHECK-NEXT:    nn.mul {{.*}}kernel.group = 0
// CHECK-NEXT:    nn.conv {{.*}}kernel.group = 0
// CHECK:         nn.quantize {{.*}}kernel.group = 0
func.func @byte_residual(%x: tensor<1x4x4x8xui8>, %r: tensor<1x4x4x8xui8>, %w: tensor<8x8x1x1xi8>) -> tensor<1x4x4x8xui8> {
  %s = nn.constant dense<0.5> : tensor<f32>
  %0 = nn.cast %r {to = f32} : tensor<1x4x4x8xui8> -> tensor<1x4x4x8xf32>
  %1 = nn.mul %0, %s : tensor<1x4x4x8xf32>, tensor<f32> -> tensor<1x4x4x8xf32>
  %2 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>}
     : tensor<1x4x4x8xui8>, tensor<8x8x1x1xi8> -> tensor<1x4x4x8xi32>
  %3 = nn.cast %2 {to = f32} : tensor<1x4x4x8xi32> -> tensor<1x4x4x8xf32>
  %4 = nn.add %3, %1 : tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32> -> tensor<1x4x4x8xf32>
  %5 = nn.quantize %4 {zero_point = 0 : i64, to = ui8} : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xui8>
  return %5 : tensor<1x4x4x8xui8>
}

// Two readers of bytes as numbers: the convolution stores bytes, and each reader makes numbers of them itself.
// CHECK-LABEL: func.func @shared_decoding
// CHECK:         nn.conv {{.*}}kernel.group = 0
// CHECK:         %[[Q:.*]] = nn.quantize {{.*}}kernel.group = 0
// CHECK-NEXT:    %[[A:.*]] = nn.cast %[[Q]] {kernel.group = 1
// CHECK-NEXT:    nn.mul %[[A]], {{.*}}kernel.group = 1
// CHECK:         %[[B:.*]] = nn.cast %[[Q]] {kernel.group = [[OTHER:[2-9]]]
// CHECK-NEXT:    nn.mul %[[B]], {{.*}}kernel.group = [[OTHER]]
func.func @shared_decoding(%x: tensor<1x4x4x8xui8>, %w: tensor<8x8x1x1xi8>) -> (tensor<1x4x4x8xui8>, tensor<1x4x4x8xui8>) {
  %s = nn.constant dense<0.5> : tensor<f32>
  %t = nn.constant dense<0.75> : tensor<f32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>}
     : tensor<1x4x4x8xui8>, tensor<8x8x1x1xi8> -> tensor<1x4x4x8xi32>
  %1 = nn.cast %0 {to = f32} : tensor<1x4x4x8xi32> -> tensor<1x4x4x8xf32>
  %2 = nn.quantize %1 {zero_point = 0 : i64, to = ui8} : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xui8>
  %3 = nn.cast %2 {to = f32} : tensor<1x4x4x8xui8> -> tensor<1x4x4x8xf32>
  %4 = nn.mul %3, %s : tensor<1x4x4x8xf32>, tensor<f32> -> tensor<1x4x4x8xf32>
  %5 = nn.quantize %4 {zero_point = 0 : i64, to = ui8} : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xui8>
  %6 = nn.mul %3, %t : tensor<1x4x4x8xf32>, tensor<f32> -> tensor<1x4x4x8xf32>
  %7 = nn.quantize %6 {zero_point = 0 : i64, to = ui8} : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xui8>
  return %5, %7 : tensor<1x4x4x8xui8>, tensor<1x4x4x8xui8>
}

// Sums of a product's rows are computed with it, what is made of them with the product that reads it: another copy for each reader.
// CHECK-LABEL: func.func @row_sums
// CHECK:         nn.matmul %arg0, {{.*}}kernel.group = 0
// CHECK:         nn.reshape {{.*}}kernel.group = 0
// CHECK:         nn.cast {{.*}}kernel.group = 0
// CHECK:         nn.reduce {{.*}}kernel.group = 0
// CHECK:         nn.reduce {{.*}}kernel.group = 1 : i64, {{.*}}kernel.row_value
// CHECK:         nn.mul {{.*}}kernel.group = 1
// CHECK:         nn.reduce {{.*}}kernel.group = 2 : i64, {{.*}}kernel.row_value
// CHECK:         nn.mul {{.*}}kernel.group = 2
// CHECK-NOT:     kernel.group = 3
func.func @row_sums(%x: tensor<5x32xf16>, %w: tensor<32x64xf16>, %w1: tensor<64x64xf16>) -> (tensor<5x64xf16>, tensor<5x64xf16>) {
  %0 = nn.matmul %x, %w : tensor<5x32xf16>, tensor<32x64xf16> -> tensor<5x64xf16>
  %1 = nn.reshape %0 {dims = #nn.dims<[5, 2, 32]>, kernel.row_sums} : tensor<5x64xf16> -> tensor<5x2x32xf16>
  %2 = nn.cast %1 {to = f32, kernel.row_sums} : tensor<5x2x32xf16> -> tensor<5x2x32xf32>
  %3 = nn.reduce %2 {kind = #nn.reduce_kind<sum>, axes = array<i64: 2>, kernel.row_sums} : tensor<5x2x32xf32> -> tensor<5x2xf32>
  %4 = nn.reduce %3 {kind = #nn.reduce_kind<sum>, axes = array<i64: 1>, keep_dims, kernel.row_value} : tensor<5x2xf32> -> tensor<5x1xf32>
  %5 = nn.cast %4 {to = f16, kernel.row_value} : tensor<5x1xf32> -> tensor<5x1xf16>
  %6 = nn.matmul %0, %w1 : tensor<5x64xf16>, tensor<64x64xf16> -> tensor<5x64xf16>
  %7 = nn.mul %6, %5 : tensor<5x64xf16>, tensor<5x1xf16> -> tensor<5x64xf16>
  %8 = nn.matmul %0, %w1 {transpose_rhs} : tensor<5x64xf16>, tensor<64x64xf16> -> tensor<5x64xf16>
  %9 = nn.mul %8, %5 : tensor<5x64xf16>, tensor<5x1xf16> -> tensor<5x64xf16>
  return %7, %9 : tensor<5x64xf16>, tensor<5x64xf16>
}

// Factors of bf16 are rounded where they are made, not where a product reads them; a residual is widened by the kernel that adds it, and once more by the next reader.
// CHECK-LABEL: func.func @pairs
// CHECK:         nn.conv {{.*}}kernel.group = 0
// CHECK:         nn.cast {{.*}}kernel.group = 0
// CHECK:         nn.relu {{.*}}kernel.group = 0
// CHECK:         nn.cast {{.*}}kernel.group = 0{{.*}}to = bf16
// CHECK:         nn.cast {{.*}}kernel.group = 1{{.*}}to = f32
// CHECK:         nn.conv {{.*}}kernel.group = 1
// CHECK:         nn.cast {{.*}}kernel.group = 1
// CHECK:         nn.add {{.*}}kernel.group = 1
// CHECK:         nn.cast {{.*}}kernel.group = 2
// CHECK:         nn.layer_norm {{.*}}kernel.group = 2
func.func @pairs(%x: tensor<1x4x4x16xbf16>, %w: tensor<16x16x1x1xbf16>, %s: tensor<16xf32>) -> (tensor<1x4x4x16xf32>, tensor<1x4x4x16xf32>) {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>, kernel.bf16_pairs}
     : tensor<1x4x4x16xbf16>, tensor<16x16x1x1xbf16> -> tensor<1x4x4x16xbf16>
  %1 = nn.cast %0 {to = f32} : tensor<1x4x4x16xbf16> -> tensor<1x4x4x16xf32>
  %2 = nn.relu %1 : tensor<1x4x4x16xf32> -> tensor<1x4x4x16xf32>
  %3 = nn.cast %2 {to = bf16, kernel.bf16_pairs} : tensor<1x4x4x16xf32> -> tensor<1x4x4x16xbf16>
  %4 = nn.cast %3 {to = f32, kernel.bf16_pairs} : tensor<1x4x4x16xbf16> -> tensor<1x4x4x16xf32>
  %5 = nn.conv %3, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>, kernel.bf16_pairs}
     : tensor<1x4x4x16xbf16>, tensor<16x16x1x1xbf16> -> tensor<1x4x4x16xbf16>
  %6 = nn.cast %5 {to = f32} : tensor<1x4x4x16xbf16> -> tensor<1x4x4x16xf32>
  %7 = nn.add %6, %4 : tensor<1x4x4x16xf32>, tensor<1x4x4x16xf32> -> tensor<1x4x4x16xf32>
  %8 = nn.layer_norm %4 scale %s : tensor<16xf32> {axis = 3 : i64, epsilon = 1.0e-05 : f64} : tensor<1x4x4x16xf32> -> tensor<1x4x4x16xf32>
  return %7, %8 : tensor<1x4x4x16xf32>, tensor<1x4x4x16xf32>
}

// A filter of single channels widens bf16 itself: the kernel before stores it.
// CHECK-LABEL: func.func @filter
// CHECK:         nn.relu {{.*}}kernel.group = 0
// CHECK:         nn.cast {{.*}}kernel.group = 0{{.*}}to = bf16
// CHECK:         nn.cast {{.*}}kernel.group = 1{{.*}}to = f32
// CHECK:         nn.conv {{.*}}kernel.group = 1
func.func @filter(%x: tensor<1x4x4x16xbf16>, %w: tensor<16x16x1x1xbf16>, %v: tensor<16x1x3x3xf32>) -> tensor<1x4x4x16xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>, kernel.bf16_pairs}
     : tensor<1x4x4x16xbf16>, tensor<16x16x1x1xbf16> -> tensor<1x4x4x16xbf16>
  %1 = nn.cast %0 {to = f32} : tensor<1x4x4x16xbf16> -> tensor<1x4x4x16xf32>
  %2 = nn.relu %1 : tensor<1x4x4x16xf32> -> tensor<1x4x4x16xf32>
  %3 = nn.cast %2 {to = bf16, kernel.bf16_pairs} : tensor<1x4x4x16xf32> -> tensor<1x4x4x16xbf16>
  %4 = nn.cast %3 {to = f32, kernel.bf16_pairs} : tensor<1x4x4x16xbf16> -> tensor<1x4x4x16xf32>
  %5 = nn.conv %4, %v {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 16 : i64, layout = #nn.layout<channels_last>}
     : tensor<1x4x4x16xf32>, tensor<16x1x3x3xf32> -> tensor<1x4x4x16xf32>
  return %5 : tensor<1x4x4x16xf32>
}
