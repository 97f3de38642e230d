// Checks a plan's metadata before anything in it is used.
#pragma once

#include "runtime/plan/plan_generated.h"
#include "runtime/support/Message.h"

#include <span>

namespace tenon::plan {

/// Number of entries of a list that may be absent.
template <typename List> uint32_t count(const List *list) { return list ? list->size() : 0; }

/// A string that may be absent.
inline const char *text(const flatbuffers::String *string) { return string ? string->c_str() : ""; }

/// Verifies the metadata section: FlatBuffers structure, then every index, count, alignment and range that does not depend on the inputs' shapes.
/// What depends on them is checked when a layout is made. `bytes` is aligned to 8.
tn_status verifyMetadata(std::span<const uint8_t> bytes, uint64_t weightsBytes, const format::Metadata *&metadata, Message &message);

/// The same for plan `index` of those that `root` holds: it may call those behind it only, which keeps calls finite.
tn_status verifyCalled(const format::Metadata &metadata, const format::Metadata &root, uint32_t index, uint64_t weightsBytes, Message &message);

} // namespace tenon::plan
