// The bytes of a plan file around its metadata: header, section table, checksums. docs/plan-format.md explains them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace tenon::plan {

static_assert(std::endian::native == std::endian::little, "plan files are little-endian, and so are the machines that read them");

// "\r\n" shows files that were mangled as text, as in PNG.
inline constexpr char kMagic[8] = {'T', 'E', 'N', 'O', 'N', '\0', '\r', '\n'};

/// Grows when an older runtime could misread a newer plan. A runtime reads every version up to its own.
/// 1: launches and copies, sizes that the inputs' shapes give. 2: sizes that steps define. 3: such steps on GPUs, kernels that take tensor maps.
/// 4: kernels that libraries compute.
inline constexpr uint32_t kFormatVersion = 4;

/// Weights and code start on page boundaries so that they can be mapped; 64 KiB is the largest page of AArch64.
inline constexpr uint64_t kPageBytes = 4096;
inline constexpr uint64_t kLargestPageBytes = 65536;
inline constexpr uint64_t kMetadataAlignment = 64;
inline constexpr uint64_t kConstantAlignment = 64;
inline constexpr uint32_t kLargestBufferAlignment = 4096;
inline constexpr uint32_t kMaxSections = 256;

enum class SectionKind : uint32_t { Metadata = 1, Weights = 2, CpuCode = 3, Cubin = 4, Ptx = 5 };

struct FileHeader {
  char magic[8];
  uint32_t formatVersion;
  uint32_t headerBytes; ///< 64
  uint64_t fileBytes;
  uint64_t sectionTableOffset; ///< 64
  uint32_t sectionCount;
  uint32_t sectionEntryBytes; ///< 40
  uint64_t sectionTableChecksum;
  uint64_t reserved; ///< 0
  uint64_t headerChecksum; ///< of the 56 bytes before it
};
static_assert(sizeof(FileHeader) == 64);

/// Sections are listed in the order of their offsets and do not overlap; the bytes between them are zero.
struct SectionEntry {
  SectionKind kind; ///< unknown kinds are skipped
  uint32_t flags;   ///< 0
  uint64_t offset;
  uint64_t bytes;
  uint64_t alignment; ///< of the offset; a power of two
  uint64_t checksum;
};
static_assert(sizeof(SectionEntry) == 40);

constexpr uint64_t alignUp(uint64_t value, uint64_t alignment) { return (value + alignment - 1) & ~(alignment - 1); }

} // namespace tenon::plan
