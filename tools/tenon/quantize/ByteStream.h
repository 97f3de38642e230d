// Numbers and texts as bytes, and back.
#pragma once
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace tenon::driver {

class ByteWriter {
public:
  /// Small numbers take few bytes: seven bits each.
  void number(uint64_t value) {
    for (; value >= 0x80; value >>= 7)
      bytes += char(value | 0x80);
    bytes += char(value);
  }
  void real(double value) {
    auto bits = std::bit_cast<uint64_t>(value);
    for (int shift = 0; shift < 64; shift += 8)
      bytes += char(bits >> shift);
  }
  void text(std::string_view text) {
    number(text.size());
    bytes += text;
  }

  std::string bytes;
};

/// After the first read that the bytes do not hold, everything is 0 and `isGood` false.
class ByteReader {
public:
  explicit ByteReader(std::string_view bytes) : left(bytes) {}

  bool isGood() const { return good; }
  bool isAtEnd() const { return good && left.empty(); }

  uint64_t number() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      auto byte = static_cast<unsigned char>(take(1).empty() ? 0 : taken.front());
      value |= uint64_t(byte & 0x7f) << shift;
      if (!(byte & 0x80))
        return good ? value : 0;
    }
    good = false;
    return 0;
  }
  double real() {
    take(8);
    uint64_t bits = 0;
    for (size_t i = 0; i < taken.size(); i++)
      bits |= uint64_t(static_cast<unsigned char>(taken[i])) << (8 * i);
    return std::bit_cast<double>(bits);
  }
  std::string text() { return std::string(take(number())); }

private:
  std::string_view take(uint64_t count) {
    good &= count <= left.size();
    taken = good ? left.substr(0, count) : std::string_view();
    left.remove_prefix(taken.size());
    return taken;
  }

  std::string_view left, taken;
  bool good = true;
};

} // namespace tenon::driver
