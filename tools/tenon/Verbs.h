// The verbs of the command line. Each adds a subcommand with its options to the parser, and sets `action` when that is chosen;
// the action returns the exit code, or throws Failure (1) or UsageFailure (2).
#pragma once
#include <functional>

namespace CLI {
class App;
}

namespace tenon::driver {

using Action = std::function<int()>;

void addCompile(CLI::App &app, Action &action);
void addRun(CLI::App &app, Action &action);
void addBench(CLI::App &app, Action &action);
void addInspect(CLI::App &app, Action &action);
void addCheck(CLI::App &app, Action &action);
void addOps(CLI::App &app, Action &action);
void addTargets(CLI::App &app, Action &action);
void addTune(CLI::App &app, Action &action);
void addQuantize(CLI::App &app, Action &action);
void addExport(CLI::App &app, Action &action);
void addCompare(CLI::App &app, Action &action);
void addAgent(CLI::App &app, Action &action);
/// Hidden: started by `tune` and `agent`.
void addMeasureWorker(CLI::App &app, Action &action);

} // namespace tenon::driver
