/* How compiled kernels are called. The code generator emits functions of this type; the runtime's pool calls them. */
#ifndef TENON_RUNTIME_KERNEL_ABI_H
#define TENON_RUNTIME_KERNEL_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_kernel_args {
  void *const *buffers;   /* arguments, then results, then the workspace if any, in the order of kernel.func */
  const int64_t *symbols; /* values of the function's `symbols`, in its order */
} tn_kernel_args;

/* One task of a launch: task is in [0, tasks). Tasks of a launch run in any order and concurrently; a kernel calls nothing outside itself.
   Task t owns bytes [t * workspace_bytes, (t + 1) * workspace_bytes) of the workspace. */
typedef void (*tn_kernel_fn)(const tn_kernel_args *args, uint32_t task);

#ifdef __cplusplus
}
#endif
#endif
