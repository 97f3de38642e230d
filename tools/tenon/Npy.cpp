#include "tools/tenon/Npy.h"
#include "tools/tenon/Failure.h"

#include <charconv>
#include <cstring>
#include <string_view>

namespace tenon::driver {
namespace {

struct TypeCode {
  std::string_view text; // without the byte order
  tn_dtype dtype;
};
constexpr TypeCode kTypes[] = {{"f4", TN_F32}, {"f2", TN_F16}, {"f8", TN_F64}, {"V2", TN_BF16}, {"i1", TN_I8},  {"i2", TN_I16},
                               {"i4", TN_I32}, {"i8", TN_I64}, {"u1", TN_U8},  {"u2", TN_U16},  {"u4", TN_U32}, {"u8", TN_U64},
                               {"b1", TN_BOOL}, {"c8", TN_C64}, {"c16", TN_C128}};

/// A reader of the header: a Python dictionary literal with the keys descr, fortran_order and shape.
class Header {
public:
  Header(std::string_view text, const std::string &what) : text(text), what(what) {}

  tn_dtype dtype() const {
    std::string_view value = valueOf("descr");
    if (value.size() < 2 || (value[0] != '\'' && value[0] != '"'))
      fail("is an array of records; an array of numbers was expected");
    std::string_view code = value.substr(1, value.find(value[0], 1) - 1);
    if (!code.empty() && code[0] == '>')
      fail("is big-endian; save it with .astype('" + std::string(code.substr(1)) + "')");
    for (const TypeCode &type : kTypes)
      if (code.size() > 1 && code.substr(1) == type.text)
        return type.dtype;
    fail("has elements of type '" + std::string(code) + "', which is not supported");
  }

  bool fortranOrder() const { return valueOf("fortran_order").substr(0, 4) == "True"; }

  std::vector<int64_t> shape() const {
    std::string_view value = valueOf("shape");
    size_t close = value.find(')');
    if (value.empty() || value[0] != '(' || close == std::string_view::npos)
      fail("has a header without a shape");
    std::vector<int64_t> dims;
    const char *at = value.data() + 1, *end = value.data() + close;
    for (;;) {
      while (at != end && (*at == ' ' || *at == ',' || *at == 'L'))
        at++;
      if (at == end)
        return dims;
      int64_t dim = 0;
      auto [next, error] = std::from_chars(at, end, dim);
      if (error != std::errc() || dim < 0)
        fail("has a header whose shape is not a list of sizes");
      dims.push_back(dim);
      at = next;
    }
  }

private:
  [[noreturn]] void fail(const std::string &message) const { throw Failure(what + ": " + message); }

  std::string_view valueOf(std::string_view key) const {
    for (char quote : {'\'', '"'}) {
      std::string quoted = quote + std::string(key) + quote;
      size_t at = text.find(quoted);
      if (at == std::string_view::npos)
        continue;
      at = text.find_first_not_of(" :", at + quoted.size());
      if (at != std::string_view::npos)
        return text.substr(at);
    }
    fail("has a header without '" + std::string(key) + "'");
  }

  std::string_view text;
  const std::string &what;
};

/// Copies a column-major array into row-major order.
void transposeFortran(const std::byte *from, HostTensor &to, size_t elementBytes) {
  size_t rank = to.dims.size();
  std::vector<int64_t> strides(rank), index(rank, 0);
  int64_t stride = 1;
  for (size_t i = 0; i < rank; i++) {
    strides[i] = stride;
    stride *= to.dims[i];
  }
  int64_t count = to.elements();
  int64_t source = 0;
  for (int64_t i = 0; i < count; i++) {
    std::memcpy(to.data.data() + size_t(i) * elementBytes, from + size_t(source) * elementBytes, elementBytes);
    for (size_t axis = rank; axis-- > 0;) {
      source += strides[axis];
      if (++index[axis] < to.dims[axis])
        break;
      source -= strides[axis] * to.dims[axis];
      index[axis] = 0;
    }
  }
}

} // namespace

size_t npyHeaderBytes(std::span<const std::byte> bytes, const std::string &what) {
  auto byte = [&](size_t i) { return size_t(bytes[i]); };
  if (bytes.size() < 10 || std::memcmp(bytes.data(), "\x93NUMPY", 6) != 0)
    throw Failure(what + ": is not a .npy array");
  size_t version = byte(6);
  size_t start = version == 1 ? 10 : 12;
  if (version < 1 || version > 3 || bytes.size() < start)
    throw Failure(what + ": has .npy version " + std::to_string(version) + "; 1 to 3 are supported");
  return start + (version == 1 ? byte(8) | byte(9) << 8 : byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24);
}

NpyHeader parseNpyHeader(std::span<const std::byte> bytes, const std::string &what) {
  size_t end = npyHeaderBytes(bytes, what), start = size_t(bytes[6]) == 1 ? 10 : 12;
  if (end > bytes.size())
    throw Failure(what + ": is truncated in its header");
  Header header({reinterpret_cast<const char *>(bytes.data()) + start, end - start}, what);
  return {header.dtype(), header.shape(), header.fortranOrder()};
}

HostTensor parseNpy(std::span<const std::byte> bytes, const std::string &what) {
  auto [dtype, dims, isFortran] = parseNpyHeader(bytes, what);
  std::span<const std::byte> data = bytes.subspan(npyHeaderBytes(bytes, what));
  int64_t expected = bytesOf(dtype, dims, what);
  if (uint64_t(expected) > data.size())
    throw Failure(what + ": is truncated: " + typeText(dtype, dims) + " takes " + std::to_string(expected) + " bytes, " + std::to_string(data.size()) + " are there");
  HostTensor tensor(dtype, dims, what);
  if (isFortran && expected > 0)
    transposeFortran(data.data(), tensor, tn_dtype_bits(dtype) / 8);
  else if (expected > 0)
    std::memcpy(tensor.data.data(), data.data(), size_t(expected));
  return tensor;
}

std::string npyHeader(tn_dtype dtype, const std::vector<int64_t> &dims, const std::string &what) {
  std::string descr;
  for (const TypeCode &type : kTypes)
    if (type.dtype == dtype)
      descr = (tn_dtype_bits(dtype) == 8 ? "|" : "<") + std::string(type.text);
  if (descr.empty())
    throw Failure(what + ": " + tn_dtype_name(dtype) + " cannot be written as a NumPy array");
  std::string shape;
  for (int64_t dim : dims)
    shape += std::to_string(dim) + ",";
  std::string text = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  constexpr size_t kPrefix = 10;
  text.resize((kPrefix + text.size() + 1 + 63) / 64 * 64 - kPrefix - 1, ' ');
  text += '\n';
  std::string header = "\x93NUMPY";
  header += {'\1', '\0', char(text.size() & 255), char(text.size() >> 8)};
  return header + text;
}

} // namespace tenon::driver
