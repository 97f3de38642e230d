// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90a --kernel-pack-constants=target=cuda:sm_90a --codegen-emit-cpu="target=cuda:sm_90a assembly" | FileCheck %s
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_80 --kernel-pack-constants=target=cuda:sm_80 --codegen-emit-cpu="target=cuda:sm_80 assembly" | FileCheck %s --check-prefix=SM80

// Bytes times numbers are small: after rounding two of them are held to what a byte can be at once. A byte times its scale is one instruction. What becomes a byte
// in between is held before, as it goes on as f32.
// CHECK-LABEL: .visible .entry residual(
// CHECK-DAG:     fma.rn.f32 {{.*}}, 0f3F400000, 0fCAC00000
// CHECK-DAG:     min.relu.s16x2
// CHECK-NOT:     cvt.pack
// CHECK:         ret;
// SM80-LABEL: .visible .entry residual(
// SM80-NOT:     s16x2
// SM80:         ret;
kernel.func private @residual(%y: tensor<4096x256xui8>, %x: tensor<4096x128xui8>, %w: tensor<256x128xi8> {kernel.constant}) -> tensor<4096x256xui8> attributes {tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %scale = nn.constant dense<0.001> : tensor<f32>
  %zero = nn.constant dense<125.0> : tensor<f32>
  %step = nn.constant dense<0.5> : tensor<f32>
  %own = nn.constant dense<0.75> : tensor<f32>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<4096x128xui8>, tensor<256x128xi8> -> tensor<4096x256xi32>
  %1 = nn.cast %0 {to = f32} : tensor<4096x256xi32> -> tensor<4096x256xf32>
  %2 = nn.mul %1, %scale : tensor<4096x256xf32>, tensor<f32> -> tensor<4096x256xf32>
  %3 = nn.quantize %2 {to = ui8, zero_point = 125 : i64} : tensor<4096x256xf32> -> tensor<4096x256xui8>
  %4 = nn.cast %3 {to = f32} : tensor<4096x256xui8> -> tensor<4096x256xf32>
  %5 = nn.sub %4, %zero : tensor<4096x256xf32>, tensor<f32> -> tensor<4096x256xf32>
  %6 = nn.mul %5, %step : tensor<4096x256xf32>, tensor<f32> -> tensor<4096x256xf32>
  %7 = nn.cast %y {to = f32} : tensor<4096x256xui8> -> tensor<4096x256xf32>
  %8 = nn.mul %7, %own : tensor<4096x256xf32>, tensor<f32> -> tensor<4096x256xf32>
  %9 = nn.add %6, %8 : tensor<4096x256xf32>, tensor<4096x256xf32> -> tensor<4096x256xf32>
  %10 = nn.quantize %9 {to = ui8, zero_point = 0 : i64} : tensor<4096x256xf32> -> tensor<4096x256xui8>
  kernel.return %10 : tensor<4096x256xui8>
}

// 64 x 255 x 128 x 0.001 fits into 16 bits. An odd zero point is added after rounding.
// CHECK-LABEL: .visible .entry odd(
// CHECK:         add.s16x2
// CHECK-SAME:    min.relu.s16x2
// CHECK:         ret;
kernel.func private @odd(%x: tensor<1x32x32x64xui8>, %w: tensor<256x64x1x1xi8> {kernel.constant}) -> tensor<1x32x32x256xui8> attributes {tenon.alignments = array<i64: 16, 16, 16>} {
  %scale = nn.constant dense<0.001> : tensor<f32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x32x32x64xui8>, tensor<256x64x1x1xi8> -> tensor<1x32x32x256xi32>
  %1 = nn.cast %0 {to = f32} : tensor<1x32x32x256xi32> -> tensor<1x32x32x256xf32>
  %2 = nn.mul %1, %scale : tensor<1x32x32x256xf32>, tensor<f32> -> tensor<1x32x32x256xf32>
  %3 = nn.quantize %2 {to = ui8, zero_point = 133 : i64} : tensor<1x32x32x256xf32> -> tensor<1x32x32x256xui8>
  kernel.return %3 : tensor<1x32x32x256xui8>
}

// A bias may be any i32, times 0.001 still one that a sum with 1.5 * 2^23 rounds to. Signed bytes are exchanged with unsigned ones.
// CHECK-LABEL: .visible .entry biased(
// CHECK-NOT:     s16x2
// CHECK:         cvt.pack.sat.u8.s32.b32
// CHECK:         xor.b32 {{.*}}, -2139062144
// CHECK:         ret;
kernel.func private @biased(%x: tensor<4096x128xui8>, %w: tensor<256x128xi8> {kernel.constant}, %bias: tensor<256xi32> {kernel.constant}) -> tensor<4096x256xi8> attributes {tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %scale = nn.constant dense<0.001> : tensor<f32>
  %0 = nn.matmul %x, %w bias %bias {transpose_rhs} : tensor<4096x128xui8>, tensor<256x128xi8>, tensor<256xi32> -> tensor<4096x256xi32>
  %1 = nn.cast %0 {to = f32} : tensor<4096x256xi32> -> tensor<4096x256xf32>
  %2 = nn.mul %1, %scale : tensor<4096x256xf32>, tensor<f32> -> tensor<4096x256xf32>
  %3 = nn.quantize %2 {to = i8, zero_point = 3 : i64} : tensor<4096x256xf32> -> tensor<4096x256xi8>
  kernel.return %3 : tensor<4096x256xi8>
}

// Whose scales are not known is held as f32.
// CHECK-LABEL: .visible .entry unknown(
// CHECK-NOT:     {{s16x2|cvt.pack}}
// CHECK:         ret;
kernel.func private @unknown(%x: tensor<4096x128xui8>, %w: tensor<256x128xi8> {kernel.constant}, %scale: tensor<256xf32> {kernel.constant}) -> tensor<4096x256xui8> attributes {tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<4096x128xui8>, tensor<256x128xi8> -> tensor<4096x256xi32>
  %1 = nn.cast %0 {to = f32} : tensor<4096x256xi32> -> tensor<4096x256xf32>
  %2 = nn.mul %1, %scale : tensor<4096x256xf32>, tensor<256xf32> -> tensor<4096x256xf32>
  %3 = nn.quantize %2 {to = ui8, zero_point = 0 : i64} : tensor<4096x256xf32> -> tensor<4096x256xui8>
  kernel.return %3 : tensor<4096x256xui8>
}
