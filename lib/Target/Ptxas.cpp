// ptxas: found, asked for its version once, run on files in memory.
#include "lib/Target/Gpu.h"
#include "lib/Target/MemoryFile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include <map>
#include <mutex>

namespace tenon {
using namespace llvm;

namespace {
/// Runs a program without input; what it printed, or why it did not work.
Expected<std::string> output(StringRef program, ArrayRef<StringRef> arguments, unsigned seconds) {
  Expected<MemoryFile> out = MemoryFile::create("tenon-said");
  if (!out)
    return out.takeError();
  std::string path = out->path();
  SmallVector<StringRef> all{program};
  all.append(arguments.begin(), arguments.end());
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(path), StringRef(path)};
  std::string why;
  int status = sys::ExecuteAndWait(program, all, std::nullopt, redirects, seconds, 0, &why);
  Expected<std::vector<char>> text = out->read();
  if (!text)
    return text.takeError();
  std::string printed = StringRef(text->data(), text->size()).trim().str();
  if (status != 0)
    return createStringError(program + ": " + (why.empty() ? "exit code " + std::to_string(status) : why) + (printed.empty() ? "" : ": " + printed));
  return printed;
}

constexpr StringRef kGivenBy = "TENON_PTXAS";

std::mutex mutex; // of what follows
std::vector<std::string> &furtherPlaces() {
  static std::vector<std::string> paths;
  return paths;
}

/// Where the package nvidia-cuda-nvcc of a Python environment keeps it.
void addPackage(StringRef environment, std::vector<std::string> &paths) {
  std::error_code error;
  for (sys::fs::directory_iterator it(environment + "/lib", error), end; it != end && !error; it.increment(error))
    for (StringRef folder : {"cu13", "cuda_nvcc"})
      paths.push_back((Twine(it->path()) + "/site-packages/nvidia/" + folder + "/bin/ptxas").str());
}

/// Where an installed assembler may be, the most explicit place first.
std::vector<std::string> candidates() {
  std::vector<std::string> paths;
  if (auto given = sys::Process::GetEnv(kGivenBy))
    return {*given};
  if (auto found = sys::findProgramByName("ptxas"))
    paths.push_back(*found);
  for (StringRef variable : {"CUDA_HOME", "CUDA_PATH"})
    if (auto home = sys::Process::GetEnv(variable))
      paths.push_back(*home + "/bin/ptxas");
  paths.push_back("/usr/local/cuda/bin/ptxas");
  if (auto environment = sys::Process::GetEnv("VIRTUAL_ENV"))
    addPackage(*environment, paths);
  // The interpreter that the console script of the Python package runs in: ENVIRONMENT/bin/python.
  if (auto interpreter = sys::Process::GetEnv("TENON_PYTHON"))
    addPackage(sys::path::parent_path(sys::path::parent_path(*interpreter)), paths);
  append_range(paths, furtherPlaces());
  return paths;
}

/// The release of CUDA that a file belongs to, or why it does not work.
Expected<int> releaseOf(StringRef path) {
  if (!sys::fs::can_execute(path))
    return createStringError("'" + path + "' cannot be executed");
  constexpr unsigned kSeconds = 20;
  Expected<std::string> text = output(path, {"--version"}, kSeconds);
  if (!text)
    return text.takeError();
  // "Cuda compilation tools, release 13.0, V13.0.88"
  auto [major, minor] = StringRef(*text).split("release ").second.split(',').first.split('.');
  unsigned majorNumber = 0, minorNumber = 0;
  if (major.getAsInteger(10, majorNumber) || minor.getAsInteger(10, minorNumber) || minorNumber > 9)
    return createStringError(path + ": its version could not be read");
  return int(10 * majorNumber + minorNumber);
}

struct Examined {
  int release = 0;
  std::string problem; // empty: it works
};

const Examined &examine(const std::string &path) {
  static std::map<std::string, Examined> known;
  auto [it, isNew] = known.try_emplace(path);
  if (!isNew)
    return it->second;
  if (Expected<int> release = releaseOf(path))
    it->second.release = *release;
  else
    it->second.problem = toString(release.takeError());
  return it->second;
}

/// The first release of CUDA that reads a version of PTX (PTX ISA, release notes): 11.0 came with 7.0, and each release with the next one, but 12.6,
/// which reads what 12.5 does; 13.0 began 9.0.
int firstReleaseFor(int ptx) {
  constexpr int kDistance = 40, kFirstAfter126 = 86, kFirstOf13 = 90;
  return ptx + kDistance + (ptx >= kFirstAfter126 && ptx < kFirstOf13);
}

std::string dotted(int version) {
  return std::to_string(version / 10) + "." + std::to_string(version % 10);
}
} // namespace

void Ptxas::alsoAt(const std::string &path) {
  std::lock_guard lock(mutex);
  if (!is_contained(furtherPlaces(), path))
    furtherPlaces().push_back(path);
}

Expected<std::optional<Ptxas>> Ptxas::find(int ptx, std::string &reason) {
  std::lock_guard lock(mutex);
  bool isGiven = sys::Process::GetEnv(kGivenBy).has_value();
  int first = firstReleaseFor(ptx);
  SmallVector<std::string> reasons;
  for (const std::string &path : candidates()) {
    if (!isGiven && !sys::fs::exists(path))
      continue;
    const Examined &found = examine(path);
    if (isGiven && !found.problem.empty())
      return createStringError(kGivenBy + ": " + found.problem);
    if (found.problem.empty() && found.release >= first)
      return Ptxas{path, found.release};
    std::string why = found.problem.empty()
                          ? path + " is of CUDA " + dotted(found.release) + ", PTX " + dotted(ptx) + " needs " + dotted(first) + " or newer"
                          : found.problem;
    if (!is_contained(reasons, why))
      reasons.push_back(why);
  }
  reason = reasons.empty() ? "there is no ptxas in PATH, CUDA_HOME, /usr/local/cuda or the Python package nvidia-cuda-nvcc" : join(reasons, "; ");
  return std::nullopt;
}

Expected<std::vector<char>> Ptxas::assemble(StringRef ptx, StringRef arch) const {
  Expected<MemoryFile> in = MemoryFile::create("tenon-ptx", ArrayRef<char>(ptx.data(), ptx.size())), out = MemoryFile::create("tenon-cubin");
  if (!in || !out)
    return joinErrors(in.takeError(), out.takeError());
  std::string from = in->path(), to = out->path();
  std::string archOption = ("-arch=" + arch).str();
  SmallVector<StringRef> arguments{archOption, "-O3", "-o", to, from};
  constexpr int kSplitCompile = 120; // the first release that compiles functions on several threads
  if (release >= kSplitCompile)
    arguments.insert(arguments.begin(), "--split-compile=0");
  constexpr unsigned kSeconds = 600;
  if (Expected<std::string> printed = output(path, arguments, kSeconds); !printed)
    return printed.takeError();
  Expected<std::vector<char>> cubin = out->read();
  constexpr StringRef kMagic = "\177ELF";
  if (cubin && !StringRef(cubin->data(), cubin->size()).starts_with(kMagic))
    return createStringError(path + " wrote no machine code for " + arch);
  return cubin;
}

} // namespace tenon
