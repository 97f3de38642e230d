// RUN: tenon-opt %s --kernel-form-groups=gates=true | FileCheck %s
// RUN: tenon-opt %s --kernel-form-groups | FileCheck %s --check-prefix=APART

// Two products of one row with an activation between them are one group where a family computes that, else two.
// CHECK-LABEL: func.func @gate
// CHECK:         nn.conv {{.*}}kernel.group = 1
// CHECK:         nn.silu {{.*}}kernel.group = 1
// CHECK:         nn.conv {{.*}}kernel.group = 1
// CHECK:         nn.sigmoid {{.*}}kernel.group = 1
// APART-LABEL: func.func @gate
// APART:         nn.silu {{.*}}kernel.group = 0
// APART:         nn.sigmoid {{.*}}kernel.group = 1
func.func @gate(%x: tensor<1x1x1x480xf16>) -> tensor<1x1x1x480xf16> {
  %w0 = nn.constant dense<1.0> : tensor<20x480x1x1xf16>
  %w1 = nn.constant dense<2.0> : tensor<480x20x1x1xf16>
  %0 = nn.conv %x, %w0 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x1x1x480xf16>, tensor<20x480x1x1xf16> -> tensor<1x1x1x20xf16>
  %1 = nn.silu %0 : tensor<1x1x1x20xf16> -> tensor<1x1x1x20xf16>
  %2 = nn.conv %1, %w1 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x1x1x20xf16>, tensor<480x20x1x1xf16> -> tensor<1x1x1x480xf16>
  %3 = nn.sigmoid %2 : tensor<1x1x1x480xf16> -> tensor<1x1x1x480xf16>
  return %3 : tensor<1x1x1x480xf16>
}

// A result that something else reads too stays a product of its own.
// CHECK-LABEL: func.func @shared
// CHECK:         nn.silu {{.*}}kernel.group = 0
// CHECK:         nn.sigmoid {{.*}}kernel.group = 1
func.func @shared(%x: tensor<1x1x1x480xf16>) -> (tensor<1x1x1x480xf16>, tensor<1x1x1x20xf16>) {
  %w0 = nn.constant dense<1.0> : tensor<20x480x1x1xf16>
  %w1 = nn.constant dense<2.0> : tensor<480x20x1x1xf16>
  %0 = nn.conv %x, %w0 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x1x1x480xf16>, tensor<20x480x1x1xf16> -> tensor<1x1x1x20xf16>
  %1 = nn.silu %0 : tensor<1x1x1x20xf16> -> tensor<1x1x1x20xf16>
  %2 = nn.conv %1, %w1 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x1x1x20xf16>, tensor<480x20x1x1xf16> -> tensor<1x1x1x480xf16>
  %3 = nn.sigmoid %2 : tensor<1x1x1x480xf16> -> tensor<1x1x1x480xf16>
  return %3, %1 : tensor<1x1x1x480xf16>, tensor<1x1x1x20xf16>
}
