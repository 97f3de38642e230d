// RUN: tenon-opt %s -split-input-file -verify-diagnostics

// expected-error @below {{expected `overwrites` to have 1 entries, one a result, found 2}}
kernel.func private @f(%x: tensor<4xf32>) -> tensor<4xf32> attributes {overwrites = array<i64: 0, 0>} {
  kernel.return %x : tensor<4xf32>
}

// -----

// expected-error @below {{expected `overwrites` to name arguments or -1, found 1}}
kernel.func private @f(%x: tensor<4xf32>) -> tensor<4xf32> attributes {overwrites = array<i64: 1>} {
  kernel.return %x : tensor<4xf32>
}

// -----

// expected-error @below {{expected kernel.strides of argument 0 to be #nn.dims with one stride an axis of 'tensor<4xf32>', found #nn.dims<[4, 1]>}}
kernel.func private @f(%x: tensor<4xf32> {kernel.strides = #nn.dims<[4, 1]>}) -> tensor<4xf32> {
  kernel.return %x : tensor<4xf32>
}

// -----

// expected-error @below {{does not know the attribute "kernel.stride" of result 0}}
kernel.func private @f(%x: tensor<4xf32>) -> (tensor<4xf32> {kernel.stride = 1 : i64}) {
  kernel.return %x : tensor<4xf32>
}

// -----

kernel.func private @f(%x: tensor<4xf32>) -> tensor<8xf32> {
  // expected-error @below {{expected the kernel's result types ('tensor<8xf32>'), found ('tensor<4xf32>')}}
  kernel.return %x : tensor<4xf32>
}

// -----

func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @below {{expected @missing to be a kernel.func}}
  %0 = kernel.dispatch @missing(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

kernel.func private @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  kernel.return %x : tensor<4xf32>
}
func.func @main(%x: tensor<8xf32>) -> tensor<4xf32> {
  // expected-error @below {{expected the type '(tensor<4xf32>) -> tensor<4xf32>' of @f, found '(tensor<8xf32>) -> tensor<4xf32>'}}
  %0 = kernel.dispatch @f(%x) : (tensor<8xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

kernel.func private @f(%x: tensor<5x16xf32>) -> tensor<64xf32> {
  // expected-error @below {{expected a packed tensor of shape [4, 16] and of 'f32', found 'tensor<5x16xf32>'}}
  %0 = kernel.unpack %x {packing = #kernel.packing<padded = [64], split = [4, 16], perm = [0, 1]>} : tensor<5x16xf32> -> tensor<64xf32>
  kernel.return %0 : tensor<64xf32>
}

// -----

// expected-error @below {{expected `split` to hold the elements of `padded`, at least one; found [64] and [4, 15]}}
#bad = #kernel.packing<padded = [64], split = [4, 15], perm = [0, 1]>

// -----

// expected-error @below {{expected `perm` to be a permutation of the 2 axes of `split`, found [0, 0]}}
#bad = #kernel.packing<padded = [64], split = [4, 16], perm = [0, 0]>
