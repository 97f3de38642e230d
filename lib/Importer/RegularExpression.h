// Regular expressions as tables: a run looks each byte up and knows nothing of patterns.
#pragma once
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <string>

namespace tenon::importer {

/// A deterministic automaton that reads the bytes of a string and then, at least once, the end.
struct Automaton {
  static constexpr int64_t kEnd = 256, kColumns = 257;
  llvm::SmallVector<int64_t> next; ///< [states, kColumns]
  llvm::SmallVector<bool> isAccepting; ///< of states behind the end
  int64_t first = 0;
};

/// What is wrong with a pattern: it is none, or uses something that is not supported.
struct PatternProblem {
  std::string text; ///< goes on after "the pattern"; empty: nothing
  bool isIllFormed = false;
};

/// Of the strings that match `pattern` from their first to their last character. The syntax is RE2's less what depends on Unicode's tables and on flags:
/// characters, ., classes, groups, alternatives, repetitions, ^ $ \A \z \b \B. Strings are UTF-8: . and negated classes match whole characters.
/// None, with what is wrong with the pattern, if it is ill-formed, uses something else or needs a large table.
std::optional<Automaton> compileRegularExpression(llvm::StringRef pattern, PatternProblem &problem);

} // namespace tenon::importer
