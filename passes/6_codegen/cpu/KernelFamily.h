// A kernel family: one way to compute a class of kernels, from matching to machine-independent IR.
#pragma once
#include "dialects/kernel/Kernel.h"
#include "lib/Target/Target.h"

namespace tenon::cpu {

class KernelBuilder;

/// How tasks are laid on the threads of a GPU: blocks of `threads`, each block doing `tasksPerBlock` tasks: `threads` where a task is one thread's,
/// 1 where the block's threads work together.
struct BlockShape {
  int threads = 0; // 0: not for a GPU
  int tasksPerBlock = 0;
  int sharedBytes = 0; // dynamic shared memory of a block
  int cluster = 1;     // so many neighbouring blocks run together and reach each other's shared memory
  bool waits = false;  // the emitter itself calls KernelBuilder::waitForInputs: what it reads before are constants
  int together = 1;    // so many blocks of a multiprocessor have to find registers
};

/// What a schedule means for the world outside the kernel.
struct KernelPlan {
  nn::Dim tasks;              // how many independent tasks
  int64_t workspaceBytes = 0; // scratch of one task; constant sizes only
  /// Packed layouts that the schedule wants for arguments (by index); only constants are packed, others stay as they are.
  llvm::SmallVector<std::pair<unsigned, kernel::PackingAttr>> packings;
  /// For each result the argument whose memory it may overwrite, or -1: every read of an element must come before its write,
  /// whatever the order of tasks.
  llvm::SmallVector<int64_t> overwrites;
  BlockShape block;
};

/// Stateless and thread safe; one instance a family, found through `families()`.
class KernelFamily {
public:
  virtual ~KernelFamily() = default;
  virtual llvm::StringRef name() const = 0;
  /// Whether this family computes `func` for `target`: the anchor, and every op before and after it.
  virtual bool matches(kernel::FuncOp func, const Target &target) const = 0;
  /// Candidates, the cost model's choice first; at least one where `matches` holds. A family that has nothing to choose has one, without parameters.
  virtual void schedules(kernel::FuncOp func, const Target &target, llvm::SmallVectorImpl<kernel::ScheduleAttr> &out) const;
  virtual KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const = 0;
  /// Emits the body. Arguments may be packed (`kernel.unpack`) and strided (`kernel.strides`).
  virtual llvm::LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &builder) const = 0;
  /// Floating-point operations and bytes moved of one run, for reports; expressions of the symbols.
  virtual nn::Dim operations(kernel::FuncOp func) const = 0;
};

/// All families of a kind of machine, the most specific first; the last one (the general road) matches every kernel that can be computed.
llvm::ArrayRef<const KernelFamily *> families(const Target &target);
const KernelFamily *familyNamed(llvm::StringRef name);
/// The first family that matches, or null.
const KernelFamily *familyFor(kernel::FuncOp func, const Target &target);

} // namespace tenon::cpu
