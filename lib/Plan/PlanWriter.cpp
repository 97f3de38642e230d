#include "lib/Plan/PlanWriter.h"

#include "lib/Plan/Metadata.h"
#include "lib/Plan/Sink.h"
#include "runtime/plan/Checksum.h"
#include "runtime/plan/PlanFormat.h"

#include <algorithm>
#include <cstring>

namespace tenon::plan {
namespace {

/// Where the constants lie in the weights section, and its size. Plans that call each other share constants of the same memory, variants those of the
/// same bytes: each was compiled by itself.
class WeightsLayout {
public:
  explicit WeightsLayout(const Plan &plan) { place(plan); }

  std::vector<uint64_t> offsets; ///< by constant, in the order of SectionOffsets
  std::map<uint64_t, const Constant *> contents; ///< by their offsets; those without bytes are left out
  uint64_t bytes = 0;

private:
  void place(const Plan &plan) {
    for (const Constant &constant : plan.constants) {
      auto [entry, isNew] = placed.try_emplace({constant.data, constant.bytes}, 0);
      if (isNew)
        entry->second = offsetOf(constant);
      offsets.push_back(entry->second);
    }
    for (const Plan &called : plan.plans)
      place(called);
    if (!plan.variants.empty())
      for (const auto &[offset, constant] : contents)
        byChecksum.emplace(checksum(constant->data, constant->bytes), offset);
    for (const Plan &variant : plan.variants)
      place(variant);
  }

  uint64_t offsetOf(const Constant &constant) {
    uint64_t sum = byChecksum.empty() ? 0 : checksum(constant.data, constant.bytes);
    if (auto known = byChecksum.find(sum); known != byChecksum.end()) {
      const Constant &other = *contents.at(known->second);
      if (other.bytes == constant.bytes && std::memcmp(other.data, constant.data, constant.bytes) == 0)
        return known->second;
    }
    uint64_t offset = alignUp(bytes, kConstantAlignment);
    bytes = offset + constant.bytes;
    if (!constant.bytes) // the next one lies there too
      return offset;
    contents.emplace(offset, &constant);
    if (!byChecksum.empty())
      byChecksum.emplace(sum, offset);
    return offset;
  }

  std::map<std::pair<const void *, uint64_t>, uint64_t> placed;
  std::map<uint64_t, uint64_t> byChecksum; ///< offsets; empty while the same bytes mean the same memory
};

/// Where device code lies in the section of its kind, and the sizes of both sections.
struct DeviceLayout {
  struct Image {
    const DeviceCode *code;
    uint64_t offset;
  };
  std::vector<Image> images;
  std::vector<uint64_t> offsets; ///< of `images`
  uint64_t cubinBytes = 0, ptxBytes = 0;

  explicit DeviceLayout(const Plan &plan) { place(plan); }

private:
  void place(const Plan &plan) {
    for (const Plan &called : plan.plans) // whose metadata is written before this one's device code
      place(called);
    for (const DeviceCode &code : plan.deviceCode) {
      uint64_t &bytes = code.isPtx ? ptxBytes : cubinBytes;
      bytes = alignUp(bytes, kConstantAlignment);
      images.push_back({&code, bytes});
      offsets.push_back(bytes);
      bytes += code.bytes.size();
    }
    for (const Plan &variant : plan.variants)
      place(variant);
  }
};

/// Writes sections one after the other and their checksums with them.
class SectionWriter {
public:
  SectionWriter(Sink &sink, uint64_t position) : sink(sink), position(position) {}

  void begin(SectionEntry &entry) {
    padTo(entry.offset);
    sum = Checksum();
  }
  void append(const void *bytes, size_t size) {
    sink.append(bytes, size);
    sum.add(bytes, size);
    position += size;
  }
  void padTo(uint64_t offset) {
    static constexpr char zeros[4096] = {};
    while (position < offset)
      append(zeros, size_t(std::min<uint64_t>(sizeof zeros, offset - position)));
  }
  void end(SectionEntry &entry) { entry.checksum = sum.value(); }

private:
  Sink &sink;
  uint64_t position;
  Checksum sum;
};

/// Whether some kernel of a plan, or of one that is part of it, is such.
template <typename Is> bool anyKernel(const Plan &plan, Is is) {
  auto anyOf = [&](const Plan &part) { return anyKernel(part, is); };
  return std::any_of(plan.kernels.begin(), plan.kernels.end(), is) || std::any_of(plan.plans.begin(), plan.plans.end(), anyOf) ||
         std::any_of(plan.variants.begin(), plan.variants.end(), anyOf);
}

/// The oldest version whose readers understand the plan.
uint32_t versionOf(const Plan &plan) {
  if (anyKernel(plan, [](const Kernel &kernel) { return kernel.library.has_value(); }))
    return 4;
  if (anyKernel(plan, [](const Kernel &kernel) { return !kernel.maps.empty(); }))
    return 3;
  auto isNew = [](const Step &step) { return !std::holds_alternative<Launch>(step) && !std::holds_alternative<Copy>(step); };
  auto decides = [](const Step &step) { return !std::holds_alternative<Launch>(step) && !std::holds_alternative<Copy>(step) && !std::holds_alternative<Require>(step); };
  auto any = [](const Plan &plan, auto is) { return std::any_of(plan.steps.begin(), plan.steps.end(), is); };
  auto decidesOnGpu = [&](const Plan &plan) { return plan.target.device == "cuda" && any(plan, decides); };
  if (decidesOnGpu(plan) || std::any_of(plan.variants.begin(), plan.variants.end(), decidesOnGpu))
    return 3;
  return any(plan, isNew) ? 2 : 1;
}

FileHeader makeHeader(const Plan &plan, const std::vector<SectionEntry> &sections) {
  FileHeader header = {};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.formatVersion = versionOf(plan);
  header.headerBytes = sizeof(FileHeader);
  header.fileBytes = sections.back().offset + sections.back().bytes;
  header.sectionTableOffset = sizeof(FileHeader);
  header.sectionCount = uint32_t(sections.size());
  header.sectionEntryBytes = sizeof(SectionEntry);
  header.sectionTableChecksum = checksum(sections.data(), sections.size() * sizeof(SectionEntry));
  header.headerChecksum = checksum(&header, offsetof(FileHeader, headerChecksum));
  return header;
}

void writeSections(const Plan &plan, Sink &sink) {
  WeightsLayout weights(plan);
  DeviceLayout device(plan);
  std::vector<std::byte> metadata = writeMetadata(plan, {weights.offsets, device.offsets});

  // Code is mapped where its addresses are its offsets: it has to start on a page of the target.
  uint64_t codeAlignment = plan.target.arch == "aarch64" ? kLargestPageBytes : kPageBytes;
  std::vector<SectionEntry> sections;
  uint64_t end = 0;
  auto addSection = [&](SectionKind kind, uint64_t bytes, uint64_t alignment) {
    if (bytes == 0)
      return;
    sections.push_back({kind, 0, alignUp(end, alignment), bytes, alignment, 0});
    end = sections.back().offset + bytes;
  };
  uint32_t sectionCount = 1 + (weights.bytes > 0) + !plan.code.empty() + (device.cubinBytes > 0) + (device.ptxBytes > 0);
  end = sizeof(FileHeader) + sectionCount * sizeof(SectionEntry);
  const uint64_t prefixBytes = end;
  addSection(SectionKind::Metadata, metadata.size(), kMetadataAlignment);
  addSection(SectionKind::Weights, weights.bytes, kPageBytes);
  addSection(SectionKind::CpuCode, plan.code.size(), codeAlignment);
  addSection(SectionKind::Cubin, device.cubinBytes, kConstantAlignment);
  addSection(SectionKind::Ptx, device.ptxBytes, kConstantAlignment);

  std::vector<char> prefix(prefixBytes);
  sink.append(prefix.data(), prefix.size());
  SectionWriter writer(sink, prefixBytes);
  for (SectionEntry &section : sections) {
    writer.begin(section);
    if (section.kind == SectionKind::Metadata)
      writer.append(metadata.data(), metadata.size());
    if (section.kind == SectionKind::CpuCode)
      writer.append(plan.code.data(), plan.code.size());
    if (section.kind == SectionKind::Weights)
      for (const auto &[offset, constant] : weights.contents) {
        writer.padTo(section.offset + offset);
        writer.append(constant->data, constant->bytes);
      }
    for (const auto &[code, offset] : device.images)
      if (section.kind == (code->isPtx ? SectionKind::Ptx : SectionKind::Cubin)) {
        writer.padTo(section.offset + offset);
        writer.append(code->bytes.data(), code->bytes.size());
      }
    writer.end(section);
  }

  FileHeader header = makeHeader(plan, sections);
  std::memcpy(prefix.data(), &header, sizeof header);
  std::memcpy(prefix.data() + sizeof header, sections.data(), sections.size() * sizeof(SectionEntry));
  sink.overwriteStart(prefix.data(), prefix.size());
}

} // namespace

std::string writePlan(const Plan &plan, const std::string &path) {
  FileSink sink(path);
  writeSections(plan, sink);
  return sink.finish();
}

std::vector<std::byte> writePlanToMemory(const Plan &plan) {
  MemorySink sink;
  writeSections(plan, sink);
  return std::move(sink.bytes);
}

} // namespace tenon::plan
