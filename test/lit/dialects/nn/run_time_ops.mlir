// RUN: tenon-opt %s --split-input-file --verify-diagnostics | tenon-opt --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @sizes
func.func @sizes(%t: tensor<2xi64>, %x: tensor<?xf32, #nn.dims<[n]>>) -> tensor<?x?xf32, #nn.dims<[a, b]>> {
  // CHECK: nn.read_sizes %{{.*}} -> ["a", "b"] : tensor<2xi64>
  nn.read_sizes %t -> ["a", "b"] : tensor<2xi64>
  // CHECK: nn.require #nn.expr<a * b>, #nn.expr<n>, "the elements"
  nn.require #nn.expr<a * b>, #nn.expr<n>, "the elements"
  %0 = nn.reshape %x {dims = #nn.dims<[a, b]>} : tensor<?xf32, #nn.dims<[n]>> -> tensor<?x?xf32, #nn.dims<[a, b]>>
  return %0 : tensor<?x?xf32, #nn.dims<[a, b]>>
}

// CHECK-LABEL: func.func @selection
func.func @selection(%m: tensor<4x8xi1>, %s: tensor<2x6x1xf32>, %boxes: tensor<1x6x4xf32>, %scores: tensor<1x2x6xf32>, %order: tensor<1x2x6xi64>,
                     %n: tensor<i64>, %f: tensor<f32>) -> tensor<2x?xi64, #nn.dims<[2, c]>> {
  // CHECK: nn.nonzero %{{.*}} {count = #nn.expr<c>} : tensor<4x8xi1> -> tensor<2x?xi64, #nn.dims<[2, c]>>
  %0 = nn.nonzero %m {count = #nn.expr<c>} : tensor<4x8xi1> -> tensor<2x?xi64, #nn.dims<[2, c]>>
  // CHECK: nn.sort_indices %{{.*}} {descending} : tensor<2x6x1xf32> -> tensor<2x6xi64>, tensor<2x6xi64>
  %1, %2 = nn.sort_indices %s {descending} : tensor<2x6x1xf32> -> tensor<2x6xi64>, tensor<2x6xi64>
  // CHECK: nn.suppress
  %3, %4 = nn.suppress %boxes, %scores, %order, %n, %f, %f
    : (tensor<1x6x4xf32>, tensor<1x2x6xf32>, tensor<1x2x6xi64>, tensor<i64>, tensor<f32>, tensor<f32>) -> (tensor<1x2x6xi1>, tensor<1x2x6xi64>)
  return %0 : tensor<2x?xi64, #nn.dims<[2, c]>>
}

// CHECK-LABEL: func.func @calls
func.func @calls(%c: tensor<i1>, %x: tensor<4xf32>, %n: tensor<i64>, %rows: tensor<8x4xf32>) -> (tensor<?xf32, #nn.dims<[s]>>, tensor<4xf32>) {
  // CHECK: nn.if %{{.*}} then @same(%{{.*}}) else @twice(%{{.*}}) {symbols = ["s"]}
  %0 = nn.if %c then @same(%x) else @twice(%x) {symbols = ["s"]} : (tensor<i1>, tensor<4xf32>, tensor<4xf32>) -> tensor<?xf32, #nn.dims<[s]>>
  // CHECK: nn.loop trips %{{.*}} carried(%{{.*}}) scanned(%{{.*}}) captured() body @add {counts, stacked = 0 : i64}
  %1 = nn.loop trips %n carried(%x) scanned(%rows) captured() body @add {counts, stacked = 0 : i64}
     : (tensor<i64>, tensor<4xf32>, tensor<8x4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<?xf32, #nn.dims<[s]>>, tensor<4xf32>
}
func.func private @same(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
func.func private @twice(%x: tensor<4xf32>) -> tensor<8xf32> {
  %0 = nn.concat %x, %x {axis = 0 : i64} : tensor<4xf32>, tensor<4xf32> -> tensor<8xf32>
  return %0 : tensor<8xf32>
}
func.func private @add(%i: tensor<i64>, %x: tensor<4xf32>, %row: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.add %x, %row : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @count(%t: tensor<2xi64>) {
  // expected-error @below {{expected one symbol for each of 2 elements, found 1}}
  nn.read_sizes %t -> ["a"] : tensor<2xi64>
  return
}

// -----

func.func @kind(%t: tensor<1xf16>) {
  // expected-error @below {{expected sizes of type i32 or i64, or the bits of f32, found 'f16'}}
  nn.read_sizes %t -> ["a"] : tensor<1xf16>
  return
}

// -----

func.func @missing(%c: tensor<i1>) {
  // expected-error @below {{expected @nowhere to be a function}}
  nn.if %c then @nowhere() else @nowhere() : (tensor<i1>) -> ()
  return
}

// -----

func.func private @body(%i: tensor<i64>, %x: tensor<4xf32>) -> tensor<4xf16> {
  %0 = nn.cast %x {to = f16} : tensor<4xf32> -> tensor<4xf16>
  return %0 : tensor<4xf16>
}
func.func @changes(%n: tensor<i64>, %x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @below {{expected results of the body 0 of rank 1 with elements 'f16', found 'tensor<4xf32>'}}
  %0 = nn.loop trips %n carried(%x) scanned() captured() body @body {counts, stacked = 0 : i64} : (tensor<i64>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
