// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s --check-prefix=FAMILY
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// The gate of squeeze-and-excitation: 64 of 480 results a block. The first product's weights are on their way before the kernel waits for the one before,
// the second's are in registers; between the products the activation of 20 values.
// FAMILY-LABEL: kernel.func private @gate
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.gate"
// FAMILY-SAME:    tasks = #nn.expr<8>
// CHECK-LABEL: .visible .entry gate(
// CHECK:         cp.async.cg.shared.global
// CHECK-COUNT-5: ld.global.b16
// CHECK:         griddepcontrol.wait
// CHECK:         ld.global.v4.b32
// CHECK:         mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK:         bar.sync
// CHECK:         bar.sync
// CHECK:         shfl.sync.bfly
// CHECK:         ret;
kernel.func private @gate(%x: tensor<1x1x1x480xf16>, %w0: tensor<20x480x1x1xf16> {kernel.constant}, %b0: tensor<20xf16> {kernel.constant}, %w1: tensor<480x20x1x1xf16> {kernel.constant}) -> tensor<1x1x1x480xf16> attributes {tenon.alignments = array<i64: 16, 16, 16, 16, 16>} {
  %0 = nn.conv %x, %w0 bias %b0 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x1x1x480xf16>, tensor<20x480x1x1xf16>, tensor<20xf16> -> tensor<1x1x1x20xf16>
  %1 = nn.silu %0 : tensor<1x1x1x20xf16> -> tensor<1x1x1x20xf16>
  %2 = nn.conv %1, %w1 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x1x1x20xf16>, tensor<480x20x1x1xf16> -> tensor<1x1x1x480xf16>
  %3 = nn.sigmoid %2 : tensor<1x1x1x480xf16> -> tensor<1x1x1x480xf16>
  kernel.return %3 : tensor<1x1x1x480xf16>
}

// The same of 32 images, whose mean begins with sums of 14 rows: four threads have parts of the same four channels, 4 or 3 rows, and each part is a column of
// the products, whose results the threads of a row add up. Four blocks an image would do; 128 results each.
// FAMILY-LABEL: kernel.func private @sums
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.gate", {rounds = 1 : i64, threads = 512 : i64}>
// FAMILY-SAME:    tasks = #nn.expr<128>
// CHECK-LABEL: .visible .entry sums(
// CHECK:         .reqntid 512
// CHECK:         cp.async.cg.shared.global
// CHECK:         griddepcontrol.wait
// CHECK-COUNT-4: ld.global.v4.b32
// CHECK-NOT:     ld.global
// CHECK:         st.shared.v2.b32
// CHECK:         bar.sync
// CHECK:         mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK:         shfl.sync.bfly
// CHECK:         bar.sync
// CHECK:         ret;
kernel.func private @sums(%s: tensor<32x14x1x480xf32>, %w0: tensor<20x480x1x1xf16> {kernel.constant}, %w1: tensor<480x20x1x1xf16> {kernel.constant}) -> tensor<32x1x1x480xf16> attributes {tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %factor = nn.constant dense<0.00510204071> : tensor<f32>
  %total = nn.reduce %s {axes = array<i64: 1>, keep_dims, kind = #nn.reduce_kind<sum>} : tensor<32x14x1x480xf32> -> tensor<32x1x1x480xf32>
  %mean = nn.mul %total, %factor : tensor<32x1x1x480xf32>, tensor<f32> -> tensor<32x1x1x480xf32>
  %x = nn.cast %mean {to = f16} : tensor<32x1x1x480xf32> -> tensor<32x1x1x480xf16>
  %0 = nn.conv %x, %w0 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<32x1x1x480xf16>, tensor<20x480x1x1xf16> -> tensor<32x1x1x20xf16>
  %1 = nn.silu %0 : tensor<32x1x1x20xf16> -> tensor<32x1x1x20xf16>
  %2 = nn.conv %1, %w1 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<32x1x1x20xf16>, tensor<480x20x1x1xf16> -> tensor<32x1x1x480xf16>
  %3 = nn.sigmoid %2 : tensor<32x1x1x480xf16> -> tensor<32x1x1x480xf16>
  kernel.return %3 : tensor<32x1x1x480xf16>
}
