// Derivatives: backwards through the ops that lead from the tensors xs to y.
#include "lib/Importer/Formula.h"
#include "lib/Importer/Operators.h"
#include "lib/Importer/Scope.h"
#include "llvm/ADT/TypeSwitch.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

namespace {
class Backwards {
public:
  explicit Backwards(Node &node) : node(node), f(node) {}

  /// Finds what y depends on that depends on one of `xs`, and goes through it from y on.
  void run(Value y, ArrayRef<Value> xs) {
    for (Value x : xs)
      depends[x] = true;
    if (!dependsOnInputs(y))
      return;
    add(y, f.expand(f.number(1, y), sizesOf(y)));
    Operation *last = y.getDefiningOp();
    for (Operation *op = last; op && !node.failed(); op = op->getPrevNode())
      if (op->getNumResults() == 1 && gradients.contains(op->getResult(0)) && !llvm::is_contained(xs, op->getResult(0)))
        step(op, gradients.lookup(op->getResult(0)));
  }

  Value of(Value x) {
    Value found = gradients.lookup(x);
    return found ? found : f.expand(f.number(0, x), sizesOf(x));
  }

private:
  bool dependsOnInputs(Value value) {
    auto [entry, isNew] = depends.try_emplace(value, false);
    if (!isNew)
      return entry->second;
    bool any = false;
    if (Operation *op = value.getDefiningOp())
      for (Value operand : op->getOperands())
        any |= dependsOnInputs(operand);
    return depends[value] = any;
  }

  /// Adds to the gradient of `value`, which may have been broadcast.
  void add(Value value, Value gradient) {
    if (node.failed() || !dependsOnInputs(value))
      return;
    gradient = summedTo(gradient, sizesOf(value));
    Value &sum = gradients[value];
    sum = sum ? f.add(sum, gradient) : gradient;
  }

  Value summedTo(Value gradient, ArrayRef<Dim> dims) {
    SmallVector<Dim> wide = sizesOf(gradient);
    SmallVector<int64_t> axes;
    size_t lead = wide.size() - dims.size();
    for (size_t axis = 0; axis < wide.size(); ++axis)
      if (axis < lead || dims[axis - lead] != wide[axis]) {
        axes.push_back(int64_t(axis));
        if (axis >= lead && !dims[axis - lead].isConstant(1))
          node.unsupported("a gradient of a tensor of the size " + dims[axis - lead].str() + ", which may be broadcast to " + wide[axis].str());
      }
    if (node.failed() || axes.empty())
      return gradient;
    return node.reshape(f.reduce(nn::ReduceKind::Sum, gradient, axes), dims);
  }

  void step(Operation *op, Value g) {
    Value y = op->getResult(0), a = op->getNumOperands() > 0 ? op->getOperand(0) : Value(),
          b = op->getNumOperands() > 1 ? op->getOperand(1) : Value();
    llvm::TypeSwitch<Operation *>(op)
        .Case([&](nn::AddOp) { add(a, g), add(b, g); })
        .Case([&](nn::SubOp) { add(a, g), add(b, node.make<nn::NegOp>(g)); })
        .Case([&](nn::MulOp) { add(a, f.mul(g, b)), add(b, f.mul(g, a)); })
        .Case([&](nn::DivOp) { add(a, f.div(g, b)), add(b, node.make<nn::NegOp>(f.div(f.mul(g, y), b))); })
        .Case([&](nn::NegOp) { add(a, node.make<nn::NegOp>(g)); })
        .Case([&](nn::ExpOp) { add(a, f.mul(g, y)); })
        .Case([&](nn::LogOp) { add(a, f.div(g, a)); })
        .Case([&](nn::SqrtOp) { add(a, f.div(f.mul(g, 0.5), y)); })
        .Case([&](nn::SinOp) { add(a, f.mul(g, node.make<nn::CosOp>(a))); })
        .Case([&](nn::CosOp) { add(a, node.make<nn::NegOp>(f.mul(g, node.make<nn::SinOp>(a)))); })
        .Case([&](nn::TanhOp) { add(a, f.mul(g, f.sub(f.number(1, y), f.mul(y, y)))); })
        .Case([&](nn::SigmoidOp) { add(a, f.mul(g, f.mul(y, f.sub(f.number(1, y), y)))); })
        .Case([&](nn::ReluOp) { add(a, f.select(f.less(f.number(0, a), a), g, f.number(0, g))); })
        .Case([&](nn::ReshapeOp) { add(a, node.reshape(g, sizesOf(a))); })
        .Case([&](nn::ExpandOp) { add(a, g); })
        .Case([&](nn::TransposeOp transpose) { add(a, node.transpose(g, invertPermutationVector(transpose.getPerm()))); })
        .Case([&](nn::ReduceOp reduce) { reduced(reduce, a, g); })
        .Default([&](Operation *) { node.unsupported("a derivative of " + op->getName().getStringRef()); });
  }

  void reduced(nn::ReduceOp op, Value a, Value g) {
    if (op.getKind() != nn::ReduceKind::Sum && op.getKind() != nn::ReduceKind::Mean)
      return node.unsupported("a derivative of " + op->getName().getStringRef() + " other than of sums and means");
    SmallVector<Dim> dims = sizesOf(a), kept = dims;
    Dim count = node.dim(1);
    for (int64_t axis : op.getAxes()) {
      count = count * dims[axis];
      kept[axis] = node.dim(1);
    }
    Value wide = f.expand(node.reshape(g, kept), dims);
    add(a, op.getKind() == nn::ReduceKind::Sum ? wide : f.div(wide, node.cast(f.sizeValue(count), getElementTypeOrSelf(wide.getType()))));
  }

  static SmallVector<int64_t> invertPermutationVector(ArrayRef<int64_t> permutation) {
    SmallVector<int64_t> inverse(permutation.size());
    for (auto [to, from] : llvm::enumerate(permutation))
      inverse[from] = int64_t(to);
    return inverse;
  }

  Node &node;
  Formula f;
  llvm::DenseMap<Value, bool> depends;
  llvm::DenseMap<Value, Value> gradients;
};
} // namespace

/// The tensor of the model that an attribute names: a value of the graph that the node is in.
static Value tensorNamed(Node &node, StringRef name) {
  auto found = node.scope.values.find(name);
  if (found != node.scope.values.end() && found->second && isa<RankedTensorType>(found->second.getType()))
    return found->second;
  node.unsupported("'" + name + "', which no node before it computes");
  return {};
}

/// Inputs are the values of the tensors xs, then of zs, at which y is differentiated: those that they have in the graph.
static void gradient(Node &node) {
  std::vector<std::string> names = node.texts("xs"), fixed = node.texts("zs");
  size_t count = names.size();
  names.insert(names.end(), fixed.begin(), fixed.end());
  if (count == 0 || names.size() != node.inputCount())
    return node.invalid("xs and zs name " + Twine(names.size()) + " tensors; there are " + Twine(node.inputCount()) + " inputs");
  SmallVector<Value> xs;
  for (auto [i, name] : llvm::enumerate(names)) {
    if (node.proto.input(int(i)) != name)
      return node.unsupported("a derivative at other values than those of the graph");
    if (i < count)
      xs.push_back(node.in(i));
  }
  Value y = tensorNamed(node, node.text("y", ""));
  for (Value x : xs) {
    if (!isa<FloatType>(getElementTypeOrSelf(x.getType())))
      return node.invalid("a derivative needs floating-point elements");
    if (isa_and_nonnull<nn::ConstantOp>(x.getDefiningOp())) // what was made of it may be a constant as well, and its way there is lost
      return node.unsupported("a derivative by a constant");
  }
  if (!y)
    return;
  if (!nn::numElements(y.getType()).isConstant(1) || !isa<FloatType>(getElementTypeOrSelf(y.getType())))
    return node.unsupported("a derivative of more than one number");
  Backwards backwards(node);
  backwards.run(y, xs);
  for (auto [i, x] : llvm::enumerate(xs))
    node.result(i, backwards.of(x));
}

void registerGradient(OperatorTable &table) {
  table.addTo(kTrainingDomain, "Gradient", 1, kAnyNumber, gradient);
}

} // namespace tenon::importer
