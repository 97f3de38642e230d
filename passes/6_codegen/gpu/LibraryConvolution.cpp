#include "passes/6_codegen/gpu/LibraryConvolution.h"
#include "dialects/kernel/ProductMarks.h"
#include "lib/Target/Gpu.h"
#include "passes/6_codegen/gpu/LibraryEnding.h"
#include <numeric>

namespace tenon::gpu {
using namespace mlir;

namespace {

constexpr int kImages = 0, kRows = 1, kColumns = 2, kChannels = 3, kRank = 4; // of tensors here, whose channels are last
constexpr int64_t kAccess = 16;                                               // bytes

/// Filters as [filters, rows, columns, channels].
kernel::PackingAttr channelsLast(MLIRContext *context, ArrayRef<int64_t> shape) {
  return kernel::PackingAttr::get(context, shape, shape, {0, 2, 3, 1});
}

class ConvolutionMatcher {
public:
  explicit ConvolutionMatcher(kernel::FuncOp func) : func(func) {}

  std::optional<plan::LibraryCall> run() {
    std::optional<cpu::ContractionProblem> matched = cpu::ContractionProblem::of(func);
    conv = matched ? dyn_cast<nn::ConvOp>(matched->anchor) : nn::ConvOp();
    if (!conv || func.getNumResults() != 1 || matched->groups != 1 || matched->dot != 1 ||
        cast<RankedTensorType>(matched->lhs.getType()).getRank() != kRank)
      return std::nullopt;
    p = std::move(*matched);
    element = getElementTypeOrSelf(p.result.getType());
    bool isTf32 = element.isF32() && p.anchor->hasAttr(kernel::kTf32Attr);
    bool isElement = (isTf32 || element.isF16() || element.isBF16()) && getElementTypeOrSelf(p.lhs.getType()) == element &&
                     getElementTypeOrSelf(p.rhs.getType()) == element;
    ending = LibraryEnding::of(
        p, {plan::Activation::Relu, plan::Activation::Gelu, plan::Activation::ExactGelu, plan::Activation::Silu, plan::Activation::Clip});
    if (!isElement || !ending || !takeFilters())
      return std::nullopt;
    plan::LibraryCall call;
    call.library = plan::Library::Cudnn;
    call.tf32 = isTf32;
    call.right = filters;
    call.activation = ending->activation;
    call.most = ending->activation == plan::Activation::Clip ? ending->most : 0;
    std::optional<plan::LibraryTensor> left = imagesOf(p.lhs), result = resultOf();
    if (!left || !result)
      return std::nullopt;
    call.left = std::move(*left), call.result = std::move(*result);
    if (ending->added && !(call.added = imagesOf(ending->added)))
      return std::nullopt;
    if (ending->bias && !(call.bias = biasOf(*ending)))
      return std::nullopt;
    for (int axis = 0; axis < 2; ++axis)
      call.window.push_back({uint32_t(conv.getPads()[axis]), uint32_t(conv.getPads()[axis + 2]), uint32_t(conv.getStrides()[axis]),
                             uint32_t(conv.getDilations()[axis])});
    // Most engines need none, a few sum up parts of the depth there.
    constexpr uint64_t kWorkspace = 2 << 20;
    call.workspaceBytes = kWorkspace;
    return isPossible(call) ? std::optional(std::move(call)) : std::nullopt;
  }

private:
  plan::LibraryTensor tensor(unsigned buffer, int64_t offset, ArrayRef<int64_t> sizes, ArrayRef<int64_t> strides) const {
    plan::LibraryTensor made;
    int64_t bytes = element.getIntOrFloatBitWidth() / 8;
    made.buffer = buffer;
    made.offset = uint64_t(offset * bytes);
    made.alignment = uint32_t(std::gcd(bufferAlignment(func, buffer), offset * bytes));
    made.dtype = libraryDtype(element);
    made.sizes.assign(sizes.begin(), sizes.end());
    made.strides.assign(strides.begin(), strides.end());
    return made;
  }

  /// In the order of plans, channels behind images, from that of tensors here.
  std::optional<plan::LibraryTensor> images(unsigned buffer, int64_t offset, Type type, ArrayRef<nn::Dim> strides) const {
    std::optional<SmallVector<int64_t>> sizes = constantsOf(nn::dimsOf(type)), distances = constantsOf(strides);
    if (!sizes || !distances || sizes->size() != kRank || llvm::is_contained(*sizes, 0))
      return std::nullopt;
    SmallVector<int64_t> s = *sizes, d = *distances;
    return tensor(buffer, offset, {s[kImages], s[kChannels], s[kRows], s[kColumns]}, {d[kImages], d[kChannels], d[kRows], d[kColumns]});
  }

  std::optional<plan::LibraryTensor> imagesOf(Value value) const {
    kernel::View view = kernel::viewOf(value);
    auto source = dyn_cast<BlockArgument>(view.source);
    std::optional<int64_t> offset = view.offset.asConstant();
    return source && offset ? images(source.getArgNumber(), *offset, value.getType(), view.strides) : std::nullopt;
  }

  std::optional<plan::LibraryTensor> resultOf() { return images(func.getNumArguments(), 0, func.getResultTypes().front(), func.resultStrides(0)); }

  /// A half type's bias is rounded to it for ReLU and nothing, for which the library has engines ready; those that it compiles for others want f32.
  std::optional<plan::LibraryTensor> biasOf(const LibraryEnding &ending) const {
    BlockArgument argument = ending.biasArgument();
    bool isReady = ending.activation == plan::Activation::None || ending.activation == plan::Activation::Relu;
    plan::LibraryTensor bias = tensor(argument.getArgNumber(), 0, {p.columns.asConstant().value_or(0)}, {1});
    if (!isReady)
      bias.dtype = TN_F32;
    bool isStored = isReady || getElementTypeOrSelf(argument.getType()).isF32();
    return isStored ? std::optional(std::move(bias)) : std::nullopt;
  }

  /// Constant filters, as they come or packed already.
  bool takeFilters() {
    ArrayRef<int64_t> shape = cast<RankedTensorType>(p.rhs.getType()).getShape(); // [filters, channels, rows, columns]
    kernel::UnpackOp unpacked = p.unpacked();
    BlockArgument source = unpacked ? dyn_cast<BlockArgument>(unpacked.getOperand()) : p.rhsArgument();
    bool isLaidOut = source && (unpacked ? unpacked.getPacking() == channelsLast(func.getContext(), shape) : p.rhsConstant());
    if (!isLaidOut)
      return false;
    int64_t channels = shape[1], row = channels * shape[3];
    filters = tensor(source.getArgNumber(), 0, shape, {row * shape[2], 1, row, channels});
    return true;
  }

  /// As runtime/plan/LibraryCallVerifier.cpp wants it; and accesses are whole.
  bool isPossible(const plan::LibraryCall &call) {
    auto isLast = [&](const plan::LibraryTensor &tensor) {
      uint64_t end = tensor.sizes[1];
      bool isFine = end * (element.getIntOrFloatBitWidth() / 8) % kAccess == 0 && tensor.alignment % kAccess == 0 && tensor.strides[1] == 1;
      for (int axis : {3, 2, 0}) {
        isFine &=
            tensor.sizes[axis] == 1 || (tensor.strides[axis] >= end && tensor.strides[axis] * (element.getIntOrFloatBitWidth() / 8) % kAccess == 0);
        end = tensor.sizes[axis] == 1 ? end : tensor.strides[axis] * tensor.sizes[axis];
      }
      return isFine;
    };
    bool hasPads = llvm::all_of(conv.getPads(), [](int64_t pad) { return pad >= 0; });
    return hasPads && isLast(call.left) && isLast(call.right) && isLast(call.result) && (!call.added || isLast(*call.added));
  }

  kernel::FuncOp func;
  cpu::ContractionProblem p;
  nn::ConvOp conv;
  Type element;
  std::optional<LibraryEnding> ending;
  plan::LibraryTensor filters;
};

class CudnnFamily final : public KernelFamily {
public:
  StringRef name() const override { return "cudnn"; }

  bool matches(kernel::FuncOp func, const Target &target) const override { return mayCall(target, name()) && convolutionCall(func); }

  void schedules(kernel::FuncOp func, const Target &, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    constexpr int64_t kTried = 4; // each may be compiled for a third of a second
    for (int64_t algorithm = 0; algorithm < kTried; ++algorithm)
      out.push_back(kernel::ScheduleAttr::get(func.getContext(), name(), {{kAlgorithmParameter, algorithm}}));
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr, const Target &) const override {
    plan::LibraryCall call = *convolutionCall(func);
    cpu::ContractionProblem p = *cpu::ContractionProblem::of(func);
    KernelPlan plan;
    plan.tasks = nn::Dim::constant(func.getContext(), 1);
    plan.workspaceBytes = int64_t(call.workspaceBytes);
    plan.overwrites.push_back(-1); // what it adds may be read after the result is written elsewhere
    if (p.rhsArgument())
      plan.packings.push_back({p.rhsArgument().getArgNumber(), channelsLast(func.getContext(), cast<RankedTensorType>(p.rhs.getType()).getShape())});
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr, KernelBuilder &) const override {
    return func.emitError("is computed by cuDNN: there is no code to emit");
  }

  nn::Dim operations(kernel::FuncOp func) const override {
    cpu::ContractionProblem p = *cpu::ContractionProblem::of(func);
    return nn::product(func.getContext(), p.extents) * p.depth * (2 * p.tapCount());
  }
};
} // namespace

std::optional<plan::LibraryCall> convolutionCall(kernel::FuncOp func) {
  return ConvolutionMatcher(func).run();
}

const KernelFamily &cudnnFamily() {
  static const CudnnFamily family;
  return family;
}

} // namespace tenon::gpu
