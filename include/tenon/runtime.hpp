/// C++20 wrapper of Tenon's runtime (include/tenon/runtime.h): header-only, owns handles, takes and returns values.
///
///   auto plan = tenon::Plan::open("model.plan");
///   if (!plan)
///     return fail(plan.error().message);
///   auto context = tenon::Context::create(*plan, {.threads = 4});
///   std::vector<float> image(3 * 224 * 224);
///   auto outputs = context->run({tenon::tensor(image, {1, 3, 224, 224})});
///   std::span<const float> scores = (*outputs)[0].as<float>();
///
/// Nothing here throws unless it is asked to: `Result::value()` does where exceptions are enabled. What a function documents in runtime.h holds here.
#pragma once

#include "tenon/runtime.h"

#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>
#if defined(__cpp_exceptions)
#include <stdexcept>
#endif

namespace tenon {

struct Error {
  tn_status status = TN_OK;
  std::string message;
};

#if defined(__cpp_exceptions)
struct Exception : std::runtime_error {
  explicit Exception(const Error &error) : std::runtime_error(error.message), status(error.status) {}
  tn_status status;
};
#endif

/// A value or an Error.
template <typename T> class Result {
public:
  Result(T value) : state(std::move(value)) {}
  Result(Error error) : state(std::move(error)) {}
  explicit operator bool() const { return std::holds_alternative<T>(state); }
  /// Only where there is a value.
  T &operator*() { return *std::get_if<T>(&state); }
  T *operator->() { return std::get_if<T>(&state); }
  /// Only where there is none.
  const Error &error() const { return *std::get_if<Error>(&state); }
  /// The value; otherwise throws tenon::Exception, or aborts where exceptions are disabled.
  T value() && {
    if (!*this)
#if defined(__cpp_exceptions)
      throw Exception(error());
#else
      std::abort();
#endif
    return std::move(**this);
  }

private:
  std::variant<T, Error> state;
};

/// The tn_dtype of a C++ type.
template <typename T> constexpr tn_dtype dtypeOf() {
  if constexpr (std::is_same_v<T, float>)
    return TN_F32;
  else if constexpr (std::is_same_v<T, double>)
    return TN_F64;
  else if constexpr (std::is_same_v<T, bool>)
    return TN_BOOL;
  else {
    static_assert(std::is_integral_v<T>, "set tn_tensor.dtype by hand for this type");
    constexpr tn_dtype types[2][4] = {{TN_U8, TN_U16, TN_U32, TN_U64}, {TN_I8, TN_I16, TN_I32, TN_I64}};
    return types[std::is_signed_v<T>][sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3];
  }
}

/// A tn_tensor over the caller's memory, which must outlive it. At most TN_MAX_RANK dims.
template <typename T> tn_tensor tensor(std::span<T> data, std::span<const int64_t> dims) {
  tn_tensor tensor = {};
  tensor.data = const_cast<std::remove_const_t<T> *>(data.data());
  tensor.bytes = data.size_bytes();
  tensor.dtype = dtypeOf<std::remove_const_t<T>>();
  tensor.rank = int32_t(dims.size());
  for (size_t axis = 0; axis < dims.size() && axis < TN_MAX_RANK; ++axis)
    tensor.dims[axis] = dims[axis];
  return tensor;
}
template <typename Container> tn_tensor tensor(Container &data, std::initializer_list<int64_t> dims) {
  return tensor(std::span(data), std::span(dims.begin(), dims.size()));
}

/// A result. Its memory is the context's, until its next run, unless the caller gave it.
struct Output : tn_tensor {
  /// Its elements; empty when T is not the element type.
  template <typename T> std::span<const T> as() const {
    if (dtype != dtypeOf<T>())
      return {};
    int64_t count = 1;
    for (int32_t axis = 0; axis < rank; ++axis)
      count *= dims[axis];
    return {static_cast<const T *>(data), size_t(count)};
  }
  std::span<const int64_t> shape() const { return {dims, size_t(rank)}; }
};
static_assert(sizeof(Output) == sizeof(tn_tensor), "an array of outputs is an array of tensors");

/// An open plan. Copies share it.
class Plan {
public:
  static Result<Plan> open(const std::string &path, uint32_t flags = 0) {
    tn_plan *plan = nullptr;
    tn_status status = tn_plan_open(path.c_str(), flags, &plan);
    return wrap(status, plan);
  }
  static Result<Plan> openMemory(std::span<const std::byte> bytes, uint32_t flags = 0) {
    tn_plan *plan = nullptr;
    tn_status status = tn_plan_open_memory(bytes.data(), bytes.size(), flags, &plan);
    return wrap(status, plan);
  }
  tn_plan *get() const { return handle.get(); }

  tn_plan_info info() const {
    tn_plan_info info = {};
    info.struct_size = sizeof info;
    tn_plan_get_info(get(), &info);
    return info;
  }
  std::vector<tn_tensor_info> inputs() const { return signature(tn_plan_input, info().input_count); }
  std::vector<tn_tensor_info> outputs() const { return signature(tn_plan_output, info().output_count); }
  Result<uint32_t> inputIndex(const std::string &name) const { return index(tn_plan_find_input, name); }
  Result<uint32_t> outputIndex(const std::string &name) const { return index(tn_plan_find_output, name); }

private:
  explicit Plan(tn_plan *plan) : handle(plan, tn_plan_close) {}
  static Result<Plan> wrap(tn_status status, tn_plan *plan) {
    if (status)
      return Error{status, tn_last_error()};
    return Plan(plan);
  }
  template <typename Query> std::vector<tn_tensor_info> signature(Query query, uint32_t count) const {
    std::vector<tn_tensor_info> tensors(count);
    for (uint32_t i = 0; i < count; ++i) {
      tensors[i].struct_size = sizeof(tn_tensor_info);
      query(get(), i, &tensors[i]);
    }
    return tensors;
  }
  template <typename Find> Result<uint32_t> index(Find find, const std::string &name) const {
    uint32_t index = 0;
    if (tn_status status = find(get(), name.c_str(), &index))
      return Error{status, tn_last_error()};
    return index;
  }
  std::shared_ptr<tn_plan> handle;
};

/// The options one sets by name; tn_context_options has them all.
struct ContextOptions {
  uint32_t threads = 0; ///< 0: one for each physical core
  std::span<const int32_t> cpus = {}; ///< worker i runs on CPU cpus[i] only
  std::span<std::byte> arena = {};
  size_t maxBytes = 0;
  bool profile = false;
  uint32_t device = 0; ///< of a plan for a GPU: which one, as the driver counts them
};

/// Runs a plan. For one thread at a time; move-only.
class Context {
public:
  static Result<Context> create(const Plan &plan, const ContextOptions &options = {}) {
    tn_context_options given = TN_CONTEXT_OPTIONS_INIT;
    given.threads = options.threads;
    given.cpus = options.cpus.data();
    given.cpu_count = uint32_t(options.cpus.size());
    given.arena = options.arena.data();
    given.arena_bytes = options.arena.size();
    given.max_bytes = options.maxBytes;
    given.profile = options.profile;
    given.device = options.device;
    tn_context *context = nullptr;
    if (tn_status status = tn_context_create(plan.get(), &given, &context))
      return Error{status, tn_last_error()};
    tn_plan_info info = plan.info();
    return Context(context, info.input_count, info.output_count);
  }
  tn_context *get() const { return handle.get(); }

  /// Runs with one tensor for each input; outputs are placed in the context and valid until its next run.
  Result<std::span<Output>> run(std::span<const tn_tensor> inputs) {
    for (Output &output : outputs)
      output = {};
    return run(inputs, outputs);
  }
  Result<std::span<Output>> run(std::initializer_list<tn_tensor> inputs) { return run(std::span(inputs.begin(), inputs.size())); }
  /// Runs into the caller's outputs, one for each of the signature.
  Result<std::span<Output>> run(std::span<const tn_tensor> inputs, std::span<Output> results) {
    return checked(inputs, results, [&] { return tn_run(get(), inputs.data(), results.data()); });
  }
  /// Queues a run on a CUDA stream (null: the default one) and returns at once. All tensors are in the GPU's memory and stay there until the stream has
  /// passed the run; runs of one context are queued on one stream.
  Result<std::span<Output>> runAsync(std::span<const tn_tensor> inputs, std::span<Output> results, void *stream = nullptr) {
    return checked(inputs, results, [&] { return tn_run_async(get(), inputs.data(), results.data(), stream); });
  }

private:
  template <typename Run> Result<std::span<Output>> checked(std::span<const tn_tensor> inputs, std::span<Output> results, Run run) {
    if (inputs.size() != inputCount || results.size() != outputs.size())
      return Error{TN_INVALID_ARGUMENT, "the plan has " + std::to_string(inputCount) + " inputs and " + std::to_string(outputs.size()) + " outputs, given are " +
                                            std::to_string(inputs.size()) + " and " + std::to_string(results.size())};
    if (tn_status status = run())
      return Error{status, tn_last_message(get())};
    return results;
  }
  Context(tn_context *context, size_t inputCount, size_t outputCount) : handle(context, tn_context_destroy), inputCount(inputCount), outputs(outputCount) {}
  std::unique_ptr<tn_context, decltype(&tn_context_destroy)> handle;
  size_t inputCount;
  std::vector<Output> outputs;
};

} // namespace tenon
