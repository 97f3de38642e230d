#include "python/extension/Buffers.h"
#include "python/extension/Errors.h"

namespace nb = nanobind;

namespace tenon::python {

HeldBuffers::~HeldBuffers() {
  for (Py_buffer &view : views)
    PyBuffer_Release(&view);
}

/// The element type of the arrays that carry a tensor. NumPy has none of its own for some types: the package then views these bits as ml_dtypes.
static const char *numpyType(tn_dtype dtype) {
  switch (dtype) {
  case TN_F32:
    return "float32";
  case TN_F16:
    return "float16";
  case TN_F64:
    return "float64";
  case TN_I8:
    return "int8";
  case TN_I16:
    return "int16";
  case TN_I32:
    return "int32";
  case TN_I64:
    return "int64";
  case TN_U16:
  case TN_BF16:
    return "uint16";
  case TN_U32:
    return "uint32";
  case TN_U64:
    return "uint64";
  case TN_BOOL:
    return "bool";
  case TN_C64:
    return "complex64";
  case TN_C128:
    return "complex128";
  default:
    return "uint8";
  }
}

static void setDims(tn_tensor &tensor, size_t rank, auto dim) {
  if (rank > TN_MAX_RANK)
    raiseStatus(TN_SHAPE_MISMATCH, "an array has " + std::to_string(rank) + " dimensions; at most " + std::to_string(TN_MAX_RANK) + " are supported");
  tensor.rank = int32_t(rank);
  for (size_t axis = 0; axis < rank; ++axis)
    tensor.dims[axis] = dim(axis);
}

/// (address, bytes, shape)
static tn_tensor onDevice(nb::handle parts, tn_dtype dtype) {
  tn_tensor tensor{};
  tensor.data = reinterpret_cast<void *>(nb::cast<uintptr_t>(parts[0]));
  tensor.bytes = nb::cast<size_t>(parts[1]);
  tensor.dtype = dtype;
  nb::object shape = parts[2];
  setDims(tensor, nb::len(shape), [&](size_t axis) { return nb::cast<int64_t>(shape[axis]); });
  return tensor;
}

tn_tensor HeldBuffers::hold(nb::handle object, tn_dtype dtype, bool writable) {
  constexpr size_t kPartsOnDevice = 3;
  if (nb::isinstance<nb::tuple>(object) && nb::len(object) == kPartsOnDevice)
    return onDevice(object, dtype);
  bool packed = nb::isinstance<nb::tuple>(object);
  nb::handle memory = packed ? nb::handle(object[0].ptr()) : object;
  Py_buffer view{};
  if (PyObject_GetBuffer(memory.ptr(), &view, PyBUF_C_CONTIGUOUS | (writable ? PyBUF_WRITABLE : 0)))
    throw nb::python_error();
  views.push_back(view);
  tn_tensor tensor{};
  tensor.data = view.buf;
  tensor.bytes = size_t(view.len);
  tensor.dtype = dtype;
  if (packed) {
    nb::object shape = object[1];
    setDims(tensor, nb::len(shape), [&](size_t axis) { return nb::cast<int64_t>(shape[axis]); });
  } else {
    setDims(tensor, size_t(view.ndim), [&](size_t axis) { return int64_t(view.shape[axis]); });
  }
  return tensor;
}

nb::object emptyFor(const tn_tensor &tensor) {
  nb::object empty = nb::module_::import_("numpy").attr("empty");
  nb::list dims;
  for (int32_t axis = 0; axis < tensor.rank; ++axis)
    dims.append(tensor.dims[axis]);
  nb::tuple shape(dims);
  if (tn_dtype_bits(tensor.dtype) % 8 == 0)
    return empty(shape, numpyType(tensor.dtype));
  return nb::make_tuple(empty(tensor.bytes, "uint8"), shape);
}

} // namespace tenon::python
