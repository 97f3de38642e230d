#include "test/unit/runtime/TestPlans.h"

#include <array>
#include <cstring>
#include <elf.h>
#include <fstream>
#include <iterator>

namespace tenon::test {

using namespace plan;

const std::vector<std::byte> &kernelImage() {
  static const std::vector<std::byte> image = [] {
    std::ifstream file(TENON_TEST_KERNELS, std::ios::binary);
    std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
    std::vector<std::byte> result(bytes.size());
    std::memcpy(result.data(), bytes.data(), bytes.size());
    return result;
  }();
  return image;
}

uint64_t kernelEntry(const std::string &name) {
  auto *image = reinterpret_cast<const char *>(kernelImage().data());
  auto *header = reinterpret_cast<const Elf64_Ehdr *>(image);
  auto *sections = reinterpret_cast<const Elf64_Shdr *>(image + header->e_shoff);
  for (int i = 0; i < header->e_shnum; ++i) {
    if (sections[i].sh_type != SHT_DYNSYM)
      continue;
    const char *names = image + sections[sections[i].sh_link].sh_offset;
    auto *symbols = reinterpret_cast<const Elf64_Sym *>(image + sections[i].sh_offset);
    for (size_t j = 0; j < sections[i].sh_size / sizeof(Elf64_Sym); ++j)
      if (name == names + symbols[j].st_name)
        return symbols[j].st_value;
  }
  std::abort();
}

std::string hostArch() {
#if defined(__x86_64__)
  return "x86_64";
#else
  return "aarch64";
#endif
}

namespace {

const float kWeights[8] = {0, 1, 2, 3, 4, 5, 6, 7};

Plan planWithKernels() {
  Plan plan;
  plan.producer = "tenon test";
  plan.target.arch = hostArch();
  plan.target.cpu = "generic";
  plan.kernels = {{"add", "elementwise", "#kernel.schedule<vector = 1>", kernelEntry("add"), 2, 1, false, 2},
                  {"twice", "elementwise", "", kernelEntry("twice"), 1, 1, true, 2}};
  plan.code = kernelImage();
  return plan;
}

} // namespace

Plan staticPlan() {
  Plan plan = planWithKernels();
  ExprTable exprs;
  ExprId zero = exprs.constant(0), one = exprs.constant(1), two = exprs.constant(2), eight = exprs.constant(8), bytes = exprs.constant(32);
  plan.model = "static";
  plan.inputs = {{"x", TN_F32, {eight}, {""}}};
  plan.outputs = {{"y", TN_F32, {eight}, {""}}};
  plan.constants = {{"w", kWeights, sizeof kWeights}};
  plan.buffers = {{bytes, 64, 0, 1, 0}, {eight, 64, 1, 1, 64}};
  Operand x{OperandKind::Input, 0, zero}, y{OperandKind::Output, 0, zero}, w{OperandKind::Constant, 0, zero};
  Operand sum{OperandKind::Buffer, 0, zero}, workspace{OperandKind::Buffer, 1, zero};
  plan.steps = {Launch{0, {x, w, sum}, one, {eight, one}, {"/Add"}, eight, bytes}, Launch{1, {sum, y, workspace}, two, {eight, two}, {"/Mul", "/Relu"}, eight, bytes}};
  plan.memory = {128, 128, 128};
  plan.exprs = exprs.exprs();
  return plan;
}

Plan dynamicPlan() {
  Plan plan = planWithKernels();
  ExprTable exprs;
  ExprId zero = exprs.constant(0), n = exprs.symbol(0), four = exprs.constant(4);
  ExprId elements = exprs.binary(ExprOp::Mul, n, four), bytes = exprs.binary(ExprOp::Mul, elements, four);
  ExprId tasks = exprs.binary(ExprOp::Max, exprs.constant(1), exprs.binary(ExprOp::Min, n, exprs.constant(3)));
  ExprId workspaceBytes = exprs.binary(ExprOp::Mul, tasks, four);
  plan.model = "dynamic";
  plan.symbols = {{"n", 0, 0, 0, 1000}};
  plan.inputs = {{"a", TN_F32, {n, four}, {"n", ""}}, {"b", TN_F32, {n, four}, {"n", ""}}};
  plan.outputs = {{"y", TN_F32, {n, four}, {"n", ""}}, {"z", TN_F32, {n, four}, {"n", ""}}};
  plan.buffers = {{bytes, 64, 0, 1, -1}, {bytes, 64, 1, 2, -1}, {workspaceBytes, 64, 2, 2, -1}};
  Operand a{OperandKind::Input, 0, zero}, b{OperandKind::Input, 1, zero}, y{OperandKind::Output, 0, zero}, z{OperandKind::Output, 1, zero};
  Operand s{OperandKind::Buffer, 0, zero}, t{OperandKind::Buffer, 1, zero}, workspace{OperandKind::Buffer, 2, zero};
  plan.steps = {Launch{0, {a, b, s}, tasks, {elements, tasks}, {"/Add"}, elements, bytes}, Launch{0, {s, a, t}, tasks, {elements, tasks}, {"/Add_1"}, elements, bytes},
                Launch{1, {t, y, workspace}, tasks, {elements, tasks}, {"/Mul"}, elements, bytes}, Copy{a, z, bytes, {"/Identity"}}};
  plan.exprs = exprs.exprs();
  return plan;
}

Plan countingPlan(uint32_t tasks) {
  Plan plan = planWithKernels();
  plan.kernels = {{"count", "elementwise", "", kernelEntry("count"), 0, 1, false, 0}};
  ExprTable exprs;
  ExprId zero = exprs.constant(0), n = exprs.constant(tasks);
  plan.outputs = {{"counters", TN_I32, {n}, {""}}};
  Operand counters{OperandKind::Output, 0, zero};
  plan.steps = {Launch{0, {counters}, n, {}, {}, zero, zero}};
  plan.exprs = exprs.exprs();
  return plan;
}

Plan trailPlan(int64_t bytes) {
  Plan plan = planWithKernels();
  plan.kernels = {{"trail", "elementwise", "", kernelEntry("trail"), 0, 1, false, 0}};
  ExprTable exprs;
  ExprId zero = exprs.constant(0), four = exprs.constant(4), moved = exprs.constant(bytes);
  plan.outputs = {{"list", TN_I32, {exprs.constant(13)}, {""}}};
  Operand list{OperandKind::Output, 0, zero};
  plan.steps = {Launch{0, {list}, four, {}, {}, zero, moved}, Launch{0, {list}, four, {}, {}, zero, moved}, Launch{0, {list}, four, {}, {}, zero, moved}};
  plan.exprs = exprs.exprs();
  return plan;
}

Plan readingPlan() {
  Plan plan = planWithKernels();
  ExprTable exprs;
  ExprId zero = exprs.constant(0), one = exprs.constant(1), eight = exprs.constant(8), m = exprs.symbol(0);
  ExprId bytes = exprs.binary(ExprOp::Mul, m, exprs.constant(4));
  plan.symbols = {{"m", 0, 0, 0, 1000, SymbolSource::Step, 0}};
  plan.inputs = {{"count", TN_I64, {one}, {""}}, {"x", TN_F32, {eight}, {""}}};
  plan.outputs = {{"y", TN_F32, {m}, {"m"}}};
  plan.buffers = {{bytes, 64, 2, 3, -1}};
  Operand count{OperandKind::Input, 0, zero}, x{OperandKind::Input, 1, zero}, s{OperandKind::Buffer, 0, zero}, y{OperandKind::Output, 0, zero};
  plan.steps = {ReadSizes{count, TN_I64, {0}, {"/Count"}}, Require{m, eight, Relation::AtMost, "the elements it takes", {"/Slice"}},
                Launch{0, {x, x, s}, one, {m, one}, {"/Add"}, m, bytes}, Copy{s, y, bytes, {"/Identity"}}};
  plan.exprs = exprs.exprs();
  return plan;
}

namespace {

/// y = x + x, or x itself, of n floats.
Plan calledPlan(bool adds) {
  Plan plan = planWithKernels();
  plan.code = {};
  if (!adds)
    plan.kernels.clear();
  ExprTable exprs;
  ExprId zero = exprs.constant(0), one = exprs.constant(1), n = exprs.symbol(0), bytes = exprs.binary(ExprOp::Mul, n, exprs.constant(4));
  plan.symbols = {{"n", 0, 0}};
  plan.inputs = {{"x", TN_F32, {n}, {"n"}}};
  plan.outputs = {{"y", TN_F32, {n}, {"n"}}};
  Operand x{OperandKind::Input, 0, zero}, y{OperandKind::Output, 0, zero};
  if (adds)
    plan.steps = {Launch{0, {x, x, y}, one, {n, one}, {"/Add"}, n, bytes}};
  else
    plan.steps = {Copy{x, y, bytes, {"/Identity"}}};
  plan.exprs = exprs.exprs();
  return plan;
}

} // namespace

Plan branchingPlan() {
  Plan plan = planWithKernels();
  ExprTable exprs;
  ExprId zero = exprs.constant(0), n = exprs.symbol(0), m = exprs.symbol(1), bytes = exprs.binary(ExprOp::Mul, m, exprs.constant(4));
  plan.symbols = {{"n", 1, 0, 0, 1000}, {"m", 0, 0, 0, 1000, SymbolSource::Step, 0}};
  plan.inputs = {{"c", TN_BOOL, {}, {}}, {"x", TN_F32, {n}, {"n"}}};
  plan.outputs = {{"y", TN_F32, {m}, {"m"}}};
  plan.results = {{0, 0, {"", TN_F32, {m}, {"m"}}}};
  Operand c{OperandKind::Input, 0, zero}, x{OperandKind::Input, 1, zero}, result{OperandKind::Result, 0, zero}, y{OperandKind::Output, 0, zero};
  Argument argument{x, {"", TN_F32, {n}, {"n"}}};
  plan.steps = {If{c, Call{0, {argument}, {}}, Call{1, {argument}, {}}, {"/If"}}, Copy{result, y, bytes, {"/Identity"}}};
  plan.plans = {calledPlan(false), calledPlan(true)};
  plan.exprs = exprs.exprs();
  return plan;
}

Plan loopingPlan() {
  Plan plan = planWithKernels();
  ExprTable exprs;
  ExprId zero = exprs.constant(0), n = exprs.symbol(0), trips = exprs.symbol(1), bytes = exprs.binary(ExprOp::Mul, n, exprs.constant(4));
  plan.symbols = {{"n", 1, 0, 0, 1000}, {"trips", 1, 0, 0, 1000, SymbolSource::Step, 0}};
  plan.inputs = {{"count", TN_I64, {}, {}}, {"x", TN_F32, {n}, {"n"}}};
  plan.outputs = {{"y", TN_F32, {n}, {"n"}}, {"rows", TN_F32, {trips, n}, {"trips", "n"}}};
  plan.results = {{0, 0, {"", TN_F32, {n}, {"n"}}}, {0, 1, {"", TN_F32, {trips, n}, {"trips", "n"}}}};
  Operand count{OperandKind::Input, 0, zero}, x{OperandKind::Input, 1, zero};
  Operand last{OperandKind::Result, 0, zero}, stack{OperandKind::Result, 1, zero}, y{OperandKind::Output, 0, zero},
      rows{OperandKind::Output, 1, zero};
  Loop loop;
  loop.trips = count;
  loop.body = Call{0, {{x, {"", TN_F32, {n}, {"n"}}}}, {}};
  loop.carried = loop.stacked = 1;
  loop.counts = true;
  loop.sources = {"/Loop"};
  plan.steps = {loop, Copy{last, y, bytes, {}}, Copy{stack, rows, exprs.binary(ExprOp::Mul, bytes, trips), {}}};

  Plan body = planWithKernels();
  body.code = {};
  ExprTable inner;
  ExprId none = inner.constant(0), one = inner.constant(1), k = inner.symbol(0), size = inner.binary(ExprOp::Mul, k, inner.constant(4));
  body.symbols = {{"k", 1, 0}};
  body.inputs = {{"i", TN_I64, {}, {}}, {"x", TN_F32, {k}, {"k"}}};
  body.outputs = {{"next", TN_F32, {k}, {"k"}}, {"row", TN_F32, {k}, {"k"}}};
  Operand value{OperandKind::Input, 1, none}, next{OperandKind::Output, 0, none}, row{OperandKind::Output, 1, none};
  body.steps = {Launch{0, {value, value, next}, one, {k, one}, {"/Add"}, k, size}, Copy{next, row, size, {}}};
  body.exprs = inner.exprs();
  plan.plans = {body};
  plan.exprs = exprs.exprs();
  return plan;
}

Plan scanningPlan() {
  Plan plan = planWithKernels();
  ExprTable exprs;
  ExprId zero = exprs.constant(0), three = exprs.constant(3), five = exprs.constant(5), bytes = exprs.constant(12);
  plan.inputs = {{"limit", TN_I64, {}, {}}, {"x", TN_F32, {three}, {""}}, {"rows", TN_F32, {five, three}, {"", ""}}};
  plan.outputs = {{"y", TN_F32, {three}, {""}}};
  plan.results = {{0, 0, {"", TN_F32, {three}, {""}}}};
  Operand limit{OperandKind::Input, 0, zero}, x{OperandKind::Input, 1, zero}, rows{OperandKind::Input, 2, zero};
  static const int64_t kTrips = 5;
  plan.constants = {{"trips", &kTrips, sizeof kTrips}};
  Loop loop;
  loop.trips = Operand{OperandKind::Constant, 0, zero};
  loop.body = Call{0, {{x, {"", TN_F32, {three}, {""}}}, {rows, {"", TN_F32, {five, three}, {"", ""}}}, {limit, {"", TN_I64, {}, {}}}}, {}};
  loop.carried = loop.scanned = 1;
  loop.sources = {"/Loop"};
  plan.steps = {loop, Copy{{OperandKind::Result, 0, zero}, {OperandKind::Output, 0, zero}, bytes, {}}};

  Plan body = planWithKernels();
  body.code = {};
  body.kernels.push_back({"below", "elementwise", "", 0, 2, 1, false, 0});
  ExprTable inner;
  ExprId none = inner.constant(0), one = inner.constant(1), k = inner.constant(3), size = inner.constant(12);
  body.inputs = {{"i", TN_I64, {}, {}}, {"sum", TN_F32, {k}, {""}}, {"row", TN_F32, {k}, {""}}, {"limit", TN_I64, {}, {}}};
  body.outputs = {{"goes on", TN_BOOL, {}, {}}, {"next", TN_F32, {k}, {""}}};
  auto input = [&](uint32_t i) { return Operand{OperandKind::Input, i, none}; };
  body.steps = {Launch{0, {input(1), input(2), {OperandKind::Output, 1, none}}, one, {k, one}, {"/Add"}, k, size},
                Launch{2, {input(0), input(3), {OperandKind::Output, 0, none}}, one, {}, {"/Less"}, one, one}};
  body.exprs = inner.exprs();
  plan.plans = {body};
  plan.exprs = exprs.exprs();
  return plan;
}

Plan onGpu(Plan plan) {
  static constexpr char kPtx[] = ".version 8.0\n.target sm_90\n.address_size 64\n";
  static constexpr char kCubin[] = "\x7f"
                                   "ELF, as far as the reader looks";
  plan.code = {};
  plan.deviceCode = {{"sm_90", false, std::as_bytes(std::span(kCubin))}, {"sm_90", true, std::as_bytes(std::span(kPtx))}};
  auto move = [](Plan &each) {
    each.target = {"cuda", "sm_90", "cuda:sm_90", {}, 64};
    for (Kernel &kernel : each.kernels)
      kernel.entry = 0, kernel.threads = kernel.tasksPerBlock = 128;
  };
  move(plan);
  for (Plan &called : plan.plans)
    move(called);
  return plan;
}

Plan gpuPlan() { return onGpu(staticPlan()); }

Plan libraryPlan() {
  static const std::array<float, 16> kFactors = {1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 2, 1, 1, 1, 1, 1};
  static const std::array<float, 4> kBias = {0.5f, 0, -1, 0};
  Plan plan = planWithKernels();
  ExprTable exprs;
  ExprId zero = exprs.constant(0), one = exprs.constant(1), two = exprs.constant(2), four = exprs.constant(4), eight = exprs.constant(8);
  ExprId bytes = exprs.constant(32), workspaceBytes = exprs.constant(768);
  plan.inputs = {{"x", TN_F32, {two, four}, {"", ""}}};
  plan.outputs = {{"z", TN_F32, {two, four}, {"", ""}}};
  plan.constants = {{"w", kFactors.data(), sizeof kFactors}, {"b", kBias.data(), sizeof kBias}};
  plan.buffers = {{bytes, 64, 0, 1, 0}, {workspaceBytes, 64, 0, 0, 64}};
  Operand x{OperandKind::Input, 0, zero}, z{OperandKind::Output, 0, zero}, w{OperandKind::Constant, 0, zero}, b{OperandKind::Constant, 1, zero};
  Operand product{OperandKind::Buffer, 0, zero}, workspace{OperandKind::Buffer, 1, zero};
  LibraryCall call;
  call.left = {0, 0, 16, TN_F32, {1, 2, 4}, {0, 4, 1}};
  call.right = {1, 0, 16, TN_F32, {1, 4, 4}, {0, 1, 4}};
  call.bias = LibraryTensor{2, 0, 16, TN_F32, {4}, {1}};
  call.result = {3, 0, 16, TN_F32, {1, 2, 4}, {0, 4, 1}};
  call.activation = Activation::Relu;
  call.algorithm = 1;
  call.workspaceBytes = 768;
  plan.steps = {Launch{2, {x, w, b, product, workspace}, one, {}, {"/Gemm"}, bytes, bytes},
                Launch{0, {product, x, z}, one, {eight, one}, {"/Add"}, eight, bytes}};
  plan.exprs = exprs.exprs();
  plan.memory = {832, 832, 832};
  plan = onGpu(std::move(plan));
  plan.kernels.push_back({"product", "cublaslt", "algorithm=1", 0, 3, 1, true, 0, 0, 0, 0, {}, call});
  return plan;
}

Plan convolutionPlan() {
  static const std::array<float, 72> kFilters = [] { // [filters, rows, columns, channels]
    std::array<float, 72> values{};
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = i % 2 == i / 18 % 2 ? 1.0f : 0.0f;
    return values;
  }();
  static const std::array<float, 4> kBias = {1, 2, 3, 4};
  Plan plan = planWithKernels();
  ExprTable exprs;
  ExprId zero = exprs.constant(0), one = exprs.constant(1), two = exprs.constant(2), three = exprs.constant(3), four = exprs.constant(4);
  ExprId workspaceBytes = exprs.constant(1024);
  plan.inputs = {{"x", TN_F32, {one, four, three, two}, {"", "", "", ""}}};
  plan.outputs = {{"y", TN_F32, {one, two, two, four}, {"", "", "", ""}}};
  plan.constants = {{"w", kFilters.data(), sizeof kFilters}, {"b", kBias.data(), sizeof kBias}};
  plan.buffers = {{workspaceBytes, 64, 0, 0, 0}};
  Operand x{OperandKind::Input, 0, zero}, y{OperandKind::Output, 0, zero}, w{OperandKind::Constant, 0, zero}, b{OperandKind::Constant, 1, zero};
  LibraryCall call;
  call.library = Library::Cudnn;
  call.left = {0, 0, 16, TN_F32, {1, 2, 4, 3}, {24, 1, 6, 2}};
  call.right = {1, 0, 16, TN_F32, {4, 2, 3, 3}, {18, 1, 6, 2}};
  call.bias = LibraryTensor{2, 0, 16, TN_F32, {4}, {1}};
  call.result = {3, 0, 16, TN_F32, {1, 4, 2, 2}, {16, 1, 8, 4}};
  call.window = {{1, 1, 2, 1}, {1, 1, 2, 1}};
  call.activation = Activation::Clip;
  call.most = 20;
  call.tf32 = true;
  call.workspaceBytes = 1024;
  plan.steps = {Launch{2, {x, w, b, y, Operand{OperandKind::Buffer, 0, zero}}, one, {}, {"/Conv"}, one, one}};
  plan.exprs = exprs.exprs();
  plan.memory = {1024, 1024, 1024};
  plan = onGpu(std::move(plan));
  plan.kernels.push_back({"convolution", "cudnn", "algorithm=0", 0, 3, 1, true, 0, 0, 0, 0, {}, call});
  return plan;
}

Plan twoGpusPlan() {
  static const std::array<float, 4> more = {1, 2, 3, 4};
  Plan plan = gpuPlan(), other = gpuPlan();
  static const std::vector<std::byte> copies = [&] {
    auto *bytes = static_cast<const std::byte *>(plan.constants[0].data);
    return std::vector<std::byte>(bytes, bytes + plan.constants[0].bytes);
  }();
  other.target.arch = "sm_87";
  for (DeviceCode &code : other.deviceCode)
    code.arch = "sm_87";
  other.constants[0].data = copies.data();
  other.constants.push_back({"more", more.data(), sizeof more});
  plan.variants = {std::move(other)};
  return plan;
}

} // namespace tenon::test
