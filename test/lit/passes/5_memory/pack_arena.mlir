// RUN: tenon-opt %s --plan-pack-arena | FileCheck %s

// Three buffers of 64 bytes; %a and %c are never alive together, so the arena holds two, not three:
// launch          0    1    2
// %a (64 bytes)   ####
// %b              ####
//                      %b read, %c written      lower bound = 128 at launches 1 and 2
// CHECK-LABEL: plan.func @reuse
// CHECK-SAME:    arena_bytes = 128
// CHECK-SAME:    lower_bound = 128
// CHECK-SAME:    naive_bytes = 192
plan.func @reuse attributes {inputs = [tensor<16xf32>], outputs = [tensor<16xf32>], input_names = ["x"], output_names = ["y"]} {
  %x = plan.input 0 : !plan.buffer
  %y = plan.output 0 : !plan.buffer
  // CHECK: %[[A:.*]] = plan.alloc size(<64>) offset([[FIRST:[0-9]+]]) :
  %a = plan.alloc size(<64>) : !plan.buffer
  plan.launch @f(%x) -> (%a) tasks(<1>)
  // CHECK: plan.alloc size(<64>) offset(
  %b = plan.alloc size(<64>) : !plan.buffer
  plan.launch @f(%a) -> (%b) tasks(<1>)
  // CHECK: plan.alloc size(<64>) offset([[FIRST]]) :
  %c = plan.alloc size(<64>) : !plan.buffer
  plan.launch @f(%b) -> (%c) tasks(<1>)
  plan.launch @f(%c) -> (%y) tasks(<1>)
}

// A size that depends on a symbol: the runtime packs when it sees the shape.
// CHECK-LABEL: plan.func @later
// CHECK-NOT:     arena_bytes
// CHECK:         plan.alloc size(<64 * batch>) :
plan.func @later attributes {inputs = [tensor<?x16xf32, #nn.dims<[batch, 16]>>], outputs = [tensor<?x16xf32, #nn.dims<[batch, 16]>>], input_names = ["x"], output_names = ["y"]} {
  %x = plan.input 0 : !plan.buffer
  %y = plan.output 0 : !plan.buffer
  %a = plan.alloc size(<64 * batch>) : !plan.buffer
  plan.launch @f(%x) -> (%a) tasks(<1>)
  plan.launch @f(%a) -> (%y) tasks(<1>)
}
