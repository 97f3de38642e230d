// tenon quantize: a float model and samples to the same model in 8 bits, as portable ONNX with Q/DQ nodes.
#include "tools/tenon/File.h"
#include "tools/tenon/Verbs.h"
#include "tools/tenon/quantize/BlockQuantization.h"
#include "tools/tenon/quantize/QuantizeCommand.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

namespace tenon::driver {
namespace {

std::string fileSizes(size_t after, const std::string &model) {
  std::error_code ignored;
  char text[80];
  std::snprintf(text, sizeof text, "%.1f MB, was %.1f MB", double(after) * 1e-6, double(std::filesystem::file_size(model, ignored)) * 1e-6);
  return text;
}

void print(const QuantizeArguments &arguments, const Quantized &quantized) {
  const QuantizationReport &report = quantized.report;
  if (arguments.json)
    std::fputs(reportJson(report).c_str(), stdout);
  if (arguments.json || arguments.quiet)
    return;
  if (arguments.report || report.budget)
    std::fputs(reportText(report, arguments.report ? ReportedLayers::All : ReportedLayers::Floats).c_str(), stdout);
  std::string source = report.samples ? "from " + std::to_string(report.samples) + " samples by " + report.method : "by the recipe";
  std::printf("%s: %zu of %zu layers and %zu tensors in %s, %s; %s\n", arguments.output.c_str(), report.quantizedLayers(), report.layers.size(),
              report.quantizedTensors(), report.typeText(), source.c_str(), fileSizes(quantized.model.size(), arguments.model).c_str());
}

void print(const QuantizeArguments &arguments, const BlockedModel &blocked) {
  if (arguments.json)
    std::fputs(blockedJson(blocked, arguments.blocks).c_str(), stdout);
  if (arguments.json || arguments.quiet)
    return;
  if (arguments.report)
    std::fputs(blockedText(blocked, arguments.blocks).c_str(), stdout);
  std::printf("%s: the weights of %zu of %zu products in %d bits, blocks of %lld; %s\n", arguments.output.c_str(), blocked.blockedLayers(), blocked.layers.size(), arguments.blocks.bits,
              static_cast<long long>(arguments.blocks.size), fileSizes(blocked.model.size(), arguments.model).c_str());
}

/// --weights: nothing but weights is quantized.
int writeBlocks(const QuantizeArguments &arguments) {
  std::vector<std::byte> bytes = readFile(arguments.model);
  BlockedModel blocked = quantizeWeights(QuantizableModel(bytes, arguments.model), arguments.blocks, arguments.model);
  writeFile(arguments.output, std::as_bytes(std::span(blocked.model)));
  print(arguments, blocked);
  return 0;
}

int quantizeModel(const QuantizeArguments &arguments) {
  if (arguments.takesWeightsOnly())
    return writeBlocks(arguments);
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
  addTypeOption(*verb, *arguments);
  addQuantizeOptions(*verb, *arguments);
  addWeightOptions(*verb, *arguments);
  verb->add_flag("--report", arguments->report, "measure what each layer costs, and print a table");
  verb->add_flag("--json", arguments->json, "print layers, ranges and scales as JSON");
  verb->add_flag("--quiet", arguments->quiet, "print errors only");
  verb->callback([arguments, &action] { action = [arguments] { return quantizeModel(*arguments); }; });
}

} // namespace tenon::driver
