// Recurrent layers, scans, top-k by selection and suppression: threads that wait for each other, again and again.
#include "test/unit/codegen/gpu/GpuCheck.h"

namespace tenon::test {
namespace {

struct Layer {
  std::string cell, activations;
  int64_t gates, steps, batch, directions, hidden;
  std::string direction, options = "";
  bool hasLengths = false, hasPeephole = false, hasResetBias = false;

  std::string text() const {
    int64_t functions = cell == "rnn" ? 1 : cell == "gru" ? 2 : 3;
    std::string g = tensor({steps, batch, directions, gates * hidden}, "f32"), r = tensor({directions, hidden, gates * hidden}, "f32");
    std::string state = tensor({directions, batch, hidden}, "f32"), sequence = tensor({steps, directions, batch, hidden}, "f32");
    std::string peephole = tensor({directions, 3 * hidden}, "f32"), lengths = tensor({batch}, "i32"), bias = tensor({directions, hidden}, "f32"),
                zeros = "array<f64: 0.1";
    for (int64_t i = 1; i < functions; ++i)
      zeros += ", 0.1";
    std::string arguments = "%g: " + g + ", %r: " + r + " {kernel.constant}, %h: " + state + ", %c: " + state,
                given = " initial_h(%h : " + state + ")";
    std::string optional = hasResetBias ? " reset_bias(%b : " + bias + ")" : "";
    arguments += hasResetBias ? ", %b: " + bias : "";
    arguments += hasLengths ? ", %l: " + lengths : "";
    optional += hasLengths ? " lengths(%l : " + lengths + ")" : "";
    given += cell == "lstm" ? " initial_c(%c : " + state + ")" : "";
    arguments += hasPeephole ? ", %p: " + peephole : "";
    given += hasPeephole ? " peephole(%p : " + peephole + ")" : "";
    return "kernel.func private @k(" + arguments + ") -> (" + sequence + ", " + state + ", " + state + ") {\n%s, %y, %z = nn.recurrence %g, %r" +
           optional + given + " {cell = #nn.cell<" + cell + ">, direction = #nn.direction<" + direction + ">, activations = [" + activations +
           "], alpha = " + zeros + ">, beta = " + zeros + ">, clip = 0.0 : f64" + options + "} : " + g + ", " + r + " -> " + sequence + ", " + state +
           ", " + state + "\nkernel.return %s, %y, %z : " + sequence + ", " + state + ", " + state + " }";
  }
};

GpuCheck recurrent(std::vector<std::string> ways) {
  return {.family = "gpu.recurrent", .targets = {"cuda:sm_90a"}, .ways = std::move(ways), .tolerance = 1e-5, .onCpu = true};
}

TEST(GpuRecurrences, LSTM) {
  Layer layer{"lstm", "\"Sigmoid\", \"Tanh\", \"Tanh\"", 4, 5, 3, 2, 40, "bidirectional", "", true, true};
  recurrent({"cluster = 1, elements = 1", "cluster = 1, elements = 4", "cluster = 4, elements = 2", "cluster = 2, elements = 1"})(layer.text());
  layer.hasLengths = layer.hasPeephole = false;
  layer.options = ", input_forget";
  recurrent({"cluster = 2, elements = 2"})(layer.text());
}

TEST(GpuRecurrences, GRU) {
  Layer layer{"gru", "\"Sigmoid\", \"Tanh\"", 3, 4, 2, 1, 33, "reverse", "", true};
  recurrent({"cluster = 1, elements = 1", "cluster = 2, elements = 2", "cluster = 4, elements = 1"})(layer.text());
  layer.options = ", linear_before_reset";
  layer.hasResetBias = true;
  layer.hasLengths = false;
  recurrent({"cluster = 1, elements = 2", "cluster = 4, elements = 1"})(layer.text());
}

TEST(GpuRecurrences, RNN) {
  Layer layer{"rnn", "\"LeakyRelu\"", 1, 4, 3, 2, 20, "bidirectional", "", true};
  recurrent({"cluster = 1, elements = 1", "cluster = 2, elements = 4"})(layer.text());
}

// Blocks of a cluster are not in step: what comes from a slow one of one state does not count for the next; and one without units, of which nobody
// would know how far it is, takes part in no step.
TEST(GpuRecurrences, BlocksThatAreLate) {
  for (int64_t hidden : {32, 33, 40}) {
    Layer layer{"lstm", "\"Sigmoid\", \"Tanh\", \"Tanh\"", 4, 9, 1, 1, hidden, "forward"};
    recurrent({"cluster = 2, elements = 1", "cluster = 4, elements = 1"})(layer.text());
  }
  Layer layer{"gru", "\"Sigmoid\", \"Tanh\"", 3, 5, 1, 1, 32, "forward"};
  recurrent({"cluster = 4, elements = 1"})(layer.text());
  layer.hidden = 40;
  recurrent({"cluster = 4, elements = 1"})(layer.text());
}

// More units than threads can have at once, and weights that do not stay in registers.
TEST(GpuRecurrences, Wide) {
  Layer layer{"gru", "\"Sigmoid\", \"Tanh\"", 3, 2, 1, 1, 300, "forward", ", linear_before_reset"};
  GpuCheck check = recurrent({"cluster = 1, elements = 1"});
  check.targets = {"cuda:sm_75", "cuda:sm_80"};
  check(layer.text());
  recurrent({"cluster = 2, elements = 1"})(layer.text());
}

TEST(GpuScans, RunningSums) {
  GpuCheck check{.family = "gpu.scan", .targets = {"cuda:sm_75", "cuda:sm_90a"}, .tolerance = 1e-5, .onCpu = true};
  for (auto [shape, axis, element, options] : {std::tuple(std::vector<int64_t>{2, 1500, 3}, 1, "f32", ""),
                                               {{3, 77}, 1, "f64", ", exclusive"},
                                               {{2, 1030}, 1, "i64", ", reverse"},
                                               {{40, 5}, 0, "f16", ", reverse, exclusive"},
                                               {{3, 50}, 1, "f32", ", product"}}) {
    std::string t = tensor(shape, element);
    check.tolerance = element == std::string("f16") ? 2e-3 : 1e-5;
    check("kernel.func private @k(%x: " + t + ") -> " + t + " {\n%0 = nn.cumsum %x {axis = " + std::to_string(axis) + " : i64" + options +
          "} : " + t + " -> " + t + "\nkernel.return %0 : " + t + " }");
  }
}

TEST(GpuScans, Coordinates) {
  GpuCheck check{.family = "gpu.scan", .tolerance = 1e-9, .onCpu = true};
  check(R"(
kernel.func private @k(%x: tensor<3x1700xf32>) -> tensor<2x5100xi64> {
  %0 = nn.nonzero %x {count = #nn.expr<5100>} : tensor<3x1700xf32> -> tensor<2x5100xi64>
  kernel.return %0 : tensor<2x5100xi64>
})");
}

std::string topK(int64_t rows, int64_t size, int64_t k, const std::string &element, const std::string &options = "") {
  std::string x = tensor({rows, size}, element), values = tensor({rows, k}, element), positions = tensor({rows, k}, "i64");
  return "kernel.func private @k(%x: " + x + ") -> (" + values + ", " + positions + ") {\n%v, %p = nn.top_k %x {axis = 1 : i64, k = #nn.dims<[" +
         std::to_string(k) + "]>" + options + "} : " + x + " -> " + values + ", " + positions + "\nkernel.return %v, %p : " + values + ", " +
         positions + " }";
}

TEST(GpuSelections, TheBest) {
  GpuCheck check{.family = "gpu.select", .targets = {"cuda:sm_75", "cuda:sm_90a"}, .tolerance = 1e-9, .onCpu = true};
  check(topK(2, 4200, 300, "f32"));
  check(topK(1, 4200, 1, "f32", ", smallest"));
  check(topK(2, 4200, 1000, "i32")); // many are equal
  check(topK(1, 4200, 77, "ui32", ", smallest"));
}

std::string suppression(int64_t boxes, const std::string &scores, const std::string &order, int64_t limit, const std::string &score,
                        const std::string &options = "") {
  std::string b = tensor({1, boxes, 4}, "f32"), s = tensor({1, 2, boxes}, "f32"), o = tensor({1, 2, boxes}, "i64"),
              keep = tensor({1, 2, boxes}, "i1");
  std::string text = "kernel.func private @k(%b: " + b + ", %s: " + s + ", %o: " + o + ") -> (" + keep + ", " + o + ") {\n";
  text += "%limit = nn.constant dense<" + std::to_string(limit) + "> : tensor<i64>\n%iou = nn.constant dense<0.25> : tensor<f32>\n";
  text += "%least = nn.constant dense<" + score + "> : tensor<f32>\n";
  text += scores + order;
  text += "%keep, %list = nn.suppress %b, " + std::string(scores.empty() ? "%s" : "%scores") + ", " + (order.empty() ? "%o" : "%order") +
          ", %limit, %iou, %least" + options + " : (" + b + ", " + s + ", " + o + ", tensor<i64>, tensor<f32>, tensor<f32>) -> (" + keep + ", " + o +
          ")\nkernel.return %keep, %list : " + keep + ", " + o + " }";
  return text;
}

TEST(GpuSuppressions, Boxes) {
  GpuCheck check{.family = "gpu.suppress", .targets = {"cuda:sm_75", "cuda:sm_90a"}, .tolerance = 1e-9, .onCpu = true};
  check(suppression(150, "", "", 150, "-1.0e9")); // all scores are high: their order says nothing
  check(suppression(150, "", "", 20, "-1.0e9", " {centers}"));
  check(suppression(33, "", "", 33, "1.0e9")); // none is
}

} // namespace
} // namespace tenon::test
