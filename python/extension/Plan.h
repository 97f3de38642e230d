// An open plan as a Python object.
#pragma once
#include "tenon/runtime.h"

#include <memory>
#include <nanobind/nanobind.h>
#include <span>
#include <string>

namespace tenon::python {

/// Shared by its contexts; immutable.
class Plan {
public:
  /// Maps a plan file. Raises tenon.RunError.
  static Plan open(const std::string &path, bool verify);
  /// Keeps a copy of the bytes. Raises tenon.RunError.
  static Plan fromBytes(std::span<const std::byte> bytes, bool verify);

  tn_plan *get() const { return handle.get(); }
  tn_plan_info info() const;
  tn_tensor_info input(uint32_t index) const;
  tn_tensor_info output(uint32_t index) const;
  /// The bytes that `fromBytes` was given; empty for a mapped file.
  std::span<const std::byte> contents() const { return {memory.get(), size}; }

private:
  // The plan reads the memory in place, so it goes first.
  std::shared_ptr<std::byte> memory;
  size_t size = 0;
  std::shared_ptr<tn_plan> handle;
};

/// Adds class Plan to the extension module.
void definePlan(nanobind::module_ &module);

} // namespace tenon::python
