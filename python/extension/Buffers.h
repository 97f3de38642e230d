// Python's buffers as the runtime's tensors, without copies.
#pragma once
#include "tenon/runtime.h"

#include <nanobind/nanobind.h>
#include <vector>

namespace tenon::python {

/// Buffers that are held while a plan runs.
class HeldBuffers {
public:
  HeldBuffers() = default;
  HeldBuffers(const HeldBuffers &) = delete;
  ~HeldBuffers();
  /// The tensor of type `dtype` over `object`: a C-contiguous buffer, a pair of a buffer of packed elements and the shape they have, or of memory of
  /// a GPU its address, bytes and shape. Raises BufferError where the memory is not contiguous, or not writable when it must be.
  tn_tensor hold(nanobind::handle object, tn_dtype dtype, bool writable);

private:
  std::vector<Py_buffer> views;
};

/// Fresh memory for a result: an array of `numpyType(dtype)`, or a pair as above for elements of less than a byte.
nanobind::object emptyFor(const tn_tensor &tensor);

} // namespace tenon::python
