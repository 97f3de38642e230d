// A kernel gets the schedule that the cache holds for its signature; what cannot be used is reported by line and skipped.
// RUN: split-file %s %t
// RUN: tenon-opt %t/kernels.mlir --kernel-apply-tuning="target=x86-64-v3 cache=%t/cache.jsonl" 2>%t/messages | FileCheck %t/kernels.mlir
// RUN: FileCheck %t/messages.txt --input-file=%t/messages

//--- kernels.mlir
// The elementwise kernel is in the cache, with one task; the matrix product is not.
// CHECK:       module attributes {tenon.tuning = "1 of 2 kernels tuned on any"}
// CHECK:       kernel.func private @relu
// CHECK-SAME:    schedule = #kernel.schedule<"loops", {tasks = 1 : i64}>
// CHECK:       kernel.func private @matmul
// CHECK-NOT:     schedule
// CHECK:       func.func
kernel.func private @relu(%x: tensor<32x64xf32>) -> tensor<32x64xf32> {
  %0 = nn.relu %x : tensor<32x64xf32> -> tensor<32x64xf32>
  kernel.return %0 : tensor<32x64xf32>
}
kernel.func private @matmul(%a: tensor<32x64xf32>, %b: tensor<64x32xf32>) -> tensor<32x32xf32> {
  %0 = nn.matmul %a, %b : tensor<32x64xf32>, tensor<64x32xf32> -> tensor<32x32xf32>
  kernel.return %0 : tensor<32x32xf32>
}
func.func @main(%x: tensor<32x64xf32>, %y: tensor<64x32xf32>) -> tensor<32x32xf32> {
  %0 = kernel.dispatch @relu(%x) : (tensor<32x64xf32>) -> tensor<32x64xf32>
  %1 = kernel.dispatch @matmul(%0, %y) : (tensor<32x64xf32>, tensor<64x32xf32>) -> tensor<32x32xf32>
  return %1 : tensor<32x32xf32>
}

//--- cache.jsonl
{"tenon_tuning":1,"kernel":"8a01170d54ebd35bdb7cc431a4451f6a","name":"relu","family":"loops","schedule":"#kernel.schedule<\"loops\", {tasks = 1 : i64}>","target":"x86_64 sse3 ssse3 sse4.1 sse4.2 popcnt avx avx2 fma f16c bmi bmi2 lzcnt","cpu":"any","threads":1,"ns":9,"untuned_ns":2,"candidates":3,"discarded":0,"complete":true}
{"tenon_tuning":1,"kernel":"8a01170d54ebd35bdb7cc431a4451f6a","name":"relu","family":"loops","schedule":"#kernel.schedule<\"loops\", {tasks = 123456789 : i64}>","target":"x86_64 sse3 ssse3 sse4.1 sse4.2 popcnt avx avx2 fma f16c bmi bmi2 lzcnt","cpu":"any","threads":1,"ns":1,"untuned_ns":2,"candidates":3,"discarded":0,"complete":true}
{"tenon_tuning":1,"kernel":"8a01170d54ebd35bdb7cc431a4451f6a","name":"relu","family":"loops","schedule":"#kernel.schedule<\"no such family\", {}>","target":"x86_64 sse3 ssse3 sse4.1 sse4.2 popcnt avx avx2 fma f16c bmi bmi2 lzcnt","cpu":"any","threads":1,"ns":2,"untuned_ns":2,"candidates":3,"discarded":0,"complete":true}
{"tenon_tuning":1,"kernel":"8a01170d54ebd35bdb7cc431a4451f6a","name":"relu","family":"loops","schedule":"#kernel.sche","target":"x86_64 sse3 ssse3 sse4.1 sse4.2 popcnt avx avx2 fma f16c bmi bmi2 lzcnt","cpu":"any","threads":1,"ns":3,"untuned_ns":2,"candidates":3,"discarded":0,"complete":true}
{"tenon_tuning":1,"kernel":"8a01170d54ebd35bdb7cc431a4451f6a","name":"relu","family":"loops","schedule":"#kernel.schedule<\"loops\", {tasks = 1 : i64}>","target":"aarch64 neon","cpu":"any","threads":1,"ns":4,"untuned_ns":2,"candidates":3,"discarded":0,"complete":true}
{"tenon_tuning":1,"ker

//--- messages.txt
// The fastest records come first; the families propose none of the three.
// CHECK: cache.jsonl: line 6 is not JSON: half-written or corrupt; skipped
// CHECK: cache.jsonl: line 2: #kernel.schedule<"loops", {tasks = 123456789 : i64}> is not a schedule that this compiler tries for the kernel 'relu'; skipped
// CHECK: cache.jsonl: line 3: #kernel.schedule<"no such family", {}> is not
// CHECK: cache.jsonl: line 4: #kernel.sche is not
// CHECK: cache.jsonl: 1 of 5 records are for other instruction sets; skipped
// CHECK: cache.jsonl: schedules for 1 of 2 kernels
