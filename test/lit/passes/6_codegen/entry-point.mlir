// RUN: tenon-opt %s --codegen-emit-cpu=target=x86-64-v3 | FileCheck %s

// What the runtime calls unpacks two arguments, one result, the workspace and one size, and passes them to the body, where the buffers
// are known not to overlap, except the residual that the result may overwrite.
// CHECK-LABEL: module @add_size
// CHECK:         func.func private @add_size.body(
// CHECK-SAME:      %{{[^:]*}}: !llvm.ptr {llvm.noalias}, %{{[^:]*}}: !llvm.ptr, %{{[^:]*}}: !llvm.ptr, %{{[^:]*}}: !llvm.ptr {llvm.noalias}, %{{[^:]*}}: i64, %{{[^:]*}}: i64)
// CHECK:         func.func @add_size(%[[ARGS:.*]]: !llvm.ptr, %[[TASK:.*]]: i32)
// CHECK:           %[[BUFFERS:.*]] = llvm.load %[[ARGS]] : !llvm.ptr -> !llvm.ptr
// CHECK-COUNT-4:   llvm.load {{.*}} : !llvm.ptr -> !llvm.ptr
// CHECK:           llvm.load {{.*}} : !llvm.ptr -> i64
// CHECK:           arith.extui %[[TASK]] : i32 to i64
// CHECK:           call @add_size.body(
kernel.func private @add_size(%x: tensor<?xf32, #nn.dims<[n]>>, %r: tensor<?xf32, #nn.dims<[n]>>) -> tensor<?xf32, #nn.dims<[n]>>
    attributes {symbols = ["n"], schedule = #kernel.schedule<"loops", {}>, tasks = #nn.expr<1>, workspace_bytes = 64 : i64, overwrites = array<i64: 1>} {
  %0 = nn.add %x, %r : tensor<?xf32, #nn.dims<[n]>>, tensor<?xf32, #nn.dims<[n]>> -> tensor<?xf32, #nn.dims<[n]>>
  kernel.return %0 : tensor<?xf32, #nn.dims<[n]>>
}
