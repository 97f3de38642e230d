// RUN: tenon-opt %s -split-input-file -verify-diagnostics

// expected-error @below {{expected 1 names of inputs, found 2}}
plan.func @main attributes {inputs = [tensor<4xf32>], outputs = [], input_names = ["x", "y"], output_names = []} {
}

// -----

// expected-error @below {{expected tensor types of outputs, found f32}}
plan.func @main attributes {inputs = [], outputs = [f32], input_names = [], output_names = ["y"]} {
}

// -----

plan.func @main attributes {inputs = [tensor<4xf32>], outputs = [], input_names = ["x"], output_names = []} {
  // expected-error @below {{expected an index in [0, 1), found 1}}
  %0 = plan.input 1 : !plan.buffer
}
