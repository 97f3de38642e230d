// Checks a plan's metadata before anything in it is used.
#pragma once

#include "runtime/plan/plan_generated.h"
#include "runtime/support/Message.h"

#include <span>
#include <type_traits>

namespace tenon::plan {

/// Number of entries of a list that may be absent.
template <typename List> uint32_t count(const List *list) { return list ? list->size() : 0; }

/// Whether the entries of a list lie where they can be read: FlatBuffers' verifier does not look at the alignment of structs and of 64-bit numbers in a
/// vector. An absent or empty one need not be aligned.
template <typename Entry> bool isAligned(const flatbuffers::Vector<Entry> *list) {
  return !list || list->size() == 0 || reinterpret_cast<uintptr_t>(list->Data()) % alignof(std::remove_pointer_t<Entry>) == 0;
}

/// A string that may be absent.
inline const char *text(const flatbuffers::String *string) { return string ? string->c_str() : ""; }

/// What the metadata refers to.
struct SectionBytes {
  std::span<const uint8_t> metadata; ///< aligned to 8
  std::span<const uint8_t> weights;
  std::span<const uint8_t> cubin;
  std::span<const uint8_t> ptx;
};

/// Whether the plan was compiled for a GPU.
bool isForGpu(const format::Metadata &metadata);
/// 90 for "sm_90" and "sm_90a"; 0 for what names no architecture of a GPU.
uint32_t computeCapability(const char *arch);
/// Whether code for `arch` runs on that architecture alone: "sm_90a".
bool isArchSpecific(const char *arch);

/// Verifies the metadata section: FlatBuffers structure, then every index, count, alignment and range that does not depend on the inputs' shapes.
/// What depends on them is checked when a layout is made.
tn_status verifyMetadata(const SectionBytes &sections, const format::Metadata *&metadata, Message &message);

/// The same for plan `index` of those that `root` holds: it may call those behind it only, which keeps calls finite.
tn_status verifyCalled(const format::Metadata &metadata, const format::Metadata &root, uint32_t index, const SectionBytes &sections, Message &message);

/// The same for a variant of `root`, which has the signature of `root` and is for a GPU too.
tn_status verifyVariant(const format::Metadata &metadata, const format::Metadata &root, const SectionBytes &sections, Message &message);

} // namespace tenon::plan
