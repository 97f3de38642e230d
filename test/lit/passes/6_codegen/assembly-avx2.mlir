// RUN: tenon-opt %s --kernel-assign-schedules=target=znver2 --codegen-emit-cpu="target=znver2 assembly" | FileCheck %s

// SiLU and a residual: whole registers in, whole registers out, nothing spilled, nothing called.
// CHECK-LABEL: silu_residual.body:
// CHECK-NOT:     {{call|rsp}}
// CHECK:         vmaxps (%r{{.*}}), %ymm
// CHECK-NOT:     {{call|rsp}}
// CHECK:         vfmadd213ps
// CHECK-NOT:     {{call|rsp}}
// CHECK:         vdivps
// CHECK-NOT:     {{call|rsp}}
// CHECK:         vaddps (%r{{.*}}), %ymm
// CHECK-NEXT:    vmovups %ymm{{.*}}, (%r
// CHECK-LABEL: silu_residual:
// CHECK:         callq silu_residual.body{{$}}
kernel.func private @silu_residual(%x: tensor<64x256xf32>, %r: tensor<64x256xf32>) -> tensor<64x256xf32> {
  %0 = nn.silu %x : tensor<64x256xf32> -> tensor<64x256xf32>
  %1 = nn.add %0, %r : tensor<64x256xf32>, tensor<64x256xf32> -> tensor<64x256xf32>
  kernel.return %1 : tensor<64x256xf32>
}
