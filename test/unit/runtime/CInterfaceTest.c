/* The header is C, and the library is usable from it. */
#include "tenon/runtime.h"

#include <string.h>

/* Opens a plan in memory, asks it what it is, runs it without inputs, and says which line went wrong: 0 for none. */
int runFromC(const void *bytes, size_t size, int32_t *counters, size_t counterBytes) {
  tn_plan *plan = NULL;
  if (tn_plan_open_memory(bytes, size, 0, &plan) != TN_OK)
    return __LINE__;
  tn_plan_info info = {0};
  info.struct_size = sizeof info;
  if (tn_plan_get_info(plan, &info) != TN_OK || info.output_count != 1 || strcmp(info.producer, "tenon test") != 0)
    return __LINE__;
  tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
  options.threads = 1;
  tn_context *context = NULL;
  if (tn_context_create(plan, &options, &context) != TN_OK)
    return __LINE__;
  tn_plan_close(plan);
  tn_tensor output = {0};
  output.data = counters;
  output.bytes = counterBytes;
  if (tn_run(context, NULL, &output) != TN_OK)
    return __LINE__;
  tn_context_destroy(context);
  return 0;
}
