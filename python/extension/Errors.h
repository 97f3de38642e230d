// How the extension raises the package's exceptions (python/tenon/_errors.py).
#pragma once
#include "tenon/runtime.h"

#include <nanobind/nanobind.h>
#include <string>
#include <string_view>

namespace tenon::python {

/// A message as Python's text. Names of a model may be no UTF-8: what is not becomes U+FFFD. Needs the GIL.
nanobind::str asText(std::string_view message);

/// Raises tenon.CompileError with the compiler's diagnostics. Needs the GIL.
[[noreturn]] void raiseCompileError(const std::string &message);

/// Raises tenon.QuantizationError. Needs the GIL.
[[noreturn]] void raiseQuantizationError(const std::string &message);

/// Raises what stands for a status: tenon.InputError for what a caller passed, tenon.RunError otherwise. Needs the GIL.
[[noreturn]] void raiseStatus(tn_status status, const std::string &message);

/// Raises where a function that takes no context has failed.
inline void check(tn_status status) {
  if (status != TN_OK)
    raiseStatus(status, tn_last_error());
}

} // namespace tenon::python
