// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s --check-prefix=FAMILY
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// FAMILY-LABEL: kernel.func private @heads
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.attention"
// CHECK-LABEL: .visible .entry heads(
// CHECK-NOT:     call
// CHECK:         shfl.sync
// CHECK:         ret;
kernel.func private @heads(%q: tensor<1x4x128x64xf16>, %k: tensor<1x4x128x64xf16>, %v: tensor<1x4x128x64xf16>) -> tensor<1x4x128x64xf16> {
  %0 = nn.attention %q, %k, %v {scale = 0.125 : f64} : tensor<1x4x128x64xf16>, tensor<1x4x128x64xf16>, tensor<1x4x128x64xf16> -> tensor<1x4x128x64xf16>
  kernel.return %0 : tensor<1x4x128x64xf16>
}
