// The tuning cache: JSON lines, one record a kernel.
#include "lib/Tuner/TuningCache.h"
#include "lib/Target/Gpu.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/TargetParser/Triple.h"
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fcntl.h>
#include <map>
#include <tuple>
#include <unistd.h>

namespace tenon {
using llvm::StringRef;

namespace {
constexpr int kVersion = 1;
constexpr size_t kLongestLine = 64 << 10;
constexpr int kMostThreads = 4096;
constexpr double kDayNs = 86400e9;

std::string describeErrno(StringRef path) {
  return path.str() + ": " + std::strerror(errno);
}

/// Writes all of `text` and makes it durable; returns an empty string or what went wrong.
std::string writeAll(int file, StringRef text, StringRef path) {
  while (!text.empty()) {
    ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return describeErrno(path);
    text = text.drop_front(written);
  }
  return ::fsync(file) == 0 ? "" : describeErrno(path);
}

class File {
public:
  File(const std::string &path, int flags) : descriptor(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  ~File() {
    if (descriptor >= 0)
      ::close(descriptor);
  }
  File(const File &) = delete;
  File &operator=(const File &) = delete;
  const int descriptor;
};

auto keyOf(const TuningRecord &r) {
  return std::tie(r.kernel, r.target, r.cpu, r.threads);
}

/// Whether the schedules beside the best are as they should be, if there are any.
bool readClose(const llvm::json::Object &object, std::vector<CloseSchedule> &close) {
  constexpr size_t kMost = 64;
  const llvm::json::Value *given = object.get("close");
  const llvm::json::Array *list = given ? given->getAsArray() : nullptr;
  if (!given)
    return true;
  if (!list || list->size() > kMost)
    return false;
  for (const llvm::json::Value &value : *list) {
    const llvm::json::Object *entry = value.getAsObject();
    std::optional<StringRef> schedule = entry ? entry->getString("schedule") : std::nullopt;
    std::optional<double> ns = entry ? entry->getNumber("ns") : std::nullopt;
    if (!schedule || !ns || *ns < 0 || *ns > kDayNs)
      return false;
    close.push_back({schedule->str(), *ns});
  }
  return true;
}
} // namespace

std::string instructionSetOf(const Target &target) {
  if (target.isGpu()) {
    std::string name = target.gpuArch();
    for (StringRef library : gpuLibraries()) // what schedules were chosen among counts as well
      name += mayCall(target, library) ? ("+" + library).str() : "";
    return name;
  }
  return llvm::Triple(target.triple).getArchName().str() + " " + llvm::join(target.required, " ");
}

std::string hostCpuName() {
  auto buffer = llvm::MemoryBuffer::getFileAsStream("/proc/cpuinfo");
  if (buffer)
    for (StringRef line : llvm::split((*buffer)->getBuffer(), '\n'))
      if (line.consume_front("model name"))
        return line.trim(" \t:").str();
  llvm::Expected<Target> host = Target::parse("native");
  if (host)
    return host->cpu;
  llvm::consumeError(host.takeError());
  return "unknown";
}

std::string tuningLine(const TuningRecord &r) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  llvm::json::OStream json(stream);
  json.object([&] {
    json.attribute("tenon_tuning", kVersion);
    json.attribute("kernel", r.kernel);
    json.attribute("name", r.name);
    json.attribute("family", r.family);
    json.attribute("schedule", r.schedule);
    json.attribute("target", r.target);
    json.attribute("cpu", r.cpu);
    json.attribute("threads", r.threads);
    json.attribute("ns", std::round(r.ns));
    json.attribute("untuned_ns", std::round(r.untunedNs));
    json.attribute("candidates", r.candidates);
    json.attribute("discarded", r.discarded);
    json.attribute("complete", r.complete);
    if (r.network > 0)
      json.attribute("network", r.network);
    if (r.close.empty())
      return;
    json.attributeArray("close", [&] {
      for (const CloseSchedule &close : r.close)
        json.object([&] {
          json.attribute("schedule", close.schedule);
          json.attribute("ns", std::round(close.ns));
        });
    });
  });
  stream << '\n';
  return text;
}

llvm::Expected<TuningRecord> parseTuningLine(StringRef line) {
  if (line.size() > kLongestLine)
    return llvm::createStringError("is longer than 64 KiB");
  llvm::Expected<llvm::json::Value> parsed = llvm::json::parse(line);
  if (!parsed) {
    llvm::consumeError(parsed.takeError());
    return llvm::createStringError("is not JSON: half-written or corrupt");
  }
  const llvm::json::Object *object = parsed->getAsObject();
  std::optional<int64_t> version = object ? object->getInteger("tenon_tuning") : std::nullopt;
  if (!version)
    return llvm::createStringError("is not a tuning record: 'tenon_tuning' is missing");
  if (*version != kVersion)
    return llvm::createStringError(llvm::Twine("has version ") + llvm::Twine(*version) + "; this compiler reads version " + llvm::Twine(kVersion));

  TuningRecord record;
  std::string wrong;
  auto text = [&](StringRef name, std::string &field) {
    std::optional<StringRef> value = object->getString(name);
    if (value)
      field = value->str();
    else if (wrong.empty())
      wrong = name.str() + "' is missing or no text";
  };
  auto number = [&](StringRef name, auto &field, double least, double most) {
    std::optional<double> value = object->getNumber(name);
    if (value && *value >= least && *value <= most)
      field = *value;
    else if (wrong.empty())
      wrong = name.str() + "' is missing or no possible number";
  };
  text("kernel", record.kernel);
  text("name", record.name);
  text("family", record.family);
  text("schedule", record.schedule);
  text("target", record.target);
  text("cpu", record.cpu);
  number("threads", record.threads, 1, kMostThreads);
  number("ns", record.ns, 0, kDayNs);
  number("untuned_ns", record.untunedNs, 0, kDayNs);
  number("candidates", record.candidates, 0, INT32_MAX);
  number("discarded", record.discarded, 0, INT32_MAX);
  if (std::optional<bool> complete = object->getBoolean("complete"))
    record.complete = *complete;
  else if (wrong.empty())
    wrong = "complete' is missing or not true or false";
  if (object->get("network"))
    number("network", record.network, 0, INT32_MAX - 1);
  if (wrong.empty() && !readClose(*object, record.close))
    wrong = "close' is no short list of schedules with their times";
  if (wrong.empty() && (record.kernel.size() != 32 || !llvm::all_of(record.kernel, llvm::isHexDigit)))
    wrong = "kernel' is not 32 hexadecimal digits";
  if (!wrong.empty())
    return llvm::createStringError("is no record: '" + wrong);
  return record;
}

TuningCache readTuningCache(const std::string &path) {
  TuningCache cache;
  if (!llvm::sys::fs::exists(path))
    return cache;
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer) {
    cache.problems.push_back("cannot be read: " + buffer.getError().message());
    return cache;
  }
  int number = 0;
  for (StringRef rest = (*buffer)->getBuffer(); !rest.empty();) {
    auto [line, after] = rest.split('\n');
    rest = after;
    ++number;
    if (line.trim().empty())
      continue;
    llvm::Expected<TuningRecord> record = parseTuningLine(line);
    if (!record) {
      cache.problems.push_back("line " + std::to_string(number) + " " + llvm::toString(record.takeError()));
      continue;
    }
    record->line = number;
    cache.records.push_back(std::move(*record));
  }
  return cache;
}

std::string appendTuningRecord(const std::string &path, const TuningRecord &record) {
  File file(path, O_RDWR | O_CREAT | O_APPEND);
  if (file.descriptor < 0)
    return describeErrno(path);
  // A line that a killed process left unfinished ends here, so that it costs no other record.
  off_t size = ::lseek(file.descriptor, 0, SEEK_END);
  char last = '\n';
  if (size > 0 && ::pread(file.descriptor, &last, 1, size - 1) != 1)
    return describeErrno(path);
  return writeAll(file.descriptor, (last == '\n' ? "" : "\n") + tuningLine(record), path);
}

std::string rewriteTuningCache(const std::string &path, const std::vector<TuningRecord> &others) {
  std::vector<TuningRecord> all = readTuningCache(path).records;
  all.insert(all.end(), others.begin(), others.end());
  std::stable_sort(all.begin(), all.end(),
                   [](const TuningRecord &a, const TuningRecord &b) { return keyOf(a) != keyOf(b) ? keyOf(a) < keyOf(b) : isBetter(a, b); });
  std::string text;
  for (size_t i = 0; i < all.size(); ++i)
    if (i == 0 || keyOf(all[i]) != keyOf(all[i - 1]))
      text += tuningLine(all[i]);

  std::string beside = path + "." + std::to_string(::getpid()) + ".tmp", problem;
  {
    File file(beside, O_WRONLY | O_CREAT | O_TRUNC);
    problem = file.descriptor < 0 ? describeErrno(beside) : writeAll(file.descriptor, text, beside);
  }
  if (problem.empty() && ::rename(beside.c_str(), path.c_str()) != 0)
    problem = describeErrno(path);
  if (!problem.empty())
    ::unlink(beside.c_str());
  return problem;
}

bool isBetter(const TuningRecord &a, const TuningRecord &b) {
  return std::tuple(!a.complete, -a.network, a.ns) < std::tuple(!b.complete, -b.network, b.ns);
}

std::vector<const TuningRecord *> recordsFor(const TuningCache &cache, StringRef kernel, StringRef instructionSet, StringRef cpu, int threads) {
  std::vector<const TuningRecord *> found;
  for (const TuningRecord &record : cache.records)
    if (record.kernel == kernel && record.target == instructionSet)
      found.push_back(&record);
  std::stable_sort(found.begin(), found.end(), [&](const TuningRecord *a, const TuningRecord *b) {
    auto rank = [&](const TuningRecord *r) { return std::tuple(r->cpu != cpu, r->threads != threads, -r->threads); };
    return rank(a) != rank(b) ? rank(a) < rank(b) : isBetter(*a, *b);
  });
  return found;
}

} // namespace tenon
