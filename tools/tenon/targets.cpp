// tenon targets: this machine, and the names that --target takes.
#include "tools/tenon/CompilerLibrary.h"
#include "tools/tenon/Table.h"
#include "tools/tenon/Verbs.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace tenon::driver {
namespace {

std::string cachesText(const TargetSummary &target) {
  return std::to_string(target.l1Bytes >> 10) + " / " + std::to_string(target.l2Bytes >> 10) + " / " + std::to_string(target.l3Bytes >> 10);
}

int listTargets(bool json) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  Table table({{"--target"}, {"CPU"}, {"vector bits", Align::Right}, {"cores", Align::Right}, {"L1 / L2 / L3 KiB", Align::Right}});
  for (const TargetSummary &target : compiler().knownTargets()) {
    list.push_back({{"name", target.name}, {"cpu", target.cpu}, {"features", target.features}, {"vector_bits", target.vectorBits}, {"cores", target.cores},
                    {"l1_bytes", target.l1Bytes}, {"l2_bytes", target.l2Bytes}, {"l3_bytes", target.l3Bytes}});
    table.add({target.name, target.cpu, std::to_string(target.vectorBits), std::to_string(target.cores), cachesText(target)});
  }
  std::printf("%s%s", json ? list.dump(2).c_str() : table.text().c_str(), json ? "\n" : "");
  return 0;
}

} // namespace

void addTargets(CLI::App &app, Action &action) {
  auto json = std::make_shared<bool>(false);
  CLI::App *verb = app.add_subcommand("targets", "List the machines that can be compiled for, this one first");
  verb->add_flag("--json", *json, "print JSON, with the CPU features");
  verb->callback([=, &action] { action = [=] { return listTargets(*json); }; });
}

} // namespace tenon::driver
