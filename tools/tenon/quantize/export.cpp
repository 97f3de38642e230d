// tenon export: a quantized model of any form as portable ONNX with Q/DQ nodes.
#include "tools/tenon/File.h"
#include "tools/tenon/Verbs.h"
#include "tools/tenon/quantize/QdqExport.h"

#include <CLI/CLI.hpp>
#include <cstdio>

namespace tenon::driver {
namespace {

struct Arguments {
  std::string model, output;
  bool quiet = false;
};

int exportModel(const Arguments &arguments) {
  requireWritable(arguments.output);
  ExportedModel exported = exportQdq(readFile(arguments.model), arguments.model);
  writeFile(arguments.output, std::as_bytes(std::span(exported.model)));
  if (!arguments.quiet && arguments.output != "-")
    std::printf("%s: %zu operators written with QuantizeLinear and DequantizeLinear, opset %lld, %.1f MB\n", arguments.output.c_str(), exported.rewritten, static_cast<long long>(exported.opset), double(exported.model.size()) * 1e-6);
  return 0;
}

} // namespace

void addExport(CLI::App &app, Action &action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App *verb = app.add_subcommand("export", "Write a quantized model of any form with QuantizeLinear and DequantizeLinear around float operators");
  verb->add_option("model", arguments->model, "ONNX model with operators on bytes (QLinearConv, ...) or com.microsoft's weights in blocks")->required();
  verb->add_option("-o,--output", arguments->output, "the ONNX model with Q/DQ nodes")->required()->type_name("FILE");
  verb->add_flag("--quiet", arguments->quiet, "print errors only");
  verb->callback([arguments, &action] { action = [arguments] { return exportModel(*arguments); }; });
}

} // namespace tenon::driver
