// What `tenon tune` tells at the end.
#pragma once
#include "tenon/tuner.h"

#include <string>

namespace tenon::driver {

/// The report as a table for people.
void printTuneReport(const std::string &model, const TuneReport &report, int threads, bool everything);
/// The same as JSON.
void printTuneJson(const std::string &model, const std::string &cache, const TuneReport &report, int threads);

} // namespace tenon::driver
