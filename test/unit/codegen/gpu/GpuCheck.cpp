#include "test/unit/codegen/gpu/GpuCheck.h"

namespace tenon::test {

static bool has(llvm::StringRef schedule, llvm::StringRef way) {
  llvm::SmallVector<llvm::StringRef> parameters;
  way.split(parameters, ", ", -1, false);
  return llvm::all_of(parameters, [&](llvm::StringRef parameter) { return schedule.contains((parameter + " : i64").str()); });
}

void GpuCheck::check(const std::string &text, const std::string &target, const std::string &schedule) const {
  KernelCheck check;
  check.schedule = schedule, check.target = target, check.tolerance = tolerance, check.sizes = sizes, check.onCpu = onCpu;
  EXPECT_EQ(check(text), "") << target << ": " << schedule << "\n" << text;
}

void GpuCheck::operator()(const std::string &text) const {
  constexpr size_t kAll = 10'000;
  for (const std::string &target : targets) {
    std::vector<std::string> schedules = schedulesOf(text, kAll, target);
    ASSERT_FALSE(schedules.empty()) << target;
    EXPECT_NE(schedules.front().find("\"" + family + "\""), std::string::npos) << target << ": " << schedules.front() << text;
    for (const std::string &way : given.empty() ? ways : std::vector<std::string>()) {
      auto found = llvm::find_if(schedules, [&](const std::string &schedule) { return has(schedule, way); });
      if (found == schedules.end()) {
        ADD_FAILURE() << target << ": no schedule has " << way;
        continue;
      }
      check(text, target, *found);
    }
    for (const std::string &parameters : given) {
      std::string attribute = "#kernel.schedule<\"" + family + "\", {";
      llvm::SmallVector<llvm::StringRef> parts;
      llvm::StringRef(parameters).split(parts, ", ");
      for (llvm::StringRef part : parts)
        attribute += (part == parts.front() ? "" : ", ") + part.str() + " : i64";
      check(text, target, attribute + "}>");
    }
  }
}

std::string convolution(llvm::ArrayRef<int64_t> image, llvm::ArrayRef<int64_t> filter, int64_t stride, int64_t pad, llvm::StringRef element,
                        int64_t groups) {
  auto pixels = [&](int axis, int64_t size) { return (image[axis] + 2 * pad - size) / stride + 1; };
  std::string x = tensor(image, element), w = tensor(filter, element), b = tensor({filter[0]}, element);
  std::string y = tensor({image[0], pixels(1, filter[2]), pixels(2, filter[3]), filter[0]}, element);
  std::string text = "kernel.func private @k(%x: " + x + ", %w: " + w + " {kernel.constant}, %b: " + b + " {kernel.constant}) -> " + y;
  text += " {\n%0 = nn.conv %x, %w bias %b {strides = " + array({stride, stride}) + ", pads = " + array({pad, pad, pad, pad}) +
          ", dilations = " + array({1, 1});
  text += groups > 1 ? ", groups = " + std::to_string(groups) + " : i64" : "";
  text += ", layout = #nn.layout<channels_last>} : " + x + ", " + w + ", " + b + " -> " + y;
  return text + "\n%1 = nn.silu %0 : " + y + " -> " + y + "\nkernel.return %1 : " + y + " }";
}

std::string inTf32(std::string text) {
  size_t op = std::min(text.find("nn.matmul"), text.find("nn.conv"));
  text.insert(text.find('{', op) + 1, "kernel.tf32, ");
  return text;
}

} // namespace tenon::test
