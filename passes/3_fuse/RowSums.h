// Sums of rows and what is made of them (dialects/kernel/ProductMarks.h), in the groups of the products that compute them.
#pragma once
#include "passes/3_fuse/Groups.h"

namespace tenon::fuse {

/// Whether `op` belongs to a product before or after it.
bool isOfRows(mlir::Operation *op);
/// Adds the sums of the rows of the only value that leaves the group.
void takeRowSums(Grouping &grouping, int group);
/// Copies what ops of the group read of rows into it.
void takeRowValues(Grouping &grouping, int group);

} // namespace tenon::fuse
