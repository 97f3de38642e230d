#include "tools/tenon/LocalGpu.h"

#include "runtime/plan/Capabilities.h"
#include "tools/tenon/Failure.h"

#include <algorithm>

namespace tenon::driver {
namespace {

std::string localTarget(uint32_t device) {
  tn_device_info gpu{};
  gpu.struct_size = sizeof gpu;
  const std::string what = "the target cuda means the GPU of this machine";
  if (tn_device_get_info(device, &gpu) != TN_OK)
    throw Failure(what + ": " + tn_last_error() + "; where there is none, name what to compile for, such as cuda:sm_90a (`tenon targets` lists all)");
  std::string target = targetFor(gpu);
  if (target.empty())
    throw Failure(what + ": " + gpu.name + " is sm_" + std::to_string(gpu.capability) + "; the first that can be compiled for is sm_" +
                  std::to_string(kCapabilities[0]));
  return target;
}

} // namespace

std::string targetFor(const tn_device_info &gpu) {
  int capability = int(gpu.capability), nearest = nearestCapability(capability);
  bool isOwn = nearest == capability && hasOwnInstructions(nearest);
  return nearest ? "cuda:sm_" + std::to_string(nearest) + (isOwn ? "a" : "") : "";
}

std::string withLocalGpu(const std::string &targets, uint32_t device) {
  const std::string kName = "cuda";
  std::string result;
  for (size_t begin = 0; begin <= targets.size();) {
    size_t end = std::min(targets.find(',', begin), targets.size()), libraries = std::min(targets.find('+', begin), end);
    std::string name = targets.substr(begin, libraries - begin);
    result += (begin ? "," : "") + (name == kName ? localTarget(device) : name) + targets.substr(libraries, end - libraries);
    begin = end + 1;
  }
  return result;
}

} // namespace tenon::driver
