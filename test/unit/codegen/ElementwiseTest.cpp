// Every elementwise op, by whichever family takes it, against plain C++.
#include "test/unit/codegen/KernelHarness.h"
#include <cmath>
#include <gtest/gtest.h>

namespace tenon::test {
namespace {
using namespace mlir;

/// Compiles `%y = nn.OP %a, ... {attributes}` on vectors of 11 elements and runs it on the operands.
template <typename In, typename Out>
std::vector<Out> apply(std::string op, std::string attributes, StringRef in, StringRef out, std::vector<std::vector<In>> operands,
                       StringRef target = "native") {
  std::string from = ("tensor<11x" + in + ">").str(), to = ("tensor<11x" + out + ">").str(), args, names, types;
  for (size_t i = 0; i < operands.size(); ++i) {
    std::string comma = i ? ", " : "", name = "%a" + std::to_string(i);
    args += comma + name + ": " + from;
    names += comma + name;
    types += comma + from;
  }
  KernelHarness k("kernel.func private @k(" + args + ") -> " + to + " { %y = nn." + op + " " + names + " " + attributes + " : " + types + " -> " +
                      to + "\n kernel.return %y : " + to + " }",
                  target);
  bool good = k.compile();
  EXPECT_TRUE(good) << op << ": " << k.message;
  std::vector<Out> y(11);
  if (!good)
    return y;
  KernelHarness::Buffers buffers;
  for (std::vector<In> &operand : operands) {
    operand.resize(11);
    buffers.push_back(operand.data());
  }
  buffers.push_back(y.data());
  k.run(buffers);
  return y;
}

const float inf = INFINITY, nan = NAN;
const std::vector<float> kFloats = {0, -0.0f, 1.5f, -1.5f, 2.5f, 100, -100, inf, -inf, nan, 0.3f};
const std::vector<float> kOthers = {1, 2, -2.5f, nan, 3, -7, 0.5f, 2, 3, 4, -0.1f};

void expectSame(const char *op, const std::vector<float> &x, const std::vector<float> &got, double (*exact)(double)) {
  for (int i = 0; i < 11; ++i) {
    double want = exact(x[i]);
    EXPECT_TRUE(std::isnan(want) ? std::isnan(got[i]) : got[i] == float(want) || std::abs(got[i] - want) <= 2e-6 * std::max(1.0, std::abs(want)))
        << op << " of " << x[i] << " gives " << got[i] << ", not " << want;
  }
}

TEST(Elementwise, UnaryFloats) {
  struct Case {
    const char *op, *attributes;
    double (*exact)(double);
  };
  const Case cases[] = {
      {"abs", "", [](double x) { return std::abs(x); }},
      {"neg", "", [](double x) { return -x; }},
      {"sqrt", "", [](double x) { return std::sqrt(x); }},
      {"reciprocal", "", [](double x) { return 1 / x; }},
      {"sign", "", [](double x) { return std::isnan(x) ? x : double((x > 0) - (x < 0)); }},
      {"floor", "", [](double x) { return std::floor(x); }},
      {"ceil", "", [](double x) { return std::ceil(x); }},
      {"round", "", [](double x) { return std::nearbyint(x); }},
      {"relu", "", [](double x) { return std::isnan(x) ? x : std::max(x, 0.0); }},
      {"hard_swish", "", [](double x) { return std::isnan(x) ? x : x * std::max(0.0, std::min(1.0, x / 6 + 0.5)); }},
      {"softsign", "", [](double x) { return x / (1 + std::abs(x)); }},
      {"leaky_relu", "{alpha = 0.25 : f64}", [](double x) { return x < 0 ? 0.25 * x : x; }},
      {"leaky_relu", "{alpha = 1.5 : f64}", [](double x) { return x < 0 ? 1.5 * x : x; }},
      {"elu", "{alpha = 2.0 : f64}", [](double x) { return x > 0 ? x : 2 * std::expm1(x); }},
      {"celu", "{alpha = 2.0 : f64}", [](double x) { return x > 0 ? x : 2 * std::expm1(x / 2); }},
      {"selu", "{alpha = 2.0 : f64, gamma = 3.0 : f64}", [](double x) { return x > 0 ? 3 * x : 6 * std::expm1(x); }},
      {"thresholded_relu", "{alpha = 1.0 : f64}", [](double x) { return x > 1 ? x : 0.0; }},
      {"hard_sigmoid", "", [](double x) { return std::isnan(x) ? x : std::max(0.0, std::min(1.0, 0.2 * x + 0.5)); }},
      {"clip", "{low = -1.0 : f64, high = 2.0 : f64}", [](double x) { return std::isnan(x) ? x : std::min(2.0, std::max(-1.0, x)); }},
      {"clip", "{high = 2.0 : f64}", [](double x) { return std::isnan(x) ? x : std::min(2.0, x); }},
      {"erf", "", [](double x) { return std::erf(x); }},
      {"tanh", "", [](double x) { return std::tanh(x); }},
      {"sigmoid", "", [](double x) { return 1 / (1 + std::exp(-x)); }},
  };
  for (const char *target : {"native", "x86-64"})
    for (const Case &c : cases)
      expectSame(c.op, kFloats, apply<float, float>(c.op, c.attributes, "f32", "f32", {kFloats}, target), c.exact);
}

TEST(Elementwise, BinaryFloats) {
  struct Case {
    const char *op, *attributes;
    double (*exact)(double, double);
  };
  const Case cases[] = {
      {"add", "", [](double x, double y) { return x + y; }},
      {"sub", "", [](double x, double y) { return x - y; }},
      {"mul", "", [](double x, double y) { return x * y; }},
      {"div", "", [](double x, double y) { return x / y; }},
      {"max", "", [](double x, double y) { return std::isnan(x) || std::isnan(y) ? NAN : std::max(x, y); }},
      {"min", "", [](double x, double y) { return std::isnan(x) || std::isnan(y) ? NAN : std::min(x, y); }},
      {"prelu", "", [](double x, double y) { return x < 0 ? x * y : x; }},
      {"pow", "", [](double x, double y) { return std::pow(x, y); }},
      {"mod", "{fmod}", [](double x, double y) { return std::fmod(x, y); }},
  };
  for (const char *target : {"native", "x86-64"})
    for (const Case &c : cases) {
      std::vector<float> y = apply<float, float>(c.op, c.attributes, "f32", "f32", {kFloats, kOthers}, target);
      for (int i = 0; i < 11; ++i) {
        float want = float(c.exact(kFloats[i], kOthers[i]));
        EXPECT_TRUE(std::isnan(want) ? std::isnan(y[i]) : y[i] == want || std::abs(y[i] - want) <= 2e-6f * std::abs(want))
            << c.op << "(" << kFloats[i] << ", " << kOthers[i] << ") gives " << y[i] << ", not " << want;
      }
    }
}

TEST(Elementwise, Comparisons) {
  auto check = [](const char *op, bool (*exact)(float, float)) {
    std::vector<uint8_t> y = apply<float, uint8_t>(op, "", "f32", "i1", {kFloats, kOthers});
    for (int i = 0; i < 11; ++i)
      EXPECT_EQ(y[i], exact(kFloats[i], kOthers[i])) << op << " " << i;
  };
  check("equal", [](float x, float y) { return x == y; });
  check("less", [](float x, float y) { return x < y; });
  check("less_or_equal", [](float x, float y) { return x <= y; });
  check("greater", [](float x, float y) { return x > y; });
  check("greater_or_equal", [](float x, float y) { return x >= y; });
}

template <typename T> void checkIntegers(StringRef type) {
  const T low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
  const std::vector<T> x = {T(0), T(7), T(-7), low, low, high, T(5), T(-5), T(9), T(100), T(3)};
  const std::vector<T> y = {T(3), T(2), T(2), T(-1), T(0), T(0), T(-3), T(3), T(-2), T(7), T(100)};
  auto check = [&](const char *op, const char *attributes, auto exact) {
    std::vector<T> z = apply<T, T>(op, attributes, type, type, {x, y});
    for (int i = 0; i < 11; ++i)
      EXPECT_EQ(z[i], T(exact(x[i], y[i]))) << op << "(" << +x[i] << ", " << +y[i] << ") of " << type.str();
  };
  auto divide = [](T a, T b) { return b == 0 ? T(0) : T(-1) < T(0) && b == T(-1) ? T(0 - uint64_t(a)) : T(a / b); };
  check("add", "", [](T a, T b) { return uint64_t(a) + uint64_t(b); });
  check("mul", "", [](T a, T b) { return uint64_t(a) * uint64_t(b); });
  check("div", "", divide);
  check("mod", "{fmod}", [&](T a, T b) { return b == 0 ? T(0) : T(a - T(uint64_t(divide(a, b)) * uint64_t(b))); });
  check("mod", "", [&](T a, T b) {
    T rest = b == 0 ? T(0) : T(a - T(uint64_t(divide(a, b)) * uint64_t(b)));
    return rest != 0 && (rest < 0) != (b < 0) ? T(rest + b) : rest;
  });
  check("max", "", [](T a, T b) { return std::max(a, b); });
  check("min", "", [](T a, T b) { return std::min(a, b); });
  check("bitwise_and", "", [](T a, T b) { return a & b; });
  check("bitwise_xor", "", [](T a, T b) { return a ^ b; });
}
TEST(Elementwise, SignedIntegers) { checkIntegers<int32_t>("i32"), checkIntegers<int64_t>("i64"), checkIntegers<int8_t>("i8"); }
TEST(Elementwise, UnsignedIntegers) { checkIntegers<uint8_t>("ui8"), checkIntegers<uint32_t>("ui32"); }

TEST(Elementwise, Casts) {
  const std::vector<float> x = {0, 1.9f, -1.9f, 300, -300, 3e9f, -3e9f, inf, -inf, nan, 0.5f};
  std::vector<int8_t> bytes = apply<float, int8_t>("cast", "{to = i8}", "f32", "i8", {x});
  std::vector<int32_t> ints = apply<float, int32_t>("cast", "{to = i32}", "f32", "i32", {x});
  std::vector<uint8_t> bools = apply<float, uint8_t>("cast", "{to = i1}", "f32", "i1", {x});
  EXPECT_EQ(bytes, (std::vector<int8_t>{0, 1, -1, 127, -128, 127, -128, 127, -128, 0, 0}));
  EXPECT_EQ(ints, (std::vector<int32_t>{0, 1, -1, 300, -300, INT32_MAX, INT32_MIN, INT32_MAX, INT32_MIN, 0, 0}));
  EXPECT_EQ(bools, (std::vector<uint8_t>{0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}));
  const std::vector<uint8_t> u = {0, 1, 127, 128, 200, 255, 3, 4, 5, 6, 7};
  std::vector<float> floats = apply<uint8_t, float>("cast", "{to = f32}", "ui8", "f32", {u});
  std::vector<int64_t> wide = apply<uint8_t, int64_t>("cast", "{to = i64}", "ui8", "i64", {u});
  for (int i = 0; i < 11; ++i) {
    EXPECT_EQ(floats[i], u[i]);
    EXPECT_EQ(wide[i], u[i]);
  }
}

TEST(Elementwise, CompilesForEveryTarget) {
  std::string message;
  EXPECT_TRUE(KernelHarness::compilesEverywhere(R"(kernel.func private @k(%x: tensor<?x40xf32, #nn.dims<[n, 40]>>, %b: tensor<40xf16>) -> tensor<?x40xf16, #nn.dims<[n, 40]>> {
    %0 = nn.gelu %x : tensor<?x40xf32, #nn.dims<[n, 40]>> -> tensor<?x40xf32, #nn.dims<[n, 40]>>
    %1 = nn.round %0 : tensor<?x40xf32, #nn.dims<[n, 40]>> -> tensor<?x40xf32, #nn.dims<[n, 40]>>
    %2 = nn.cast %1 {to = f16} : tensor<?x40xf32, #nn.dims<[n, 40]>> -> tensor<?x40xf16, #nn.dims<[n, 40]>>
    %3 = nn.add %2, %b : tensor<?x40xf16, #nn.dims<[n, 40]>>, tensor<40xf16> -> tensor<?x40xf16, #nn.dims<[n, 40]>>
    %4 = nn.sin %3 : tensor<?x40xf16, #nn.dims<[n, 40]>> -> tensor<?x40xf16, #nn.dims<[n, 40]>>
    %5 = nn.pow %4, %b : tensor<?x40xf16, #nn.dims<[n, 40]>>, tensor<40xf16> -> tensor<?x40xf16, #nn.dims<[n, 40]>>
    %6 = nn.mod %5, %b {fmod} : tensor<?x40xf16, #nn.dims<[n, 40]>>, tensor<40xf16> -> tensor<?x40xf16, #nn.dims<[n, 40]>>
    kernel.return %6 : tensor<?x40xf16, #nn.dims<[n, 40]>>
  })", message)) << message;
}
} // namespace
} // namespace tenon::test
