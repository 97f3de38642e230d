// RUN: tenon-opt %s --nn-recompose --canonicalize | FileCheck %s

// Bytes compared with 0, 1, 2 make one-hot vectors, whose product with a table is a lookup. Position 3 and everything outside reads the row of zeros
// behind the table, as the product does.
// CHECK-LABEL: func.func @bytes
// CHECK-DAG:     %[[T:.*]] = nn.constant dense<{{\[}}[1.000000e+00, 2.000000e+00], [3.000000e+00, 4.000000e+00], [5.000000e+00, 6.000000e+00], [0.000000e+00, 0.000000e+00]]>
// CHECK-DAG:     %[[I:.*]] = nn.reshape %arg0 {dims = #nn.dims<[b, 5]>}
// CHECK:         %[[C:.*]] = nn.cast %[[I]] {to = i64}
// CHECK-DAG:     %[[N:.*]] = nn.less %[[C]], %{{.*}}
// CHECK-DAG:     %[[M:.*]] = nn.min %[[C]], %{{.*}}
// CHECK:         %[[P:.*]] = nn.select %[[N]], %{{.*}}, %[[M]]
// CHECK:         %[[Y:.*]] = nn.gather %[[T]], %[[P]] {axis = 0 : i64}
// CHECK:         return %[[Y]]
func.func @bytes(%x: tensor<?x5x1xi32, #nn.dims<[b, 5, 1]>>) -> tensor<?x5x2xf32, #nn.dims<[b, 5, 2]>> {
  %count = nn.constant dense<[[[0, 1, 2]]]> : tensor<1x1x3xi32>
  %table = nn.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>
  %0 = nn.equal %x, %count : tensor<?x5x1xi32, #nn.dims<[b, 5, 1]>>, tensor<1x1x3xi32> -> tensor<?x5x3xi1, #nn.dims<[b, 5, 3]>>
  %1 = nn.cast %0 {to = f32} : tensor<?x5x3xi1, #nn.dims<[b, 5, 3]>> -> tensor<?x5x3xf32, #nn.dims<[b, 5, 3]>>
  %2 = nn.matmul %1, %table : tensor<?x5x3xf32, #nn.dims<[b, 5, 3]>>, tensor<3x2xf32> -> tensor<?x5x2xf32, #nn.dims<[b, 5, 2]>>
  return %2 : tensor<?x5x2xf32, #nn.dims<[b, 5, 2]>>
}

// OneHot counts negative positions from the end first.
// CHECK-LABEL: func.func @tokens
// CHECK:         %[[N:.*]] = nn.less %arg0, %{{.*}}
// CHECK:         %[[A:.*]] = nn.add %arg0, %{{.*}}
// CHECK:         %[[W:.*]] = nn.select %[[N]], %[[A]], %arg0
// CHECK:         nn.gather %{{.*}}, %{{.*}} {axis = 0 : i64} : (tensor<4x2xf32>, tensor<7xi64>) -> tensor<7x2xf32>
func.func @tokens(%x: tensor<7xi64>) -> tensor<7x2xf32> {
  %values = nn.constant dense<[0.0, 1.0]> : tensor<2xf32>
  %table = nn.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>
  %0 = nn.one_hot %x, %values {depth = #nn.dims<[3]>, axis = 1 : i64} : (tensor<7xi64>, tensor<2xf32>) -> tensor<7x3xf32>
  %1 = nn.matmul %0, %table : tensor<7x3xf32>, tensor<3x2xf32> -> tensor<7x2xf32>
  return %1 : tensor<7x2xf32>
}

// Not lookups: one infinite number makes NaN of all that the product adds up, vectors of 0 and 2 scale, and 0, 2, 1 does not count.
// CHECK-LABEL: func.func @others
// CHECK-NOT:     nn.gather
// CHECK:         return
func.func @others(%x: tensor<7xi64>, %b: tensor<5x1xi64>) -> (tensor<7x2xf32>, tensor<7x2xf32>, tensor<5x2xf32>) {
  %values = nn.constant dense<[0.0, 1.0]> : tensor<2xf32>
  %twos = nn.constant dense<[0.0, 2.0]> : tensor<2xf32>
  %mixed = nn.constant dense<[[0, 2, 1]]> : tensor<1x3xi64>
  %table = nn.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>
  %infinite = nn.constant dense<[[1.0, 2.0], [3.0, 0x7F800000], [5.0, 6.0]]> : tensor<3x2xf32>
  %0 = nn.one_hot %x, %values {depth = #nn.dims<[3]>, axis = 1 : i64} : (tensor<7xi64>, tensor<2xf32>) -> tensor<7x3xf32>
  %1 = nn.matmul %0, %infinite : tensor<7x3xf32>, tensor<3x2xf32> -> tensor<7x2xf32>
  %2 = nn.one_hot %x, %twos {depth = #nn.dims<[3]>, axis = 1 : i64} : (tensor<7xi64>, tensor<2xf32>) -> tensor<7x3xf32>
  %3 = nn.matmul %2, %table : tensor<7x3xf32>, tensor<3x2xf32> -> tensor<7x2xf32>
  %4 = nn.equal %b, %mixed : tensor<5x1xi64>, tensor<1x3xi64> -> tensor<5x3xi1>
  %5 = nn.cast %4 {to = f32} : tensor<5x3xi1> -> tensor<5x3xf32>
  %6 = nn.matmul %5, %table : tensor<5x3xf32>, tensor<3x2xf32> -> tensor<5x2xf32>
  return %1, %3, %6 : tensor<7x2xf32>, tensor<7x2xf32>, tensor<5x2xf32>
}
