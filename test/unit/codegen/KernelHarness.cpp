#include "test/unit/codegen/KernelHarness.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Func/Extensions/AllExtensions.h"
#include "passes/4_schedule/Schedules.h"
#include "passes/6_codegen/cpu/EmitKernels.h"
#include "passes/6_codegen/gpu/TensorMaps.h"
#include "test/unit/codegen/gpu/Machine.h"
#include "test/unit/codegen/gpu/MappedTensor.h"
#include "llvm/Object/ELFObjectFile.h"
#include <chrono>
#include <cstring>
#include <sys/mman.h>

namespace tenon::test {
using namespace mlir;

namespace {
/// Collects diagnostics as long as it lives.
struct Collect {
  Collect(MLIRContext *context, std::string &text) : handler(context, [&text](Diagnostic &d) { text += d.str() + "\n"; }) {}
  ScopedDiagnosticHandler handler;
};

/// transpose(reshape(pad(x))) of a row-major buffer, bytes of zero as padding.
std::vector<char> pack(const char *source, ArrayRef<int64_t> shape, kernel::PackingAttr packing, size_t bytes) {
  ArrayRef<int64_t> padded = packing.getPadded(), split = packing.getSplit(), perm = packing.getPerm();
  SmallVector<int64_t> packedShape = packing.packedShape();
  int64_t count = std::accumulate(packedShape.begin(), packedShape.end(), int64_t(1), std::multiplies<>());
  std::vector<char> packed(count * bytes, 0);
  for (int64_t i = 0; i < count; ++i) {
    SmallVector<int64_t> position(split.size());
    int64_t rest = i, linear = 0;
    for (int axis = int(perm.size()) - 1; axis >= 0; --axis) {
      position[perm[axis]] = rest % packedShape[axis];
      rest /= packedShape[axis];
    }
    for (auto [p, size] : llvm::zip_equal(position, split))
      linear = linear * size + p;
    SmallVector<int64_t> logical(padded.size());
    for (int axis = int(padded.size()) - 1; axis >= 0; --axis) {
      logical[axis] = linear % padded[axis];
      linear /= padded[axis];
    }
    int64_t offset = 0;
    bool inside = true;
    for (auto [p, size] : llvm::zip_equal(logical, shape)) {
      inside &= p < size;
      offset = offset * size + p;
    }
    if (inside)
      std::memcpy(&packed[i * bytes], source + offset * bytes, bytes);
  }
  return packed;
}

size_t bytesOf(Type tensor) { return nn::elementBytes(tensor); }

/// G filter Gt of every 3 x 3 filter of [K, C, 3, 3], in double precision.
std::vector<float> transformFilters(const float *filters, int64_t count, ArrayRef<std::array<double, 3>> g) {
  std::vector<float> points;
  for (int64_t i = 0; i < count; ++i)
    for (const auto &row : g)
      for (const auto &column : g) {
        double sum = 0;
        for (int tap = 0; tap < 9; ++tap)
          sum += row[tap / 3] * column[tap % 3] * filters[i * 9 + tap];
        points.push_back(float(sum));
      }
  return points;
}

std::vector<char> packConstant(const void *source, RankedTensorType type, kernel::PackingAttr packing) {
  if (!packing.getWinograd())
    return pack(static_cast<const char *>(source), type.getShape(), packing, bytesOf(type));
  int64_t filters = type.getDimSize(0) * type.getDimSize(1);
  SmallVector<int64_t> shape = packing.transformedShape(type.getShape());
  std::vector<float> points = transformFilters(static_cast<const float *>(source), filters, kernel::winogradFilterMatrix(packing.getWinograd()));
  return pack(reinterpret_cast<const char *>(points.data()), shape, packing, sizeof(float));
}
} // namespace

std::unique_ptr<MLIRContext> KernelHarness::makeContext() {
  DialectRegistry registry;
  registry.insert<nn::NNDialect, kernel::KernelDialect>();
  cpu::registerCodegenDialects(registry);
  func::registerAllExtensions(registry);
  auto context = std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  context->loadAllAvailableDialects();
  return context;
}

KernelHarness::KernelHarness(llvm::StringRef text, llvm::StringRef target) : context(makeContext()) {
  Collect collect(context.get(), message);
  llvm::Expected<Target> parsed = Target::parse(target);
  if (parsed)
    machine = *parsed;
  else
    message += llvm::toString(parsed.takeError());
  module = parseSourceString<ModuleOp>(text, context.get());
}

KernelHarness::~KernelHarness() { unmap(); }

void KernelHarness::unmap() {
  if (mapping)
    munmap(mapping, mapped);
  mapping = nullptr;
}

kernel::FuncOp KernelHarness::func() {
  if (!module)
    return {};
  auto kernels = module->getOps<kernel::FuncOp>();
  return kernels.empty() ? kernel::FuncOp() : *kernels.begin();
}

bool KernelHarness::compile(llvm::StringRef text) {
  if (!func())
    return false;
  Collect collect(context.get(), message);
  kernel::collectSymbols(func());
  auto schedule = text.empty() ? schedule::bestSchedule(func(), machine) : dyn_cast_or_null<kernel::ScheduleAttr>(mlir::parseAttribute(text, context.get()));
  if (!schedule) {
    message += text.empty() ? "no family computes it" : "the schedule does not parse";
    return false;
  }
  const cpu::KernelFamily *family = cpu::familyNamed(schedule.getFamily().getValue());
  if (!family) {
    message += "no family has the schedule's name";
    return false;
  }
  cpu::KernelPlan plan = family->plan(func(), schedule, machine);
  block = plan.block;
  for (auto [index, packing] : plan.packings)
    if (func().getArgAttr(index, "kernel.constant"))
      packings.push_back({index, packing});
  schedule::setSchedule(func(), schedule, machine);
  for (auto [index, packing] : packings)
    schedule::packArgument(func(), index, packing);
  if (machine.isGpu()) { // as whole buffers of a plan are
    constexpr int64_t kAlignment = 16;
    SmallVector<int64_t> alignments(func().getNumArguments() + func().getNumResults() + (func().getWorkspaceBytes() != 0), kAlignment);
    func()->setAttr("tenon.alignments", DenseI64ArrayAttr::get(context.get(), alignments));
  }
  FailureOr<OwningOpRef<ModuleOp>> emitted = cpu::emitKernel(func(), machine);
  return succeeded(emitted) && link(**emitted);
}

bool KernelHarness::compileBy(llvm::function_ref<void(kernel::FuncOp, ModuleOp)> emit) {
  if (!func())
    return false;
  Collect collect(context.get(), message);
  kernel::collectSymbols(func());
  OwningOpRef<ModuleOp> emitted = ModuleOp::create(func().getLoc());
  emit(func(), *emitted);
  return link(*emitted);
}

bool KernelHarness::link(ModuleOp emitted) {
  if (failed(verify(emitted)) || failed(cpu::lowerKernel(emitted)))
    return false;
  Target runsOn = machine;
  if (machine.isGpu()) {
    if (!host.rewrite(emitted, func().getSymName(), message))
      return false;
    runsOn = llvm::cantFail(Target::parse("native"));
  }
  FailureOr<llvm::SmallVector<char, 0>> object = generateObject(emitted, runsOn);
  if (failed(object))
    return false;
  llvm::Expected<CodeImage> image = linkObjects({*object}, runsOn);
  if (!image) {
    message += llvm::toString(image.takeError());
    return false;
  }
  code = std::move(*image);
  unmap();
  mapped = llvm::alignTo(code.bytes.size(), 4096);
  mapping = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::memcpy(mapping, code.bytes.data(), code.bytes.size());
  mprotect(mapping, mapped, PROT_READ | PROT_EXEC);
  return true;
}

bool KernelHarness::compilesEverywhere(llvm::StringRef text, std::string &message) {
  bool all = true;
  for (const char *name : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4", "znver5", "aarch64", "neoverse-v1"}) {
    KernelHarness harness(text, name);
    if (!harness.compile()) {
      message += std::string(name) + ": " + harness.message + "\n";
      all = false;
    }
  }
  return all;
}

struct KernelHarness::Launch {
  tn_kernel_fn function;
  std::vector<void *> buffers;
  std::vector<int64_t> symbols;
  std::vector<std::vector<char>> packed;
  std::vector<char> workspace;
  int64_t tasks;

  void run() const {
    tn_kernel_args args{buffers.data(), symbols.data()};
    for (int64_t task = 0; task < tasks; ++task)
      function(&args, uint32_t(task));
  }
};

KernelHarness::Launch KernelHarness::prepare(const Buffers &buffers, const Sizes &sizes) {
  kernel::FuncOp kernel = func();
  Launch launch;
  launch.function = reinterpret_cast<tn_kernel_fn>(static_cast<char *>(mapping) + code.entries.at(kernel.getSymName().str()));
  launch.buffers = buffers;
  for (auto [index, packing] : packings) {
    auto unpack = cast<kernel::UnpackOp>(*kernel.getBody().getArgument(index).user_begin());
    launch.packed.push_back(packConstant(buffers[index], cast<RankedTensorType>(unpack.getResult().getType()), packing));
    launch.buffers[index] = launch.packed.back().data();
  }
  for (Attribute name : kernel.getSymbols())
    launch.symbols.push_back(sizes.lookup(cast<StringAttr>(name).getValue()));
  launch.tasks = kernel.getTasksAttr() ? nn::Dim(kernel.getTasksAttr()).evaluate(sizes).value_or(0) : 1;
  launch.workspace.resize(launch.tasks * kernel.getWorkspaceBytes() + 64);
  if (kernel.getWorkspaceBytes())
    launch.buffers.push_back(reinterpret_cast<void *>(llvm::alignTo(reinterpret_cast<uintptr_t>(launch.workspace.data()), 64)));
  return launch;
}

std::string KernelHarness::runOnGpu(const Buffers &buffers, const Sizes &sizes, bool isEager) {
  Launch launch = prepare(buffers, sizes);
  std::vector<MappedTensor> maps;
  for (plan::TensorMap &map : gpu::tensorMapsOf(func())) {
    auto *memory = static_cast<const uint8_t *>(launch.buffers[map.buffer]);
    maps.push_back({std::move(map), memory});
  }
  std::vector<void *> parameters;
  for (void *&buffer : launch.buffers)
    parameters.push_back(&buffer);
  for (int64_t &symbol : launch.symbols)
    parameters.push_back(&symbol);
  for (MappedTensor &map : maps)
    parameters.push_back(&map);
  int32_t tasks = int32_t(launch.tasks);
  parameters.push_back(&tasks);
  GpuLaunch on;
  on.blocks = llvm::divideCeil(launch.tasks, block.tasksPerBlock);
  on.threads = block.threads, on.sharedBytes = block.sharedBytes, on.cluster = block.cluster, on.isEager = isEager;
  on.kernel = reinterpret_cast<void (*)(void *const *)>(reinterpret_cast<uintptr_t>(launch.function));
  on.parameters = parameters.data();
  return runOnEmulatedGpu(on);
}

void KernelHarness::run(const Buffers &buffers, const Sizes &sizes) { prepare(buffers, sizes).run(); }

double KernelHarness::bestSeconds(const Buffers &buffers, const Sizes &sizes, int rounds) {
  Launch launch = prepare(buffers, sizes);
  double best = std::numeric_limits<double>::infinity();
  for (int round = 0; round < rounds; ++round) {
    auto start = std::chrono::steady_clock::now();
    launch.run();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

std::string KernelHarness::assembly() {
  Collect collect(context.get(), message);
  std::string text;
  FailureOr<OwningOpRef<ModuleOp>> emitted = cpu::emitKernel(func(), machine);
  if (succeeded(emitted) && succeeded(cpu::lowerKernel(**emitted)))
    (void)generateObject(**emitted, machine, &text);
  return text;
}

} // namespace tenon::test
