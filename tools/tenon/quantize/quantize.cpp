// tenon quantize: a float model and samples to the same model in 8 bits, as portable ONNX with Q/DQ nodes.
#include "tools/tenon/File.h"
#include "tools/tenon/Verbs.h"
#include "tools/tenon/quantize/QuantizeCommand.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

namespace tenon::driver {
namespace {

void print(const QuantizeArguments &arguments, const Quantized &quantized) {
  const QuantizationReport &report = quantized.report;
  if (arguments.json)
    std::fputs(reportJson(report).c_str(), stdout);
  if (arguments.json || arguments.quiet)
    return;
  if (arguments.report || report.budget)
    std::fputs(reportText(report, arguments.report ? ReportedLayers::All : ReportedLayers::Floats).c_str(), stdout);
  std::error_code ignored;
  double before = double(std::filesystem::file_size(arguments.model, ignored));
  std::string source = report.samples ? "from " + std::to_string(report.samples) + " samples by " + arguments.method : "by the recipe";
  std::printf("%s: %zu of %zu layers and %zu tensors in 8 bits, %s; %.1f MB, was %.1f MB\n", arguments.output.c_str(), report.quantizedLayers(), report.layers.size(),
              report.quantizedTensors(), source.c_str(), double(quantized.model.size()) * 1e-6, before * 1e-6);
}

int quantizeModel(const QuantizeArguments &arguments) {
  return quantizeFile(arguments, [&](const Quantized &quantized) {
    writeFile(arguments.output, std::as_bytes(std::span(quantized.model)));
    print(arguments, quantized);
  });
}

} // namespace

void addQuantize(CLI::App &app, Action &action) {
  auto arguments = std::make_shared<QuantizeArguments>();
  CLI::App *verb = app.add_subcommand("quantize", "Write a float model in 8 bits, with ranges from samples: ONNX with QuantizeLinear and DequantizeLinear");
  verb->add_option("model", arguments->model, "ONNX model in f32")->required();
  verb->add_option("-o,--output", arguments->output, "the quantized ONNX model")->required()->type_name("FILE");
  addQuantizeOptions(*verb, *arguments);
  verb->add_flag("--report", arguments->report, "measure what each layer costs, and print a table");
  verb->add_flag("--json", arguments->json, "print layers, ranges and scales as JSON");
  verb->add_flag("--quiet", arguments->quiet, "print errors only");
  verb->callback([arguments, &action] { action = [arguments] { return quantizeModel(*arguments); }; });
}

} // namespace tenon::driver
