// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s --check-prefix=FAMILY
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// An f32 image, planes of channels, is rounded on its way to shared memory, four neighbouring pixels a load; fragments come from there, three steps of
// four taps. The fourth tap, which the filter does not have, is made zero. Weights are copied before the kernel waits for the one before.
// FAMILY-LABEL: kernel.func private @image
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.stem"
// CHECK-LABEL: .visible .entry image(
// CHECK:         cp.async.cg.shared.global
// CHECK:         griddepcontrol.wait
// CHECK:         @p ld.global.v4.b32
// CHECK:         cvt.rn.f16x2.f32
// CHECK:         st.shared.v2.b32
// CHECK:         bar.sync
// CHECK-COUNT-3: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK:         st.global
// CHECK:         ret;
kernel.func private @image(%x: tensor<1x3x640x640xf32>, %packed: tensor<16x3x4x4xf16> {kernel.constant}, %bias: tensor<16xf16>) -> tensor<1x320x320x16xf16> attributes {tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [16, 4, 3, 4], split = [16, 4, 3, 4], perm = [0, 2, 3, 1]>} : tensor<16x3x4x4xf16> -> tensor<16x3x3x3xf16>
  %0 = nn.transpose %x {perm = array<i64: 0, 2, 3, 1>} : tensor<1x3x640x640xf32> -> tensor<1x640x640x3xf32>
  %1 = nn.cast %0 {to = f16} : tensor<1x640x640x3xf32> -> tensor<1x640x640x3xf16>
  %2 = nn.conv %1, %w bias %bias {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x640x640x3xf16>, tensor<16x3x3x3xf16>, tensor<16xf16> -> tensor<1x320x320x16xf16>
  %3 = nn.relu %2 : tensor<1x320x320x16xf16> -> tensor<1x320x320x16xf16>
  kernel.return %3 : tensor<1x320x320x16xf16>
}

// At stride 1 pixels of the result lie 8 bytes apart, which ldmatrix does not take.
// FAMILY-LABEL: kernel.func private @dense
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.matrix"
kernel.func private @dense(%x: tensor<1x3x64x64xf16>, %packed: tensor<16x3x4x4xf16> {kernel.constant}) -> tensor<1x64x64x16xf16> attributes {tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [16, 4, 3, 4], split = [16, 4, 3, 4], perm = [0, 2, 3, 1]>} : tensor<16x3x4x4xf16> -> tensor<16x3x3x3xf16>
  %0 = nn.transpose %x {perm = array<i64: 0, 2, 3, 1>} : tensor<1x3x64x64xf16> -> tensor<1x64x64x3xf16>
  %1 = nn.conv %0, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x64x64x3xf16>, tensor<16x3x3x3xf16> -> tensor<1x64x64x16xf16>
  kernel.return %1 : tensor<1x64x64x16xf16>
}

// Of many images: blocks stay for many tiles, and their weights in registers.
// FAMILY-LABEL: kernel.func private @images
// FAMILY-SAME:    lanes = 2 : i64
// FAMILY-SAME:    together = 3 : i64
// CHECK-LABEL: .visible .entry images(
// CHECK:         .minnctapersm 3
// CHECK:         ldmatrix
// CHECK:         griddepcontrol.wait
// CHECK-COUNT-2: bar.sync
// CHECK:         ret;
kernel.func private @images(%x: tensor<32x3x640x640xf32>, %packed: tensor<16x3x4x4xf16> {kernel.constant}, %bias: tensor<16xf16>) -> tensor<32x320x320x16xf16> attributes {tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [16, 4, 3, 4], split = [16, 4, 3, 4], perm = [0, 2, 3, 1]>} : tensor<16x3x4x4xf16> -> tensor<16x3x3x3xf16>
  %0 = nn.transpose %x {perm = array<i64: 0, 2, 3, 1>} : tensor<32x3x640x640xf32> -> tensor<32x640x640x3xf32>
  %1 = nn.cast %0 {to = f16} : tensor<32x640x640x3xf32> -> tensor<32x640x640x3xf16>
  %2 = nn.conv %1, %w bias %bias {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<32x640x640x3xf16>, tensor<16x3x3x3xf16>, tensor<16xf16> -> tensor<32x320x320x16xf16>
  kernel.return %2 : tensor<32x320x320x16xf16>
}

// Of one image there are few tiles, and a block has one. Of 7x7 taps and 64 channels each warp holds 112 registers of weights, which two warps have sooner than four.
// FAMILY-LABEL: kernel.func private @wide
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.stem", {columns = 16 : i64, rows = 8 : i64, together = 0 : i64, warps = 2 : i64}>
kernel.func private @wide(%x: tensor<1x3x224x224xf32>, %packed: tensor<64x7x8x4xf16> {kernel.constant}) -> tensor<1x112x112x64xf16> attributes {tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [64, 4, 7, 8], split = [64, 4, 7, 8], perm = [0, 2, 3, 1]>} : tensor<64x7x8x4xf16> -> tensor<64x3x7x7xf16>
  %0 = nn.transpose %x {perm = array<i64: 0, 2, 3, 1>} : tensor<1x3x224x224xf32> -> tensor<1x224x224x3xf32>
  %1 = nn.cast %0 {to = f16} : tensor<1x224x224x3xf32> -> tensor<1x224x224x3xf16>
  %2 = nn.conv %1, %w {strides = array<i64: 2, 2>, pads = array<i64: 3, 3, 3, 3>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x224x224x3xf16>, tensor<64x3x7x7xf16> -> tensor<1x112x112x64xf16>
  kernel.return %2 : tensor<1x112x112x64xf16>
}
