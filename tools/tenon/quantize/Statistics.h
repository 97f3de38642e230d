// What a quantization has measured so far, in a file, so that an interrupted one goes on from there.
#pragma once
#include "tools/tenon/quantize/ValueCounts.h"

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::driver {

struct Statistics {
  std::map<std::string, ValueCounts> tensors;
  int64_t runs = 0;              // of the calibration's samples that are counted in `tensors`, or held out

  // What follows depends on the choice of ranges and on the metric, too.
  std::vector<double> errorSums; // by layer, over `errorRuns` runs
  int64_t errorRuns = 0;
  std::map<std::string, double> scores; // of the metric; "" is the float model, others have a '1' for each layer in f32 and a '0' for each other

  bool isEmpty() const { return !runs && !errorRuns && scores.empty(); }
};

/// Fingerprints of what statistics depend on.
struct StatisticsKeys {
  uint64_t ranges = 0;       // the model, the samples, and which of them are calibrated with
  uint64_t measurements = 0; // all that decides about ranges, errors and scores
};

/// Statistics, and the file that they are kept in from time to time.
class StatisticsFile {
public:
  /// Keeps nothing.
  StatisticsFile() = default;
  StatisticsFile(std::string path, StatisticsKeys keys) : path(std::move(path)), keys(keys), isKept(true) {}

  /// Reads what an interrupted run of the same keys left; of other measurements, the ranges where their key is the same. Returns a sentence about a
  /// file that is there.
  std::string read();
  /// What is done from now on is worth keeping.
  void startWork() { begun = Clock::now(); }
  /// Saves where a second or more of work would be lost otherwise, and more where saving itself takes long: at most a twentieth of the time is spent
  /// on it. The file holds either these statistics or what it held before.
  void keep();
  bool exists() const { return isThere; }
  /// Removes the file, if it is one of statistics.
  void remove();

  Statistics statistics;

private:
  using Clock = std::chrono::steady_clock;
  std::string nextPath() const { return path + ".new"; }

  std::string path;
  StatisticsKeys keys;
  bool isKept = false;  // false: something else has this name, or nothing can be written
  bool isThere = false; // the file, and it is one of statistics
  Clock::time_point begun = Clock::now();
  Clock::duration unsaved{}, cost{}; // work since the statistics were saved, and how long that took
};

/// The file's bytes, and back: false where they are damaged; of other keys, what still holds.
std::string statisticsBytes(const Statistics &statistics, StatisticsKeys keys);
bool parseStatistics(std::string_view bytes, StatisticsKeys keys, Statistics &statistics);
/// True if the bytes begin as those of statistics do.
bool areStatistics(std::string_view bytes);

} // namespace tenon::driver
