// ptxas: found, asked for its version once, run on files in memory.
#include "lib/Target/Gpu.h"
#include "lib/Target/MemoryFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"

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

/// Where an installed assembler may be, the most explicit place first.
std::vector<std::string> candidates() {
  std::vector<std::string> paths;
  if (auto given = sys::Process::GetEnv("TENON_PTXAS"))
    return {*given};
  if (auto found = sys::findProgramByName("ptxas"))
    paths.push_back(*found);
  for (StringRef variable : {"CUDA_HOME", "CUDA_PATH"})
    if (auto home = sys::Process::GetEnv(variable))
      paths.push_back(*home + "/bin/ptxas");
  paths.push_back("/usr/local/cuda/bin/ptxas");
  // The Python package nvidia-cuda-nvcc of an active environment.
  if (auto environment = sys::Process::GetEnv("VIRTUAL_ENV")) {
    std::error_code error;
    for (sys::fs::directory_iterator it(*environment + "/lib", error), end; it != end && !error; it.increment(error))
      for (StringRef folder : {"cu13", "cuda_nvcc"})
        paths.push_back((Twine(it->path()) + "/site-packages/nvidia/" + folder + "/bin/ptxas").str());
  }
  return paths;
}

struct Search {
  std::optional<Ptxas> found;
  std::string reason = "no ptxas in PATH, CUDA_HOME, /usr/local/cuda or the Python package nvidia-cuda-nvcc";

  Search() {
    for (const std::string &path : candidates()) {
      if (!sys::fs::can_execute(path))
        continue;
      Expected<std::string> text = output(path, {"--version"}, 20);
      if (!text) {
        reason = toString(text.takeError());
        continue;
      }
      // "Cuda compilation tools, release 13.0, V13.0.88"
      StringRef release = StringRef(*text).split("release ").second.split(',').first;
      Ptxas tool{path, 0, 0};
      if (release.split('.').first.getAsInteger(10, tool.major) || release.split('.').second.getAsInteger(10, tool.minor)) {
        reason = path + ": its version could not be read";
        continue;
      }
      found = tool;
      return;
    }
  }
};

const Search &search() {
  static const Search result;
  return result;
}
} // namespace

const std::optional<Ptxas> &Ptxas::find() {
  return search().found;
}
const std::string &Ptxas::reason() {
  return search().reason;
}

Expected<std::vector<char>> Ptxas::assemble(StringRef ptx, StringRef arch) const {
  Expected<MemoryFile> in = MemoryFile::create("tenon-ptx", ArrayRef<char>(ptx.data(), ptx.size())), out = MemoryFile::create("tenon-cubin");
  if (!in || !out)
    return joinErrors(in.takeError(), out.takeError());
  std::string from = in->path(), to = out->path();
  std::string archOption = ("-arch=" + arch).str();
  SmallVector<StringRef> arguments{archOption, "-O3", "-o", to, from};
  constexpr int kSplitCompile = 12; // the first release that compiles functions on several threads
  if (major >= kSplitCompile)
    arguments.insert(arguments.begin(), "--split-compile=0");
  constexpr unsigned kSeconds = 600;
  if (Expected<std::string> printed = output(path, arguments, kSeconds); !printed)
    return printed.takeError();
  Expected<std::vector<char>> cubin = out->read();
  if (cubin && cubin->empty())
    return createStringError(path + " wrote no machine code for " + arch);
  return cubin;
}

} // namespace tenon
