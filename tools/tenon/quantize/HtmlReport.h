// The report as a page that needs nothing but itself.
#pragma once
#include "tools/tenon/quantize/QuantizationReport.h"

namespace tenon::driver {

/// A table of the layers with the distribution of what each of them reads (SVG inside the page), the range of its 256 steps, and its error. No script,
/// no other file, no address of the network.
std::string reportHtml(const QuantizationReport &report);

} // namespace tenon::driver
