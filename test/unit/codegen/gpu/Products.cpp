// Matrix units: fragments from shared memory, products of a warp (mma.sync), products of four warps (wgmma).
#include "test/unit/codegen/gpu/Assembly.h"
#include "test/unit/codegen/gpu/Machine.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/bit.h"
#include <cstring>

namespace tenon::test {

namespace {
using Arrived = std::vector<std::pair<GpuThread *, uint64_t *>>;

double numberOf(const llvm::fltSemantics &semantics, unsigned bits, uint64_t word) {
  llvm::APFloat x(semantics, llvm::APInt(bits, word & ((1ull << bits) - 1)));
  bool isInexact;
  x.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &isInexact);
  return x.convertToDouble();
}

/// The elements of a factor: their width in bits, and what they are.
struct Elements {
  int bits;
  double (*at)(uint64_t);
};

double half(uint64_t word) {
  static const std::vector<double> all = [] {
    std::vector<double> numbers(1 << 16);
    for (uint64_t i = 0; i < numbers.size(); ++i)
      numbers[i] = numberOf(llvm::APFloat::IEEEhalf(), 16, i);
    return numbers;
  }();
  return all[word & 0xffff];
}
double bfloat(uint64_t word) {
  return llvm::bit_cast<float>(uint32_t(word << 16));
}
/// Of f32 the unit takes the leading bits.
double tf32(uint64_t word) {
  return llvm::bit_cast<float>(uint32_t(word & 0xffffe000));
}
double e4m3(uint64_t word) {
  return numberOf(llvm::APFloat::Float8E4M3FN(), 8, word);
}
double unsignedByte(uint64_t word) {
  return uint8_t(word);
}
double signedByte(uint64_t word) {
  return int8_t(word);
}

/// By the last two types of an instruction.
std::pair<Elements, Elements> factorsOf(const Statement &s) {
  if (s.has("u8"))
    return {{8, unsignedByte}, {8, signedByte}};
  Elements both = s.has("e4m3") ? Elements{8, e4m3} : s.has("tf32") ? Elements{32, tf32} : s.has("bf16") ? Elements{16, bfloat} : Elements{16, half};
  return {both, both};
}

double elementOf(const Elements &elements, const uint64_t *words, int64_t i) {
  int perWord = 32 / elements.bits;
  uint64_t word = words[i / perWord] >> (i % perWord * elements.bits);
  return elements.at(elements.bits == 32 ? word : word & ((1u << elements.bits) - 1));
}

double sumOf(bool isInteger, uint64_t bits) {
  return isInteger ? double(int32_t(bits)) : double(llvm::bit_cast<float>(uint32_t(bits)));
}
uint64_t bitsOf(bool isInteger, double sum) {
  return isInteger ? uint64_t(uint32_t(int32_t(int64_t(sum)))) : uint64_t(llvm::bit_cast<uint32_t>(float(sum)));
}

/// Numbers of rows and columns in the shape of an instruction: "m16n8k16".
int64_t sizeIn(const Statement &s, char axis) {
  for (llvm::StringRef word : s.words)
    if (word.starts_with("m") && word.contains('n') && word.contains('k')) {
      llvm::StringRef rest = word.drop_front(word.find(axis) + 1);
      return std::stoll(rest.str());
    }
  return 0;
}

/// PTX ISA, fragments of mma: of every word of the left operand lane l holds row l / 4 and, of 32 bits, the (l % 4)-th word; the next words are eight
/// rows and then half the depth further on.
void multiplyInWarp(GpuThread &thread, const Statement &s, uint64_t *values) {
  thread.meetWarp(s, values, [&](Arrived &lanes) {
    auto [left, right] = factorsOf(s);
    bool isInteger = s.has("s32");
    int64_t rows = sizeIn(s, 'm'), columns = sizeIn(s, 'n'), depth = sizeIn(s, 'k');
    int64_t words = depth * left.bits / 32, rowWords = rows / 8, sums = rows * columns / 32, lefts = rowWords * words / 4, rights = words / 4;
    std::vector<double> a(rows * depth), b(columns * depth);
    for (int64_t lane = 0; lane < 32; ++lane) {
      auto fill = [&](std::vector<double> &matrix, const Elements &elements, int64_t row, int64_t word, uint64_t bits) {
        for (int64_t i = 0; i < 32 / elements.bits; ++i)
          matrix[row * depth + word * (32 / elements.bits) + i] = elementOf(elements, &bits, i);
      };
      for (int64_t i = 0; i < lefts; ++i)
        fill(a, left, lane / 4 + i % rowWords * 8, lane % 4 + i / rowWords * 4, s.get(sums + i, lanes[lane].second));
      for (int64_t i = 0; i < rights; ++i)
        fill(b, right, lane / 4, lane % 4 + i * 4, s.get(sums + lefts + i, lanes[lane].second));
    }
    for (int64_t lane = 0; lane < 32; ++lane)
      for (int64_t i = 0; i < sums; ++i) {
        uint64_t *own = lanes[lane].second;
        int64_t row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        double sum = sumOf(isInteger, s.get(sums + lefts + rights + i, own));
        for (int64_t k = 0; k < depth; ++k)
          sum += a[row * depth + k] * b[column * depth + k];
        s.place(i, own) = bitsOf(isInteger, sum);
      }
  });
}

/// Four matrices of 8 rows of 16 bytes; lane l gives the address of row l % 8 of matrix l / 8.
void loadMatrices(GpuThread &thread, const Statement &s, uint64_t *values) {
  thread.meetWarp(s, values, [&](Arrived &lanes) {
    constexpr int64_t kMatrices = 4, kRows = 8, kRowBytes = 16;
    std::vector<const uint8_t *> rows;
    for (auto [lane, own] : lanes)
      rows.push_back(lane->shared(s.get(kMatrices, own), kRowBytes, s));
    bool isTransposed = s.has("trans");
    for (int64_t lane = 0; lane < int64_t(lanes.size()); ++lane)
      for (int64_t matrix = 0; matrix < kMatrices; ++matrix) {
        uint32_t word = 0;
        if (isTransposed) {
          uint16_t halves[2];
          for (int64_t i = 0; i < 2; ++i)
            std::memcpy(&halves[i], rows[matrix * kRows + lane % 4 * 2 + i] + lane / 4 * 2, 2);
          word = halves[0] | uint32_t(halves[1]) << 16;
        } else {
          std::memcpy(&word, rows[matrix * kRows + lane / 4] + lane % 4 * 4, 4);
        }
        s.place(matrix, lanes[lane].second) = word;
      }
  });
}

/// What a matrix descriptor says (PTX ISA, asynchronous warpgroup matrix shared memory layout), of factors whose depth lies together.
struct Described {
  uint32_t start, leading, stride;
  int swizzle;

  explicit Described(uint64_t bits)
      : start(uint32_t(bits & 0x3fff) << 4), leading(uint32_t(bits >> 16 & 0x3fff) << 4), stride(uint32_t(bits >> 32 & 0x3fff) << 4),
        swizzle(int(bits >> 62)) {}

  uint32_t addressOf(int64_t row, int64_t byte) const {
    if (!swizzle)
      return uint32_t(start + row / 8 * stride + byte / 16 * leading + row % 8 * 16 + byte % 16);
    uint32_t lineBytes = 256u >> swizzle, linear = uint32_t(start + row / 8 * stride + row % 8 * lineBytes + byte);
    return linear ^ ((linear >> 7 & (lineBytes / 16 - 1)) << 4);
  }
};

/// The same of factors whose depth is rows of 128 bytes, eight of which lie together: `leading` is the distance of the next 128 bytes of such a row.
uint32_t addressAcross(const Described &from, int64_t k, int64_t byte) {
  constexpr int64_t kRowBytes = 128, kRows = 8;
  uint32_t linear = uint32_t(from.start + byte / kRowBytes * from.leading + k / kRows * from.stride + k % kRows * kRowBytes + byte % kRowBytes);
  return linear ^ ((linear >> 7 & (kRows - 1)) << 4);
}

/// 64 rows by the columns of the shape: warp w has rows 16 w and on.
void multiplyInGroup(GpuThread &thread, const Statement &s, uint64_t *values) {
  constexpr int64_t kThreads = 128, kRows = 64;
  GpuBlock &block = thread.ofBlock();
  thread.meet(block.groups[thread.number() / kThreads], kThreads, s, values, [&](Arrived &all) {
    auto [left, right] = factorsOf(s);
    bool isInteger = s.has("s32");
    int64_t columns = sizeIn(s, 'n'), depth = sizeIn(s, 'k'), sums = columns / 2;
    auto read = [&](uint64_t bits, const Elements &elements, int64_t rows, bool isTransposed) {
      Described from(bits);
      std::vector<double> matrix(rows * depth);
      int64_t bytes = elements.bits / 8;
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t k = 0; k < depth; ++k) {
          uint64_t word = 0;
          uint32_t address = isTransposed ? addressAcross(from, k, row * bytes) : from.addressOf(row, k * bytes);
          std::memcpy(&word, thread.shared(address, bytes, s), bytes);
          matrix[row * depth + k] = elements.at(word);
        }
      return matrix;
    };
    uint64_t *first = all[0].second;
    bool isTransposed = left.bits == 16 && s.get(sums + 6, first); // behind the signs of both, and the left one's
    std::vector<double> a = read(s.get(sums, first), left, kRows, false), b = read(s.get(sums + 1, first), right, columns, isTransposed);
    bool adds = s.get(sums + 2, first);
    for (int64_t t = 0; t < kThreads; ++t)
      for (int64_t i = 0; i < sums; ++i) {
        uint64_t *own = all[t].second;
        int64_t lane = t % 32, row = t / 32 * 16 + lane / 4 + i / 2 % 2 * 8, column = i / 4 * 8 + lane % 4 * 2 + i % 2;
        double sum = adds ? sumOf(isInteger, s.get(i, own)) : 0;
        for (int64_t k = 0; k < depth; ++k)
          sum += a[row * depth + k] * b[column * depth + k];
        s.place(i, own) = bitsOf(isInteger, sum);
      }
  });
}
} // namespace

Execute productOf(const Statement &s) {
  llvm::StringRef text = s.text;
  if (text.starts_with("mma.sync.aligned"))
    return multiplyInWarp;
  if (text.starts_with("ldmatrix.sync.aligned.m8n8.x4"))
    return loadMatrices;
  if (text.starts_with("wgmma.mma_async.sync.aligned"))
    return multiplyInGroup;
  return nullptr;
}

} // namespace tenon::test
