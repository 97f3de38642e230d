// RUN: tenon-opt %s -canonicalize | FileCheck %s

// Shape arithmetic of exporters is constant folding: #nn.dims go through it as expressions, numbers as dense.

// Flatten from the second axis on: Shape, Slice, ReduceProd, Concat.
// CHECK-LABEL: func.func @flatten
func.func @flatten(%x: tensor<?x3x?x4xf32, #nn.dims<[n, 3, h, 4]>>) -> tensor<2xi64> {
  %shape = nn.shape %x : tensor<?x3x?x4xf32, #nn.dims<[n, 3, h, 4]>> -> tensor<4xi64>
  %batch = nn.slice %shape {starts = #nn.dims<[0]>, sizes = #nn.dims<[1]>, steps = array<i64: 1>} : tensor<4xi64> -> tensor<1xi64>
  %rest = nn.slice %shape {starts = #nn.dims<[1]>, sizes = #nn.dims<[3]>, steps = array<i64: 1>} : tensor<4xi64> -> tensor<3xi64>
  %size = nn.reduce %rest {kind = #nn.reduce_kind<prod>, axes = array<i64: 0>, keep_dims} : tensor<3xi64> -> tensor<1xi64>
  %dims = nn.concat %batch, %size {axis = 0 : i64} : tensor<1xi64>, tensor<1xi64> -> tensor<2xi64>
  // CHECK-NEXT: %[[R:.*]] = nn.constant dims<[n, 12 * h]> : tensor<2xi64>
  // CHECK-NEXT: return %[[R]]
  return %dims : tensor<2xi64>
}

// Static axes give plain integers.
// CHECK-LABEL: func.func @static_shape
func.func @static_shape(%x: tensor<?x3x8xf32, #nn.dims<[n, 3, 8]>>) -> tensor<2xi64> {
  // CHECK-NEXT: nn.constant dense<[3, 8]> : tensor<2xi64>
  %shape = nn.shape %x {start = 1 : i64} : tensor<?x3x8xf32, #nn.dims<[n, 3, 8]>> -> tensor<2xi64>
  return %shape : tensor<2xi64>
}

// Half of a size as PyTorch exports it: to float, multiply, floor, back. 0.5 is exact, so this is floordiv.
// CHECK-LABEL: func.func @scaled_by_floats
func.func @scaled_by_floats(%x: tensor<?x?xf32, #nn.dims<[h, w]>>) -> (tensor<2xi64>, tensor<2xi64>) {
  %half = nn.constant dense<0.5> : tensor<f32>
  %three = nn.constant dense<3.0> : tensor<2xf32>
  %shape = nn.shape %x : tensor<?x?xf32, #nn.dims<[h, w]>> -> tensor<2xi64>
  %float = nn.cast %shape {to = f32} : tensor<2xi64> -> tensor<2xf32>
  %scaled = nn.mul %float, %half : tensor<2xf32>, tensor<f32> -> tensor<2xf32>
  %floor = nn.floor %scaled : tensor<2xf32> -> tensor<2xf32>
  %back = nn.cast %floor {to = i64} : tensor<2xf32> -> tensor<2xi64>
  %third = nn.div %float, %three : tensor<2xf32>, tensor<2xf32> -> tensor<2xf32>
  %ceil = nn.ceil %third : tensor<2xf32> -> tensor<2xf32>
  %back3 = nn.cast %ceil {to = i64} : tensor<2xf32> -> tensor<2xi64>
  // CHECK-DAG: nn.constant dims<[floordiv(h, 2), floordiv(w, 2)]> : tensor<2xi64>
  // CHECK-DAG: nn.constant dims<[floordiv(h + 2, 3), floordiv(w + 2, 3)]> : tensor<2xi64>
  return %back, %back3 : tensor<2xi64>, tensor<2xi64>
}

// Reshape's -1: where(shape == -1, ones, shape).
// CHECK-LABEL: func.func @expand_with_minus_one
func.func @expand_with_minus_one(%x: tensor<?xf32, #nn.dims<[n]>>) -> tensor<3xi64> {
  %shape = nn.shape %x : tensor<?xf32, #nn.dims<[n]>> -> tensor<1xi64>
  %tail = nn.constant dense<[-1, 7]> : tensor<2xi64>
  %dims = nn.concat %shape, %tail {axis = 0 : i64} : tensor<1xi64>, tensor<2xi64> -> tensor<3xi64>
  %one = nn.constant dense<1> : tensor<1xi64>
  %ones = nn.expand %one {dims = #nn.dims<[3]>} : tensor<1xi64> -> tensor<3xi64>
  %minus_one = nn.constant dense<-1> : tensor<i64>
  %free = nn.equal %dims, %minus_one : tensor<3xi64>, tensor<i64> -> tensor<3xi1>
  %result = nn.select %free, %ones, %dims : tensor<3xi1>, tensor<3xi64>, tensor<3xi64> -> tensor<3xi64>
  // A size is never -1, so the first comparison is known although n is not.
  // CHECK-NEXT: nn.constant dims<[n, 1, 7]> : tensor<3xi64>
  return %result : tensor<3xi64>
}

// The pads of torch.nn.functional.pad: padded with zeros, reshaped to pairs, reversed, transposed.
// CHECK-LABEL: func.func @pads_of_torch
func.func @pads_of_torch(%x: tensor<?xf32, #nn.dims<[n]>>) -> tensor<4xi64> {
  %shape = nn.shape %x : tensor<?xf32, #nn.dims<[n]>> -> tensor<1xi64>
  %padded = nn.pad %shape {low = #nn.dims<[1]>, high = #nn.dims<[2]>} : tensor<1xi64> -> tensor<4xi64>
  %pairs = nn.reshape %padded {dims = #nn.dims<[2, 2]>} : tensor<4xi64> -> tensor<2x2xi64>
  %reversed = nn.slice %pairs {starts = #nn.dims<[1, 0]>, sizes = #nn.dims<[2, 2]>, steps = array<i64: -1, 1>} : tensor<2x2xi64> -> tensor<2x2xi64>
  %turned = nn.transpose %reversed {perm = array<i64: 1, 0>} : tensor<2x2xi64> -> tensor<2x2xi64>
  %flat = nn.reshape %turned {dims = #nn.dims<[4]>} : tensor<2x2xi64> -> tensor<4xi64>
  // [0, n, 0, 0] -> [[0, n], [0, 0]] -> [[0, 0], [0, n]] -> the same transposed
  // CHECK-NEXT: nn.constant dims<[0, 0, 0, n]> : tensor<4xi64>
  return %flat : tensor<4xi64>
}

// CHECK-LABEL: func.func @arithmetic
func.func @arithmetic(%x: tensor<?x?xf32, #nn.dims<[h, w]>>) -> (tensor<i64>, tensor<i64>, tensor<i64>, tensor<i1>) {
  %shape = nn.shape %x : tensor<?x?xf32, #nn.dims<[h, w]>> -> tensor<2xi64>
  %zero = nn.constant dense<0> : tensor<i64>
  %one = nn.constant dense<1> : tensor<i64>
  %two = nn.constant dense<2> : tensor<i64>
  %h = nn.gather %shape, %zero {axis = 0 : i64} : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %w = nn.gather %shape, %one {axis = 0 : i64} : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  // (2h + 2w) / 2 - w = h
  %h2 = nn.mul %h, %two : tensor<i64>, tensor<i64> -> tensor<i64>
  %w2 = nn.mul %w, %two : tensor<i64>, tensor<i64> -> tensor<i64>
  %sum = nn.add %h2, %w2 : tensor<i64>, tensor<i64> -> tensor<i64>
  %mean = nn.div %sum, %two : tensor<i64>, tensor<i64> -> tensor<i64>
  %same = nn.sub %mean, %w : tensor<i64>, tensor<i64> -> tensor<i64>
  %rest = nn.mod %h, %two : tensor<i64>, tensor<i64> -> tensor<i64>
  %least = nn.min %h, %w : tensor<i64>, tensor<i64> -> tensor<i64>
  // h + 1 > 0 for every size h
  %more = nn.add %h, %one : tensor<i64>, tensor<i64> -> tensor<i64>
  %positive = nn.greater %more, %zero : tensor<i64>, tensor<i64> -> tensor<i1>
  // CHECK-DAG: nn.constant dims<[h]> : tensor<i64>
  // CHECK-DAG: nn.constant dims<[mod(h, 2)]> : tensor<i64>
  // CHECK-DAG: nn.constant dims<[min(h, w)]> : tensor<i64>
  // CHECK-DAG: nn.constant dense<true> : tensor<i1>
  return %same, %rest, %least, %positive : tensor<i64>, tensor<i64>, tensor<i64>, tensor<i1>
}

// What depends on the symbols stays: h > w may be true or false, and a negative dividend does not truncate like floor.
// CHECK-LABEL: func.func @unknown
func.func @unknown(%x: tensor<?x?xf32, #nn.dims<[h, w]>>) -> (tensor<i1>, tensor<i64>) {
  %h = nn.constant dims<[h]> : tensor<i64>
  %w = nn.constant dims<[w]> : tensor<i64>
  %two = nn.constant dense<2> : tensor<i64>
  // CHECK: nn.greater
  %greater = nn.greater %h, %w : tensor<i64>, tensor<i64> -> tensor<i1>
  %difference = nn.sub %h, %w : tensor<i64>, tensor<i64> -> tensor<i64>
  // CHECK: nn.div
  %half = nn.div %difference, %two : tensor<i64>, tensor<i64> -> tensor<i64>
  return %greater, %half : tensor<i1>, tensor<i64>
}
