// RUN: tenon-opt %s --nn-sink-transposes --canonicalize --cse | FileCheck %s

// Softmax over channels and a concat of channels, seen through transposes on all sides.
// CHECK-LABEL: func.func @axes
// CHECK-NEXT:    %[[S:.*]] = nn.softmax %arg0 {axis = 3 : i64}
// CHECK-NEXT:    %[[Y:.*]] = nn.concat %[[S]], %arg1 {axis = 3 : i64}
// CHECK-NEXT:    return %[[Y]]
func.func @axes(%x: tensor<1x4x5x3xf32>, %y: tensor<1x4x5x2xf32>) -> tensor<1x4x5x5xf32> {
  %0 = nn.transpose %x {perm = array<i64: 0, 3, 1, 2>} : tensor<1x4x5x3xf32> -> tensor<1x3x4x5xf32>
  %1 = nn.softmax %0 {axis = 1 : i64} : tensor<1x3x4x5xf32> -> tensor<1x3x4x5xf32>
  %2 = nn.transpose %y {perm = array<i64: 0, 3, 1, 2>} : tensor<1x4x5x2xf32> -> tensor<1x2x4x5xf32>
  %3 = nn.concat %1, %2 {axis = 1 : i64} : tensor<1x3x4x5xf32>, tensor<1x2x4x5xf32> -> tensor<1x5x4x5xf32>
  %4 = nn.transpose %3 {perm = array<i64: 0, 2, 3, 1>} : tensor<1x5x4x5xf32> -> tensor<1x4x5x5xf32>
  return %4 : tensor<1x4x5x5xf32>
}

// Height and width merge under the transpose: [N, C, H, W] -> [N, C, H*W] -> [N, H*W, C] is a plain reshape of [N, H, W, C].
// CHECK-LABEL: func.func @tokens
// CHECK-NEXT:    %[[Y:.*]] = nn.reshape %arg0 {dims = #nn.dims<[2, 20, 3]>}
// CHECK-NEXT:    return %[[Y]]
func.func @tokens(%x: tensor<2x4x5x3xf32>) -> tensor<2x20x3xf32> {
  %0 = nn.transpose %x {perm = array<i64: 0, 3, 1, 2>} : tensor<2x4x5x3xf32> -> tensor<2x3x4x5xf32>
  %1 = nn.reshape %0 {dims = #nn.dims<[2, 3, 20]>} : tensor<2x3x4x5xf32> -> tensor<2x3x20xf32>
  %2 = nn.transpose %1 {perm = array<i64: 0, 2, 1>} : tensor<2x3x20xf32> -> tensor<2x20x3xf32>
  return %2 : tensor<2x20x3xf32>
}

// The transpose of keys becomes the flag of the product; a reshape that merges heads and channels cannot pass and stays.
// CHECK-LABEL: func.func @heads
// CHECK:         nn.matmul %arg0, %arg1 {transpose_rhs}
// CHECK:         %[[T:.*]] = nn.transpose %arg1 {perm = array<i64: 0, 2, 1, 3>}
// CHECK:         nn.reshape %[[T]]
func.func @heads(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x6x8xf32>) -> (tensor<1x2x4x6xf32>, tensor<1x6x16xf32>) {
  %0 = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : tensor<1x2x6x8xf32> -> tensor<1x2x8x6xf32>
  %1 = nn.matmul %q, %0 : tensor<1x2x4x8xf32>, tensor<1x2x8x6xf32> -> tensor<1x2x4x6xf32>
  %2 = nn.transpose %k {perm = array<i64: 0, 2, 1, 3>} : tensor<1x2x6x8xf32> -> tensor<1x6x2x8xf32>
  %3 = nn.reshape %2 {dims = #nn.dims<[1, 6, 16]>} : tensor<1x6x2x8xf32> -> tensor<1x6x16xf32>
  return %1, %3 : tensor<1x2x4x6xf32>, tensor<1x6x16xf32>
}

// A run that selects few columns transposes those alone; where the transpose is read otherwise too, its rows are gathered.
// CHECK-LABEL: func.func @selection
// CHECK:         %[[G:.*]] = nn.gather %arg0, %arg2 {axis = 2 : i64}
// CHECK-SAME:      -> tensor<1x84x?xf32, #nn.dims<[1, 84, n]>>
// CHECK:         nn.transpose %[[G]] {perm = array<i64: 0, 2, 1>}
// CHECK:         %[[T:.*]] = nn.transpose %arg1
// CHECK:         nn.gather %[[T]], %arg2 {axis = 1 : i64}
func.func @selection(%x: tensor<1x84x8400xf32>, %y: tensor<1x84x8400xf32>, %i: tensor<?xi64, #nn.dims<[n]>>, %count: tensor<1xi64>)
    -> (tensor<1x?x84xf32, #nn.dims<[1, n, 84]>>, tensor<1x?x84xf32, #nn.dims<[1, n, 84]>>, tensor<1x8400x84xf32>) {
  nn.read_sizes %count -> ["n"] : tensor<1xi64>
  %0 = nn.transpose %x {perm = array<i64: 0, 2, 1>} : tensor<1x84x8400xf32> -> tensor<1x8400x84xf32>
  %1 = nn.gather %0, %i {axis = 1 : i64} : (tensor<1x8400x84xf32>, tensor<?xi64, #nn.dims<[n]>>) -> tensor<1x?x84xf32, #nn.dims<[1, n, 84]>>
  %2 = nn.transpose %y {perm = array<i64: 0, 2, 1>} : tensor<1x84x8400xf32> -> tensor<1x8400x84xf32>
  %3 = nn.gather %2, %i {axis = 1 : i64} : (tensor<1x8400x84xf32>, tensor<?xi64, #nn.dims<[n]>>) -> tensor<1x?x84xf32, #nn.dims<[1, n, 84]>>
  return %1, %3, %2 : tensor<1x?x84xf32, #nn.dims<[1, n, 84]>>, tensor<1x?x84xf32, #nn.dims<[1, n, 84]>>, tensor<1x8400x84xf32>
}


// The sequence before the batch: rows of the product stay in the order of attention, and the two transposes of what was multiplied meet.
// CHECK-LABEL: func.func @sequence_first
// CHECK-NEXT:    %[[T:.*]] = nn.transpose %arg0 {perm = array<i64: 0, 2, 1, 3>} : tensor<2x4x6x8xf32> -> tensor<2x6x4x8xf32>
// CHECK-NEXT:    %[[R:.*]] = nn.reshape %[[T]] {dims = #nn.dims<[2, 6, 32]>}
// CHECK-NEXT:    %[[P:.*]] = nn.matmul %[[R]], %arg1 : tensor<2x6x32xf32>, tensor<32x5xf32> -> tensor<2x6x5xf32>
// CHECK-NEXT:    return %[[P]]
func.func @sequence_first(%x: tensor<2x4x6x8xf32>, %w: tensor<32x5xf32>) -> tensor<2x6x5xf32> {
  %0 = nn.transpose %x {perm = array<i64: 2, 0, 1, 3>} : tensor<2x4x6x8xf32> -> tensor<6x2x4x8xf32>
  %1 = nn.reshape %0 {dims = #nn.dims<[12, 32]>} : tensor<6x2x4x8xf32> -> tensor<12x32xf32>
  %2 = nn.matmul %1, %w : tensor<12x32xf32>, tensor<32x5xf32> -> tensor<12x5xf32>
  %3 = nn.reshape %2 {dims = #nn.dims<[6, 2, 5]>} : tensor<12x5xf32> -> tensor<6x2x5xf32>
  %4 = nn.transpose %3 {perm = array<i64: 1, 0, 2>} : tensor<6x2x5xf32> -> tensor<2x6x5xf32>
  return %4 : tensor<2x6x5xf32>
}

// One image has one row of each: nothing is out of order.
// CHECK-LABEL: func.func @one_sequence
// CHECK:         nn.transpose %arg0 {perm = array<i64: {{.*}}>}
// CHECK-NOT:     nn.transpose
// CHECK:         return
func.func @one_sequence(%x: tensor<1x4x6x8xf32>, %w: tensor<32x5xf32>) -> tensor<6x5xf32> {
  %0 = nn.transpose %x {perm = array<i64: 2, 0, 1, 3>} : tensor<1x4x6x8xf32> -> tensor<6x1x4x8xf32>
  %1 = nn.reshape %0 {dims = #nn.dims<[6, 32]>} : tensor<6x1x4x8xf32> -> tensor<6x32xf32>
  %2 = nn.matmul %1, %w : tensor<6x32xf32>, tensor<32x5xf32> -> tensor<6x5xf32>
  return %2 : tensor<6x5xf32>
}
