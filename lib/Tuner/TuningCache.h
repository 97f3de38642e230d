// What compilation and tuning ask of a tuning cache. Reading and writing it: include/tenon/tuner.h.
#pragma once
#include "include/tenon/tuner.h"
#include "lib/Target/Target.h"

namespace tenon {

/// The instruction set that records are kept for: "x86_64 avx avx2 fma".
std::string instructionSetOf(const Target &target);
/// The name of this machine's CPU as its maker gives it.
std::string hostCpuName();

/// A record as a line of the file, with its newline.
std::string tuningLine(const TuningRecord &record);
/// The record on a line, or why it is none.
llvm::Expected<TuningRecord> parseTuningLine(llvm::StringRef line);

/// Whether `a` is of more use than `b`, for the same kernel: complete before partial, then the one that was chosen in a network
/// more often, then the faster one, then the earlier one.
bool isBetter(const TuningRecord &a, const TuningRecord &b);

/// Records of a kernel for an instruction set, the preferred ones first: measured on `cpu`, with `threads` threads, then with more, then better.
std::vector<const TuningRecord *> recordsFor(const TuningCache &cache, llvm::StringRef kernel, llvm::StringRef instructionSet, llvm::StringRef cpu,
                                             int threads);

} // namespace tenon
