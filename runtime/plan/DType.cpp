// Element types and status codes by name.
#include "tenon/runtime.h"

#include "runtime/plan/plan_generated.h"

static_assert(int(tenon::plan::format::DType::MAX) == TN_F8E8M0 && int(tenon::plan::format::DType::Bool) == TN_BOOL, "the schema and the C interface number types alike");

namespace {

struct DTypeInfo {
  const char *name;
  uint32_t bits;
};

// In the order of tn_dtype.
constexpr DTypeInfo kTypes[] = {
    {"none", 0}, {"f32", 32}, {"f16", 16}, {"bf16", 16}, {"f64", 64}, {"i8", 8}, {"i16", 16}, {"i32", 32},
    {"i64", 64}, {"u8", 8}, {"u16", 16}, {"u32", 32}, {"u64", 64}, {"bool", 8}, {"i4", 4}, {"u4", 4},
    {"f8e4m3fn", 8}, {"f8e5m2", 8}, {"f8e4m3fnuz", 8}, {"f8e5m2fnuz", 8}, {"string", 0}, {"c64", 64}, {"c128", 128},
    {"i2", 2}, {"u2", 2}, {"f4e2m1", 4}, {"f8e8m0", 8}};
constexpr uint32_t kTypeCount = sizeof kTypes / sizeof kTypes[0];
static_assert(kTypeCount == TN_F8E8M0 + 1);

constexpr const char *kStatusNames[] = {
    "TN_OK", "TN_INVALID_ARGUMENT", "TN_IO", "TN_BAD_PLAN", "TN_UNSUPPORTED_VERSION", "TN_WRONG_TARGET", "TN_NAME_NOT_FOUND",
    "TN_SHAPE_MISMATCH", "TN_TYPE_MISMATCH", "TN_OUT_OF_ARENA", "TN_OUT_OF_MEMORY", "TN_LIMIT", "TN_DEVICE"};
static_assert(sizeof kStatusNames / sizeof kStatusNames[0] == TN_DEVICE + 1);

} // namespace

extern "C" {

const char *tn_version(void) { return TENON_VERSION; }

const char *tn_status_name(tn_status status) { return uint32_t(status) <= TN_DEVICE ? kStatusNames[status] : "?"; }

const char *tn_dtype_name(tn_dtype dtype) { return uint32_t(dtype) < kTypeCount ? kTypes[dtype].name : "?"; }

uint32_t tn_dtype_bits(tn_dtype dtype) { return uint32_t(dtype) < kTypeCount ? kTypes[dtype].bits : 0; }

int64_t tn_dtype_bytes(tn_dtype dtype, int64_t count) {
  int64_t bits = 0;
  if (count < 0 || __builtin_mul_overflow(count, int64_t(tn_dtype_bits(dtype)), &bits) || bits > INT64_MAX - 7)
    return -1;
  return (bits + 7) / 8;
}
}
