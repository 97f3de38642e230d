// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_90a assembly" | FileCheck %s

// Blocks 0 to 15 are the first part's, four of which are a cluster; 16 to 23 the second one's, whose blocks have 64 threads: the others leave. Each part waits for
// the kernel before itself, the first one when its weights are on their way.
// CHECK-LABEL: .visible .entry both(
// CHECK:         .reqntid 128
// CHECK:         .reqnctapercluster 4
// CHECK:         griddepcontrol.launch_dependents
// CHECK:         mov.u32 %[[BLOCK:r[0-9]+]], %ctaid.x
// CHECK:         setp.gt.u32 %[[IS_OTHER:p[0-9]+]], %[[BLOCK]], 15
// CHECK:         @%[[IS_OTHER]] bra $[[OTHER:.*]];
// CHECK:         cp.async
// CHECK:         griddepcontrol.wait
// CHECK:         wgmma.mma_async
// CHECK:         $[[OTHER]]:
// CHECK:         setp.gt.u32 %{{p[0-9]+}}, %{{r[0-9]+}}, 23
// CHECK:         setp.gt.u32 %{{p[0-9]+}}, %{{r[0-9]+}}, 63
// CHECK:         griddepcontrol.wait
// CHECK:         max.f16x2
// CHECK-NOT:     .entry
// CHECK:         ret;
kernel.func private @product(%x: tensor<196x256xf16>, %packed: tensor<64x256xf16> {kernel.constant}) -> tensor<196x64xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 64 : i64, columns = 64 : i64, warp_rows = 4 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 2 : i64, splits = 4 : i64, groups = 1 : i64}>,
    tasks = #nn.expr<16>, tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [64, 256], split = [64, 256], perm = [0, 1]>} : tensor<64x256xf16> -> tensor<64x256xf16>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<196x256xf16>, tensor<64x256xf16> -> tensor<196x64xf16>
  kernel.return %0 : tensor<196x64xf16>
}
kernel.func private @pool(%x: tensor<1x8x8x64xf16>) -> tensor<1x8x8x64xf16> attributes {
    schedule = #kernel.schedule<"gpu.pool", {threads = 64 : i64}>, tasks = #nn.expr<512>, tenon.alignments = array<i64: 16, 16>} {
  %0 = nn.pool %x {kind = #nn.pool_kind<max>, layout = #nn.layout<channels_last>, window = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x8x8x64xf16> -> tensor<1x8x8x64xf16>
  kernel.return %0 : tensor<1x8x8x64xf16>
}
kernel.func private @both(%x: tensor<196x256xf16>, %packed: tensor<64x256xf16>, %y: tensor<1x8x8x64xf16>) -> (tensor<196x64xf16>, tensor<1x8x8x64xf16>) attributes {
    schedule = #kernel.schedule<"gpu.beside", {}>, tasks = #nn.expr<24>} {
  %0 = kernel.dispatch @product(%x, %packed) : (tensor<196x256xf16>, tensor<64x256xf16>) -> tensor<196x64xf16>
  %1 = kernel.dispatch @pool(%y) : (tensor<1x8x8x64xf16>) -> tensor<1x8x8x64xf16>
  kernel.return %0, %1 : tensor<196x64xf16>, tensor<1x8x8x64xf16>
}


// Blocks 0 to 8 are the pool's here; the three that fill up its last cluster have nothing to do.
// CHECK-LABEL: .visible .entry padded(
// CHECK:         mov.u32 %[[BLOCK:r[0-9]+]], %ctaid.x
// CHECK:         setp.gt.u32 %[[IS_OTHER:p[0-9]+]], %[[BLOCK]], 11
// CHECK:         @%[[IS_OTHER]] bra $[[OTHER:.*]];
// CHECK:         setp.gt.u32 %{{p[0-9]+}}, %{{r[0-9]+}}, 8
// CHECK:         max.f16x2
// CHECK:         $[[OTHER]]:
// CHECK:         setp.gt.u32 %{{p[0-9]+}}, %{{r[0-9]+}}, 27
// CHECK:         wgmma.mma_async
kernel.func private @nine(%x: tensor<1x8x9x64xf16>) -> tensor<1x8x9x64xf16> attributes {
    schedule = #kernel.schedule<"gpu.pool", {threads = 64 : i64}>, tasks = #nn.expr<576>, tenon.alignments = array<i64: 16, 16>} {
  %0 = nn.pool %x {kind = #nn.pool_kind<max>, layout = #nn.layout<channels_last>, window = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x8x9x64xf16> -> tensor<1x8x9x64xf16>
  kernel.return %0 : tensor<1x8x9x64xf16>
}
kernel.func private @padded(%x: tensor<196x256xf16>, %packed: tensor<64x256xf16>, %y: tensor<1x8x9x64xf16>) -> (tensor<196x64xf16>, tensor<1x8x9x64xf16>) attributes {
    schedule = #kernel.schedule<"gpu.beside", {}>, tasks = #nn.expr<28>} {
  %0 = kernel.dispatch @nine(%y) : (tensor<1x8x9x64xf16>) -> tensor<1x8x9x64xf16>
  %1 = kernel.dispatch @product(%x, %packed) : (tensor<196x256xf16>, tensor<64x256xf16>) -> tensor<196x64xf16>
  kernel.return %1, %0 : tensor<196x64xf16>, tensor<1x8x9x64xf16>
}
