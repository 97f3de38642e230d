// tenon: compiles ONNX models to plans, runs, measures and explains them.
#include "tools/tenon/Failure.h"
#include "tools/tenon/Verbs.h"

#include "tenon/runtime.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <new>

using namespace tenon::driver;

constexpr int kError = 1, kUsage = 2;

static int report(const std::string &message, int code) {
  std::fflush(stdout);
  // A list of diagnostics from the compiler already says "error:" where it applies.
  bool marked = message.find("error:") != std::string::npos;
  std::fprintf(stderr, "%s%s\n", marked ? "" : "tenon: error: ", message.c_str());
  return code;
}

int main(int argc, char **argv) {
  CLI::App app("Compiles ONNX models to plans for one machine, and runs, measures and explains plans.", "tenon");
  app.set_version_flag("--version", std::string("tenon ") + tn_version());
  app.require_subcommand(1);
  app.get_formatter()->column_width(38);

  Action action;
  for (auto add : {addCompile, addRun, addBench, addInspect, addCheck, addOps, addTargets, addTune, addQuantize, addExport, addCompare, addAgent, addMeasureWorker})
    add(app, action);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  try {
    int code = action();
    // A full disk or a closed pipe shows when the buffered output is written.
    if (std::fflush(stdout) != 0)
      throw Failure("standard output cannot be written");
    return code;
  } catch (const UsageFailure &failure) {
    return report(failure.what(), kUsage);
  } catch (const Failure &failure) {
    return report(failure.what(), kError);
  } catch (const std::bad_alloc &) {
    return report("out of memory", kError);
  } catch (const std::exception &failure) {
    return report(failure.what(), kError);
  }
}
