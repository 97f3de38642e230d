// RUN: tenon-opt %s --nn-lower-precision=to=bf16 | FileCheck %s
// RUN: tenon-opt %s --nn-lower-precision=to=f16 | FileCheck %s --check-prefix=F16

// What only an output reads is f32 from the last sums on, which are stored as they are; the product has factors of bf16.
// CHECK-LABEL: func.func @tail
// CHECK:         %[[S:.*]] = nn.conv {{.*}} : tensor<1x640x4x4xbf16>, tensor<1024x640x1x1xbf16> -> tensor<1x1024x4x4xbf16>
// CHECK-NEXT:    %[[F:.*]] = nn.cast %[[S]] {to = f32}
// CHECK-NEXT:    %[[R:.*]] = nn.relu %[[F]] : tensor<1x1024x4x4xf32>
// CHECK-NEXT:    %[[Y:.*]] = nn.softmax %[[R]] {{.*}} : tensor<1x1024x4x4xf32>
// CHECK-NEXT:    return %[[Y]]
// F16-LABEL: func.func @tail
// F16:         nn.relu {{.*}}xf16>
// F16:         nn.softmax {{.*}}xf16>
func.func @tail(%x: tensor<1x640x4x4xf32>) -> tensor<1x1024x4x4xf32> {
  %w = nn.constant dense<0.1> : tensor<1024x640x1x1xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x640x4x4xf32>, tensor<1024x640x1x1xf32> -> tensor<1x1024x4x4xf32>
  %1 = nn.relu %0 : tensor<1x1024x4x4xf32> -> tensor<1x1024x4x4xf32>
  %2 = nn.softmax %1 {axis = 1 : i64} : tensor<1x1024x4x4xf32> -> tensor<1x1024x4x4xf32>
  return %2 : tensor<1x1024x4x4xf32>
}

// So is what a comparison reads; what another product of bf16 reads besides is not.
// CHECK-LABEL: func.func @decision
// CHECK:         nn.relu {{.*}} : tensor<1x640x4x4xbf16>
// CHECK:         nn.sigmoid {{.*}} : tensor<1x640x4x4xf32>
// CHECK:         nn.greater {{.*}} : tensor<1x640x4x4xf32>, tensor<f32>
func.func @decision(%x: tensor<1x640x4x4xf32>) -> (tensor<1x640x4x4xi1>, tensor<1x640x4x4xf32>) {
  %half = nn.constant dense<0.5> : tensor<f32>
  %w = nn.constant dense<0.1> : tensor<640x640x1x1xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x640x4x4xf32>, tensor<640x640x1x1xf32> -> tensor<1x640x4x4xf32>
  %1 = nn.relu %0 : tensor<1x640x4x4xf32> -> tensor<1x640x4x4xf32>
  %2 = nn.sigmoid %1 : tensor<1x640x4x4xf32> -> tensor<1x640x4x4xf32>
  %3 = nn.greater %2, %half : tensor<1x640x4x4xf32>, tensor<f32> -> tensor<1x640x4x4xi1>
  %4 = nn.conv %1, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x640x4x4xf32>, tensor<640x640x1x1xf32> -> tensor<1x640x4x4xf32>
  return %3, %4 : tensor<1x640x4x4xi1>, tensor<1x640x4x4xf32>
}

// It ends at a residual sum, whose other operand is of bf16.
// CHECK-LABEL: func.func @residual
// CHECK:         %[[R:.*]] = nn.relu {{.*}} : tensor<1x1024x4x4xbf16>
// CHECK:         %[[S:.*]] = nn.add {{.*}}, %[[R]] : tensor<1x1024x4x4xbf16>
// CHECK:         %[[F:.*]] = nn.cast %[[S]] {to = f32}
// CHECK:         nn.sigmoid %[[F]] : tensor<1x1024x4x4xf32>
func.func @residual(%x: tensor<1x1024x4x4xf32>) -> tensor<1x1024x4x4xf32> {
  %w = nn.constant dense<0.1> : tensor<1024x1024x1x1xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x1024x4x4xf32>, tensor<1024x1024x1x1xf32> -> tensor<1x1024x4x4xf32>
  %1 = nn.relu %0 : tensor<1x1024x4x4xf32> -> tensor<1x1024x4x4xf32>
  %2 = nn.conv %1, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x1024x4x4xf32>, tensor<1024x1024x1x1xf32> -> tensor<1x1024x4x4xf32>
  %3 = nn.add %2, %1 : tensor<1x1024x4x4xf32>, tensor<1x1024x4x4xf32> -> tensor<1x1024x4x4xf32>
  %4 = nn.sigmoid %3 : tensor<1x1024x4x4xf32> -> tensor<1x1024x4x4xf32>
  return %4 : tensor<1x1024x4x4xf32>
}

// Of seven sums one is longer than 576 terms: those of up to 144 are f32, and what lies between them.
// CHECK-LABEL: func.func @mixed
// CHECK:         %[[A:.*]] = nn.conv {{.*}} : tensor<1x16x4x4xf32>, tensor<32x16x3x3xf32> -> tensor<1x32x4x4xf32>
// CHECK:         %[[R:.*]] = nn.relu %[[A]] : tensor<1x32x4x4xf32>
// CHECK:         %[[B:.*]] = nn.conv %[[R]], {{.*}} : tensor<1x32x4x4xf32>, tensor<8192x32x1x1xf32> -> tensor<1x8192x4x4xf32>
// CHECK:         %[[T:.*]] = nn.cast %[[B]] {to = bf16}
// CHECK:         %[[C:.*]] = nn.conv %[[T]], {{.*}} : tensor<1x8192x4x4xbf16>, tensor<32x8192x1x1xbf16> -> tensor<1x32x4x4xbf16>
// CHECK:         %[[D:.*]] = nn.conv %[[C]], {{.*}} : tensor<1x32x4x4xbf16>, tensor<32x32x5x3xbf16> -> tensor<1x32x4x4xbf16>
// CHECK:         %[[W:.*]] = nn.cast %[[D]] {to = f32}
// CHECK-COUNT-3: nn.conv {{.*}} : tensor<1x32x4x4xf32>, tensor<{{.*}}xf32> -> tensor<{{.*}}xf32>
func.func @mixed(%x: tensor<1x16x4x4xf32>) -> tensor<1x8192x4x4xf32> {
  %v = nn.constant dense<0.1> : tensor<32x16x3x3xf32>
  %w = nn.constant dense<0.1> : tensor<8192x32x1x1xf32>
  %u = nn.constant dense<0.1> : tensor<32x8192x1x1xf32>
  %m = nn.constant dense<0.1> : tensor<32x32x5x3xf32>
  %n = nn.constant dense<0.1> : tensor<32x32x1x1xf32>
  %0 = nn.conv %x, %v {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x16x4x4xf32>, tensor<32x16x3x3xf32> -> tensor<1x32x4x4xf32>
  %1 = nn.relu %0 : tensor<1x32x4x4xf32> -> tensor<1x32x4x4xf32>
  %2 = nn.conv %1, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x32x4x4xf32>, tensor<8192x32x1x1xf32> -> tensor<1x8192x4x4xf32>
  %3 = nn.conv %2, %u {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x8192x4x4xf32>, tensor<32x8192x1x1xf32> -> tensor<1x32x4x4xf32>
  %4 = nn.conv %3, %m {strides = array<i64: 1, 1>, pads = array<i64: 2, 1, 2, 1>, dilations = array<i64: 1, 1>} : tensor<1x32x4x4xf32>, tensor<32x32x5x3xf32> -> tensor<1x32x4x4xf32>
  %5 = nn.conv %4, %n {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x32x4x4xf32>, tensor<32x32x1x1xf32> -> tensor<1x32x4x4xf32>
  %6 = nn.conv %5, %n {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x32x4x4xf32>, tensor<32x32x1x1xf32> -> tensor<1x32x4x4xf32>
  %7 = nn.conv %6, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x32x4x4xf32>, tensor<8192x32x1x1xf32> -> tensor<1x8192x4x4xf32>
  return %7 : tensor<1x8192x4x4xf32>
}

// Positions that are means of bins want more: all sums of up to 576 terms, but for results of more than 450,000 numbers.
// CHECK-LABEL: func.func @bins
// CHECK:         nn.conv {{.*}} : tensor<1x64x4x4xf32>, tensor<64x64x3x3xf32> -> tensor<1x64x4x4xf32>
// CHECK:         nn.conv {{.*}} : tensor<1x64x4x4xf32>, tensor<8192x64x1x1xf32> -> tensor<1x8192x4x4xf32>
// CHECK:         nn.conv {{.*}} : tensor<1x8192x4x4xbf16>, tensor<64x8192x1x1xbf16> -> tensor<1x64x4x4xbf16>
// CHECK:         nn.conv {{.*}} : tensor<1x64x4x4xf32>, tensor<64x64x3x3xf32> -> tensor<1x64x4x4xf32>
// CHECK:         nn.conv {{.*}} : tensor<1x64x4x4xf32>, tensor<16x64x1x1xf32> -> tensor<1x16x4x4xf32>
// CHECK:         nn.softmax {{.*}} : tensor<1x16x4x4xf32>
// CHECK:         nn.conv {{.*}} : tensor<1x16x4x4xf32>, tensor<1x16x1x1xf32> -> tensor<1x1x4x4xf32>
// CHECK:         nn.conv {{.*}} : tensor<1x4x512x512xbf16>, tensor<4x4x1x1xbf16> -> tensor<1x4x512x512xbf16>
func.func @bins(%x: tensor<1x64x4x4xf32>, %large: tensor<1x4x512x512xf32>) -> (tensor<1x1x4x4xf32>, tensor<1x4x512x512xf32>) {
  %v = nn.constant dense<0.1> : tensor<64x64x3x3xf32>
  %w = nn.constant dense<0.1> : tensor<8192x64x1x1xf32>
  %u = nn.constant dense<0.1> : tensor<64x8192x1x1xf32>
  %l = nn.constant dense<0.1> : tensor<16x64x1x1xf32>
  %bins = nn.constant dense<0.1> : tensor<1x16x1x1xf32>
  %m = nn.constant dense<0.1> : tensor<4x4x1x1xf32>
  %0 = nn.conv %x, %v {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x64x4x4xf32>, tensor<64x64x3x3xf32> -> tensor<1x64x4x4xf32>
  %1 = nn.conv %0, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x64x4x4xf32>, tensor<8192x64x1x1xf32> -> tensor<1x8192x4x4xf32>
  %2 = nn.conv %1, %u {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x8192x4x4xf32>, tensor<64x8192x1x1xf32> -> tensor<1x64x4x4xf32>
  %3 = nn.conv %2, %v {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x64x4x4xf32>, tensor<64x64x3x3xf32> -> tensor<1x64x4x4xf32>
  %4 = nn.conv %3, %l {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x64x4x4xf32>, tensor<16x64x1x1xf32> -> tensor<1x16x4x4xf32>
  %5 = nn.softmax %4 {axis = 1 : i64} : tensor<1x16x4x4xf32> -> tensor<1x16x4x4xf32>
  %6 = nn.conv %5, %bins {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x16x4x4xf32>, tensor<1x16x1x1xf32> -> tensor<1x1x4x4xf32>
  %7 = nn.conv %large, %m {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x4x512x512xf32>, tensor<4x4x1x1xf32> -> tensor<1x4x512x512xf32>
  return %6, %7 : tensor<1x1x4x4xf32>, tensor<1x4x512x512xf32>
}

// A network of short sums stays f32.
// CHECK-LABEL: func.func @short
// CHECK-NOT:     bf16
// CHECK:         return
func.func @short(%x: tensor<1x16x4x4xf32>) -> tensor<1x16x4x4xf32> {
  %w = nn.constant dense<0.1> : tensor<16x16x3x3xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x16x4x4xf32>, tensor<16x16x3x3xf32> -> tensor<1x16x4x4xf32>
  %1 = nn.relu %0 : tensor<1x16x4x4xf32> -> tensor<1x16x4x4xf32>
  %2 = nn.conv %1, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x16x4x4xf32>, tensor<16x16x3x3xf32> -> tensor<1x16x4x4xf32>
  return %2 : tensor<1x16x4x4xf32>
}

// What a norm and a further sum read is f32, and so is the norm; products take what it gives as bf16, and are added in f32. f16 has no need of that.
// CHECK-LABEL: func.func @layers
// CHECK:         %[[A:.*]] = nn.matmul {{.*}} : tensor<16x1024xbf16>, tensor<1024x1024xbf16> -> tensor<16x1024xbf16>
// CHECK:         %[[AF:.*]] = nn.cast %[[A]] {to = f32}
// CHECK:         %[[S:.*]] = nn.add {{.*}}%[[AF]]{{.*}} : tensor<16x1024xf32>, tensor<16x1024xf32> -> tensor<16x1024xf32>
// CHECK:         %[[N:.*]] = nn.layer_norm %[[S]] {{.*}} : tensor<16x1024xf32> -> tensor<16x1024xf32>
// CHECK:         %[[NB:.*]] = nn.cast %[[N]] {to = bf16}
// CHECK:         nn.matmul %[[NB]], {{.*}} : tensor<16x1024xbf16>, tensor<1024x1024xbf16> -> tensor<16x1024xbf16>
// CHECK:         nn.matmul
// F16-LABEL: func.func @layers
// F16:         nn.add {{.*}} -> tensor<16x1024xf16>
// F16:         nn.layer_norm {{.*}} -> tensor<16x1024xf16>
func.func @layers(%x: tensor<16x1024xf32>) -> tensor<16x1024xf32> {
  %w = nn.constant dense<0.1> : tensor<1024x1024xf32>
  %scale = nn.constant dense<1.5> : tensor<1024xf32>
  %0 = nn.matmul %x, %w : tensor<16x1024xf32>, tensor<1024x1024xf32> -> tensor<16x1024xf32>
  %1 = nn.add %x, %0 : tensor<16x1024xf32>, tensor<16x1024xf32> -> tensor<16x1024xf32>
  %2 = nn.layer_norm %1 scale %scale : tensor<1024xf32> {axis = 1 : i64, epsilon = 1.0e-5 : f64} : tensor<16x1024xf32> -> tensor<16x1024xf32>
  %3 = nn.matmul %2, %w : tensor<16x1024xf32>, tensor<1024x1024xf32> -> tensor<16x1024xf32>
  %4 = nn.add %1, %3 : tensor<16x1024xf32>, tensor<16x1024xf32> -> tensor<16x1024xf32>
  %5 = nn.matmul %4, %w : tensor<16x1024xf32>, tensor<1024x1024xf32> -> tensor<16x1024xf32>
  return %5 : tensor<16x1024xf32>
}
