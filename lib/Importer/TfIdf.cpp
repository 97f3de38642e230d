// Counts of n-grams: comparisons of windows with a pool, all at once, and sums.
#include "lib/Importer/Formula.h"
#include "lib/Importer/Operators.h"
#include <map>

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

namespace {
/// The n-grams of one length, and the entry of the result that each counts for.
struct Grams {
  int64_t length;
  std::map<std::vector<int64_t>, int64_t> entries; // of equal ones the last counts, as in ONNX's reference
};
} // namespace

static std::optional<SmallVector<Grams>> readPool(Node &node, ArrayRef<int64_t> pool, ArrayRef<int64_t> indexes) {
  std::optional<SmallVector<int64_t>> starts = node.integers("ngram_counts");
  int64_t shortest = node.integer("min_gram_length", 1), longest = node.integer("max_gram_length", 1);
  if (!starts || starts->empty() || shortest < 1 || longest < shortest) {
    node.invalid("ngram_counts must be given, and the lengths of the n-grams at least 1 and in order");
    return std::nullopt;
  }
  SmallVector<Grams> all;
  size_t number = 0;
  for (size_t i = 0; i < starts->size(); ++i) {
    int64_t begin = (*starts)[i], end = i + 1 < starts->size() ? (*starts)[i + 1] : int64_t(pool.size()), length = int64_t(i) + 1;
    if (begin < 0 || end < begin || end > int64_t(pool.size()) || (end - begin) % length != 0) {
      node.invalid("ngram_counts does not divide the pool of " + Twine(pool.size()) + " items into n-grams");
      return std::nullopt;
    }
    Grams grams{length, {}};
    for (; begin < end; begin += length, ++number) {
      if (number >= indexes.size()) {
        node.invalid("ngram_indexes has " + Twine(indexes.size()) + " entries; there are more n-grams");
        return std::nullopt;
      }
      grams.entries[std::vector<int64_t>(pool.begin() + begin, pool.begin() + begin + length)] = indexes[number];
    }
    if (length >= shortest && length <= longest && !grams.entries.empty())
      all.push_back(std::move(grams));
  }
  return all;
}

/// How often each n-gram is in each row of x [rows, columns], at a distance of `step` between its items: [rows, n-grams].
static Value countMatches(Node &node, Value x, const Grams &grams, int64_t step) {
  Formula f(node);
  SmallVector<Dim> dims = sizesOf(x);
  int64_t count = int64_t(grams.entries.size());
  Dim one = node.dim(1), places = (dims[1] - step * (grams.length - 1)).max(node.dim(0));
  Value isMatch;
  for (int64_t item = 0; item < grams.length; ++item) {
    SmallVector<int64_t> wanted;
    for (const auto &entry : grams.entries)
      wanted.push_back(entry.first[item]);
    auto type = RankedTensorType::get({1, 1, count}, node.builder.getI64Type());
    Value items = node.reshape(node.slice(x, 1, node.dim(item * step), places), {dims[0], places, one});
    Value isEqual = f.equal(items, node.constant(DenseElementsAttr::get(type, ArrayRef<int64_t>(wanted))));
    isMatch = isMatch ? f.both(isMatch, isEqual) : isEqual;
  }
  return f.reduce(nn::ReduceKind::Sum, node.cast(isMatch, node.builder.getI64Type()), {1}, /*keep=*/false);
}

static Value weighted(Node &node, Value counts, int64_t entries) {
  Formula f(node);
  StringRef mode = node.text("mode", "");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF") {
    node.invalid("mode is '" + mode + "'; TF, IDF or TFIDF was expected");
    return {};
  }
  Type f32 = node.builder.getF32Type();
  if (mode == "IDF")
    counts = f.less(f.number(0, counts), counts);
  Value out = node.cast(counts, f32);
  std::optional<SmallVector<double>> weights = node.reals("weights");
  if (mode == "TF" || !weights || weights->empty())
    return out;
  if (int64_t(weights->size()) < entries) {
    node.invalid("there are " + Twine(weights->size()) + " weights for " + Twine(entries) + " entries of the result");
    return {};
  }
  SmallVector<float> narrow(weights->begin(), weights->begin() + entries);
  return f.mul(out, node.constant(DenseElementsAttr::get(RankedTensorType::get({entries}, f32), ArrayRef<float>(narrow))));
}

static void tfIdfVectorizer(Node &node) {
  if (node.attribute("pool_strings"))
    return node.unsupported("n-grams of strings");
  std::optional<SmallVector<int64_t>> pool = node.integers("pool_int64s"), indexes = node.integers("ngram_indexes");
  if (!pool || !indexes || indexes->empty())
    return node.invalid("pool_int64s and ngram_indexes must be given");
  int64_t entries = *llvm::max_element(*indexes) + 1, skips = node.integer("max_skip_count", 0);
  constexpr int64_t kMostEntries = 1 << 24, kMostSkips = 64;
  if (llvm::any_of(*indexes, [](int64_t index) { return index < 0 || index >= kMostEntries; }) || skips < 0)
    return node.invalid("ngram_indexes and max_skip_count must be at least 0, and below " + Twine(kMostEntries));
  if (skips > kMostSkips)
    return node.unsupported("max_skip_count " + Twine(skips) + "; at most " + Twine(kMostSkips) + " is supported");
  std::optional<SmallVector<Grams>> all = readPool(node, *pool, *indexes);
  if (!all || node.rank(0) > 2 || !node.element(0).isInteger())
    return all ? node.invalid("integers of rank 1 or 2 were expected") : void();
  Formula f(node);
  Type index = node.builder.getI64Type();
  SmallVector<Dim> dims = node.dims(0);
  Dim rows = dims.size() == 2 ? dims[0] : node.dim(1), columns = dims.empty() ? node.dim(1) : dims.back();
  Value x = node.reshape(node.cast(node.in(0), index), {rows, columns});
  Value counts = f.expand(node.scalar(0, index), {rows, node.dim(entries)});
  for (const Grams &grams : *all) {
    SmallVector<int64_t> targets;
    for (const auto &entry : grams.entries)
      targets.push_back(entry.second);
    int64_t count = int64_t(targets.size());
    Value at = node.constant(DenseElementsAttr::get(RankedTensorType::get({1, count}, index), ArrayRef<int64_t>(targets)));
    at = f.expand(at, {rows, node.dim(count)});
    int64_t steps = grams.length == 1 ? 1 : skips + 1; // single items are the same at every distance
    for (int64_t step = 1; step <= steps && !node.failed(); ++step)
      counts = node.make<nn::ScatterElementsOp>(counts, at, countMatches(node, x, grams, step), node.i64(1),
                                                nn::ReduceKindAttr::get(node.context, nn::ReduceKind::Sum));
  }
  Value out = weighted(node, counts, entries);
  node.result(dims.size() == 2 ? out : node.reshape(out, {node.dim(entries)}));
}

void registerTfIdf(OperatorTable &table) {
  table.add("TfIdfVectorizer", 9, 1, 1, tfIdfVectorizer);
}

} // namespace tenon::importer
