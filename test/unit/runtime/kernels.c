/* Kernels for the tests, compiled to the kind of image that plans carry. */
#include "runtime/kernel_abi.h"

#define KERNEL __attribute__((visibility("default"))) void

/* Elements [begin, end) of task `task`: symbols are the number of elements and of tasks. */
static int64_t share(const tn_kernel_args *args, uint32_t task) { return args->symbols[0] * task / args->symbols[1]; }

/* out = a + b */
KERNEL add(const tn_kernel_args *args, uint32_t task) {
  const float *a = args->buffers[0], *b = args->buffers[1];
  float *out = args->buffers[2];
  for (int64_t i = share(args, task); i < share(args, task + 1); ++i)
    out[i] = a[i] + b[i];
}

/* out = 2 * x, by way of the task's workspace of one float */
KERNEL twice(const tn_kernel_args *args, uint32_t task) {
  const float *x = args->buffers[0];
  float *out = args->buffers[1];
  volatile float *workspace = (float *)args->buffers[2] + task;
  for (int64_t i = share(args, task); i < share(args, task + 1); ++i) {
    *workspace = x[i];
    out[i] = *workspace * 2;
  }
}

/* Appends the task's number to the list out[1], out[2], …, of which out[0] is the length; for one thread. */
KERNEL trail(const tn_kernel_args *args, uint32_t task) {
  int32_t *out = args->buffers[0];
  out[++out[0]] = (int32_t)task;
}

/* counters[task] += 1 */
KERNEL count(const tn_kernel_args *args, uint32_t task) { ((int32_t *)args->buffers[0])[task] += 1; }
