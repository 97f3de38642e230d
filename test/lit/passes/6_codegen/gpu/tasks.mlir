// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s --check-prefix=FAMILY
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// What has no family of its own yet is computed as on the CPU, a thread for each task: blocks of one warp, 3000 rows shared out among them.
// FAMILY-LABEL: kernel.func private @largest
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.top-k-tasks"
// CHECK-LABEL: .visible .entry largest(
// CHECK:         .reqntid 32
// CHECK-NOT:     call
// CHECK:         ret;
kernel.func private @largest(%x: tensor<3000x100xf32>) -> (tensor<3000x5xf32>, tensor<3000x5xi64>) {
  %values, %positions = nn.top_k %x {axis = 1 : i64, k = #nn.dims<[5]>} : tensor<3000x100xf32> -> tensor<3000x5xf32>, tensor<3000x5xi64>
  kernel.return %values, %positions : tensor<3000x5xf32>, tensor<3000x5xi64>
}

// FAMILY-LABEL: kernel.func private @order
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.sequential-tasks"
kernel.func private @order(%x: tensor<3x50x1xf32>) -> (tensor<3x50xi64>, tensor<3x50xi64>) {
  %0, %1 = nn.sort_indices %x : tensor<3x50x1xf32> -> tensor<3x50xi64>, tensor<3x50xi64>
  kernel.return %0, %1 : tensor<3x50xi64>, tensor<3x50xi64>
}
