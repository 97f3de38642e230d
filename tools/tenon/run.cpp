// tenon run: runs a plan once on given inputs; writes the outputs, and compares them with expected ones.
#include "tools/tenon/Compare.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Inputs.h"
#include "tools/tenon/Npz.h"
#include "tools/tenon/Options.h"
#include "tools/tenon/Plan.h"
#include "tools/tenon/Table.h"
#include "tools/tenon/Verbs.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace tenon::driver {
namespace {

struct Arguments {
  std::string plan, outputs, expect;
  InputOptions inputs;
  Tolerance tolerance;
  uint32_t threads = 0;
  std::optional<uint32_t> device;
  bool json = false, quiet = false;
};

struct OutputReport {
  std::string name, type;
  std::optional<Comparison> comparison; ///< absent where no array was expected
};

std::vector<OutputReport> reportOutputs(const std::vector<tn_tensor_info> &infos, const std::vector<tn_tensor> &outputs, const Arguments &arguments) {
  std::optional<NpzReader> expected;
  if (!arguments.expect.empty())
    expected.emplace(arguments.expect);
  std::vector<OutputReport> reports;
  bool any = false;
  for (size_t i = 0; i < infos.size(); i++) {
    OutputReport report{infos[i].name, typeText(outputs[i].dtype, dimsOf(outputs[i])), std::nullopt};
    for (const std::string &key : {"out:" + report.name, report.name})
      if (expected && !report.comparison && expected->has(key))
        report.comparison = compare(outputs[i], expected->read(key), arguments.tolerance), any = true;
    reports.push_back(std::move(report));
  }
  if (expected && !any)
    throw Failure(arguments.expect + ": holds none of the plan's outputs: '" + reports[0].name + "' or 'out:" + reports[0].name + "' was expected");
  if (expected)
    for (const std::string &key : expected->names())
      if (key.starts_with("out:") && std::none_of(reports.begin(), reports.end(), [&](const OutputReport &report) { return "out:" + report.name == key; }))
        throw Failure(arguments.expect + ": the plan has no output '" + key.substr(4) + "'");
  return reports;
}

std::string errorText(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2e", value);
  return std::isinf(value) ? "differs" : text;
}

bool allEqual(const std::vector<OutputReport> &reports) {
  for (const OutputReport &report : reports)
    if (report.comparison && !report.comparison->equal)
      return false;
  return true;
}

void printJson(const Arguments &arguments, const std::vector<OutputReport> &reports, double seconds) {
  nlohmann::ordered_json json;
  json["plan"] = arguments.plan;
  json["run_ms"] = seconds * 1e3;
  for (const OutputReport &report : reports) {
    nlohmann::ordered_json output = {{"name", report.name}, {"type", report.type}};
    if (const auto &c = report.comparison) {
      output["equal"] = c->equal;
      if (!c->problem.empty())
        output["problem"] = c->problem;
      output["max_error"] = std::isinf(c->largestError) ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(c->largestError);
      output["max_expected"] = c->largestExpected;
      output["allowed"] = c->allowed;
      output["worst_index"] = c->worstIndex;
    }
    json["outputs"].push_back(output);
  }
  if (!arguments.expect.empty())
    json["equal"] = allEqual(reports);
  std::printf("%s\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

void printTable(const Arguments &arguments, const std::vector<OutputReport> &reports, double seconds) {
  Table table({{"output"}, {"type"}, {"max |a-b|", Align::Right}, {"allowed", Align::Right}, {"max |b|", Align::Right}, {"at", Align::Right}, {"verdict"}});
  Table plain({{"output"}, {"type"}});
  for (const OutputReport &report : reports) {
    plain.add({report.name, report.type});
    if (const auto &c = report.comparison)
      table.add({report.name, report.type, errorText(c->largestError), errorText(c->allowed), errorText(c->largestExpected),
                 c->worstIndex < 0 ? "-" : std::to_string(c->worstIndex), c->problem.empty() ? c->equal ? "equal" : "DIFFERENT" : c->problem});
    else
      table.add({report.name, report.type, "-", "-", "-", "-", "not compared"});
  }
  std::fputs(arguments.expect.empty() ? plain.text().c_str() : table.text().c_str(), stdout);
  if (!arguments.expect.empty())
    std::printf("%s: %s, first run %s\n", arguments.plan.c_str(), allEqual(reports) ? "outputs as expected" : "OUTPUTS DIFFER", timeText(seconds).c_str());
  else
    std::printf("%s: first run %s\n", arguments.plan.c_str(), timeText(seconds).c_str());
}

int runPlan(const Arguments &arguments) {
  PlanHandle plan = openPlan(arguments.plan, TN_OPEN_VERIFY);
  std::vector<HostTensor> inputs = readInputs(plan.get(), arguments.inputs);
  std::vector<tn_tensor> inputViews;
  for (HostTensor &input : inputs)
    inputViews.push_back(input.view());
  std::vector<tn_tensor_info> infos = outputsOf(plan.get());
  std::vector<tn_tensor> outputs(infos.size());

  ContextHandle context = makeContext(plan.get(), arguments.threads, false, arguments.device);
  auto start = std::chrono::steady_clock::now();
  if (tn_status status = tn_run(context.get(), inputViews.data(), outputs.data()); status != TN_OK)
    throw Failure(arguments.plan + ": " + tn_last_message(context.get()) + " (" + tn_status_name(status) + ")");
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  if (!arguments.outputs.empty()) {
    std::vector<NamedTensor> named;
    for (size_t i = 0; i < infos.size(); i++)
      named.push_back({infos[i].name, outputs[i]});
    writeNpz(arguments.outputs, named);
  }
  std::vector<OutputReport> reports = reportOutputs(infos, outputs, arguments);
  if (arguments.json)
    printJson(arguments, reports, seconds);
  else if (!arguments.quiet)
    printTable(arguments, reports, seconds);
  return allEqual(reports) ? 0 : 1;
}

} // namespace

void addRun(CLI::App &app, Action &action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App *verb = app.add_subcommand("run", "Run a plan once on given inputs; exit code 1 where outputs are not as expected");
  verb->add_option("plan", arguments->plan, "file that `tenon compile` wrote")->required();
  verb->add_option("--inputs", arguments->inputs.files, ".npz with keys NAME or in:NAME (NAME.bytes and NAME.ends of strings, NAME.data and NAME.shapes of a sequence: see tenon/runtime.h); .npy or .pb for a plan with one input")->type_name("FILE")->allow_extra_args(false);
  verb->add_option("--input", arguments->inputs.single, "NAME=@FILE: one input from a .npy or .pb file")->type_name("NAME=@FILE")->allow_extra_args(false);
  verb->add_option("--outputs", arguments->outputs, "write the outputs to this .npz, by name")->type_name("FILE");
  verb->add_option("--expect", arguments->expect, "compare with this .npz: keys NAME or out:NAME")->type_name("FILE");
  verb->add_option("--rtol", arguments->tolerance.rtol, "allow max |a-b| <= rtol * max |b| + atol; 2e-4 by default, 1e-2 for 16-bit floats");
  verb->add_option("--atol", arguments->tolerance.atol, "see --rtol; 0 by default");
  verb->add_option("--threads", arguments->threads, "threads to run with; one for each core by default")->type_name("N");
  addDeviceOption(*verb, arguments->device, "run a plan for a GPU on this one");
  verb->add_flag("--json", arguments->json, "print JSON");
  verb->add_flag("--quiet", arguments->quiet, "print errors only");
  verb->callback([arguments, &action] { action = [arguments] { return runPlan(*arguments); }; });
}

} // namespace tenon::driver
