// tenon compile: an ONNX model, or a module dumped after a phase, to a plan.
#include "tools/tenon/CompilerLibrary.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/File.h"
#include "tools/tenon/GpuTargets.h"
#include "tools/tenon/LocalGpu.h"
#include "tools/tenon/Options.h"
#include "tools/tenon/Plan.h"
#include "tools/tenon/Progress.h"
#include "tools/tenon/Table.h"
#include "tools/tenon/Verbs.h"
#include "tools/tenon/quantize/QuantizeCommand.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

namespace tenon::driver {
namespace {

struct Arguments {
  std::string model, output, libraries;
  std::vector<std::string> shapes;
  CompileOptions options;
  QuantizeArguments quantize;
  bool int8 = false, fp8 = false, json = false, quiet = false;
  std::vector<const CLI::Option *> ofQuantization; // which need one of those

  bool quantizes() const { return int8 || fp8; }
};

void checkOptions(const Arguments &arguments) {
  const std::vector<std::string> &phases = compiler().phaseNames();
  const std::string &stop = arguments.options.stopAfter;
  if (stop.empty() || std::find(phases.begin(), phases.end(), stop) != phases.end())
    return;
  std::string list;
  for (const std::string &phase : phases)
    list += (list.empty() ? "" : ", ") + phase;
  throw UsageFailure("--stop-after '" + stop + "': the phases are " + list);
}

/// Memory of the plan at its fixed shapes; nothing for free shapes and for plans of other machines.
std::optional<tn_memory_info> memoryOf(const std::string &path) {
  tn_plan *opened = nullptr;
  if (tn_plan_open(path.c_str(), 0, &opened) != TN_OK)
    return std::nullopt;
  PlanHandle plan(opened);
  if (!infoOfPlan(opened).is_static)
    return std::nullopt;
  tn_layout *made = nullptr;
  if (tn_layout_create(opened, nullptr, &made) != TN_OK)
    return std::nullopt;
  LayoutHandle layout(made);
  return infoOf<tn_memory_info>([&](tn_memory_info *info) { return tn_layout_memory(made, info); });
}

uint64_t planBytes(const Arguments &arguments, const CompileResult &result) {
  std::error_code ignored;
  return result.plan.empty() ? std::filesystem::file_size(arguments.output, ignored) : result.plan.size();
}

/// The messages of a compilation; what belongs to one stands indented below it.
std::vector<std::string> messagesOf(const std::string &text) {
  std::vector<std::string> messages;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);)
    if (line.starts_with("  ") && !messages.empty())
      messages.back() += "\n" + line;
    else
      messages.push_back(line);
  return messages;
}

void printJson(const Arguments &arguments, const CompileResult &result, double seconds) {
  nlohmann::ordered_json json;
  json["model"] = arguments.model;
  json["plan"] = arguments.output;
  json["plan_bytes"] = planBytes(arguments, result);
  json["kernels"] = result.kernels;
  json["dispatches"] = result.dispatches;
  json["seconds"] = seconds;
  json["warnings"] = messagesOf(result.message);
  for (const PhaseTime &time : result.times)
    json["phases"].push_back({{"phase", time.phase}, {"seconds", time.seconds}});
  if (auto memory = memoryOf(arguments.output))
    json["memory"] = {{"arena_bytes", memory->arena_bytes}, {"lower_bound", memory->lower_bound}, {"naive_bytes", memory->naive_bytes}, {"weights_bytes", memory->weights_bytes}};
  std::printf("%s\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

void printSummary(const Arguments &arguments, const CompileResult &result, double seconds) {
  std::printf("%s: %s, %d kernels, %d dispatches, compiled for %s in %s\n", arguments.output.c_str(), bytesText(planBytes(arguments, result)).c_str(), result.kernels,
              result.dispatches, arguments.options.target.c_str(), timeText(seconds).c_str());
  if (auto memory = memoryOf(arguments.output))
    std::printf("  memory: weights %s, arena %s (lower bound %s, without reuse %s)\n", bytesText(memory->weights_bytes).c_str(), bytesText(memory->arena_bytes).c_str(),
                bytesText(memory->lower_bound).c_str(), bytesText(memory->naive_bytes).c_str());
  // Phases that take no time to speak of are left out.
  std::string phases;
  for (const PhaseTime &time : result.times)
    if (time.seconds >= 0.01 * seconds)
      phases += (phases.empty() ? "" : ", ") + time.phase + " " + timeText(time.seconds);
  std::printf("  time: %s\n", phases.c_str());
}

bool isStopped(const Arguments &arguments) { return !arguments.options.stopAfter.empty() && arguments.options.stopAfter != compiler().phaseNames().back(); }

/// Compiles what the file holds, or the same model in 8 bits.
CompileResult compileOne(const Arguments &arguments, const std::string &quantized) {
  return arguments.quantizes() ? compiler().compileMemory(quantized, arguments.model, arguments.options) : compiler().compileFile(arguments.model, arguments.options);
}

int compileModel(Arguments &arguments, const std::string &quantized) {
  if (const std::string &cache = arguments.options.tuningCache; !cache.empty() && !std::filesystem::exists(cache))
    throw Failure(cache + ": there is no such tuning cache");
  for (const std::string &text : arguments.shapes)
    arguments.options.shapes.push_back(splitShape(text));
  bool stopped = isStopped(arguments);
  // The compiler itself writes ordinary files, without holding the plan in memory; pipes and devices get its bytes.
  std::error_code ignored;
  std::filesystem::file_status status = std::filesystem::status(arguments.output, ignored);
  bool ordinary = arguments.output != "-" && (!std::filesystem::exists(status) || std::filesystem::is_regular_file(status));
  if (ordinary && !stopped)
    arguments.options.output = arguments.output;

  Progress progress(arguments.model, !arguments.quiet && !arguments.json);
  arguments.options.progress = [&](std::string_view phase, double fraction) { progress.update(phase, fraction); };
  auto start = std::chrono::steady_clock::now();
  CompileResult result = compileOne(arguments, quantized);
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  progress.finish();
  if (!result.ok)
    throw Failure(result.message.empty() ? arguments.model + ": cannot be compiled" : result.message);
  if (!result.message.empty() && !arguments.quiet)
    std::fprintf(stderr, "%s%s", result.message.c_str(), result.message.ends_with('\n') ? "" : "\n");

  if (stopped) {
    writeFile(arguments.output, std::as_bytes(std::span(result.ir)));
    return 0;
  }
  if (!ordinary)
    writeFile(arguments.output, result.plan);
  if (arguments.output == "-")
    return 0;
  if (arguments.json)
    printJson(arguments, result, seconds);
  else if (!arguments.quiet)
    printSummary(arguments, result, seconds);
  return 0;
}

int compileAsAsked(Arguments &arguments) {
  checkOptions(arguments);
  arguments.options.target = withLocalGpu(arguments.options.target);
  if (!arguments.libraries.empty())
    arguments.options.target = withLibraries(arguments.options.target, arguments.libraries);
  if (arguments.output.empty())
    arguments.output = isStopped(arguments) ? "-" : std::filesystem::path(arguments.model).filename().replace_extension(".plan").string();
  if (!arguments.quantizes())
    for (const CLI::Option *option : arguments.ofQuantization)
      if (option->count())
        throw UsageFailure(option->get_name() + " requires --int8 or --fp8");
  if (!arguments.quantizes())
    return compileModel(arguments, "");
  arguments.quantize.type = arguments.fp8 ? "fp8" : "int8";
  arguments.quantize.model = arguments.model;
  arguments.quantize.output = arguments.output;
  arguments.quantize.quiet = arguments.quiet || arguments.json;
  return quantizeFile(arguments.quantize, [&](const Quantized &quantized) { compileModel(arguments, quantized.model); });
}

/// The options of quantization, each of which needs --int8 or --fp8.
void addInt8(CLI::App &verb, Arguments &arguments) {
  CLI::Option *int8 = verb.add_flag("--int8", arguments.int8, "quantize an f32 model first, as `tenon quantize` does");
  verb.add_flag("--fp8", arguments.fp8, "the same to floats of 8 bits (e4m3), as `tenon quantize --type fp8` does")->excludes(int8);
  std::vector<CLI::Option *> before = verb.get_options();
  addQuantizeOptions(verb, arguments.quantize);
  for (CLI::Option *option : verb.get_options())
    if (std::find(before.begin(), before.end(), option) == before.end())
      arguments.ofQuantization.push_back(option->group("Quantization, with --int8 or --fp8"));
}

} // namespace

void addCompile(CLI::App &app, Action &action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App *verb = app.add_subcommand("compile", "Compile an ONNX model to a plan");
  verb->add_option("model", arguments->model, "model.onnx, or a .mlir file that --stop-after or --dump-phases wrote")->required();
  verb->add_option("-o,--output", arguments->output, "file to write; MODEL.plan here by default");
  verb->add_option(
          "--target", arguments->options.target,
          "machine to compile for: see `tenon targets`; cuda is this machine's GPU; several GPUs, with commas between them, make one plan for all")
      ->capture_default_str();
  verb->add_option("--precision", arguments->options.precision, "on GPUs, how f32 tensors are stored and multiplied: fp32, tf32, fp16 or bf16; on CPUs that multiply it bf16 is for the factors of products")->capture_default_str();
  verb->add_option("--libraries", arguments->libraries, "on GPUs, have libraries compute what they can, or with --tuning-cache what it says: cublaslt, cudnn; they must be there to run the plan")->type_name("NAMES");
  verb->add_flag("--exact-order", arguments->options.exactOrder, "multiply and add as the model says: no Winograd convolutions, no Strassen products");
  verb->add_option("--shape", arguments->shapes, "name=1x3x224x224: fix the free dimensions of an input")->type_name("NAME=DIMS")->allow_extra_args(false);
  verb->add_option("--tuning-cache", arguments->options.tuningCache, "use the schedules that `tenon tune` wrote to this file")->type_name("FILE");
  verb->add_option("--stop-after", arguments->options.stopAfter, "print the module after this phase instead of writing a plan")->type_name("PHASE");
  verb->add_option("--dump-phases", arguments->options.dumpPhases, "write NN-phase.mlir after every phase into this folder")->type_name("DIR");
  verb->add_option("--reproducer", arguments->options.reproducer, "if compiling fails, write what reproduces it with tenon-opt here")->type_name("FILE");
  verb->add_flag("--json", arguments->json, "print the summary as JSON");
  verb->add_flag("--quiet", arguments->quiet, "print errors only");
  addInt8(*verb, *arguments);
  verb->callback([arguments, &action] { action = [arguments] { return compileAsAsked(*arguments); }; });
}

} // namespace tenon::driver
