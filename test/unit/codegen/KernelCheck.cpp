#include "test/unit/codegen/KernelCheck.h"
#include "passes/6_codegen/cpu/KernelFamily.h"
#include "llvm/ADT/APFloat.h"
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <random>

namespace tenon::test {
using namespace mlir;

namespace {
/// A tensor in the memory layout that kernels use.
struct Memory {
  std::vector<char> bytes;
  Type element;

  Memory(Type element, int64_t count) : bytes(std::max<int64_t>(count, 1) * width(element), 0), element(element) {}
  static int64_t width(Type element) { return nn::elementBytes(element); }

  void set(int64_t i, double value) {
    char *at = &bytes[i * width(element)];
    if (auto type = dyn_cast<FloatType>(element)) {
      APFloat number(value);
      bool lossy;
      number.convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lossy);
      uint64_t bits = number.bitcastToAPInt().getZExtValue();
      std::memcpy(at, &bits, width(element));
    } else {
      int64_t number = int64_t(value);
      std::memcpy(at, &number, width(element));
    }
  }

  double get(int64_t i) const {
    uint64_t bits = 0;
    std::memcpy(&bits, &bytes[i * width(element)], width(element));
    if (auto type = dyn_cast<FloatType>(element)) {
      APFloat number(type.getFloatSemantics(), APInt(type.getWidth(), bits));
      bool lossy;
      number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
      return number.convertToDouble();
    }
    return double(llvm::SignExtend64(bits, width(element) * 8));
  }
};

Type elementOf(Type tensor) { return cast<RankedTensorType>(tensor).getElementType(); }

void addResults(std::vector<Memory> &memories, ArrayRef<Type> types, ArrayRef<Array> expected) {
  for (auto [type, array] : llvm::zip_equal(types, expected)) {
    memories.emplace_back(elementOf(type), array.size());
    for (int64_t i = 0; i < array.size(); ++i)
      memories.back().set(i, -77);
  }
}

KernelHarness::Buffers buffersOf(std::vector<Memory> &memories) {
  KernelHarness::Buffers buffers;
  for (Memory &memory : memories)
    buffers.push_back(memory.bytes.data());
  return buffers;
}

std::string difference(ArrayRef<Array> expected, ArrayRef<Type> types, ArrayRef<void *> found, double tolerance) {
  for (auto [index, array] : llvm::enumerate(expected)) {
    Memory result(elementOf(types[index]), array.size());
    std::memcpy(result.bytes.data(), found[index], array.size() * Memory::width(result.element));
    double largest = 1e-30;
    for (double value : array.data)
      largest = std::isfinite(value) ? std::max(largest, std::abs(value)) : largest;
    for (int64_t i = 0; i < array.size(); ++i) {
      double own = result.get(i), wanted = array.data[i];
      if (own != wanted && !(std::abs(own - wanted) <= tolerance * largest) && !(std::isnan(own) && std::isnan(wanted)))
        return llvm::formatv("result {0}, element {1}: found {2}, expected {3}", index, i, own, wanted).str();
    }
  }
  return "";
}

/// What the CPU's first choice gives for a kernel.
std::string computeOnCpu(const std::string &text, const Sizes &sizes, std::vector<Memory> &arguments, std::vector<Array> &results) {
  KernelHarness harness(text);
  if (!harness.func())
    return harness.message;
  SmallVector<Type> types(harness.func().getResultTypes());
  for (Type type : types)
    results.push_back(Array::zeros(shapeOf(type, sizes)));
  if (!harness.compile())
    return "does not compile for the CPU: " + harness.message;
  std::vector<Memory> memories = arguments;
  addResults(memories, types, results);
  harness.run(buffersOf(memories), sizes);
  for (auto [index, array] : llvm::enumerate(results))
    for (int64_t i = 0; i < array.size(); ++i)
      array.data[i] = memories[arguments.size() + index].get(i);
  return "";
}
} // namespace

std::string KernelCheck::operator()(const std::string &text) const {
  KernelHarness harness(text, target);
  kernel::FuncOp func = harness.func();
  if (!func)
    return harness.message;
  std::mt19937 random(17);
  std::normal_distribution<double> normal;
  std::vector<Memory> memories;
  std::vector<Array> arguments;
  for (Type type : func.getArgumentTypes()) {
    arguments.push_back(Array::zeros(shapeOf(type, sizes)));
    memories.emplace_back(elementOf(type), arguments.back().size());
    for (int64_t i = 0; i < arguments.back().size(); ++i) {
      double value = normal(random);
      if (elementOf(type).isInteger(1))
        value = value > 0;
      else if (isa<IntegerType>(elementOf(type)))
        value = std::fmod(std::floor(std::abs(value) * 100), largestInteger + 1);
      memories.back().set(i, value);
      arguments.back().data[i] = memories.back().get(i);
    }
  }
  std::vector<Array> expected;
  if (onCpu) {
    std::string problem = computeOnCpu(text, sizes, memories, expected);
    if (!problem.empty())
      return problem;
  } else {
    expected = evaluate(func, arguments, sizes);
  }
  SmallVector<Type> types(func.getResultTypes());
  if (!harness.compile(schedule))
    return "does not compile: " + harness.message;
  addResults(memories, types, expected);
  KernelHarness::Buffers buffers = buffersOf(memories);
  auto overwrites = harness.func().getOverwrites();
  auto overwrite = [&] {
    for (size_t i = 0; inPlace && overwrites && i < types.size(); ++i)
      if ((*overwrites)[i] >= 0)
        buffers[arguments.size() + i] = buffers[(*overwrites)[i]];
  };
  overwrite();
  auto compared = [&] { return difference(expected, types, ArrayRef(buffers).drop_front(arguments.size()), tolerance); };
  if (!harness.target().isGpu()) {
    harness.run(buffers, sizes);
    return compared();
  }
  for (bool isEager : {true, false}) {
    memories.erase(memories.begin() + int64_t(arguments.size()), memories.end());
    addResults(memories, types, expected);
    buffers = buffersOf(memories);
    overwrite();
    std::string problem = harness.runOnGpu(buffers, sizes, isEager);
    if (problem.empty())
      problem = compared();
    if (!problem.empty())
      return (isEager ? "first threads first: " : "last threads first: ") + problem;
  }
  return "";
}

std::vector<std::string> schedulesOf(const std::string &text, size_t limit, const std::string &target) {
  KernelHarness harness(text, target);
  if (!harness.func()) {
    ADD_FAILURE() << harness.message << text;
    return {};
  }
  kernel::collectSymbols(harness.func());
  const cpu::KernelFamily *family = cpu::familyFor(harness.func(), harness.target());
  SmallVector<kernel::ScheduleAttr> all;
  if (family)
    family->schedules(harness.func(), harness.target(), all);
  EXPECT_FALSE(all.empty()) << "no family computes\n" << text;
  std::vector<std::string> result;
  size_t step = std::max<size_t>(1, all.size() / std::max<size_t>(limit, 1));
  for (size_t i = 0; i < all.size() && result.size() < limit; i += step) {
    llvm::raw_string_ostream(result.emplace_back()) << all[i];
  }
  return result;
}

std::vector<std::string> runnableTargets() {
  Target host = llvm::cantFail(Target::parse("native"));
  std::vector<std::string> names;
  for (const char *name : {"x86-64-v3", "x86-64-v4"}) {
    Target target = llvm::cantFail(Target::parse(name));
    if (llvm::all_of(target.required, [&](const std::string &feature) { return llvm::is_contained(host.required, feature); }))
      names.push_back(name);
  }
  return names.empty() ? std::vector<std::string>{"native"} : names;
}

std::string array(ArrayRef<int64_t> values) {
  std::string text = "array<i64: ";
  for (size_t i = 0; i < values.size(); ++i)
    text += (i ? ", " : "") + std::to_string(values[i]);
  return text + ">";
}

std::string tensor(ArrayRef<int64_t> shape, StringRef element) {
  std::string text = "tensor<";
  for (int64_t size : shape)
    text += std::to_string(size) + "x";
  return text + element.str() + ">";
}

} // namespace tenon::test
