#include "runtime/plan/Sections.h"

#include "runtime/plan/Checksum.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>

namespace tenon::plan {
namespace {

const char *sectionName(SectionKind kind) {
  switch (kind) {
  case SectionKind::Metadata:
    return "metadata";
  case SectionKind::Weights:
    return "weights";
  case SectionKind::CpuCode:
    return "code";
  case SectionKind::Cubin:
    return "cubin";
  case SectionKind::Ptx:
    return "PTX";
  }
  return "unknown";
}

tn_status readHeader(std::span<const uint8_t> bytes, FileHeader &header, Message &message) {
  size_t known = std::min(bytes.size(), sizeof kMagic);
  if (memcmp(bytes.data(), kMagic, known) != 0)
    return message.fail(TN_BAD_PLAN, "not a plan: it does not start with the bytes 'TENON'; compile the model with 'tenon compile' first");
  if (bytes.size() < sizeof header)
    return message.fail(TN_BAD_PLAN, "truncated: %zu bytes, a plan has a header of %zu", bytes.size(), sizeof header);
  memcpy(&header, bytes.data(), sizeof header);
  if (header.headerChecksum != checksum(bytes.data(), offsetof(FileHeader, headerChecksum)))
    return message.fail(TN_BAD_PLAN, "corrupted: the header's checksum does not match its contents");
  if (header.formatVersion > kFormatVersion)
    return message.fail(TN_UNSUPPORTED_VERSION, "plan format %u; this runtime (%s) reads formats 1 to %u: update the runtime or compile the model again",
                        header.formatVersion, tn_version(), kFormatVersion);
  if (header.formatVersion == 0 || header.headerBytes != sizeof header || header.sectionTableOffset != sizeof header ||
      header.sectionEntryBytes != sizeof(SectionEntry) || header.reserved != 0)
    return message.fail(TN_BAD_PLAN, "corrupted: the header holds impossible values");
  if (header.fileBytes != bytes.size())
    return message.fail(TN_BAD_PLAN, "%s: %zu bytes, the header says %" PRIu64, bytes.size() < header.fileBytes ? "truncated" : "too long", bytes.size(), header.fileBytes);
  return TN_OK;
}

tn_status checkTable(std::span<const SectionEntry> table, uint64_t prefixBytes, uint64_t fileBytes, Message &message) {
  uint64_t end = prefixBytes;
  for (const SectionEntry &section : table) {
    const char *name = sectionName(section.kind);
    bool powerOfTwo = section.alignment > 0 && (section.alignment & (section.alignment - 1)) == 0;
    if (!powerOfTwo || section.offset % section.alignment != 0 || section.flags != 0)
      return message.fail(TN_BAD_PLAN, "corrupted: the %s section is not aligned", name);
    if (section.offset < end || section.bytes > fileBytes || section.offset > fileBytes - section.bytes)
      return message.fail(TN_BAD_PLAN, "corrupted: the %s section at %" PRIu64 " of %" PRIu64 " bytes overlaps another or leaves the file", name, section.offset, section.bytes);
    end = section.offset + section.bytes;
  }
  if (end != fileBytes)
    return message.fail(TN_BAD_PLAN, "corrupted: %" PRIu64 " bytes follow the last section", fileBytes - end);
  return TN_OK;
}

} // namespace

const SectionEntry *Sections::find(SectionKind kind) const {
  for (const SectionEntry &section : table)
    if (section.kind == kind)
      return &section;
  return nullptr;
}

tn_status readSections(std::span<const uint8_t> bytes, Sections &sections, Message &message) {
  FileHeader header;
  if (tn_status status = readHeader(bytes, header, message))
    return status;
  uint64_t tableBytes = uint64_t(header.sectionCount) * sizeof(SectionEntry);
  if (header.sectionCount > kMaxSections || bytes.size() - sizeof header < tableBytes)
    return message.fail(TN_BAD_PLAN, "corrupted: a table of %u sections does not fit", header.sectionCount);
  const uint8_t *table = bytes.data() + sizeof header;
  if (header.sectionTableChecksum != checksum(table, tableBytes))
    return message.fail(TN_BAD_PLAN, "corrupted: the section table's checksum does not match its contents");
  sections.formatVersion = header.formatVersion;
  sections.table = {reinterpret_cast<const SectionEntry *>(table), header.sectionCount};
  return checkTable(sections.table, sizeof header + tableBytes, header.fileBytes, message);
}

tn_status checkSection(std::span<const uint8_t> bytes, const SectionEntry &section, Message &message) {
  if (checksum(bytes.data() + section.offset, section.bytes) != section.checksum)
    return message.fail(TN_BAD_PLAN, "corrupted: the checksum of the %s section does not match its contents", sectionName(section.kind));
  return TN_OK;
}

tn_status checkPadding(std::span<const uint8_t> bytes, const Sections &sections, Message &message) {
  uint64_t end = sizeof(FileHeader) + sections.table.size_bytes();
  for (const SectionEntry &section : sections.table) {
    auto gap = bytes.subspan(end, section.offset - end);
    if (std::any_of(gap.begin(), gap.end(), [](uint8_t byte) { return byte != 0; }))
      return message.fail(TN_BAD_PLAN, "corrupted: there are bytes in the gap before the %s section", sectionName(section.kind));
    end = section.offset + section.bytes;
  }
  return TN_OK;
}

} // namespace tenon::plan
