// tenon compare: a verb of the Python package, which takes models apart with the package onnx. Here it says where that is.
#include "tools/tenon/Failure.h"
#include "tools/tenon/Verbs.h"

#include <CLI/CLI.hpp>

namespace tenon::driver {

static int pointToThePackage() {
  throw UsageFailure("compare is a verb of the Python package: `pip install .` in Tenon's sources and `pip install onnx`, then `python -m tenon compare MODEL`");
}

void addCompare(CLI::App &app, Action &action) {
  CLI::App *verb = app.add_subcommand("compare", "Find the first kernel whose numbers are wrong (of the Python package: python -m tenon compare)");
  verb->prefix_command();
  verb->callback([&action] { action = pointToThePackage; });
}

} // namespace tenon::driver
