// RUN: tenon-opt %s > %t && tenon-opt %t | diff %t -
// RUN: tenon-opt %s -mlir-print-op-generic | tenon-opt | diff %t -
// RUN: FileCheck %s --input-file=%t

// Every elementwise op, read and written back, in text and in generic form.

// CHECK-LABEL: func.func @unary
func.func @unary(%x: tensor<?x4xf32, #nn.dims<[n, 4]>>, %b: tensor<4xi1>, %i: tensor<4xi32>) {
  // CHECK: nn.abs 
  %abs = nn.abs %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.neg 
  %neg = nn.neg %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.exp 
  %exp = nn.exp %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.log 
  %log = nn.log %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.sqrt 
  %sqrt = nn.sqrt %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.reciprocal 
  %reciprocal = nn.reciprocal %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.sin 
  %sin = nn.sin %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.cos 
  %cos = nn.cos %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.tan 
  %tan = nn.tan %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.asin 
  %asin = nn.asin %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.acos 
  %acos = nn.acos %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.atan 
  %atan = nn.atan %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.sinh 
  %sinh = nn.sinh %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.cosh 
  %cosh = nn.cosh %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.tanh 
  %tanh = nn.tanh %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.asinh 
  %asinh = nn.asinh %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.acosh 
  %acosh = nn.acosh %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.atanh 
  %atanh = nn.atanh %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.erf 
  %erf = nn.erf %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.sign 
  %sign = nn.sign %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.floor 
  %floor = nn.floor %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.ceil 
  %ceil = nn.ceil %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.round 
  %round = nn.round %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.relu 
  %relu = nn.relu %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.sigmoid 
  %sigmoid = nn.sigmoid %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.hard_swish 
  %hard_swish = nn.hard_swish %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.silu 
  %silu = nn.silu %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.softplus 
  %softplus = nn.softplus %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.softsign 
  %softsign = nn.softsign %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.mish 
  %mish = nn.mish %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.not 
  %not = nn.not %b : tensor<4xi1> -> tensor<4xi1>
  // CHECK: nn.bitwise_not 
  %bitwise_not = nn.bitwise_not %i : tensor<4xi32> -> tensor<4xi32>
  // CHECK: nn.leaky_relu 
  %leaky_relu = nn.leaky_relu %x {alpha = 0.2 : f64} : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.elu 
  %elu = nn.elu %x {alpha = 2.0 : f64} : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.celu 
  %celu = nn.celu %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.selu 
  %selu = nn.selu %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.thresholded_relu 
  %thresholded_relu = nn.thresholded_relu %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.hard_sigmoid 
  %hard_sigmoid = nn.hard_sigmoid %x {alpha = 0.25 : f64} : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.gelu 
  %gelu = nn.gelu %x {tanh} : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.clip 
  %clip = nn.clip %x {high = 6.0 : f64, low = 0.0 : f64} : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.is_nan 
  %is_nan = nn.is_nan %x : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xi1, #nn.dims<[n, 4]>>
  // CHECK: nn.is_inf 
  %is_inf = nn.is_inf %x {negative = false} : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xi1, #nn.dims<[n, 4]>>
  // CHECK: nn.cast %{{.*}} {to = i64}
  %cast = nn.cast %x {to = i64} : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xi64, #nn.dims<[n, 4]>>
  // CHECK: nn.cast %{{.*}} {rounding = #nn.round_mode<down>, saturate = false, to = f8E8M0FNU}
  %narrow = nn.cast %x {to = f8E8M0FNU, saturate = false, rounding = #nn.round_mode<down>}
    : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf8E8M0FNU, #nn.dims<[n, 4]>>
  // CHECK: nn.bitcast %{{.*}} {to = i32}
  %bits = nn.bitcast %x {to = i32} : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xi32, #nn.dims<[n, 4]>>
  return
}

// CHECK-LABEL: func.func @binary
func.func @binary(%x: tensor<?x4xf32, #nn.dims<[n, 4]>>, %y: tensor<4xf32>, %b: tensor<4xi1>, %i: tensor<4xi32>) {
  // CHECK: nn.add 
  %add = nn.add %x, %y : tensor<?x4xf32, #nn.dims<[n, 4]>>, tensor<4xf32> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.sub 
  %sub = nn.sub %x, %y : tensor<?x4xf32, #nn.dims<[n, 4]>>, tensor<4xf32> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.mul 
  %mul = nn.mul %x, %y : tensor<?x4xf32, #nn.dims<[n, 4]>>, tensor<4xf32> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.div 
  %div = nn.div %x, %y : tensor<?x4xf32, #nn.dims<[n, 4]>>, tensor<4xf32> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.pow 
  %pow = nn.pow %x, %y : tensor<?x4xf32, #nn.dims<[n, 4]>>, tensor<4xf32> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.max 
  %max = nn.max %x, %y : tensor<?x4xf32, #nn.dims<[n, 4]>>, tensor<4xf32> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.min 
  %min = nn.min %x, %y : tensor<?x4xf32, #nn.dims<[n, 4]>>, tensor<4xf32> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.and 
  %and = nn.and %b, %b : tensor<4xi1>, tensor<4xi1> -> tensor<4xi1>
  // CHECK: nn.or 
  %or = nn.or %b, %b : tensor<4xi1>, tensor<4xi1> -> tensor<4xi1>
  // CHECK: nn.xor 
  %xor = nn.xor %b, %b : tensor<4xi1>, tensor<4xi1> -> tensor<4xi1>
  // CHECK: nn.bitwise_and 
  %bitwise_and = nn.bitwise_and %i, %i : tensor<4xi32>, tensor<4xi32> -> tensor<4xi32>
  // CHECK: nn.bitwise_or 
  %bitwise_or = nn.bitwise_or %i, %i : tensor<4xi32>, tensor<4xi32> -> tensor<4xi32>
  // CHECK: nn.bitwise_xor 
  %bitwise_xor = nn.bitwise_xor %i, %i : tensor<4xi32>, tensor<4xi32> -> tensor<4xi32>
  // CHECK: nn.prelu 
  %prelu = nn.prelu %x, %y : tensor<?x4xf32, #nn.dims<[n, 4]>>, tensor<4xf32> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.mod 
  %mod = nn.mod %x, %y {fmod} : tensor<?x4xf32, #nn.dims<[n, 4]>>, tensor<4xf32> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  // CHECK: nn.bit_shift 
  %bit_shift = nn.bit_shift %i, %i {left} : tensor<4xi32>, tensor<4xi32> -> tensor<4xi32>
  // CHECK: nn.equal 
  %equal = nn.equal %x, %y : tensor<?x4xf32, #nn.dims<[n, 4]>>, tensor<4xf32> -> tensor<?x4xi1, #nn.dims<[n, 4]>>
  // CHECK: nn.less 
  %less = nn.less %x, %y : tensor<?x4xf32, #nn.dims<[n, 4]>>, tensor<4xf32> -> tensor<?x4xi1, #nn.dims<[n, 4]>>
  // CHECK: nn.less_or_equal 
  %less_or_equal = nn.less_or_equal %x, %y : tensor<?x4xf32, #nn.dims<[n, 4]>>, tensor<4xf32> -> tensor<?x4xi1, #nn.dims<[n, 4]>>
  // CHECK: nn.greater 
  %greater = nn.greater %x, %y : tensor<?x4xf32, #nn.dims<[n, 4]>>, tensor<4xf32> -> tensor<?x4xi1, #nn.dims<[n, 4]>>
  // CHECK: nn.greater_or_equal 
  %greater_or_equal = nn.greater_or_equal %x, %y : tensor<?x4xf32, #nn.dims<[n, 4]>>, tensor<4xf32> -> tensor<?x4xi1, #nn.dims<[n, 4]>>
  // CHECK: nn.select 
  %select = nn.select %b, %x, %y : tensor<4xi1>, tensor<?x4xf32, #nn.dims<[n, 4]>>, tensor<4xf32> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  return
}
