// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90a --plan-bufferize=target=cuda:sm_90a --plan-merge-launches=target=cuda:sm_90a --plan-pack-arena --plan-verify | FileCheck %s
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_80 --plan-bufferize=target=cuda:sm_80 --plan-merge-launches=target=cuda:sm_80 | FileCheck %s --check-prefix=EARLIER

kernel.func private @relu(%x: tensor<2x256xf16>) -> tensor<2x256xf16> {
  %0 = nn.relu %x : tensor<2x256xf16> -> tensor<2x256xf16>
  kernel.return %0 : tensor<2x256xf16>
}
kernel.func private @negate(%x: tensor<2x256xf16>) -> tensor<2x256xf16> {
  %0 = nn.neg %x : tensor<2x256xf16> -> tensor<2x256xf16>
  kernel.return %0 : tensor<2x256xf16>
}
kernel.func private @add(%x: tensor<2x256xf16>, %y: tensor<2x256xf16>) -> tensor<2x256xf16> {
  %0 = nn.add %x, %y : tensor<2x256xf16>, tensor<2x256xf16> -> tensor<2x256xf16>
  kernel.return %0 : tensor<2x256xf16>
}
kernel.func private @upper(%x: tensor<2x256xf16>) -> tensor<2x256xf16> {
  %0 = nn.exp %x : tensor<2x256xf16> -> tensor<2x256xf16>
  kernel.return %0 : tensor<2x256xf16>
}
kernel.func private @concat(%x: tensor<2x256xf16>, %y: tensor<2x256xf16>) -> tensor<2x512xf16> {
  %0 = nn.concat %x, %y {axis = 1 : i64} : tensor<2x256xf16>, tensor<2x256xf16> -> tensor<2x512xf16>
  kernel.return %0 : tensor<2x512xf16>
}
kernel.func private @wide(%x: tensor<8192x8192xf16>) -> tensor<8192x8192xf16> {
  %0 = nn.abs %x : tensor<8192x8192xf16> -> tensor<8192x8192xf16>
  kernel.return %0 : tensor<8192x8192xf16>
}
kernel.func private @free(%x: tensor<?x256xf16, #nn.dims<[n, 256]>>) -> tensor<?x256xf16, #nn.dims<[n, 256]>> attributes {symbols = ["n"]} {
  %0 = nn.abs %x : tensor<?x256xf16, #nn.dims<[n, 256]>> -> tensor<?x256xf16, #nn.dims<[n, 256]>>
  kernel.return %0 : tensor<?x256xf16, #nn.dims<[n, 256]>>
}

// What comes from the input alone is computed beside each other, the sum after it, and so is what reads a part's result.
// CHECK-LABEL: plan.func @branches
// CHECK:         %[[A:.*]] = plan.alloc size(<1024>)
// CHECK:         %[[B:.*]] = plan.alloc size(<1024>)
// CHECK:         plan.launch @relu$negate(%[[X:.*]], %[[X]]) -> (%[[A]], %[[B]]) tasks(<2>)
// CHECK-NEXT:    plan.launch @add(%[[A]], %[[B]])
// CHECK-NOT:     plan.launch
// EARLIER-LABEL: plan.func @branches
// EARLIER-COUNT-3: plan.launch
func.func @branches(%x: tensor<2x256xf16> {nn.name = "x"}) -> (tensor<2x256xf16> {nn.name = "y"}) {
  %a = kernel.dispatch @relu(%x) : (tensor<2x256xf16>) -> tensor<2x256xf16>
  %b = kernel.dispatch @negate(%x) : (tensor<2x256xf16>) -> tensor<2x256xf16>
  %c = kernel.dispatch @add(%a, %b) : (tensor<2x256xf16>, tensor<2x256xf16>) -> tensor<2x256xf16>
  return %c : tensor<2x256xf16>
}

// What needs nothing of what lies between is moved up to the first.
// CHECK-LABEL: plan.func @moved
// CHECK:         plan.launch @relu$negate(
// CHECK-NEXT:    plan.launch @add(
// CHECK-NOT:     plan.launch
func.func @moved(%x: tensor<2x256xf16> {nn.name = "x"}) -> (tensor<2x256xf16> {nn.name = "y"}, tensor<2x256xf16> {nn.name = "z"}) {
  %a = kernel.dispatch @relu(%x) : (tensor<2x256xf16>) -> tensor<2x256xf16>
  %b = kernel.dispatch @add(%a, %a) : (tensor<2x256xf16>, tensor<2x256xf16>) -> tensor<2x256xf16>
  %c = kernel.dispatch @negate(%x) : (tensor<2x256xf16>) -> tensor<2x256xf16>
  return %b, %c : tensor<2x256xf16>, tensor<2x256xf16>
}

// Not: what needs the one before, a kernel that fills the GPU, one whose size is not known.
// CHECK-LABEL: plan.func @apart
// CHECK-NOT:     $
// CHECK-COUNT-4: plan.launch
// CHECK-NOT:     plan.launch
func.func @apart(%x: tensor<2x256xf16> {nn.name = "x"}, %w: tensor<8192x8192xf16> {nn.name = "w"}, %n: tensor<?x256xf16, #nn.dims<[n, 256]>> {nn.name = "n"})
    -> (tensor<2x256xf16> {nn.name = "y"}, tensor<8192x8192xf16> {nn.name = "z"}, tensor<?x256xf16, #nn.dims<[n, 256]>> {nn.name = "m"}) {
  %a = kernel.dispatch @wide(%w) : (tensor<8192x8192xf16>) -> tensor<8192x8192xf16>
  %b = kernel.dispatch @relu(%x) : (tensor<2x256xf16>) -> tensor<2x256xf16>
  %c = kernel.dispatch @negate(%b) : (tensor<2x256xf16>) -> tensor<2x256xf16>
  %d = kernel.dispatch @free(%n) : (tensor<?x256xf16, #nn.dims<[n, 256]>>) -> tensor<?x256xf16, #nn.dims<[n, 256]>>
  return %c, %a, %d : tensor<2x256xf16>, tensor<8192x8192xf16>, tensor<?x256xf16, #nn.dims<[n, 256]>>
}

// @upper writes one half of a buffer and reads the other one.
// CHECK-LABEL: plan.func @halves
// CHECK:         plan.launch @relu{{[_0-9]*}}$negate
// CHECK:         plan.launch @upper{{[_0-9]*}}$add
func.func @halves(%x: tensor<2x256xf16> {nn.name = "x"}) -> (tensor<2x512xf16> {nn.name = "y"}, tensor<2x256xf16> {nn.name = "z"}) {
  %a = kernel.dispatch @relu(%x) : (tensor<2x256xf16>) -> tensor<2x256xf16>
  %b = kernel.dispatch @upper(%a) : (tensor<2x256xf16>) -> tensor<2x256xf16>
  %n = kernel.dispatch @negate(%x) : (tensor<2x256xf16>) -> tensor<2x256xf16>
  %c = kernel.dispatch @add(%n, %n) : (tensor<2x256xf16>, tensor<2x256xf16>) -> tensor<2x256xf16>
  %d = kernel.dispatch @concat(%a, %b) : (tensor<2x256xf16>, tensor<2x256xf16>) -> tensor<2x512xf16>
  return %d, %c : tensor<2x512xf16>, tensor<2x256xf16>
}

// The kernel of a merged launch dispatches its parts.
// CHECK-LABEL: kernel.func private @relu$negate(
// CHECK-SAME:    schedule = #kernel.schedule<"gpu.beside", {}>
// CHECK:         %[[R:.*]] = kernel.dispatch @relu(%arg0)
// CHECK:         %[[N:.*]] = kernel.dispatch @negate(%arg1)
// CHECK:         kernel.return %[[R]], %[[N]]

// A part that reads and writes two halves of one buffer: the whole's operands lie as the part's do, and nothing else shares the buffer.
// CHECK-LABEL: kernel.func private @upper{{[_0-9]*}}$add(
// CHECK-SAME:    kernel.strides = #nn.dims<[512, 1]>
// CHECK-SAME:    -> (tensor<2x256xf16> {kernel.strides = #nn.dims<[512, 1]>}
