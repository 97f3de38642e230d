// Views and data movement as index maps: which element of an operand an element of the result is.
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/LoopsEvaluator.h"
#include "passes/6_codegen/cpu/ResizeCoordinates.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace tenon::cpu {

static bool anyUnknown(ArrayRef<Index> index) { return llvm::any_of(index, Evaluator::isUnknown); }

/// Axis `axis` of a result is axis `axis - shift` of an operand that is broadcast at the left.
enum class Broadcast { Same, Constant, AtRunTime };
static Broadcast broadcastOf(nn::Dim operand, nn::Dim result) {
  if (operand == result)
    return Broadcast::Same;
  if (operand.isConstant())
    return operand.isConstant(1) ? Broadcast::Constant : Broadcast::Same;
  return Broadcast::AtRunTime;
}

/// Groups of consecutive axes of two shapes with equal products; a group ends as soon as one is found.
struct AxisGroup {
  unsigned inputBegin, inputEnd, outputBegin, outputEnd;
};
static SmallVector<AxisGroup> groupsOf(ArrayRef<nn::Dim> input, ArrayRef<nn::Dim> output, MLIRContext *ctx) {
  SmallVector<AxisGroup> groups;
  unsigned i = 0, o = 0;
  while (i < input.size() || o < output.size()) {
    AxisGroup group{i, i, o, o};
    if (i < input.size() && o < output.size() && input[i] == output[o]) {
      ++i, ++o;
    } else if (i < input.size() && input[i].isConstant(1)) {
      ++i;
    } else if (o < output.size() && output[o].isConstant(1)) {
      ++o;
    } else {
      nn::Dim left = nn::Dim::constant(ctx, 1), right = left;
      // Extend the group until products agree or, where that cannot be seen, to the end of both shapes.
      bool closed = false;
      unsigned bestI = input.size(), bestO = output.size();
      for (unsigned ii = i; ii < input.size() && !closed; ++ii) {
        left = left * input[ii];
        right = nn::Dim::constant(ctx, 1);
        for (unsigned oo = o; oo < output.size() && !closed; ++oo) {
          right = right * output[oo];
          if (left == right)
            bestI = ii + 1, bestO = oo + 1, closed = true;
        }
      }
      i = bestI, o = bestO;
    }
    group.inputEnd = i, group.outputEnd = o;
    groups.push_back(group);
  }
  return groups;
}

SmallVector<Index> Evaluator::reshapeIndex(nn::ReshapeOp op, ArrayRef<Index> index) {
  auto input = nn::dimsOf(op.getInput().getType()), output = nn::dimsOf(op.getType());
  SmallVector<Index> result(input.size(), Index(0));
  for (AxisGroup g : groupsOf(input, output, op.getContext())) {
    unsigned inputs = g.inputEnd - g.inputBegin, outputs = g.outputEnd - g.outputBegin;
    if (!inputs || !outputs)
      continue;
    if (inputs == 1 && outputs == 1) {
      result[g.inputBegin] = index[g.outputBegin];
      continue;
    }
    Index linear = 0;
    bool unknownHere = anyUnknown(index.slice(g.outputBegin, outputs));
    for (unsigned o = g.outputBegin; o < g.outputEnd && !unknownHere; ++o)
      linear = b.add(b.mul(linear, b.dim(output[o])), index[o]);
    for (unsigned i = g.inputEnd; i-- > g.inputBegin;) {
      if (unknownHere) {
        result[i] = unknown();
      } else if (i == g.inputBegin) {
        result[i] = linear;
      } else {
        Index size = b.dim(input[i]);
        result[i] = b.rem(linear, size);
        linear = b.div(linear, size);
      }
    }
  }
  return result;
}

/// depth_to_space and space_to_depth: the spatial axes are the last two (channels first) or the two before the last.
SmallVector<Index> Evaluator::shuffleIndex(Operation *op, ArrayRef<Index> index) {
  if (anyUnknown(index))
    return SmallVector<Index>(index.size(), unknown());
  auto channels = [&](Type type, nn::Layout layout) {
    return b.dim(nn::dimOf(type, layout == nn::Layout::ChannelsFirst ? 1 : 3));
  };
  SmallVector<Index> result(index);
  if (auto depth = dyn_cast<nn::DepthToSpaceOp>(op)) {
    bool first = depth.getLayout() == nn::Layout::ChannelsFirst;
    unsigned c = first ? 1 : 3, y = first ? 2 : 1, x = first ? 3 : 2;
    Index block = int64_t(depth.getBlock()), by = b.rem(index[y], block), bx = b.rem(index[x], block);
    result[y] = b.div(index[y], block);
    result[x] = b.div(index[x], block);
    result[c] = depth.getColumnRowDepth()
                    ? b.add(b.mul(b.add(b.mul(index[c], block), by), block), bx)
                    : b.add(b.mul(b.add(b.mul(by, block), bx), channels(depth.getType(), depth.getLayout())), index[c]);
    return result;
  }
  auto space = cast<nn::SpaceToDepthOp>(op);
  bool first = space.getLayout() == nn::Layout::ChannelsFirst;
  unsigned c = first ? 1 : 3, y = first ? 2 : 1, x = first ? 3 : 2;
  Index block = int64_t(space.getBlock()), depth = channels(space.getInput().getType(), space.getLayout());
  Index tap = b.div(index[c], depth);
  result[c] = b.rem(index[c], depth);
  result[y] = b.add(b.mul(index[y], block), b.div(tap, block));
  result[x] = b.add(b.mul(index[x], block), b.rem(tap, block));
  return result;
}

SmallVector<Index> Evaluator::operandIndex(Operation *op, unsigned operand, ArrayRef<Index> index) {
  auto from = nn::dimsOf(op->getOperand(operand).getType()), to = nn::dimsOf(op->getResult(0).getType());
  if (auto transpose = dyn_cast<nn::TransposeOp>(op)) {
    SmallVector<Index> result(index.size());
    for (auto [axis, source] : llvm::enumerate(transpose.getPerm()))
      result[source] = index[axis];
    return result;
  }
  if (auto reshape = dyn_cast<nn::ReshapeOp>(op))
    return reshapeIndex(reshape, index);
  if (isa<nn::DepthToSpaceOp, nn::SpaceToDepthOp>(op))
    return shuffleIndex(op, index);
  if (auto slice = dyn_cast<nn::SliceOp>(op)) {
    SmallVector<Index> result(index);
    for (auto [axis, start] : llvm::enumerate(slice.getStarts().dims()))
      if (!isUnknown(index[axis]))
        result[axis] = b.add(b.dim(start), b.mul(index[axis], slice.getSteps()[axis]));
    return result;
  }
  if (isa<nn::TileOp>(op)) {
    SmallVector<Index> result(index);
    for (unsigned axis = 0; axis < from.size(); ++axis)
      if (from[axis] != to[axis] && !isUnknown(index[axis]))
        result[axis] = b.rem(index[axis], b.dim(from[axis]));
    return result;
  }
  // Elementwise ops and expand: aligned at the last axis.
  SmallVector<Index> result;
  unsigned shift = to.size() - from.size();
  for (unsigned axis = 0; axis < from.size(); ++axis) {
    Index i = index[axis + shift];
    Broadcast kind = broadcastOf(from[axis], to[axis + shift]);
    if (kind == Broadcast::Constant)
      i = 0;
    else if (kind == Broadcast::AtRunTime && !isUnknown(i))
      i = b.select(b.equal(b.dim(from[axis]), 1), 0, i);
    result.push_back(i);
  }
  return result;
}

int Evaluator::operandAxis(Operation *op, unsigned operand, int axis) {
  Type from = op->getOperand(operand).getType(), to = op->getResult(0).getType();
  auto input = nn::dimsOf(from), output = nn::dimsOf(to);
  return llvm::TypeSwitch<Operation *, int>(op)
      .Case([&](nn::TransposeOp transpose) { return int(transpose.getPerm()[axis]); })
      .Case([&](nn::SliceOp slice) { return slice.getSteps()[axis] == 1 ? axis : kScattered; })
      .Case([&](nn::TileOp) { return input[axis] == output[axis] ? axis : kScattered; })
      .Case([&](nn::ReshapeOp) {
        for (AxisGroup g : groupsOf(input, output, op->getContext()))
          if (unsigned(axis) >= g.outputBegin && unsigned(axis) < g.outputEnd)
            return g.inputEnd - g.inputBegin == 1 && g.outputEnd - g.outputBegin == 1 ? int(g.inputBegin) : kScattered;
        return kScattered;
      })
      .Case([&](nn::DepthToSpaceOp shuffle) {
        return shuffle.getLayout() == nn::Layout::ChannelsLast && axis == 3 && !shuffle.getColumnRowDepth() ? axis : kScattered;
      })
      .Case([&](nn::SpaceToDepthOp) { return kScattered; })
      .Case([&](nn::PadOp pad) {
        if (operand == 1)
          return kConstant;
        return pad.getLow().dims()[axis].isConstant(0) && pad.getHigh().dims()[axis].isConstant(0) ? axis : kScattered;
      })
      .Case([&](nn::ConcatOp concat) { return int(concat.getAxis()) == axis ? kScattered : axis; })
      .Case([&](nn::GatherOp gather) {
        int indicesRank = cast<ShapedType>(gather.getIndices().getType()).getRank(), at = gather.getAxis();
        if (axis < at)
          return operand == 0 ? axis : kConstant;
        if (axis >= at + indicesRank)
          return operand == 0 ? axis - indicesRank + 1 : kConstant;
        return kScattered;
      })
      .Case<nn::GatherElementsOp, nn::GridSampleOp, nn::RoiAlignOp>([&](auto) { return kScattered; })
      .Case([&](nn::GatherNDOp gather) {
        // Lanes in the axes of the slices, which follow the axes of `indices` but its last.
        int outer = cast<ShapedType>(gather.getIndices().getType()).getRank() - 1;
        if (axis < outer)
          return kScattered;
        return operand == 1 ? kConstant : axis - outer + int(input.size()) - (int(output.size()) - outer);
      })
      .Case([&](nn::OneHotOp oneHot) {
        if (operand == 1 || axis == int(oneHot.getAxis()))
          return kConstant;
        return axis < int(oneHot.getAxis()) ? axis : axis - 1;
      })
      .Case<nn::RangeOp>([&](auto) { return kConstant; })
      .Case([&](nn::ResizeOp resize) {
        return isCopiedAxis(resize, axis) ? axis : kScattered;
      })
      .Case<kernel::UnpackOp>([&](kernel::UnpackOp unpack) { return unpackAxis(unpack, axis); })
      .Case([&](nn::ReduceOp reduce) {
        int kept = -1;
        for (int a = 0; a < int(input.size()); ++a) {
          bool reduced = llvm::is_contained(reduce.getAxes(), a);
          kept += !reduced || reduce.getKeepDims();
          if (kept == axis)
            return reduced ? kScattered : a;
        }
        return kScattered;
      })
      .Case([&](nn::ArgReduceOp reduce) {
        if (axis == int(reduce.getAxis()) && reduce.getKeepDims())
          return kScattered;
        return axis < int(reduce.getAxis()) || reduce.getKeepDims() ? axis : axis + 1;
      })
      .Case<nn::SoftmaxOp>([&](auto) { return axis; })
      .Case<nn::LayerNormOp, nn::RMSNormOp>([&](auto) {
        if (operand == 0)
          return axis;
        int shift = int(output.size()) - int(input.size());
        return axis >= shift && !input[axis - shift].isConstant(1) ? axis - shift : kConstant;
      })
      .Case<nn::GroupNormOp>([&](auto) { return axis == 1 ? kScattered : operand ? kConstant : axis; })
      .Case<nn::BatchNormOp>([&](auto) { return operand == 0 ? axis : axis == 1 ? 0 : kConstant; })
      .Case<nn::LRNOp>([&](auto) { return axis == 1 ? kScattered : axis; })
      .Case([&](nn::PoolOp pool) {
        bool spatial = pool.getLayout() == nn::Layout::ChannelsLast ? axis > 0 && axis + 1 < int(input.size()) : axis > 1;
        return spatial ? kScattered : axis;
      })
      .Case([&](nn::MatMulOp matmul) {
        bool lastAxis = axis + 1 == int(output.size());
        if (operand == 0)
          return lastAxis ? kConstant : kScattered;
        if (!lastAxis)
          return kScattered;
        return operand == 2 ? int(input.size()) - 1 : int(input.size()) - (matmul.getTransposeRhs() ? 2 : 1);
      })
      .Case<nn::ConvOp, nn::ConvTransposeOp>([&](auto conv) {
        bool channels = conv.getLayout() == nn::Layout::ChannelsLast ? axis + 1 == int(output.size()) : axis == 1;
        if (!channels || conv.getGroups() != 1)
          return kScattered;
        return operand == 0 ? kConstant : operand == 2 ? 0 : isa<nn::ConvOp>(op) ? 0 : 1;
      })
      .Default([&](Operation *) {
        // Elementwise ops and expand.
        int there = axis - (int(output.size()) - int(input.size()));
        if (there < 0)
          return kConstant;
        switch (broadcastOf(input[there], output[axis])) {
        case Broadcast::Same:
          return there;
        case Broadcast::Constant:
          return kConstant;
        case Broadcast::AtRunTime:
          break;
        }
        return kScattered;
      });
}

/// The axes of the packed tensor that axis `axis` of the logical tensor is split into, outermost first.
static SmallVector<unsigned> splitAxes(kernel::PackingAttr packing, unsigned axis) {
  unsigned split = 0;
  for (unsigned a = 0;; ++a) {
    SmallVector<unsigned> axes;
    int64_t product = 1;
    // Axes of size 1 that follow belong to this axis only where nothing else can own them.
    do {
      axes.push_back(split);
      product *= packing.getSplit()[split++];
    } while (product < packing.getPadded()[a] && split < packing.getSplit().size());
    if (a == axis)
      return axes;
  }
}

int Evaluator::unpackAxis(kernel::UnpackOp op, int axis) {
  auto axes = splitAxes(op.getPacking(), axis);
  if (axes.size() != 1)
    return kScattered;
  return std::distance(op.getPacking().getPerm().begin(), llvm::find(op.getPacking().getPerm(), int64_t(axes[0])));
}

Value Evaluator::unpackAt(kernel::UnpackOp op, const Place &place) {
  kernel::PackingAttr packing = op.getPacking();
  SmallVector<Index> split(packing.getSplit().size(), Index(0));
  for (unsigned axis = 0; axis < place.index.size(); ++axis) {
    auto axes = splitAxes(packing, axis);
    Index rest = place.index[axis];
    for (unsigned part : llvm::reverse(ArrayRef(axes).drop_front())) {
      split[part] = b.rem(rest, packing.getSplit()[part]);
      rest = b.div(rest, packing.getSplit()[part]);
    }
    split[axes[0]] = rest;
  }
  Place packed;
  for (int64_t source : packing.getPerm())
    packed.index.push_back(split[source]);
  if (place.lanes) {
    int axis = unpackAxis(op, place.axis);
    if (axis == kScattered)
      return laneByLane(op, place);
    packed.lanes = place.lanes, packed.axis = axis;
  }
  return at(op.getPacked(), packed);
}

Value Evaluator::padAt(nn::PadOp op, const Place &place) {
  if (place.lanes && operandAxis(op, 0, place.axis) == kScattered)
    return laneByLane(op, place);
  auto low = op.getLow().dims(), high = op.getHigh().dims(), sizes = nn::dimsOf(op.getInput().getType());
  Place inside{place};
  Value condition;
  for (unsigned axis = 0; axis < sizes.size(); ++axis) {
    if (low[axis].isConstant(0) && high[axis].isConstant(0))
      continue;
    Index size = b.dim(sizes[axis]), i = b.sub(place.index[axis], b.dim(low[axis]));
    if (op.getMode() == nn::PadMode::Constant) {
      for (Value bound : {b.lessThan(Index(-1), i), b.lessThan(i, size)})
        condition = condition ? arith::AndIOp::create(b.ops(), condition, bound).getResult() : bound;
    } else if (op.getMode() == nn::PadMode::Edge) {
      i = b.max(b.min(i, b.sub(size, 1)), 0);
    } else {
      // A period of the reflected (or repeated) axis; shifted by whole periods so that the remainder is of a positive number.
      bool reflect = op.getMode() == nn::PadMode::Reflect;
      Index period = reflect ? b.max(b.mul(b.sub(size, 1), 2), 1) : size;
      Index shifts = b.add(b.div(b.max(b.dim(low[axis]), 0), period), 1);
      i = b.rem(b.add(i, b.mul(shifts, period)), period);
      if (reflect)
        i = b.min(i, b.sub(period, i)), i = b.min(i, b.sub(size, 1));
    }
    inside.index[axis] = i;
  }
  if (!condition)
    return at(op.getInput(), inside);
  auto fill = [&] {
    if (op.getValue())
      return spread(at(op.getValue(), Place{SmallVector<Index, 6>(cast<ShapedType>(op.getValue().getType()).getRank(), Index(0))}), place.lanes);
    Type type = typeAt(op, place.lanes);
    return arith::ConstantOp::create(b.ops(), cast<TypedAttr>(b.ops().getZeroAttr(type))).getResult();
  };
  return choose(typeAt(op, place.lanes), condition, [&] { return at(op.getInput(), inside); }, fill);
}

Value Evaluator::concatAt(nn::ConcatOp op, const Place &place) {
  unsigned axis = op.getAxis();
  bool along = place.lanes && place.axis == int(axis);
  if (along) {
    // In a vector if all lanes are in one input, else lane by lane.
    Index start = 0, first = place.index[axis], end = b.add(first, place.lanes);
    Value whole;
    for (Value input : op.getInputs()) {
      Index stop = b.add(start, b.dim(nn::dimOf(input.getType(), axis)));
      Value here = arith::AndIOp::create(b.ops(), b.lessThan(b.sub(start, 1), first), b.lessThan(b.sub(end, 1), stop));
      whole = whole ? arith::OrIOp::create(b.ops(), whole, here).getResult() : here;
      start = stop;
    }
    return choose(typeAt(op, place.lanes), whole, [&] { return concatPart(op, 0, 0, place); }, [&] { return laneByLane(op, place); });
  }
  return concatPart(op, 0, 0, place);
}

Value Evaluator::concatPart(nn::ConcatOp op, unsigned part, Index start, const Place &place) {
  Value input = op.getInputs()[part];
  unsigned axis = op.getAxis();
  Index stop = b.add(start, b.dim(nn::dimOf(input.getType(), axis)));
  auto here = [&] {
    Place inside{place};
    inside.index[axis] = b.sub(place.index[axis], start);
    return at(input, inside);
  };
  if (part + 1 == op.getInputs().size())
    return here();
  return choose(typeAt(op, place.lanes), b.lessThan(place.index[axis], stop), here, [&] { return concatPart(op, part + 1, stop, place); });
}

Value Evaluator::gatherAt(nn::GatherOp op, const Place &place) {
  if (place.lanes && operandAxis(op, 0, place.axis) == kScattered)
    return laneByLane(op, place);
  unsigned axis = op.getAxis(), rank = cast<ShapedType>(op.getIndices().getType()).getRank();
  ArrayRef<Index> index = place.index;
  Value position = indexAt(op.getIndices(), index.slice(axis, rank));
  Place source;
  source.index.append(index.begin(), index.begin() + axis);
  source.index.push_back(wrapped(position, b.dim(nn::dimOf(op.getInput().getType(), axis))));
  source.index.append(index.begin() + axis + rank, index.end());
  if (place.lanes)
    source.lanes = place.lanes, source.axis = operandAxis(op, 0, place.axis);
  return at(op.getInput(), source);
}

Value Evaluator::gatherElementsAt(nn::GatherElementsOp op, const Place &place) {
  if (place.lanes)
    return laneByLane(op, place);
  Place source{place};
  unsigned axis = op.getAxis();
  source.index[axis] = wrapped(indexAt(op.getIndices(), place.index), b.dim(nn::dimOf(op.getInput().getType(), axis)));
  return at(op.getInput(), source);
}

Value Evaluator::gatherNDAt(nn::GatherNDOp op, const Place &place) {
  if (place.lanes && operandAxis(op, 0, place.axis) == kScattered)
    return laneByLane(op, place);
  auto indices = nn::dimsOf(op.getIndices().getType()), input = nn::dimsOf(op.getInput().getType());
  unsigned outer = indices.size() - 1, batch = op.getBatchDims();
  int64_t coordinates = *indices.back().asConstant();
  ArrayRef<Index> index = place.index;
  Place source;
  source.index.append(index.begin(), index.begin() + batch);
  SmallVector<Index> where(index.take_front(outer));
  where.push_back(0);
  for (int64_t k = 0; k < coordinates; ++k) {
    where.back() = k;
    source.index.push_back(wrapped(indexAt(op.getIndices(), where), b.dim(input[batch + k])));
  }
  source.index.append(index.begin() + outer, index.end());
  if (place.lanes)
    source.lanes = place.lanes, source.axis = operandAxis(op, 0, place.axis);
  return at(op.getInput(), source);
}

Value Evaluator::oneHotAt(nn::OneHotOp op, const Place &place) {
  unsigned axis = op.getAxis();
  if (place.lanes && place.axis != int(axis))
    return laneByLane(op, place);
  SmallVector<Index> where(place.index.begin(), place.index.end());
  where.erase(where.begin() + axis);
  Index depth = b.dim(nn::dimOf(op.getType(), axis)), hot(indexAt(op.getIndices(), where));
  hot = b.select(b.lessThan(hot, 0), b.add(hot, depth), hot);
  auto value = [&](int64_t which) { return at(op.getValues(), Place{{Index(which)}}); };
  Value off = value(0), on = value(1);
  if (!place.lanes)
    return arith::SelectOp::create(b.ops(), b.equal(hot, place.index[axis]), on, off);
  Value lane = b.splat(b.value(b.sub(hot, place.index[axis])), place.lanes);
  Value is = arith::CmpIOp::create(b.ops(), arith::CmpIPredicate::eq, lane, iota(b.ops().getI64Type(), place.lanes));
  return arith::SelectOp::create(b.ops(), is, b.splat(on, place.lanes), b.splat(off, place.lanes));
}

Value Evaluator::rangeAt(nn::RangeOp op, const Place &place) {
  auto scalar = [&](Value v) { return spread(at(v, Place{SmallVector<Index, 6>(cast<ShapedType>(v.getType()).getRank(), Index(0))}), place.lanes); };
  Value start = scalar(op.getStart()), delta = scalar(op.getDelta());
  Type type = typeAt(op, 0);
  Value i = spread(b.value(place.index[0]), place.lanes);
  if (place.lanes)
    i = arith::AddIOp::create(b.ops(), i, iota(b.ops().getI64Type(), place.lanes));
  if (isa<FloatType>(type))
    return b.fma(b.convert(i, type), delta, start);
  i = type.getIntOrFloatBitWidth() == 64 ? i : b.convert(i, type);
  return arith::AddIOp::create(b.ops(), start, arith::MulIOp::create(b.ops(), i, delta));
}

} // namespace tenon::cpu
