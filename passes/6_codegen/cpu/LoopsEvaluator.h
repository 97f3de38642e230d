// Elements of any value of a kernel's body, computed where they are wanted: the engine of the general road.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"
#include <map>

namespace tenon::cpu {

/// Which elements of a value are wanted: one, or `lanes` neighbours along `axis` from `index` on.
struct Place {
  llvm::SmallVector<Index, 6> index; // one an axis of the value
  int lanes = 0;                     // 0: one element, as a scalar
  int axis = -1;                     // of the lanes; -1 where lanes is 0
};

/// The loop of one axis: low <= i < high.
struct Range {
  Index low, high;
};

/// How elements are combined. Max and Min keep NaN; MaxNumber is faster and says nothing about NaN.
enum class Fold { Add, Multiply, Max, Min, MaxNumber, MaxUnsigned, MinUnsigned };

/// Evaluates values of one kernel's body at places; arguments and views of arguments are loads, everything else is
/// computed by recursion. Results are in the computation type (cpu::computeType).
///
/// What was computed at a place is remembered as long as it dominates the insertion point, so a value with several uses
/// at one place is emitted once. `Scope` brackets every region that is emitted.
class Evaluator {
public:
  explicit Evaluator(KernelBuilder &builder) : b(builder) { pushScope(); }

  /// Whether `at` knows the op.
  static bool canEvaluate(mlir::Operation *op);
  static bool canEvaluateConstant(nn::ConstantOp op);
  /// Whether the op runs a loop for every element of its result.
  static bool hasLoop(mlir::Operation *op);
  /// Whether lanes along `axis` of `v` never make a loop run lane by lane.
  bool lanesAllowed(mlir::Value v, int axis);
  /// The same before there is code, where nothing is provided.
  static bool lanesSuit(mlir::Value v, int axis);

  mlir::Value at(mlir::Value v, const Place &place);
  /// What an elementwise op, a view or a norm needs of operand `operand` for its result at `place`.
  mlir::Value atOperand(mlir::Operation *op, unsigned operand, const Place &place);
  /// From now on elements of `v` are loads from `memory` (storage type, indexed like v).
  void provide(mlir::Value v, Tensor memory) {
    provide(v, [this, memory = std::move(memory)](const Place &place) { return load(memory, place); });
  }
  /// From now on `value` makes the elements of `v`.
  void provide(mlir::Value v, std::function<mlir::Value(const Place &)> value) { provided[v] = std::move(value); }

  /// Emits here what loops will need below, but what does not depend on the indices that are `unknown()`: row statistics
  /// of softmax and norms, reductions that are broadcast.
  void hoist(mlir::Value v, const Place &place);
  static Index unknown() { return Index(INT64_MIN); }
  static bool isUnknown(Index i) { return i.is(INT64_MIN); }

  class Scope {
  public:
    explicit Scope(Evaluator &e) : evaluator(e) { e.pushScope(); }
    ~Scope() { evaluator.popScope(); }

  private:
    Evaluator &evaluator;
  };

  /// Folds elements over the ranges. With `lanes` the last range goes in vectors, and `element` is asked for `lanes`
  /// neighbours (or with 0 for one); `type` is the type of what `element` returns for 0.
  mlir::Value fold(Fold kind, mlir::Type type, llvm::ArrayRef<Range> ranges, int lanes,
                   llvm::function_ref<mlir::Value(llvm::ArrayRef<Index>, int)> element);
  /// The same where a step does more than combine: `next` makes the next accumulator.
  mlir::Value accumulate(Fold kind, mlir::Type type, llvm::ArrayRef<Range> ranges, int lanes,
                         llvm::function_ref<mlir::Value(mlir::Value acc, llvm::ArrayRef<Index>, int)> next);
  /// Nested loops with carried values.
  KernelBuilder::Values nest(llvm::ArrayRef<Range> ranges, mlir::ValueRange init,
                             llvm::function_ref<KernelBuilder::Values(llvm::ArrayRef<Index>, mlir::ValueRange)> body);
  mlir::Value combine(Fold kind, mlir::Value a, mlir::Value b);
  mlir::Value identity(Fold kind, mlir::Type type);

  mlir::Value indexAt(mlir::Value indices, llvm::ArrayRef<Index> index); // an integer element as i64
  Index wrapped(mlir::Value index, Index size); // negative counts from the end; clamped to the axis

  /// The axis of operand `operand` along which lanes along `axis` of the op's result lie.
  static constexpr int kConstant = -1; // the operand is the same for all lanes
  static constexpr int kScattered = -2; // lanes are not neighbours: they are computed one by one
  static int operandAxis(mlir::Operation *op, unsigned operand, int axis);
  /// The place in operand `operand` of what the op's result needs at `index`, for ops that map indices (elementwise, views).
  llvm::SmallVector<Index> operandIndex(mlir::Operation *op, unsigned operand, llvm::ArrayRef<Index> index);

  /// The type of a value at `lanes` (0: scalar), in its computation type.
  mlir::Type typeAt(mlir::Value v, int lanes);
  /// The lanes that suit the widest type in the kernel.
  int preferredLanes();

private:
  using Key = std::vector<intptr_t>;
  static constexpr int kHoisted = -1; // the tag of values that `hoist` has seen
  friend class Scope;
  void pushScope() { scopes.emplace_back(); }
  void popScope() { scopes.pop_back(); }
  Key keyOf(const void *what, int tag, const Place &place);
  mlir::Value remembered(const Key &key);
  /// A value that belongs to `op` but is none of its results (a row's maximum): computed once for a place.
  mlir::Value statistic(mlir::Operation *op, int tag, const Place &place, llvm::function_ref<mlir::Value()> compute);

  mlir::Value compute(mlir::Value v, const Place &place);
  mlir::Value laneByLane(mlir::Value v, const Place &place);
  mlir::Value spread(mlir::Value v, int lanes); // a splat where lanes > 0 and v is a scalar
  mlir::Value load(const Tensor &t, const Place &place);
  mlir::Value constantAt(nn::ConstantOp op, const Place &place);
  mlir::Value dimsAt(llvm::ArrayRef<nn::Dim> dims, Index position, mlir::Type element);
  Tensor table(nn::ConstantOp op, mlir::DenseElementsAttr contents);
  /// Lanes 0, 1, 2 ... as a vector of `element`.
  mlir::Value iota(mlir::Type element, int lanes);
  /// One of two values of `type`, of which only that one is computed.
  mlir::Value choose(mlir::Type type, mlir::Value condition, llvm::function_ref<mlir::Value()> then, llvm::function_ref<mlir::Value()> otherwise);
  mlir::Value floatOf(Index i, mlir::Type type);

  // views and movement (LoopsMovement.cpp, LoopsResize.cpp)
  llvm::SmallVector<Index> reshapeIndex(nn::ReshapeOp op, llvm::ArrayRef<Index> index);
  llvm::SmallVector<Index> shuffleIndex(mlir::Operation *op, llvm::ArrayRef<Index> index);
  mlir::Value padAt(nn::PadOp op, const Place &place);
  mlir::Value concatAt(nn::ConcatOp op, const Place &place);
  mlir::Value gatherAt(nn::GatherOp op, const Place &place);
  mlir::Value gatherElementsAt(nn::GatherElementsOp op, const Place &place);
  mlir::Value gatherNDAt(nn::GatherNDOp op, const Place &place);
  mlir::Value oneHotAt(nn::OneHotOp op, const Place &place);
  mlir::Value rangeAt(nn::RangeOp op, const Place &place);
  mlir::Value concatPart(nn::ConcatOp op, unsigned part, Index start, const Place &place);
  mlir::Value unpackAt(kernel::UnpackOp op, const Place &place);
  static int unpackAxis(kernel::UnpackOp op, int axis);
  mlir::Value resizeAt(nn::ResizeOp op, const Place &place);
  mlir::Value gridSampleAt(nn::GridSampleOp op, const Place &place); // LoopsSampling.cpp
  mlir::Value roiAlignAt(nn::RoiAlignOp op, const Place &place);

  // reductions (LoopsReduction.cpp, LoopsNormalization.cpp)
  mlir::Value reduceAt(nn::ReduceOp op, const Place &place);
  mlir::Value argReduceAt(nn::ArgReduceOp op, const Place &place);
  mlir::Value poolAt(nn::PoolOp op, const Place &place);
  mlir::Value argPoolAt(nn::ArgPoolOp op, const Place &place);
  mlir::Value softmaxAt(nn::SoftmaxOp op, const Place &place);
  mlir::Value normAt(mlir::Operation *op, const Place &place);
  mlir::Value groupNormAt(nn::GroupNormOp op, const Place &place);
  mlir::Value batchNormAt(nn::BatchNormOp op, const Place &place);
  mlir::Value lrnAt(nn::LRNOp op, const Place &place);
  /// Folds `v` (or what `map` makes of its elements) over `axes`, the other axes at `place`.
  mlir::Value foldAxes(Fold kind, mlir::Value v, llvm::ArrayRef<int64_t> axes, const Place &place,
                       llvm::function_ref<mlir::Value(mlir::Value, const Place &)> map = {});
  /// Folds elements into several accumulators, which hide the latency of the combination. Ranges begin at 0.
  mlir::Value foldInterleaved(Fold kind, mlir::Type type, llvm::ArrayRef<Range> ranges,
                              llvm::function_ref<mlir::Value(llvm::ArrayRef<Index>, int)> element);
  std::pair<mlir::Value, mlir::Value> softmaxStatistics(nn::SoftmaxOp op, const Place &row); // maximum, sum
  /// Mean (null unless `centred`) and 1 / sqrt(mean square deviation + epsilon) over `axes`.
  std::pair<mlir::Value, mlir::Value> momentStatistics(mlir::Operation *op, mlir::Value input, llvm::ArrayRef<int64_t> axes,
                                                       const Place &row, double epsilon, bool centred);
  std::pair<mlir::Value, mlir::Value> normStatistics(mlir::Operation *op, const Place &row);
  std::pair<mlir::Value, mlir::Value> groupStatistics(nn::GroupNormOp op, Index batch, Index group);
  Index groupOf(nn::GroupNormOp op, Index channel);
  /// Emits the statistics that `op` keeps for a row, if it keeps any and the row is known at `place`.
  bool hoistStatistics(mlir::Operation *op, const Place &place);

  // contractions (LoopsContraction.cpp)
  mlir::Value matmulAt(nn::MatMulOp op, const Place &place);
  mlir::Value convAt(nn::ConvOp op, const Place &place);
  mlir::Value convTransposeAt(nn::ConvTransposeOp op, const Place &place);

  KernelBuilder &b;
  std::vector<std::map<Key, mlir::Value>> scopes;
  llvm::DenseMap<mlir::Value, std::function<mlir::Value(const Place &)>> provided;
  llvm::DenseMap<mlir::Operation *, Tensor> tables;
  using AllowedLanes = llvm::DenseMap<std::pair<mlir::Value, int>, bool>;
  static bool lanesAllowed(mlir::Value v, int axis, AllowedLanes &known, llvm::function_ref<bool(mlir::Value)> isProvided);
  AllowedLanes allowed;
};

/// The taps [first, end) of a window of `size` taps at `start` (with `dilation`) that lie within an axis of `extent` elements.
Range tapsInside(KernelBuilder &b, Index start, int64_t size, int64_t dilation, Index extent);

} // namespace tenon::cpu
