#include "tools/tenon/quantize/ScriptMetric.h"
#include "tools/tenon/CompilerLibrary.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/File.h"
#include "tools/tenon/Table.h"
#include "tools/tenon/TemporaryFolder.h"
#include "tools/tenon/quantize/Script.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <unistd.h>

namespace tenon::driver {
namespace {

constexpr size_t kShown = 160; // columns of what the script says
constexpr const char *kPython = "TENON_PYTHON"; // which Python, set by that which started this program

/// Where `import tenon` finds the package that belongs to this program: beside it in a build folder, or around it in the installed package.
std::string pythonPath() {
  std::error_code problem;
  std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", problem), root = program.parent_path().parent_path();
  std::string before = std::getenv("PYTHONPATH") ? std::getenv("PYTHONPATH") : "";
  for (const std::filesystem::path &folder : {root / "python", root.parent_path()})
    if (!problem && std::filesystem::exists(folder / "tenon" / "__init__.py", problem))
      return folder.string() + (before.empty() ? "" : ":" + before);
  return before;
}

class ScriptMetric : public Metric {
public:
  explicit ScriptMetric(const ScriptSetting &setting) : setting(setting), program(std::filesystem::absolute(setting.script).string()) {
    if (::access(program.c_str(), R_OK) != 0)
      throw Failure(setting.script + ": there is no such script to evaluate with");
  }

  std::string name() const override { return std::filesystem::path(setting.script).filename().string(); }

  double score(const std::string &model) override {
    CompileResult compiled = compiler().compileMemory(model, setting.model, CompileOptions());
    if (!compiled.ok)
      throw Failure(compiled.message);
    std::string plan = folder.path + "/model.plan", onnx = folder.path + "/model.onnx";
    writeFile(plan, compiled.plan);
    writeFile(onnx, std::as_bytes(std::span(model)));
    ScriptRun run{{program, plan, onnx}, {"PYTHONPATH=" + pythonPath()}, setting.limit};
    if (::access(program.c_str(), X_OK) != 0)
      run.words.insert(run.words.begin(), std::getenv(kPython) ? std::getenv(kPython) : "python3");
    ScriptResult result = runScript(run);
    if (!result.problem.empty()) {
      std::string why = lastLine(result.errors);
      throw Failure(setting.script + ": " + result.problem + (why.empty() ? "" : ": " + foreignText(why, kShown)));
    }
    return numberOf(lastLine(result.output));
  }

private:
  double numberOf(const std::string &line) const {
    double value = 0;
    auto [rest, error] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (line.empty() || error != std::errc() || rest != line.data() + line.size())
      throw Failure(setting.script + ": " + (line.empty() ? "printed nothing" : "printed '" + foreignText(line, kShown) + "' last") + "; the score was expected, a number on the last line");
    if (!std::isfinite(value))
      throw Failure(setting.script + ": printed the score " + line + "; a finite number was expected");
    return value;
  }

  ScriptSetting setting;
  std::string program;
  TemporaryFolder folder;
};

} // namespace

std::unique_ptr<Metric> scriptMetric(const ScriptSetting &setting) { return std::make_unique<ScriptMetric>(setting); }

} // namespace tenon::driver
