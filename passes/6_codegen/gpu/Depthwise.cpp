#include "passes/6_codegen/gpu/Depthwise.h"
#include "passes/6_codegen/cpu/Depthwise.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kAccessBytes = 16;

nn::ConvOp convolutionOf(kernel::FuncOp func) {
  auto convolutions = func.getBody().getOps<nn::ConvOp>();
  return convolutions.empty() ? nn::ConvOp() : *convolutions.begin();
}

Type elementOf(Value v) {
  return cast<RankedTensorType>(v.getType()).getElementType();
}

/// Channels of a thread: 16 bytes of the image, or 8 where it is bytes, whose weights are f32.
int64_t lanesOf(nn::ConvOp conv) {
  constexpr int64_t kOfBytes = 8;
  return cpu::FilterInput::of(conv.getInput()).isBytes ? kOfBytes : kAccessBytes / nn::elementBytes(elementOf(conv.getInput()));
}

/// A pixel of a few channels, or some neighbouring ones, which share what they read. No tap waits for another: its load is left out outside the image, not
/// its code.
class DepthwiseEmitter {
public:
  DepthwiseEmitter(KernelBuilder &b, nn::ConvOp conv, int64_t pixels)
      : b(b), w(b), ops(b.ops()), conv(conv), pixels(pixels), lanes(lanesOf(conv)), input(cpu::FilterInput::of(conv.getInput())),
        image(b.tensorOf(input.memory)), stored(input.isBytes ? Type(ops.getI8Type()) : image.element),
        filter(b.argument(cast<BlockArgument>(conv.getWeight().getDefiningOp<kernel::UnpackOp>().getPacked()).getArgNumber())) {}

  void emit() { pixels == 1 ? emitPixel() : emitPixels(); }

private:
  void emitPixel() {
    auto weight = cast<RankedTensorType>(conv.getWeight().getType()).getShape();
    position = w.pixelOf(b.task(), nn::dimsOf(conv.getResult().getType()), lanes);

    // Weights do not depend on the kernel before.
    SmallVector<Value> weights;
    for (int64_t r = 0; r < weight[2]; ++r)
      for (int64_t s = 0; s < weight[3]; ++s)
        weights.push_back(b.load(filter, b.at(filter, {Index(r), Index(s), Index(0), position[3]}), int(lanes)));
    Type type = VectorType::get({lanes}, ops.getF32Type());
    Value sum = b.constant(0, type);
    if (conv.getBias()) {
      Tensor bias = b.tensorOf(conv.getBias());
      sum = b.convert(b.load(bias, b.at(bias, {position[3]}), int(lanes)), ops.getF32Type());
    }
    b.waitForInputs();
    SmallVector<Value> taps;
    for (int64_t r = 0; r < weight[2]; ++r)
      for (int64_t s = 0; s < weight[3]; ++s)
        taps.push_back(read(r, s));
    for (auto [x, factor] : llvm::zip(taps, weights))
      sum = b.fma(decoded(x), b.convert(factor, ops.getF32Type()), sum);
    cpu::Epilogue(b, conv.getResult()).store(sum, position);
  }

  /// One row of the filter after the other, the next one's loads on their way.
  void emitPixels() {
    auto weight = cast<RankedTensorType>(conv.getWeight().getType()).getShape();
    SmallVector<nn::Dim> dims = nn::dimsOf(conv.getResult().getType());
    dims[2] = dims[2].floorDiv(pixels);
    position = w.pixelOf(b.task(), dims, lanes);
    position[2] = b.mul(position[2], pixels);
    b.waitForInputs();
    Type f32 = ops.getF32Type();
    Value sum = b.constant(0, VectorType::get({lanes}, f32));
    if (conv.getBias()) {
      Tensor bias = b.tensorOf(conv.getBias());
      sum = b.convert(b.load(bias, b.at(bias, {position[3]}), int(lanes)), f32);
    }
    SmallVector<Value> sums(pixels, sum), coming = readRow(0);
    for (int64_t r = 0; r < weight[2]; ++r) {
      SmallVector<Value> row = std::move(coming), factors;
      if (r + 1 < weight[2])
        coming = readRow(r + 1);
      for (int64_t s = 0; s < weight[3]; ++s)
        factors.push_back(b.convert(b.load(filter, b.at(filter, {Index(r), Index(s), Index(0), position[3]}), int(lanes)), f32));
      for (Value &x : row)
        x = x ? decoded(x) : x;
      for (int64_t pixel = 0; pixel < pixels; ++pixel)
        for (int64_t s = 0; s < weight[3]; ++s)
          sums[pixel] = b.fma(row[pixel * conv.getStrides()[1] + s * conv.getDilations()[1]], factors[s], sums[pixel]);
    }
    for (int64_t pixel = 0; pixel < pixels; ++pixel) {
      SmallVector<Index> own(position);
      own[2] = b.add(own[2], pixel);
      cpu::Epilogue(b, conv.getResult()).store(sums[pixel], own);
    }
  }

  /// What the pixels read of the image under a row of the filter; null where no tap falls.
  SmallVector<Value> readRow(int64_t r) {
    int64_t taps = cast<RankedTensorType>(conv.getWeight().getType()).getShape()[3], stride = conv.getStrides()[1], dilation = conv.getDilations()[1];
    SmallVector<Value> row((pixels - 1) * stride + (taps - 1) * dilation + 1);
    for (int64_t pixel = 0; pixel < pixels; ++pixel)
      for (int64_t s = 0; s < taps; ++s)
        if (Value &x = row[pixel * stride + s * dilation]; !x)
          x = readAt(r * conv.getDilations()[0], pixel * stride + s * dilation);
    return row;
  }

  Value decoded(Value x) {
    Value number = b.convert(x, ops.getF32Type(), input.isUnsigned);
    return input.zeroPoint == 0 ? number : arith::SubFOp::create(ops, number, b.constant(input.zeroPoint, number.getType())).getResult();
  }

  /// Whether a thread's channels lie at a multiple of what they take in every pixel.
  bool isAligned() {
    kernel::View view = kernel::viewOf(input.memory);
    int64_t access = lanes * nn::elementBytes(image.element);
    auto divides = [&](nn::Dim d) { return d.isConstant(0) || d.dividedExactlyBy(nn::Dim::constant(d.context(), lanes)).has_value(); };
    return image.alignment % access == 0 && divides(view.offset) && llvm::all_of(ArrayRef(view.strides).drop_back(), divides);
  }

  /// The image under a tap; zero outside, or the zero point.
  Value read(int64_t r, int64_t s) { return readAt(r * conv.getDilations()[0], s * conv.getDilations()[1]); }

  /// The image so many pixels from where the window begins.
  Value readAt(int64_t down, int64_t across) {
    int64_t distance[] = {down, across};
    SmallVector<Index> at{position[0], Index(0), Index(0), position[3]};
    Value inside;
    for (int axis = 0; axis < 2; ++axis) {
      int64_t shift = distance[axis] - conv.getPads()[axis];
      at[1 + axis] = b.add(b.mul(position[1 + axis], conv.getStrides()[axis]), shift);
      Value extent = w.narrow(b.dim(nn::dimOf(conv.getInput().getType(), 1 + axis)));
      Value within = w.below(w.narrow(at[1 + axis]), extent);
      inside = inside ? arith::AndIOp::create(ops, inside, within).getResult() : within;
    }
    auto type = VectorType::get({lanes}, stored);
    Index offset = b.at(image, at);
    Value outside = b.constant(input.zeroPoint, type);
    if (isAligned()) {
      Value loaded = w.loadIf(inside, b.address(image, offset), type);
      return input.zeroPoint == 0 ? loaded : w.select(inside, loaded, outside);
    }
    return b.ifElse(
        inside, type, [&] { return KernelBuilder::Values{b.load(image, offset, int(lanes))}; }, [&] { return KernelBuilder::Values{outside}; })[0];
  }

  KernelBuilder &b;
  Warp w;
  ImplicitLocOpBuilder &ops;
  nn::ConvOp conv;
  int64_t pixels, lanes;
  cpu::FilterInput input;
  Tensor image;
  Type stored; // what the image's elements are in registers
  Tensor filter;
  SmallVector<Index> position;
};

class DepthwiseFamily final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.depthwise"; }

  bool matches(kernel::FuncOp func, const Target &target) const override {
    constexpr int64_t kMostTaps = 49; // their weights are in registers
    if (!cpu::depthwiseFamily().matches(func, target))
      return false;
    nn::ConvOp conv = convolutionOf(func);
    auto weight = cast<RankedTensorType>(conv.getWeight().getType()).getShape();
    Type element = elementOf(conv.getInput());
    bool isPackable = conv.getWeight().getDefiningOp<kernel::UnpackOp>() || isPackableArgument(func, conv.getWeight());
    return weight.size() == 4 && weight[2] * weight[3] <= kMostTaps && (element.isF32() || element.isF16() || element.isBF16()) &&
           elementOf(conv.getWeight()) == element && weight[0] % lanesOf(conv) == 0 && isPackable && isByte(cpu::FilterInput::of(conv.getInput()));
  }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    nn::ConvOp conv = convolutionOf(func);
    std::optional<int64_t> width = nn::dimOf(conv.getResult().getType(), 2).asConstant(), all = nn::numElements(conv.getResult().getType()).asConstant();
    for (int64_t pixels : {4, 2, 1}) { // as many as leave each multiprocessor threads enough
      constexpr int64_t kThreads = 1024;
      constexpr int64_t kMostApart = 2; // neighbours at stride 2 share little
      bool isShared = conv.getStrides()[1] == 1 || pixels <= kMostApart;
      bool isWhole = pixels == 1 || (isShared && width && all && *width % pixels == 0 && *all / (lanesOf(conv) * pixels) >= kThreads * target.cores);
      for (int64_t threads : {128, 64, 256})
        if (isWhole)
          out.push_back(kernel::ScheduleAttr::get(func.getContext(), name(), {{"threads", threads}, {"pixels", pixels}}));
    }
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const override {
    nn::ConvOp conv = convolutionOf(func);
    KernelPlan plan = cpu::depthwiseFamily().plan(func, schedule, target); // the weights' order
    plan.tasks = nn::numElements(conv.getResult().getType()).floorDiv(lanesOf(conv) * schedule.get("pixels", 1));
    int threads = int(schedule.get("threads", 128));
    plan.block = {threads, threads, 0, 1, /*waits=*/true};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &b) const override {
    nn::ConvOp conv = convolutionOf(func);
    if (!conv || !conv.getWeight().getDefiningOp<kernel::UnpackOp>())
      return func.emitError("constant weights have to be packed before code is emitted (kernel-pack-constants)");
    DepthwiseEmitter(b, conv, schedule.get("pixels", 1)).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override { return cpu::depthwiseFamily().operations(func); }

private:
  /// Whether padding has a byte that stands for 0, where the input is bytes.
  static bool isByte(const cpu::FilterInput &input) {
    double low = input.isUnsigned ? 0 : -128;
    return !input.isBytes || (input.zeroPoint == std::floor(input.zeroPoint) && input.zeroPoint >= low && input.zeroPoint <= low + 255);
  }
  static bool isPackableArgument(kernel::FuncOp func, Value weight) {
    auto argument = dyn_cast<BlockArgument>(weight);
    return argument && func.getArgAttr(argument.getArgNumber(), "kernel.constant");
  }
};
} // namespace

const KernelFamily &depthwiseFamily() {
  static const DepthwiseFamily family;
  return family;
}

} // namespace tenon::gpu
