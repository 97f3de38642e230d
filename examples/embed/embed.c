/* Runs a plan with one float input, filled with 0.5, through the C interface; prints the first output. */
#include <stdio.h>
#include <stdlib.h>
#include <tenon/runtime.h>

static int fail(const char *what, const char *message) {
  fprintf(stderr, "%s: %s\n", what, message);
  return 1;
}

static size_t count(const tn_tensor *tensor) {
  size_t elements = 1;
  for (int32_t axis = 0; axis < tensor->rank; axis++)
    elements *= (size_t)tensor->dims[axis];
  return elements;
}

int main(int argc, char **argv) {
  if (argc != 2)
    return fail("usage", "embed-c MODEL.plan");
  tn_plan *plan = NULL;
  if (tn_plan_open(argv[1], TN_OPEN_VERIFY, &plan) != TN_OK)
    return fail(argv[1], tn_last_error());

  tn_tensor_info info = {.struct_size = sizeof info};
  tn_plan_input(plan, 0, &info);
  tn_tensor input = {.dtype = info.dtype, .rank = info.rank};
  for (int32_t axis = 0; axis < info.rank; axis++)
    input.dims[axis] = info.dims[axis] < 0 ? 1 : info.dims[axis]; /* free dimensions: 1 */
  input.bytes = count(&input) * sizeof(float);
  input.data = malloc(input.bytes);
  for (size_t i = 0; i < count(&input); i++)
    ((float *)input.data)[i] = 0.5f;

  tn_context *context = NULL;
  if (tn_context_create(plan, NULL, &context) != TN_OK)
    return fail(argv[1], tn_last_error());
  tn_tensor output = {0};
  if (tn_run(context, &input, &output) != TN_OK)
    return fail(info.name, tn_last_message(context));
  for (size_t i = 0; i < count(&output); i++)
    printf("%.6f\n", ((const float *)output.data)[i]);

  tn_context_destroy(context);
  tn_plan_close(plan);
  free(input.data);
  return 0;
}
