#include "tools/tenon/quantize/AdaptiveRounding.h"
#include "tools/tenon/quantize/DenseProducts.h"

#include <algorithm>
#include <cmath>

namespace tenon::driver {
namespace {

constexpr size_t kCheckOneIn = 8; // rows that are kept aside
constexpr int kMostSweeps = 20;
constexpr double kDamping = 0.01; // of the mean square of the inputs: weights that no row tells anything of stay where they are

/// Columns of `rows` ([n][size]) from `begin`, of rows that are kept aside or of the others: [count][depth].
std::vector<float> part(const std::vector<float> &rows, size_t size, size_t begin, size_t depth, bool aside) {
  std::vector<float> out;
  for (size_t row = 0; row * size < rows.size(); row++)
    if ((row % kCheckOneIn == kCheckOneIn - 1) == aside)
      out.insert(out.end(), rows.begin() + int64_t(row * size + begin), rows.begin() + int64_t(row * size + begin + depth));
  return out;
}

/// Takes means away from each row of [rows][size].
void subtract(std::vector<float> &matrix, const std::vector<double> &means) {
  for (size_t i = 0; i < matrix.size(); i++)
    matrix[i] = float(matrix[i] - means[i / (matrix.size() / means.size())]);
}

std::vector<double> meansOfRows(const std::vector<float> &matrix, size_t rows) {
  size_t size = matrix.size() / rows;
  std::vector<double> means(rows, 0);
  for (size_t i = 0; i < matrix.size(); i++)
    means[i / size] += matrix[i];
  for (double &mean : means)
    mean /= double(std::max<size_t>(size, 1));
  return means;
}

/// Squared errors before and after, and the squares of the results.
struct GroupErrors {
  double before = 0, after = 0, whole = 0;
};

/// One group of a layer's channels.
class GroupRounding {
public:
  GroupRounding(const RoundingProblem &problem, size_t group, uint32_t threads)
      : problem(problem), threads(threads), depth(size_t(problem.shape.depth)), channels(size_t(problem.shape.channels / problem.shape.groups)), first(group * channels),
        column(group * depth) {}

  GroupErrors run(std::vector<int8_t> &codes) {
    if (!measure())
      return {};
    std::vector<int8_t> adapted(codes.begin() + int64_t(first * depth), codes.begin() + int64_t((first + channels) * depth));
    inParallel(channels, threads, [&](size_t channel) { descend(channel, adapted.data() + channel * depth); });
    return keepBetter(adapted, codes);
  }

private:
  const float *weightsOf(size_t channel) const { return problem.weights.data() + (first + channel) * depth; }
  float scaleOf(size_t channel, size_t d) const {
    size_t block = size_t(problem.grid.block), blocks = (depth + block - 1) / block;
    return problem.grid.scales[(first + channel) * blocks + d / block];
  }

  /// Exact results of rows, [channels][rows].
  std::vector<float> resultsOf(const std::vector<float> &rows) const {
    std::vector<float> results(channels * rows.size() / depth);
    multiplyTransposed(weightsOf(0), channels, rows.data(), rows.size() / depth, depth, results.data(), threads);
    return results;
  }

  /// The quadratic form of the error over the rows that are not kept aside. False: there are too few.
  bool measure() {
    std::vector<float> seen = part(problem.seen, size_t(problem.shape.rowSize()), column, depth, false);
    size_t rows = seen.size() / depth;
    if (rows < kCheckOneIn)
      return false;
    seen = transposed(seen.data(), rows, depth); // [depth][rows]
    std::vector<float> results = resultsOf(part(problem.exact, size_t(problem.shape.rowSize()), column, depth, false));
    if (problem.isShiftCorrected) {
      seenMeans = meansOfRows(seen, depth);
      resultMeans = meansOfRows(results, channels);
      subtract(seen, seenMeans);
      subtract(results, resultMeans);
    }
    squares.resize(depth * depth);
    targets.resize(channels * depth);
    multiplyTransposed(seen.data(), depth, seen.data(), depth, rows, squares.data(), threads);
    multiplyTransposed(results.data(), channels, seen.data(), depth, rows, targets.data(), threads);
    double diagonal = 0;
    for (size_t d = 0; d < depth; d++)
      diagonal += squares[d * depth + d];
    float damping = float(kDamping * diagonal / double(depth));
    for (size_t d = 0; d < depth; d++) {
      squares[d * depth + d] += damping;
      for (size_t c = 0; c < channels; c++)
        targets[c * depth + d] += damping * weightsOf(c)[d];
    }
    return true;
  }

  /// Coordinate descent from the codes that are there.
  void descend(size_t channel, int8_t *codes) const {
    std::vector<float> slope(depth);
    for (size_t d = 0; d < depth; d++)
      slope[d] = -targets[channel * depth + d];
    auto add = [&](size_t d, float amount) {
      const float *row = squares.data() + d * depth;
      for (size_t i = 0; i < depth; i++)
        slope[i] += amount * row[i];
    };
    for (size_t d = 0; d < depth; d++)
      if (codes[d])
        add(d, scaleOf(channel, d) * codes[d]);
    bool isChanged = true;
    for (int sweep = 0; sweep < kMostSweeps && isChanged; sweep++) {
      isChanged = false;
      for (size_t d = 0; d < depth; d++) {
        float scale = scaleOf(channel, d), curvature = scale * squares[d * depth + d];
        if (!(curvature > 0))
          continue;
        // Half a step and more is a gain; the margin keeps rounding errors from going back and forth.
        constexpr float kMargin = 0.501f;
        float wish = -slope[d] / curvature;
        if (!(std::abs(wish) > kMargin))
          continue;
        int code = int(std::clamp(std::nearbyint(float(codes[d]) + wish), float(problem.grid.lowest), float(problem.grid.highest)));
        if (code == codes[d])
          continue;
        add(d, scale * float(code - codes[d]));
        codes[d] = int8_t(code);
        isChanged = true;
      }
    }
  }

  /// The squared error of each channel over the rows that were kept aside.
  std::vector<double> errors(const int8_t *codes, const std::vector<float> &seen, const std::vector<float> &expected) const {
    size_t rows = seen.size() / depth;
    std::vector<float> weights(channels * depth), found(channels * rows);
    for (size_t i = 0; i < weights.size(); i++)
      weights[i] = scaleOf(i / depth, i % depth) * float(codes[i]);
    multiplyTransposed(weights.data(), channels, seen.data(), rows, depth, found.data(), threads);
    std::vector<double> sums(channels, 0);
    for (size_t c = 0; c < channels; c++) {
      double shift = 0;
      if (problem.isShiftCorrected) {
        shift = resultMeans[c];
        for (size_t d = 0; d < depth; d++)
          shift -= weights[c * depth + d] * seenMeans[d];
      }
      for (size_t r = 0; r < rows; r++)
        sums[c] += std::pow(double(expected[c * rows + r]) - found[c * rows + r] - shift, 2);
    }
    return sums;
  }

  GroupErrors keepBetter(const std::vector<int8_t> &adapted, std::vector<int8_t> &codes) const {
    std::vector<float> seen = part(problem.seen, size_t(problem.shape.rowSize()), column, depth, true);
    std::vector<float> expected = resultsOf(part(problem.exact, size_t(problem.shape.rowSize()), column, depth, true));
    std::vector<double> before = errors(codes.data() + first * depth, seen, expected), after = errors(adapted.data(), seen, expected);
    GroupErrors sums;
    for (float result : expected)
      sums.whole += double(result) * result;
    for (size_t c = 0; c < channels; c++) {
      sums.before += before[c];
      sums.after += std::min(before[c], after[c]);
      if (after[c] < before[c])
        std::copy_n(adapted.begin() + int64_t(c * depth), depth, codes.begin() + int64_t((first + c) * depth));
    }
    return sums;
  }

  const RoundingProblem &problem;
  uint32_t threads;
  size_t depth, channels, first, column; // first: of the channels; column: of the rows
  std::vector<float> squares;            // of what the layer sees, [depth][depth]
  std::vector<float> targets;            // products of exact results with it, [channels][depth]
  std::vector<double> seenMeans, resultMeans;
};

} // namespace

std::vector<int8_t> nearestCodes(const LayerShape &shape, const std::vector<float> &weights, const WeightGrid &grid) {
  std::vector<int8_t> codes(weights.size());
  int64_t blocks = (shape.depth + grid.block - 1) / std::max<int64_t>(grid.block, 1);
  for (size_t i = 0; i < weights.size(); i++) {
    int64_t channel = int64_t(i) / shape.depth, d = int64_t(i) % shape.depth;
    float code = std::nearbyint(weights[i] / grid.scales[size_t(channel * blocks + d / grid.block)]);
    codes[i] = int8_t(std::clamp(code, float(grid.lowest), float(grid.highest)));
  }
  return codes;
}

AdaptedCodes adaptedCodes(const RoundingProblem &problem) {
  AdaptedCodes result;
  result.codes = nearestCodes(problem.shape, problem.weights, problem.grid);
  size_t groups = size_t(problem.shape.groups);
  std::vector<GroupErrors> errors(groups);
  // Groups are many and small, or there is one.
  inParallel(groups, groups > 1 ? problem.threads : 1, [&](size_t group) { errors[group] = GroupRounding(problem, group, groups > 1 ? 1 : problem.threads).run(result.codes); });
  double whole = 0;
  for (const GroupErrors &error : errors) {
    result.before += error.before;
    result.after += error.after;
    whole += error.whole;
  }
  result.before /= whole > 0 ? whole : 1;
  result.after /= whole > 0 ? whole : 1;
  return result;
}

} // namespace tenon::driver
