#include "tools/tenon/quantize/Statistics.h"
#include "runtime/plan/Checksum.h"
#include "tools/tenon/File.h"
#include "tools/tenon/quantize/ByteStream.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace tenon::driver {
namespace {

constexpr std::string_view kBegin = "tenon quantization statistics 1\n"; // the number changes with what follows
constexpr size_t kChecksumBytes = 8;

std::string payloadOf(const Statistics &statistics, StatisticsKeys keys) {
  ByteWriter writer;
  writer.number(keys.ranges);
  writer.number(uint64_t(statistics.runs));
  writer.number(statistics.tensors.size());
  for (const auto &[name, counts] : statistics.tensors) {
    writer.text(name);
    counts.write(writer);
  }
  writer.number(keys.measurements);
  writer.number(uint64_t(statistics.errorRuns));
  writer.number(statistics.errorSums.size());
  for (double sum : statistics.errorSums)
    writer.real(sum);
  writer.number(statistics.scores.size());
  for (const auto &[choice, score] : statistics.scores) {
    writer.text(choice);
    writer.real(score);
  }
  return std::move(writer.bytes);
}

bool parsePayload(ByteReader &reader, StatisticsKeys keys, Statistics &statistics) {
  if (reader.number() != keys.ranges)
    return true;
  statistics.runs = int64_t(reader.number());
  for (uint64_t left = reader.number(); left && reader.isGood(); left--) {
    std::string name = reader.text();
    if (!statistics.tensors[name].read(reader))
      return false;
  }
  if (reader.number() != keys.measurements)
    return reader.isGood();
  statistics.errorRuns = int64_t(reader.number());
  for (uint64_t left = reader.number(); left && reader.isGood(); left--)
    statistics.errorSums.push_back(reader.real());
  for (uint64_t left = reader.number(); left && reader.isGood(); left--) {
    std::string choice = reader.text();
    statistics.scores[choice] = reader.real();
  }
  return reader.isAtEnd();
}

std::string runsText(int64_t runs) { return std::to_string(runs) + (runs == 1 ? " run" : " runs"); }

/// What an interrupted run had got to.
std::string stateText(const Statistics &statistics) {
  std::string text = runsText(statistics.runs) + " of the samples";
  if (statistics.errorRuns)
    text += ", errors of layers in " + runsText(statistics.errorRuns);
  if (!statistics.scores.empty())
    text += ", " + std::to_string(statistics.scores.size()) + (statistics.scores.size() == 1 ? " score" : " scores");
  return text;
}

} // namespace

std::string statisticsBytes(const Statistics &statistics, StatisticsKeys keys) {
  std::string payload = payloadOf(statistics, keys);
  uint64_t sum = plan::checksum(payload.data(), payload.size());
  std::string bytes(kBegin);
  bytes.append(reinterpret_cast<const char *>(&sum), sizeof sum);
  return bytes + payload;
}

bool areStatistics(std::string_view bytes) { return bytes.starts_with(kBegin); }

bool parseStatistics(std::string_view bytes, StatisticsKeys keys, Statistics &statistics) {
  if (!areStatistics(bytes) || bytes.size() < kBegin.size() + kChecksumBytes)
    return false;
  uint64_t sum = 0;
  std::memcpy(&sum, bytes.data() + kBegin.size(), sizeof sum);
  bytes.remove_prefix(kBegin.size() + kChecksumBytes);
  if (sum != plan::checksum(bytes.data(), bytes.size()))
    return false;
  ByteReader reader(bytes);
  if (parsePayload(reader, keys, statistics))
    return true;
  statistics = Statistics();
  return false;
}

std::string StatisticsFile::read() {
  std::error_code problem;
  if (!isKept || !std::filesystem::exists(path, problem))
    return "";
  std::vector<std::byte> bytes;
  if (std::filesystem::is_regular_file(path, problem))
    bytes = readFile(path);
  std::string_view text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  isThere = isKept = areStatistics(text);
  if (!isKept)
    return path + ": is no file of statistics and is left alone; an interrupted run will begin anew";
  if (!parseStatistics(text, keys, statistics))
    return path + ": is damaged and not used";
  if (statistics.isEmpty())
    return path + ": is of another model, of other samples or of another version, and not used";
  return path + ": goes on after " + stateText(statistics);
}

void StatisticsFile::keep() {
  constexpr auto kWorthSaving = std::chrono::seconds(1);
  constexpr int kTimesDearer = 20;
  auto start = Clock::now();
  unsaved += start - begun;
  begun = start;
  if (!isKept || unsaved < std::max<Clock::duration>(kWorthSaving, kTimesDearer * cost))
    return;
  // One name for what is written: what a process leaves that is killed here, the next one replaces.
  std::string bytes = statisticsBytes(statistics, keys), next = nextPath();
  std::error_code problem;
  std::ofstream file(next, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), std::streamsize(bytes.size()));
  file.close();
  if (file)
    std::filesystem::rename(next, path, problem);
  if (!file || problem) { // only the chance to go on is lost; the user learns of a full disk when the result is written
    std::filesystem::remove(next, problem);
    isKept = false;
    return;
  }
  isThere = true;
  begun = Clock::now();
  cost = begun - start;
  unsaved = {};
}

void StatisticsFile::remove() {
  std::error_code ignored;
  if (isThere)
    std::filesystem::remove(path, ignored);
  if (isKept)
    std::filesystem::remove(nextPath(), ignored);
  isThere = false;
}

} // namespace tenon::driver
