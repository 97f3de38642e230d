// Einsum as transposes, sums and matrix products, two operands at a time.
#include "lib/Importer/Formula.h"
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

namespace {
/// A tensor whose axes have labels, all different. Letters stand for themselves, the axes of "..." for 1000, 1001, ...
/// counted from the last one back.
struct Labelled {
  Value value;
  SmallVector<int> labels;
};
constexpr int kEllipsis = 1000;

class Einsum {
public:
  explicit Einsum(Node &node) : node(node) {}
  void run();

private:
  bool parse(StringRef equation);
  SmallVector<int> parseTerm(StringRef term, int rank, bool &good);
  void implicitOutput();
  Dim sizeOf(const Labelled &tensor, int label) const;
  Labelled diagonal(Labelled tensor);
  Labelled sumAllBut(Labelled tensor, ArrayRef<int> kept);
  Labelled ordered(Labelled tensor, ArrayRef<int> labels);
  Labelled multiply(Labelled lhs, Labelled rhs, ArrayRef<int> kept);
  Dim flattened(const Labelled &tensor, ArrayRef<int> labels) const;

  Node &node;
  SmallVector<Labelled> operands;
  SmallVector<int> output;
  int ellipsisRank = 0;
};
} // namespace

SmallVector<int> Einsum::parseTerm(StringRef term, int rank, bool &good) {
  SmallVector<int> labels;
  size_t dots = term.find("...");
  int letters = llvm::count_if(term, [](char c) { return llvm::isAlpha(c); });
  int ellipsis = dots == StringRef::npos ? 0 : rank - letters;
  for (size_t i = 0; i < term.size(); ++i) {
    if (i == dots) {
      for (int axis = ellipsis; axis-- > 0;)
        labels.push_back(kEllipsis + axis);
      i += 2;
    } else if (llvm::isAlpha(term[i])) {
      labels.push_back(term[i]);
    } else {
      good = false;
    }
  }
  good &= ellipsis >= 0 && (rank < 0 || int(labels.size()) == rank);
  return labels;
}

bool Einsum::parse(StringRef equation) {
  std::string compact;
  for (char c : equation)
    if (!llvm::isSpace(c))
      compact += c;
  auto [left, right] = StringRef(compact).split("->");
  SmallVector<StringRef> terms;
  left.split(terms, ',');
  bool good = terms.size() == node.inputCount();
  for (size_t i = 0; good && i < terms.size(); ++i) {
    operands.push_back({node.in(i), parseTerm(terms[i], int(node.rank(i)), good)});
    ellipsisRank = std::max<int>(ellipsisRank, llvm::count_if(operands.back().labels, [](int label) { return label >= kEllipsis; }));
  }
  if (good && StringRef(compact).contains("->")) {
    int letters = llvm::count_if(right, [](char c) { return llvm::isAlpha(c); });
    output = parseTerm(right, letters + (right.contains("...") ? ellipsisRank : 0), good);
  } else if (good) {
    implicitOutput();
  }
  if (!good)
    node.invalid("the equation '" + equation + "' does not fit the inputs");
  return good;
}

/// Without "->": the ellipsis, then every letter that occurs once, in alphabetical order.
void Einsum::implicitOutput() {
  std::map<int, int> counts;
  for (const Labelled &operand : operands)
    for (int label : operand.labels)
      ++counts[label];
  for (int axis = ellipsisRank; axis-- > 0;)
    output.push_back(kEllipsis + axis);
  for (auto [label, count] : counts)
    if (label < kEllipsis && count == 1)
      output.push_back(label);
}

Dim Einsum::sizeOf(const Labelled &tensor, int label) const {
  const int *at = llvm::find(tensor.labels, label);
  return at == tensor.labels.end() ? node.dim(1) : nn::dimsOf(tensor.value.getType())[at - tensor.labels.begin()];
}

Labelled Einsum::sumAllBut(Labelled tensor, ArrayRef<int> kept) {
  SmallVector<int64_t> axes;
  SmallVector<int> labels;
  for (auto [axis, label] : llvm::enumerate(tensor.labels))
    if (llvm::is_contained(kept, label))
      labels.push_back(label);
    else
      axes.push_back(int64_t(axis));
  if (axes.empty())
    return tensor;
  auto kind = nn::ReduceKindAttr::get(node.context, nn::ReduceKind::Sum);
  return {node.make<nn::ReduceOp>(tensor.value, kind, node.i64s(axes), UnitAttr()), labels};
}

/// The axes in the order of `labels`; labels that the tensor lacks are left out.
Labelled Einsum::ordered(Labelled tensor, ArrayRef<int> labels) {
  SmallVector<int64_t> permutation;
  SmallVector<int> sorted;
  for (int label : labels)
    if (const int *at = llvm::find(tensor.labels, label); at != tensor.labels.end()) {
      permutation.push_back(at - tensor.labels.begin());
      sorted.push_back(label);
    }
  return {llvm::is_sorted(permutation) ? tensor.value : node.transpose(tensor.value, permutation), sorted};
}

Dim Einsum::flattened(const Labelled &tensor, ArrayRef<int> labels) const {
  Dim size = node.dim(1);
  for (int label : labels)
    size = size * sizeOf(tensor, label);
  return size;
}

/// One matrix product: labels of both and of the rest are batch, labels of both alone are summed over.
Labelled Einsum::multiply(Labelled lhs, Labelled rhs, ArrayRef<int> kept) {
  auto isKept = [&](int label) { return llvm::is_contained(kept, label); };
  auto needed = [&](const Labelled &tensor, const Labelled &other) {
    return llvm::filter_to_vector(tensor.labels, [&](int label) { return isKept(label) || llvm::is_contained(other.labels, label); });
  };
  SmallVector<int> lhsNeeded = needed(lhs, rhs), rhsNeeded = needed(rhs, lhs);
  lhs = sumAllBut(lhs, lhsNeeded);
  rhs = sumAllBut(rhs, rhsNeeded);
  SmallVector<int> batch, rows, columns, summed;
  for (int label : lhs.labels)
    (!llvm::is_contained(rhs.labels, label) ? (label >= kEllipsis ? batch : rows) : isKept(label) ? batch : summed).push_back(label);
  for (int label : rhs.labels)
    if (!llvm::is_contained(lhs.labels, label))
      (label >= kEllipsis ? batch : columns).push_back(label);
  if (node.failed())
    return {};

  auto asMatrix = [&](const Labelled &tensor, ArrayRef<int> first, ArrayRef<int> second) {
    SmallVector<Dim> dims;
    for (int label : batch)
      dims.push_back(sizeOf(tensor, label));
    dims.push_back(flattened(tensor, first));
    dims.push_back(flattened(tensor, second));
    SmallVector<int> order = batch;
    llvm::append_range(order, first);
    llvm::append_range(order, second);
    return node.reshape(ordered(tensor, order).value, dims);
  };
  Value out = node.make<nn::MatMulOp>(asMatrix(lhs, rows, summed), asMatrix(rhs, summed, columns), Value(), UnitAttr(), UnitAttr());
  if (node.failed())
    return {};
  SmallVector<Dim> dims = nn::dimsOf(out.getType());
  dims.pop_back_n(2);
  Labelled result{{}, batch};
  for (int label : rows)
    dims.push_back(sizeOf(lhs, label));
  for (int label : columns)
    dims.push_back(sizeOf(rhs, label));
  llvm::append_range(result.labels, rows);
  llvm::append_range(result.labels, columns);
  result.value = node.reshape(out, dims);
  return result;
}

static bool repeats(SmallVector<int> labels) {
  llvm::sort(labels);
  return std::adjacent_find(labels.begin(), labels.end()) != labels.end();
}

/// The elements at which axes of one label have the same position: the two axes as one, of which every (size + 1)-th element stays.
Labelled Einsum::diagonal(Labelled tensor) {
  while (!node.failed()) {
    size_t rank = tensor.labels.size(), first = 0, second = 0;
    for (size_t i = 0; i < rank && !second; ++i)
      for (size_t j = i + 1; j < rank && !second; ++j)
        if (tensor.labels[i] == tensor.labels[j])
          first = i, second = j;
    if (!second)
      return tensor;
    SmallVector<Dim> dims = nn::dimsOf(tensor.value.getType());
    Dim size = dims[first];
    if (dims[first] != dims[second] && dims[first].isConstant() && dims[second].isConstant())
      node.invalid("the label '" + Twine(char(tensor.labels[first])) + "' stands for axes of the sizes " + dims[first].str() + " and " +
                   dims[second].str());
    node.require(size, dims[second], "the axes of label '" + Twine(char(tensor.labels[first])) + "'");
    if (node.failed())
      break;
    SmallVector<int64_t> order;
    SmallVector<Dim> kept;
    SmallVector<int> labels;
    for (size_t i = 0; i < rank; ++i)
      if (i != first && i != second) {
        order.push_back(int64_t(i));
        kept.push_back(dims[i]);
        labels.push_back(tensor.labels[i]);
      }
    order.append({int64_t(first), int64_t(second)});
    kept.push_back(size * dims[second]);
    labels.push_back(tensor.labels[first]);
    Value flat = node.reshape(node.transpose(tensor.value, order), kept);
    SmallVector<Dim> starts(kept.size(), node.dim(0)), sizes = kept;
    SmallVector<int64_t> steps(kept.size(), 1);
    sizes.back() = size;
    if (size.isConstant()) {
      steps.back() = *size.asConstant() + 1;
      tensor = {node.make<nn::SliceOp>(flat, node.dimsAttr(starts), node.dimsAttr(sizes), node.i64s(steps)), labels};
    } else {
      Formula f(node);
      Value every = f.mul(f.positions(size, 0, 1), f.sizeValue(size + 1));
      tensor = {node.make<nn::GatherOp>(flat, every, node.i64(int64_t(kept.size()) - 1)), labels};
    }
  }
  return {};
}

void Einsum::run() {
  if (!parse(node.text("equation", "")))
    return;
  if (repeats(output))
    return node.invalid("the equation's result has a label twice");
  for (Labelled &operand : operands)
    if (repeats(operand.labels))
      operand = diagonal(operand);
  if (node.failed())
    return;
  Labelled result = operands.front();
  for (size_t i = 1; i < operands.size() && !node.failed(); ++i) {
    SmallVector<int> kept = output;
    for (const Labelled &later : ArrayRef(operands).drop_front(i + 1))
      llvm::append_range(kept, later.labels);
    result = multiply(result, operands[i], kept);
  }
  if (node.failed())
    return;
  for (int label : output)
    if (!llvm::is_contained(result.labels, label))
      return node.invalid("the equation's result has a label that no operand has");
  node.result(ordered(sumAllBut(result, output), output).value);
}

static void einsum(Node &node) { Einsum(node).run(); }

void registerEinsum(OperatorTable &table) { table.add("Einsum", 12, 1, kAnyNumber, einsum); }

} // namespace tenon::importer
