// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_89 | FileCheck %s --check-prefix=ADA
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s --check-prefix=HOPPER

// Eight stages of 32x32 are 64 KB. The busiest multiprocessor has two of the 192 tiles: of sm_90, with 228 KB, at once, of sm_89, with 100 KB, one after the other;
// one of 32x64, of 96 KB, is better there.
// ADA-LABEL:    kernel.func private @product
// ADA-SAME:       schedule = #kernel.schedule<"gpu.matrix", {columns = 64 : i64, {{.*}}stages = 8 : i64
// HOPPER-LABEL: kernel.func private @product
// HOPPER-SAME:    schedule = #kernel.schedule<"gpu.matrix", {columns = 32 : i64, {{.*}}stages = 8 : i64
kernel.func private @product(%x: tensor<169x512xf16>, %w: tensor<1000x512xf16> {kernel.constant}) -> tensor<169x1000xf16> {
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<169x512xf16>, tensor<1000x512xf16> -> tensor<169x1000xf16>
  kernel.return %0 : tensor<169x1000xf16>
}
