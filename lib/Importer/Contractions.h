// Matrix products, for the operators that contain one.
#pragma once
#include "lib/Importer/Node.h"

namespace tenon::importer {

/// numpy's matmul: a vector on the left is a row, one on the right a column; the result loses that axis again.
mlir::Value matrixProduct(Node &node, mlir::Value lhs, mlir::Value rhs);

} // namespace tenon::importer
