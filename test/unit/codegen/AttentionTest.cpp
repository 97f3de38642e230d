// nn.attention through its family: heads read from [B, S, H * D] and written back there, masks, grouped queries, long sequences.
#include "test/unit/codegen/KernelCheck.h"
#include <gtest/gtest.h>

namespace tenon::test {
namespace {

struct Attention {
  int64_t batch, heads, rows, keys, depth;
  std::string options, mask = "";
  int64_t keyHeads = 0;
  bool merged = true; // the result leaves as [B, S, H * D]

  static std::string dims(llvm::ArrayRef<int64_t> sizes) {
    std::string text = "#nn.dims<[";
    for (size_t i = 0; i < sizes.size(); ++i)
      text += (i ? ", " : "") + std::to_string(sizes[i]);
    return text + "]>";
  }

  std::string heads4(const std::string &name, int64_t length, int64_t count) const {
    std::string flat = tensor({batch, length, count * depth}), split = tensor({batch, length, count, depth});
    return "  %" + name + "1 = nn.reshape %" + name + "0 {dims = " + dims({batch, length, count, depth}) + "} : " + flat + " -> " + split + "\n  %" + name +
           " = nn.transpose %" + name + "1 {perm = array<i64: 0, 2, 1, 3>} : " + split + " -> " + tensor({batch, count, length, depth}) + "\n";
  }

  std::string text() const {
    int64_t shared = keyHeads ? keyHeads : heads;
    std::string q = tensor({batch, heads, rows, depth}), k = tensor({batch, shared, keys, depth}), flat = tensor({batch, rows, heads * depth});
    std::string split = tensor({batch, rows, heads, depth}), flatKeys = tensor({batch, keys, shared * depth});
    std::string text = "kernel.func private @k(%q0: " + flat + ", %k0: " + flatKeys + ", %v0: " + flatKeys + (mask.empty() ? "" : ", %m: " + mask) + ") -> " +
                       (merged ? flat : q) + " {\n" + heads4("q", rows, heads) + heads4("k", keys, shared) + heads4("v", keys, shared);
    text += "  %0 = nn.attention %q, %k, %v " + (mask.empty() ? "" : "mask %m : " + mask) + " {scale = 0.3 : f64" + options + "} : " + q + ", " + k + ", " + k + " -> " + q + "\n";
    if (!merged)
      return text + "  kernel.return %0 : " + q + "\n}\n";
    return text + "  %1 = nn.transpose %0 {perm = array<i64: 0, 2, 1, 3>} : " + q + " -> " + split + "\n  %2 = nn.reshape %1 {dims = " +
           dims({batch, rows, heads * depth}) + "} : " + split + " -> " + flat + "\n  kernel.return %2 : " + flat + "\n}\n";
  }
};

void check(const Attention &attention, size_t schedules = 1) {
  for (const std::string &schedule : schedulesOf(attention.text(), schedules)) {
    KernelCheck check;
    check.schedule = schedule;
    EXPECT_EQ(check(attention.text()), "") << schedule;
  }
}

TEST(Attention, Heads) {
  check({1, 2, 40, 40, 16, ""}, 6);
  check({2, 2, 37, 45, 12, ""}, 3);
  check({1, 4, 33, 20, 8, "", "", 2});
}

// Position i sees j <= i + T - S; rows that see nothing give zeros where `safe` asks for it.
TEST(Attention, Causal) {
  check({1, 3, 37, 37, 16, ", causal"}, 4);
  check({1, 3, 7, 50, 16, ", causal", "", 0, false});
  check({1, 3, 50, 20, 16, ", causal, safe"});
}

TEST(Attention, Masks) {
  check({2, 2, 33, 29, 16, "", "tensor<2x1x1x29xf32>"});
  check({1, 2, 33, 29, 16, "", "tensor<33x29xf32>"});
  check({2, 2, 33, 29, 16, ", safe", "tensor<2x1x33x29xi1>"});
  check({1, 2, 20, 2, 8, "", "tensor<20x2xi1>"}); // some rows see nothing: NaN
}

// More keys than are scored at once: the softmax is corrected from block to block.
TEST(Attention, ManyKeys) {
  check({1, 1, 70, 1100, 8, ""});
  check({1, 1, 130, 1100, 8, ", causal", "tensor<130x1100xf32>"});
}

TEST(Attention, FreeSizes) {
  std::string q = "tensor<?x2x?x8xf32, #nn.dims<[b, 2, s, 8]>>", k = "tensor<?x2x?x8xf32, #nn.dims<[b, 2, t, 8]>>";
  std::string text = "kernel.func private @k(%q: " + q + ", %k: " + k + ", %v: " + k + ") -> " + q + " {\n  %0 = nn.attention %q, %k, %v {scale = 0.3 : f64} : " + q + ", " +
                     k + ", " + k + " -> " + q + "\n  kernel.return %0 : " + q + "\n}\n";
  for (auto [s, t] : {std::pair(1, 1), {7, 20}, {100, 300}}) {
    KernelCheck check;
    check.sizes["b"] = 2;
    check.sizes["s"] = s;
    check.sizes["t"] = t;
    EXPECT_EQ(check(text), "") << s << " " << t;
  }
}

TEST(Attention, CompilesForEveryTarget) {
  std::string message;
  EXPECT_TRUE(KernelHarness::compilesEverywhere(Attention{1, 2, 20, 29, 12, ", causal", "tensor<20x29xf32>"}.text(), message)) << message;
}

} // namespace
} // namespace tenon::test
