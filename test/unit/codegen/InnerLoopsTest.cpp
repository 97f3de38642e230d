// The innermost loops of the families that most of a network's time is spent in, as they are assembled for AVX2 and AVX-512: what their registers hold
// stays there, nothing is gathered, and multiply-adds are most of what is issued. Speed itself is measured by bench/, on a quiet machine.
#include "test/unit/codegen/KernelCheck.h"
#include <gtest/gtest.h>
#include <regex>

namespace tenon::test {
namespace {

/// A loop without a loop in it.
struct InnerLoop {
  int64_t instructions = 0, multiplyAdds = 0, spills = 0, gathers = 0; // spills: vectors that are stored on or loaded from the stack
  std::string text;

  /// More multiply-adds than in any loop that does something else besides, like transforming tiles or taking exponentials.
  bool multiplies() const { return multiplyAdds >= 8 && multiplyAdds * 5 >= instructions * 2; }
};

InnerLoop loopOf(llvm::ArrayRef<std::string> lines) {
  static const std::regex fma("vfn?madd|vpmadd|vpaddw"), stack("\\(%rsp.*mm|mm.*\\(%rsp"), gather("gather|vpins|vinsertps");
  InnerLoop loop;
  for (const std::string &line : lines) {
    loop.text += line + "\n";
    if (line.empty() || line.front() != '\t' || line[1] == '.' || line[1] == '#') // labels, directives, comments
      continue;
    ++loop.instructions;
    loop.multiplyAdds += std::regex_search(line, fma);
    loop.spills += std::regex_search(line, stack);
    loop.gathers += std::regex_search(line, gather);
  }
  return loop;
}

/// From a label to the first jump back to it, where no such loop is in between.
std::vector<InnerLoop> innerLoops(const std::string &assembly) {
  llvm::SmallVector<llvm::StringRef> split;
  llvm::StringRef(assembly).split(split, '\n');
  std::vector<std::string> lines(split.begin(), split.end());
  std::map<std::string, size_t> labels;
  std::vector<InnerLoop> loops;
  size_t endOfLast = 0;
  static const std::regex label("^(\\.LBB[0-9_]+):.*"), jump("^\tj[a-z]+\t(\\.LBB[0-9_]+).*");
  for (size_t i = 0; i < lines.size(); ++i) {
    std::smatch found;
    if (std::regex_match(lines[i], found, label))
      labels[found[1]] = i;
    if (!std::regex_match(lines[i], found, jump) || !labels.count(found[1]))
      continue;
    size_t begin = labels[found[1]];
    if (begin >= endOfLast)
      loops.push_back(loopOf(llvm::ArrayRef(lines).slice(begin, i + 1 - begin)));
    endOfLast = i + 1;
  }
  return loops;
}

class InnerLoops : public testing::TestWithParam<const char *> {
protected:
  /// The kernel's first choice of schedule has loops that multiply, and nothing disturbs them.
  void expectClean(const std::string &text, llvm::StringRef family, llvm::StringRef schedule = {}) {
    KernelHarness kernel(text, GetParam());
    ASSERT_TRUE(kernel.compile(schedule)) << kernel.message << text;
    ASSERT_EQ(kernel.func().getSchedule()->getFamily().getValue(), family);
    int64_t multiplying = 0;
    for (const InnerLoop &loop : innerLoops(kernel.assembly())) {
      EXPECT_EQ(loop.gathers, 0) << loop.text;
      if (!loop.multiplies())
        continue;
      ++multiplying;
      EXPECT_EQ(loop.spills, 0) << loop.multiplyAdds << " multiply-adds of " << loop.instructions << " instructions\n" << loop.text;
    }
    EXPECT_GT(multiplying, 0) << text;
  }
};

std::string convolution(llvm::ArrayRef<int64_t> input, llvm::ArrayRef<int64_t> weight, llvm::ArrayRef<int64_t> result, const std::string &options,
                        const std::string &after, const std::string &weightAttributes = "kernel.constant") {
  std::string x = tensor(input), w = tensor(weight), b = tensor(weight[0]), y = tensor(result);
  return "kernel.func private @k(%x: " + x + ", %w: " + w + " {" + weightAttributes + "}, %b: " + b + ", %r: " + y + ") -> " + y +
         " {\n  %0 = nn.conv %x, %w bias %b {dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>, " + options + "} : " + x + ", " + w + ", " + b +
         " -> " + y + "\n  %1 = nn.add %0, %r : " + y + ", " + y + " -> " + y + "\n  %2 = " + after + " : " + y + " -> " + y + "\n  kernel.return %2 : " + y + "\n}\n";
}

std::string options(const std::string &pads, const std::string &strides = "1, 1", int64_t groups = 1) {
  return "pads = array<i64: " + pads + ">, strides = array<i64: " + strides + ">, groups = " + std::to_string(groups) + " : i64";
}

TEST_P(InnerLoops, Products) {
  for (auto [rows, depth, columns] : {std::tuple(128, 768, 3072), {197, 768, 768}, {1, 1280, 1000}}) {
    std::string a = tensor({rows, depth}), w = tensor({depth, columns}), b = tensor({columns}), y = tensor({rows, columns});
    expectClean("kernel.func private @k(%a: " + a + ", %w: " + w + " {kernel.constant}, %b: " + b + ") -> " + y + " {\n  %0 = nn.matmul %a, %w bias %b : " + a +
                    ", " + w + ", " + b + " -> " + y + "\n  %1 = nn.gelu %0 : " + y + " -> " + y + "\n  kernel.return %1 : " + y + "\n}\n",
                "contraction");
  }
}

TEST_P(InnerLoops, Convolutions) {
  expectClean(convolution({1, 56, 56, 64}, {256, 64, 1, 1}, {1, 56, 56, 256}, options("0, 0, 0, 0"), "nn.relu %1"), "contraction");
  expectClean(convolution({1, 56, 56, 128}, {128, 128, 3, 3}, {1, 28, 28, 128}, options("1, 1, 1, 1", "2, 2"), "nn.silu %1"), "contraction");
}

bool isWide(const char *target) { return llvm::cantFail(Target::parse(target)).lanes(32) == 16; }

// 28 accumulators, two vectors of weights and one of pixels are all registers but one of AVX-512, 15 of 16 of AVX2.
TEST_P(InnerLoops, FullRegisters) {
  std::string tile = isWide(GetParam()) ? "mr = 14 : i64, nv = 2 : i64" : "mr = 6 : i64, nv = 2 : i64";
  expectClean(convolution({1, 512, 1, 256}, {512, 256, 5, 1}, {1, 508, 1, 512}, options("0, 0, 0, 0"), "nn.gelu %1 {tanh}"), "contraction",
              "#kernel.schedule<\"contraction\", {a = \"in_place\", bh = 0 : i64, flat = 1 : i64, ku = 4 : i64, " + tile +
                  ", order = \"ji\", pf = 1 : i64, tm = 1 : i64, tn = 4 : i64}>");
}

TEST_P(InnerLoops, Depthwise) {
  expectClean(convolution({1, 112, 112, 32}, {32, 1, 3, 3}, {1, 112, 112, 32}, options("1, 1, 1, 1", "1, 1", 32), "nn.relu %1"), "depthwise");
  expectClean(convolution({1, 56, 56, 144}, {144, 1, 3, 3}, {1, 28, 28, 144}, options("1, 1, 1, 1", "2, 2", 144), "nn.silu %1"), "depthwise");
  expectClean(convolution({1, 28, 28, 240}, {240, 1, 5, 5}, {1, 28, 28, 240}, options("2, 2, 2, 2", "1, 1", 240), "nn.silu %1"), "depthwise");
}

// Four vectors of weights, their products and nine sums of products of bytes, where no instruction multiplies four bytes.
TEST_P(InnerLoops, SplitBytes) {
  if (llvm::StringRef(GetParam()) != "x86-64-v3")
    GTEST_SKIP() << "other targets multiply pairs, or fours";
  std::string x = tensor({1, 56, 56, 64}, "ui8"), w = tensor({256, 64, 1, 1}, "i8"), b = tensor({256}, "i32"), sums = tensor({1, 56, 56, 256}, "i32"), y = tensor({1, 56, 56, 256}),
              s = tensor({256}), small = tensor({1, 56, 56, 256}, "ui8");
  expectClean("kernel.func private @k(%x: " + x + ", %w: " + w + " {kernel.constant, kernel.split_share = 50 : i64}, %b: " + b + ", %s: " + s + ") -> " + small + " {\n  %0 = nn.conv %x, %w bias %b {" +
                  "dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>, " + options("0, 0, 0, 0") + "} : " + x + ", " + w + ", " + b + " -> " + sums + "\n  %1 = nn.cast %0 {to = f32} : " +
                  sums + " -> " + y + "\n  %2 = nn.mul %1, %s : " + y + ", " + s + " -> " + y + "\n  %3 = nn.quantize %2 {zero_point = 3 : i64, to = ui8} : " + y + " -> " + small +
                  "\n  kernel.return %3 : " + small + "\n}\n",
              "contraction");
}

// The transforms of tiles have more values than there are registers; the products between them do not.
TEST_P(InnerLoops, Winograd) {
  expectClean(convolution({1, 28, 28, 128}, {128, 128, 3, 3}, {1, 28, 28, 128}, options("1, 1, 1, 1"), "nn.relu %1",
                          "kernel.constant, kernel.winograd_errors = array<f64: 1.0e-6, 1.0e-5>"),
              "winograd");
}

TEST_P(InnerLoops, Attention) {
  std::string flat = tensor({1, 128, 768}), heads = tensor({1, 12, 128, 64}), split = tensor({1, 128, 12, 64}), text;
  for (const char *name : {"q", "k", "v"})
    text += std::string("  %") + name + "1 = nn.reshape %" + name + "0 {dims = #nn.dims<[1, 128, 12, 64]>} : " + flat + " -> " + split + "\n  %" + name +
            " = nn.transpose %" + name + "1 {perm = array<i64: 0, 2, 1, 3>} : " + split + " -> " + heads + "\n";
  expectClean("kernel.func private @k(%q0: " + flat + ", %k0: " + flat + ", %v0: " + flat + ") -> " + flat + " {\n" + text +
                  "  %0 = nn.attention %q, %k, %v {scale = 0.125 : f64} : " + heads + ", " + heads + ", " + heads + " -> " + heads +
                  "\n  %1 = nn.transpose %0 {perm = array<i64: 0, 2, 1, 3>} : " + heads + " -> " + split +
                  "\n  %2 = nn.reshape %1 {dims = #nn.dims<[1, 128, 768]>} : " + split + " -> " + flat + "\n  kernel.return %2 : " + flat + "\n}\n",
              "attention");
}

INSTANTIATE_TEST_SUITE_P(Targets, InnerLoops, testing::Values("x86-64-v3", "znver2", "x86-64-v4", "sapphirerapids"));

} // namespace
} // namespace tenon::test
