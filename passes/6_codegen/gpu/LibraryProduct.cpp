#include "passes/6_codegen/gpu/LibraryProduct.h"
#include "dialects/kernel/ProductMarks.h"
#include "lib/Target/Gpu.h"
#include "passes/6_codegen/gpu/LibraryEnding.h"
#include <numeric>

namespace tenon::gpu {
using namespace mlir;

namespace {

Type elementOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getElementType();
}

/// Whether each row reads one pixel, at its own place.
bool isPlainProduct(const cpu::ContractionProblem &p) {
  bool isPlain = p.groups == 1 && p.dot == 1 && p.tapCount() == 1 && !p.padded;
  return isPlain && llvm::all_of(p.lhsAxes, [](const cpu::LhsAxis &axis) { return axis.rowScale == 1 && axis.shift == 0; });
}

/// Memory of an operand: where it begins, and its strides along the rows' axes and along the last two of its matrix.
struct Memory {
  unsigned buffer = 0;
  int64_t offset = 0; // in elements
  SmallVector<int64_t> rows;
  int64_t depth = 0, columns = 0;
};

class ProductMatcher {
public:
  explicit ProductMatcher(kernel::FuncOp func) : func(func) {}

  std::optional<plan::LibraryCall> run() {
    std::optional<cpu::ContractionProblem> matched = cpu::ContractionProblem::of(func);
    if (!matched || func.getNumResults() != 1 || !isPlainProduct(*matched))
      return std::nullopt;
    p = std::move(*matched);
    element = elementOf(p.result);
    std::optional<SmallVector<int64_t>> sizes = constantsOf(p.extents);
    std::optional<int64_t> depth = p.depth.asConstant();
    bool hasSizes = sizes && depth && *depth > 0 && llvm::all_of(*sizes, [](int64_t size) { return size > 0; });
    if (!hasSizes || !isLibraryElement(element) || elementOf(p.lhs) != element || elementOf(p.rhs) != element)
      return std::nullopt;
    std::optional<LibraryEnding> found = LibraryEnding::of(p, {plan::Activation::Relu, plan::Activation::Gelu});
    if (!found)
      return std::nullopt;
    ending = *found;
    if (!findMemory() || !mergeRows(ArrayRef(*sizes).drop_back()))
      return std::nullopt;
    return callOf(*depth, sizes->back());
  }

private:
  /// Where all operands and the result lie.
  bool findMemory() {
    auto find = [&](Value value, Memory &memory, auto fill) {
      kernel::View view = kernel::viewOf(value);
      auto source = dyn_cast<BlockArgument>(view.source);
      std::optional<SmallVector<int64_t>> strides = constantsOf(view.strides);
      std::optional<int64_t> offset = view.offset.asConstant();
      if (!source || !strides || !offset)
        return false;
      memory.buffer = source.getArgNumber();
      memory.offset = *offset;
      fill(ArrayRef<int64_t>(*strides));
      return true;
    };
    bool isFound = find(p.lhs, left, [&](ArrayRef<int64_t> strides) {
      left.rows.assign(p.rowAxes(), 0);
      for (auto [axis, stride] : llvm::zip_equal(p.lhsAxes, strides))
        if (axis.rowAxis >= 0)
          left.rows[axis.rowAxis] += stride;
      left.depth = strides[p.lhsChannel];
    });
    isFound = isFound && find(p.rhs, right, [&](ArrayRef<int64_t> strides) {
                for (int axis : p.rhsRows)
                  right.rows.push_back(axis < 0 ? 0 : strides[axis]);
                right.depth = strides[p.rhsDepth];
                right.columns = strides[p.rhsColumn];
              });
    if (isFound && ending.added)
      isFound = find(ending.added, added, [&](ArrayRef<int64_t> strides) {
        added.rows.assign(strides.begin(), strides.end() - 1);
        added.columns = strides.back();
      });
    std::optional<SmallVector<int64_t>> strides = constantsOf(func.resultStrides(0));
    if (!isFound || !strides)
      return false;
    result.buffer = func.getNumArguments();
    result.columns = strides->pop_back_val();
    result.rows = *strides;
    if (!ending.added)
      added = result; // has a say in nothing
    return true;
  }

  /// Walks axes of rows as one where all memory allows: at most a batch and its rows are left.
  bool mergeRows(ArrayRef<int64_t> sizes) {
    Memory *all[] = {&left, &right, &added, &result};
    SmallVector<int64_t> merged;
    SmallVector<SmallVector<int64_t>> strides(std::size(all));
    for (auto [axis, size] : llvm::enumerate(sizes)) {
      if (size == 1)
        continue;
      bool isWhole = !merged.empty() && llvm::all_of(llvm::zip_equal(all, strides), [&, axis = axis, size = size](auto pair) {
        auto &[memory, own] = pair;
        return own.back() == memory->rows[axis] * size;
      });
      for (auto [memory, own] : llvm::zip_equal(all, strides))
        isWhole ? void(own.back() = memory->rows[axis]) : own.push_back(memory->rows[axis]);
      isWhole ? void(merged.back() *= size) : merged.push_back(size);
    }
    auto prepend = [&] {
      merged.insert(merged.begin(), 1);
      for (auto &own : strides)
        own.insert(own.begin(), 0);
    };
    if (merged.size() == 1 && strides[1].back() != 0) { // rows of one, each with weights of its own
      merged.push_back(1);
      for (auto &own : strides)
        own.push_back(0);
    }
    while (merged.size() < 2)
      prepend();
    if (merged.size() > 2 || strides[1].back() != 0)
      return false;
    batch = merged[0], rows = merged[1];
    for (auto [memory, own] : llvm::zip_equal(all, strides))
      memory->rows = own;
    return true;
  }

  plan::LibraryTensor tensor(const Memory &memory, std::array<int64_t, 3> sizes, std::array<int64_t, 3> strides) const {
    plan::LibraryTensor made;
    int64_t bytes = element.getIntOrFloatBitWidth() / 8;
    made.buffer = memory.buffer;
    made.offset = uint64_t(memory.offset * bytes);
    made.alignment = uint32_t(std::gcd(bufferAlignment(func, memory.buffer), memory.offset * bytes));
    made.dtype = libraryDtype(element);
    made.sizes.assign(sizes.begin(), sizes.end());
    made.strides.assign(strides.begin(), strides.end());
    return made;
  }

  /// As runtime/plan/LibraryCallVerifier.cpp wants it.
  static bool isAlong(const plan::LibraryTensor &tensor, int inner, int outer) {
    return (tensor.sizes[inner] == 1 || tensor.strides[inner] == 1) && (tensor.sizes[outer] == 1 || tensor.strides[outer] >= tensor.sizes[inner]);
  }

  std::optional<plan::LibraryCall> callOf(int64_t depth, int64_t columns) const {
    plan::LibraryCall call;
    call.left = tensor(left, {batch, rows, depth}, {left.rows[0], left.rows[1], left.depth});
    call.right = tensor(right, {batch, depth, columns}, {right.rows[0], right.depth, right.columns});
    call.result = tensor(result, {batch, rows, columns}, {result.rows[0], result.rows[1], result.columns});
    if (ending.added)
      call.added = tensor(added, {batch, rows, columns}, {added.rows[0], added.rows[1], added.columns});
    if (ending.bias) {
      Memory bias;
      bias.buffer = ending.biasArgument().getArgNumber();
      call.bias = tensor(bias, {}, {});
      call.bias->sizes = {uint64_t(columns)};
      call.bias->strides = {1};
    }
    call.activation = ending.activation;
    call.tf32 = p.anchor->hasAttr(kernel::kTf32Attr);
    // Room for sums of parts of the depth, where there are few tiles.
    constexpr int64_t kLeast = 64 << 10, kMost = 4 << 20, kParts = 8;
    call.workspaceBytes = uint64_t(std::min(kMost, kLeast + kParts * 4 * int64_t(llvm::alignTo(batch * rows * columns, 64))));
    constexpr int kRows = 1, kColumns = 2;
    auto isMatrix = [](const plan::LibraryTensor &tensor) { return isAlong(tensor, kColumns, kRows) || isAlong(tensor, kRows, kColumns); };
    bool isPossible = isMatrix(call.left) && isMatrix(call.right) && isAlong(call.result, kColumns, kRows) &&
                      (!call.added || isAlong(*call.added, kColumns, kRows));
    bool isBehind = batch == 1 || result.rows[0] >= (rows - 1) * result.rows[1] + columns;
    return isPossible && isBehind ? std::optional(std::move(call)) : std::nullopt;
  }

  kernel::FuncOp func;
  cpu::ContractionProblem p;
  Type element;
  LibraryEnding ending;
  Memory left, right, added, result;
  int64_t batch = 1, rows = 1;
};

class CublasLtFamily final : public KernelFamily {
public:
  StringRef name() const override { return "cublaslt"; }

  bool matches(kernel::FuncOp func, const Target &target) const override { return mayCall(target, name()) && productCall(func); }

  void schedules(kernel::FuncOp func, const Target &, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    constexpr int64_t kTried = 6; // of the library's list, which begins with what it expects to be fastest
    for (int64_t algorithm = 0; algorithm < kTried; ++algorithm)
      out.push_back(kernel::ScheduleAttr::get(func.getContext(), name(), {{kAlgorithmParameter, algorithm}}));
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr, const Target &) const override {
    plan::LibraryCall call = *productCall(func);
    KernelPlan plan;
    plan.tasks = nn::Dim::constant(func.getContext(), 1);
    plan.workspaceBytes = int64_t(call.workspaceBytes);
    bool overwrites = call.added && call.added->strides == call.result.strides;
    plan.overwrites.push_back(overwrites ? int64_t(cpu::ContractionProblem::of(func)->overwritten()) : -1);
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr, KernelBuilder &) const override {
    return func.emitError("is computed by cublasLt: there is no code to emit");
  }

  nn::Dim operations(kernel::FuncOp func) const override {
    cpu::ContractionProblem p = *cpu::ContractionProblem::of(func);
    return nn::product(func.getContext(), p.extents) * p.depth * 2;
  }
};
} // namespace

std::optional<plan::LibraryCall> productCall(kernel::FuncOp func) {
  return ProductMatcher(func).run();
}

const KernelFamily &cublasLtFamily() {
  static const CublasLtFamily family;
  return family;
}

} // namespace tenon::gpu
