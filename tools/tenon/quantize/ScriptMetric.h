// A metric that a script of the user's computes.
#pragma once
#include "tools/tenon/quantize/Metric.h"

namespace tenon::driver {

struct ScriptSetting {
  std::string script;  // run itself where it is executable, and by $TENON_PYTHON, or python3, else
  std::string model;   // the path of the float model, for messages
  double limit = 3600; // seconds for one run
};

/// Each model is compiled, and the script is run with two arguments: the plan's path, and the path of the ONNX model beside it. The last line that it
/// prints is the score. Python scripts can import this build's package tenon. A script that fails, takes longer than the limit, or prints no finite
/// number is a Failure, with the last line of its errors.
std::unique_ptr<Metric> scriptMetric(const ScriptSetting &setting);

} // namespace tenon::driver
