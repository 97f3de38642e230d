// RUN: tenon-opt %s --nn-channels-last --nn-sink-transposes --canonicalize --cse | FileCheck %s

// A residual block with squeeze and excite, at any batch size: one transpose at the input, one at the output.
// CHECK-LABEL: func.func @block
// CHECK:         %[[X:.*]] = nn.transpose %arg0 {perm = array<i64: 0, 2, 3, 1>}
// CHECK:         nn.conv %[[X]], {{.*}}layout = #nn.layout<channels_last>
// CHECK:         nn.reduce {{.*}}axes = array<i64: 1, 2>
// CHECK:         nn.add
// CHECK:         %[[Y:.*]] = nn.transpose %{{.*}} {perm = array<i64: 0, 3, 1, 2>}
// CHECK-NEXT:    return %[[Y]]
func.func @block(%x: tensor<?x8x6x6xf32, #nn.dims<[n, 8, 6, 6]>>) -> tensor<?x8x6x6xf32, #nn.dims<[n, 8, 6, 6]>> {
  %w = nn.constant dense_resource<w> : tensor<8x8x1x1xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
     : tensor<?x8x6x6xf32, #nn.dims<[n, 8, 6, 6]>>, tensor<8x8x1x1xf32> -> tensor<?x8x6x6xf32, #nn.dims<[n, 8, 6, 6]>>
  %1 = nn.silu %0 : tensor<?x8x6x6xf32, #nn.dims<[n, 8, 6, 6]>> -> tensor<?x8x6x6xf32, #nn.dims<[n, 8, 6, 6]>>
  %2 = nn.reduce %1 {kind = #nn.reduce_kind<mean>, axes = array<i64: 2, 3>, keep_dims}
     : tensor<?x8x6x6xf32, #nn.dims<[n, 8, 6, 6]>> -> tensor<?x8x1x1xf32, #nn.dims<[n, 8, 1, 1]>>
  %3 = nn.conv %2, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
     : tensor<?x8x1x1xf32, #nn.dims<[n, 8, 1, 1]>>, tensor<8x8x1x1xf32> -> tensor<?x8x1x1xf32, #nn.dims<[n, 8, 1, 1]>>
  %4 = nn.mul %1, %3 : tensor<?x8x6x6xf32, #nn.dims<[n, 8, 6, 6]>>, tensor<?x8x1x1xf32, #nn.dims<[n, 8, 1, 1]>> -> tensor<?x8x6x6xf32, #nn.dims<[n, 8, 6, 6]>>
  %5 = nn.conv %4, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
     : tensor<?x8x6x6xf32, #nn.dims<[n, 8, 6, 6]>>, tensor<8x8x1x1xf32> -> tensor<?x8x6x6xf32, #nn.dims<[n, 8, 6, 6]>>
  %6 = nn.add %0, %5 : tensor<?x8x6x6xf32, #nn.dims<[n, 8, 6, 6]>>, tensor<?x8x6x6xf32, #nn.dims<[n, 8, 6, 6]>> -> tensor<?x8x6x6xf32, #nn.dims<[n, 8, 6, 6]>>
  return %6 : tensor<?x8x6x6xf32, #nn.dims<[n, 8, 6, 6]>>
}

// A model whose images are channels-last already, with the transposes its exporter wrote: none is left.
// CHECK-LABEL: func.func @exported
// CHECK-NOT:     nn.transpose
// CHECK:         nn.resize {{.*}}layout = #nn.layout<channels_last>{{.*}}sizes = #nn.dims<[1, 8, 8, 3]>
// CHECK-NOT:     nn.transpose
func.func @exported(%x: tensor<1x4x4x3xf32>) -> tensor<1x8x8x3xf32> {
  %0 = nn.transpose %x {perm = array<i64: 0, 3, 1, 2>} : tensor<1x4x4x3xf32> -> tensor<1x3x4x4xf32>
  %1 = nn.pool %0 {kind = #nn.pool_kind<max>, window = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>}
     : tensor<1x3x4x4xf32> -> tensor<1x3x4x4xf32>
  %2 = nn.resize %1 {sizes = #nn.dims<[1, 3, 8, 8]>, scales = array<f64: 1.0, 1.0, 2.0, 2.0>} : tensor<1x3x4x4xf32> -> tensor<1x3x8x8xf32>
  %3 = nn.transpose %2 {perm = array<i64: 0, 2, 3, 1>} : tensor<1x3x8x8xf32> -> tensor<1x8x8x3xf32>
  return %3 : tensor<1x8x8x3xf32>
}
