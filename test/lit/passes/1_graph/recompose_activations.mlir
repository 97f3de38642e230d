// RUN: tenon-opt %s --nn-recompose --cse | FileCheck %s

// CHECK-LABEL: func.func @silu
// CHECK-NEXT:    %[[Y:.*]] = nn.silu %arg0
// CHECK-NEXT:    return %[[Y]]
func.func @silu(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = nn.sigmoid %x : tensor<4x8xf32> -> tensor<4x8xf32>
  %1 = nn.mul %x, %0 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}

// x * clip(x + 3, 0, 6) / 6, the division last.
// CHECK-LABEL: func.func @hard_swish
// CHECK:         %[[Y:.*]] = nn.hard_swish %arg0
// CHECK-NEXT:    return %[[Y]]
func.func @hard_swish(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %three = nn.constant dense<3.0> : tensor<f32>
  %six = nn.constant dense<6.0> : tensor<f32>
  %0 = nn.add %x, %three : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %1 = nn.clip %0 {low = 0.0, high = 6.0} : tensor<4x8xf32> -> tensor<4x8xf32>
  %2 = nn.mul %x, %1 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %3 = nn.div %2, %six : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  return %3 : tensor<4x8xf32>
}

// Divided by 5 it is something else.
// CHECK-LABEL: func.func @not_hard_swish
// CHECK-NOT:     nn.hard_swish
func.func @not_hard_swish(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %three = nn.constant dense<3.0> : tensor<f32>
  %five = nn.constant dense<5.0> : tensor<f32>
  %0 = nn.add %x, %three : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %1 = nn.clip %0 {low = 0.0, high = 6.0} : tensor<4x8xf32> -> tensor<4x8xf32>
  %2 = nn.mul %x, %1 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %3 = nn.div %2, %five : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  return %3 : tensor<4x8xf32>
}

// 0.5 * x * (1 + erf(x / sqrt 2)) as PyTorch exports it.
// CHECK-LABEL: func.func @gelu_erf
// CHECK:         %[[Y:.*]] = nn.gelu %arg0 :
// CHECK-NEXT:    return %[[Y]]
func.func @gelu_erf(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %sqrt2 = nn.constant dense<1.41421354> : tensor<f32>
  %one = nn.constant dense<1.0> : tensor<f32>
  %half = nn.constant dense<0.5> : tensor<f32>
  %0 = nn.div %x, %sqrt2 : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %1 = nn.erf %0 : tensor<4x8xf32> -> tensor<4x8xf32>
  %2 = nn.add %1, %one : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %3 = nn.mul %x, %2 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %4 = nn.mul %3, %half : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  return %4 : tensor<4x8xf32>
}

// x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))), the cube once as a power and once as products.
// CHECK-LABEL: func.func @gelu_tanh
// CHECK:         nn.gelu %arg0 {tanh}
// CHECK:         nn.gelu %arg1 {tanh}
func.func @gelu_tanh(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %one = nn.constant dense<1.0> : tensor<f32>
  %half = nn.constant dense<0.5> : tensor<f32>
  %three = nn.constant dense<3.0> : tensor<f32>
  %c = nn.constant dense<4.471500e-02> : tensor<f32>
  %s = nn.constant dense<0.797884583> : tensor<f32>
  %0 = nn.mul %x, %half : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %1 = nn.pow %x, %three : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %2 = nn.mul %1, %c : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %3 = nn.add %x, %2 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %4 = nn.mul %3, %s : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %5 = nn.tanh %4 : tensor<4x8xf32> -> tensor<4x8xf32>
  %6 = nn.add %5, %one : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %7 = nn.mul %0, %6 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>

  %8 = nn.mul %c, %y : tensor<f32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %9 = nn.mul %y, %8 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %10 = nn.mul %y, %9 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %11 = nn.add %y, %10 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %12 = nn.mul %s, %11 : tensor<f32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %13 = nn.tanh %12 : tensor<4x8xf32> -> tensor<4x8xf32>
  %14 = nn.add %one, %13 : tensor<f32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %15 = nn.mul %half, %14 : tensor<f32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %16 = nn.mul %y, %15 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %7, %16 : tensor<4x8xf32>, tensor<4x8xf32>
}
