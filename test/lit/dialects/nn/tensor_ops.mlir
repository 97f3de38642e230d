// RUN: tenon-opt %s > %t && tenon-opt %t | diff %t -
// RUN: tenon-opt %s -mlir-print-op-generic | tenon-opt | diff %t -
// RUN: FileCheck %s --input-file=%t

// Constants and data movement, read and written back, in text and in generic form.

// Names that are not identifiers are quoted; expressions come back in canonical form.
// CHECK-LABEL: func.func @constants
func.func @constants() {
  // CHECK: nn.constant dense<5.000000e-01> : tensor<f32>
  %0 = nn.constant dense<0.5> : tensor<f32>
  // CHECK: nn.constant dense_resource<w> : tensor<2xf32>
  %1 = nn.constant dense_resource<w> : tensor<2xf32>
  // CHECK: nn.constant dims<["p2o.DynamicDimension.0", 3, floordiv(h + 1, 2)]> : tensor<3xi64>
  %2 = nn.constant dims<["p2o.DynamicDimension.0", 3, floordiv(h - 1, 2) + 1]> : tensor<3xi64>
  // CHECK: nn.constant dims<[n, m, -n, 2 * m * n]> : tensor<2x2xi32>
  %3 = nn.constant dims<[n, m, -n, 2 * n * m]> : tensor<2x2xi32>
  return
}

// CHECK-LABEL: func.func @shape
func.func @shape(%x: tensor<?x3x8xf32, #nn.dims<[n, 3, 8]>>) {
  // CHECK: nn.shape %{{.*}} {end = 2 : i64, start = 1 : i64}
  %0 = nn.shape %x {start = 1 : i64, end = 2 : i64} : tensor<?x3x8xf32, #nn.dims<[n, 3, 8]>> -> tensor<1xi64>
  return
}

// CHECK-LABEL: func.func @views
func.func @views(%x: tensor<?x3x8xf32, #nn.dims<[n, 3, 8]>>) {
  // CHECK: nn.reshape %{{.*}} {dims = #nn.dims<[n, 24]>} : tensor<?x3x8xf32, #nn.dims<[n, 3, 8]>> -> tensor<?x24xf32, #nn.dims<[n, 24]>>
  %0 = nn.reshape %x {dims = #nn.dims<[n, 24]>} : tensor<?x3x8xf32, #nn.dims<[n, 3, 8]>> -> tensor<?x24xf32, #nn.dims<[n, 24]>>
  // CHECK: nn.transpose
  %1 = nn.transpose %x {perm = array<i64: 1, 0, 2>} : tensor<?x3x8xf32, #nn.dims<[n, 3, 8]>> -> tensor<3x?x8xf32, #nn.dims<[3, n, 8]>>
  // CHECK: nn.expand
  %2 = nn.expand %x {dims = #nn.dims<[2, n, 3, 8]>} : tensor<?x3x8xf32, #nn.dims<[n, 3, 8]>> -> tensor<2x?x3x8xf32, #nn.dims<[2, n, 3, 8]>>
  // CHECK: nn.slice
  %3 = nn.slice %x {starts = #nn.dims<[0, 1, 7]>, sizes = #nn.dims<[n, 2, 4]>, steps = array<i64: 1, 1, -2>}
    : tensor<?x3x8xf32, #nn.dims<[n, 3, 8]>> -> tensor<?x2x4xf32, #nn.dims<[n, 2, 4]>>
  return
}

// CHECK-LABEL: func.func @copies
func.func @copies(%x: tensor<2x3xf32>, %v: tensor<f32>, %t: tensor<i64>) {
  // CHECK: nn.pad %{{.*}} value %{{.*}} {high = #nn.dims<[0, n]>, low = #nn.dims<[0, 1]>} : tensor<2x3xf32>, tensor<f32> ->
  %0 = nn.pad %x value %v {low = #nn.dims<[0, 1]>, high = #nn.dims<[0, n]>} : tensor<2x3xf32>, tensor<f32> -> tensor<2x?xf32, #nn.dims<[2, n + 4]>>
  // CHECK: nn.pad %{{.*}} {{{.*}}mode = #nn.pad_mode<reflect>
  %1 = nn.pad %x {low = #nn.dims<[0, 1]>, high = #nn.dims<[0, 2]>, mode = #nn.pad_mode<reflect>} : tensor<2x3xf32> -> tensor<2x6xf32>
  // CHECK: nn.tile
  %2 = nn.tile %x {repeats = #nn.dims<[2, n]>} : tensor<2x3xf32> -> tensor<4x?xf32, #nn.dims<[4, 3 * n]>>
  // CHECK: nn.concat
  %3 = nn.concat %x, %x {axis = 1 : i64} : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<2x6xf32>
  // CHECK: nn.range
  %4 = nn.range %t, %t {size = #nn.dims<[n]>} : (tensor<i64>, tensor<i64>) -> tensor<?xi64, #nn.dims<[n]>>
  return
}

// CHECK-LABEL: func.func @indexed
func.func @indexed(%x: tensor<8x9xf32>, %i: tensor<4x2xi64>, %u: tensor<4xf32>, %v: tensor<4x2xf32>, %pair: tensor<2xf32>) {
  // CHECK: nn.gather %
  %0 = nn.gather %x, %i {axis = 1 : i64} : (tensor<8x9xf32>, tensor<4x2xi64>) -> tensor<8x4x2xf32>
  // CHECK: nn.gather_elements
  %1 = nn.gather_elements %x, %i {axis = 1 : i64} : (tensor<8x9xf32>, tensor<4x2xi64>) -> tensor<4x2xf32>
  // CHECK: nn.gather_nd
  %2 = nn.gather_nd %x, %i : (tensor<8x9xf32>, tensor<4x2xi64>) -> tensor<4xf32>
  // CHECK: nn.scatter_elements
  %3 = nn.scatter_elements %x, %i, %v {axis = 0 : i64, reduction = #nn.reduce_kind<sum>}
    : (tensor<8x9xf32>, tensor<4x2xi64>, tensor<4x2xf32>) -> tensor<8x9xf32>
  // CHECK: nn.scatter_nd
  %4 = nn.scatter_nd %x, %i, %u : (tensor<8x9xf32>, tensor<4x2xi64>, tensor<4xf32>) -> tensor<8x9xf32>
  // CHECK: nn.one_hot
  %5 = nn.one_hot %i, %pair {depth = #nn.dims<[10]>, axis = 0 : i64} : (tensor<4x2xi64>, tensor<2xf32>) -> tensor<10x4x2xf32>
  return
}

// CHECK-LABEL: func.func @images
func.func @images(%x: tensor<1x12x?x8xf32, #nn.dims<[1, 12, h, 8]>>) {
  // CHECK: nn.depth_to_space
  %0 = nn.depth_to_space %x {block = 2 : i64, column_row_depth}
    : tensor<1x12x?x8xf32, #nn.dims<[1, 12, h, 8]>> -> tensor<1x3x?x16xf32, #nn.dims<[1, 3, 2 * h, 16]>>
  // CHECK: nn.space_to_depth
  %1 = nn.space_to_depth %0 {block = 2 : i64}
    : tensor<1x3x?x16xf32, #nn.dims<[1, 3, 2 * h, 16]>> -> tensor<1x12x?x8xf32, #nn.dims<[1, 12, h, 8]>>
  // CHECK: nn.resize %{{.*}} {coordinates = #nn.coordinate_mode<align_corners>, mode = #nn.resize_mode<linear>
  %2 = nn.resize %x {sizes = #nn.dims<[1, 12, 2 * h, 16]>, scales = array<f64: 1.0, 1.0, 2.0, 2.0>, mode = #nn.resize_mode<linear>,
                     coordinates = #nn.coordinate_mode<align_corners>}
    : tensor<1x12x?x8xf32, #nn.dims<[1, 12, h, 8]>> -> tensor<1x12x?x16xf32, #nn.dims<[1, 12, 2 * h, 16]>>
  return
}

{-#
  dialect_resources: {
    builtin: {
      w: "0x040000000000803f00000040"
    }
  }
#-}
