// Microsoft's attention of language models: a cache of keys and values, rotated positions, fewer heads of keys than of queries.
#include "lib/Importer/AttentionSteps.h"
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

namespace {
class GroupQueryAttention {
public:
  explicit GroupQueryAttention(Node &node)
      : node(node), i64(node.builder.getI64Type()), heads(node.integer("num_heads", 0)), keyHeads(node.integer("kv_num_heads", 0)) {}

  void emit() {
    if (!check())
      return;
    splitInputs();
    if (node.failed())
      return;
    SmallVector<Dim> dims = nn::dimsOf(query.getType());
    batch = dims[0], length = dims[2], size = dims[3];
    // A sequence has total - length old tokens; none in its first run, where shorter ones are filled up at the end.
    Value total = node.make<nn::AddOp>(node.cast(node.in(5), i64), number(1));
    Value old = node.make<nn::MaxOp>(node.make<nn::SubOp>(total, sizeOf(length)), number(0));
    Value steps = node.make<nn::RangeOp>(number(0), number(1), node.dimsAttr({length}));
    positions = node.make<nn::AddOp>(node.reshape(old, {batch, one()}), steps); // [batch, length]
    if (node.integer("do_rotary", 0) != 0) {
      query = rotated(query);
      key = rotated(key);
    }
    Value keys = cached(3, key), values = cached(4, value);
    if (node.failed())
      return;
    if (!size.isConstant() && node.real("scale", 0.0) == 0.0)
      return node.unsupported("a free size of heads");
    double scale = node.real("scale", 0.0);
    if (scale == 0.0)
      scale = 1.0 / std::sqrt(double(*size.asConstant()));
    Value out = attend(keys, values, scale);
    if (node.failed())
      return;
    node.result(0, node.reshape(node.transpose(out, {0, 2, 1, 3}), {batch, length, size * heads}));
    node.result(1, keys);
    node.result(2, values);
  }

private:
  bool check() {
    if (heads < 1 || keyHeads < 1 || heads % keyHeads != 0)
      node.invalid("num_heads, " + Twine(heads) + ", must be a multiple of kv_num_heads, " + Twine(keyHeads));
    else if (!node.in(5) || !node.in(6))
      node.invalid("seqlens_k and total_sequence_length are missing");
    else if (node.wants(3))
      node.unsupported("the scores as a result");
    else if (node.rank(0) != 3 || !node.in(1) != !node.in(2) || !node.in(3) != !node.in(4))
      node.invalid("a query of rank 3 was expected, and keys and values both or neither");
    else if (node.integer("do_rotary", 0) != 0 && (!node.in(7) || !node.in(8)))
      node.invalid("do_rotary needs cos_cache and sin_cache");
    return !node.failed();
  }

  Dim one() { return node.dim(1); }
  Value number(double v) { return node.scalar(v, i64); }
  Value sizeOf(Dim dim) { return node.constant({dim}, RankedTensorType::get({}, i64)); }

  Value attend(Value keys, Value values, double scale) {
    Value seen = mask(nn::dimOf(keys.getType(), 2)), sink, scores;
    double softcap = node.real("softcap", 0.0);
    if (node.in(11)) // a score for each head
      sink = node.reshape(node.in(11), {one(), node.dim(heads), one(), one()});
    else if (node.integer("smooth_softmax", 0) == 1)
      sink = node.reshape(node.scalar(0, node.element(0)), {one(), one(), one(), one()});
    if (softcap == 0.0 && !sink)
      return node.make<nn::AttentionOp>(query, keys, values, seen, node.f64(scale), UnitAttr(), node.unit(true));
    return spelledOut(node, {query, keys, values, seen, scale, {}, sink}, softcap, node.element(0), AttentionScores::Raw, scores);
  }

  /// [batch, length, count * size] to [batch, count, length, size].
  Value split(Value x, int64_t count) {
    SmallVector<Dim> dims = nn::dimsOf(x.getType());
    std::optional<Dim> each = dims[2].dividedExactlyBy(node.dim(count));
    if (!each) {
      node.invalid("the last axis, " + dims[2].str() + ", does not divide into " + Twine(count) + " heads");
      return {};
    }
    return node.transpose(node.reshape(x, {dims[0], dims[1], node.dim(count), *each}), {0, 2, 1, 3});
  }

  void splitInputs() {
    if (node.in(1)) {
      query = split(node.in(0), heads);
      key = node.failed() ? Value() : split(node.in(1), keyHeads);
      value = node.failed() ? Value() : split(node.in(2), keyHeads);
      return;
    }
    Value packed = split(node.in(0), heads + 2 * keyHeads);
    query = node.slice(packed, 1, node.dim(0), node.dim(heads));
    key = node.slice(packed, 1, node.dim(heads), node.dim(keyHeads));
    value = node.slice(packed, 1, node.dim(heads + keyHeads), node.dim(keyHeads));
  }

  /// The first sizes of each head turned by the angles of their position, in halves or in pairs.
  Value rotated(Value x) {
    Value at = node.in(9) ? node.in(9) : positions;
    auto table = [&](size_t input) {
      return node.reshape(node.make<nn::GatherOp>(node.in(input), at, node.i64(0)), {batch, one(), length, node.dims(input)[1]});
    };
    Value cos = table(7), sin = table(8);
    if (node.failed())
      return {};
    SmallVector<Dim> dims = nn::dimsOf(x.getType());
    Dim half = node.dims(7)[1];
    bool pairs = node.integer("rotary_interleaved", 0) != 0;
    Value turning = node.slice(x, 3, node.dim(0), half * 2);
    SmallVector<Dim> shape{dims[0], dims[1], dims[2], pairs ? half : node.dim(2), pairs ? node.dim(2) : half}, flat{dims[0], dims[1], dims[2], half};
    int64_t axis = pairs ? 4 : 3;
    Value parts = node.reshape(turning, shape);
    Value first = node.reshape(node.slice(parts, axis, node.dim(0), one()), flat), second = node.reshape(node.slice(parts, axis, one(), one()), flat);
    auto mul = [&](Value a, Value b) { return node.make<nn::MulOp>(a, b); };
    Value real = node.make<nn::SubOp>(mul(first, cos), mul(second, sin)), imaginary = node.make<nn::AddOp>(mul(second, cos), mul(first, sin));
    shape[axis] = one();
    Value joined = node.make<nn::ConcatOp>(ValueRange{node.reshape(real, shape), node.reshape(imaginary, shape)}, node.i64(axis));
    Value turned = node.reshape(joined, {dims[0], dims[1], dims[2], half * 2});
    if (node.failed() || half * 2 == dims[3])
      return turned;
    return node.make<nn::ConcatOp>(ValueRange{turned, node.slice(x, 3, half * 2, dims[3] - half * 2)}, node.i64(3));
  }

  /// The cache (input `past`) with the new tokens at their positions; it has room for all tokens.
  Value cached(size_t past, Value fresh) {
    if (node.failed() || !node.in(past))
      return fresh;
    std::optional<SmallVector<Dim>> total = node.knownDims(6);
    if (!total || total->size() != 1)
      return {};
    SmallVector<Dim> dims = node.dims(past), none(4, node.dim(0)), more(none), indices = nn::dimsOf(fresh.getType());
    more[2] = dims[2].max((*total)[0]) - dims[2];
    Value room = node.make<nn::PadOp>(node.in(past), Value(), node.dimsAttr(none), node.dimsAttr(more),
                                      nn::PadModeAttr::get(node.context, nn::PadMode::Constant));
    Value at = node.make<nn::ExpandOp>(node.reshape(positions, {batch, one(), length, one()}), node.dimsAttr(indices));
    return node.make<nn::ScatterElementsOp>(room, at, fresh, node.i64(2), nn::ReduceKindAttr());
  }

  /// Which keys a query sees: those up to its own position, and not before its window. [batch, 1, length, keys]
  Value mask(Dim keys) {
    Value key = node.make<nn::RangeOp>(number(0), number(1), node.dimsAttr({keys}));
    Value own = node.reshape(positions, {batch, one(), length, one()});
    Value sees = node.make<nn::LessOrEqualOp>(key, own);
    if (int64_t window = node.integer("local_window_size", -1); window > 0)
      sees = node.make<nn::AndOp>(sees, node.make<nn::GreaterOp>(key, node.make<nn::SubOp>(own, number(double(window)))));
    if (!node.in(10))
      return sees;
    Type element = node.element(0);
    Value hidden = node.scalar(-std::numeric_limits<double>::infinity(), element);
    return node.make<nn::SelectOp>(sees, node.in(10), hidden);
  }

  Node &node;
  Type i64;
  const int64_t heads, keyHeads;
  Value query, key, value, positions;
  Dim batch, length, size;
};
} // namespace

static void groupQueryAttention(Node &node) { GroupQueryAttention(node).emit(); }

void registerGroupQueryAttention(OperatorTable &table) { table.addMicrosoft("GroupQueryAttention", 1, 12, groupQueryAttention); }

} // namespace tenon::importer
