// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s --check-prefix=FAMILY
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// A block for each class of each image; eight warps compare 32 boxes with those that have stayed, the first one decides.
// FAMILY-LABEL: kernel.func private @boxes
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.suppress"
// FAMILY-SAME:    tasks = #nn.expr<160>
// CHECK-LABEL: .visible .entry boxes(
// CHECK:         .reqntid 256
// CHECK:         ld.shared.v4.f32
// CHECK:         bar.sync
// CHECK:         shfl.sync.idx
// CHECK:         st.shared.v4.b32
// CHECK-NOT:     call
// CHECK:         ret;
kernel.func private @boxes(%b: tensor<2x8400x4xf32>, %s: tensor<2x80x8400xf32>, %o: tensor<2x80x8400xi64>, %limit: tensor<i64>, %iou: tensor<f32>,
                           %least: tensor<f32>) -> (tensor<2x80x8400xi1>, tensor<2x80x8400xi64>) {
  %keep, %list = nn.suppress %b, %s, %o, %limit, %iou, %least
    : (tensor<2x8400x4xf32>, tensor<2x80x8400xf32>, tensor<2x80x8400xi64>, tensor<i64>, tensor<f32>, tensor<f32>) -> (tensor<2x80x8400xi1>, tensor<2x80x8400xi64>)
  kernel.return %keep, %list : tensor<2x80x8400xi1>, tensor<2x80x8400xi64>
}
