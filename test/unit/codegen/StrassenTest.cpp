// nn.matmul through the Strassen family, on AVX2 and AVX-512, against the plain sums of the reference.
#include "test/unit/codegen/KernelCheck.h"
#include <gtest/gtest.h>

namespace tenon::test {
namespace {

struct Product {
  std::vector<int64_t> rows;
  int64_t depth, columns;
  bool transposeRhs = false, bias = true, residual = false;
  std::string error = "4.0e-6";

  std::string text() const {
    std::vector<int64_t> left = rows, right = rows;
    left.push_back(depth);
    right.push_back(columns);
    std::string a = tensor(left), y = tensor(right), w = transposeRhs ? tensor({columns, depth}) : tensor({depth, columns}), b = tensor({columns});
    std::string text = "kernel.func private @k(%a: " + a + ", %w: " + w + " {kernel.constant, kernel.strassen_error = " + error + " : f64}" +
                       (bias ? ", %b: " + b : "") + (residual ? ", %r: " + y : "") + ") -> " + y + " {\n  %0 = nn.matmul %a, %w" + (bias ? " bias %b" : "") + " {" +
                       (transposeRhs ? "transpose_rhs" : "") + "} : " + a + ", " + w + (bias ? ", " + b : "") + " -> " + y + "\n";
    text += residual ? "  %1 = nn.add %0, %r : " + y + ", " + y + " -> " + y + "\n" : "  %1 = nn.relu %0 : " + y + " -> " + y + "\n";
    return text + "  kernel.return %1 : " + y + "\n}\n";
  }
};

std::string schedule(int64_t rows, int64_t vectors, int64_t depthBlock, int64_t blockTiles, int64_t rowTasks, int64_t columnTasks) {
  std::string text = "#kernel.schedule<\"strassen\", {";
  for (auto [name, value] : {std::pair("mr", rows), {"nv", vectors}, {"kc", depthBlock}, {"mt", blockTiles}, {"tm", rowTasks}, {"tn", columnTasks}})
    text += std::string(name) + " = " + std::to_string(value) + " : i64, ";
  return text + "pf = 1 : i64}>";
}

void check(const Product &product, const std::string &schedule, const std::string &target) {
  KernelCheck check;
  check.schedule = schedule;
  check.target = target;
  check.tolerance = 1e-5;
  check.inPlace = true; // only where the plan allows it
  EXPECT_EQ(check(product.text()), "") << target << " " << schedule << "\n" << product.text();
}

// One block and several, of rows and of k; tasks along both; tiles of one row less than others.
void checkAll(const Product &product) {
  for (const std::string &target : runnableTargets()) {
    check(product, schedule(4, 1, product.depth, 64, 1, 1), target);
    check(product, schedule(3, 2, 16, 1, 2, 2), target);
    check(product, schedule(2, 1, 32, 2, 3, 1), target);
  }
}

TEST(Strassen, EvenRows) { checkAll({{24}, 96, 128}); }

// The last row has no partner.
TEST(Strassen, OddRows) {
  checkAll({{17}, 64, 64});
  checkAll({{3}, 32, 64, false, true, true});
}

TEST(Strassen, TransposedWeights) { checkAll({{18}, 96, 192, true}); }

// Rows are merged across a batch; the sum goes where the residual was.
TEST(Strassen, BatchesAndResiduals) {
  checkAll({{3, 7}, 64, 128, true, true, true});
  checkAll({{2, 2, 5}, 64, 64, false, false, true});
}

std::string familyOf(const Product &product, const std::string &target = "sapphirerapids") {
  std::vector<std::string> schedules = schedulesOf(product.text(), 1, target);
  return schedules.empty() ? "" : schedules.front();
}

// What the cost model chooses for a large product is right for a small one too.
TEST(Strassen, FirstChoices) {
  std::string chosen = familyOf({{1025}, 384, 1152});
  EXPECT_NE(chosen.find("\"strassen\""), std::string::npos) << chosen;
  check({{65}, 384, 128, true}, chosen, runnableTargets().back());
}

// The bound decides, and whether there are rows enough to pay for the sums of the weights.
TEST(Strassen, Choices) {
  Product product{{1024}, 768, 768};
  EXPECT_NE(familyOf(product).find("\"strassen\""), std::string::npos);
  for (const char *error : {"1.1e-4", "0x7FF8000000000000"}) {
    product.error = error;
    EXPECT_NE(familyOf(product).find("\"contraction\""), std::string::npos) << familyOf(product);
  }
  for (const Product &plain : {Product{{64}, 768, 768}, {{1024}, 48, 768}, {{1024}, 768, 40}})
    EXPECT_NE(familyOf(plain).find("\"contraction\""), std::string::npos) << familyOf(plain);
  Product few{{197}, 768, 3072}; // pays with 32 registers only
  EXPECT_NE(familyOf(few).find("\"strassen\""), std::string::npos) << familyOf(few);
  EXPECT_NE(familyOf(few, "haswell").find("\"contraction\""), std::string::npos) << familyOf(few, "haswell");
}

TEST(Strassen, RefusesWhatItDoesNotCompute) {
  KernelHarness harness(Product{{8}, 48, 64}.text());
  EXPECT_FALSE(harness.compile(schedule(2, 1, 32, 1, 1, 1)));
  EXPECT_NE(harness.message.find("kc is a multiple of 16 that divides the depth"), std::string::npos) << harness.message;
  KernelHarness narrow(Product{{8}, 32, 40}.text());
  EXPECT_FALSE(narrow.compile(schedule(2, 1, 32, 1, 1, 1)));
  EXPECT_NE(narrow.message.find("divide the columns"), std::string::npos) << narrow.message;
}

TEST(Strassen, CompilesForEveryTarget) {
  std::string message;
  EXPECT_TRUE(KernelHarness::compilesEverywhere(Product{{1025}, 768, 768}.text(), message)) << message;
}

} // namespace
} // namespace tenon::test
