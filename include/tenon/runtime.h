/// Tenon's runtime: opens a compiled plan and runs it. C ABI; include/tenon/runtime.hpp wraps it for C++20.
///
/// A *plan* is a compiled model: immutable, reference-counted, shared by any number of contexts and threads.
/// A *context* holds what one caller needs to run it: arena, worker threads, prepared launches. It is used by one thread at a time.
/// A *layout* is a plan laid out for given input shapes: output shapes, launches, arena slices. Contexts make and cache their own;
/// applications make one to ask for sizes without running anything.
///
/// Errors are values: every function that can fail returns a tn_status and leaves a sentence that says what was found and what was expected,
/// in `tn_last_message(ctx)` for functions that take a context, in `tn_last_error()` for the others. Nothing throws, prints or aborts.
/// Option and info structs start with `struct_size`, which the caller sets to sizeof: that is how they grow without breaking old callers.
/// Strings that a plan hands out are UTF-8, NUL-terminated and live as long as the plan.
#ifndef TENON_RUNTIME_H
#define TENON_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define TN_API __attribute__((visibility("default")))
#else
#define TN_API
#endif

#ifdef __cplusplus
#define TN_ENUM : int32_t // any value may come in from C
extern "C" {
#else
#define TN_ENUM
#endif

/// Largest rank of a tensor that crosses the interface.
#define TN_MAX_RANK 8

typedef enum tn_status TN_ENUM {
  TN_OK = 0,
  TN_INVALID_ARGUMENT = 1,    ///< a null pointer, an index out of range, memory that is not aligned
  TN_IO = 2,                  ///< a file cannot be opened, read or mapped
  TN_BAD_PLAN = 3,            ///< not a plan, truncated, or corrupted
  TN_UNSUPPORTED_VERSION = 4, ///< the plan was written for a newer runtime
  TN_WRONG_TARGET = 5,        ///< the plan was compiled for another architecture, needs CPU features that are missing, or has no code for this GPU
  TN_NAME_NOT_FOUND = 6,      ///< no input or output has this name
  TN_SHAPE_MISMATCH = 7,      ///< rank, dimension or memory size does not fit the signature
  TN_TYPE_MISMATCH = 8,       ///< the element type does not fit the signature
  TN_OUT_OF_ARENA = 9,        ///< the arena that the application gave is too small
  TN_OUT_OF_MEMORY = 10,      ///< the allocator returned null
  TN_LIMIT = 11,              ///< a limit that the application set would be exceeded
  TN_DEVICE = 12              ///< the device, or the operating system below it, refused: threads, affinity, executable memory; a GPU or its driver
} tn_status;

/// Element types. Values are part of the plan format and never change.
typedef enum tn_dtype TN_ENUM {
  TN_DTYPE_NONE = 0,
  TN_F32 = 1,
  TN_F16 = 2,
  TN_BF16 = 3,
  TN_F64 = 4,
  TN_I8 = 5,
  TN_I16 = 6,
  TN_I32 = 7,
  TN_I64 = 8,
  TN_U8 = 9,
  TN_U16 = 10,
  TN_U32 = 11,
  TN_U64 = 12,
  TN_BOOL = 13, ///< one byte, 0 or 1
  TN_I4 = 14,   ///< two elements a byte, the even one in the low half
  TN_U4 = 15,
  TN_F8E4M3FN = 16,
  TN_F8E5M2 = 17,
  TN_F8E4M3FNUZ = 18,
  TN_F8E5M2FNUZ = 19,
  TN_STRING = 20,
  TN_C64 = 21,
  TN_C128 = 22,
  TN_I2 = 23, ///< four elements a byte, the first one in the lowest bits
  TN_U2 = 24,
  TN_F4E2M1 = 25, ///< two elements a byte, as TN_I4
  TN_F8E8M0 = 26
} tn_dtype;

/// What a tensor of a plan is of the model's input or output. Most are all of it. What is no tensor of numbers is passed as the tensors it consists of,
/// neighbours in the signature and named after it, in this order:
///
///   an optional              NAME.present, a boolean, and the parts of what it holds; where that is false, they may be anything of their types and shapes
///   a tensor in an optional  NAME.data
///   a sequence of tensors    NAME.data [elements], the tensors one behind the other, and NAME.shapes, i64 [tensors, 8]: the sizes of each, then -1
///   a tensor of strings      NAME.bytes, u8 [bytes], the strings one behind the other (UTF-8, not terminated), and NAME.ends, i64 of the tensor's shape:
///                            the position behind each string, which is where the next one starts (the layout of Apache Arrow)
///   a sequence of those      NAME.bytes, NAME.ends [elements] and NAME.shapes
///
/// A sequence whose shapes do not add up to its elements fails the run; ends that lie outside the bytes are moved to the nearest end. Outputs are well-formed.
typedef enum tn_part TN_ENUM {
  TN_PART_WHOLE = 0,
  TN_PART_PRESENT = 1,
  TN_PART_DATA = 2,
  TN_PART_SHAPES = 3,
  TN_PART_BYTES = 4,
  TN_PART_ENDS = 5
} tn_part;

/// A dense row-major tensor in the caller's memory. Zero-initialise it.
typedef struct tn_tensor {
  void *data;    ///< aligned to the element size; null asks the context to place an output
  size_t bytes;  ///< size of the memory at `data`; at least what dtype and dims need
  tn_dtype dtype;
  int32_t rank;
  int64_t dims[TN_MAX_RANK];
} tn_tensor;

typedef struct tn_plan tn_plan;
typedef struct tn_context tn_context;
typedef struct tn_layout tn_layout;

/// Version of this library, "0.1.0". Static.
TN_API const char *tn_version(void);
/// "TN_SHAPE_MISMATCH" for TN_SHAPE_MISMATCH. Static, never null.
TN_API const char *tn_status_name(tn_status status);
/// "f32" for TN_F32; "?" for an unknown value. Static, never null.
TN_API const char *tn_dtype_name(tn_dtype dtype);
/// Bits of one element; 0 for TN_STRING, TN_DTYPE_NONE and unknown values.
TN_API uint32_t tn_dtype_bits(tn_dtype dtype);
/// Bytes that `count` elements take, sub-byte types rounded up to whole bytes; -1 when that is negative or overflows.
TN_API int64_t tn_dtype_bytes(tn_dtype dtype, int64_t count);
/// What went wrong in this thread's last failed call of a function that takes no context. Valid until the next such failure; never null.
TN_API const char *tn_last_error(void);
/// Whether this machine has a CPU feature, named as LLVM does ("avx2", "fma", "avx512f", "dotprod"): 1 yes, 0 no, -1 the name is not known here.
TN_API int tn_cpu_has(const char *feature);

// ---------------------------------------------------------------------------------------------------------------------
// Plans. Every function below may be called from any number of threads for one plan.

/// Check the checksum of the weights too while opening: time in proportion to the file's size.
#define TN_OPEN_VERIFY 1u
/// tn_plan_open_memory: use the caller's bytes in place (aligned to 64); they must outlive the plan and its contexts. Otherwise they are copied.
#define TN_OPEN_BORROW 2u

/// Opens a plan file: maps it, checks header, section table, the checksums of metadata and code, and every index, offset and size in the
/// metadata, in about a millisecond whatever the file's size. The file must not be truncated or rewritten in place while it is open (replace it by rename).
///
/// A plan is code, like a shared library: nothing of it runs before tn_run, and opening never reads outside the file, but kernels are trusted.
/// `*plan` is set on success only; close it with tn_plan_close.
/// Errors: TN_IO, TN_BAD_PLAN, TN_UNSUPPORTED_VERSION, TN_WRONG_TARGET, TN_OUT_OF_MEMORY, TN_DEVICE.
TN_API tn_status tn_plan_open(const char *path, uint32_t flags, tn_plan **plan);
/// The same for `size` bytes in memory.
TN_API tn_status tn_plan_open_memory(const void *bytes, size_t size, uint32_t flags, tn_plan **plan);
/// Drops the caller's reference. Contexts and layouts keep the plan alive. Null is allowed.
TN_API void tn_plan_close(tn_plan *plan);

/// Checks everything about a plan without keeping it: structure, padding, and the checksums of all sections. tn_last_error() says what is wrong.
/// A plan for another machine that is otherwise intact gives TN_WRONG_TARGET.
TN_API tn_status tn_plan_check(const char *path);
TN_API tn_status tn_plan_check_memory(const void *bytes, size_t size);

typedef struct tn_plan_info {
  uint32_t struct_size;
  uint32_t format_version;
  const char *producer;   ///< "tenon 0.1.0"
  const char *model;      ///< name of the model, "" if it has none
  const char *arch;       ///< "x86_64", "aarch64"
  const char *cpu;        ///< CPU the code was tuned for, informative: "znver2"
  const char *tuning;     ///< where the schedules come from, "" for the cost model
  uint32_t feature_count; ///< CPU features the code needs: tn_plan_feature
  uint32_t input_count;
  uint32_t output_count;
  uint32_t symbol_count;
  uint32_t kernel_count;
  uint32_t step_count;
  uint32_t buffer_count;
  uint32_t constant_count;
  uint64_t file_bytes;
  uint64_t metadata_bytes;
  uint64_t weights_bytes;
  uint64_t code_bytes;
  int32_t is_static;          ///< 1: all shapes and arena offsets are fixed in the plan
  uint32_t device_code_count; ///< architectures of GPUs that the plan has code for: tn_plan_device_code
  const char *device;         ///< where it runs: "cpu", "cuda"
  uint32_t variant_count;     ///< this one included: tn_plan_variant
} tn_plan_info;
TN_API tn_status tn_plan_get_info(const tn_plan *plan, tn_plan_info *info);
/// A plan for GPUs may hold a variant for each of several architectures: the same symbols, inputs and outputs, other kernels, steps and buffers. What is
/// asked of a plan is answered for its first variant, number 0, which is the plan itself; ask the others for theirs. File, metadata, weights
/// and code sizes are those of all together. Variants live as long as the plan and are not closed. Null when out of range.
TN_API const tn_plan *tn_plan_variant(const tn_plan *plan, uint32_t index);
/// The i-th CPU feature that the code needs; null when out of range.
TN_API const char *tn_plan_feature(const tn_plan *plan, uint32_t index);

/// Code for a GPU in a plan: machine code for one architecture ("sm_90") and its generation, or PTX that drivers compile for it and later ones.
typedef struct tn_device_code_info {
  uint32_t struct_size;
  int32_t is_ptx;
  const char *arch;
  uint64_t bytes;
} tn_device_code_info;
TN_API tn_status tn_plan_device_code(const tn_plan *plan, uint32_t index, tn_device_code_info *info);

typedef struct tn_tensor_info {
  uint32_t struct_size;
  tn_dtype dtype;
  const char *name;
  int32_t rank;
  int64_t dims[TN_MAX_RANK];           ///< -1 where the dimension is free, or known only once the plan has run
  const char *dim_text[TN_MAX_RANK];   ///< the dimension as an expression of symbols, "batch", "floordiv(h, 8)" or "/NonZero.count"; "" where it is fixed
  const char *value;                   ///< the model's input or output that this is, or is part of
  tn_part part;
} tn_tensor_info;
TN_API tn_status tn_plan_input(const tn_plan *plan, uint32_t index, tn_tensor_info *info);
TN_API tn_status tn_plan_output(const tn_plan *plan, uint32_t index, tn_tensor_info *info);
/// Index of the input or output called `name`. Errors: TN_NAME_NOT_FOUND, whose message lists the names there are.
TN_API tn_status tn_plan_find_input(const tn_plan *plan, const char *name, uint32_t *index);
TN_API tn_status tn_plan_find_output(const tn_plan *plan, const char *name, uint32_t *index);

/// A free dimension: its value is the size of axis `axis` of input `input`; wherever else it occurs it must have the same value.
typedef struct tn_symbol_info {
  uint32_t struct_size;
  uint32_t input;
  uint32_t axis;
  const char *name;
  int64_t minimum; ///< smallest and largest value allowed, inclusive
  int64_t maximum;
} tn_symbol_info;
TN_API tn_status tn_plan_symbol(const tn_plan *plan, uint32_t index, tn_symbol_info *info);

typedef struct tn_kernel_info {
  uint32_t struct_size;
  uint32_t launches;    ///< steps that call it
  const char *name;
  const char *family;    ///< "contraction", "depthwise", "elementwise" …
  const char *schedule;  ///< the #kernel.schedule, as text
  uint64_t entry;        ///< offset of the function in the code section
  uint32_t threads;      ///< of a block; 0 on a CPU
  uint32_t shared_bytes; ///< dynamic shared memory of a block
  uint32_t map_count;    ///< tensor maps: tn_plan_tensor_map
  const char *library;   ///< "cublasLt" or "cuDNN" where that computes it instead of code in the plan; else ""
} tn_kernel_info;
TN_API tn_status tn_plan_kernel(const tn_plan *plan, uint32_t index, tn_kernel_info *info);

/// How a kernel for a GPU sees one of its buffers through the unit that copies tiles of tensors: what the runtime makes a CUtensorMap of, a parameter
/// behind the kernel's buffers and symbols. Axes are listed from the innermost on.
typedef struct tn_tensor_map_info {
  uint32_t struct_size;
  uint32_t buffer; ///< of the kernel's: arguments, then results
  uint64_t offset; ///< in bytes
  uint32_t element_bytes;
  uint32_t rank;
  uint32_t swizzle_bytes;
  uint32_t is_images; ///< encoded as im2col: `box` is channels and pixels, and there are corners
  uint64_t sizes[5];
  uint64_t strides[4]; ///< in bytes, of all axes but the first
  uint32_t steps[5];
  uint32_t box[5];
  int32_t lower[3];
  int32_t upper[3];
} tn_tensor_map_info;
TN_API tn_status tn_plan_tensor_map(const tn_plan *plan, uint32_t kernel, uint32_t index, tn_tensor_map_info *info);

/// What a step does. TN_STEP_READ_SIZES, TN_STEP_IF and TN_STEP_LOOP decide how the run goes on: the processor does that, for plans on GPUs too, and reads
/// there what it needs, once the GPU has computed it.
typedef enum tn_step_kind TN_ENUM {
  TN_STEP_LAUNCH = 1,     ///< calls a kernel
  TN_STEP_COPY = 2,       ///< copies memory
  TN_STEP_READ_SIZES = 3, ///< makes numbers that were computed the sizes of tensors
  TN_STEP_REQUIRE = 4,    ///< ends the run where two sizes do not fit
  TN_STEP_IF = 5,         ///< runs one of two plans
  TN_STEP_LOOP = 6        ///< runs a plan again and again
} tn_step_kind;

/// One step of the plan, in the order of execution.
typedef struct tn_step_info {
  uint32_t struct_size;
  int32_t kernel;        ///< index of the kernel; -1 for a copy of memory, a definition of sizes, or a call of a plan (If, Loop)
  uint32_t source_count; ///< nodes of the model that the step computes: tn_plan_step_source
  tn_step_kind kind;
} tn_step_info;
TN_API tn_status tn_plan_step(const tn_plan *plan, uint32_t index, tn_step_info *info);
/// Name of the i-th source node of a step; null when out of range.
TN_API const char *tn_plan_step_source(const tn_plan *plan, uint32_t step, uint32_t index);

typedef struct tn_constant_info {
  uint32_t struct_size;
  const char *name;
  uint64_t offset; ///< in the weights section
  uint64_t bytes;
} tn_constant_info;
TN_API tn_status tn_plan_constant(const tn_plan *plan, uint32_t index, tn_constant_info *info);

// ---------------------------------------------------------------------------------------------------------------------
// Layouts: a plan at given input shapes. Immutable once made; any thread may query them.

/// Lays the plan out for the shapes (rank, dims) of `inputs`, one for each input of the signature; data, bytes and dtype are ignored.
/// `inputs` may be null for a plan whose inputs have no free dimension. Errors: TN_SHAPE_MISMATCH, TN_OUT_OF_MEMORY.
TN_API tn_status tn_layout_create(const tn_plan *plan, const tn_tensor *inputs, tn_layout **layout);
TN_API void tn_layout_destroy(tn_layout *layout);

typedef struct tn_memory_info {
  uint32_t struct_size;
  uint32_t alignment;    ///< of the arena
  uint64_t arena_bytes;  ///< intermediate tensors and workspaces
  uint64_t lower_bound;  ///< largest sum of live bytes at any step: no arena can be smaller
  uint64_t naive_bytes;  ///< what they would take without reuse
  uint64_t output_bytes; ///< extra room for outputs whose data is null
  uint64_t weights_bytes;
} tn_memory_info;
/// An application that gives its own arena needs arena_bytes, plus output_bytes if it leaves outputs to the context. Tensors whose size depends on
/// values, or belongs to a branch or a loop, are in none of these numbers: the context allocates them in the first runs, and max_bytes bounds them.
/// On a GPU outputs are left to the context where the plan has steps that decide (tn_step_kind), and take room in its arena, and else never; copies
/// of inputs and outputs are the context's.
TN_API tn_status tn_layout_memory(const tn_layout *layout, tn_memory_info *info);
/// Fills dtype, rank, dims and bytes of `tensor`; data becomes null.
TN_API tn_status tn_layout_output(const tn_layout *layout, uint32_t index, tn_tensor *tensor);

typedef struct tn_step_cost {
  uint32_t struct_size;
  uint32_t tasks;
  int64_t flops; ///< floating-point operations; -1 where only a run knows
  int64_t bytes; ///< memory read and written; -1 where only a run knows
} tn_step_cost;
TN_API tn_status tn_layout_step(const tn_layout *layout, uint32_t step, tn_step_cost *cost);

/// A slice of the arena.
typedef struct tn_buffer_info {
  uint32_t struct_size;
  uint32_t first_step; ///< live from the step that first writes it to the last that reads it, inclusive
  uint32_t last_step;
  uint32_t alignment;
  uint64_t offset;
  uint64_t bytes; ///< 0 where only a run knows
} tn_buffer_info;
TN_API tn_status tn_layout_buffer(const tn_layout *layout, uint32_t index, tn_buffer_info *info);

// ---------------------------------------------------------------------------------------------------------------------
// Contexts

/// Memory functions of the application. Both must be set, or neither. `allocate` returns null when it has no memory.
typedef struct tn_allocator {
  void *(*allocate)(void *user, size_t bytes, size_t alignment);
  void (*release)(void *user, void *memory, size_t bytes);
  void *user;
} tn_allocator;

/// Zero in a field means its default. TN_CONTEXT_OPTIONS_INIT sets struct_size and zeroes the rest.
typedef struct tn_context_options {
  uint32_t struct_size;
  uint32_t threads;       ///< the caller included; 0: one for each physical core that the process may use
  const int32_t *cpus;    ///< worker i runs on CPU cpus[i] only, i in [1, threads); cpus[0] is the caller's, whose affinity is left alone
  uint32_t cpu_count;     ///< 0, or at least `threads`
  uint32_t spin_us;       ///< how long an idle worker spins before it sleeps; 0: 200 µs
  tn_allocator allocator; ///< for all the memory of the context except threads' stacks; null functions: the C library
  void *arena; ///< memory to use instead of allocating the arena, aligned to tn_memory_info.alignment; stays the caller's. On a GPU its memory
  size_t arena_bytes;
  size_t max_bytes;     ///< refuse shapes that need more memory than this; 0: no limit
  uint32_t max_layouts; ///< input shapes whose layout is kept, least recently used ones go first; 0: 16
  uint32_t profile;     ///< 1: measure every step from the first run on
  uint32_t device;      ///< of a plan for a GPU: which one, as the driver counts them. Such a context has no threads of its own
} tn_context_options;
#define TN_CONTEXT_OPTIONS_INIT {(uint32_t)sizeof(tn_context_options), 0, NULL, 0, 0, {NULL, NULL, NULL}, NULL, 0, 0, 0, 0, 0}

/// A GPU, as its driver describes it.
typedef struct tn_device_info {
  uint32_t struct_size;
  uint32_t capability; ///< 10 * major + minor: 90 for sm_90
  char name[96];
  uint32_t multiprocessors;
  uint32_t clock_khz;    ///< the highest
  uint64_t memory_bytes; ///< all of it
  uint64_t bytes_per_s;  ///< of its memory, at the highest clock
} tn_device_info;
/// GPU number `device` of this machine, as tn_context_options.device counts. Errors: TN_DEVICE where there is no driver or no such GPU, TN_WRONG_TARGET
/// where the library was built without GPUs.
TN_API tn_status tn_device_get_info(uint32_t device, tn_device_info *info);

/// Makes a context; `options` may be null. `*context` is set on success only. On failure tn_last_error() says why.
/// The context keeps the plan open. Kernels compute in the floating-point environment of the thread that runs them; workers inherit that of the
/// thread that makes the context. Nothing switches denormals off: do so before making the context if the model needs it. Do not fork a process and go on using a context with threads > 1 in the child.
/// Errors: TN_INVALID_ARGUMENT, TN_OUT_OF_MEMORY, TN_DEVICE.
TN_API tn_status tn_context_create(tn_plan *plan, const tn_context_options *options, tn_context **context);
TN_API void tn_context_destroy(tn_context *context);
/// The plan that the context runs: of a plan with several variants that with the best code for the context's GPU. Its steps are those of tn_profile_step.
TN_API const tn_plan *tn_context_plan(const tn_context *context);

/// Runs the plan once, synchronously.
///
/// `inputs` and `outputs` hold one tensor for each entry of the plan's signature, in its order; their memory stays the caller's, is read and written
/// in place, and must not overlap. Inputs: data, bytes, dtype, rank and dims must be set. Outputs: rank and dims are filled in; dtype is
/// filled in if it is TN_DTYPE_NONE and checked otherwise; `bytes` is the room at `data`, at least what the result needs.
/// The size of an output may depend on the inputs' values (dims of tn_plan_output are -1 and dim_text names no input's dimension): leave `data` null then, or give
/// enough room; the run fails with TN_SHAPE_MISMATCH where it is not enough, or where sizes that the model computes do not fit each other.
/// An output whose `data` is null, or still points to where this context put it, is placed in the context's memory and stays valid until the next run;
/// its data and bytes are filled in.
/// Not thread safe for one context; any number of contexts of one plan may run at the same time.
/// After the first run with given shapes it allocates nothing, takes no lock and makes no system call (threads = 1); a run of which a tensor is larger
/// than in all runs before, because values said so, allocates.
///
/// Errors: TN_INVALID_ARGUMENT, TN_SHAPE_MISMATCH, TN_TYPE_MISMATCH, TN_OUT_OF_ARENA, TN_OUT_OF_MEMORY, TN_LIMIT, TN_DEVICE.
/// `tn_last_message(ctx)` names the tensor, what was found and what was expected.
TN_API tn_status tn_run(tn_context *context, const tn_tensor *inputs, tn_tensor *outputs);

/// Queues one run on a CUDA stream (a CUstream or cudaStream_t; null: the default stream) of a plan for a GPU, and returns at once.
///
/// Tensors as for tn_run, but all of them in the GPU's memory; they must stay as they are until the stream has passed the run. Memory aligned to 16
/// bytes is used in place; runs that repeat addresses and shapes launch a graph that is already there. Queue the runs of one context on one stream,
/// or wait between them: they share the context's arena. (tn_run too takes tensors in the GPU's memory, and mixes of both; it waits for what was
/// queued on the default stream before, which may still write them. What the driver does not know is the host's for it, unless this process cannot
/// read it.) Errors: as tn_run; TN_INVALID_ARGUMENT where the plan runs on the CPU, a tensor
/// is not in the GPU's memory, or the plan has steps that decide (tn_step_kind): the run waits for the GPU there, and tn_run is what runs it.
TN_API tn_status tn_run_async(tn_context *context, const tn_tensor *inputs, tn_tensor *outputs, void *stream);

/// Fills dtype, rank and dims of `outputs` for the shapes (rank, dims) of `inputs`, without running; `bytes` becomes what each result needs, data is left alone.
/// A dimension that depends on the inputs' values becomes -1, and `bytes` then 0: only a run knows it.
/// Prepares the run with these shapes: the next tn_run with them is as fast as the following ones.
TN_API tn_status tn_output_shapes(tn_context *context, const tn_tensor *inputs, tn_tensor *outputs);

/// What went wrong in the last failed call with this context. Valid until the next call with it; never null.
TN_API const char *tn_last_message(const tn_context *context);

/// The number of threads the context runs with, the caller included.
TN_API uint32_t tn_context_threads(const tn_context *context);
/// Bytes the context holds now: arena, outputs, layouts.
TN_API uint64_t tn_context_bytes(const tn_context *context);

/// Switches measuring of steps on (1) or off (0); switching on clears the numbers. Costs two clock readings a step (about 50 ns).
/// 2: on a GPU every step is launched sixteen times in a row, which overlap as steps of a run do, and its time is a sixteenth of theirs. What such
/// a run computes is of no use: steps may overwrite what they read. On a CPU the same as 1.
TN_API tn_status tn_profile(tn_context *context, int on);
typedef struct tn_step_profile {
  uint32_t struct_size;
  uint32_t runs;     ///< runs measured
  uint64_t last_ns;  ///< wall time of the step, all tasks
  uint64_t min_ns;
  uint64_t total_ns;
} tn_step_profile;
TN_API tn_status tn_profile_step(const tn_context *context, uint32_t step, tn_step_profile *profile);

#ifdef __cplusplus
}
#endif
#endif
