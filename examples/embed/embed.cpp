#include <cstdio>
#include <tenon/runtime.hpp>
#include <vector>

int main(int, char **arguments) {
  tenon::Plan plan = tenon::Plan::open(arguments[1]).value();                   // maps the file, verifies all but weights
  tenon::Context context = tenon::Context::create(plan, {.threads = 2}).value(); // arena and threads
  std::vector<float> image(1 * 3 * 32 * 32, 0.5f);
  auto outputs = context.run({tenon::tensor(image, {1, 3, 32, 32})}).value();    // allocates nothing after the first run
  for (float score : outputs[0].as<float>())
    std::printf("%.6f\n", score);
}
