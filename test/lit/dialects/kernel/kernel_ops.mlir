// RUN: tenon-opt %s > %t && tenon-opt %t | diff %t -
// RUN: tenon-opt %s -mlir-print-op-generic | tenon-opt | diff %t -
// RUN: FileCheck %s --input-file=%t

// A fused convolution with a packed filter, its dispatch, and what 4_schedule and 5_memory say about it: four tasks of 1 KiB
// workspace each, the result may overwrite the residual, and lives as channels 0 to 63 of a tensor of 128.
// CHECK: kernel.func private @conv_add(%[[X:.*]]: tensor<1x?x64xf32, #nn.dims<[1, t, 64]>>, %{{.*}}: tensor<4x1x64x16xf32> {kernel.constant},
// CHECK-SAME: -> (tensor<1x?x64xf32, #nn.dims<[1, t, 64]>> {kernel.strides = #nn.dims<[128 * t, 128, 1]>})
// CHECK-SAME: attributes {overwrites = array<i64: 2>, schedule = #kernel.schedule<"contraction", {kc = 64 : i64, order = "ij"}>,
// CHECK-SAME: symbols = ["t"], tasks = #nn.expr<4>, workspace_bytes = 1024 : i64} {
kernel.func private @conv_add(%x: tensor<1x?x64xf32, #nn.dims<[1, t, 64]>>, %panels: tensor<4x1x64x16xf32> {kernel.constant},
                              %residual: tensor<1x?x64xf32, #nn.dims<[1, t, 64]>>)
    -> (tensor<1x?x64xf32, #nn.dims<[1, t, 64]>> {kernel.strides = #nn.dims<[128 * t, 128, 1]>})
    attributes {symbols = ["t"], schedule = #kernel.schedule<"contraction", {kc = 64 : i64, order = "ij"}>, tasks = #nn.expr<4>,
                workspace_bytes = 1024 : i64, overwrites = array<i64: 2>} {
  // CHECK: kernel.unpack %{{.*}} {packing = #kernel.packing<padded = [64, 64, 1], split = [4, 16, 64, 1], perm = [0, 3, 2, 1]>}
  %w = kernel.unpack %panels {packing = #kernel.packing<padded = [64, 64, 1], split = [4, 16, 64, 1], perm = [0, 3, 2, 1]>}
    : tensor<4x1x64x16xf32> -> tensor<64x64x1xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, layout = #nn.layout<channels_last>}
    : tensor<1x?x64xf32, #nn.dims<[1, t, 64]>>, tensor<64x64x1xf32> -> tensor<1x?x64xf32, #nn.dims<[1, t, 64]>>
  %1 = nn.add %0, %residual : tensor<1x?x64xf32, #nn.dims<[1, t, 64]>>, tensor<1x?x64xf32, #nn.dims<[1, t, 64]>> -> tensor<1x?x64xf32, #nn.dims<[1, t, 64]>>
  // CHECK: kernel.return %{{.*}} : tensor<1x?x64xf32, #nn.dims<[1, t, 64]>>
  kernel.return %1 : tensor<1x?x64xf32, #nn.dims<[1, t, 64]>>
}

// CHECK: kernel.func private @relu(%{{.*}}: tensor<4xf32>) -> tensor<4xf32> {
kernel.func private @relu(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.relu %x : tensor<4xf32> -> tensor<4xf32>
  kernel.return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: kernel.dispatch @relu(%{{.*}}) : (tensor<4xf32>) -> tensor<4xf32>
  %0 = kernel.dispatch @relu(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
