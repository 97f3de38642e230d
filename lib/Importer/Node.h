// One ONNX node while it is imported: what a handler reads from, builds with and reports to.
//
// Failure is sticky: after the first report `make` builds nothing and returns null values, so that a handler may be
// written straight through. Only a handler that looks into a value it made must ask `failed()` first.
#pragma once
#include "dialects/nn/NN.h"
#include "lib/Importer/OnnxProto.h"
#include "mlir/IR/Builders.h"

namespace tenon::importer {
class GraphImporter;
struct Scope;

class Node {
public:
  Node(GraphImporter &importer, Scope &scope, const onnx::NodeProto &proto, int64_t opset, mlir::Location location,
       llvm::ArrayRef<mlir::Value> inputs);

  const onnx::NodeProto &proto;
  const int64_t opset;
  const mlir::Location location;
  GraphImporter &importer;
  Scope &scope;
  mlir::OpBuilder &builder;
  mlir::MLIRContext *const context;

  // Inputs. Trailing inputs may be missing, others empty: `in` is null for both.
  size_t inputCount() const { return inputs.size(); }
  mlir::Value in(size_t i) const { return i < inputs.size() ? inputs[i] : mlir::Value(); }
  mlir::RankedTensorType type(size_t i) const { return mlir::cast<mlir::RankedTensorType>(in(i).getType()); }
  mlir::Type element(size_t i) const { return type(i).getElementType(); }
  int64_t rank(size_t i) const { return type(i).getRank(); }
  llvm::SmallVector<nn::Dim> dims(size_t i) const { return nn::dimsOf(in(i).getType()); }
  /// Whether result `i` is there at all: a name that is not empty.
  bool wants(int i) const { return i < proto.output_size() && !proto.output(i).empty(); }

  // Attributes. A wrong type is reported as invalid and gives the default.
  const onnx::AttributeProto *attribute(llvm::StringRef name) const;
  int64_t integer(llvm::StringRef name, int64_t otherwise);
  double real(llvm::StringRef name, double otherwise);
  llvm::StringRef text(llvm::StringRef name, llvm::StringRef otherwise);
  std::optional<llvm::SmallVector<int64_t>> integers(llvm::StringRef name);
  std::optional<llvm::SmallVector<double>> reals(llvm::StringRef name);
  std::vector<std::string> texts(llvm::StringRef name);

  // Sizes that the run may compute: those become symbols, which the run defines before whatever is built afterwards.
  /// Values of input `i` that are at least 0. What follows from the input shapes stays an expression.
  std::optional<llvm::SmallVector<nn::Dim>> sizes(size_t i);
  /// Whether the values of input `i` follow from the input shapes.
  bool isKnown(size_t i) const { return !in(i) || nn::numElements(in(i).getType()).isConstant(0) || nn::constantDims(in(i)).has_value(); }
  /// Entry by entry what follows from the input shapes; nothing for more entries than a run reads as sizes.
  llvm::SmallVector<std::optional<nn::Dim>> knownParts(mlir::Value value) const;
  /// The elements of an integer tensor, or the bits of f32. They are at least 0, or the run fails.
  llvm::SmallVector<nn::Dim> readSizes(mlir::Value value, llvm::StringRef what = "size");
  /// The run fails, with `what`, unless both are equal.
  void require(nn::Dim left, nn::Dim right, const llvm::Twine &what);
  /// The run fails, with `what`, where the first is larger.
  void requireAtMost(nn::Dim left, nn::Dim right, const llvm::Twine &what);

  // Lengths that the types leave free and the operator fixes: from here on the input has them, and the run fails where that is not so.
  /// Input `i`, a vector, has `count` entries. Other ranks and lengths that are known stay as they are.
  void takeLength(size_t i, int64_t count);
  /// Input `i`, of any rank, has one element.
  void takeOne(size_t i);
  /// Axis `axis` of input `i`, counted from the front, has the size `size`.
  void takeSize(size_t i, int64_t axis, int64_t size);
  /// The rank that the model declares for result `i`, or for what only keeps its rank.
  std::optional<int64_t> declaredRank(int i = 0) const;

  // Inputs whose values must be known. Reported as unsupported, and none, where they depend on run-time values.
  std::optional<llvm::SmallVector<nn::Dim>> knownDims(size_t i);
  std::optional<llvm::SmallVector<int64_t>> knownIntegers(size_t i);
  std::optional<llvm::SmallVector<double>> knownReals(size_t i);
  /// The numbers of a constant; `what` names it in the report where they depend on run-time values.
  std::optional<llvm::SmallVector<double>> realsOf(mlir::Value value, const llvm::Twine &what);
  /// Integers from the attribute `name` of older opsets or from input `i` of newer ones; empty optional: neither is there.
  std::optional<llvm::SmallVector<int64_t>> integersFrom(llvm::StringRef name, size_t i);

  /// `axis` counted from the front; reported as invalid where it is outside [-rank, rank). Then 0.
  int64_t axisOf(int64_t axis, int64_t rank);
  llvm::SmallVector<int64_t> axesOf(llvm::ArrayRef<int64_t> axes, int64_t rank);

  // Building.
  /// Builds an op with the arguments of its builder, results left out; infers its types, verifies and folds it.
  template <typename Op, typename... Args> mlir::Value make(Args &&...args) {
    return makeAll<Op>(1, std::forward<Args>(args)...).front();
  }
  template <typename Op, typename... Args> llvm::SmallVector<mlir::Value> makeAll(unsigned results, Args &&...args);
  mlir::Value constant(mlir::ElementsAttr value);
  mlir::Value constant(llvm::ArrayRef<nn::Dim> values, mlir::RankedTensorType type);
  /// A rank 0 constant of `element`; integers are rounded towards zero.
  mlir::Value scalar(double value, mlir::Type element);
  mlir::Value reshape(mlir::Value value, llvm::ArrayRef<nn::Dim> dims);
  mlir::Value transpose(mlir::Value value, llvm::ArrayRef<int64_t> permutation);
  mlir::Value cast(mlir::Value value, mlir::Type element);
  mlir::Value slice(mlir::Value value, int64_t axis, nn::Dim start, nn::Dim size);
  nn::Dim dim(int64_t value) const { return nn::Dim::constant(context, value); }
  nn::DimsAttr dimsAttr(llvm::ArrayRef<nn::Dim> dims) const { return nn::dimsAttr(context, dims); }
  mlir::IntegerAttr i64(int64_t value) { return builder.getI64IntegerAttr(value); }
  mlir::FloatAttr f64(double value) { return builder.getF64FloatAttr(value); }
  mlir::UnitAttr unit(bool set) { return set ? builder.getUnitAttr() : mlir::UnitAttr(); }
  mlir::DenseI64ArrayAttr i64s(llvm::ArrayRef<int64_t> values) { return builder.getDenseI64ArrayAttr(values); }
  mlir::DenseF64ArrayAttr f64s(llvm::ArrayRef<double> values) { return builder.getDenseF64ArrayAttr(values); }

  void result(size_t i, mlir::Value value);
  void result(mlir::Value value) { result(0, value); }
  mlir::Value resultAt(size_t i) const { return i < results.size() ? results[i] : mlir::Value(); }

  // Reporting. The first report wins.
  /// A correct node that is not supported: joins the model's list.
  void unsupported(const llvm::Twine &why);
  /// A node that breaks ONNX's rules: stops the import.
  void invalid(const llvm::Twine &why);
  /// Stops the import after a diagnostic that somebody else emitted.
  void stop() { outcome = Outcome::Invalid; }
  /// Ends as another reading of the node did, which has reported why.
  void failAs(const Node &other) { outcome = other.outcome; }
  bool failed() const { return outcome != Outcome::Ok; }
  bool isInvalid() const { return outcome == Outcome::Invalid; }

private:
  const onnx::AttributeProto *typed(llvm::StringRef name, onnx::AttributeProto::AttributeType type);
  /// Gives the op of `state` its types, verifies and folds it. Null values after a failure.
  llvm::SmallVector<mlir::Value> finish(mlir::OperationState &state, unsigned results);
  /// The run fails where an op would read a tensor that has no elements.
  void requirePlaces(mlir::Operation *op);

  enum class Outcome { Ok, Unsupported, Invalid };
  Outcome outcome = Outcome::Ok;
  llvm::SmallVector<mlir::Value> inputs, results;
};

template <typename Op, typename... Args>
llvm::SmallVector<mlir::Value> Node::makeAll(unsigned results, Args &&...args) {
  if (failed())
    return llvm::SmallVector<mlir::Value>(results);
  mlir::OperationState state(location, Op::getOperationName());
  llvm::SmallVector<mlir::Type> none(results, mlir::NoneType::get(context)); // replaced by the inferred types
  if constexpr (Op::template hasTrait<mlir::OpTrait::OneResult>())
    Op::build(builder, state, none[0], std::forward<Args>(args)...);
  else
    Op::build(builder, state, mlir::TypeRange(none), std::forward<Args>(args)...);
  return finish(state, results);
}

} // namespace tenon::importer
