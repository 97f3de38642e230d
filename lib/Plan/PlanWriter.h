// Writes plan files: plain structs in, deterministic bytes out. No MLIR, no knowledge of how the structs came about.
// docs/plan-format.md describes the file; runtime/plan/plan.fbs the metadata, whose tables these structs mirror.
#pragma once

#include "lib/Plan/LibraryCall.h"
#include "lib/Plan/TensorMap.h"
#include "tenon/runtime.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

namespace tenon::plan {

/// Index of an expression in Plan::exprs.
using ExprId = uint32_t;

enum class ExprOp : uint8_t { Const, Symbol, Add, Mul, FloorDiv, Mod, Min, Max };

/// Const: the value a. Symbol: symbol number a. The others: an operation on the earlier expressions a and b.
struct Expr {
  ExprOp op = ExprOp::Const;
  int64_t a = 0;
  int64_t b = 0;
};

/// Makes expressions; equal ones are one, operations on constants fold. Ids are handed out in the order of first use.
class ExprTable {
public:
  ExprId constant(int64_t value) { return intern({ExprOp::Const, value, 0}); }
  ExprId symbol(uint32_t index) { return intern({ExprOp::Symbol, int64_t(index), 0}); }
  /// Folds when both are constants and the result is defined and does not overflow.
  ExprId binary(ExprOp op, ExprId a, ExprId b);

  const std::vector<Expr> &exprs() const { return table; }

private:
  ExprId intern(Expr expr);
  std::vector<Expr> table;
  std::map<std::tuple<ExprOp, int64_t, int64_t>, ExprId> ids;
};

enum class SymbolSource : uint8_t { Axis, Step, Caller };

/// A free dimension: the size of `axis` of `input`; or a size that the step `step` defines (element `axis` of what it reads, or the size of `axis` of
/// Plan::results[input]); or one that the step gives which calls the plan.
struct Symbol {
  std::string name;
  uint32_t input = 0;
  uint32_t axis = 0;
  int64_t minimum = 0;
  int64_t maximum = std::numeric_limits<int64_t>::max();
  SymbolSource source = SymbolSource::Axis;
  uint32_t step = 0;
};

/// An input or output of the model. `dimText` has an entry for each dim: its expression in words, "" where it is fixed.
struct Tensor {
  std::string name;
  tn_dtype dtype = TN_DTYPE_NONE;
  std::vector<ExprId> dims;
  std::vector<std::string> dimText;
  std::string value; ///< of a part: the name of the model's input or output
  tn_part part = TN_PART_WHOLE;
};

/// A weight. The bytes stay the caller's until writing is done; they are placed in order, each aligned to 64.
struct Constant {
  std::string name;
  const void *data = nullptr;
  uint64_t bytes = 0;
};

/// A slice of the arena, alive from step `first` to step `last`, inclusive. Offsets are all set (a static plan) or all -1 (packed at run time);
/// those of buffers whose size a step defines are -1 in any plan.
struct Buffer {
  ExprId bytes = 0;
  uint32_t alignment = 64; ///< a power of two, at most 4096
  uint32_t first = 0;
  uint32_t last = 0;
  int64_t offset = -1;
};

enum class OperandKind : uint8_t { Input, Output, Constant, Buffer, Result };

/// Memory that a step reads or writes, `offset` bytes into an input, output, constant, buffer or result of a call. Views are folded into the offset.
struct Operand {
  OperandKind kind = OperandKind::Input;
  uint32_t index = 0;
  ExprId offset = 0;
};

/// A function in the code: `entry` is its address in the ELF image (virtual address = offset in the file).
struct Kernel {
  std::string name;
  std::string family;
  std::string schedule;
  uint64_t entry = 0;
  uint32_t arguments = 0;
  uint32_t results = 0;
  bool workspace = false;
  uint32_t symbols = 0;
  uint32_t threads = 0;       ///< of a block, on a GPU
  uint32_t tasksPerBlock = 0; ///< threads, or 1
  uint32_t sharedBytes = 0;   ///< of a block
  std::vector<TensorMap> maps; ///< parameters behind its symbols
  std::optional<LibraryCall> library; ///< computed by a library, on a GPU: no function, no threads
};

/// Code for a GPU: a cubin, or PTX with the zero byte at its end.
struct DeviceCode {
  std::string arch; ///< "sm_90"
  bool isPtx = false;
  std::span<const std::byte> bytes;
};

/// Calls a kernel for every task in [0, tasks). Operands: arguments, results (neither inputs nor constants), the workspace if the kernel has one.
struct Launch {
  uint32_t kernel = 0;
  std::vector<Operand> operands;
  ExprId tasks = 0;
  std::vector<ExprId> symbols;
  std::vector<std::string> sources;
  ExprId flops = 0;
  ExprId bytes = 0;
};

/// Copies memory; for an output that is an input or a constant.
struct Copy {
  Operand from;
  Operand to;
  ExprId bytes = 0;
  std::vector<std::string> sources;
};

/// Makes the integers at `from` the values of symbols whose source is this step.
struct ReadSizes {
  Operand from;
  tn_dtype dtype = TN_I64;
  std::vector<uint32_t> symbols;
  std::vector<std::string> sources;
};

enum class Relation : uint8_t { Equal, AtMost };

/// Fails the run, saying `what`, unless `left` relates to `right`.
struct Require {
  ExprId left = 0;
  ExprId right = 0;
  Relation relation = Relation::Equal;
  std::string what;
  std::vector<std::string> sources;
};

/// Output `output` of the plan that step `step` ran; `tensor` is its shape, known behind the step.
struct Result {
  uint32_t step = 0;
  uint32_t output = 0;
  Tensor tensor;
};

/// Memory that a call passes, and its shape.
struct Argument {
  Operand memory;
  Tensor tensor;
};

/// A run of Plan::plans[plan] of the outermost plan; `symbols` are the values of its symbols whose source is the caller, in their order.
struct Call {
  uint32_t plan = 0;
  std::vector<Argument> arguments;
  std::vector<ExprId> symbols;
};

struct If {
  Operand condition;
  Call thenCall;
  Call elseCall;
  std::vector<std::string> sources;
};

/// Arguments of the body: carried, scanned, captured. runtime/plan/plan.fbs says what its inputs and outputs are.
struct Loop {
  std::optional<Operand> trips;
  std::optional<Operand> condition;
  Call body;
  uint32_t carried = 0;
  uint32_t scanned = 0;
  uint32_t stacked = 0;
  bool counts = false;
  std::vector<std::string> sources;
};

using Step = std::variant<Launch, Copy, ReadSizes, Require, If, Loop>;

struct Target {
  std::string device = "cpu";        ///< "cpu", "cuda"
  std::string arch;                  ///< "x86_64", "aarch64", "sm_90"
  std::string cpu;                   ///< informative
  std::vector<std::string> features; ///< required CPU features, as LLVM names them, without "+"
  uint32_t pointerBits = 64;
};

/// For the fixed shapes of a static plan; -1 otherwise.
struct Memory {
  int64_t arenaBytes = -1;
  int64_t lowerBound = -1;
  int64_t naiveBytes = -1;
};

struct Plan {
  std::string producer;
  std::string model;
  std::string tuning;
  Target target;
  std::vector<Expr> exprs; ///< ExprTable::exprs()
  std::vector<Symbol> symbols;
  std::vector<Tensor> inputs;
  std::vector<Tensor> outputs;
  std::vector<Constant> constants;
  std::vector<Buffer> buffers;
  std::vector<Kernel> kernels;
  std::vector<Step> steps;
  Memory memory;
  std::vector<Result> results;
  /// Plans that steps call, callers before the called; each is called by one step, and they have none of their own, and no code.
  std::vector<Plan> plans;
  /// The kernels: an ELF shared object without relocations and writable data, in whose read-only and executable segments addresses equal
  /// offsets in the file (ld.lld -shared -z separate-loadable-segments). May be empty when there are no kernels.
  std::span<const std::byte> code;
  /// The kernels of a plan for a GPU, found by their names; cubins first.
  std::vector<DeviceCode> deviceCode;
  /// The model for other architectures of GPUs, with the same symbols, inputs and outputs. They have no variants of their own.
  std::vector<Plan> variants;
};

/// Writes `plan` to a temporary file beside `path` and renames it: on failure nothing is left behind, and an existing file stays as it was.
/// Returns "" on success, otherwise what went wrong.
std::string writePlan(const Plan &plan, const std::string &path);

/// The same bytes in memory.
std::vector<std::byte> writePlanToMemory(const Plan &plan);

} // namespace tenon::plan
