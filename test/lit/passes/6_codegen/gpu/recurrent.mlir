// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s --check-prefix=FAMILY
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_80 | FileCheck %s --check-prefix=ALONE
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// Eight blocks for each direction and element, 2 x 3 of them, each with 32 of the 256 units. Weights are loaded before the kernel waits for the one before, 16 of
// the depth and four gates; in a step a thread reads four states at a time, each of a warp's four slices
// has one gate's sum after three exchanges, sums of warps meet in shared memory, in 2 KB for even steps and 2 for odd ones, and a
// state goes to all eight blocks, whose barriers count what comes.
// FAMILY-LABEL: kernel.func private @sequence
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.recurrent", {cluster = 8 : i64, elements = 1 : i64}>
// FAMILY-SAME:    tasks = #nn.expr<48>
// ALONE-LABEL:  kernel.func private @sequence
// ALONE-SAME:     schedule = #kernel.schedule<"gpu.recurrent", {cluster = 1 : i64, elements = 1 : i64}>
// ALONE-SAME:     tasks = #nn.expr<6>
// CHECK-LABEL: .visible .entry sequence(
// CHECK:         .reqntid 512
// CHECK:         .reqnctapercluster 8
// CHECK-COUNT-64: ld.global.b32
// CHECK:         griddepcontrol.wait
// CHECK:         mbarrier.init
// CHECK:         barrier.cluster.arrive.aligned
// CHECK-COUNT-4: ld.global.b32
// CHECK:         mbarrier.try_wait.parity.acquire.cluster
// CHECK:         mbarrier.arrive.expect_tx
// CHECK:         and.b32 {{.*}}[[ODD:%r[0-9]+]], {{.*}}, 1;
// CHECK-NEXT:    shl.b32 {{.*}}[[ODD]], 11;
// CHECK-COUNT-4: ld.shared.v4.f32
// CHECK-COUNT-3: shfl.sync.bfly
// CHECK:         @p st.shared.b32
// CHECK:         bar.sync
// CHECK-COUNT-16: ld.shared.b32
// CHECK-COUNT-8: st.async.shared::cluster.mbarrier::complete_tx::bytes.b32
// CHECK-NOT:     call
// CHECK:         ret;
kernel.func private @sequence(%g: tensor<7x3x2x1024xf32>, %r: tensor<2x256x1024xf32> {kernel.constant}) -> tensor<7x2x3x256xf32> {
  %s, %h, %c = nn.recurrence %g, %r {cell = #nn.cell<lstm>, direction = #nn.direction<bidirectional>, activations = ["Sigmoid", "Tanh", "Tanh"],
    alpha = array<f64: 0.0, 0.0, 0.0>, beta = array<f64: 0.0, 0.0, 0.0>, clip = 0.0 : f64}
    : tensor<7x3x2x1024xf32>, tensor<2x256x1024xf32> -> tensor<7x2x3x256xf32>, tensor<2x3x256xf32>, tensor<2x3x256xf32>
  kernel.return %s : tensor<7x2x3x256xf32>
}

// A gru that resets before its product waits twice more in a step. Few units are one block's.
// FAMILY-LABEL: kernel.func private @resets
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.recurrent", {cluster = 1 : i64, elements = 1 : i64}>
// CHECK-LABEL: .visible .entry resets(
// CHECK-NOT:     reqnctapercluster
// CHECK-COUNT-2: bar.sync
// CHECK-COUNT-2: shfl.sync.bfly
// CHECK-COUNT-2: bar.sync
// CHECK-COUNT-2: shfl.sync.bfly
// CHECK:         bar.sync
// CHECK-NOT:     bar.sync
// CHECK:         ret;
kernel.func private @resets(%g: tensor<7x1x1x192xf32>, %r: tensor<1x64x192xf32> {kernel.constant}, %i: tensor<1x1x64xf32>) -> tensor<7x1x1x64xf32> {
  %s, %h, %c = nn.recurrence %g, %r initial_h(%i : tensor<1x1x64xf32>) {cell = #nn.cell<gru>, direction = #nn.direction<reverse>, activations = ["Sigmoid", "Tanh"],
    alpha = array<f64: 0.0, 0.0>, beta = array<f64: 0.0, 0.0>, clip = 0.0 : f64}
    : tensor<7x1x1x192xf32>, tensor<1x64x192xf32> -> tensor<7x1x1x64xf32>, tensor<1x1x64xf32>, tensor<1x1x64xf32>
  kernel.return %s : tensor<7x1x1x64xf32>
}

// Of a large batch a cluster has several elements, which share its weights.
// FAMILY-LABEL: kernel.func private @batch
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.recurrent", {cluster = 8 : i64, elements = 4 : i64}>
// FAMILY-SAME:    tasks = #nn.expr<128>
kernel.func private @batch(%g: tensor<7x64x1x1024xf32>, %r: tensor<1x256x1024xf32> {kernel.constant}) -> tensor<7x1x64x256xf32> {
  %s, %h, %c = nn.recurrence %g, %r {cell = #nn.cell<lstm>, direction = #nn.direction<forward>, activations = ["Sigmoid", "Tanh", "Tanh"],
    alpha = array<f64: 0.0, 0.0, 0.0>, beta = array<f64: 0.0, 0.0, 0.0>, clip = 0.0 : f64}
    : tensor<7x64x1x1024xf32>, tensor<1x256x1024xf32> -> tensor<7x1x64x256xf32>, tensor<1x64x256xf32>, tensor<1x64x256xf32>
  kernel.return %s : tensor<7x1x64x256xf32>
}

// States that do not fit into a block's shared memory are not kept there.
// FAMILY-LABEL: kernel.func private @wide
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.recurrence-tasks"
kernel.func private @wide(%g: tensor<7x1x1x16384xf32>, %r: tensor<1x16384x16384xf32>) -> tensor<7x1x1x16384xf32> {
  %s, %h, %c = nn.recurrence %g, %r {cell = #nn.cell<rnn>, direction = #nn.direction<forward>, activations = ["Tanh"],
    alpha = array<f64: 0.0>, beta = array<f64: 0.0>, clip = 0.0 : f64}
    : tensor<7x1x1x16384xf32>, tensor<1x16384x16384xf32> -> tensor<7x1x1x16384xf32>, tensor<1x1x16384xf32>, tensor<1x1x16384xf32>
  kernel.return %s : tensor<7x1x1x16384xf32>
}

// LLVM copies no barrier and no exchange into the branches around them, where the threads of a warp would not meet.
// CHECK-LABEL: .visible .entry tiny(
// CHECK-COUNT-2: shfl.sync.bfly
// CHECK-COUNT-2: bar.sync
// CHECK-COUNT-2: shfl.sync.bfly
// CHECK:         bar.sync
// CHECK-NOT:     {{bar|shfl}}.sync
// CHECK:         ret;
kernel.func private @tiny(%g: tensor<1x3x1x15xf32>, %r: tensor<1x5x15xf32>) -> tensor<1x3x5xf32> {
  %s, %h, %c = nn.recurrence %g, %r {cell = #nn.cell<gru>, direction = #nn.direction<forward>, activations = ["Sigmoid", "Tanh"],
    alpha = array<f64: 0.0, 0.0>, beta = array<f64: 0.0, 0.0>, clip = 0.0 : f64}
    : tensor<1x3x1x15xf32>, tensor<1x5x15xf32> -> tensor<1x1x3x5xf32>, tensor<1x3x5xf32>, tensor<1x3x5xf32>
  kernel.return %h : tensor<1x3x5xf32>
}
