// tenon ops: the ONNX operators that the importer maps.
#include "tools/tenon/CompilerLibrary.h"
#include "tools/tenon/Table.h"
#include "tools/tenon/Verbs.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace tenon::driver {
namespace {

std::string opsets(const OperatorSupport &op) {
  return op.since == op.until ? std::to_string(op.since) : std::to_string(op.since) + " to " + std::to_string(op.until);
}

int listOperators(bool json, const std::string &filter) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  Table table({{"operator"}, {"domain"}, {"opsets", Align::Right}});
  for (const OperatorSupport &op : compiler().supportedOperators()) {
    if (op.name.find(filter) == std::string::npos)
      continue;
    list.push_back({{"domain", op.domain}, {"name", op.name}, {"since", op.since}, {"until", op.until}});
    table.add({op.name, op.domain.empty() ? "ai.onnx" : op.domain, opsets(op)});
  }
  if (json)
    std::printf("%s\n", list.dump(2).c_str());
  else
    std::printf("%s\n  %zu operators\n", table.text().c_str(), list.size());
  return 0;
}

} // namespace

void addOps(CLI::App &app, Action &action) {
  auto json = std::make_shared<bool>(false);
  auto filter = std::make_shared<std::string>();
  CLI::App *verb = app.add_subcommand("ops", "List the ONNX operators that can be compiled");
  verb->add_option("filter", *filter, "only operators whose name holds this");
  verb->add_flag("--json", *json, "print JSON");
  verb->callback([=, &action] { action = [=] { return listOperators(*json, *filter); }; });
}

} // namespace tenon::driver
