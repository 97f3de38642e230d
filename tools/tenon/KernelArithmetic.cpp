#include "tools/tenon/KernelArithmetic.h"

#include <algorithm>
#include <initializer_list>

namespace tenon::driver {
namespace {

constexpr std::string_view kName = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$";

/// The modules of PTX in a plan, each with its `.target` first.
template <typename Visit> void forEachModule(std::string_view plan, Visit visit) {
  constexpr std::string_view kTarget = "\n.target ";
  for (size_t at = plan.find(kTarget); at != std::string_view::npos;) {
    size_t start = at + kTarget.size(), next = plan.find(kTarget, start);
    std::string_view text = plan.substr(start, next - start);
    visit(text.substr(0, text.find_first_not_of(kName)), text.substr(0, text.find('\0')));
    at = next;
  }
}

/// Whether products of f32 are three of parts of 11 bits: the leading one is cut off by this mask, the sign, the exponent and ten bits.
bool isInParts(std::string_view ptx) {
  return ptx.find(", -8192;") != std::string_view::npos;
}

Arithmetic arithmeticOfInstruction(std::string_view types, std::string_view ptx) {
  auto has = [&](std::initializer_list<std::string_view> names) {
    return std::any_of(names.begin(), names.end(), [&](std::string_view name) { return types.find(name) != std::string_view::npos; });
  };
  if (has({".tf32"}))
    return isInParts(ptx) ? Arithmetic::ThreeTF32 : Arithmetic::TF32;
  if (has({".s8", ".u8"}))
    return Arithmetic::I8;
  return has({".e4m3", ".e5m2"}) ? Arithmetic::F8 : Arithmetic::F16;
}

} // namespace

Arithmetic arithmeticOf(std::string_view ptx) {
  constexpr Arithmetic kSlowestFirst[] = {Arithmetic::ThreeTF32, Arithmetic::TF32, Arithmetic::F16, Arithmetic::F8, Arithmetic::I8};
  auto rank = [&](Arithmetic found) { return std::find(std::begin(kSlowestFirst), std::end(kSlowestFirst), found); };
  const Arithmetic *slowest = std::end(kSlowestFirst);
  for (std::string_view instruction : {"wgmma.mma_async.", "mma.sync."})
    for (size_t at = ptx.find(instruction); at != std::string_view::npos; at = ptx.find(instruction, at + 1))
      slowest = std::min(slowest, rank(arithmeticOfInstruction(ptx.substr(at, ptx.find_first_of(" \t\n{", at) - at), ptx)));
  return slowest == std::end(kSlowestFirst) ? Arithmetic::F32 : *slowest;
}

std::map<std::string, Arithmetic> arithmeticOfKernels(std::string_view plan, std::string_view arch) {
  constexpr std::string_view kEntry = ".visible .entry ";
  std::map<std::string, Arithmetic> kernels;
  forEachModule(plan, [&](std::string_view target, std::string_view text) {
    if (target != arch)
      return;
    for (size_t at = text.find(kEntry); at != std::string_view::npos;) {
      size_t start = at + kEntry.size(), next = text.find(kEntry, start);
      std::string_view body = text.substr(start, next - start);
      kernels.emplace(body.substr(0, body.find_first_not_of(kName)), arithmeticOf(body));
      at = next;
    }
  });
  return kernels;
}

} // namespace tenon::driver
