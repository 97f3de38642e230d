// RUN: tenon-opt %s --nn-hoist-transposes | FileCheck %s

// The concat copies anyway: it reads its operands through the transpose. Padding of axis 2 becomes padding of axis 1.
// CHECK-LABEL: func.func @main
// CHECK-DAG:     %[[A:.*]] = nn.transpose %arg0
// CHECK-DAG:     %[[B:.*]] = nn.transpose %arg1
// CHECK:         %[[C:.*]] = nn.concat {{.*}} {axis = 3 : i64}
// CHECK:         %[[P:.*]] = nn.pad %[[C]] {high = #nn.dims<[0, 1, 0, 0]>, low = #nn.dims<[0, 0, 0, 0]>}
// CHECK:         return %[[P]]
func.func @main(%a: tensor<1x2x4x4xf32>, %b: tensor<1x3x4x4xf32>) -> tensor<1x5x4x5xf32> {
  %0 = nn.concat %a, %b {axis = 1 : i64} : tensor<1x2x4x4xf32>, tensor<1x3x4x4xf32> -> tensor<1x5x4x4xf32>
  %1 = nn.pad %0 {low = #nn.dims<[0, 0, 0, 0]>, high = #nn.dims<[0, 0, 1, 0]>} : tensor<1x5x4x4xf32> -> tensor<1x5x5x4xf32>
  %2 = nn.transpose %1 {perm = array<i64: 0, 2, 3, 1>} : tensor<1x5x5x4xf32> -> tensor<1x5x4x5xf32>
  return %2 : tensor<1x5x4x5xf32>
}
