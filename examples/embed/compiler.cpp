// Compiles an ONNX model in this process and runs the plan from memory, without a file.
#include <cstdio>
#include <tenon/compiler.h>
#include <tenon/runtime.hpp>
#include <vector>

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  tenon::CompileResult compiled = tenon::compileFile(argv[1], {});
  if (!compiled.ok) {
    std::fputs(compiled.message.c_str(), stderr);
    return 1;
  }
  tenon::Plan plan = tenon::Plan::openMemory(compiled.plan).value();
  tenon::Context context = tenon::Context::create(plan).value();
  std::vector<float> image(1 * 3 * 32 * 32, 0.5f);
  auto outputs = context.run({tenon::tensor(image, {1, 3, 32, 32})}).value();
  for (float score : outputs[0].as<float>())
    std::printf("%.6f\n", score);
}
