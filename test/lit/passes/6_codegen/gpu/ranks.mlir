// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s --check-prefix=FAMILY
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// 32 elements a block, each of whose eight warps counts in an eighth of the row what comes before them: 2 rows of 263 blocks.
// FAMILY-LABEL: kernel.func private @largest
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.ranks"
// FAMILY-SAME:    tasks = #nn.expr<526>
// CHECK-LABEL: .visible .entry largest(
// CHECK:         .reqntid 256
// CHECK:         bar.sync
// CHECK-COUNT-8: ld.shared
// CHECK:         st.global
// CHECK:         ret;
kernel.func private @largest(%x: tensor<2x8400xf32>) -> (tensor<2x8400xf32>, tensor<2x8400xi64>) {
  %values, %positions = nn.top_k %x {axis = 1 : i64, k = #nn.dims<[8400]>} : tensor<2x8400xf32> -> tensor<2x8400xf32>, tensor<2x8400xi64>
  kernel.return %values, %positions : tensor<2x8400xf32>, tensor<2x8400xi64>
}

// Rows whose length only a run knows may be long.
// FAMILY-LABEL: kernel.func private @free
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.top-k-tasks"
kernel.func private @free(%x: tensor<1x?xf32, #nn.dims<[1, n]>>) -> tensor<1x5xi64> {
  %values, %positions = nn.top_k %x {axis = 1 : i64, k = #nn.dims<[5]>} : tensor<1x?xf32, #nn.dims<[1, n]>> -> tensor<1x5xf32>, tensor<1x5xi64>
  kernel.return %positions : tensor<1x5xi64>
}
