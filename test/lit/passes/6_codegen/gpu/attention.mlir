// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s --check-prefix=FAMILY
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// A block has 16 query rows of a head: 8 x 4 tasks; its four warps have 32 keys each, which each copies to memory of its own, and values: scores wait for the
// first of two groups of copies alone, and no warp for another before there are sums.
// FAMILY-LABEL: kernel.func private @heads
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.attention", {row_warps = 1 : i64, slots = 1 : i64, warps = 4 : i64}>
// FAMILY-SAME:    tasks = #nn.expr<32>
// CHECK-LABEL: .visible .entry heads(
// CHECK:         .reqntid 128
// CHECK-NOT:     call
// CHECK-COUNT-16: cp.async.cg.shared.global
// CHECK:         ld.global.v4.b32
// CHECK:         cp.async.wait_group 1;
// CHECK-NOT:     bar.sync
// CHECK:         mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK:         ex2.approx.ftz.f32
// CHECK:         cp.async.wait_group 0;
// CHECK-NOT:     bar.sync
// CHECK:         ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16
// CHECK:         mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK:         bar.sync
// CHECK:         ret;
kernel.func private @heads(%q: tensor<1x4x128x64xf16>, %k: tensor<1x4x128x64xf16>, %v: tensor<1x4x128x64xf16>) -> tensor<1x4x128x64xf16> attributes {tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %0 = nn.attention %q, %k, %v {scale = 0.125 : f64} : tensor<1x4x128x64xf16>, tensor<1x4x128x64xf16>, tensor<1x4x128x64xf16> -> tensor<1x4x128x64xf16>
  kernel.return %0 : tensor<1x4x128x64xf16>
}

// 197 keys are seven warps, of whose last one a part is there; 300 are more than eight warps have: two steps of each, from memory to registers.
// FAMILY-LABEL: kernel.func private @odd
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.attention", {row_warps = 1 : i64, slots = 1 : i64, warps = 7 : i64}>
// FAMILY-LABEL: kernel.func private @long
// FAMILY-SAME:    slots = 0 : i64
// CHECK-LABEL: .visible .entry odd(
// CHECK:         .reqntid 224
// CHECK:         cp.async.cg.shared.global
// CHECK:         ret;
// CHECK-LABEL: .visible .entry long(
// CHECK-NOT:     cp.async
// CHECK:         ret;
kernel.func private @odd(%q: tensor<1x4x197x64xbf16>, %k: tensor<1x4x197x64xbf16>, %v: tensor<1x4x197x64xbf16>) -> tensor<1x4x197x64xbf16> attributes {tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %0 = nn.attention %q, %k, %v {scale = 0.125 : f64} : tensor<1x4x197x64xbf16>, tensor<1x4x197x64xbf16>, tensor<1x4x197x64xbf16> -> tensor<1x4x197x64xbf16>
  kernel.return %0 : tensor<1x4x197x64xbf16>
}
kernel.func private @long(%q: tensor<1x4x16x64xf16>, %k: tensor<1x4x300x64xf16>, %v: tensor<1x4x300x64xf16>) -> tensor<1x4x16x64xf16> attributes {tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %0 = nn.attention %q, %k, %v {scale = 0.125 : f64} : tensor<1x4x16x64xf16>, tensor<1x4x300x64xf16>, tensor<1x4x300x64xf16> -> tensor<1x4x16x64xf16>
  kernel.return %0 : tensor<1x4x16x64xf16>
}

// f32 in parts of eleven bits, three products of them; each of eight warps has 16 keys.
// FAMILY-LABEL: kernel.func private @exact
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.attention", {row_warps = 1 : i64, slots = 0 : i64, warps = 8 : i64}>
// FAMILY-SAME:    tasks = #nn.expr<32>
// CHECK-LABEL: .visible .entry exact(
// CHECK:         .reqntid 256
// CHECK:         and.b32 {{.*}}, -8192;
// CHECK-COUNT-96: mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32
// CHECK-NOT:     mma.sync
// CHECK:         ret;
kernel.func private @exact(%q: tensor<1x4x128x64xf32>, %k: tensor<1x4x128x64xf32>, %v: tensor<1x4x128x64xf32>) -> tensor<1x4x128x64xf32> {
  %0 = nn.attention %q, %k, %v {scale = 0.125 : f64} : tensor<1x4x128x64xf32>, tensor<1x4x128x64xf32>, tensor<1x4x128x64xf32> -> tensor<1x4x128x64xf32>
  kernel.return %0 : tensor<1x4x128x64xf32>
}

// Rounded, where that is allowed: a third of the products, 2 x 8 for scores and 2 x 8 for values.
// CHECK-LABEL: .visible .entry short(
// CHECK:         cvt.rna.tf32.f32
// CHECK-NOT:     and.b32 {{.*}}, -8192;
// CHECK-COUNT-32: mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32
// CHECK-NOT:     mma.sync
// CHECK:         ret;
kernel.func private @short(%q: tensor<1x4x128x64xf32>, %k: tensor<1x4x128x64xf32>, %v: tensor<1x4x128x64xf32>) -> tensor<1x4x128x64xf32> {
  %0 = nn.attention %q, %k, %v {scale = 0.125 : f64, kernel.tf32} : tensor<1x4x128x64xf32>, tensor<1x4x128x64xf32>, tensor<1x4x128x64xf32> -> tensor<1x4x128x64xf32>
  kernel.return %0 : tensor<1x4x128x64xf32>
}

// Heads of fewer than eight columns: a warp for each of the 4 x 128 rows.
// FAMILY-LABEL: kernel.func private @narrow
// FAMILY-SAME:    tasks = #nn.expr<512>
// CHECK-LABEL: .visible .entry narrow(
// CHECK:         .reqntid 32
// CHECK-NOT:     mma.sync
// CHECK:         shfl.sync
// CHECK:         ret;
kernel.func private @narrow(%q: tensor<1x4x128x4xf32>, %k: tensor<1x4x128x4xf32>, %v: tensor<1x4x128x4xf32>) -> tensor<1x4x128x4xf32> {
  %0 = nn.attention %q, %k, %v {scale = 0.125 : f64} : tensor<1x4x128x4xf32>, tensor<1x4x128x4xf32>, tensor<1x4x128x4xf32> -> tensor<1x4x128x4xf32>
  kernel.return %0 : tensor<1x4x128x4xf32>
}

// 40 columns are five chunks of 16 bytes, and a sixth of zeros for keys: three products of the depth, of which the last reads eight bytes a thread, five
// of the width. In a step of 64 keys there are 8 x 3 products for scores and 4 x 5 for values.
// FAMILY-LABEL: kernel.func private @forty
// FAMILY-SAME:    slots = 4 : i64
// CHECK-LABEL: .visible .entry forty(
// CHECK:         .reqntid 256
// CHECK:         cp.async.cg.shared.global [{{.*}}], [{{.*}}], 16, {{.*}};
// CHECK:         ld.shared.v2.f32
// CHECK-COUNT-44: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK-NOT:     mma.sync
// CHECK:         setp.gt.u32 {{.*}}, 79;
// CHECK:         ret;
kernel.func private @forty(%q: tensor<2x8x4096x40xf16>, %k: tensor<2x8x4096x40xf16>, %v: tensor<2x8x4096x40xf16>) -> tensor<2x8x4096x40xf16> attributes {tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %0 = nn.attention %q, %k, %v {scale = 0.125 : f64} : tensor<2x8x4096x40xf16>, tensor<2x8x4096x40xf16>, tensor<2x8x4096x40xf16> -> tensor<2x8x4096x40xf16>
  kernel.return %0 : tensor<2x8x4096x40xf16>
}

// Fewer rows and more keys than eight warps have: shared memory where each multiprocessor has a block of four warps, 16 x 64 tiles of rows; not of a quarter.
// FAMILY-LABEL: kernel.func private @between
// FAMILY-SAME:    {row_warps = 4 : i64, slots = 4 : i64, warps = 1 : i64}
// FAMILY-LABEL: kernel.func private @quarter
// FAMILY-SAME:    {row_warps = 1 : i64, slots = 0 : i64, warps = 4 : i64}
kernel.func private @between(%q: tensor<1x16x1024x80xf16>, %k: tensor<1x16x1024x80xf16>, %v: tensor<1x16x1024x80xf16>) -> tensor<1x16x1024x80xf16> attributes {tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %0 = nn.attention %q, %k, %v {scale = 0.125 : f64} : tensor<1x16x1024x80xf16>, tensor<1x16x1024x80xf16>, tensor<1x16x1024x80xf16> -> tensor<1x16x1024x80xf16>
  kernel.return %0 : tensor<1x16x1024x80xf16>
}
kernel.func private @quarter(%q: tensor<1x4x1024x80xf16>, %k: tensor<1x4x1024x80xf16>, %v: tensor<1x4x1024x80xf16>) -> tensor<1x4x1024x80xf16> attributes {tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %0 = nn.attention %q, %k, %v {scale = 0.125 : f64} : tensor<1x4x1024x80xf16>, tensor<1x4x1024x80xf16>, tensor<1x4x1024x80xf16> -> tensor<1x4x1024x80xf16>
  kernel.return %0 : tensor<1x4x1024x80xf16>
}

// Heads of 256 columns: 32 keys at a time, three slots of 32 KB; 4 x 16 products for scores and 2 x 32 for values.
// FAMILY-LABEL: kernel.func private @wide
// FAMILY-SAME:    slots = 3 : i64
// CHECK-LABEL: .visible .entry wide(
// CHECK:         .reqntid 256
// CHECK-COUNT-128: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK-NOT:     mma.sync
// CHECK:         ret;
kernel.func private @wide(%q: tensor<8x8x512x256xf16>, %k: tensor<8x8x512x256xf16>, %v: tensor<8x8x512x256xf16>) -> tensor<8x8x512x256xf16> attributes {tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %0 = nn.attention %q, %k, %v {scale = 0.0625 : f64} : tensor<8x8x512x256xf16>, tensor<8x8x512x256xf16>, tensor<8x8x512x256xf16> -> tensor<8x8x512x256xf16>
  kernel.return %0 : tensor<8x8x512x256xf16>
}

// The same without shared memory for keys, as of one row: two tasks have 128 columns of the values each, and read what they need of the query in each step.
// FAMILY-LABEL: kernel.func private @wide_row
// FAMILY-SAME:    tasks = #nn.expr<16>
// CHECK-LABEL: .visible .entry wide_row(
// CHECK:         @p ld.global.v4.b32
// CHECK:         mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK:         ret;
kernel.func private @wide_row(%q: tensor<1x8x1x256xf16>, %k: tensor<1x8x512x256xf16>, %v: tensor<1x8x512x256xf16>) -> tensor<1x8x1x256xf16> attributes {tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %0 = nn.attention %q, %k, %v {scale = 0.0625 : f64} : tensor<1x8x1x256xf16>, tensor<1x8x512x256xf16>, tensor<1x8x512x256xf16> -> tensor<1x8x1x256xf16>
  kernel.return %0 : tensor<1x8x1x256xf16>
}

// Many rows: five warps of a block have 16 of them each, and all keys; nine tiles of rows are two blocks of a head. Keys and values come to shared memory
// 64 at a time, all three blocks at once; of the last one 16 are multiplied.
// FAMILY-LABEL: kernel.func private @many
// FAMILY-SAME:    slots = 3 : i64
// FAMILY-SAME:    tasks = #nn.expr<256>
// CHECK-LABEL: .visible .entry many(
// CHECK:         .reqntid 160
// CHECK:         cp.async.cg.shared.global
// CHECK:         cp.async.wait_group 2;
// CHECK:         mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK:         ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16
// CHECK:         ret;
kernel.func private @many(%q: tensor<32x4x144x64xf16>, %k: tensor<32x4x144x64xf16>, %v: tensor<32x4x144x64xf16>) -> tensor<32x4x144x64xf16> attributes {tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %0 = nn.attention %q, %k, %v {scale = 0.125 : f64} : tensor<32x4x144x64xf16>, tensor<32x4x144x64xf16>, tensor<32x4x144x64xf16> -> tensor<32x4x144x64xf16>
  kernel.return %0 : tensor<32x4x144x64xf16>
}

// Rows that see the keys before them, and masks: more blocks of keys than slots go round, each copied while one is multiplied.
// CHECK-LABEL: .visible .entry causal(
// CHECK:         mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
// CHECK:         cp.async.wait_group 2;
// CHECK:         ret;
kernel.func private @causal(%q: tensor<16x4x512x64xbf16>, %k: tensor<16x2x512x64xbf16>, %v: tensor<16x2x512x64xbf16>, %m: tensor<16x1x1x512xbf16>) -> tensor<16x4x512x64xbf16> attributes {tenon.alignments = array<i64: 16, 16, 16, 16, 16>} {
  %0 = nn.attention %q, %k, %v mask %m : tensor<16x1x1x512xbf16> {scale = 0.125 : f64, causal} : tensor<16x4x512x64xbf16>, tensor<16x2x512x64xbf16>, tensor<16x2x512x64xbf16> -> tensor<16x4x512x64xbf16>
  kernel.return %0 : tensor<16x4x512x64xbf16>
}
