// RUN: tenon-opt %s --kernel-assign-schedules=target=sapphirerapids | FileCheck %s
// RUN: tenon-opt %s --kernel-assign-schedules=target=sapphirerapids --kernel-pack-constants=target=sapphirerapids | FileCheck %s --check-prefix=PACK
// RUN: tenon-opt %s --kernel-assign-schedules="target=sapphirerapids exact-order" | FileCheck %s --check-prefix=EXACT

// EXACT-NOT: strassen

// Many rows: weights as [depth block][panel pair][half of the depth][panel][depth][column].
// CHECK:       kernel.func private @many_rows
// CHECK-SAME:    kernel.strassen_error = 6.4{{[0-9]*E-0?6}} : f64
// CHECK-SAME:    schedule = #kernel.schedule<"strassen", {kc = {{[0-9]+}} : i64
// PACK:        kernel.func private @many_rows(%arg0: tensor<1024x768xf32>, %arg1: tensor<{{[0-9]+x[0-9]+x2x2x[0-9]+x[0-9]+}}xf32>
// PACK-NEXT:     kernel.unpack %arg1 {packing = #kernel.packing<padded = [768, 768], split = [{{[0-9]+, 2, [0-9]+, [0-9]+, 2, [0-9]+}}], perm = [0, 3, 1, 4, 2, 5]>}
kernel.func private @many_rows(%x: tensor<1024x768xf32>, %w: tensor<768x768xf32>) -> tensor<1024x768xf32> {
  %0 = nn.matmul %x, %w : tensor<1024x768xf32>, tensor<768x768xf32> -> tensor<1024x768xf32>
  kernel.return %0 : tensor<1024x768xf32>
}

// Few rows, weights that are not finite and weights that only the caller knows are multiplied as the model says.
// CHECK:       kernel.func private @few_rows
// CHECK-SAME:    schedule = #kernel.schedule<"contraction"
kernel.func private @few_rows(%x: tensor<64x768xf32>, %w: tensor<768x768xf32>) -> tensor<64x768xf32> {
  %0 = nn.matmul %x, %w : tensor<64x768xf32>, tensor<768x768xf32> -> tensor<64x768xf32>
  kernel.return %0 : tensor<64x768xf32>
}
// CHECK:       kernel.func private @infinite
// CHECK-SAME:    schedule = #kernel.schedule<"contraction"
kernel.func private @infinite(%x: tensor<1000x768xf32>, %w: tensor<768x768xf32>) -> tensor<1000x768xf32> {
  %0 = nn.matmul %x, %w : tensor<1000x768xf32>, tensor<768x768xf32> -> tensor<1000x768xf32>
  kernel.return %0 : tensor<1000x768xf32>
}
// CHECK:       kernel.func private @unknown
// CHECK-NOT:     strassen
// CHECK-SAME:    schedule = #kernel.schedule<"contraction"
kernel.func private @unknown(%x: tensor<1024x768xf32>, %w: tensor<768x384xf32>) -> tensor<1024x384xf32> {
  %0 = nn.matmul %x, %w : tensor<1024x768xf32>, tensor<768x384xf32> -> tensor<1024x384xf32>
  kernel.return %0 : tensor<1024x384xf32>
}

func.func @main(%a: tensor<1024x768xf32>, %b: tensor<64x768xf32>, %c: tensor<1000x768xf32>, %f: tensor<768x384xf32>) -> (tensor<1024x768xf32>, tensor<64x768xf32>, tensor<1000x768xf32>, tensor<1024x384xf32>) {
  %w = nn.constant dense<0.5> : tensor<768x768xf32>
  %inf = nn.constant dense<0x7F800000> : tensor<768x768xf32>
  %0 = kernel.dispatch @many_rows(%a, %w) : (tensor<1024x768xf32>, tensor<768x768xf32>) -> tensor<1024x768xf32>
  %1 = kernel.dispatch @few_rows(%b, %w) : (tensor<64x768xf32>, tensor<768x768xf32>) -> tensor<64x768xf32>
  %2 = kernel.dispatch @infinite(%c, %inf) : (tensor<1000x768xf32>, tensor<768x768xf32>) -> tensor<1000x768xf32>
  %3 = kernel.dispatch @unknown(%a, %f) : (tensor<1024x768xf32>, tensor<768x384xf32>) -> tensor<1024x384xf32>
  return %0, %1, %2, %3 : tensor<1024x768xf32>, tensor<64x768xf32>, tensor<1000x768xf32>, tensor<1024x384xf32>
}
