// nn.lstm through its family.
#include "test/unit/codegen/KernelCheck.h"
#include <gtest/gtest.h>

namespace tenon::test {
namespace {

struct Lstm {
  int64_t steps, batch, inputs, hidden;
  std::string direction = "forward";
  bool bias = true, initial = false, peephole = false, lengths = false, constant = true;

  std::string text() const {
    int64_t directions = direction == "bidirectional" ? 2 : 1;
    std::string x = tensor({steps, batch, inputs}), w = tensor({directions, 4 * hidden, inputs}), r = tensor({directions, 4 * hidden, hidden});
    std::string b = tensor({directions, 8 * hidden}), state = tensor({directions, batch, hidden}), p = tensor({directions, 3 * hidden});
    std::string length = tensor({batch}, "i32"), y = tensor({steps, directions, batch, hidden}), known = constant ? " {kernel.constant}" : "";
    return "kernel.func private @k(%x: " + x + ", %w: " + w + known + ", %r: " + r + known + (bias ? ", %b: " + b : "") + (lengths ? ", %l: " + length : "") +
           (initial ? ", %h: " + state + ", %c: " + state : "") + (peephole ? ", %p: " + p : "") + ") -> (" + y + ", " + state + ", " + state + ") {\n" +
           "  %0:3 = nn.lstm %x, %w, %r" + (bias ? " bias (%b : " + b + ")" : "") + (lengths ? " lengths (%l : " + length + ")" : "") +
           (initial ? " initial_h (%h : " + state + ") initial_c (%c : " + state + ")" : "") + (peephole ? " peephole (%p : " + p + ")" : "") +
           " {hidden_size = " + std::to_string(hidden) + " : i64, direction = #nn.direction<" + direction + ">} : " + x + ", " + w + ", " + r + " -> " + y + ", " + state + ", " +
           state + "\n  kernel.return %0#0, %0#1, %0#2 : " + y + ", " + state + ", " + state + "\n}\n";
  }
};

void check(const Lstm &lstm, size_t schedules = 1) {
  for (const std::string &schedule : schedulesOf(lstm.text(), schedules)) {
    KernelCheck check;
    check.schedule = schedule;
    check.tolerance = 1e-5;
    check.largestInteger = lstm.steps;
    EXPECT_EQ(check(lstm.text()), "") << schedule << "\n" << lstm.text();
  }
}

TEST(Recurrent, Directions) {
  check({19, 1, 12, 16}, 4);
  check({20, 2, 7, 16, "reverse"});
  check({33, 2, 12, 16, "bidirectional"});
}

// Hidden sizes that are no multiple of a vector are packed when the kernel runs, as weights that are not constant.
TEST(Recurrent, OddSizesAndFreeWeights) {
  check({9, 1, 5, 11, "bidirectional"});
  check({9, 1, 5, 3, "forward", false});
  check({9, 3, 8, 16, "forward", true, false, false, false, false});
}

TEST(Recurrent, States) {
  check({9, 2, 8, 16, "bidirectional", true, true, true});
  check({9, 3, 8, 16, "bidirectional", true, true, false, true}); // each sequence ends on its own
  check({1, 1, 4, 8, "forward", true, true});
}

TEST(Recurrent, CompilesForEveryTarget) {
  std::string message;
  EXPECT_TRUE(KernelHarness::compilesEverywhere(Lstm{9, 2, 8, 16, "bidirectional", true, true, true, true}.text(), message)) << message;
}

} // namespace
} // namespace tenon::test
