#include "passes/6_codegen/gpu/Depthwise.h"
#include "passes/6_codegen/cpu/Depthwise.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/gpu/PixelSums.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kAccessBytes = 16;
constexpr int64_t kMostThreads = 512; // of a block that has a row

nn::ConvOp convolutionOf(kernel::FuncOp func) {
  auto convolutions = func.getBody().getOps<nn::ConvOp>();
  return convolutions.empty() ? nn::ConvOp() : *convolutions.begin();
}

Type elementOf(Value v) {
  return cast<RankedTensorType>(v.getType()).getElementType();
}

/// The most channels of a thread: 16 bytes of the image, or 8 where it is bytes, whose weights are f32.
int64_t lanesOf(nn::ConvOp conv) {
  constexpr int64_t kOfBytes = 8;
  return cpu::FilterInput::of(conv.getInput()).isBytes ? kOfBytes : kAccessBytes / nn::elementBytes(elementOf(conv.getInput()));
}

/// Whether the kernel gives sums of rows of its pixels, too.
bool givesSums(kernel::FuncOp func) {
  return !func.getBody().getOps<nn::ReduceOp>().empty();
}

/// Where blocks have some of the channels of a row: what their threads stand for. No groups: nothing of the kind.
RowOfThreads rowOf(nn::ConvOp conv, kernel::ScheduleAttr schedule) {
  std::optional<int64_t> width = nn::dimOf(conv.getResult().getType(), 2).asConstant();
  return {schedule.get("groups", 0), schedule.get("lanes", lanesOf(conv)), width.value_or(0) / schedule.get("pixels", 1)};
}

/// What a thread computes: some channels of `rows` x `pixels` neighbouring pixels of the result, which share what they read.
struct Tile {
  int64_t lanes, rows, pixels;

  static Tile of(kernel::ScheduleAttr schedule, nn::ConvOp conv) {
    return {schedule.get("lanes", lanesOf(conv)), schedule.get("rows", 1), schedule.get("pixels", 1)};
  }
  /// Of the result, along its four axes.
  SmallVector<nn::Dim> counts(nn::ConvOp conv) const {
    SmallVector<nn::Dim> dims = nn::dimsOf(conv.getResult().getType());
    return {dims[0], dims[1].ceilDiv(rows), dims[2].ceilDiv(pixels), dims[3].floorDiv(lanes)};
  }
};

/// No tap waits for another: its load is left out outside the image, not its code.
class DepthwiseEmitter {
public:
  DepthwiseEmitter(KernelBuilder &b, nn::ConvOp conv, kernel::ScheduleAttr schedule)
      : b(b), w(b), ops(b.ops()), conv(conv), tile(Tile::of(schedule, conv)), input(cpu::FilterInput::of(conv.getInput())),
        image(b.tensorOf(input.memory)), stored(input.isBytes ? Type(ops.getI8Type()) : image.element),
        filter(b.argument(cast<BlockArgument>(conv.getWeight().getDefiningOp<kernel::UnpackOp>().getPacked()).getArgNumber())),
        row(rowOf(conv, schedule)), epilogue(b, conv.getResult(), nullptr, givesSums(b.kernelFunc())) {}

  void emit() {
    tile.rows == 1 && tile.pixels == 1 ? emitPixel() : emitPixels();
    if (givesSums(b.kernelFunc()))
      storeSums();
  }

private:
  /// The first of the thread's pixels.
  SmallVector<Index> placeOf() {
    SmallVector<nn::Dim> dims = nn::dimsOf(conv.getResult().getType());
    if (!row.groups) {
      nn::Dim channels = dims[3];
      dims = tile.counts(conv);
      dims[3] = channels;
      SmallVector<Index> place = w.pixelOf(b.task(), dims, tile.lanes);
      place[1] = b.mul(place[1], tile.rows);
      place[2] = b.mul(place[2], tile.pixels);
      return place;
    }
    dims[2] = nn::Dim::constant(b.ops().getContext(), 1); // a block's row
    SmallVector<Index> place = w.pixelOf(b.task(), dims, row.channels());
    firstChannel = place[3];
    place[2] = b.mul(w.wide(w.div(w.thread(), row.groups)), tile.pixels);
    place[3] = b.add(firstChannel, b.mul(w.wide(w.rem(w.thread(), row.groups)), tile.lanes));
    return place;
  }

  void store(Value sum, ArrayRef<Index> at) {
    epilogue.store(sum, at, {}, {}, [&](nn::ReduceKind, Value x) { total = total ? Value(arith::AddFOp::create(ops, total, x)) : x; });
  }

  void storeSums() {
    Tensor sums = b.result(epilogue.rowSums().front());
    PixelSums(b, w, row).emit(total, [&](Value channel, Value sum) {
      b.store(sum, sums, b.at(sums, {position[0], position[1], Index(0), b.add(firstChannel, w.wide(channel))}));
    });
  }

  void emitPixel() {
    auto weight = cast<RankedTensorType>(conv.getWeight().getType()).getShape();
    position = placeOf();

    // Weights do not depend on the kernel before.
    SmallVector<Value> weights;
    for (int64_t r = 0; r < weight[2]; ++r)
      for (int64_t s = 0; s < weight[3]; ++s)
        weights.push_back(loadFactor(r, s));
    Value sum = firstSum();
    b.waitForInputs();
    SmallVector<Value> taps;
    for (int64_t r = 0; r < weight[2]; ++r)
      for (int64_t s = 0; s < weight[3]; ++s)
        taps.push_back(readAt(r * conv.getDilations()[0], s * conv.getDilations()[1]));
    for (auto [x, factor] : llvm::zip(taps, weights))
      sum = b.fma(decoded(x), b.convert(factor, ops.getF32Type()), sum);
    store(sum, position);
  }

  /// One row of the image after the other, the next ones' loads on their way.
  void emitPixels() {
    auto weight = cast<RankedTensorType>(conv.getWeight().getType()).getShape();
    position = placeOf();
    SmallVector<Value> sums(tile.rows * tile.pixels, firstSum());
    b.waitForInputs();
    const int64_t ahead = tile.rows == 1 ? 1 : 2, stride = conv.getStrides()[0], dilation = conv.getDilations()[0];
    const int64_t rows = (tile.rows - 1) * stride + (weight[2] - 1) * dilation + 1; // of the image
    SmallVector<SmallVector<Value>> read(rows), factors(weight[2]);
    auto isTap = [&](int64_t distance) { return distance >= 0 && distance % dilation == 0 && distance / dilation < weight[2]; };
    auto isRead = [&](int64_t row) { return llvm::any_of(llvm::seq(tile.rows), [&](int64_t own) { return isTap(row - own * stride); }); };
    for (int64_t row = 0, next = 0; row < rows; ++row) {
      for (; next <= std::min(row + ahead, rows - 1); ++next)
        if (isRead(next))
          read[next] = readRow(next);
      for (Value &x : read[row])
        x = x ? decoded(x) : x;
      for (int64_t own = 0; own < tile.rows; ++own)
        if (int64_t distance = row - own * stride; isTap(distance))
          addRow(read[row], factorsOf(factors, distance / dilation), MutableArrayRef(sums).slice(own * tile.pixels, tile.pixels));
    }
    storePixels(sums);
  }

  ArrayRef<Value> factorsOf(MutableArrayRef<SmallVector<Value>> known, int64_t r) {
    for (int64_t s = int64_t(known[r].size()); s < cast<RankedTensorType>(conv.getWeight().getType()).getShape()[3]; ++s)
      known[r].push_back(b.convert(loadFactor(r, s), ops.getF32Type()));
    return known[r];
  }

  void addRow(ArrayRef<Value> row, ArrayRef<Value> factors, MutableArrayRef<Value> sums) {
    for (auto [pixel, sum] : llvm::enumerate(sums))
      for (auto [s, factor] : llvm::enumerate(factors))
        sum = b.fma(row[int64_t(pixel) * conv.getStrides()[1] + int64_t(s) * conv.getDilations()[1]], factor, sum);
  }

  /// Where tiles reach beyond the result their pixels there are not stored.
  void storePixels(ArrayRef<Value> sums) {
    auto isWhole = [&](int axis, int64_t of) {
      std::optional<int64_t> extent = nn::dimOf(conv.getResult().getType(), axis).asConstant();
      return extent && *extent % of == 0;
    };
    for (auto [number, sum] : llvm::enumerate(sums)) {
      SmallVector<Index> own(position);
      own[1] = b.add(own[1], int64_t(number) / tile.pixels);
      own[2] = b.add(own[2], int64_t(number) % tile.pixels);
      Value inside;
      for (auto [axis, of] : {std::pair(1, tile.rows), std::pair(2, tile.pixels)})
        if (!isWhole(axis, of)) {
          Value within = b.lessThan(own[axis], b.dim(nn::dimOf(conv.getResult().getType(), axis)));
          inside = inside ? arith::AndIOp::create(ops, inside, within).getResult() : within;
        }
      inside ? b.ifThen(inside, [&, &sum = sum] { store(sum, own); }) : store(sum, own);
    }
  }

  Value loadFactor(int64_t r, int64_t s) { return b.load(filter, b.at(filter, {Index(r), Index(s), Index(0), position[3]}), int(tile.lanes)); }

  Value firstSum() {
    if (!conv.getBias())
      return b.constant(0, VectorType::get({tile.lanes}, ops.getF32Type()));
    Tensor bias = b.tensorOf(conv.getBias());
    return b.convert(b.load(bias, b.at(bias, {position[3]}), int(tile.lanes)), ops.getF32Type());
  }

  /// What the pixels read of a row of the image, so far from where the first window begins; null where no tap falls.
  SmallVector<Value> readRow(int64_t down) {
    int64_t taps = cast<RankedTensorType>(conv.getWeight().getType()).getShape()[3], stride = conv.getStrides()[1], dilation = conv.getDilations()[1];
    SmallVector<Value> row((tile.pixels - 1) * stride + (taps - 1) * dilation + 1);
    for (int64_t pixel = 0; pixel < tile.pixels; ++pixel)
      for (int64_t s = 0; s < taps; ++s)
        if (Value &x = row[pixel * stride + s * dilation]; !x)
          x = readAt(down, pixel * stride + s * dilation);
    return row;
  }

  Value decoded(Value x) {
    Value number = b.convert(x, ops.getF32Type(), input.isUnsigned);
    return input.zeroPoint == 0 ? number : arith::SubFOp::create(ops, number, b.constant(input.zeroPoint, number.getType())).getResult();
  }

  /// Whether a thread's channels lie at a multiple of what they take in every pixel.
  bool isAligned() {
    kernel::View view = kernel::viewOf(input.memory);
    int64_t access = tile.lanes * nn::elementBytes(image.element);
    auto divides = [&](nn::Dim d) { return d.isConstant(0) || d.dividedExactlyBy(nn::Dim::constant(d.context(), tile.lanes)).has_value(); };
    return image.alignment % access == 0 && divides(view.offset) && llvm::all_of(ArrayRef(view.strides).drop_back(), divides);
  }

  /// The image so many pixels from where the first window begins; zero outside, or the zero point.
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
    auto type = VectorType::get({tile.lanes}, stored);
    Index offset = b.at(image, at);
    Value outside = b.constant(input.zeroPoint, type);
    if (isAligned()) {
      Value loaded = w.loadIf(inside, b.address(image, offset), type);
      return input.zeroPoint == 0 ? loaded : w.select(inside, loaded, outside);
    }
    return b.ifElse(
        inside, type, [&] { return KernelBuilder::Values{b.load(image, offset, int(tile.lanes))}; },
        [&] { return KernelBuilder::Values{outside}; })[0];
  }

  KernelBuilder &b;
  Warp w;
  ImplicitLocOpBuilder &ops;
  nn::ConvOp conv;
  const Tile tile;
  cpu::FilterInput input;
  Tensor image;
  Type stored; // what the image's elements are in registers
  Tensor filter;
  RowOfThreads row;
  cpu::Epilogue epilogue;
  SmallVector<Index> position;
  Index firstChannel; // of the block, where it has a row
  Value total;        // of the thread's pixels
};

class DepthwiseFamily final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.depthwise"; }

  bool matches(kernel::FuncOp func, const Target &target) const override {
    constexpr int64_t kMostTaps = 49; // their weights are in registers
    nn::ConvOp conv = cpu::depthwiseOf(func);
    if (!conv || (givesSums(func) ? !canSum(conv) : !cpu::Epilogue::matches(conv.getResult())))
      return false;
    auto weight = cast<RankedTensorType>(conv.getWeight().getType()).getShape();
    Type element = elementOf(conv.getInput());
    bool isPackable = conv.getWeight().getDefiningOp<kernel::UnpackOp>() || isPackableArgument(func, conv.getWeight());
    return weight.size() == 4 && weight[2] * weight[3] <= kMostTaps && (element.isF32() || element.isF16() || element.isBF16()) &&
           elementOf(conv.getWeight()) == element && weight[0] % lanesOf(conv) == 0 && isPackable && isByte(cpu::FilterInput::of(conv.getInput()));
  }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    nn::ConvOp conv = convolutionOf(func);
    bool sums = givesSums(func);
    auto add = [&](const Tile &tile, bool byRows) {
      auto schedule = [&](StringRef what, int64_t number) {
        return kernel::ScheduleAttr::get(func.getContext(), name(), {{"lanes", tile.lanes}, {"rows", tile.rows}, {"pixels", tile.pixels}, {what, number}});
      };
      for (int64_t groups : byRows ? groupsOfBlocks(conv, tile.lanes, tile.pixels) : SmallVector<int64_t>())
        out.push_back(schedule("groups", groups));
      for (int64_t threads : byRows ? SmallVector<int64_t>() : SmallVector<int64_t>{128, 64, 256})
        out.push_back(schedule("threads", threads));
    };
    for (const Tile &tile : sums ? fewPixels(conv, target) : squares(conv, target))
      add(tile, sums);
    for (const Tile &tile : narrowRows(conv, target))
      add(tile, /*byRows=*/true);
    for (const Tile &tile : wideRows(conv, target))
      add(tile, sums);
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const override {
    nn::ConvOp conv = convolutionOf(func);
    KernelPlan plan = cpu::depthwiseFamily().plan(func, schedule, target); // the weights' order
    plan.tasks = nn::product(func.getContext(), Tile::of(schedule, conv).counts(conv));
    if (RowOfThreads row = rowOf(conv, schedule); row.groups) {
      plan.tasks = plan.tasks.floorDiv(row.threads());
      plan.block = {int(row.threads()), 1, givesSums(func) ? int(row.sharedBytes()) : 0, 1, /*waits=*/true};
      return plan;
    }
    int threads = int(schedule.get("threads", 128));
    plan.block = {threads, threads, 0, 1, /*waits=*/true};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &b) const override {
    nn::ConvOp conv = convolutionOf(func);
    if (!conv || !conv.getWeight().getDefiningOp<kernel::UnpackOp>())
      return func.emitError("constant weights have to be packed before code is emitted (kernel-pack-constants)");
    DepthwiseEmitter(b, conv, schedule).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override { return cpu::depthwiseFamily().operations(func); }

private:
  static bool hasThreads(nn::ConvOp conv, const Target &target, const Tile &tile, int64_t ofMultiprocessor) {
    std::optional<int64_t> all = nn::numElements(conv.getResult().getType()).asConstant();
    return all && *all / (tile.lanes * tile.rows * tile.pixels) >= ofMultiprocessor * target.cores;
  }
  /// What all but `wideRows` was measured for.
  static bool isHalf(nn::ConvOp conv) { return nn::elementBytes(elementOf(conv.getInput())) == 2 && !cpu::FilterInput::of(conv.getInput()).isBytes; }
  static std::optional<int64_t> widthOf(nn::ConvOp conv) { return nn::dimOf(conv.getResult().getType(), 2).asConstant(); }

  /// Of few pixels that are summed up, too, each thread does little, so that all of them run at once.
  static SmallVector<Tile> fewPixels(nn::ConvOp conv, const Target &target) {
    constexpr Tile kPair{2, 1, 1};
    constexpr int64_t kMost = 768; // of a multiprocessor
    std::optional<int64_t> all = nn::numElements(conv.getResult().getType()).asConstant();
    bool isFew = all && isHalf(conv) && *all / kPair.lanes <= kMost * target.cores;
    return isFew ? SmallVector<Tile>{kPair} : SmallVector<Tile>();
  }

  /// Squares of pixels where a tile leaves each multiprocessor threads enough, the best first: measured for MobileNetV2 and EfficientNet-B0 at batch
  /// 32 on an H200, 15 tiles each.
  static SmallVector<Tile> squares(nn::ConvOp conv, const Target &target) {
    constexpr Tile kOfHalves[] = {{2, 4, 4}, {4, 4, 2}, {4, 2, 4}, {4, 2, 7}};
    constexpr int64_t kThreads = 256;
    SmallVector<Tile> tiles;
    if (isHalf(conv))
      llvm::copy_if(kOfHalves, std::back_inserter(tiles), [&](const Tile &tile) { return hasThreads(conv, target, tile, kThreads); });
    return tiles;
  }

  /// Neighbouring pixels of a block that has a row: they share weights and what they read.
  static SmallVector<Tile> narrowRows(nn::ConvOp conv, const Target &target) {
    constexpr int64_t kNarrow = 4, kThreads = 256;
    std::optional<int64_t> width = widthOf(conv);
    SmallVector<Tile> tiles;
    if (!isHalf(conv) || !width || *width > kMostThreads)
      return tiles;
    for (int64_t pixels : neighbours(conv))
      if (Tile tile{kNarrow, 1, pixels}; *width % pixels == 0 && hasThreads(conv, target, tile, kThreads))
        tiles.push_back(tile);
    return tiles;
  }

  /// As many neighbours as leave each multiprocessor threads enough.
  static SmallVector<Tile> wideRows(nn::ConvOp conv, const Target &target) {
    constexpr int64_t kThreads = 1024, kMostApart = 2; // neighbours at stride 2 share little
    std::optional<int64_t> width = widthOf(conv);
    int64_t lanes = lanesOf(conv);
    SmallVector<Tile> tiles;
    for (int64_t pixels : {4, 2})
      if (Tile tile{lanes, 1, pixels}; width && *width % pixels == 0 && hasThreads(conv, target, tile, kThreads) && (conv.getStrides()[1] == 1 || pixels <= kMostApart))
        tiles.push_back(tile);
    tiles.push_back({lanes, 1, 1});
    return tiles;
  }

  /// Whether the kernel's other result is sums of rows that a block's threads have.
  static bool canSum(nn::ConvOp conv) {
    std::optional<cpu::Epilogue::Program> program = cpu::Epilogue::programOf(conv.getResult(), /*rows=*/true);
    std::optional<int64_t> width = nn::dimOf(conv.getResult().getType(), 2).asConstant();
    return program && program->sums.size() == 1 && program->rowValues.empty() && nn::dimsOf(conv.getResult().getType()).size() == 4 && width &&
           *width <= kMostThreads && !cpu::FilterInput::of(conv.getInput()).isBytes;
  }

  /// How many neighbouring pixels of narrow vectors a thread should have, what it reads of a row staying in registers: the best first.
  static SmallVector<int64_t> neighbours(nn::ConvOp conv) {
    constexpr int64_t kMany = 7, kFewer = 4, kMostRead = 15;
    int64_t taps = cast<RankedTensorType>(conv.getWeight().getType()).getShape().back();
    int64_t read = (kMany - 1) * conv.getStrides().back() + (taps - 1) * conv.getDilations().back() + 1;
    return read <= kMostRead ? SmallVector<int64_t>{kMany} : SmallVector<int64_t>{kFewer, kMany};
  }

  /// Groups of channels of a block that has a row: all the same, those first whose threads are about as many as they should be, and that begin and end
  /// with lines of memory, or with halves of these.
  static SmallVector<int64_t> groupsOfBlocks(nn::ConvOp conv, int64_t lanes, int64_t pixels) {
    constexpr double kThreads = 256, kBroken = 0.5;
    constexpr int64_t kHalfLine = 64, kSector = 32;
    constexpr size_t kTried = 4;
    int64_t all = int64_t(conv.getGroups()) / lanes, places = *nn::dimOf(conv.getResult().getType(), 2).asConstant() / pixels;
    SmallVector<int64_t> divisors;
    for (int64_t groups = 1; groups <= all; ++groups)
      if (all % groups == 0 && groups * places <= kMostThreads)
        divisors.push_back(groups);
    auto distance = [&](int64_t groups) {
      int64_t bytes = groups == all ? 0 : groups * lanes * nn::elementBytes(elementOf(conv.getInput()));
      return std::abs(std::log2(double(groups * places) / kThreads)) + kBroken * ((bytes % kHalfLine != 0) + (bytes % kSector != 0));
    };
    llvm::sort(divisors, [&](int64_t a, int64_t b) { return std::pair(distance(a), a) < std::pair(distance(b), b); });
    divisors.truncate(std::min(kTried, divisors.size()));
    return divisors;
  }

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
