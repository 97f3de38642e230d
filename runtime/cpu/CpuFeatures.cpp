#include "runtime/cpu/CpuFeatures.h"

#include "tenon/runtime.h"

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace tenon {
namespace {

#if defined(__x86_64__)

enum Register : uint8_t { Eax, Ebx, Ecx, Edx };
enum State : uint8_t { NoState, Avx, Avx512, Amx }; // registers that the system must save

struct Feature {
  const char *name;
  uint32_t leaf;
  uint32_t subleaf;
  Register reg;
  uint8_t bit;
  State state;
};

// Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E.
constexpr Feature kFeatures[] = {
    {"cx8", 1, 0, Edx, 8, NoState}, {"cmov", 1, 0, Edx, 15, NoState}, {"mmx", 1, 0, Edx, 23, NoState}, {"fxsr", 1, 0, Edx, 24, NoState},
    {"sse", 1, 0, Edx, 25, NoState}, {"sse2", 1, 0, Edx, 26, NoState}, {"sse3", 1, 0, Ecx, 0, NoState}, {"pclmul", 1, 0, Ecx, 1, NoState},
    {"ssse3", 1, 0, Ecx, 9, NoState}, {"fma", 1, 0, Ecx, 12, Avx}, {"cx16", 1, 0, Ecx, 13, NoState}, {"sse4.1", 1, 0, Ecx, 19, NoState},
    {"sse4.2", 1, 0, Ecx, 20, NoState}, {"crc32", 1, 0, Ecx, 20, NoState}, {"movbe", 1, 0, Ecx, 22, NoState}, {"popcnt", 1, 0, Ecx, 23, NoState},
    {"aes", 1, 0, Ecx, 25, NoState}, {"avx", 1, 0, Ecx, 28, Avx}, {"f16c", 1, 0, Ecx, 29, Avx}, {"rdrnd", 1, 0, Ecx, 30, NoState},
    {"xsave", 1, 0, Ecx, 26, NoState},
    {"fsgsbase", 7, 0, Ebx, 0, NoState}, {"bmi", 7, 0, Ebx, 3, NoState}, {"avx2", 7, 0, Ebx, 5, Avx}, {"bmi2", 7, 0, Ebx, 8, NoState},
    {"avx512f", 7, 0, Ebx, 16, Avx512}, {"avx512dq", 7, 0, Ebx, 17, Avx512}, {"rdseed", 7, 0, Ebx, 18, NoState}, {"adx", 7, 0, Ebx, 19, NoState},
    {"avx512ifma", 7, 0, Ebx, 21, Avx512}, {"clflushopt", 7, 0, Ebx, 23, NoState}, {"clwb", 7, 0, Ebx, 24, NoState},
    {"avx512cd", 7, 0, Ebx, 28, Avx512}, {"sha", 7, 0, Ebx, 29, NoState}, {"avx512bw", 7, 0, Ebx, 30, Avx512}, {"avx512vl", 7, 0, Ebx, 31, Avx512},
    {"avx512vbmi", 7, 0, Ecx, 1, Avx512}, {"avx512vbmi2", 7, 0, Ecx, 6, Avx512}, {"gfni", 7, 0, Ecx, 8, NoState}, {"vaes", 7, 0, Ecx, 9, Avx},
    {"vpclmulqdq", 7, 0, Ecx, 10, Avx}, {"avx512vnni", 7, 0, Ecx, 11, Avx512}, {"avx512bitalg", 7, 0, Ecx, 12, Avx512},
    {"avx512vpopcntdq", 7, 0, Ecx, 14, Avx512}, {"rdpid", 7, 0, Ecx, 22, NoState}, {"movdiri", 7, 0, Ecx, 27, NoState},
    {"movdir64b", 7, 0, Ecx, 28, NoState}, {"fsrm", 7, 0, Edx, 4, NoState}, {"avx512vp2intersect", 7, 0, Edx, 8, Avx512},
    {"serialize", 7, 0, Edx, 14, NoState}, {"amx-bf16", 7, 0, Edx, 22, Amx}, {"avx512fp16", 7, 0, Edx, 23, Avx512}, {"amx-tile", 7, 0, Edx, 24, Amx},
    {"amx-int8", 7, 0, Edx, 25, Amx},
    {"avxvnni", 7, 1, Eax, 4, Avx}, {"avx512bf16", 7, 1, Eax, 5, Avx512}, {"amx-fp16", 7, 1, Eax, 21, Amx}, {"avxifma", 7, 1, Eax, 23, Avx},
    {"avxvnniint8", 7, 1, Edx, 4, Avx}, {"avxneconvert", 7, 1, Edx, 5, Avx}, {"avxvnniint16", 7, 1, Edx, 10, Avx}, {"prefetchi", 7, 1, Edx, 14, NoState},
    {"xsaveopt", 13, 1, Eax, 0, NoState}, {"xsavec", 13, 1, Eax, 1, NoState}, {"xsaves", 13, 1, Eax, 3, NoState},
    {"sahf", 0x80000001, 0, Ecx, 0, NoState}, {"lzcnt", 0x80000001, 0, Ecx, 5, NoState}, {"sse4a", 0x80000001, 0, Ecx, 6, NoState},
    {"prfchw", 0x80000001, 0, Ecx, 8, NoState}, {"xop", 0x80000001, 0, Ecx, 11, Avx}, {"fma4", 0x80000001, 0, Ecx, 16, Avx},
    {"tbm", 0x80000001, 0, Ecx, 21, NoState}, {"mwaitx", 0x80000001, 0, Ecx, 29, NoState}, {"64bit", 0x80000001, 0, Edx, 29, NoState},
    {"clzero", 0x80000008, 0, Ebx, 0, NoState}, {"rdpru", 0x80000008, 0, Ebx, 4, NoState}, {"wbnoinvd", 0x80000008, 0, Ebx, 9, NoState},
};

/// XCR0: which registers the system saves on a context switch.
bool systemSaves(State state) {
  uint32_t registers[4] = {};
  __get_cpuid(1, &registers[Eax], &registers[Ebx], &registers[Ecx], &registers[Edx]);
  constexpr uint32_t kOsxsave = 1u << 27;
  if (state == NoState)
    return true;
  if (!(registers[Ecx] & kOsxsave))
    return false;
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  const uint32_t masks[] = {0, 0x6, 0xE6, 0x60000}; // SSE + AVX; + opmask, upper ZMM; tile configuration and data
  if ((low & masks[state]) != masks[state])
    return false;
  // Linux gives tile registers to processes that ask for them.
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return state != Amx || syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

int lookUp(const char *name) {
  for (const Feature &feature : kFeatures) {
    if (strcmp(feature.name, name) != 0)
      continue;
    uint32_t registers[4] = {};
    bool exists = __get_cpuid_count(feature.leaf, feature.subleaf, &registers[Eax], &registers[Ebx], &registers[Ecx], &registers[Edx]) != 0;
    return exists && (registers[feature.reg] >> feature.bit & 1) && systemSaves(feature.state);
  }
  return strcmp(name, "x87") == 0 ? 1 : -1;
}

#elif defined(__aarch64__)

struct Feature {
  const char *name;
  unsigned long type;
  unsigned long mask;
};

// Linux, arch/arm64/include/uapi/asm/hwcap.h.
constexpr Feature kFeatures[] = {
    {"fp-armv8", AT_HWCAP, 1ul << 0}, {"neon", AT_HWCAP, 1ul << 1}, {"aes", AT_HWCAP, 1ul << 3}, {"sha2", AT_HWCAP, 1ul << 6},
    {"crc", AT_HWCAP, 1ul << 7}, {"lse", AT_HWCAP, 1ul << 8}, {"fullfp16", AT_HWCAP, (1ul << 9) | (1ul << 10)}, {"rdm", AT_HWCAP, 1ul << 12},
    {"jsconv", AT_HWCAP, 1ul << 13}, {"complxnum", AT_HWCAP, 1ul << 14}, {"rcpc", AT_HWCAP, 1ul << 15}, {"dotprod", AT_HWCAP, 1ul << 20},
    {"sve", AT_HWCAP, 1ul << 22}, {"fp16fml", AT_HWCAP, 1ul << 23}, {"dit", AT_HWCAP, 1ul << 24}, {"flagm", AT_HWCAP, 1ul << 27},
    {"ssbs", AT_HWCAP, 1ul << 28}, {"sb", AT_HWCAP, 1ul << 29}, {"sve2", AT_HWCAP2, 1ul << 1}, {"fptoint", AT_HWCAP2, 1ul << 8},
    {"i8mm", AT_HWCAP2, 1ul << 13}, {"bf16", AT_HWCAP2, 1ul << 14}, {"bti", AT_HWCAP2, 1ul << 17}, {"sme", AT_HWCAP2, 1ul << 23},
};

int lookUp(const char *name) {
  for (const Feature &feature : kFeatures)
    if (strcmp(feature.name, name) == 0)
      return (getauxval(feature.type) & feature.mask) == feature.mask;
  return -1;
}

#endif

} // namespace

int hasCpuFeature(const char *name) { return lookUp(name); }

} // namespace tenon

extern "C" int tn_cpu_has(const char *feature) { return feature ? tenon::hasCpuFeature(feature) : -1; }
