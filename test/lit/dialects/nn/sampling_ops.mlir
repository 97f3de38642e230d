// RUN: tenon-opt %s | tenon-opt | FileCheck %s

// Images at places that are data, the order of elements, layers with a state: their text, twice through the parser.

// CHECK-LABEL: func.func @sampling
func.func @sampling(%x: tensor<?x3x32x32xf32, #nn.dims<[n, 3, 32, 32]>>, %g: tensor<?x8x9x2xf32, #nn.dims<[n, 8, 9, 2]>>,
                    %rois: tensor<?x4xf32, #nn.dims<[r, 4]>>, %batch: tensor<?xi64, #nn.dims<[r]>>) {
  // CHECK: nn.grid_sample %{{.*}}, %{{.*}} {mode = #nn.resize_mode<cubic>, padding = #nn.grid_padding<reflection>}
  // CHECK-SAME: -> tensor<?x3x8x9xf32, #nn.dims<[n, 3, 8, 9]>>
  %0 = nn.grid_sample %x, %g {mode = #nn.resize_mode<cubic>, padding = #nn.grid_padding<reflection>}
    : (tensor<?x3x32x32xf32, #nn.dims<[n, 3, 32, 32]>>, tensor<?x8x9x2xf32, #nn.dims<[n, 8, 9, 2]>>) -> tensor<?x3x8x9xf32, #nn.dims<[n, 3, 8, 9]>>
  // CHECK: nn.roi_align %{{.*}} -> tensor<?x3x7x7xf32, #nn.dims<[r, 3, 7, 7]>>
  %1 = nn.roi_align %x, %rois, %batch {sizes = array<i64: 7, 7>, spatial_scale = 0.5 : f64, sampling_ratio = 2 : i64, half_pixel}
    : (tensor<?x3x32x32xf32, #nn.dims<[n, 3, 32, 32]>>, tensor<?x4xf32, #nn.dims<[r, 4]>>, tensor<?xi64, #nn.dims<[r]>>)
    -> tensor<?x3x7x7xf32, #nn.dims<[r, 3, 7, 7]>>
  return
}

// CHECK-LABEL: func.func @top_k
func.func @top_k(%x: tensor<4x?xf32, #nn.dims<[4, n]>>) {
  // CHECK: nn.top_k %{{.*}} -> tensor<4x?xf32, #nn.dims<[4, min(n, 300)]>>, tensor<4x?xi64, #nn.dims<[4, min(n, 300)]>>
  %v, %p = nn.top_k %x {k = #nn.dims<[min(n, 300)]>, axis = 1 : i64}
    : tensor<4x?xf32, #nn.dims<[4, n]>> -> tensor<4x?xf32, #nn.dims<[4, min(n, 300)]>>, tensor<4x?xi64, #nn.dims<[4, min(n, 300)]>>
  return
}

// CHECK-LABEL: func.func @recurrence
func.func @recurrence(%a: tensor<?x2x1x48xf32, #nn.dims<[t, 2, 1, 48]>>, %r: tensor<1x16x48xf32>, %h: tensor<1x2x16xf32>) {
  // CHECK: nn.recurrence %{{.*}}, %{{.*}} initial_h(%{{.*}} : tensor<1x2x16xf32>) {activations = ["Sigmoid", "Tanh"]
  %s, %last, %c = nn.recurrence %a, %r initial_h(%h : tensor<1x2x16xf32>)
      {cell = #nn.cell<gru>, direction = #nn.direction<forward>, activations = ["Sigmoid", "Tanh"], alpha = array<f64: 0.0, 0.0>,
       beta = array<f64: 0.0, 0.0>, clip = 0.0 : f64}
    : tensor<?x2x1x48xf32, #nn.dims<[t, 2, 1, 48]>>, tensor<1x16x48xf32>
    -> tensor<?x1x2x16xf32, #nn.dims<[t, 1, 2, 16]>>, tensor<1x2x16xf32>, tensor<1x2x16xf32>
  return
}

// Six query heads read the states of three key heads; a decay for each head, a beta for all of them.
// CHECK-LABEL: func.func @linear_attention
func.func @linear_attention(%q: tensor<1x?x48xf32, #nn.dims<[1, t, 48]>>, %k: tensor<1x?x24xf32, #nn.dims<[1, t, 24]>>,
                            %d: tensor<1x?x3xf32, #nn.dims<[1, t, 3]>>, %b: tensor<1x?x1xf32, #nn.dims<[1, t, 1]>>) {
  // CHECK: nn.linear_attention %{{.*}}, %{{.*}}, %{{.*}} decay(%{{.*}}) beta(%{{.*}})
  // CHECK-SAME: -> tensor<1x?x48xf32, #nn.dims<[1, t, 48]>>, tensor<1x3x8x8xf32>
  %y, %state = nn.linear_attention %q, %k, %k decay(%d : tensor<1x?x3xf32, #nn.dims<[1, t, 3]>>) beta(%b : tensor<1x?x1xf32, #nn.dims<[1, t, 1]>>)
      {query_heads = 6 : i64, key_heads = 3 : i64, scale = 0.25 : f64}
    : tensor<1x?x48xf32, #nn.dims<[1, t, 48]>>, tensor<1x?x24xf32, #nn.dims<[1, t, 24]>>, tensor<1x?x24xf32, #nn.dims<[1, t, 24]>>
    -> tensor<1x?x48xf32, #nn.dims<[1, t, 48]>>, tensor<1x3x8x8xf32>
  return
}
