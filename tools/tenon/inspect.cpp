// tenon inspect: what is in a plan.
#include "tools/tenon/ArenaMap.h"
#include "tools/tenon/Plan.h"
#include "tools/tenon/Profile.h"
#include "tools/tenon/Table.h"
#include "tools/tenon/Verbs.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

namespace tenon::driver {
namespace {

struct Arguments {
  std::string plan;
  std::vector<std::string> shapes;
  bool json = false, quiet = false;
};

/// Everything that is shown, at one set of input shapes.
struct Contents {
  std::string path;
  const tn_plan *plan; ///< a variant of the plan
  LayoutHandle layout;
  tn_plan_info info{};
  tn_memory_info memory{};
  std::vector<tn_tensor> inputShapes;
  std::vector<std::string> assumed;
  std::vector<tn_kernel_info> kernels;
  std::vector<StepProfile> steps;
  std::vector<tn_buffer_info> buffers;

  Contents(const Arguments &arguments, const tn_plan *plan) : path(arguments.plan), plan(plan), info(infoOfPlan(plan)) {
    inputShapes = driver::inputShapes(plan, parseShapes(arguments.shapes), &assumed);
    tn_layout *made = nullptr;
    require(tn_layout_create(plan, inputShapes.data(), &made), path);
    layout.reset(made);
    memory = infoOf<tn_memory_info>([&](tn_memory_info *memory) { return tn_layout_memory(made, memory); });
    for (uint32_t i = 0; i < info.kernel_count; i++)
      kernels.push_back(infoOf<tn_kernel_info>([&](tn_kernel_info *kernel) { return tn_plan_kernel(plan, i, kernel); }));
    for (uint32_t i = 0; i < info.step_count; i++) {
      steps.push_back(describeStep(plan, i));
      auto cost = infoOf<tn_step_cost>([&](tn_step_cost *cost) { return tn_layout_step(made, i, cost); });
      steps.back().flops = cost.flops;
      steps.back().bytes = cost.bytes;
      steps.back().tasks = cost.tasks;
    }
    for (uint32_t i = 0; i < info.buffer_count; i++)
      buffers.push_back(infoOf<tn_buffer_info>([&](tn_buffer_info *buffer) { return tn_layout_buffer(made, i, buffer); }));
  }

  bool isForGpu() const { return info.device_code_count > 0; }

  std::vector<tn_device_code_info> deviceCodes() const {
    std::vector<tn_device_code_info> codes;
    for (uint32_t i = 0; i < info.device_code_count; i++)
      codes.push_back(infoOf<tn_device_code_info>([&](tn_device_code_info *code) { return tn_plan_device_code(plan, i, code); }));
    return codes;
  }

  /// "machine code for sm_90 (1.2 MB), PTX for sm_90 and later (0.9 MB)"
  std::string deviceCode() const {
    std::string text;
    for (const tn_device_code_info &code : deviceCodes()) {
      bool later = code.is_ptx && !std::string_view(code.arch).ends_with('a');
      text += (text.empty() ? "" : ", ") + std::string(code.is_ptx ? "PTX" : "machine code") + " for " + code.arch + (later ? " and later" : "") +
              " (" + bytesText(code.bytes) + ")";
    }
    return text;
  }

  /// "the processor decides at 2 steps, …"; empty where the GPU needs nobody to.
  std::string decisions() const {
    auto count = std::count_if(steps.begin(), steps.end(), [](const StepProfile &step) { return step.decides; });
    if (!isForGpu() || !count)
      return "";
    return "the processor decides at " + std::to_string(count) + (count == 1 ? " step" : " steps") +
           " (branches, loops, sizes that are read), and waits for the GPU there";
  }

  /// "cublasLt computes 12 of 50 steps, …"; empty where the plan calls no library.
  std::string libraries() const {
    std::map<std::string, size_t> calls;
    for (const tn_kernel_info &kernel : kernels)
      if (kernel.library[0])
        calls[kernel.library] += kernel.launches;
    std::string text;
    for (const auto &[library, count] : calls)
      text += (text.empty() ? "" : ", ") + library + " computes " + std::to_string(count) + " of " + std::to_string(steps.size()) + " steps, and must be there";
    return text;
  }

  std::string features() const {
    std::string text;
    for (uint32_t i = 0; i < info.feature_count; i++)
      text += (i ? " " : "") + std::string(tn_plan_feature(plan, i));
    return text;
  }
};

std::string ratioText(uint64_t arena, uint64_t bound) { return bound ? numberText(double(arena) / double(bound), 3) + " x" : "-"; }

void printHeader(const std::vector<Contents> &variants) {
  const Contents &contents = variants.front();
  const tn_plan_info &info = contents.info;
  std::printf("%s: %s, format %u, written by %s\n", contents.path.c_str(), bytesText(info.file_bytes).c_str(), info.format_version, info.producer);
  std::printf("  model    %s\n", info.model[0] ? info.model : "(unnamed)");
  std::printf("  target   %s, %s\n", info.arch, info.cpu);
  if (contents.isForGpu())
    for (const Contents &variant : variants) {
      std::printf("           NVIDIA GPU; %s\n", variant.deviceCode().c_str());
      for (const std::string &text : {variant.decisions(), variant.libraries()})
        if (!text.empty())
          std::printf("           %s\n", text.c_str());
    }
  else
    std::printf("           %s\n", cut(contents.features().empty() ? "no further CPU features" : "needs " + contents.features(), 88).c_str());
  std::printf("  sizes    weights %s, code %s, metadata %s\n", bytesText(info.weights_bytes).c_str(), bytesText(info.code_bytes).c_str(),
              bytesText(info.metadata_bytes).c_str());
  for (const Contents &variant : variants)
    std::printf("  work     %u kernels, %u steps, %s shapes%s\n", variant.info.kernel_count, variant.info.step_count, info.is_static ? "fixed" : "free",
                variants.size() > 1 ? (std::string(", ") + variant.info.arch).c_str() : "");
  if (info.tuning[0])
    std::printf("  tuning   %s\n", info.tuning);
}

void printSignature(const Contents &contents) {
  Table table({{"", Align::Left}, {"name"}, {"type"}});
  for (const tn_tensor_info &input : inputsOf(contents.plan))
    table.add({"input", input.name, typeText(input)});
  for (const tn_tensor_info &output : outputsOf(contents.plan))
    table.add({"output", output.name, typeText(output)});
  std::printf("\nSignature\n%s", table.text().c_str());
}

void printMemory(const Contents &contents) {
  const tn_memory_info &memory = contents.memory;
  std::printf("\nMemory");
  if (!contents.info.is_static) {
    std::printf(" at");
    std::vector<tn_tensor_info> inputs = inputsOf(contents.plan);
    for (size_t i = 0; i < inputs.size(); i++)
      std::printf(" %s %s", inputs[i].name, typeText(inputs[i].dtype, dimsOf(contents.inputShapes[i])).c_str());
    if (!contents.assumed.empty())
      std::printf(" (smallest sizes; --shape sets others)");
  }
  std::printf("\n  arena %s (%llu B), lower bound %s: %s; without reuse %s\n", bytesText(memory.arena_bytes).c_str(), (unsigned long long)memory.arena_bytes,
              bytesText(memory.lower_bound).c_str(), ratioText(memory.arena_bytes, memory.lower_bound).c_str(), bytesText(memory.naive_bytes).c_str());
}

void printKernels(const Contents &contents) {
  Table table({{"kernel", Align::Right}, {"family"}, {"launches", Align::Right}, {"schedule"}});
  for (size_t i = 0; i < contents.kernels.size(); i++) {
    const tn_kernel_info &kernel = contents.kernels[i];
    table.add({kernel.name, kernel.family, std::to_string(kernel.launches), kernel.schedule});
  }
  std::printf("\nKernels\n%s", table.text().c_str());
}

void printSteps(const Contents &contents) {
  Table table({{"step", Align::Right}, {"kernel"}, {"tasks", Align::Right}, {"MFLOP", Align::Right}, {"kB", Align::Right}, {"nodes of the model"}});
  for (const StepProfile &step : contents.steps)
    table.add({std::to_string(step.step), step.kernel, std::to_string(step.tasks), numberText(double(step.flops) * 1e-6, 2), numberText(double(step.bytes) * 1e-3, 1), step.sources});
  std::printf("\nSteps\n%s", table.text().c_str());
}

void printArena(const Contents &contents) {
  std::printf("\nArena: addresses downwards, a letter for each buffer, '.' is free\n%s", arenaMap(contents.buffers, contents.memory.arena_bytes, contents.info.step_count).c_str());
  Table table({{"buffer", Align::Right}, {"", Align::Left}, {"offset", Align::Right}, {"bytes", Align::Right}, {"first step", Align::Right}, {"last step", Align::Right}});
  for (size_t i = 0; i < contents.buffers.size(); i++) {
    const tn_buffer_info &buffer = contents.buffers[i];
    table.add({std::to_string(i), std::string(1, arenaLetter(i)), std::to_string(buffer.offset), std::to_string(buffer.bytes), std::to_string(buffer.first_step), std::to_string(buffer.last_step)});
  }
  if (!table.empty())
    std::printf("\nBuffers\n%s", table.text().c_str());
}

using Json = nlohmann::ordered_json;

Json signatureJson(const std::vector<tn_tensor_info> &tensors) {
  Json list = Json::array();
  for (const tn_tensor_info &tensor : tensors) {
    Json dims = Json::array();
    for (int32_t i = 0; i < tensor.rank; i++)
      dims.push_back(tensor.dims[i] < 0 ? Json(tensor.dim_text[i]) : Json(tensor.dims[i]));
    list.push_back({{"name", tensor.name}, {"dtype", tn_dtype_name(tensor.dtype)}, {"dims", dims}});
  }
  return list;
}

/// What variants of a plan have of their own.
Json programJson(const Contents &contents) {
  Json json = {{"arch", contents.info.arch}, {"cpu", contents.info.cpu}};
  for (const tn_device_code_info &code : contents.deviceCodes())
    json["device_code"].push_back({{"arch", code.arch}, {"ptx", code.is_ptx != 0}, {"bytes", code.bytes}});
  json["memory"] = {{"arena_bytes", contents.memory.arena_bytes}, {"lower_bound", contents.memory.lower_bound}, {"naive_bytes", contents.memory.naive_bytes}, {"weights_bytes", contents.memory.weights_bytes}};
  json["kernels"] = json["steps"] = json["buffers"] = Json::array();
  for (const tn_kernel_info &kernel : contents.kernels)
    json["kernels"].push_back({{"name", kernel.name},
                               {"family", kernel.family},
                               {"schedule", kernel.schedule},
                               {"launches", kernel.launches},
                               {"threads", kernel.threads},
                               {"shared_bytes", kernel.shared_bytes}});
  for (size_t i = 0; i < contents.kernels.size(); i++)
    if (contents.kernels[i].library[0])
      json["kernels"][i]["library"] = contents.kernels[i].library;
  for (const StepProfile &step : contents.steps)
    json["steps"].push_back({{"kernel", step.kernel}, {"tasks", step.tasks}, {"flops", step.flops}, {"bytes", step.bytes}, {"sources", step.sources}});
  for (const tn_buffer_info &buffer : contents.buffers)
    json["buffers"].push_back({{"offset", buffer.offset}, {"bytes", buffer.bytes}, {"first_step", buffer.first_step}, {"last_step", buffer.last_step}});
  return json;
}

void printJson(const std::vector<Contents> &variants) {
  const Contents &contents = variants.front();
  const tn_plan_info &info = contents.info;
  Json json = {{"plan", contents.path}, {"format_version", info.format_version}, {"producer", info.producer}, {"model", info.model},
               {"features", Json::array()}, {"tuning", info.tuning}, {"static", info.is_static != 0}, {"file_bytes", info.file_bytes}, {"weights_bytes", info.weights_bytes},
               {"code_bytes", info.code_bytes}, {"metadata_bytes", info.metadata_bytes}, {"device", info.device}};
  for (uint32_t i = 0; i < info.feature_count; i++)
    json["features"].push_back(tn_plan_feature(contents.plan, i));
  json["inputs"] = signatureJson(inputsOf(contents.plan));
  json["outputs"] = signatureJson(outputsOf(contents.plan));
  json.update(programJson(contents));
  for (size_t i = 1; i < variants.size(); i++)
    json["variants"].push_back(programJson(variants[i]));
  std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

int inspectPlan(const Arguments &arguments) {
  PlanHandle plan = openPlan(arguments.plan);
  std::vector<Contents> variants;
  for (uint32_t i = 0; i < infoOfPlan(plan.get()).variant_count; i++)
    variants.emplace_back(arguments, tn_plan_variant(plan.get(), i));
  if (arguments.json) {
    printJson(variants);
    return 0;
  }
  printHeader(variants);
  printSignature(variants.front());
  for (const Contents &variant : variants) {
    if (variants.size() > 1)
      std::printf("\nFor %s, %s\n", variant.info.arch, variant.info.cpu);
    printMemory(variant);
    if (arguments.quiet)
      continue;
    printKernels(variant);
    printSteps(variant);
    printArena(variant);
  }
  return 0;
}

} // namespace

void addInspect(CLI::App &app, Action &action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App *verb = app.add_subcommand("inspect", "Show what is in a plan: signature, memory, kernels, steps, arena");
  verb->add_option("plan", arguments->plan, "file that `tenon compile` wrote")->required();
  verb->add_option("--shape", arguments->shapes, "NAME=1x3x224x224: show memory and costs at these sizes of free dimensions")->type_name("NAME=DIMS")->allow_extra_args(false);
  verb->add_flag("--json", arguments->json, "print JSON");
  verb->add_flag("--quiet", arguments->quiet, "signature and sizes only");
  verb->callback([arguments, &action] { action = [arguments] { return inspectPlan(*arguments); }; });
}

} // namespace tenon::driver
