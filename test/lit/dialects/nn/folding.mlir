// RUN: tenon-opt %s -canonicalize | FileCheck %s

// CHECK-LABEL: func.func @integers
func.func @integers() -> (tensor<2xi64>, tensor<2xi64>, tensor<2xi64>, tensor<2xi64>) {
  %a = nn.constant dense<[-7, 7]> : tensor<2xi64>
  %b = nn.constant dense<2> : tensor<i64>
  %zero = nn.constant dense<0> : tensor<i64>
  // CHECK-DAG: dense<[-3, 3]>
  %quotient = nn.div %a, %b : tensor<2xi64>, tensor<i64> -> tensor<2xi64>
  // CHECK-DAG: dense<1> : tensor<2xi64>
  %mod = nn.mod %a, %b : tensor<2xi64>, tensor<i64> -> tensor<2xi64>
  // CHECK-DAG: dense<[-1, 1]>
  %fmod = nn.mod %a, %b {fmod} : tensor<2xi64>, tensor<i64> -> tensor<2xi64>
  // A division by zero is the run's business.
  // CHECK-DAG: nn.div
  %undefined = nn.div %a, %zero : tensor<2xi64>, tensor<i64> -> tensor<2xi64>
  return %quotient, %mod, %fmod, %undefined : tensor<2xi64>, tensor<2xi64>, tensor<2xi64>, tensor<2xi64>
}

// 2^24 + 1 is no f32 and rounds to even; NaN goes through max; halves round to even.
// CHECK-LABEL: func.func @floats
func.func @floats() -> (tensor<f32>, tensor<f32>, tensor<4xf32>, tensor<2xi32>) {
  %a = nn.constant dense<16777216.0> : tensor<f32>
  %b = nn.constant dense<1.0> : tensor<f32>
  %nan = nn.constant dense<0x7FC00000> : tensor<f32>
  %halves = nn.constant dense<[0.5, 1.5, -0.5, 2.5]> : tensor<4xf32>
  %ends = nn.constant dense<[-1.9, 1.9]> : tensor<2xf32>
  // CHECK-DAG: dense<0x4B800000> : tensor<f32>
  %sum = nn.add %a, %b : tensor<f32>, tensor<f32> -> tensor<f32>
  // CHECK-DAG: dense<0x7FC00000> : tensor<f32>
  %max = nn.max %a, %nan : tensor<f32>, tensor<f32> -> tensor<f32>
  // CHECK-DAG: dense<[0.000000e+00, 2.000000e+00, -0.000000e+00, 2.000000e+00]>
  %round = nn.round %halves : tensor<4xf32> -> tensor<4xf32>
  // CHECK-DAG: dense<[-1, 1]> : tensor<2xi32>
  %trunc = nn.cast %ends {to = i32} : tensor<2xf32> -> tensor<2xi32>
  return %sum, %max, %round, %trunc : tensor<f32>, tensor<f32>, tensor<4xf32>, tensor<2xi32>
}

// x + 0 is x for integers, but not for a float x = -0.0; x - 0, x * 1, x / 1 always are.
// CHECK-LABEL: func.func @neutral
// CHECK-SAME: (%[[X:.*]]: tensor<2xf32>, %[[I:.*]]: tensor<2xi32>)
func.func @neutral(%x: tensor<2xf32>, %i: tensor<2xi32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xi32>, tensor<2xf32>) {
  %zero = nn.constant dense<0.0> : tensor<f32>
  %one = nn.constant dense<1.0> : tensor<f32>
  %none = nn.constant dense<0> : tensor<i32>
  // CHECK: %[[SUM:.*]] = nn.add %[[X]]
  %0 = nn.add %x, %zero : tensor<2xf32>, tensor<f32> -> tensor<2xf32>
  %1 = nn.sub %x, %zero : tensor<2xf32>, tensor<f32> -> tensor<2xf32>
  %2 = nn.mul %1, %one : tensor<2xf32>, tensor<f32> -> tensor<2xf32>
  %3 = nn.div %2, %one : tensor<2xf32>, tensor<f32> -> tensor<2xf32>
  %4 = nn.add %i, %none : tensor<2xi32>, tensor<i32> -> tensor<2xi32>
  %5 = nn.relu %x : tensor<2xf32> -> tensor<2xf32>
  // CHECK: %[[RELU:.*]] = nn.relu %[[X]]
  %6 = nn.relu %5 : tensor<2xf32> -> tensor<2xf32>
  // CHECK: return %[[SUM]], %[[X]], %[[I]], %[[RELU]]
  return %0, %3, %4, %6 : tensor<2xf32>, tensor<2xf32>, tensor<2xi32>, tensor<2xf32>
}

// An operand that the op broadcasts is not its result.
// CHECK-LABEL: func.func @broadcasting_is_not_neutral
func.func @broadcasting_is_not_neutral(%x: tensor<1xf32>) -> tensor<4xf32> {
  %ones = nn.constant dense<1.0> : tensor<4xf32>
  // CHECK: nn.mul
  %0 = nn.mul %x, %ones : tensor<1xf32>, tensor<4xf32> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @identities
// CHECK-SAME: (%[[X:.*]]: tensor<2x3xf32>)
func.func @identities(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = nn.reshape %x {dims = #nn.dims<[2, 3]>} : tensor<2x3xf32> -> tensor<2x3xf32>
  %1 = nn.transpose %0 {perm = array<i64: 0, 1>} : tensor<2x3xf32> -> tensor<2x3xf32>
  %2 = nn.expand %1 {dims = #nn.dims<[2, 3]>} : tensor<2x3xf32> -> tensor<2x3xf32>
  %3 = nn.slice %2 {starts = #nn.dims<[0, 0]>, sizes = #nn.dims<[2, 3]>, steps = array<i64: 1, 1>} : tensor<2x3xf32> -> tensor<2x3xf32>
  %4 = nn.pad %3 {low = #nn.dims<[0, 0]>, high = #nn.dims<[0, 0]>} : tensor<2x3xf32> -> tensor<2x3xf32>
  %5 = nn.tile %4 {repeats = #nn.dims<[1, 1]>} : tensor<2x3xf32> -> tensor<2x3xf32>
  %6 = nn.concat %5 {axis = 0 : i64} : tensor<2x3xf32> -> tensor<2x3xf32>
  %7 = nn.cast %6 {to = f32} : tensor<2x3xf32> -> tensor<2x3xf32>
  %8 = nn.clip %7 : tensor<2x3xf32> -> tensor<2x3xf32>
  // CHECK-NEXT: return %[[X]]
  return %8 : tensor<2x3xf32>
}

// CHECK-LABEL: func.func @moves
func.func @moves() -> (tensor<3x2xi32>, tensor<2x4xi32>, tensor<5xi32>, tensor<5xi32>, tensor<4xi64>, tensor<2x2xi32>) {
  %a = nn.constant dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi32>
  %v = nn.constant dense<[1, 2, 3]> : tensor<3xi32>
  // CHECK-DAG: {{\[\[}}1, 4], [2, 5], [3, 6]]
  %transposed = nn.transpose %a {perm = array<i64: 1, 0>} : tensor<2x3xi32> -> tensor<3x2xi32>
  %two = nn.slice %a {starts = #nn.dims<[0, 0]>, sizes = #nn.dims<[2, 2]>, steps = array<i64: 1, 2>} : tensor<2x3xi32> -> tensor<2x2xi32>
  // CHECK-DAG: {{\[\[}}1, 3, 1, 3], [4, 6, 4, 6]]
  %tiled = nn.tile %two {repeats = #nn.dims<[1, 2]>} : tensor<2x2xi32> -> tensor<2x4xi32>
  // CHECK-DAG: [2, 1, 2, 3, 2]
  %reflected = nn.pad %v {low = #nn.dims<[1]>, high = #nn.dims<[1]>, mode = #nn.pad_mode<reflect>} : tensor<3xi32> -> tensor<5xi32>
  // CHECK-DAG: [1, 1, 2, 3, 3]
  %edge = nn.pad %v {low = #nn.dims<[1]>, high = #nn.dims<[1]>, mode = #nn.pad_mode<edge>} : tensor<3xi32> -> tensor<5xi32>
  %start = nn.constant dense<3> : tensor<i64>
  %delta = nn.constant dense<-1> : tensor<i64>
  // CHECK-DAG: [3, 2, 1, 0]
  %range = nn.range %start, %delta {size = #nn.dims<[4]>} : (tensor<i64>, tensor<i64>) -> tensor<4xi64>
  %indices = nn.constant dense<[-1, 0]> : tensor<2xi64>
  // CHECK-DAG: {{\[\[}}3, 1], [6, 4]]
  %gathered = nn.gather %a, %indices {axis = 1 : i64} : (tensor<2x3xi32>, tensor<2xi64>) -> tensor<2x2xi32>
  return %transposed, %tiled, %reflected, %edge, %range, %gathered
    : tensor<3x2xi32>, tensor<2x4xi32>, tensor<5xi32>, tensor<5xi32>, tensor<4xi64>, tensor<2x2xi32>
}

// A reshaped blob is the same blob under another type.
// CHECK-LABEL: func.func @blob
func.func @blob() -> tensor<4xf32> {
  // CHECK-NEXT: nn.constant dense_resource<w> : tensor<4xf32>
  %w = nn.constant dense_resource<w> : tensor<2x2xf32>
  %0 = nn.reshape %w {dims = #nn.dims<[4]>} : tensor<2x2xf32> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// Elementary functions are left to constant folding, which runs the generated code.
// CHECK-LABEL: func.func @elementary
func.func @elementary() -> tensor<f32> {
  %a = nn.constant dense<1.0> : tensor<f32>
  // CHECK: nn.exp
  %0 = nn.exp %a : tensor<f32> -> tensor<f32>
  return %0 : tensor<f32>
}

{-#
  dialect_resources: {
    builtin: {
      w: "0x040000000000803f000000400000404000008040"
    }
  }
#-}
