#include "tools/tenon/Machine.h"

#include "tenon/runtime.h"
#include "tools/tenon/LocalGpu.h"

#include <algorithm>
#include <fstream>
#include <sched.h>

namespace tenon::driver {
namespace {

#if defined(__aarch64__)
constexpr const char *kArchitecture = "aarch64";
#else
constexpr const char *kArchitecture = "x86-64";
#endif

/// What generated code may use (lib/Target/Target.cpp), on any architecture: tn_cpu_has knows which of them this one has.
constexpr const char *kFeatures[] = {"sse3",     "ssse3",      "sse4.1",      "sse4.2",     "popcnt",     "avx",      "avx2",     "fma",
                                     "f16c",     "bmi",        "bmi2",        "lzcnt",      "avx512f",    "avx512cd", "avx512bw", "avx512dq",
                                     "avx512vl", "avx512vbmi", "avx512vbmi2", "avx512vnni", "avx512bf16", "avxvnni",  "amx-tile", "amx-int8",
                                     "neon",     "fullfp16",   "dotprod",     "i8mm",       "bf16",       "sve",      "sve2"};

std::string cpuName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (size_t colon = line.find(": "); line.starts_with("model name") && colon != std::string::npos)
      return line.substr(colon + 2);
  return std::string(kArchitecture) + " CPU";
}

std::string firstLine(const std::string &path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

void readCaches(Machine &machine) {
  constexpr int kMostCaches = 8;
  for (int i = 0; i < kMostCaches; i++) {
    std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(i);
    if (std::string type = firstLine(folder + "/type"); type != "Data" && type != "Unified")
      continue;
    std::string level = firstLine(folder + "/level");
    int64_t bytes = std::atoll(firstLine(folder + "/size").c_str()) << 10; // "48K"
    (level == "1" ? machine.l1Bytes : level == "2" ? machine.l2Bytes : machine.l3Bytes) = std::max<int64_t>(bytes, 0);
    if (level == "1")
      machine.l1Ways = std::max(0, std::atoi(firstLine(folder + "/ways_of_associativity").c_str()));
  }
}

void describeGpu(Machine &machine, uint32_t device) {
  tn_device_info gpu{};
  gpu.struct_size = sizeof gpu;
  if (tn_device_get_info(device, &gpu) != TN_OK)
    return;
  machine.gpu = gpu.name;
  machine.gpuTarget = targetFor(gpu);
}

} // namespace

int coresOfThisProcess() {
  cpu_set_t cpus;
  return ::sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? std::max(1, CPU_COUNT(&cpus)) : 1;
}

Machine thisMachine(uint32_t device) {
  Machine machine;
  machine.cpu = cpuName();
  machine.target = kArchitecture;
  for (const char *feature : kFeatures)
    if (tn_cpu_has(feature) == 1)
      machine.target += std::string("+") + feature;
  machine.cores = coresOfThisProcess();
  readCaches(machine);
  describeGpu(machine, device);
  return machine;
}

} // namespace tenon::driver
