// The pen of the CPU emitters: integers that fold, vectors through pointers, loops with carried values.
//
// Emits scf, arith, vector and llvm (load, store, getelementptr, prefetch) into the body of
//   func.func private @name.body(buffers: !llvm.ptr {llvm.noalias}..., symbols: i64..., task: i64)
// and beside it the function that the runtime calls: on a CPU @name(args: !llvm.ptr, task: i32), which unpacks tn_kernel_args; on a GPU the kernel
// @name(buffers: !llvm.ptr..., symbols: i64..., tasks: i32), whose blocks and threads share out the tasks.
#pragma once
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Value.h"
#include "passes/6_codegen/cpu/KernelFamily.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"

namespace tenon::cpu {

/// An index: a compile-time integer, or an i64 value. Arithmetic goes through KernelBuilder and folds.
class Index {
public:
  Index(int64_t constant = 0) : constant(constant) {}
  Index(mlir::Value value) : value(value) {}
  bool isConstant() const { return !value; }
  bool is(int64_t c) const { return !value && constant == c; }
  int64_t get() const { return constant; }          // only if isConstant()
  mlir::Value dynamic() const { return value; }      // null if isConstant()

private:
  mlir::Value value;
  int64_t constant = 0;
};

/// Memory of a tensor: address of element i... = base + (offset + sum i * strides) * element size.
struct Tensor {
  mlir::Value base;      // !llvm.ptr
  mlir::Type element;    // storage type: f32, f16, bf16, f64, i1 (one byte), i8 ... i64
  Index offset;          // elements
  int64_t alignment = 1; // bytes that divide the address of the base, as far as is known
  llvm::SmallVector<Index> sizes;
  llvm::SmallVector<Index> strides; // elements
  int rank() const { return sizes.size(); }
};

class KernelBuilder {
public:
  /// Creates the function in `module`; buffers are `func`'s arguments, results, then the workspace if it has one.
  KernelBuilder(mlir::ModuleOp module, kernel::FuncOp func, const Target &target, BlockShape block = {});
  /// Ends the function. Call once, after emitting.
  void finish();
  /// Ends the body of `part`, which has no entry point of its own then, and calls it for `task` on this function's buffers of these numbers:
  /// arguments, then results.
  void call(KernelBuilder &part, llvm::ArrayRef<unsigned> buffers, Index task);

  const Target &target() const { return machine; }
  kernel::FuncOp kernelFunc() const { return func; }
  mlir::ModuleOp codeModule() const { return module; }
  mlir::ImplicitLocOpBuilder &ops() { return builder; }

  // --- what the kernel was given
  Tensor argument(unsigned i);          // strides from kernel.strides; for a packed argument, the packed tensor
  Tensor result(unsigned i);
  Tensor workspace(mlir::Type element, Index offsetBytes, llvm::ArrayRef<Index> sizes); // dense, within this task's share
  Index task();
  Index tasks(); // the value of the function's `tasks`
  /// On a GPU: the kernel before is over, and what it wrote can be read. Where BlockShape::waits is not set the entry point does this.
  void waitForInputs();
  Index dim(nn::Dim d);           // emits the expression of the symbols
  Tensor tensorOf(mlir::Value v); // memory of an argument seen through kernel::viewOf; asserts the source is an argument
  llvm::SmallVector<Index> sizesOf(mlir::Value v);

  // --- integers (i64, no wrap)
  Index add(Index a, Index b);
  Index sub(Index a, Index b);
  Index mul(Index a, Index b);
  Index div(Index a, Index b);          // floor, operands not negative
  Index rem(Index a, Index b);
  Index min(Index a, Index b);
  Index max(Index a, Index b);
  template <typename... T> Index sum(Index a, T... rest) { ((a = add(a, Index(rest))), ...); return a; }
  mlir::Value value(Index i);           // as an i64 SSA value
  mlir::Value lessThan(Index a, Index b); // i1, signed
  mlir::Value equal(Index a, Index b);
  Index select(mlir::Value condition, Index a, Index b);
  /// The half-open share of task t when `total` units are split into `parts` balanced ranges (sizes differ by at most 1).
  std::pair<Index, Index> share(Index total, Index parts, Index t);
  /// A number that divides `i` as far as its definition shows (1 if nothing is known, 0 if i is 0): whether a position is aligned to lanes.
  int64_t divisorOf(Index i);
  Index folded(mlir::Value v);          // a constant where v is one

  // --- control flow
  void loop(Index low, Index high, int64_t step, llvm::function_ref<void(Index)> body); // constant trip counts of 0 and 1 leave no loop
  using Values = llvm::SmallVector<mlir::Value>;
  Values loop(Index low, Index high, int64_t step, mlir::ValueRange init, llvm::function_ref<Values(Index, mlir::ValueRange)> body);
  void ifThen(mlir::Value condition, llvm::function_ref<void()> then, llvm::function_ref<void()> otherwise = {});
  Values ifElse(mlir::Value condition, mlir::TypeRange types, llvm::function_ref<Values()> then, llvm::function_ref<Values()> otherwise);

  // --- memory. Vectors lie along the last axis; element addresses need only element alignment.
  Index at(const Tensor &t, llvm::ArrayRef<Index> indices);         // offset in elements, t.offset included
  mlir::Value load(const Tensor &t, Index offset);                  // storage type; i1 comes back as i1
  mlir::Value load(const Tensor &t, Index offset, int lanes);       // vector<lanes x storage>
  /// Lanes that are off are not read; they hold `passthru`, or zero.
  mlir::Value loadMasked(const Tensor &t, Index offset, int lanes, mlir::Value mask, mlir::Value passthru = {});
  mlir::Value loadStrided(const Tensor &t, Index offset, Index stride, int lanes, mlir::Value mask = {}); // lane by lane
  mlir::Value broadcastLoad(const Tensor &t, Index offset, int lanes);
  void store(mlir::Value v, const Tensor &t, Index offset);         // scalar or vector by v's type; converts nothing
  void storeMasked(mlir::Value v, const Tensor &t, Index offset, mlir::Value mask);
  void storeStrided(mlir::Value v, const Tensor &t, Index offset, Index stride, mlir::Value mask = {});
  void prefetch(const Tensor &t, Index offset, int locality = 2, bool write = false);
  mlir::Value address(const Tensor &t, Index offset); // for instructions that take one
  void keepMemoryOrder();               // the code generator moves no load or store across it; no instruction
  void fill(const Tensor &t, Index offset, Index count, mlir::Value scalar); // count contiguous elements
  mlir::Value tailMask(Index remaining, int lanes);                 // lane i is on where i < remaining
  /// Body once for every group of `lanes` elements of [0, count), then once for the remainder with its mask (null: full).
  void lanesLoop(Index count, int lanes, llvm::function_ref<void(Index position, mlir::Value mask)> body);

  // --- values: scalars and vectors alike
  mlir::Value constant(double v, mlir::Type like);                  // splat where `like` is a vector; also for integers
  mlir::Value integer(int64_t v, mlir::Type like);                  // the same for integers that a double cannot hold
  mlir::Value splat(mlir::Value scalar, int lanes);                 // a vector comes back as it is
  mlir::Value insertLane(mlir::Value vector, mlir::Value scalar, int lane);
  mlir::Value extractLane(mlir::Value vector, int lane);
  mlir::Value fma(mlir::Value a, mlir::Value b, mlir::Value c);     // a * b + c, fused where the target can
  mlir::Value convert(mlir::Value v, mlir::Type element, bool fromUnsigned = false, bool toUnsigned = false); // nn.cast's rules; f16 and bf16 without libm
  mlir::Value reduceAdd(mlir::Value vector);                        // reassociated
  mlir::Value reduceMax(mlir::Value vector, bool isUnsigned = false); // NaN where any lane is
  mlir::Value reduceMin(mlir::Value vector, bool isUnsigned = false);
  /// A constant table in the kernel's own memory (read-only), for `load`.
  Tensor table(mlir::DenseElementsAttr contents);

private:
  struct AtHead;
  void emitEntryPoint();
  void emitGpuEntryPoint();
  Tensor bufferOf(unsigned index, mlir::Type tensor, llvm::ArrayRef<nn::Dim> strides);
  mlir::Value attributeConstant(mlir::TypedAttr value);
  /// Bytes that divide the address of an element: its own size at least, and as much as a GPU's vector access can use.
  int64_t alignmentAt(const Tensor &t, Index offset, int64_t accessBytes);
  mlir::Value lanePointers(const Tensor &t, Index offset, Index stride, int lanes);
  mlir::Value reduce(mlir::Value vector, mlir::vector::CombiningKind kind);

  const Target &machine;
  BlockShape block;
  mlir::ImplicitLocOpBuilder builder;
  kernel::FuncOp func;
  mlir::ModuleOp module;
  mlir::func::FuncOp body;
  // Constants and sizes are made once, at the head of the function, so that every later use may see them.
  mlir::Operation *lastAtHead = nullptr;
  llvm::DenseMap<mlir::Attribute, mlir::Value> constants;
  llvm::DenseMap<mlir::Attribute, Index> dims;
  llvm::DenseMap<mlir::Attribute, Tensor> tables;
};

} // namespace tenon::cpu
