// RUN: tenon-opt %s > %t && tenon-opt %t | diff %t -
// RUN: tenon-opt %s -mlir-print-op-generic | tenon-opt | diff %t -
// RUN: FileCheck %s --input-file=%t

// Two launches of a plan whose batch is free: the second half of the first one's result feeds the second.
// CHECK-LABEL: plan.func @main attributes {input_names = ["x"], inputs = [tensor<?x4xf32, #nn.dims<[n, 4]>>]
plan.func @main attributes {inputs = [tensor<?x4xf32, #nn.dims<[n, 4]>>], outputs = [tensor<?x4xf32, #nn.dims<[n, 4]>>],
                            input_names = ["x"], output_names = ["y"]} {
  // CHECK: %[[X:.*]] = plan.input 0 : !plan.buffer
  %x = plan.input 0 : !plan.buffer
  // CHECK: %[[Y:.*]] = plan.output 0 : !plan.buffer
  %y = plan.output 0 : !plan.buffer
  // CHECK: %[[W:.*]] = plan.constant dense<1.000000e+00> : tensor<4xf32> -> !plan.buffer
  %w = plan.constant dense<1.0> : tensor<4xf32> -> !plan.buffer
  // CHECK: %[[A:.*]] = plan.alloc size(<32 * n>) : !plan.buffer
  %a = plan.alloc size(<32 * n>) : !plan.buffer
  // CHECK: %[[S:.*]] = plan.alloc size(<1024>) offset(64) {alignment = 128 : i64} : !plan.buffer
  %s = plan.alloc size(<1024>) offset(64) {alignment = 128 : i64} : !plan.buffer
  // CHECK: plan.launch @k0(%[[X]], %[[W]]) -> (%[[A]]) workspace(%[[S]]) tasks(<4>)
  plan.launch @k0(%x, %w) -> (%a) workspace(%s) tasks(<4>)
  // CHECK: %[[V:.*]] = plan.view %[[A]] offset(<16 * n>) : !plan.buffer
  %v = plan.view %a offset(<16 * n>) : !plan.buffer
  // CHECK: plan.launch @k1(%[[V]]) -> (%[[Y]]) tasks(<1>)
  plan.launch @k1(%v) -> (%y) tasks(<1>)
  // CHECK: plan.copy %[[X]] -> %[[Y]] size(<16 * n>) : !plan.buffer
  plan.copy %x -> %y size(<16 * n>) : !plan.buffer
}
