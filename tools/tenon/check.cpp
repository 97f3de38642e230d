// tenon check: whether a plan is intact, and whether this machine can run it.
#include "tools/tenon/Failure.h"
#include "tools/tenon/Options.h"
#include "tools/tenon/Plan.h"
#include "tools/tenon/Table.h"
#include "tools/tenon/Verbs.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace tenon::driver {
namespace {

struct Arguments {
  std::string plan;
  std::optional<uint32_t> device;
  bool json = false, quiet = false;
};

/// Whether there is the GPU that a plan is for, and a driver: only a context finds out.
tn_status checkDevice(const std::string &path, std::optional<uint32_t> device) {
  PlanHandle plan = openPlan(path);
  requireGpuPlan(plan.get(), device);
  if (!isForGpu(plan.get()))
    return TN_OK;
  tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
  options.device = device.value_or(0);
  tn_context *context = nullptr;
  tn_status status = tn_context_create(plan.get(), &options, &context);
  tn_context_destroy(context);
  return status;
}

int checkPlan(const Arguments &arguments) {
  tn_status status = tn_plan_check(arguments.plan.c_str());
  if (status == TN_OK)
    status = checkDevice(arguments.plan, arguments.device);
  std::string message = status == TN_OK ? "" : lastErrorAbout(arguments.plan);
  bool intact = status == TN_OK || status == TN_WRONG_TARGET || status == TN_DEVICE;
  if (arguments.json) {
    nlohmann::ordered_json json = {{"plan", arguments.plan}, {"intact", intact}, {"runs_here", status == TN_OK}, {"status", tn_status_name(status)}, {"message", message}};
    std::printf("%s\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
    return status == TN_OK ? 0 : 1;
  }
  if (status != TN_OK)
    throw Failure((intact ? "intact, but cannot run here: " : "") + message + " (" + tn_status_name(status) + ")");
  if (!arguments.quiet) {
    PlanHandle plan = openPlan(arguments.plan);
    tn_plan_info info = infoOfPlan(plan.get());
    std::printf("%s: intact and runs here: %s, format %u, written by %s for %s\n", arguments.plan.c_str(), bytesText(info.file_bytes).c_str(), info.format_version, info.producer, info.cpu);
  }
  return 0;
}

} // namespace

void addCheck(CLI::App &app, Action &action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App *verb = app.add_subcommand("check", "Verify all of a plan, checksums included, and say whether it can run here");
  verb->add_option("plan", arguments->plan, "file that `tenon compile` wrote")->required();
  addDeviceOption(*verb, arguments->device, "ask whether a plan for a GPU runs on this one");
  verb->add_flag("--json", arguments->json, "print JSON");
  verb->add_flag("--quiet", arguments->quiet, "print errors only");
  verb->callback([arguments, &action] { action = [arguments] { return checkPlan(*arguments); }; });
}

} // namespace tenon::driver
