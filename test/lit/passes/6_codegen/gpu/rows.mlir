// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s --check-prefix=FAMILY
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// A warp has a row: the threads fold what they hold by exchanging it five times, and every one of them gets the result.
// FAMILY-LABEL: kernel.func private @softmax
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.rows"
// CHECK-LABEL: .visible .entry softmax(
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 16, 31, -1;
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 8, 31, -1;
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 4, 31, -1;
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 2, 31, -1;
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 1, 31, -1;
// CHECK:         ret;
kernel.func private @softmax(%x: tensor<64x256xf32>) -> tensor<64x256xf32> {
  %0 = nn.softmax %x {axis = 1 : i64} : tensor<64x256xf32> -> tensor<64x256xf32>
  kernel.return %0 : tensor<64x256xf32>
}

// Rows of eight would leave most of a warp idle.
// FAMILY-LABEL: kernel.func private @short_rows
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.loops"
kernel.func private @short_rows(%x: tensor<64x8xf32>) -> tensor<64xf32> {
  %0 = nn.reduce %x {kind = #nn.reduce_kind<mean>, axes = array<i64: 1>} : tensor<64x8xf32> -> tensor<64xf32>
  kernel.return %0 : tensor<64xf32>
}

// So many short rows: four threads have one, 16 warps of a block 128.
// FAMILY-LABEL: kernel.func private @many_rows
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.rows", {threads = 512 : i64}>
// FAMILY-SAME:    tasks = #nn.expr<8400>
// CHECK-LABEL: .visible .entry many_rows(
// CHECK:         .reqntid 512
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 2, 31, -1;
// CHECK:         ret;
kernel.func private @many_rows(%x: tensor<32x8400x4x16xf16>) -> tensor<32x8400x4x16xf16> {
  %0 = nn.softmax %x {axis = 3 : i64} : tensor<32x8400x4x16xf16> -> tensor<32x8400x4x16xf16>
  kernel.return %0 : tensor<32x8400x4x16xf16>
}

// A long row: a cluster of eight blocks, 416 threads each with four accesses. Warps fold by exchanges, a block through its memory, and each block
// sends what it has to all of them.
// FAMILY-LABEL: kernel.func private @long_row
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.rows", {blocks = 8 : i64, threads = 416 : i64}>
// FAMILY-SAME:    tasks = #nn.expr<8>
// CHECK-LABEL: .visible .entry long_row(
// CHECK:         .reqntid 416
// CHECK:         .explicitcluster
// CHECK-COUNT-4: ld.global.v4.b32
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 16, 31, -1;
// CHECK:         st.shared.b32
// CHECK:         bar.sync
// CHECK:         barrier.cluster.wait
// CHECK:         st.shared::cluster
// CHECK:         ret;
kernel.func private @long_row(%x: tensor<1x53248xf32>) -> tensor<1xf32> attributes {tenon.alignments = array<i64: 16, 16>} {
  %0 = nn.reduce %x {kind = #nn.reduce_kind<mean>, axes = array<i64: 1>} : tensor<1x53248xf32> -> tensor<1xf32>
  kernel.return %0 : tensor<1xf32>
}

// Many long rows keep a block each, or of reductions a warp, where all multiprocessors have enough of them.
// FAMILY-LABEL: kernel.func private @long_rows
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.rows", {blocks = 1 : i64, threads = 256 : i64}>
kernel.func private @long_rows(%x: tensor<5000x4096xf32>) -> tensor<5000x4096xf32> {
  %0 = nn.softmax %x {axis = 1 : i64} : tensor<5000x4096xf32> -> tensor<5000x4096xf32>
  kernel.return %0 : tensor<5000x4096xf32>
}
// FAMILY-LABEL: kernel.func private @long_sums
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.rows", {threads = 128 : i64}>
kernel.func private @long_sums(%x: tensor<5000x4096xf32>) -> tensor<5000xf32> {
  %0 = nn.reduce %x {kind = #nn.reduce_kind<sum>, axes = array<i64: 1>} : tensor<5000x4096xf32> -> tensor<5000xf32>
  kernel.return %0 : tensor<5000xf32>
}

// Values and their positions are exchanged together.
// FAMILY-LABEL: kernel.func private @best
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.rows", {blocks = 1 : i64, threads = 1024 : i64}>
// FAMILY-SAME:    tasks = #nn.expr<128>
// CHECK-LABEL: .visible .entry best(
// CHECK:         .reqntid 1024
// CHECK-COUNT-10: shfl.sync.bfly.b32
// CHECK:         bar.sync
// CHECK:         st.global.b64
// CHECK:         ret;
kernel.func private @best(%x: tensor<128x32000xf32>) -> tensor<128xi64> {
  %0 = nn.arg_reduce %x {axis = 1 : i64} : tensor<128x32000xf32> -> tensor<128xi64>
  kernel.return %0 : tensor<128xi64>
}

// A group of channels is a row: four blocks of 640 threads read it once, four accesses of each thread, and keep it in registers.
// FAMILY-LABEL: kernel.func private @groups
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.rows", {blocks = 4 : i64, threads = 640 : i64}>
// FAMILY-SAME:    tasks = #nn.expr<128>
// CHECK-LABEL: .visible .entry groups(
// CHECK-NOT:     bra
// CHECK-COUNT-4: ld.global.v4.b32
// CHECK-NOT:     ld.global.v4.b32
// CHECK-COUNT-4: st.global.v4.b32
// CHECK:         ret;
kernel.func private @groups(%x: tensor<1x320x64x64xf32>, %g: tensor<320xf32>, %b: tensor<320xf32>) -> tensor<1x320x64x64xf32> attributes {tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %0 = nn.group_norm %x, %g, %b {groups = 32 : i64, epsilon = 1.0e-5 : f64} : (tensor<1x320x64x64xf32>, tensor<320xf32>, tensor<320xf32>) -> tensor<1x320x64x64xf32>
  kernel.return %0 : tensor<1x320x64x64xf32>
}

// Rows along another axis than the last: a block has eight that lie next to each other, 64 threads for each.
// FAMILY-LABEL: kernel.func private @columns
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.rows", {columns = 8 : i64, threads = 512 : i64}>
// FAMILY-SAME:    tasks = #nn.expr<49>
// CHECK-LABEL: .visible .entry columns(
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 16, 31, -1;
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 8, 31, -1;
// CHECK-NOT:     shfl.sync.bfly.b32 {{.*}}, 4, 31, -1;
// CHECK:         bar.sync
// CHECK:         ret;
kernel.func private @columns(%x: tensor<8x1000x49xf32>) -> tensor<8x1000x49xf32> {
  %0 = nn.softmax %x {axis = 1 : i64} : tensor<8x1000x49xf32> -> tensor<8x1000x49xf32>
  kernel.return %0 : tensor<8x1000x49xf32>
}
