// The C functions on contexts.
#include "runtime/context/Context.h"
#include "runtime/support/Info.h"

#include <cstring>

using namespace tenon;

namespace {

constexpr uint32_t kMaxThreads = 1024;

/// The caller's options, of whatever version, in this version's struct.
tn_status readOptions(const tn_context_options *given, tn_context_options &options, Message &message) {
  options = TN_CONTEXT_OPTIONS_INIT;
  if (!given)
    return TN_OK;
  auto bad = [&](const char *why) { return message.fail(TN_INVALID_ARGUMENT, "tn_context_options: %s", why); };
  if (given->struct_size < sizeof(uint32_t) * 2 || given->struct_size > 65536)
    return bad("struct_size is not set; initialise it with TN_CONTEXT_OPTIONS_INIT");
  memcpy(&options, given, std::min<size_t>(given->struct_size, sizeof options));
  auto *bytes = reinterpret_cast<const uint8_t *>(given);
  for (size_t i = sizeof options; i < given->struct_size; ++i)
    if (bytes[i] != 0)
      return bad("it sets fields that this runtime does not know; update the runtime");
  if (options.threads > kMaxThreads || options.cpu_count > kMaxThreads)
    return bad("more than 1024 threads");
  if (options.cpu_count && (!options.cpus || options.cpu_count < options.threads))
    return bad("cpus has fewer entries than there are threads");
  if (!options.allocator.allocate != !options.allocator.release)
    return bad("allocator: set both functions or neither");
  if (options.arena_bytes && !options.arena)
    return bad("arena_bytes is set and arena is null");
  return TN_OK;
}

} // namespace

extern "C" {

tn_status tn_context_create(tn_plan *plan, const tn_context_options *given, tn_context **context) {
  Message &message = threadMessage();
  if (!plan || !context)
    return message.fail(TN_INVALID_ARGUMENT, "tn_context_create: a null pointer for the plan or the place for the result");
  tn_context_options options;
  if (tn_status status = readOptions(given, options, message))
    return status;
  if (tn_status status = chooseVariant(*plan, options.device, &plan, message))
    return status;
  // The object itself comes from the application's allocator too; the context counts from here on.
  Memory memory(options.allocator, options.max_bytes);
  tn_context *made = nullptr;
  if (tn_status status = createObject(memory, &made, "a context", message, *plan, options))
    return status;
  if (tn_status status = made->start(*plan, options)) {
    message = made->message;
    tn_context_destroy(made);
    return status;
  }
  *context = made;
  return TN_OK;
}

void tn_context_destroy(tn_context *context) {
  if (!context)
    return;
  Memory memory(context->memory.functions(), 0);
  destroyObject(memory, context);
}

tn_status tn_run(tn_context *context, const tn_tensor *inputs, tn_tensor *outputs) {
  if (context)
    context->message.clear();
  return context ? context->runner.run(inputs, outputs) : threadMessage().fail(TN_INVALID_ARGUMENT, "tn_run: the context is null");
}

tn_status tn_run_async(tn_context *context, const tn_tensor *inputs, tn_tensor *outputs, void *stream) {
  if (context)
    context->message.clear();
  return context ? context->runner.runAsync(inputs, outputs, stream) : threadMessage().fail(TN_INVALID_ARGUMENT, "tn_run_async: the context is null");
}

tn_status tn_output_shapes(tn_context *context, const tn_tensor *inputs, tn_tensor *outputs) {
  if (context)
    context->message.clear();
  return context ? context->runner.outputShapes(inputs, outputs) : threadMessage().fail(TN_INVALID_ARGUMENT, "tn_output_shapes: the context is null");
}

const tn_plan *tn_context_plan(const tn_context *context) { return context ? &context->runner.program() : nullptr; }

tn_status tn_device_get_info(uint32_t device, tn_device_info *info) {
  Message &message = threadMessage();
  message.setPrefix(nullptr);
  tn_device_info filled = {};
  if (tn_status status = describeDevice(device, filled, message))
    return status;
  return giveInfo(filled, info, message);
}

const char *tn_last_message(const tn_context *context) { return context ? context->message.c_str() : tn_last_error(); }

uint32_t tn_context_threads(const tn_context *context) { return context ? context->pool.threads() : 0; }

uint64_t tn_context_bytes(const tn_context *context) { return context ? sizeof(tn_context) + context->memory.bytesInUse() : 0; }

tn_status tn_profile(tn_context *context, int on) {
  return context ? context->runner.setProfile(on) : threadMessage().fail(TN_INVALID_ARGUMENT, "tn_profile: the context is null");
}

tn_status tn_profile_step(const tn_context *context, uint32_t step, tn_step_profile *profile) {
  Message &message = threadMessage();
  if (!context)
    return message.fail(TN_INVALID_ARGUMENT, "tn_profile_step: the context is null");
  if (step >= context->runner.times.size())
    return context->runner.times.size() ? badIndex("step", step, uint32_t(context->runner.times.size()), message)
                                        : message.fail(TN_INVALID_ARGUMENT, "tn_profile_step: profiling is off; switch it on with tn_profile");
  const StepTimes &times = context->runner.times[step];
  bool any = context->runner.profiledRuns > 0;
  return giveInfo<tn_step_profile>({0, context->runner.profiledRuns, times.last, any ? times.minimum : 0, times.total}, profile, message);
}
}
