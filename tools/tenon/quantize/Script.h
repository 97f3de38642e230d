// Runs a program of the user's and reads what it prints.
#pragma once
#include <string>
#include <vector>

namespace tenon::driver {

struct ScriptRun {
  std::vector<std::string> words;       // the program and its arguments; found through PATH
  std::vector<std::string> environment; // "NAME=value", beside and before what this process has
  double limit = 0;                     // seconds; the program and what it started are killed then
};

struct ScriptResult {
  std::string problem;        // "": it ended with status 0. Else what happened, as in "ended with status 1"
  std::string output, errors; // the last 64 KiB of both
};

/// Waits for the program's end; it is killed when this process dies. Its input is empty. Throws Failure where no process can be started.
ScriptResult runScript(const ScriptRun &run);

/// The last line that is not blank, without the blanks around it.
std::string lastLine(const std::string &text);

} // namespace tenon::driver
