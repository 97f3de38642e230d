// Bytes that are stored one by one: the byte is the low end of a sum in f32, and a store of the sum's register would be one of the number, saturated, as
// ptxas reads it. A product of one column, as the integral over YOLOv8's bins is, and a tail of columns.
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90a --codegen-emit-cpu="target=cuda:sm_90a assembly" | FileCheck %s
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_80 --codegen-emit-cpu="target=cuda:sm_80 assembly" | FileCheck %s

// CHECK-LABEL: .visible .entry column(
// CHECK:         mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32
// CHECK-NOT:     st.global.b8 {{.*}}, %r{{[0-9]+}};
// CHECK:         cvt.u16.u32 narrow0, %r{{[0-9]+}}; st.global.b8 [%rd{{[0-9]+}}], narrow0; }
// CHECK-NOT:     st.global.b8 {{.*}}, %r{{[0-9]+}};
// CHECK:         ret;
kernel.func private @column(%x: tensor<1x8400x4x16xui8>, %packed: tensor<8x1x1x16xi8> {kernel.constant}) -> tensor<1x8400x4x1xui8> attributes {tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [8, 16, 1, 1], split = [8, 16, 1, 1], perm = [0, 2, 3, 1]>} : tensor<8x1x1x16xi8> -> tensor<1x16x1x1xi8>
  %s = nn.constant dense<0.0079> : tensor<f32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x8400x4x16xui8>, tensor<1x16x1x1xi8> -> tensor<1x8400x4x1xi32>
  %1 = nn.cast %0 {to = f32} : tensor<1x8400x4x1xi32> -> tensor<1x8400x4x1xf32>
  %2 = nn.mul %1, %s : tensor<1x8400x4x1xf32>, tensor<f32> -> tensor<1x8400x4x1xf32>
  %3 = nn.quantize %2 {zero_point = 0 : i64, to = ui8} : tensor<1x8400x4x1xf32> -> tensor<1x8400x4x1xui8>
  kernel.return %3 : tensor<1x8400x4x1xui8>
}

// CHECK-LABEL: .visible .entry element(
// CHECK-NOT:     st.global.b8 {{.*}}, %r{{[0-9]+}};
// CHECK:         cvt.u16.u32 narrow0, %r{{[0-9]+}}; st.global.b8
// CHECK:         ret;
kernel.func private @element(%x: tensor<37xf32>) -> tensor<37xui8> {
  %0 = nn.quantize %x {zero_point = 0 : i64, to = ui8} : tensor<37xf32> -> tensor<37xui8>
  kernel.return %0 : tensor<37xui8>
}
