// What one caller needs to run a plan.
#pragma once
#include "python/extension/Plan.h"

#include <nanobind/nanobind.h>

namespace tenon::python {

/// Adds class Context to the extension module. A context is used by one Python thread at a time; the GIL is released while it runs.
void defineContext(nanobind::module_ &module);

} // namespace tenon::python
