#include "tools/tenon/CompilerLibrary.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Table.h"
#include "tools/tenon/TuningCacheVerb.h"

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace tenon::driver {
namespace {

/// Reads a cache that must exist, and reports the lines that are no records.
TuningCache readReporting(const std::string &path) {
  if (!std::filesystem::exists(path))
    throw Failure(path + ": there is no such tuning cache");
  TuningCache cache = compiler().readTuningCache(path);
  for (const std::string &problem : cache.problems)
    std::fprintf(stderr, "%s: %s; skipped\n", path.c_str(), problem.c_str());
  return cache;
}

} // namespace

int listCache(const std::string &path, bool json) {
  TuningCache cache = readReporting(path);
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  Table table({{"untuned us", Align::Right}, {"tuned us", Align::Right}, {"tried", Align::Right}, {"threads", Align::Right}, {"state"}, {"family"}, {"kernel"}, {"cpu"}});
  for (const TuningRecord &record : cache.records) {
    table.add({numberText(record.untunedNs * 1e-3, 1), numberText(record.ns * 1e-3, 1), std::to_string(record.candidates), std::to_string(record.threads),
               std::string(record.complete ? "complete" : "partial") + (record.network ? ", in a network" : ""), record.family, record.name, record.cpu});
    list.push_back({{"line", record.line}, {"kernel", record.kernel}, {"name", record.name}, {"family", record.family}, {"schedule", record.schedule}, {"target", record.target},
                    {"cpu", record.cpu}, {"threads", record.threads}, {"ns", record.ns}, {"untuned_ns", record.untunedNs}, {"candidates", record.candidates},
                    {"discarded", record.discarded}, {"complete", record.complete}, {"network", record.network}});
  }
  if (json)
    std::printf("%s\n", list.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  else
    std::printf("%s\n  %zu records\n", table.text().c_str(), cache.records.size());
  return 0;
}

int rewriteCache(const std::string &path, const std::vector<std::string> &others, bool quiet) {
  size_t found = 0;
  if (others.empty() || std::filesystem::exists(path))
    found = readReporting(path).records.size();
  std::vector<TuningRecord> more;
  for (const std::string &other : others) {
    TuningCache cache = readReporting(other);
    more.insert(more.end(), cache.records.begin(), cache.records.end());
  }
  if (std::string problem = compiler().rewriteTuningCache(path, more); !problem.empty())
    throw Failure(problem);
  size_t kept = compiler().readTuningCache(path).records.size();
  if (!quiet)
    std::printf("%s: %zu records kept of %zu\n", path.c_str(), kept, found + more.size());
  return 0;
}

} // namespace tenon::driver
