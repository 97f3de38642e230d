// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_80 | FileCheck %s --check-prefix=FAMILY
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_75 --kernel-pack-constants=target=cuda:sm_75 --codegen-emit-cpu="target=cuda:sm_75 assembly" | FileCheck %s --check-prefix=SM75
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_80 --kernel-pack-constants=target=cuda:sm_80 --codegen-emit-cpu="target=cuda:sm_80 assembly" | FileCheck %s
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90a --kernel-pack-constants=target=cuda:sm_90a --codegen-emit-cpu="target=cuda:sm_90a assembly" | FileCheck %s --check-prefix=SM90

// Bytes by bytes, summed in i32: a stage holds 128 of the depth. Padding reads the zero point 3, four of which are a word. Scale and rounding are part
// of the kernel; nothing but bytes is stored.
// FAMILY-LABEL: kernel.func private @conv
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.matrix"
// On sm_75 copies are loads and stores, and a product of 16 x 32 by 32 x 8 is four.
// SM75-LABEL: .visible .entry conv(
// SM75-NOT:     cp.async
// SM75:         ld.global.v4.b32
// SM75:         st.shared.v4.b32
// SM75-COUNT-4: mma.sync.aligned.m8n8k16.row.col.s32.u8.s8.s32
// SM75-NOT:     m16n8k32
// CHECK-LABEL: .visible .entry conv(
// CHECK:         50529027
// CHECK:         @p cp.async.cg.shared.global {{.*}} @!p st.shared.v4.b32
// CHECK:         mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32
// CHECK-NOT:     f16
// CHECK:         cvt.rn.f32.s32
// CHECK-NOT:     cvt.rzi
// CHECK:         st.global
// CHECK:         ret;
// SM90-LABEL: .visible .entry conv(
// SM90:         {{mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32|wgmma.mma_async.sync.aligned.m64n[0-9]+k32.s32.u8.s8}}
// SM90:         ret;
kernel.func private @conv(%x: tensor<1x28x28x128xui8>, %w: tensor<256x128x3x3xi8> {kernel.constant}, %bias: tensor<256xi32> {kernel.constant}, %scale: tensor<256xf32> {kernel.constant}) -> tensor<1x28x28x256xui8> attributes {tenon.alignments = array<i64: 16, 16, 16, 16, 16>} {
  %z = nn.constant dense<3> : tensor<ui8>
  %0 = nn.pad %x value %z {high = #nn.dims<[0, 1, 1, 0]>, low = #nn.dims<[0, 1, 1, 0]>} : tensor<1x28x28x128xui8>, tensor<ui8> -> tensor<1x30x30x128xui8>
  %1 = nn.conv %0, %w bias %bias {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x30x30x128xui8>, tensor<256x128x3x3xi8>, tensor<256xi32> -> tensor<1x28x28x256xi32>
  %2 = nn.cast %1 {to = f32} : tensor<1x28x28x256xi32> -> tensor<1x28x28x256xf32>
  %3 = nn.mul %2, %scale : tensor<1x28x28x256xf32>, tensor<256xf32> -> tensor<1x28x28x256xf32>
  %4 = nn.quantize %3 {to = ui8, zero_point = 0 : i64} : tensor<1x28x28x256xf32> -> tensor<1x28x28x256xui8>
  kernel.return %4 : tensor<1x28x28x256xui8>
}

// Channels that fill no chunk of 16 bytes are gathered in words of four.
// FAMILY-LABEL: kernel.func private @narrow
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.matrix"
// CHECK-LABEL: .visible .entry narrow(
// CHECK:         @p ld.global.b32
// CHECK:         st.shared.v4.b32
// CHECK:         mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32
// CHECK:         ret;
kernel.func private @narrow(%x: tensor<4096x24xui8>, %w: tensor<144x24xi8> {kernel.constant}) -> tensor<4096x144xi32> attributes {tenon.alignments = array<i64: 16, 16, 16>} {
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<4096x24xui8>, tensor<144x24xi8> -> tensor<4096x144xi32>
  kernel.return %0 : tensor<4096x144xi32>
}

// An image becomes halves, which hold bytes exactly, as f32 does their sums.
// FAMILY-LABEL: kernel.func private @image
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.stem"
// CHECK-LABEL: .visible .entry image(
// CHECK:         @p ld.global.b32
// CHECK:         mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK-NOT:     cvt.rzi
// CHECK:         0f4B400000
// CHECK:         ex2.approx.ftz.f32
// CHECK:         rcp.approx.ftz.f32
// CHECK:         prmt.b32
// CHECK:         ret;
kernel.func private @image(%x: tensor<1x3x640x640xui8>, %w: tensor<16x3x3x3xi8> {kernel.constant}, %bias: tensor<16xi32> {kernel.constant}) -> tensor<1x320x320x16xui8> attributes {tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %z = nn.constant dense<114> : tensor<ui8>
  %s = nn.constant dense<0.01> : tensor<f32>
  %0 = nn.transpose %x {perm = array<i64: 0, 2, 3, 1>} : tensor<1x3x640x640xui8> -> tensor<1x640x640x3xui8>
  %1 = nn.pad %0 value %z {high = #nn.dims<[0, 1, 1, 0]>, low = #nn.dims<[0, 1, 1, 0]>} : tensor<1x640x640x3xui8>, tensor<ui8> -> tensor<1x642x642x3xui8>
  %2 = nn.conv %1, %w bias %bias {strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x642x642x3xui8>, tensor<16x3x3x3xi8>, tensor<16xi32> -> tensor<1x320x320x16xi32>
  %3 = nn.cast %2 {to = f32} : tensor<1x320x320x16xi32> -> tensor<1x320x320x16xf32>
  %4 = nn.mul %3, %s : tensor<1x320x320x16xf32>, tensor<f32> -> tensor<1x320x320x16xf32>
  %5 = nn.silu %4 : tensor<1x320x320x16xf32> -> tensor<1x320x320x16xf32>
  %6 = nn.quantize %5 {to = ui8, zero_point = 10 : i64} : tensor<1x320x320x16xf32> -> tensor<1x320x320x16xui8>
  kernel.return %6 : tensor<1x320x320x16xui8>
}

// Without a bias sums that go on as f32 stay what they are. Weights become halves without conversions, two at once.
// CHECK-LABEL: .visible .entry image_without_bias(
// CHECK:         ld.global.v2.b32
// CHECK:         prmt.b32 {{.*}}, 1684300900, {{16704|0x4140U?}}
// CHECK-NOT:     {{cvt.rn.f16.s16|cvt.rzi|cvt.rn.f32.s32}}
// CHECK:         ret;
kernel.func private @image_without_bias(%x: tensor<1x224x224x3xui8>, %w: tensor<64x3x7x7xi8> {kernel.constant}) -> tensor<1x112x112x64xui8> attributes {tenon.alignments = array<i64: 16, 16, 16>} {
  %z = nn.constant dense<114> : tensor<ui8>
  %s = nn.constant dense<0.001> : tensor<f32>
  %0 = nn.pad %x value %z {high = #nn.dims<[0, 3, 3, 0]>, low = #nn.dims<[0, 3, 3, 0]>} : tensor<1x224x224x3xui8>, tensor<ui8> -> tensor<1x230x230x3xui8>
  %1 = nn.conv %0, %w {strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x230x230x3xui8>, tensor<64x3x7x7xi8> -> tensor<1x112x112x64xi32>
  %2 = nn.cast %1 {to = f32} : tensor<1x112x112x64xi32> -> tensor<1x112x112x64xf32>
  %3 = nn.mul %2, %s : tensor<1x112x112x64xf32>, tensor<f32> -> tensor<1x112x112x64xf32>
  %4 = nn.quantize %3 {to = ui8, zero_point = 0 : i64} : tensor<1x112x112x64xf32> -> tensor<1x112x112x64xui8>
  kernel.return %4 : tensor<1x112x112x64xui8>
}

// A filter of one channel reads bytes less their zero point; outside of the image it reads that.
// FAMILY-LABEL: kernel.func private @depthwise
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.depthwise"
// FAMILY-SAME:    tasks = #nn.expr<9408>
// CHECK-LABEL: .visible .entry depthwise(
// CHECK-COUNT-9: @p ld.global.v2.b32
// CHECK:         ret;
kernel.func private @depthwise(%x: tensor<1x14x14x384xui8>, %w: tensor<384x1x3x3xf32> {kernel.constant}) -> tensor<1x14x14x384xui8> attributes {tenon.alignments = array<i64: 16, 16, 16>} {
  %z = nn.constant dense<7.0> : tensor<f32>
  %0 = nn.cast %x {to = f32} : tensor<1x14x14x384xui8> -> tensor<1x14x14x384xf32>
  %1 = nn.sub %0, %z : tensor<1x14x14x384xf32>, tensor<f32> -> tensor<1x14x14x384xf32>
  %2 = nn.conv %1, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 384 : i64, layout = #nn.layout<channels_last>} : tensor<1x14x14x384xf32>, tensor<384x1x3x3xf32> -> tensor<1x14x14x384xf32>
  %3 = nn.quantize %2 {to = ui8, zero_point = 0 : i64} : tensor<1x14x14x384xf32> -> tensor<1x14x14x384xui8>
  kernel.return %3 : tensor<1x14x14x384xui8>
}

// Sixteen channels of a thread.
// FAMILY-LABEL: kernel.func private @largest
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.pool"
// FAMILY-SAME:    tasks = #nn.expr<6400>
// CHECK-LABEL: .visible .entry largest(
// CHECK-COUNT-25: ld.global
// CHECK:         st.global
// SM90-LABEL: .visible .entry largest(
// SM90:         max.u16x2
kernel.func private @largest(%x: tensor<1x20x20x256xui8>) -> tensor<1x20x20x256xui8> attributes {tenon.alignments = array<i64: 16, 16>} {
  %0 = nn.pool %x {kind = #nn.pool_kind<max>, window = array<i64: 5, 5>, strides = array<i64: 1, 1>, pads = array<i64: 2, 2, 2, 2>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x20x20x256xui8> -> tensor<1x20x20x256xui8>
  kernel.return %0 : tensor<1x20x20x256xui8>
}

// FAMILY-LABEL: kernel.func private @moved
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.loops", {lanes = 16 : i64, threads = 128 : i64}>
kernel.func private @moved(%x: tensor<64x256xui8>, %y: tensor<64x256xui8>) -> tensor<64x512xui8> {
  %0 = nn.concat %x, %y {axis = 1 : i64} : tensor<64x256xui8>, tensor<64x256xui8> -> tensor<64x512xui8>
  kernel.return %0 : tensor<64x512xui8>
}
