// The header and the section table of a plan file, checked.
#pragma once

#include "runtime/plan/PlanFormat.h"
#include "runtime/support/Message.h"

#include <span>

namespace tenon::plan {

struct Sections {
  uint32_t formatVersion = 0;
  std::span<const SectionEntry> table;

  /// The first section of a kind; null when there is none.
  const SectionEntry *find(SectionKind kind) const;
};

/// Checks header and table: magic, version, checksums, size of the file, and that sections are in order, aligned and inside the file.
/// `bytes` is aligned to 8.
tn_status readSections(std::span<const uint8_t> bytes, Sections &sections, Message &message);

/// Checks the checksum of one section.
tn_status checkSection(std::span<const uint8_t> bytes, const SectionEntry &section, Message &message);

/// Checks that the bytes between sections are zero.
tn_status checkPadding(std::span<const uint8_t> bytes, const Sections &sections, Message &message);

} // namespace tenon::plan
