// RUN: tenon-opt %s --kernel-assign-schedules=target=x86-64-v3 | FileCheck %s
// RUN: tenon-opt %s --kernel-assign-schedules=target=sapphirerapids | FileCheck %s --check-prefix=VNNI

// VNNI-NOT: split_share

// 100 + 20 = 120 fits 16 bits with any bytes: nothing is split, and rows are read where they lie.
// CHECK:       kernel.func private @fits
// CHECK-SAME:    kernel.split_share = 0 : i64
// CHECK-SAME:    schedule = #kernel.schedule<"contraction", {a = "in_place", {{.*}}nv = 1
kernel.func private @fits(%x: tensor<64x4xui8>, %w: tensor<4x8xi8>) -> tensor<64x8xi32> {
  %0 = nn.matmul %x, %w : tensor<64x4xui8>, tensor<4x8xi8> -> tensor<64x8xi32>
  kernel.return %0 : tensor<64x8xi32>
}

// 100 + 29 in one column of one vector out of one: all would be split, and pairs are copied.
// CHECK:       kernel.func private @exceeds
// CHECK-SAME:    kernel.split_share = 100 : i64
// CHECK-SAME:    schedule = #kernel.schedule<"contraction", {a = "packed"
kernel.func private @exceeds(%x: tensor<64x4xui8>, %w: tensor<8x4xi8>) -> tensor<64x8xi32> {
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<64x4xui8>, tensor<8x4xi8> -> tensor<64x8xi32>
  kernel.return %0 : tensor<64x8xi32>
}

// What only the caller knows is not marked.
// CHECK:       kernel.func private @unknown
// CHECK-NOT:     split_share
// CHECK:         nn.matmul
kernel.func private @unknown(%x: tensor<64x4xui8>, %w: tensor<4x8xi8>) -> tensor<64x8xi32> {
  %0 = nn.matmul %x, %w : tensor<64x4xui8>, tensor<4x8xi8> -> tensor<64x8xi32>
  kernel.return %0 : tensor<64x8xi32>
}

func.func @main(%x: tensor<64x4xui8>, %u: tensor<4x8xi8>) -> (tensor<64x8xi32>, tensor<64x8xi32>, tensor<64x8xi32>) {
  %w = nn.constant dense<[[100, 100, 100, 100, 100, 100, 100, 100], [20, 20, 20, 20, 20, 20, 20, -100], [-128, 1, 1, 1, 1, 1, 1, 1], [127, 1, 1, 1, 1, 1, 1, 1]]> : tensor<4x8xi8>
  %v = nn.constant dense<[[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 100, 29], [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]> : tensor<8x4xi8>
  %0 = kernel.dispatch @fits(%x, %w) : (tensor<64x4xui8>, tensor<4x8xi8>) -> tensor<64x8xi32>
  %1 = kernel.dispatch @exceeds(%x, %v) : (tensor<64x4xui8>, tensor<8x4xi8>) -> tensor<64x8xi32>
  %2 = kernel.dispatch @unknown(%x, %u) : (tensor<64x4xui8>, tensor<4x8xi8>) -> tensor<64x8xi32>
  return %0, %1, %2 : tensor<64x8xi32>, tensor<64x8xi32>, tensor<64x8xi32>
}
