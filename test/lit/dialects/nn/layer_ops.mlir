// RUN: tenon-opt %s > %t && tenon-opt %t | diff %t -
// RUN: tenon-opt %s -mlir-print-op-generic | tenon-opt | diff %t -
// RUN: FileCheck %s --input-file=%t

// Layers, read and written back, in text and in generic form.

// CHECK-LABEL: func.func @contractions
func.func @contractions(%x: tensor<?x128xf32, #nn.dims<[n, 128]>>, %w: tensor<10x128xf32>, %b: tensor<10xf32>,
                        %image: tensor<1x?x?x8xf32, #nn.dims<[1, h, w, 8]>>, %filter: tensor<16x4x3x3xf32>, %upfilter: tensor<8x4x4x4xf32>) {
  // CHECK: nn.matmul %{{.*}}, %{{.*}} bias %{{.*}} {transpose_rhs} :
  %0 = nn.matmul %x, %w bias %b {transpose_rhs} : tensor<?x128xf32, #nn.dims<[n, 128]>>, tensor<10x128xf32>, tensor<10xf32>
    -> tensor<?x10xf32, #nn.dims<[n, 10]>>
  // Two groups of four channels, every second pixel.
  // CHECK: nn.conv %{{.*}}, %{{.*}} {{{.*}}groups = 2 : i64, layout = #nn.layout<channels_last>
  %1 = nn.conv %image, %filter {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64,
                                layout = #nn.layout<channels_last>}
    : tensor<1x?x?x8xf32, #nn.dims<[1, h, w, 8]>>, tensor<16x4x3x3xf32>
    -> tensor<1x?x?x16xf32, #nn.dims<[1, floordiv(h + 1, 2), floordiv(w + 1, 2), 16]>>
  // CHECK: nn.conv_transpose
  %2 = nn.conv_transpose %image, %upfilter {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>,
                                            output_padding = array<i64: 0, 0>, layout = #nn.layout<channels_last>}
    : tensor<1x?x?x8xf32, #nn.dims<[1, h, w, 8]>>, tensor<8x4x4x4xf32> -> tensor<1x?x?x4xf32, #nn.dims<[1, 2 * h, 2 * w, 4]>>
  return
}

// CHECK-LABEL: func.func @pool
func.func @pool(%x: tensor<1x64x?xf32, #nn.dims<[1, 64, t]>>) {
  // CHECK: nn.pool %{{.*}} {dilations = array<i64: 1>, kind = #nn.pool_kind<max>
  %0 = nn.pool %x {kind = #nn.pool_kind<max>, window = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 0, 0>, dilations = array<i64: 1>}
    : tensor<1x64x?xf32, #nn.dims<[1, 64, t]>> -> tensor<1x64x?xf32, #nn.dims<[1, 64, floordiv(t, 2)]>>
  // ceil((t - 2) / 2) + 1, but no window starts beyond the end: both are ceil(t / 2) here.
  // CHECK: nn.pool %{{.*}} {ceil_mode
  %1 = nn.pool %x {kind = #nn.pool_kind<average>, window = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 0, 0>,
                   dilations = array<i64: 1>, ceil_mode}
    : tensor<1x64x?xf32, #nn.dims<[1, 64, t]>> -> tensor<1x64x?xf32, #nn.dims<[1, 64, floordiv(t + 1, 2)]>>
  // CHECK: nn.arg_pool %{{.*}} {column_major
  %2 = nn.arg_pool %x {window = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, column_major}
    : tensor<1x64x?xf32, #nn.dims<[1, 64, t]>> -> tensor<1x64x?xi64, #nn.dims<[1, 64, floordiv(t, 2)]>>
  return
}

// CHECK-LABEL: func.func @along_axes
func.func @along_axes(%x: tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>>) {
  // CHECK: nn.reduce %{{.*}} {axes = array<i64: 1>, keep_dims, kind = #nn.reduce_kind<mean>}
  %0 = nn.reduce %x {kind = #nn.reduce_kind<mean>, axes = array<i64: 1>, keep_dims}
    : tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>> -> tensor<?x1x4xf32, #nn.dims<[n, 1, 4]>>
  // CHECK: nn.reduce
  %1 = nn.reduce %x {kind = #nn.reduce_kind<log_sum_exp>, axes = array<i64: 0, 2>} : tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>> -> tensor<8xf32>
  // CHECK: nn.arg_reduce
  %2 = nn.arg_reduce %x {axis = 2 : i64, minimum} : tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>> -> tensor<?x8xi64, #nn.dims<[n, 8]>>
  // CHECK: nn.softmax
  %3 = nn.softmax %x {axis = 2 : i64, logarithm} : tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>> -> tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>>
  // CHECK: nn.cumsum
  %4 = nn.cumsum %x {axis = 1 : i64, exclusive} : tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>> -> tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>>
  // CHECK: nn.cumsum %{{.*}} {axis = 1 : i64, product}
  %product = nn.cumsum %x {axis = 1 : i64, product} : tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>> -> tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>>
  return
}

// CHECK-LABEL: func.func @norms
func.func @norms(%x: tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>>, %c: tensor<8xf32>, %l: tensor<4xf32>) {
  // CHECK: nn.batch_norm
  %0 = nn.batch_norm %x, %c, %c, %c, %c {epsilon = 1.0e-5 : f64}
    : (tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>>
  // CHECK: nn.layer_norm %{{.*}} scale %{{.*}} : tensor<4xf32> bias
  %1 = nn.layer_norm %x scale %l : tensor<4xf32> bias %l : tensor<4xf32> {axis = 2 : i64, epsilon = 1.0e-5 : f64}
    : tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>> -> tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>>
  // CHECK: nn.rms_norm %{{.*}} {axis
  %2 = nn.rms_norm %x {axis = 2 : i64, epsilon = 1.0e-5 : f64} : tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>> -> tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>>
  // CHECK: nn.group_norm
  %3 = nn.group_norm %x, %c, %c {groups = 2 : i64, epsilon = 1.0e-5 : f64}
    : (tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>>
  // CHECK: nn.lrn
  %4 = nn.lrn %x {size = 5 : i64, alpha = 1.0e-4 : f64, beta = 0.75 : f64, bias = 1.0 : f64}
    : tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>> -> tensor<?x8x4xf32, #nn.dims<[n, 8, 4]>>
  return
}

// Twelve query heads share four key heads; the mask is one row for all heads.
// CHECK-LABEL: func.func @attention
func.func @attention(%q: tensor<1x12x?x64xf32, #nn.dims<[1, 12, s, 64]>>, %k: tensor<1x4x?x64xf32, #nn.dims<[1, 4, t, 64]>>,
                     %m: tensor<1x1x1x?xf32, #nn.dims<[1, 1, 1, t]>>) {
  // CHECK: nn.attention %{{.*}}, %{{.*}}, %{{.*}} mask %{{.*}} : tensor<1x1x1x?xf32, #nn.dims<[1, 1, 1, t]>> {scale = 1.250000e-01 : f64}
  %0 = nn.attention %q, %k, %k mask %m : tensor<1x1x1x?xf32, #nn.dims<[1, 1, 1, t]>> {scale = 0.125 : f64}
    : tensor<1x12x?x64xf32, #nn.dims<[1, 12, s, 64]>>, tensor<1x4x?x64xf32, #nn.dims<[1, 4, t, 64]>>, tensor<1x4x?x64xf32, #nn.dims<[1, 4, t, 64]>>
    -> tensor<1x12x?x64xf32, #nn.dims<[1, 12, s, 64]>>
  return
}

// CHECK-LABEL: func.func @lstm
func.func @lstm(%x: tensor<?x1x16xf32, #nn.dims<[t, 1, 16]>>, %w: tensor<1x256x16xf32>, %r: tensor<1x256x64xf32>, %b: tensor<1x512xf32>,
                %state: tensor<1x1x64xf32>) {
  // CHECK: nn.lstm %{{.*}}, %{{.*}}, %{{.*}} bias(%{{.*}} : tensor<1x512xf32>) initial_h(%{{.*}} : tensor<1x1x64xf32>)
  %s, %h, %c = nn.lstm %x, %w, %r bias(%b : tensor<1x512xf32>) initial_h(%state : tensor<1x1x64xf32>)
      {hidden_size = 64 : i64, direction = #nn.direction<forward>}
    : tensor<?x1x16xf32, #nn.dims<[t, 1, 16]>>, tensor<1x256x16xf32>, tensor<1x256x64xf32>
    -> tensor<?x1x1x64xf32, #nn.dims<[t, 1, 1, 64]>>, tensor<1x1x64xf32>, tensor<1x1x64xf32>
  return
}
