// RUN: tenon-opt %s --kernel-assign-schedules=target=x86-64-v3 --plan-bufferize=target=x86-64-v3 --plan-pack-arena | FileCheck %s

kernel.func private @count(%x: tensor<8xi1>) -> tensor<i64> {
  %0 = nn.cast %x {to = i64} : tensor<8xi1> -> tensor<8xi64>
  %1 = nn.reduce %0 {kind = #nn.reduce_kind<sum>, axes = array<i64: 0>} : tensor<8xi64> -> tensor<i64>
  kernel.return %1 : tensor<i64>
}
kernel.func private @find(%x: tensor<8xi1>) -> tensor<1x?xi64, #nn.dims<[1, m]>> attributes {symbols = ["m"]} {
  %0 = nn.nonzero %x {count = #nn.expr<m>} : tensor<8xi1> -> tensor<1x?xi64, #nn.dims<[1, m]>>
  kernel.return %0 : tensor<1x?xi64, #nn.dims<[1, m]>>
}
kernel.func private @relu(%x: tensor<4xi64>) -> tensor<4xi64> {
  %0 = nn.relu %x : tensor<4xi64> -> tensor<4xi64>
  kernel.return %0 : tensor<4xi64>
}
kernel.func private @concat(%x: tensor<4xi64>, %y: tensor<?xi64, #nn.dims<[m]>>) -> tensor<?xi64, #nn.dims<[m + 4]>> attributes {symbols = ["m"]} {
  %0 = nn.concat %x, %y {axis = 0 : i64} : tensor<4xi64>, tensor<?xi64, #nn.dims<[m]>> -> tensor<?xi64, #nn.dims<[m + 4]>>
  kernel.return %0 : tensor<?xi64, #nn.dims<[m + 4]>>
}
kernel.func private @negate(%x: tensor<?xi64, #nn.dims<[m + 4]>>) -> tensor<?xi64, #nn.dims<[m + 4]>> attributes {symbols = ["m"]} {
  %0 = nn.neg %x : tensor<?xi64, #nn.dims<[m + 4]>> -> tensor<?xi64, #nn.dims<[m + 4]>>
  kernel.return %0 : tensor<?xi64, #nn.dims<[m + 4]>>
}

// The count is read before what depends on it, and its own buffer has an offset in the arena. @relu's result could lie within the concat if the size of
// that were known when @relu runs: it is not, so that it has a buffer of its own with an offset. The concat's has none: the run lays it out.
// CHECK-LABEL: plan.func @main
// CHECK-SAME:    arena_bytes = 128
// CHECK:         %[[COUNT:.*]] = plan.alloc size(<8>) offset(
// CHECK:         plan.launch @count(%{{.*}}) -> (%[[COUNT]])
// CHECK:         %[[RELU:.*]] = plan.alloc size(<32>) offset(
// CHECK:         plan.launch @relu(%{{.*}}) -> (%[[RELU]])
// CHECK:         plan.read_sizes %[[COUNT]] -> ["m"] as i64
// CHECK:         plan.require <m>, <8>, "the elements" {at_most}
// CHECK:         %[[FOUND:.*]] = plan.alloc size(<8 * m>) : !plan.buffer
// CHECK:         plan.launch @find(%{{.*}}) -> (%[[FOUND]])
// CHECK:         %[[BOTH:.*]] = plan.alloc size(<8 * m + 32>) : !plan.buffer
// CHECK:         plan.launch @concat(%[[RELU]], %[[FOUND]]) -> (%[[BOTH]])
// CHECK:         plan.launch @negate(%[[BOTH]])
func.func @main(%x: tensor<8xi1> {nn.name = "x"}, %y: tensor<4xi64> {nn.name = "y"}) -> (tensor<?xi64, #nn.dims<[m + 4]>> {nn.name = "z"}) {
  %n = kernel.dispatch @count(%x) : (tensor<8xi1>) -> tensor<i64>
  %r = kernel.dispatch @relu(%y) : (tensor<4xi64>) -> tensor<4xi64>
  nn.read_sizes %n -> ["m"] : tensor<i64>
  nn.require #nn.expr<m>, #nn.expr<8>, "the elements" {at_most}
  %f = kernel.dispatch @find(%x) : (tensor<8xi1>) -> tensor<1x?xi64, #nn.dims<[1, m]>>
  %v = nn.reshape %f {dims = #nn.dims<[m]>} : tensor<1x?xi64, #nn.dims<[1, m]>> -> tensor<?xi64, #nn.dims<[m]>>
  %c = kernel.dispatch @concat(%r, %v) : (tensor<4xi64>, tensor<?xi64, #nn.dims<[m]>>) -> tensor<?xi64, #nn.dims<[m + 4]>>
  %z = kernel.dispatch @negate(%c) : (tensor<?xi64, #nn.dims<[m + 4]>>) -> tensor<?xi64, #nn.dims<[m + 4]>>
  return %z : tensor<?xi64, #nn.dims<[m + 4]>>
}
