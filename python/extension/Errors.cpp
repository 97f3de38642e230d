#include "python/extension/Errors.h"

#include <nanobind/nanobind.h>

namespace nb = nanobind;

namespace tenon::python {

nb::str asText(std::string_view message) { return nb::steal<nb::str>(PyUnicode_DecodeUTF8(message.data(), Py_ssize_t(message.size()), "replace")); }

[[noreturn]] static void raise(const char *type, const std::string &message, const char *status) {
  nb::object made = nb::module_::import_("tenon._errors").attr(type)(asText(message));
  if (status)
    made.attr("status") = nb::str(status);
  PyErr_SetObject(reinterpret_cast<PyObject *>(Py_TYPE(made.ptr())), made.ptr());
  throw nb::python_error();
}

void raiseCompileError(const std::string &message) {
  raise("CompileError", message, nullptr);
}

void raiseQuantizationError(const std::string &message) {
  raise("QuantizationError", message, nullptr);
}

void raiseStatus(tn_status status, const std::string &message) {
  switch (status) {
  case TN_INVALID_ARGUMENT:
  case TN_NAME_NOT_FOUND:
  case TN_SHAPE_MISMATCH:
  case TN_TYPE_MISMATCH:
    raise("InputError", message, tn_status_name(status));
  default:
    raise("RunError", message, tn_status_name(status));
  }
}

} // namespace tenon::python
