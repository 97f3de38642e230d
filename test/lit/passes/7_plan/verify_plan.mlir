// RUN: tenon-opt %s --plan-verify --split-input-file --verify-diagnostics

kernel.func private @relu(%x: tensor<16xf32>) -> tensor<16xf32> attributes {overwrites = array<i64: -1>} {
  %0 = nn.relu %x : tensor<16xf32> -> tensor<16xf32>
  kernel.return %0 : tensor<16xf32>
}
plan.func @in_place attributes {inputs = [tensor<16xf32>], outputs = [tensor<16xf32>], input_names = ["x"], output_names = ["y"]} {
  %x = plan.input 0 : !plan.buffer
  %a = plan.alloc size(<64>) offset(0) : !plan.buffer
  plan.launch @relu(%x) -> (%a) tasks(<1>)
  // expected-error @below {{result 0 of @relu shares memory with argument 0, which its schedule does not allow}}
  plan.launch @relu(%a) -> (%a) tasks(<1>)
}

// -----

kernel.func private @relu(%x: tensor<16xf32>) -> tensor<16xf32> {
  %0 = nn.relu %x : tensor<16xf32> -> tensor<16xf32>
  kernel.return %0 : tensor<16xf32>
}
plan.func @unwritten attributes {inputs = [tensor<16xf32>], outputs = [tensor<16xf32>], input_names = ["x"], output_names = ["y"]} {
  %y = plan.output 0 : !plan.buffer
  %a = plan.alloc size(<64>) offset(0) : !plan.buffer
  // expected-error @below {{reads a buffer that nothing has written yet}}
  plan.launch @relu(%a) -> (%y) tasks(<1>)
}

// -----

kernel.func private @relu(%x: tensor<16xf32>) -> tensor<16xf32> {
  %0 = nn.relu %x : tensor<16xf32> -> tensor<16xf32>
  kernel.return %0 : tensor<16xf32>
}
plan.func @overlap attributes {inputs = [tensor<16xf32>], outputs = [tensor<16xf32>], input_names = ["x"], output_names = ["y"]} {
  %x = plan.input 0 : !plan.buffer
  %y = plan.output 0 : !plan.buffer
  // expected-error @below {{overlaps another buffer that is alive at the same time: [0, 64) and [32, 96)}}
  %a = plan.alloc size(<64>) offset(0) : !plan.buffer
  %b = plan.alloc size(<64>) offset(32) : !plan.buffer
  plan.launch @relu(%x) -> (%a) tasks(<1>)
  plan.launch @relu(%a) -> (%b) tasks(<1>)
  plan.launch @relu(%b) -> (%y) tasks(<1>)
}

// -----

// Two halves of every row of 32: interleaved in memory, never the same byte.
kernel.func private @relu(%x: tensor<4x16xf32> {kernel.strides = #nn.dims<[32, 1]>}) -> (tensor<4x16xf32> {kernel.strides = #nn.dims<[32, 1]>}) {
  %0 = nn.relu %x : tensor<4x16xf32> -> tensor<4x16xf32>
  kernel.return %0 : tensor<4x16xf32>
}
kernel.func private @spread(%x: tensor<4x16xf32>) -> (tensor<4x16xf32> {kernel.strides = #nn.dims<[32, 1]>}) {
  %0 = nn.relu %x : tensor<4x16xf32> -> tensor<4x16xf32>
  kernel.return %0 : tensor<4x16xf32>
}
plan.func @halves attributes {inputs = [tensor<4x16xf32>], outputs = [tensor<4x32xf32>], input_names = ["x"], output_names = ["y"]} {
  %x = plan.input 0 : !plan.buffer
  %y = plan.output 0 : !plan.buffer
  plan.launch @spread(%x) -> (%y) tasks(<1>)
  %v = plan.view %y offset(<64>) : !plan.buffer
  plan.launch @relu(%y) -> (%v) tasks(<1>)
}

// -----

kernel.func private @find(%x: tensor<8xi1>) -> tensor<1x?xi64, #nn.dims<[1, m]>> attributes {symbols = ["m"]} {
  %0 = nn.nonzero %x {count = #nn.expr<m>} : tensor<8xi1> -> tensor<1x?xi64, #nn.dims<[1, m]>>
  kernel.return %0 : tensor<1x?xi64, #nn.dims<[1, m]>>
}
plan.func @early attributes {inputs = [tensor<8xi1>, tensor<i64>], outputs = [tensor<1x?xi64, #nn.dims<[1, m]>>], input_names = ["x", "n"], output_names = ["y"]} {
  %x = plan.input 0 : !plan.buffer
  %n = plan.input 1 : !plan.buffer
  %y = plan.output 0 : !plan.buffer
  // expected-error @below {{uses the size 'm', which only a later step defines}}
  plan.launch @find(%x) -> (%y) tasks(<1>)
  plan.read_sizes %n -> ["m"] as i64 : !plan.buffer
}
