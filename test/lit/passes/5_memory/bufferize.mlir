// RUN: tenon-opt %s --kernel-assign-schedules=target=x86-64-v3 --plan-bufferize=target=x86-64-v3 --split-input-file | FileCheck %s

kernel.func private @relu(%x: tensor<1x8x8x16xf32>) -> tensor<1x8x8x16xf32> {
  %0 = nn.relu %x : tensor<1x8x8x16xf32> -> tensor<1x8x8x16xf32>
  kernel.return %0 : tensor<1x8x8x16xf32>
}
kernel.func private @concat(%x: tensor<1x8x8x16xf32>, %y: tensor<1x8x8x16xf32>) -> tensor<1x8x8x32xf32> {
  %0 = nn.concat %x, %y {axis = 3 : i64} : tensor<1x8x8x16xf32>, tensor<1x8x8x16xf32> -> tensor<1x8x8x32xf32>
  kernel.return %0 : tensor<1x8x8x32xf32>
}
kernel.func private @negate(%x: tensor<1x8x8x32xf32>) -> tensor<1x8x8x32xf32> {
  %0 = nn.neg %x : tensor<1x8x8x32xf32> -> tensor<1x8x8x32xf32>
  kernel.return %0 : tensor<1x8x8x32xf32>
}

// Both operands of the concat are written where it wants them: the second 16 channels (64 bytes) further in every pixel of 32.
// CHECK:       kernel.func private @relu{{[_0-9]*}}(%{{[a-z0-9]+}}: tensor<1x8x8x16xf32>) -> (tensor<1x8x8x16xf32> {kernel.strides = #nn.dims<[2048, 256, 32, 1]>})
// CHECK-LABEL: plan.func @main
// CHECK-DAG:     %[[X:.*]] = plan.input 0
// CHECK-DAG:     %[[Y:.*]] = plan.output 0
// CHECK:         %[[BUFFER:.*]] = plan.alloc size(<8192>)
// CHECK:         plan.launch @[[RELU:.*]](%[[X]]) -> (%[[BUFFER]])
// CHECK:         %[[VIEW:.*]] = plan.view %[[BUFFER]] offset(<64>)
// CHECK:         plan.launch @[[RELU]](%[[X]]) -> (%[[VIEW]])
// CHECK-NOT:     @concat
// CHECK:         plan.launch @negate(%[[BUFFER]]) -> (%[[Y]])
func.func @main(%x: tensor<1x8x8x16xf32> {nn.name = "x"}) -> (tensor<1x8x8x32xf32> {nn.name = "y"}) {
  %a = kernel.dispatch @relu(%x) : (tensor<1x8x8x16xf32>) -> tensor<1x8x8x16xf32>
  %b = kernel.dispatch @relu(%x) : (tensor<1x8x8x16xf32>) -> tensor<1x8x8x16xf32>
  %c = kernel.dispatch @concat(%a, %b) : (tensor<1x8x8x16xf32>, tensor<1x8x8x16xf32>) -> tensor<1x8x8x32xf32>
  %d = kernel.dispatch @negate(%c) : (tensor<1x8x8x32xf32>) -> tensor<1x8x8x32xf32>
  return %d : tensor<1x8x8x32xf32>
}

// -----

kernel.func private @relu(%x: tensor<64xf32>) -> tensor<64xf32> {
  %0 = nn.relu %x : tensor<64xf32> -> tensor<64xf32>
  kernel.return %0 : tensor<64xf32>
}

// An input that is returned has to be copied; a reshape costs nothing; an elementwise chain runs in place, on one buffer.
// CHECK-LABEL: plan.func @main
// CHECK:         %[[X:.*]] = plan.input 0
// CHECK:         %[[BUFFER:.*]] = plan.alloc size(<256>)
// CHECK:         plan.launch @relu(%[[X]]) -> (%[[BUFFER]])
// CHECK:         plan.launch @relu(%[[BUFFER]]) -> (%[[BUFFER]])
// CHECK:         plan.launch @relu(%[[BUFFER]]) -> (%[[Y:.*]]) tasks
// CHECK:         plan.copy %[[X]] -> %{{.*}} size(<256>)
func.func @main(%x: tensor<64xf32> {nn.name = "x"}) -> (tensor<8x8xf32> {nn.name = "y"}, tensor<64xf32> {nn.name = "z"}) {
  %a = kernel.dispatch @relu(%x) : (tensor<64xf32>) -> tensor<64xf32>
  %b = kernel.dispatch @relu(%a) : (tensor<64xf32>) -> tensor<64xf32>
  %c = kernel.dispatch @relu(%b) : (tensor<64xf32>) -> tensor<64xf32>
  %y = nn.reshape %c {dims = #nn.dims<[8, 8]>} : tensor<64xf32> -> tensor<8x8xf32>
  return %y, %x : tensor<8x8xf32>, tensor<64xf32>
}
