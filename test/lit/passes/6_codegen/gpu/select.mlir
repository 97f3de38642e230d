// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90a | FileCheck %s --check-prefix=FAMILY
// RUN: tenon-opt %s --kernel-assign-schedules=target=jetson-orin | FileCheck %s --check-prefix=FAMILY
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_80 | FileCheck %s --check-prefix=SMALL
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90a --codegen-emit-cpu="target=cuda:sm_90a assembly" | FileCheck %s

// A block for each row counts digits, finds the one of the last element that is wanted in its first warp, gathers what is not beyond it, and sorts that.
// FAMILY-LABEL: kernel.func private @largest
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.select"
// FAMILY-SAME:    tasks = #nn.expr<80>
// CHECK-LABEL: .visible .entry largest(
// CHECK:         .reqntid 1024
// CHECK:         red.shared.add.u32
// CHECK:         bar.sync
// CHECK-COUNT-5: shfl.sync.idx
// CHECK:         atom.shared.add.u32
// CHECK:         ld.shared.b64
// CHECK:         min.u64
// CHECK-NOT:     call
// CHECK:         ret;
kernel.func private @largest(%x: tensor<80x8400xf32>) -> (tensor<80x300xf32>, tensor<80x300xi64>) {
  %values, %positions = nn.top_k %x {axis = 1 : i64, k = #nn.dims<[300]>} : tensor<80x8400xf32> -> tensor<80x300xf32>, tensor<80x300xi64>
  kernel.return %values, %positions : tensor<80x300xf32>, tensor<80x300xi64>
}

// How many are wanted only a run knows: all have to fit, which they do in the shared memory of sm_90a and of the board. Code for sm_80 runs
// on GPUs with less, too.
// FAMILY-LABEL: kernel.func private @free
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.select"
// SMALL-LABEL:  kernel.func private @free
// SMALL-SAME:     schedule = #kernel.schedule<"gpu.ranks"
kernel.func private @free(%x: tensor<1x8400xf32>) -> (tensor<1x?xi64, #nn.dims<[1, k]>>) attributes {symbols = ["k"]} {
  %values, %positions = nn.top_k %x {axis = 1 : i64, k = #nn.dims<[k]>} : tensor<1x8400xf32> -> tensor<1x?xf32, #nn.dims<[1, k]>>, tensor<1x?xi64, #nn.dims<[1, k]>>
  kernel.return %positions : tensor<1x?xi64, #nn.dims<[1, k]>>
}
