#include "tools/tenon/GpuTargets.h"
#include "tools/tenon/CompilerLibrary.h"
#include "tools/tenon/Failure.h"

#include <algorithm>
#include <iterator>
#include <sstream>
#include <vector>

namespace tenon::driver {
namespace {

constexpr const char *kLibraries[] = {"cublaslt", "cudnn"};

std::vector<std::string> split(const std::string &list) {
  std::vector<std::string> words;
  std::istringstream stream(list + ",");
  for (std::string word; std::getline(stream, word, ',');)
    words.push_back(word);
  return words;
}

} // namespace

bool isGpu(const std::string &name) {
  std::string target = name.substr(0, name.find('+')); // what follows it may call
  for (const TargetSummary &known : compiler().knownTargets())
    if (known.name == target)
      return known.cpu.starts_with("sm_");
  return target == "cuda";
}

std::string withLibraries(const std::string &targets, const std::string &libraries) {
  std::string suffix, result;
  for (const std::string &library : split(libraries)) {
    if (std::find(std::begin(kLibraries), std::end(kLibraries), library) == std::end(kLibraries))
      throw UsageFailure("--libraries: there is no library '" + library + "'; cublaslt and cudnn are known");
    suffix += "+" + library;
  }
  for (const std::string &target : split(targets)) {
    bool isShort = target.starts_with("sm_"); // cuda:sm_90,sm_87
    if (!isGpu(isShort ? "cuda:" + target : target))
      throw UsageFailure("--libraries: they are for GPUs, and the target '" + target + "' is none");
    result += (result.empty() ? "" : ",") + target + suffix;
  }
  return result;
}

} // namespace tenon::driver
