#include "test/unit/codegen/Reference.h"
#include <cmath>
#include <gtest/gtest.h>
#include <numeric>

namespace tenon::test {
using namespace mlir;
using Position = SmallVector<int64_t>;

Array Array::zeros(ArrayRef<int64_t> shape) {
  Array a;
  a.shape.assign(shape.begin(), shape.end());
  a.data.assign(std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<>()), 0.0);
  return a;
}

double Array::at(ArrayRef<int64_t> position) const {
  int64_t offset = 0;
  position = position.take_back(shape.size());
  for (auto [size, i] : llvm::zip(shape, position))
    offset = offset * size + (size == 1 ? 0 : i);
  return data[offset];
}

SmallVector<int64_t> shapeOf(Type tensor, const Sizes &sizes) {
  SmallVector<int64_t> shape;
  for (nn::Dim dim : nn::dimsOf(tensor))
    shape.push_back(dim.evaluate(sizes).value_or(-1));
  return shape;
}

/// Fills an array by calling `f` with every position.
template <typename F> static Array generate(ArrayRef<int64_t> shape, F f) {
  Array a = Array::zeros(shape);
  Position position(shape.size(), 0);
  for (double &element : a.data) {
    element = f(position);
    for (int axis = int(shape.size()) - 1; axis >= 0 && ++position[axis] == shape[axis]; --axis)
      position[axis] = 0;
  }
  return a;
}

static Array matmul(nn::MatMulOp op, ArrayRef<int64_t> shape, const Array &lhs, const Array &rhs, const Array *bias) {
  int64_t rank = shape.size(), depth = lhs.shape[lhs.shape.size() - (op.getTransposeLhs() ? 2 : 1)];
  return generate(shape, [&](const Position &p) {
    double sum = bias ? bias->at(p) : 0.0;
    for (int64_t k = 0; k < depth; ++k) {
      Position left = p, right = p;
      left[rank - 1] = k;
      right[rank - 2] = k;
      if (op.getTransposeLhs())
        std::swap(left[rank - 2], left[rank - 1]);
      if (op.getTransposeRhs())
        std::swap(right[rank - 2], right[rank - 1]);
      sum += lhs.at(left) * rhs.at(right);
    }
    return sum;
  });
}

static Array convolve(nn::ConvOp op, ArrayRef<int64_t> shape, const Array &input, const Array &weight, const Array *bias) {
  int64_t spatial = shape.size() - 2, groupInputs = weight.shape[1], groupOutputs = weight.shape[0] / op.getGroups();
  ArrayRef<int64_t> filter = ArrayRef(weight.shape).drop_front(2);
  return generate(shape, [&](const Position &p) {
    int64_t k = p.back(), group = k / groupOutputs;
    double sum = bias ? bias->at({k}) : 0.0;
    Array taps = Array::zeros(filter);
    generate(filter, [&](const Position &tap) {
      Position at{p[0]};
      Position weightAt{k, 0};
      for (int64_t s = 0; s < spatial; ++s) {
        at.push_back(p[1 + s] * op.getStrides()[s] + tap[s] * op.getDilations()[s] - op.getPads()[s]);
        weightAt.push_back(tap[s]);
        if (at.back() < 0 || at.back() >= input.shape[1 + s])
          return 0.0;
      }
      at.push_back(0);
      for (int64_t c = 0; c < groupInputs; ++c) {
        at.back() = group * groupInputs + c;
        weightAt[1] = c;
        sum += input.at(at) * weight.at(weightAt);
      }
      return 0.0;
    });
    return sum;
  });
}

/// A sum, of squares too, or a mean.
static std::optional<Array> reduce(nn::ReduceOp op, ArrayRef<int64_t> shape, const Array &input) {
  bool squares = op.getKind() == nn::ReduceKind::SumSquare, isMean = op.getKind() == nn::ReduceKind::Mean;
  if (op.getKind() != nn::ReduceKind::Sum && !squares && !isMean)
    return std::nullopt;
  Array out = Array::zeros(shape);
  double terms = double(input.size()) / double(std::max<int64_t>(out.size(), 1));
  Position position(input.shape.size(), 0);
  for (double x : input.data) {
    int64_t offset = 0;
    for (size_t axis = 0; axis < position.size(); ++axis)
      if (!llvm::is_contained(op.getAxes(), int64_t(axis)))
        offset = offset * input.shape[axis] + position[axis];
    out.data[offset] += (squares ? x * x : x) / (isMean ? terms : 1);
    for (int axis = int(position.size()) - 1; axis >= 0 && ++position[axis] == input.shape[axis]; --axis)
      position[axis] = 0;
  }
  return out;
}

static Array attend(nn::AttentionOp op, ArrayRef<int64_t> shape, const Array &query, const Array &key, const Array &value, const Array *mask) {
  int64_t depth = query.shape[3], keys = key.shape[2], share = query.shape[1] / key.shape[1];
  bool boolean = mask && cast<RankedTensorType>(op.getMask().getType()).getElementType().isInteger(1);
  double hidden = -std::numeric_limits<double>::infinity();
  return generate(shape, [&](const Position &p) {
    int64_t keyHead = p[1] / share;
    std::vector<double> scores(keys);
    for (int64_t t = 0; t < keys; ++t) {
      double dot = 0;
      for (int64_t d = 0; d < depth; ++d)
        dot += query.at({p[0], p[1], p[2], d}) * key.at({p[0], keyHead, t, d});
      scores[t] = dot * op.getScale().convertToDouble();
      if (mask)
        scores[t] = boolean ? (mask->at({p[0], p[1], p[2], t}) != 0 ? scores[t] : hidden) : scores[t] + mask->at({p[0], p[1], p[2], t});
      if (op.getCausal() && t > p[2] + keys - shape[2])
        scores[t] = hidden;
    }
    double highest = *std::max_element(scores.begin(), scores.end()), sum = 0, weighted = 0;
    if (std::isinf(highest) && op.getSafe())
      return 0.0;
    for (int64_t t = 0; t < keys; ++t) {
      double e = std::exp(scores[t] - highest);
      sum += e;
      weighted += e * value.at({p[0], keyHead, t, p[3]});
    }
    return weighted / sum;
  });
}

static std::optional<double> apply(Operation *op, ArrayRef<double> x) {
  auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
  if (isa<nn::AddOp>(op))
    return x[0] + x[1];
  if (isa<nn::SubOp>(op))
    return x[0] - x[1];
  if (isa<nn::MulOp>(op))
    return x[0] * x[1];
  if (isa<nn::ReluOp>(op))
    return std::max(x[0], 0.0);
  if (isa<nn::SiluOp>(op))
    return x[0] * sigmoid(x[0]);
  if (isa<nn::SigmoidOp>(op))
    return sigmoid(x[0]);
  if (isa<nn::TanhOp>(op))
    return std::tanh(x[0]);
  if (isa<nn::CastOp>(op))
    return x[0];
  if (auto gelu = dyn_cast<nn::GeluOp>(op); gelu && !gelu.getTanh())
    return x[0] / 2 * (1 + std::erf(x[0] / std::sqrt(2.0)));
  if (auto clip = dyn_cast<nn::ClipOp>(op)) {
    double low = clip.getLow() ? clip.getLow()->convertToDouble() : -INFINITY, high = clip.getHigh() ? clip.getHigh()->convertToDouble() : INFINITY;
    return std::min(std::max(x[0], low), high);
  }
  return std::nullopt;
}

/// One direction of an LSTM; `sequence` is [T, D, B, H].
static void recur(nn::LSTMOp op, int64_t d, bool reverse, llvm::function_ref<const Array *(Value)> get, Array &sequence, Array &lastH, Array &lastC) {
  const Array &x = *get(op.getInput()), &w = *get(op.getWeight()), &r = *get(op.getRecurrence());
  const Array *bias = get(op.getBias()), *h0 = get(op.getInitialH()), *c0 = get(op.getInitialC()), *peep = get(op.getPeephole()), *lengths = get(op.getLengths());
  int64_t steps = x.shape[0], batch = x.shape[1], inputs = x.shape[2], hidden = op.getHiddenSize();
  auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
  for (int64_t n = 0; n < batch; ++n) {
    int64_t length = lengths ? int64_t(lengths->at({n})) : steps;
    std::vector<double> h(hidden), c(hidden), gates(4 * hidden);
    for (int64_t j = 0; j < hidden; ++j) {
      h[j] = h0 ? h0->at({d, n, j}) : 0;
      c[j] = c0 ? c0->at({d, n, j}) : 0;
    }
    for (int64_t step = 0; step < length; ++step) {
      int64_t t = reverse ? length - 1 - step : step;
      for (int64_t g = 0; g < 4 * hidden; ++g) {
        double sum = bias ? bias->at({d, g}) + bias->at({d, 4 * hidden + g}) : 0;
        for (int64_t k = 0; k < inputs; ++k)
          sum += x.at({t, n, k}) * w.at({d, g, k});
        for (int64_t k = 0; k < hidden; ++k)
          sum += h[k] * r.at({d, g, k});
        gates[g] = sum;
      }
      for (int64_t j = 0; j < hidden; ++j) {
        auto p = [&](int64_t gate) { return peep ? peep->at({d, gate * hidden + j}) : 0.0; };
        double in = sigmoid(gates[j] + p(0) * c[j]), forget = sigmoid(gates[2 * hidden + j] + p(2) * c[j]);
        c[j] = forget * c[j] + in * std::tanh(gates[3 * hidden + j]);
        h[j] = sigmoid(gates[hidden + j] + p(1) * c[j]) * std::tanh(c[j]);
      }
      for (int64_t j = 0; j < hidden; ++j)
        sequence.data[((t * sequence.shape[1] + d) * batch + n) * hidden + j] = h[j];
    }
    for (int64_t j = 0; j < hidden; ++j) {
      lastH.data[(d * batch + n) * hidden + j] = h[j];
      lastC.data[(d * batch + n) * hidden + j] = c[j];
    }
  }
}

std::vector<Array> evaluate(kernel::FuncOp func, ArrayRef<Array> arguments, const Sizes &sizes) {
  llvm::DenseMap<Value, Array> values;
  for (auto [value, array] : llvm::zip(func.getBody().getArguments(), arguments))
    values[value] = array;
  auto get = [&](Value v) -> const Array * { return v ? &values.find(v)->second : nullptr; };
  for (Operation &op : func.getBody().front().without_terminator()) {
    SmallVector<int64_t> shape = shapeOf(op.getResult(0).getType(), sizes);
    Array out;
    if (auto matrix = dyn_cast<nn::MatMulOp>(op)) {
      out = matmul(matrix, shape, *get(matrix.getLhs()), *get(matrix.getRhs()), get(matrix.getBias()));
    } else if (auto conv = dyn_cast<nn::ConvOp>(op)) {
      out = convolve(conv, shape, *get(conv.getInput()), *get(conv.getWeight()), get(conv.getBias()));
    } else if (auto attention = dyn_cast<nn::AttentionOp>(op)) {
      out = attend(attention, shape, *get(attention.getQuery()), *get(attention.getKey()), *get(attention.getValue()), get(attention.getMask()));
    } else if (auto lstm = dyn_cast<nn::LSTMOp>(op)) {
      Array sequence = Array::zeros(shape), h = Array::zeros(shapeOf(lstm.getLastH().getType(), sizes)), c = h;
      bool both = lstm.getDirection() == nn::Direction::Bidirectional;
      for (int64_t d = 0; d < (both ? 2 : 1); ++d)
        recur(lstm, d, both ? d == 1 : lstm.getDirection() == nn::Direction::Reverse, get, sequence, h, c);
      values[lstm.getLastH()] = h;
      values[lstm.getLastC()] = c;
      out = sequence;
    } else if (auto transpose = dyn_cast<nn::TransposeOp>(op)) {
      out = generate(shape, [&](const Position &p) {
        Position from(p.size());
        for (auto [axis, source] : llvm::enumerate(transpose.getPerm()))
          from[source] = p[axis];
        return get(transpose.getInput())->at(from);
      });
    } else if (auto reduction = dyn_cast<nn::ReduceOp>(op)) {
      std::optional<Array> sums = reduce(reduction, shape, *get(reduction.getInput()));
      EXPECT_TRUE(sums) << "no reference for this reduction";
      out = sums.value_or(Array::zeros(shape));
    } else if (isa<nn::ReshapeOp>(op)) {
      out = *get(op.getOperand(0));
      out.shape.assign(shape.begin(), shape.end());
    } else if (op.hasTrait<nn::Elementwise>()) {
      out = generate(shape, [&](const Position &p) {
        SmallVector<double> x;
        for (Value operand : op.getOperands())
          x.push_back(get(operand)->at(p));
        std::optional<double> y = apply(&op, x);
        EXPECT_TRUE(y) << "no reference for " << op.getName().getStringRef().str();
        return y.value_or(NAN);
      });
    } else {
      ADD_FAILURE() << "no reference for " << op.getName().getStringRef().str();
      return {};
    }
    values[op.getResult(0)] = out;
  }
  std::vector<Array> results;
  for (Value operand : func.getBody().front().getTerminator()->getOperands())
    results.push_back(*get(operand));
  return results;
}

} // namespace tenon::test
