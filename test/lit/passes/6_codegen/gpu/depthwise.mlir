// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s --check-prefix=FAMILY
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// Of few pixels a thread has eight channels of one: 14 x 14 x 384 / 8 tasks. Weights are loaded before the kernel waits for the one before; a tap outside the
// image costs a predicate, no branch.
// FAMILY-LABEL: kernel.func private @depthwise
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.depthwise"
// FAMILY-SAME:    tasks = #nn.expr<9408>
// CHECK-LABEL: .visible .entry depthwise(
// CHECK-COUNT-9: ld.global
// CHECK:         griddepcontrol.wait
// CHECK-COUNT-9: @p ld.global.v4.b32
// CHECK:         ret;
kernel.func private @depthwise(%x: tensor<1x14x14x384xf16>, %packed: tensor<3x3x1x384xf16> {kernel.constant}) -> tensor<1x14x14x384xf16> attributes {tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [384, 1, 3, 3], split = [384, 1, 3, 3], perm = [2, 3, 1, 0]>} : tensor<3x3x1x384xf16> -> tensor<384x1x3x3xf16>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 384 : i64, layout = #nn.layout<channels_last>} : tensor<1x14x14x384xf16>, tensor<384x1x3x3xf16> -> tensor<1x14x14x384xf16>
  %1 = nn.relu %0 : tensor<1x14x14x384xf16> -> tensor<1x14x14x384xf16>
  kernel.return %1 : tensor<1x14x14x384xf16>
}

// Of many images a thread has two channels of 4 x 4 neighbouring pixels: 36 loads for 144 taps, a row of the image after the other.
// FAMILY-LABEL: kernel.func private @images
// FAMILY-SAME:    lanes = 2 : i64, pixels = 4 : i64, rows = 4 : i64
// FAMILY-SAME:    tasks = #nn.expr<1204224>
// CHECK-LABEL: .visible .entry images(
// CHECK:         griddepcontrol.wait
// CHECK-COUNT-36: @p ld.global.b32
// CHECK-NOT:     @p ld.global
// CHECK-COUNT-16: st.global.b32
// CHECK:         ret;
kernel.func private @images(%x: tensor<32x112x112x96xf16>, %packed: tensor<3x3x1x96xf16> {kernel.constant}) -> tensor<32x112x112x96xf16> attributes {tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [96, 1, 3, 3], split = [96, 1, 3, 3], perm = [2, 3, 1, 0]>} : tensor<3x3x1x96xf16> -> tensor<96x1x3x3xf16>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 96 : i64, layout = #nn.layout<channels_last>} : tensor<32x112x112x96xf16>, tensor<96x1x3x3xf16> -> tensor<32x112x112x96xf16>
  kernel.return %0 : tensor<32x112x112x96xf16>
}

// With sums of its rows a block has a row of 14 pixels and 16 groups of two channels, so that more threads wait for less; what its threads have is added
// in shared memory, in f32, and stored beside the pixels.
// FAMILY-LABEL: kernel.func private @sums
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.depthwise", {groups = 16 : i64, lanes = 2 : i64, pixels = 1 : i64, rows = 1 : i64}>
// FAMILY-SAME:    tasks = #nn.expr<168>
// CHECK-LABEL: .visible .entry sums(
// CHECK:         .reqntid 224
// CHECK:         griddepcontrol.wait
// CHECK:         st.global.b32
// CHECK:         st.shared.v2.b32
// CHECK:         bar.sync
// CHECK-COUNT-14: ld.shared.b32
// CHECK-NOT:     ld.shared
// CHECK:         st.global.b32
// CHECK:         ret;
kernel.func private @sums(%x: tensor<1x14x14x384xf16>, %packed: tensor<3x3x1x384xf16> {kernel.constant}) -> (tensor<1x14x14x384xf16>, tensor<1x14x1x384xf32>) attributes {tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [384, 1, 3, 3], split = [384, 1, 3, 3], perm = [2, 3, 1, 0]>} : tensor<3x3x1x384xf16> -> tensor<384x1x3x3xf16>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 384 : i64, layout = #nn.layout<channels_last>} : tensor<1x14x14x384xf16>, tensor<384x1x3x3xf16> -> tensor<1x14x14x384xf16>
  %1 = nn.silu %0 : tensor<1x14x14x384xf16> -> tensor<1x14x14x384xf16>
  %2 = nn.cast %1 {to = f32} : tensor<1x14x14x384xf16> -> tensor<1x14x14x384xf32>
  %3 = nn.reduce %2 {axes = array<i64: 2>, keep_dims, kind = #nn.reduce_kind<sum>} : tensor<1x14x14x384xf32> -> tensor<1x14x1x384xf32>
  kernel.return %1, %3 : tensor<1x14x14x384xf16>, tensor<1x14x1x384xf32>
}

// A tile that reaches beyond the result, 14 x 14, does not store its pixels there.
// FAMILY-LABEL: kernel.func private @ragged
// FAMILY-SAME:    tasks = #nn.expr<86016>
// CHECK-LABEL: .visible .entry ragged(
// CHECK-COUNT-48: @p ld.global.b32
// CHECK-NOT:     @p ld.global
// CHECK:         setp
// CHECK:         ret;
kernel.func private @ragged(%x: tensor<32x14x14x336xf16>, %packed: tensor<5x3x1x336xf16> {kernel.constant}) -> tensor<32x14x14x336xf16> attributes {tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [336, 1, 5, 3], split = [336, 1, 5, 3], perm = [2, 3, 1, 0]>} : tensor<5x3x1x336xf16> -> tensor<336x1x5x3xf16>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 2, 1, 2, 1>, dilations = array<i64: 1, 1>, groups = 336 : i64, layout = #nn.layout<channels_last>} : tensor<32x14x14x336xf16>, tensor<336x1x5x3xf16> -> tensor<32x14x14x336xf16>
  kernel.return %0 : tensor<32x14x14x336xf16>
}
