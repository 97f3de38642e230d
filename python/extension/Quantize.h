// tenon._tenon.quantize: the driver's quantization, over samples and a metric of Python's.
#pragma once
#include <nanobind/nanobind.h>

namespace tenon::python {

void defineQuantize(nanobind::module_ &module);

} // namespace tenon::python
