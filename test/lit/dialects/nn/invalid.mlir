// RUN: tenon-opt %s -split-input-file -verify-diagnostics

// Attributes and types as a broken model may hold them: each gives one sentence at the op, none a crash.

// Types.
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @below {{operand #0 must be ranked tensor whose free axes are named by #nn.dims, but got 'tensor<?x4xf32>'}}
  %0 = nn.relu %x : tensor<?x4xf32> -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<4xf32>) {
  // expected-error @below {{expected result 0 of type 'tensor<4xf32>', found 'tensor<5xf32>'}}
  %0 = nn.relu %x : tensor<4xf32> -> tensor<5xf32>
  return
}

// -----

func.func @f(%x: tensor<4xi32>) {
  // expected-error @below {{expected floating-point elements, found i32}}
  %0 = nn.exp %x : tensor<4xi32> -> tensor<4xi32>
  return
}

// -----

func.func @f(%x: tensor<4xi32>) {
  // expected-error @below {{expected boolean (i1) elements, found i32}}
  %0 = nn.not %x : tensor<4xi32> -> tensor<4xi32>
  return
}

// -----

func.func @f(%x: tensor<4xi32>, %y: tensor<4xf32>) {
  // expected-error @below {{expected operands of one element type, found i32 and f32}}
  %0 = nn.add %x, %y : tensor<4xi32>, tensor<4xf32> -> tensor<4xi32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>, %y: tensor<2x4xf32>) {
  // expected-error @below {{cannot broadcast 3 and 4 at result axis 1: expected equal sizes or 1}}
  %0 = nn.add %x, %y : tensor<2x3xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @f() {
  // expected-error @below {{expected a tensor of 2 sizes, found tensor<3xi64>}}
  %0 = nn.constant dims<[n, 3]> : tensor<3xi64>
  return
}

// -----

func.func @f() {
  // expected-error @below {{expected i32 or i64 elements of sizes, found f32}}
  %0 = nn.constant dims<[n, 3]> : tensor<2xf32>
  return
}

// -----

// Views.
func.func @f(%x: tensor<3x4xf32>) {
  // expected-error @below {{cannot reshape [3, 4] to [2, 5]: expected 12 elements, found 10}}
  %0 = nn.reshape %x {dims = #nn.dims<[2, 5]>} : tensor<3x4xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @f(%x: tensor<3x4xf32>) {
  // expected-error @below {{expected a permutation of the 2 axes of the input, found [0, 0]}}
  %0 = nn.transpose %x {perm = array<i64: 0, 0>} : tensor<3x4xf32> -> tensor<3x3xf32>
  return
}

// -----

func.func @f(%x: tensor<3x4xf32>) {
  // expected-error @below {{expected a permutation of the 2 axes of the input}}
  %0 = nn.transpose %x {perm = array<i64: 9223372036854775807, -1>} : tensor<3x4xf32> -> tensor<3x3xf32>
  return
}

// -----

func.func @f(%x: tensor<3x4xf32>) {
  // expected-error @below {{cannot expand [3, 4] to [3, 5]: expected equal sizes or 1, aligned at the last axis}}
  %0 = nn.expand %x {dims = #nn.dims<[3, 5]>} : tensor<3x4xf32> -> tensor<3x5xf32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error @below {{expected a slice within axis 0 of size 8, found positions 6 to 9}}
  %0 = nn.slice %x {starts = #nn.dims<[6]>, sizes = #nn.dims<[4]>, steps = array<i64: 1>} : tensor<8xf32> -> tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error @below {{expected a step that is not 0 at axis 0}}
  %0 = nn.slice %x {starts = #nn.dims<[0]>, sizes = #nn.dims<[4]>, steps = array<i64: 0>} : tensor<8xf32> -> tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error @below {{expected a slice within axis 0 of size 8, found positions 2 to -1}}
  %0 = nn.slice %x {starts = #nn.dims<[2]>, sizes = #nn.dims<[4]>, steps = array<i64: -1>} : tensor<8xf32> -> tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error @below {{expected a slice within axis 0 of size 8}}
  %0 = nn.slice %x {starts = #nn.dims<[0]>, sizes = #nn.dims<[4]>, steps = array<i64: 4611686018427387904>} : tensor<8xf32> -> tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error @below {{result axis 0 would have the negative size -1}}
  %0 = nn.slice %x {starts = #nn.dims<[0]>, sizes = #nn.dims<[-1]>, steps = array<i64: 1>} : tensor<8xf32> -> tensor<4xf32>
  return
}

// -----

// Copies.
func.func @f(%x: tensor<8xf32>) {
  // expected-error @below {{result axis 0 would have the negative size -2}}
  %0 = nn.pad %x {low = #nn.dims<[-5]>, high = #nn.dims<[-5]>} : tensor<8xf32> -> tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error @below {{cannot pad axis 0 of size 8 by 8 in mode reflect: at most 7}}
  %0 = nn.pad %x {low = #nn.dims<[8]>, high = #nn.dims<[0]>, mode = #nn.pad_mode<reflect>} : tensor<8xf32> -> tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error @below {{the size of result axis 0 overflows 64 bits or is too complex an expression}}
  %0 = nn.pad %x {low = #nn.dims<[9223372036854775807]>, high = #nn.dims<[1]>} : tensor<8xf32> -> tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error @below {{expected repeats of at least 0 at axis 0, found -1}}
  %0 = nn.tile %x {repeats = #nn.dims<[-1]>} : tensor<8xf32> -> tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error @below {{the size of result axis 0 overflows 64 bits}}
  %0 = nn.tile %x {repeats = #nn.dims<[4611686018427387904]>} : tensor<8xf32> -> tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error @below {{the result [4611686018427387904, 8] has more than 2^63 elements}}
  %0 = nn.expand %x {dims = #nn.dims<[4611686018427387904, 8]>} : tensor<8xf32> -> tensor<4611686018427387904x8xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>, %y: tensor<2x4xf32>) {
  // expected-error @below {{expected inputs of one size at axis 1, found 3 and 4}}
  %0 = nn.concat %x, %y {axis = 0 : i64} : tensor<2x3xf32>, tensor<2x4xf32> -> tensor<4x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>) {
  // expected-error @below {{expected an axis in [0, 2), found 2}}
  %0 = nn.concat %x, %x {axis = 2 : i64} : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<4x3xf32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error @below {{expected scales that are positive, or 0 for sizes / input sizes, found}}
  %0 = nn.resize %x {sizes = #nn.dims<[16]>, scales = array<f64: -2.0>} : tensor<8xf32> -> tensor<16xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x2x2xf32>) {
  // expected-error @below {{expected a block of at least 1, found 0}}
  %0 = nn.depth_to_space %x {block = 0 : i64} : tensor<1x4x2x2xf32> -> tensor<1x4x2x2xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x2x2xf32>) {
  // expected-error @below {{expected a multiple of 9 channels, found 4}}
  %0 = nn.depth_to_space %x {block = 3 : i64} : tensor<1x4x2x2xf32> -> tensor<1x4x2x2xf32>
  return
}

// -----

// Indices.
func.func @f(%x: tensor<8xf32>, %i: tensor<2xi64>) {
  // expected-error @below {{expected an axis in [0, 1), found -1}}
  %0 = nn.gather %x, %i {axis = -1 : i64} : (tensor<8xf32>, tensor<2xi64>) -> tensor<2xf32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>, %i: tensor<2xi8>) {
  // expected-error @below {{expected indices of i32 or i64, found i8}}
  %0 = nn.gather %x, %i {axis = 0 : i64} : (tensor<8xf32>, tensor<2xi8>) -> tensor<2xf32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>, %i: tensor<2x2xi64>) {
  // expected-error @below {{expected a last axis of the indices of size 1 to 1, found 2}}
  %0 = nn.gather_nd %x, %i : (tensor<8xf32>, tensor<2x2xi64>) -> tensor<2xf32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>, %i: tensor<2x1xi64>) {
  // expected-error @below {{expected batch_dims in [0, 1), found -3}}
  %0 = nn.gather_nd %x, %i {batch_dims = -3 : i64} : (tensor<8xf32>, tensor<2x1xi64>) -> tensor<2xf32>
  return
}

// -----

func.func @f(%x: tensor<8x4xf32>, %i: tensor<2x1xi64>, %u: tensor<2x5xf32>) {
  // expected-error @below {{expected updates of shape [2, 4], found [2, 5]}}
  %0 = nn.scatter_nd %x, %i, %u : (tensor<8x4xf32>, tensor<2x1xi64>, tensor<2x5xf32>) -> tensor<8x4xf32>
  return
}

// -----

// Windows.
func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<8x4x3x3xf32>) {
  // expected-error @below {{expected 4 pads for 2 spatial axes, found 2}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x4x8x8xf32>, tensor<8x4x3x3xf32> -> tensor<1x8x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<8x4x3x3xf32>) {
  // expected-error @below {{expected strides of at least 1, found [0, 1]}}
  %0 = nn.conv %x, %w {strides = array<i64: 0, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x4x8x8xf32>, tensor<8x4x3x3xf32> -> tensor<1x8x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<8x4x3x3xf32>) {
  // expected-error @below {{expected dilations of at least 1, found [1, -1]}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, -1>} : tensor<1x4x8x8xf32>, tensor<8x4x3x3xf32> -> tensor<1x8x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<8x4x3x3xf32>) {
  // expected-error @below {{expected at least 1 group, found 0}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 0 : i64} : tensor<1x4x8x8xf32>, tensor<8x4x3x3xf32> -> tensor<1x8x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<8x4x3x3xf32>) {
  // expected-error @below {{expected 8 input channels (4 in each of 2 groups), found 4}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64} : tensor<1x4x8x8xf32>, tensor<8x4x3x3xf32> -> tensor<1x8x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<8x4x3x3xf32>) {
  // expected-error @below {{the window spans 3 elements of spatial axis 0, which has -2 with its pads}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: -5, 0, -5, 0>, dilations = array<i64: 1, 1>} : tensor<1x4x8x8xf32>, tensor<8x4x3x3xf32> -> tensor<1x8x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<8x4x3x3xf32>) {
  // expected-error @below {{overflows 64 bits}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 9223372036854775807, 0, 9223372036854775807, 0>, dilations = array<i64: 1, 1>} : tensor<1x4x8x8xf32>, tensor<8x4x3x3xf32> -> tensor<1x8x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<8x4x3x3xf32>) {
  // expected-error @below {{the window spans 13 elements of spatial axis 0, which has 10 with its pads}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 6, 1>} : tensor<1x4x8x8xf32>, tensor<8x4x3x3xf32> -> tensor<1x8x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<8x4x3x3xf32>) {
  // expected-error @below {{expected an input of rank 3 to 5 (batch, channels and 1 to 3 spatial axes), found [4, 8]}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<4x8xf32>, tensor<8x4x3x3xf32> -> tensor<1x8x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<8x4x3xf32>) {
  // expected-error @below {{expected a weight of rank 4, found [8, 4, 3]}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x4x8x8xf32>, tensor<8x4x3xf32> -> tensor<1x8x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<8x4x3x3xf32>) {
  // expected-error @below {{expected 2 output paddings for the spatial axes, found 1}}
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0>} : tensor<1x4x8x8xf32>, tensor<8x4x3x3xf32> -> tensor<1x8x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<4x8x3x3xf32>) {
  // expected-error @below {{result axis 2 would have the negative size -10}}
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 10, 10, 10, 10>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0, 0>} : tensor<1x4x8x8xf32>, tensor<4x8x3x3xf32> -> tensor<1x8x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8xf32>) {
  // expected-error @below {{expected window sizes of at least 1, found [0]}}
  %0 = nn.pool %x {kind = #nn.pool_kind<average>, window = array<i64: 0>, strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : tensor<1x4x8xf32> -> tensor<1x4x8xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8xf32>) {
  // expected-error @below {{expected pads smaller than the window's 2 elements at spatial axis 0, found 2}}
  %0 = nn.pool %x {kind = #nn.pool_kind<average>, window = array<i64: 2>, strides = array<i64: 1>, pads = array<i64: 2, 0>, dilations = array<i64: 1>} : tensor<1x4x8xf32> -> tensor<1x4x8xf32>
  return
}

// -----

// Contractions, attention, recurrence.
func.func @f(%x: tensor<2x3xf32>, %y: tensor<4x5xf32>) {
  // expected-error @below {{expected the same contracted size in both operands, found 3 in [2, 3] and 4 in [4, 5]}}
  %0 = nn.matmul %x, %y : tensor<2x3xf32>, tensor<4x5xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @f(%x: tensor<3xf32>, %y: tensor<3x5xf32>) {
  // expected-error @below {{expected operands of rank 2 or more, found [3]}}
  %0 = nn.matmul %x, %y : tensor<3xf32>, tensor<3x5xf32> -> tensor<5xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>, %y: tensor<3x5xf32>, %b: tensor<2xf32>) {
  // expected-error @below {{expected a bias of shape [5], found [2]}}
  %0 = nn.matmul %x, %y bias %b : tensor<2x3xf32>, tensor<3x5xf32>, tensor<2xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @f(%q: tensor<1x6x8x4xf32>, %k: tensor<1x4x8x4xf32>) {
  // expected-error @below {{expected the query's heads to be a multiple of the key's, found 6 and 4}}
  %0 = nn.attention %q, %k, %k {scale = 1.0 : f64} : tensor<1x6x8x4xf32>, tensor<1x4x8x4xf32>, tensor<1x4x8x4xf32> -> tensor<1x6x8x4xf32>
  return
}

// -----

func.func @f(%q: tensor<1x6x8x4xf32>, %m: tensor<9xf32>) {
  // expected-error @below {{cannot broadcast 8 and 9 at result axis 3}}
  %0 = nn.attention %q, %q, %q mask %m : tensor<9xf32> {scale = 1.0 : f64} : tensor<1x6x8x4xf32>, tensor<1x6x8x4xf32>, tensor<1x6x8x4xf32> -> tensor<1x6x8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x1x3xf32>, %w: tensor<1x12x3xf32>, %r: tensor<1x16x4xf32>) {
  // expected-error @below {{expected weights of shape [1, 16, 3] and f32 elements, found tensor<1x12x3xf32>}}
  %s, %h, %c = nn.lstm %x, %w, %r {hidden_size = 4 : i64, direction = #nn.direction<forward>} : tensor<2x1x3xf32>, tensor<1x12x3xf32>, tensor<1x16x4xf32> -> tensor<2x1x1x4xf32>, tensor<1x1x4xf32>, tensor<1x1x4xf32>
  return
}

// -----

// Axes and norms.
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error @below {{expected each axis once, found [1, 1]}}
  %0 = nn.reduce %x {kind = #nn.reduce_kind<sum>, axes = array<i64: 1, 1>} : tensor<2x3xf32> -> tensor<2xf32>
  return
}

// -----

func.func @f(%x: tensor<2xi1>) {
  // expected-error @below {{cannot reduce booleans by sum: expected max or min}}
  %0 = nn.reduce %x {kind = #nn.reduce_kind<sum>, axes = array<i64: 0>} : tensor<2xi1> -> tensor<i1>
  return
}

// -----

func.func @f(%x: tensor<0xf32>) {
  // expected-error @below {{axis 0 is empty: it has no largest element}}
  %0 = nn.arg_reduce %x {axis = 0 : i64} : tensor<0xf32> -> tensor<i64>
  return
}

// -----

func.func @f(%x: tensor<f32>) {
  // expected-error @below {{expected an axis in [0, 0), found 0}}
  %0 = nn.softmax %x {axis = 0 : i64} : tensor<f32> -> tensor<f32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %g: tensor<3xf32>) {
  // expected-error @below {{expected scale and bias that broadcast to [4] of f32, found tensor<3xf32>}}
  %0 = nn.layer_norm %x scale %g : tensor<3xf32> {axis = 1 : i64, epsilon = 1.0e-5 : f64} : tensor<2x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>) {
  // expected-error @below {{expected an epsilon of at least 0, found}}
  %0 = nn.rms_norm %x {axis = 1 : i64, epsilon = -1.0 : f64} : tensor<2x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x5xf32>, %g: tensor<4xf32>) {
  // expected-error @below {{expected groups that divide the 4 channels, found 3}}
  %0 = nn.group_norm %x, %g, %g {groups = 3 : i64, epsilon = 1.0e-5 : f64} : (tensor<2x4x5xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4x5xf32>
  return
}

// -----

func.func @f(%x: tensor<4xf32>) {
  // expected-error @below {{cannot read the bits of f32 as i64: expected two types of one width}}
  %0 = nn.bitcast %x {to = i64} : tensor<4xf32> -> tensor<4xi64>
  return
}

// -----

func.func @f(%x: tensor<1x1x4x4xf32>) {
  // expected-error @below {{expected 2 window sizes for the spatial axes, found 1}}
  %0 = nn.arg_pool %x {window = array<i64: 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
    : tensor<1x1x4x4xf32> -> tensor<1x1x2x2xi64>
  return
}

// -----

// A tensor type whose #nn.dims contradict its shape.
// expected-error @below {{axis 1 is 4 but its #nn.dims says 5}}
func.func private @f(tensor<?x4xf32, #nn.dims<[n, 5]>>)

// -----

// Places that are data, order, states.
func.func @f(%x: tensor<1x3x8x8xf32>, %g: tensor<1x4x4x3xf32>) {
  // expected-error @below {{the last axis of the grid}}
  %0 = nn.grid_sample %x, %g : (tensor<1x3x8x8xf32>, tensor<1x4x4x3xf32>) -> tensor<1x3x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<1x3x8x8xf32>, %r: tensor<5x4xf32>, %b: tensor<6xi64>) {
  // expected-error @below {{the regions' images}}
  %0 = nn.roi_align %x, %r, %b {sizes = array<i64: 7, 7>, spatial_scale = 1.0 : f64, sampling_ratio = 2 : i64}
    : (tensor<1x3x8x8xf32>, tensor<5x4xf32>, tensor<6xi64>) -> tensor<5x3x7x7xf32>
  return
}

// -----

func.func @f(%x: tensor<4x8xf32>) {
  // expected-error @below {{expected at most the 8 elements of axis 1, found 9}}
  %v, %p = nn.top_k %x {k = #nn.dims<[9]>, axis = 1 : i64} : tensor<4x8xf32> -> tensor<4x9xf32>, tensor<4x9xi64>
  return
}

// -----

func.func @f(%a: tensor<5x2x1x48xf32>, %r: tensor<1x16x48xf32>) {
  // expected-error @below {{'Swish' is no activation of recurrent layers}}
  %s, %h, %c = nn.recurrence %a, %r {cell = #nn.cell<gru>, direction = #nn.direction<forward>, activations = ["Swish", "Tanh"],
      alpha = array<f64: 0.0, 0.0>, beta = array<f64: 0.0, 0.0>, clip = 0.0 : f64}
    : tensor<5x2x1x48xf32>, tensor<1x16x48xf32> -> tensor<5x1x2x16xf32>, tensor<1x2x16xf32>, tensor<1x2x16xf32>
  return
}

// -----

func.func @f(%a: tensor<5x2x1x64xf32>, %r: tensor<1x16x48xf32>) {
  // expected-error @below {{expected gates of shape [5, 2, 1, 48]}}
  %s, %h, %c = nn.recurrence %a, %r {cell = #nn.cell<gru>, direction = #nn.direction<forward>, activations = ["Sigmoid", "Tanh"],
      alpha = array<f64: 0.0, 0.0>, beta = array<f64: 0.0, 0.0>, clip = 0.0 : f64}
    : tensor<5x2x1x64xf32>, tensor<1x16x48xf32> -> tensor<5x1x2x16xf32>, tensor<1x2x16xf32>, tensor<1x2x16xf32>
  return
}

// -----

func.func @f(%q: tensor<1x5x48xf32>, %k: tensor<1x5x24xf32>) {
  // expected-error @below {{expected the query's heads to be a multiple of the key's, found 4 and 3}}
  %y, %s = nn.linear_attention %q, %k, %k {query_heads = 4 : i64, key_heads = 3 : i64, scale = 0.25 : f64}
    : tensor<1x5x48xf32>, tensor<1x5x24xf32>, tensor<1x5x24xf32> -> tensor<1x5x48xf32>, tensor<1x3x8x8xf32>
  return
}
