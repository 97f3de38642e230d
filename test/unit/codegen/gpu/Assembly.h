// Inline assembly of GPU kernels as a list of statements that this processor can follow.
//
//   "{ .reg .pred p; setp.ne.b32 p, $2, 0; mov.b32 $0, 0; @p ld.shared.b32 $0, [$1]; }"
//
// Braces and brackets around operands say nothing that the instruction does not: operands are one flat list. `$N` and local registers are places in
// one array of 64-bit values, constants are values.
#pragma once
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <string>
#include <vector>

namespace tenon::test {

class GpuThread;
struct Statement;

/// The constant that stands for %cluster_ctarank.
constexpr int64_t kRankInCluster = -1000;

struct AssemblyOperand {
  bool isPlace = false;
  int64_t number = 0; // of the place, or the constant
};

/// What a statement does to the values of a thread.
using Execute = void (*)(GpuThread &thread, const Statement &statement, uint64_t *values);

struct Statement {
  std::string text;                         // with its place in messages
  llvm::SmallVector<llvm::StringRef> words; // "ld", "shared", "v4", "b32": parts of `text`
  llvm::SmallVector<AssemblyOperand, 8> operands;
  int guard = -1; // the place of a predicate
  bool isNegated = false;
  Execute execute = nullptr;
  int64_t count = 1, bytes = 4; // elements of an access, bytes of each
  size_t target = 0;            // of a branch: a statement's number

  bool has(llvm::StringRef word) const { return llvm::is_contained(words, word); }
  uint64_t get(size_t operand, const uint64_t *values) const {
    return operands[operand].isPlace ? values[operands[operand].number] : uint64_t(operands[operand].number);
  }
  uint64_t &place(size_t operand, uint64_t *values) const { return values[operands[operand].number]; }
};

class Assembly {
public:
  /// `constraints` as LLVM spells them. `problem` says what is not understood.
  Assembly(llvm::StringRef text, llvm::StringRef constraints, std::string &problem);
  Assembly(const Assembly &) = delete;

  unsigned numResults() const { return results; }
  /// Places of the operands, results first; local registers come behind them.
  unsigned numValues() const { return outside + unsigned(locals.size()); }
  void run(GpuThread &thread, uint64_t *values) const;

private:
  void parse(llvm::StringRef text, std::string &problem);
  AssemblyOperand operandOf(llvm::StringRef name);

  std::string text;
  unsigned results = 0, outside = 0;
  std::vector<std::pair<unsigned, unsigned>> tied; // an operand that begins as the value of a result
  std::vector<std::string> locals;
  std::vector<std::pair<std::string, size_t>> labels;
  std::vector<Statement> statements;
};

/// How the instruction is computed here; null where it is not known.
Execute executorOf(const Statement &statement);
Execute productOf(const Statement &statement);
Execute copyOf(const Statement &statement);

} // namespace tenon::test
