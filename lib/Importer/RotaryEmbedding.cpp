// Rotary position embedding.
#include "lib/Importer/Formula.h"
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

/// The cosines or sines of every position, [batch, sequence, heads (1), half].
static Value anglesOf(Node &node, size_t i, Dim half) {
  Formula f(node);
  Value table = node.in(i);
  if (node.in(3))
    table = node.make<nn::GatherOp>(table, node.cast(node.in(3), node.builder.getI64Type()), node.i64(0));
  SmallVector<Dim> dims = sizesOf(table);
  if (node.failed())
    return {};
  if (dims.size() != 3) {
    node.invalid("input " + Twine(i) + " must give [batch, sequence, half of the rotated size]");
    return {};
  }
  if (dims[2] != half && dims[2].isConstant() && half.isConstant()) {
    node.invalid("input " + Twine(i) + " has a last axis of size " + dims[2].str() + "; " + half.str() + " was expected");
    return {};
  }
  return f.unsqueeze(table, 2);
}

static void rotaryEmbedding(Node &node) {
  if (node.rank(0) != 3 && node.rank(0) != 4)
    return node.invalid("the input has rank " + Twine(node.rank(0)) + "; 3 or 4 was expected");
  Formula f(node);
  SmallVector<Dim> given = node.dims(0);
  Value x; // [batch, sequence, heads, size]
  if (node.rank(0) == 4) {
    x = node.transpose(node.in(0), {0, 2, 1, 3});
  } else {
    int64_t heads = node.integer("num_heads", 0);
    std::optional<Dim> size = heads > 0 ? given[2].dividedExactlyBy(node.dim(heads)) : std::nullopt;
    if (!size && heads > 0 && !given[2].isConstant())
      size = given[2].floorDiv(heads);
    if (!size)
      return node.invalid("num_heads is " + Twine(heads) + ", which does not divide the last axis, " + given[2].str());
    x = node.reshape(node.in(0), {given[0], given[1], node.dim(heads), *size});
  }
  SmallVector<Dim> dims = sizesOf(x);
  if (node.failed())
    return;
  int64_t declared = node.integer("rotary_embedding_dim", 0);
  Dim rotated = declared ? node.dim(declared) : dims[3], half = rotated.floorDiv(2);
  std::optional<int64_t> beyond = (rotated - dims[3]).lowerBound();
  if (declared < 0 || declared % 2 != 0 || (beyond && *beyond > 0))
    return node.invalid("rotary_embedding_dim is " + Twine(declared) + "; an even number up to " + dims[3].str() + " was expected");
  Value cosine = anglesOf(node, 1, half), sine = anglesOf(node, 2, half);
  Value turning = rotated == dims[3] ? x : node.slice(x, 3, node.dim(0), rotated);

  // Pairs of neighbours, or the two halves.
  bool interleaved = node.integer("interleaved", 0) != 0;
  SmallVector<Dim> pairs{dims[0], dims[1], dims[2]};
  interleaved ? pairs.append({half, node.dim(2)}) : pairs.append({node.dim(2), half});
  int64_t axis = interleaved ? 4 : 3;
  Value split = node.reshape(turning, pairs);
  auto part = [&](int64_t which) { return node.reshape(node.slice(split, axis, node.dim(which), node.dim(1)), {dims[0], dims[1], dims[2], half}); };
  Value first = part(0), second = part(1);
  Value real = f.sub(f.mul(cosine, first), f.mul(sine, second)), imaginary = f.add(f.mul(sine, first), f.mul(cosine, second));
  Value out = f.concat({f.unsqueeze(real, axis), f.unsqueeze(imaginary, axis)}, axis);
  if (node.failed())
    return;
  out = node.reshape(out, {dims[0], dims[1], dims[2], rotated});
  if (rotated != dims[3])
    out = f.concat({out, node.slice(x, 3, rotated, dims[3] - rotated)}, 3);
  node.result(node.rank(0) == 4 ? node.transpose(out, {0, 2, 1, 3}) : node.reshape(out, given));
}

void registerRotaryEmbedding(OperatorTable &table) {
  table.add("RotaryEmbedding", 23, 3, 4, rotaryEmbedding);
}

} // namespace tenon::importer
