// RUN: tenon-opt %s --kernel-chain-depthwise=target=sapphirerapids | FileCheck %s
// RUN: tenon-opt %s --kernel-chain-depthwise=target=znver2 | FileCheck %s --check-prefix=SMALL

// 112 x 112 x 96 floats are 4.8 MB, more than the 2 MiB of the second-level cache: expansion, filter and projection are one kernel, which reads %arg0 for
// the sum too. Its parts are gone.
// CHECK-LABEL: func.func @large
// CHECK:         %[[OUT:.*]] = kernel.dispatch @[[CHAIN:.*]](%arg0, %{{.*}}, %{{.*}}, %{{.*}})
// CHECK-NEXT:    return %[[OUT]]
func.func @large(%x: tensor<1x112x112x16xf32>) -> tensor<1x112x112x16xf32> {
  %we = nn.constant dense_resource<we> : tensor<96x16x1x1xf32>
  %wd = nn.constant dense_resource<wd> : tensor<96x1x3x3xf32>
  %wp = nn.constant dense_resource<wp> : tensor<16x96x1x1xf32>
  %0 = kernel.dispatch @expand(%x, %we) : (tensor<1x112x112x16xf32>, tensor<96x16x1x1xf32>) -> tensor<1x112x112x96xf32>
  %1 = kernel.dispatch @filter(%0, %wd) : (tensor<1x112x112x96xf32>, tensor<96x1x3x3xf32>) -> tensor<1x112x112x96xf32>
  %2 = kernel.dispatch @project(%1, %wp, %x) : (tensor<1x112x112x96xf32>, tensor<16x96x1x1xf32>, tensor<1x112x112x16xf32>) -> tensor<1x112x112x16xf32>
  return %2 : tensor<1x112x112x16xf32>
}

// The gate of a squeeze-and-excite block reads the filtered image too: only expansion and filter are joined.
// CHECK-LABEL: func.func @gated
// CHECK:         %[[FILTERED:.*]] = kernel.dispatch @{{.*}}(%arg0, %{{.*}}, %{{.*}})
// CHECK-NEXT:    kernel.dispatch @gated_project(%[[FILTERED]]
func.func @gated(%x: tensor<1x112x112x16xf32>) -> (tensor<1x112x112x16xf32>, tensor<1x112x112x96xf32>) {
  %we = nn.constant dense_resource<we> : tensor<96x16x1x1xf32>
  %wd = nn.constant dense_resource<wd> : tensor<96x1x3x3xf32>
  %wp = nn.constant dense_resource<wp> : tensor<16x96x1x1xf32>
  %0 = kernel.dispatch @gated_expand(%x, %we) : (tensor<1x112x112x16xf32>, tensor<96x16x1x1xf32>) -> tensor<1x112x112x96xf32>
  %1 = kernel.dispatch @gated_filter(%0, %wd) : (tensor<1x112x112x96xf32>, tensor<96x1x3x3xf32>) -> tensor<1x112x112x96xf32>
  %2 = kernel.dispatch @gated_project(%1, %wp, %x) : (tensor<1x112x112x96xf32>, tensor<16x96x1x1xf32>, tensor<1x112x112x16xf32>) -> tensor<1x112x112x16xf32>
  return %2, %1 : tensor<1x112x112x16xf32>, tensor<1x112x112x96xf32>
}

// 0.9 MB stay in a cache of 2 MiB, but not in one of 512 KiB.
// CHECK-LABEL: func.func @small
// CHECK-COUNT-2: kernel.dispatch
// SMALL-LABEL: func.func @small
// SMALL:         %[[OUT:.*]] = kernel.dispatch
// SMALL-NEXT:    return %[[OUT]]
func.func @small(%x: tensor<1x56x56x72xf32>, %r: tensor<1x56x56x24xf32>) -> tensor<1x56x56x24xf32> {
  %wd = nn.constant dense_resource<wd> : tensor<72x1x3x3xf32>
  %wp = nn.constant dense_resource<wp> : tensor<24x72x1x1xf32>
  %0 = kernel.dispatch @small_filter(%x, %wd) : (tensor<1x56x56x72xf32>, tensor<72x1x3x3xf32>) -> tensor<1x56x56x72xf32>
  %1 = kernel.dispatch @small_project(%0, %wp, %r) : (tensor<1x56x56x72xf32>, tensor<24x72x1x1xf32>, tensor<1x56x56x24xf32>) -> tensor<1x56x56x24xf32>
  return %1 : tensor<1x56x56x24xf32>
}

// Filters that the caller computes are not packed: such kernels stay apart.
// CHECK-LABEL: func.func @computed
// CHECK-COUNT-2: kernel.dispatch
func.func @computed(%x: tensor<1x112x112x16xf32>, %we: tensor<96x16x1x1xf32>) -> tensor<1x112x112x96xf32> {
  %wd = nn.constant dense_resource<wd> : tensor<96x1x3x3xf32>
  %0 = kernel.dispatch @computed_expand(%x, %we) : (tensor<1x112x112x16xf32>, tensor<96x16x1x1xf32>) -> tensor<1x112x112x96xf32>
  %1 = kernel.dispatch @computed_filter(%0, %wd) : (tensor<1x112x112x96xf32>, tensor<96x1x3x3xf32>) -> tensor<1x112x112x96xf32>
  return %1 : tensor<1x112x112x96xf32>
}

// CHECK-NOT:   kernel.func private @expand
// CHECK:       kernel.func private @[[CHAIN]](%[[X:.*]]: tensor<1x112x112x16xf32>, %[[WE:.*]]: tensor<96x16x1x1xf32>, %[[WD:.*]]: tensor<96x1x3x3xf32>, %[[WP:.*]]: tensor<16x96x1x1xf32>)
// CHECK-NEXT:    %[[E:.*]] = nn.conv %[[X]], %[[WE]]
// CHECK-NEXT:    %[[F:.*]] = nn.relu %[[E]]
// CHECK-NEXT:    %[[D:.*]] = nn.conv %[[F]], %[[WD]]
// CHECK-NEXT:    %[[P:.*]] = nn.conv %[[D]], %[[WP]]
// CHECK-NEXT:    nn.add %[[P]], %[[X]]
kernel.func private @expand(%x: tensor<1x112x112x16xf32>, %w: tensor<96x16x1x1xf32>) -> tensor<1x112x112x96xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x112x112x16xf32>, tensor<96x16x1x1xf32> -> tensor<1x112x112x96xf32>
  %1 = nn.relu %0 : tensor<1x112x112x96xf32> -> tensor<1x112x112x96xf32>
  kernel.return %1 : tensor<1x112x112x96xf32>
}
kernel.func private @filter(%x: tensor<1x112x112x96xf32>, %w: tensor<96x1x3x3xf32>) -> tensor<1x112x112x96xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 96 : i64, layout = #nn.layout<channels_last>} : tensor<1x112x112x96xf32>, tensor<96x1x3x3xf32> -> tensor<1x112x112x96xf32>
  kernel.return %0 : tensor<1x112x112x96xf32>
}
kernel.func private @project(%x: tensor<1x112x112x96xf32>, %w: tensor<16x96x1x1xf32>, %r: tensor<1x112x112x16xf32>) -> tensor<1x112x112x16xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x112x112x96xf32>, tensor<16x96x1x1xf32> -> tensor<1x112x112x16xf32>
  %1 = nn.add %0, %r : tensor<1x112x112x16xf32>, tensor<1x112x112x16xf32> -> tensor<1x112x112x16xf32>
  kernel.return %1 : tensor<1x112x112x16xf32>
}
kernel.func private @gated_expand(%x: tensor<1x112x112x16xf32>, %w: tensor<96x16x1x1xf32>) -> tensor<1x112x112x96xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x112x112x16xf32>, tensor<96x16x1x1xf32> -> tensor<1x112x112x96xf32>
  %1 = nn.relu %0 : tensor<1x112x112x96xf32> -> tensor<1x112x112x96xf32>
  kernel.return %1 : tensor<1x112x112x96xf32>
}
kernel.func private @gated_filter(%x: tensor<1x112x112x96xf32>, %w: tensor<96x1x3x3xf32>) -> tensor<1x112x112x96xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 96 : i64, layout = #nn.layout<channels_last>} : tensor<1x112x112x96xf32>, tensor<96x1x3x3xf32> -> tensor<1x112x112x96xf32>
  kernel.return %0 : tensor<1x112x112x96xf32>
}
kernel.func private @gated_project(%x: tensor<1x112x112x96xf32>, %w: tensor<16x96x1x1xf32>, %r: tensor<1x112x112x16xf32>) -> tensor<1x112x112x16xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x112x112x96xf32>, tensor<16x96x1x1xf32> -> tensor<1x112x112x16xf32>
  %1 = nn.add %0, %r : tensor<1x112x112x16xf32>, tensor<1x112x112x16xf32> -> tensor<1x112x112x16xf32>
  kernel.return %1 : tensor<1x112x112x16xf32>
}
kernel.func private @small_filter(%x: tensor<1x56x56x72xf32>, %w: tensor<72x1x3x3xf32>) -> tensor<1x56x56x72xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 72 : i64, layout = #nn.layout<channels_last>} : tensor<1x56x56x72xf32>, tensor<72x1x3x3xf32> -> tensor<1x56x56x72xf32>
  kernel.return %0 : tensor<1x56x56x72xf32>
}
kernel.func private @small_project(%x: tensor<1x56x56x72xf32>, %w: tensor<24x72x1x1xf32>, %r: tensor<1x56x56x24xf32>) -> tensor<1x56x56x24xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x56x56x72xf32>, tensor<24x72x1x1xf32> -> tensor<1x56x56x24xf32>
  %1 = nn.add %0, %r : tensor<1x56x56x24xf32>, tensor<1x56x56x24xf32> -> tensor<1x56x56x24xf32>
  kernel.return %1 : tensor<1x56x56x24xf32>
}
kernel.func private @computed_expand(%x: tensor<1x112x112x16xf32>, %w: tensor<96x16x1x1xf32>) -> tensor<1x112x112x96xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x112x112x16xf32>, tensor<96x16x1x1xf32> -> tensor<1x112x112x96xf32>
  %1 = nn.relu %0 : tensor<1x112x112x96xf32> -> tensor<1x112x112x96xf32>
  kernel.return %1 : tensor<1x112x112x96xf32>
}
kernel.func private @computed_filter(%x: tensor<1x112x112x96xf32>, %w: tensor<96x1x3x3xf32>) -> tensor<1x112x112x96xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 96 : i64, layout = #nn.layout<channels_last>} : tensor<1x112x112x96xf32>, tensor<96x1x3x3xf32> -> tensor<1x112x112x96xf32>
  kernel.return %0 : tensor<1x112x112x96xf32>
}
