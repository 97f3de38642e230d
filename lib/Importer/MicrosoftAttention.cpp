// Microsoft's attention layers on nn.attention.
#include "lib/Importer/Formula.h"
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

namespace {
/// One attention node while it is imported.
class AttentionLayer {
public:
  explicit AttentionLayer(Node &node) : node(node), heads(node.integer("num_heads", 0)) {
    if (heads < 1)
      node.invalid("num_heads is " + Twine(heads));
  }

  /// [batch, sequence, heads * size] to [batch, heads, sequence, size].
  Value split(Value value, int64_t count) {
    if (node.failed())
      return {};
    SmallVector<Dim> dims = nn::dimsOf(value.getType());
    std::optional<Dim> size = dims.size() == 3 ? dims[2].dividedExactlyBy(node.dim(count)) : std::nullopt;
    if (!size) {
      node.invalid("a tensor of shape [batch, sequence, " + Twine(count) + " * size] was expected");
      return {};
    }
    return node.transpose(node.reshape(value, {dims[0], dims[1], node.dim(count), *size}), {0, 2, 1, 3});
  }

  Value join(Value value) {
    if (node.failed())
      return {};
    SmallVector<Dim> dims = nn::dimsOf(value.getType());
    return node.reshape(node.transpose(value, {0, 2, 1, 3}), {dims[0], dims[2], dims[1] * dims[3]});
  }

  Value concat(Value past, Value value, int64_t axis) { return node.make<nn::ConcatOp>(ValueRange{past, value}, node.i64(axis)); }

  /// What is added to the scores: `bias`, and the filter value where the padding mask (input `mask`) has 0. Null for neither.
  Value addend(size_t mask, size_t bias, Value key) {
    Value added = node.in(bias);
    if (!node.in(mask) || node.failed())
      return added;
    Value keeps = kept(mask, nn::dimOf(key.getType(), 2));
    Type element = node.element(0);
    Value filtered = node.make<nn::SelectOp>(keeps, node.scalar(0, element), node.scalar(node.real("mask_filter_value", -10000.0), element));
    return added ? node.make<nn::AddOp>(filtered, added) : filtered;
  }

  /// `past`: how many keys come before the one at the position of the first query.
  Value attend(Value query, Value key, Value value, Value addend, Dim past) {
    if (node.failed())
      return {};
    Dim size = nn::dimOf(query.getType(), 3), queries = nn::dimOf(query.getType(), 2), keys = nn::dimOf(key.getType(), 2);
    double scale = node.real("scale", 0.0);
    if (scale == 0.0 && !size.isConstant()) {
      node.unsupported("a free size of heads");
      return {};
    }
    if (scale == 0.0)
      scale = 1.0 / std::sqrt(double(*size.asConstant()));
    bool causal = node.integer("unidirectional", 0) != 0;
    // ONNX Runtime lets the last query see keys behind its position, the others not.
    if (causal && past + queries != keys && (keys - past - queries).isConstant())
      node.unsupported("unidirectional, with " + queries.str() + " queries and " + (keys - past).str() + " keys of their own");
    else if (causal)
      node.require(past + queries, keys, "the number of keys, which must be that of the queries with unidirectional");
    return node.make<nn::AttentionOp>(query, key, value, addend, node.f64(scale), node.unit(causal), node.unit(true));
  }

  Node &node;
  const int64_t heads;

private:
  /// A padding mask as booleans that broadcast to the scores: of [batch, keys] or [batch, queries, keys], or `keptBetween`.
  Value kept(size_t mask, Dim keys) {
    SmallVector<Dim> dims = node.dims(mask);
    Value zero = node.scalar(0, node.element(mask));
    if (dims.size() == 2 || dims.size() == 3) {
      SmallVector<Dim> wide(dims);
      wide.insert(wide.begin() + 1, 3 - dims.size() + 1, node.dim(1));
      return node.reshape(node.make<nn::GreaterOp>(node.in(mask), zero), wide);
    }
    if (dims.size() == 1)
      return keptBetween(mask, keys);
    node.unsupported("a mask of shape " + maskText(dims));
    return {};
  }

  /// [batch]: behind the last key of each sequence; [2 * batch]: that, then the first keys.
  Value keptBetween(size_t mask, Dim keys) {
    Dim batch = node.dims(0)[0], count = node.dims(mask)[0];
    bool hasStarts = count == batch * 2;
    if (!hasStarts && (count == batch * 3 + 2 || (count != batch && (count - batch).isConstant()))) {
      node.unsupported("a mask of shape " + maskText({count}));
      return {};
    }
    if (!hasStarts)
      node.require(count, batch, "the lengths in the mask");
    Formula f(node);
    Value positions = node.make<nn::RangeOp>(node.scalar(0, node.element(mask)), node.scalar(1, node.element(mask)), node.dimsAttr({keys}));
    auto column = [&](Dim start) { return node.reshape(node.slice(node.in(mask), 0, start, batch), {batch, node.dim(1), node.dim(1), node.dim(1)}); };
    Value isBeforeEnd = f.less(positions, column(node.dim(0)));
    return hasStarts ? f.both(isBeforeEnd, f.atMost(column(batch), positions)) : isBeforeEnd;
  }

  static std::string maskText(ArrayRef<Dim> dims) {
    return "[" + llvm::join(llvm::map_range(dims, [](Dim dim) { return dim.str(); }), ", ") + "]";
  }
};
} // namespace

/// Inputs: x, weights, bias, mask, past, bias of the scores.
static void attention(Node &node) {
  AttentionLayer layer(node);
  if (node.integer("do_rotary", 0) != 0)
    return node.unsupported("rotary embedding");
  if (node.in(6))
    return node.unsupported("a past in a shared buffer");
  if (node.failed() || node.rank(0) != 3 || node.rank(1) != 2)
    return node.invalid("an input of rank 3 and weights of rank 2 were expected");
  Value projected = node.make<nn::MatMulOp>(node.in(0), node.in(1), node.in(2), UnitAttr(), UnitAttr());
  SmallVector<int64_t> sizes = node.integers("qkv_hidden_sizes").value_or(SmallVector<int64_t>());
  Dim columns = node.dims(1)[1];
  if (sizes.empty() && columns.isConstant() && *columns.asConstant() % 3 == 0)
    sizes.assign(3, *columns.asConstant() / 3);
  if (sizes.size() != 3 || node.dim(sizes[0] + sizes[1] + sizes[2]) != columns)
    return node.invalid("the weights have " + columns.str() + " columns, which are not those of query, key and value");
  Value parts[3];
  Dim start = node.dim(0);
  for (auto [part, size] : llvm::zip(parts, sizes)) {
    part = layer.split(node.slice(projected, 2, start, node.dim(size)), layer.heads);
    start = start + size;
  }
  if (node.in(4) && !node.failed()) {
    SmallVector<Dim> past = node.dims(4);
    if (past.size() != 5)
      return node.invalid("a past of rank 5 was expected");
    for (int64_t i : {0, 1})
      parts[1 + i] = layer.concat(node.reshape(node.slice(node.in(4), 0, node.dim(i), node.dim(1)), ArrayRef(past).drop_front()), parts[1 + i], 2);
  }
  if (node.failed())
    return;
  Dim past = nn::dimOf(parts[1].getType(), 2) - node.dims(0)[1];
  node.result(0, layer.join(layer.attend(parts[0], parts[1], parts[2], layer.addend(3, 5, parts[1]), past)));
  if (!node.wants(1) || node.failed())
    return;
  auto stacked = [&](Value value) {
    SmallVector<Dim> dims = nn::dimsOf(value.getType());
    dims.insert(dims.begin(), node.dim(1));
    return node.reshape(value, dims);
  };
  node.result(1, layer.concat(stacked(parts[1]), stacked(parts[2]), 0));
}

/// Inputs: query, key, value, bias, padding mask, bias of the scores, past keys, past values.
static void multiHeadAttention(Node &node) {
  AttentionLayer layer(node);
  if (!node.in(1) || !node.in(2) || node.rank(0) != 3)
    return node.unsupported("query, key and value packed into one tensor");
  Value parts[3];
  Dim start = node.dim(0);
  for (size_t i = 0; i < 3 && !node.failed(); ++i) {
    if (node.rank(i) == 4) {
      parts[i] = node.in(i); // heads are split already: keys of an encoder
      continue;
    }
    Value part = node.in(i);
    Dim size = node.dims(i).back();
    if (node.in(3))
      part = node.make<nn::AddOp>(part, node.slice(node.in(3), 0, start, size));
    start = start + size;
    parts[i] = layer.split(part, layer.heads);
  }
  Dim past = node.dim(0);
  for (size_t i : {1, 2}) {
    if (!node.in(5 + i) || node.rank(i) != 3 || node.failed())
      continue;
    if (node.rank(5 + i) != 4)
      return node.invalid("past keys and values of rank 4 were expected");
    past = node.dims(5 + i)[2];
    parts[i] = layer.concat(node.in(5 + i), parts[i], 2);
  }
  if (node.failed())
    return;
  node.result(0, layer.join(layer.attend(parts[0], parts[1], parts[2], layer.addend(4, 5, parts[1]), past)));
  node.result(1, parts[1]);
  node.result(2, parts[2]);
}

void registerGroupQueryAttention(OperatorTable &table);

void registerMicrosoftAttention(OperatorTable &table) {
  registerGroupQueryAttention(table);
  table.addMicrosoft("Attention", 2, 7, attention);
  table.addMicrosoft("MultiHeadAttention", 1, 8, multiHeadAttention);
}

} // namespace tenon::importer
