// Mutants of valid models: they compile and run, or are refused with a message.
#include "include/tenon/compiler.h"
#include "test/fuzz/ModelMutator.h"
#include "test/fuzz/PlanRunner.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace tenon;

namespace {

constexpr int64_t kMostTrips = 4; // of a Loop when it runs: a model may well ask for more than fits a life

CompileResult compile(std::string_view bytes) {
  CompileResult result = compileMemory(bytes, "mutant.onnx", {});
  if (!result.ok && (result.message.empty() || result.message.find("please report this") != std::string::npos)) {
    std::fprintf(stderr, "refused without a reason: %s\n", result.message.c_str());
    abort();
  }
  return result;
}

/// Writes a model where libFuzzer expects it; 0 if there is no room.
size_t store(const onnx::ModelProto &model, uint8_t *data, size_t room) {
  size_t size = model.ByteSizeLong();
  return size <= room && model.SerializeToArray(data, int(size)) ? size : 0;
}

} // namespace

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed) {
  onnx::ModelProto model;
  if (seed % 64 == 0 || !model.ParseFromArray(data, int(size)))
    return LLVMFuzzerMutate(data, size, room);
  fuzz::mutateModel(model, seed);
  size_t stored = store(model, data, room);
  return stored ? stored : size;
}

extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t *first, size_t firstSize, const uint8_t *second, size_t secondSize, uint8_t *out, size_t room, unsigned seed) {
  onnx::ModelProto model, other;
  if (!model.ParseFromArray(first, int(firstSize)) || !other.ParseFromArray(second, int(secondSize)))
    return 0;
  fuzz::crossModels(model, other, seed);
  return store(model, out, room);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  CompileResult result = compile({reinterpret_cast<const char *>(data), size});
  onnx::ModelProto model;
  if (!result.ok || !model.ParseFromArray(data, int(size)))
    return 0;
  if (!fuzz::boundLoops(model, kMostTrips)) {
    fuzz::runPlan(result.plan);
    return 0;
  }
  result = compile(model.SerializeAsString());
  if (result.ok)
    fuzz::runPlan(result.plan);
  return 0;
}
