// Elementary functions against the C library in higher precision: largest error over dense ranges, special values exactly.
#include "passes/6_codegen/cpu/VectorMath.h"
#include "test/unit/codegen/KernelHarness.h"
#include <cmath>
#include <gtest/gtest.h>

namespace tenon::test {
namespace {
using namespace mlir;
using Function = Value (*)(cpu::KernelBuilder &, Value);

/// Applies functions to a buffer, compiled once each for a target; every target of this machine's family is tried.
class Elementary {
public:
  Elementary(Function function, StringRef element, StringRef target)
      : harness(("kernel.func private @f(%x: tensor<?x" + element + ", #nn.dims<[n]>>) -> tensor<?x" + element +
                 ", #nn.dims<[n]>> { kernel.return %x : tensor<?x" + element + ", #nn.dims<[n]>> }")
                    .str(),
                target) {
    good = harness.compileBy([&](kernel::FuncOp func, ModuleOp module) {
      cpu::KernelBuilder b(module, func, harness.target());
      cpu::Tensor x = b.argument(0), y = b.result(0);
      int lanes = b.target().lanes(x.element.getIntOrFloatBitWidth());
      b.lanesLoop(x.sizes[0], lanes, [&](cpu::Index i, Value mask) {
        b.storeMasked(function(b, b.loadMasked(x, i, lanes, mask)), y, i, mask);
      });
      b.finish();
    });
  }

  template <typename T> std::vector<T> operator()(std::vector<T> x) {
    std::vector<T> y(x.size());
    harness.run({x.data(), y.data()}, {{"n", int64_t(x.size())}});
    return y;
  }

  KernelHarness harness;
  bool good;
};

/// The targets that this machine can run: with fused multiply-add and rounding instructions, and without.
std::vector<std::string> targets() {
  std::vector<std::string> all = {"native"};
  llvm::Expected<Target> native = Target::parse("native");
  if (native && StringRef(native->triple).starts_with("x86_64"))
    all.push_back("x86-64");
  if (!native)
    llvm::consumeError(native.takeError());
  return all;
}

/// Error in units of the last place of the exact result; an infinity or a NaN must be met.
double ulps(float got, double exact) {
  if (std::isnan(exact) || std::isnan(got))
    return std::isnan(exact) && std::isnan(got) ? 0 : INFINITY;
  float rounded = float(exact);
  if (std::isinf(rounded) || std::isinf(got))
    return got == rounded || std::abs(exact) > 3.4028234e38 ? 0 : INFINITY;
  double unit = std::max(double(std::nextafter(std::abs(rounded), INFINITY) - std::abs(rounded)), 0x1p-149);
  return std::abs(double(got) - exact) / unit;
}

std::vector<float> range(double low, double high, int count = 200000) {
  std::vector<float> x(count);
  for (int i = 0; i < count; ++i)
    x[i] = float(low + (high - low) * i / (count - 1));
  return x;
}

/// Every exponent, positive and negative, with many fractions.
std::vector<float> everywhere() {
  std::vector<float> x;
  for (uint32_t bits = 0; bits < 0x7f800000; bits += 0x2fff)
    for (uint32_t sign : {0u, 0x80000000u}) {
      uint32_t all = bits | sign;
      float value;
      std::memcpy(&value, &all, 4);
      x.push_back(value);
    }
  return x;
}

struct Case {
  const char *name;
  Function emit;
  double (*exact)(double);
  double limit; // ulp
  std::vector<float> x;
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double silu(double x) { return x * sigmoid(x); }
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
double mish(double x) { return x * std::tanh(softplus(x)); }

TEST(VectorMath, ErrorsAreAsStated) {
  const Case cases[] = {
      {"exp", cpu::emitExp, [](double x) { return std::exp(x); }, 1.3, range(-110, 95)},
      {"exp everywhere", cpu::emitExp, [](double x) { return std::exp(x); }, 1.3, everywhere()},
      {"exp negative", cpu::emitExpNegative, [](double x) { return std::exp(x); }, 2.3, range(-87.3, 0)},
      {"exp2", cpu::emitExp2, [](double x) { return std::exp2(x); }, 1.3, range(-155, 130)},
      {"expm1", cpu::emitExpm1, [](double x) { return std::expm1(x); }, 2.6, range(-30, 89)},
      {"expm1 small", cpu::emitExpm1, [](double x) { return std::expm1(x); }, 2.6, range(-0.5, 0.5)},
      {"expm1 negative", cpu::emitExpm1Negative, [](double x) { return std::expm1(x); }, 2.6, range(-90, 0)},
      {"log", cpu::emitLog, [](double x) { return std::log(x); }, 1.0, everywhere()},
      {"log near 1", cpu::emitLog, [](double x) { return std::log(x); }, 1.0, range(0.5, 2)},
      {"log1p", cpu::emitLog1p, [](double x) { return std::log1p(x); }, 1.0, everywhere()},
      {"tanh", cpu::emitTanh, [](double x) { return std::tanh(x); }, 5.0, range(-12, 12)},
      {"tanh everywhere", cpu::emitTanh, [](double x) { return std::tanh(x); }, 5.0, everywhere()},
      {"erf", cpu::emitErf, [](double x) { return std::erf(x); }, 7.0, range(-6, 6)},
      {"erf everywhere", cpu::emitErf, [](double x) { return std::erf(x); }, 7.0, everywhere()},
      {"sigmoid", cpu::emitSigmoid, sigmoid, 4.0, range(-80, 100)},
      {"silu", cpu::emitSilu, silu, 4.0, range(-1, 100)},
      {"silu below", cpu::emitSilu, silu, 20.0, range(-20, -1)},
      {"softplus", cpu::emitSoftplus, softplus, 1.0, range(-100, 100)},
      {"mish", cpu::emitMish, mish, 5.0, range(-20, 100)},
      {"sin", cpu::emitSin, [](double x) { return std::sin(x); }, 1.0, range(-100, 100)},
      {"sin far", cpu::emitSin, [](double x) { return std::sin(x); }, 1.0, range(-8e8, 8e8)},
      {"cos", cpu::emitCos, [](double x) { return std::cos(x); }, 1.0, range(-100, 100)},
      {"cos far", cpu::emitCos, [](double x) { return std::cos(x); }, 1.0, range(-8e8, 8e8)},
      {"tan", cpu::emitTan, [](double x) { return std::tan(x); }, 1.0, range(-100, 100)},
      {"atan", cpu::emitAtan, [](double x) { return std::atan(x); }, 1.0, everywhere()},
      {"asin", cpu::emitAsin, [](double x) { return std::asin(x); }, 1.0, range(-1.1, 1.1)},
      {"acos", cpu::emitAcos, [](double x) { return std::acos(x); }, 1.0, range(-1.1, 1.1)},
      {"sinh", cpu::emitSinh, [](double x) { return std::sinh(x); }, 1.0, everywhere()},
      {"cosh", cpu::emitCosh, [](double x) { return std::cosh(x); }, 1.0, everywhere()},
      {"asinh", cpu::emitAsinh, [](double x) { return std::asinh(x); }, 1.0, everywhere()},
      {"acosh", cpu::emitAcosh, [](double x) { return std::acosh(x); }, 1.0, everywhere()},
      {"atanh", cpu::emitAtanh, [](double x) { return std::atanh(x); }, 1.0, range(-1.1, 1.1)},
      {"sqrt", cpu::emitSqrt, [](double x) { return std::sqrt(x); }, 0.5001, everywhere()},
      {"floor", cpu::emitFloor, [](double x) { return std::floor(x); }, 0, everywhere()},
      {"ceil", cpu::emitCeil, [](double x) { return std::ceil(x); }, 0, everywhere()},
      {"round", cpu::emitRoundEven, [](double x) { return std::nearbyint(x); }, 0, range(-1000, 1000, 8001)},
      {"trunc", cpu::emitTrunc, [](double x) { return std::trunc(x); }, 0, everywhere()},
  };
  for (const std::string &target : targets())
    for (const Case &c : cases) {
      Elementary f(c.emit, "f32", target);
      ASSERT_TRUE(f.good) << c.name << " for " << target << ": " << f.harness.message;
      std::vector<float> y = f(c.x);
      double worst = 0;
      float where = 0, got = 0;
      for (size_t i = 0; i < y.size(); ++i)
        if (double error = ulps(y[i], c.exact(c.x[i])); error > worst)
          worst = error, where = c.x[i], got = y[i];
      EXPECT_LE(worst, c.limit) << c.name << " for " << target << " at " << where << ": " << got << ", exact " << c.exact(where);
      RecordProperty((std::string(c.name) + " " + target).c_str(), std::to_string(worst));
    }
}

TEST(VectorMath, SpecialValues) {
  const float inf = INFINITY, nan = NAN;
  struct Special {
    Function emit;
    float x, y;
  };
  const Special specials[] = {
      {cpu::emitExp, inf, inf},        {cpu::emitExp, -inf, 0},          {cpu::emitExp, nan, nan},        {cpu::emitExp, 200, inf},
      {cpu::emitExpNegative, -inf, 0}, {cpu::emitExpNegative, nan, nan}, {cpu::emitExp2, -inf, 0},        {cpu::emitExp2, inf, inf},
      {cpu::emitExpm1, -inf, -1},      {cpu::emitExpm1, inf, inf},       {cpu::emitExpm1, nan, nan},      {cpu::emitLog, 0, -inf},
      {cpu::emitLog, -1, nan},         {cpu::emitLog, inf, inf},         {cpu::emitLog, nan, nan},        {cpu::emitLog1p, -1, -inf},
      {cpu::emitTanh, nan, nan},       {cpu::emitErf, nan, nan},        {cpu::emitSigmoid, inf, 1},       {cpu::emitSigmoid, nan, nan},    {cpu::emitSilu, inf, inf},
      {cpu::emitSilu, nan, nan},       {cpu::emitSin, inf, nan},         {cpu::emitCos, nan, nan},        {cpu::emitAtan, inf, float(M_PI_2)},
      {cpu::emitSinh, -inf, -inf},     {cpu::emitCosh, -inf, inf},       {cpu::emitAsinh, -inf, -inf},    {cpu::emitAcosh, inf, inf},
      {cpu::emitAtanh, 1, inf},        {cpu::emitFloor, nan, nan},       {cpu::emitRoundEven, -inf, -inf}, {cpu::emitRoundEven, 2.5f, 2},
      {cpu::emitSoftplus, inf, inf},   {cpu::emitSoftplus, nan, nan},    {cpu::emitMish, nan, nan},       {cpu::emitMish, inf, inf},
  };
  for (const std::string &target : targets())
    for (const Special &s : specials) {
      Elementary f(s.emit, "f32", target);
      ASSERT_TRUE(f.good) << f.harness.message;
      float y = f(std::vector<float>{s.x})[0];
      EXPECT_TRUE(std::isnan(s.y) ? std::isnan(y) : y == s.y)
          << "special " << &s - specials << " for " << target << ": f(" << s.x << ") = " << y << ", expected " << s.y;
    }
}

TEST(VectorMath, SigmoidsStayInBounds) {
  for (const std::string &target : targets()) {
    Elementary silu(cpu::emitSilu, "f32", target), sigmoid(cpu::emitSigmoid, "f32", target), tanh(cpu::emitTanh, "f32", target);
    Elementary erf(cpu::emitErf, "f32", target), sine(cpu::emitSin, "f32", target);
    std::vector<float> x = everywhere();
    auto within = [&](Elementary &f, float low, float high) {
      for (float y : f(x))
        if (!(y >= low && y <= high))
          return false;
      return true;
    };
    EXPECT_TRUE(within(silu, -0.2785f, INFINITY)) << target;
    EXPECT_TRUE(within(sigmoid, 0, 1)) << target;
    EXPECT_TRUE(within(tanh, -1, 1)) << target;
    EXPECT_TRUE(within(erf, -1, 1)) << target;
    EXPECT_TRUE(within(sine, -1, 1)) << target;
  }
}

TEST(VectorMath, Gelu) {
  for (const std::string &target : targets())
    for (bool tanhForm : {false, true}) {
      Function emit = tanhForm ? Function([](cpu::KernelBuilder &b, Value x) { return cpu::emitGelu(b, x, true); })
                               : Function([](cpu::KernelBuilder &b, Value x) { return cpu::emitGelu(b, x, false); });
      Elementary f(emit, "f32", target);
      ASSERT_TRUE(f.good) << f.harness.message;
      std::vector<float> x = range(-50, 50), y = f(x);
      for (size_t i = 0; i < x.size(); ++i) {
        double v = x[i], exact = tanhForm ? v / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)))
                                          : v / 2 * std::erfc(-v / std::sqrt(2.0));
        ASSERT_NEAR(y[i], exact, std::max(1e-6, 4e-7 * std::abs(exact))) << v << " for " << target;
      }
      EXPECT_NEAR(f(std::vector<float>{-1e30f})[0], 0, 1e-6);
    }
}

TEST(VectorMath, Doubles) {
  struct DoubleCase {
    const char *name;
    Function emit;
    double (*exact)(double);
    double low, high;
  };
  const DoubleCase cases[] = {{"exp", cpu::emitExp, [](double x) { return std::exp(x); }, -700, 700},
                              {"log", cpu::emitLog, [](double x) { return std::log(x); }, 1e-300, 1000},
                              {"tanh", cpu::emitTanh, [](double x) { return std::tanh(x); }, -20, 20},
                              {"erf", cpu::emitErf, [](double x) { return std::erf(x); }, -7, 7},
                              {"sin", cpu::emitSin, [](double x) { return std::sin(x); }, -1000, 1000},
                              {"cos", cpu::emitCos, [](double x) { return std::cos(x); }, -1000, 1000},
                              {"atan", cpu::emitAtan, [](double x) { return std::atan(x); }, -10, 10}};
  for (const std::string &target : targets())
    for (const DoubleCase &c : cases) {
      Elementary f(c.emit, "f64", target);
      ASSERT_TRUE(f.good) << f.harness.message;
      std::vector<double> x;
      for (int i = 0; i <= 100000; ++i)
        x.push_back(c.low + (c.high - c.low) * i / 100000);
      std::vector<double> y = f(x);
      for (size_t i = 0; i < x.size(); ++i)
        ASSERT_NEAR(y[i], c.exact(x[i]), 1e-15 + 1e-14 * std::abs(c.exact(x[i]))) << c.name << " at " << x[i] << " for " << target;
    }
}
} // namespace
} // namespace tenon::test
