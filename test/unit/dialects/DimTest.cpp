// Dimension expressions: equal sizes are the same attribute, bounds are true, values are those of plain integers.
#include "dialects/nn/NN.h"
#include "mlir/AsmParser/AsmParser.h"
#include <gtest/gtest.h>
#include <random>

using namespace tenon::nn;

namespace {
struct Context : mlir::MLIRContext {
  Context() { loadDialect<NNDialect>(); }
};

class DimTest : public testing::Test {
protected:
  Dim c(int64_t value) { return Dim::constant(&ctx, value); }
  Dim s(llvm::StringRef name) { return Dim::symbol(&ctx, name); }

  Context ctx;
  Dim h = s("h"), w = s("w"), n = s("n");
};

TEST_F(DimTest, SumsAndProductsAreCanonical) {
  EXPECT_EQ(h + w, w + h);
  EXPECT_EQ((h + 1) * (w - 2), h * w + w - h * 2 - 2);
  EXPECT_EQ(h - h, c(0));
  EXPECT_TRUE((h * w * n - n * (w * h)).isConstant(0));
  EXPECT_EQ((h * h * 2 + w * h - 3).str(), "2 * h * h + h * w - 3");
}

TEST_F(DimTest, DivisionPullsOutWhatTheDivisorDivides) {
  // The two ways in which exporters halve: ceil(h / 2) as a convolution and as a rounded division.
  EXPECT_EQ((h - 1).floorDiv(2) + 1, h.ceilDiv(2));
  EXPECT_EQ((h * 4 + 6).floorDiv(2), h * 2 + 3);
  EXPECT_EQ((h * 3).floorDiv(2), h + h.floorDiv(2));
  EXPECT_EQ((h * 6 + 3).floorDiv(4).str(), "h + floordiv(h + 1, 2)");
  EXPECT_EQ(h.floorDiv(2).floorDiv(3), h.floorDiv(6));
  EXPECT_EQ((n * h * w).floorDiv(h * w), n);
  EXPECT_EQ((n * h + w).floorDiv(h), n + w.floorDiv(h));
  EXPECT_EQ(c(-7).floorDiv(2), c(-4));
}

TEST_F(DimTest, ExactQuotients) {
  EXPECT_EQ((n * h * h - n * 1).dividedExactlyBy(h + 1), n * (h - 1));
  EXPECT_EQ((n * h.floorDiv(2) * 64).dividedExactlyBy(h.floorDiv(2) * 16), n * 4);
  EXPECT_FALSE((n * 3).dividedExactlyBy(c(2)).has_value());
  EXPECT_FALSE(n.dividedExactlyBy(c(0)).has_value());
}

TEST_F(DimTest, Remainders) {
  EXPECT_EQ((h * 8 + 3).mod(c(8)), c(3));
  EXPECT_EQ((h * 6 + 5).mod(c(4)), (h + 2).mod(c(2)) * 2 + 1);
  EXPECT_EQ((n * h).mod(h), c(0));
  EXPECT_EQ(h.mod(c(4)).mod(c(8)), h.mod(c(4)));
  EXPECT_EQ(c(-7).mod(c(4)), c(1));
}

TEST_F(DimTest, ExtremesDropWhatAnotherDominates) {
  EXPECT_EQ(h.max(c(0)), h);
  EXPECT_EQ((h + 1).min(h), h);
  EXPECT_EQ(h.min(c(0)), c(0));
  EXPECT_EQ(h.min(w).min(h), w.min(h));
  EXPECT_EQ(h.max(w.max(n)), n.max(h).max(w));
  EXPECT_EQ(h.max(h.floorDiv(2)), h);
}

TEST_F(DimTest, Bounds) {
  EXPECT_EQ((h * 2 + 3).lowerBound(), 3);
  EXPECT_EQ((h * 2 + 3).upperBound(), std::nullopt);
  EXPECT_EQ(h.mod(c(8)).upperBound(), 7);
  EXPECT_EQ((h - h.min(w)).lowerBound(), 0);
  EXPECT_EQ((h - h.floorDiv(3)).lowerBound(), 0);
  EXPECT_EQ((h.max(c(5)) - 5).lowerBound(), 0);
  EXPECT_EQ((h - w).lowerBound(), std::nullopt);
  // How many of 8 elements a window of one element at position h reads.
  EXPECT_EQ(((h + 1).min(c(8)) - h.min(c(8))).lowerBound(), 0);
  EXPECT_EQ(((h + 1).min(c(8)) - h.min(c(8))).upperBound(), 1);
}

TEST_F(DimTest, OverflowAbsorbsAndIsNoConstant) {
  Dim large = c(INT64_MAX) * 2;
  EXPECT_TRUE(large.isOverflow());
  EXPECT_TRUE((large - large).isOverflow());
  EXPECT_FALSE(large.isConstant());
  EXPECT_FALSE(large.evaluate(llvm::DenseMap<llvm::StringRef, int64_t>()).has_value());
  EXPECT_TRUE(h.floorDiv(0).isOverflow());
  EXPECT_TRUE(h.mod(c(-1)).isOverflow());
  EXPECT_EQ(large.str(), "overflow");
}

// A chain that would double in size at each step ends as overflow instead of filling the memory.
TEST_F(DimTest, GrowthIsBounded) {
  Dim product = h + w, extreme = h;
  for (int i = 0; i < 64; ++i) {
    product = product * (product + 1);
    extreme = extreme.max(w).floorDiv(n) * extreme.min(n);
  }
  EXPECT_TRUE(product.isOverflow());
  EXPECT_TRUE(extreme.isOverflow());
}

TEST_F(DimTest, SubstitutionAndSymbols) {
  Dim size = (h * n - 1).floorDiv(2).max(w);
  Dim fixed = size.substitute([&](llvm::StringRef name) { return name == "w" ? std::nullopt : std::optional(c(3)); });
  EXPECT_EQ(fixed, w.max(c(4)));
  llvm::SmallVector<llvm::StringRef> names;
  size.collectSymbols(names);
  EXPECT_EQ(names, (llvm::SmallVector<llvm::StringRef>{"h", "n", "w"}));
}

TEST_F(DimTest, TextRoundTrips) {
  for (llvm::StringRef text : {"0", "-h + 3", "2 * batch + floordiv(h + 1, 2)", "\"?\" + \"p2o.DynamicDimension.0\"", "min(h, max(n, w + 1))",
                               "9223372036854775807", "mod(h, w)", "\"max\" * \"overflow\""}) {
    auto expr = llvm::dyn_cast_or_null<ExprAttr>(mlir::parseAttribute(("#nn.expr<" + text + ">").str(), &ctx));
    ASSERT_TRUE(expr) << text.str();
    EXPECT_EQ(Dim(expr).str(), text.str());
  }
}

/// An expression and what it means, built side by side from random choices.
struct Pair {
  Dim dim;
  std::function<int64_t(const llvm::DenseMap<llvm::StringRef, int64_t> &)> value;
};

int64_t floorDiv(int64_t a, int64_t b) { return a / b - (a % b < 0); }

// 2000 random expressions agree with integer arithmetic at random sizes, lie within their bounds, and fold to the same value.
TEST_F(DimTest, AgreesWithIntegers) {
  std::mt19937 random(1);
  auto choose = [&](int count) { return static_cast<int>(random() % count); };
  const char *names[] = {"a", "b", "d"};
  std::function<Pair(int)> make = [&](int depth) -> Pair {
    if (depth == 0 || choose(6) == 0) {
      if (choose(2)) {
        const char *name = names[choose(3)];
        return {s(name), [name](auto &sizes) { return sizes.lookup(name); }};
      }
      int64_t value = choose(11) - 3;
      return {c(value), [value](auto &) { return value; }};
    }
    Pair x = make(depth - 1), y = make(depth - 1);
    int64_t divisor = 1 + choose(6);
    auto f = x.value, g = y.value;
    switch (choose(7)) {
    case 0:
      return {x.dim + y.dim, [=](auto &sizes) { return f(sizes) + g(sizes); }};
    case 1:
      return {x.dim - y.dim, [=](auto &sizes) { return f(sizes) - g(sizes); }};
    case 2:
      return {x.dim * y.dim, [=](auto &sizes) { return f(sizes) * g(sizes); }};
    case 3:
      return {x.dim.floorDiv(divisor), [=](auto &sizes) { return floorDiv(f(sizes), divisor); }};
    case 4:
      return {x.dim.mod(c(divisor)), [=](auto &sizes) { return f(sizes) - floorDiv(f(sizes), divisor) * divisor; }};
    case 5:
      return {x.dim.min(y.dim), [=](auto &sizes) { return std::min(f(sizes), g(sizes)); }};
    default:
      return {x.dim.max(y.dim), [=](auto &sizes) { return std::max(f(sizes), g(sizes)); }};
    }
  };
  for (int trial = 0; trial < 2000; ++trial) {
    Pair pair = make(4);
    if (pair.dim.isOverflow())
      continue;
    for (int sample = 0; sample < 4; ++sample) {
      llvm::DenseMap<llvm::StringRef, int64_t> sizes;
      for (const char *name : names)
        sizes[name] = choose(9);
      int64_t expected = pair.value(sizes);
      ASSERT_EQ(pair.dim.evaluate(sizes), expected) << pair.dim.str();
      EXPECT_LE(pair.dim.lowerBound().value_or(INT64_MIN), expected) << pair.dim.str();
      EXPECT_GE(pair.dim.upperBound().value_or(INT64_MAX), expected) << pair.dim.str();
      auto constant = [](int64_t v) { return v; };
      auto symbol = [&](llvm::StringRef name) { return sizes.lookup(name); };
      auto add = [](int64_t a, int64_t b) { return a + b; };
      auto mul = [](int64_t a, int64_t b) { return a * b; };
      auto mod = [](int64_t a, int64_t b) { return a - floorDiv(a, b) * b; };
      auto least = [](int64_t a, int64_t b) { return std::min(a, b); };
      auto most = [](int64_t a, int64_t b) { return std::max(a, b); };
      Dim::Folder<int64_t> folder{constant, symbol, add, mul, floorDiv, mod, least, most};
      EXPECT_EQ(pair.dim.fold(folder), expected) << pair.dim.str();
    }
  }
}
} // namespace
