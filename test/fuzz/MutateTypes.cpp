// Types of values, and constants.
#include "test/fuzz/Mutations.h"

namespace tenon::fuzz {
using onnx::TensorProto;

int drawElementType(Draw &draw) {
  static constexpr int common[] = {TensorProto::FLOAT, TensorProto::INT64, TensorProto::INT32, TensorProto::BOOL, TensorProto::INT8, TensorProto::UINT8, TensorProto::FLOAT16, TensorProto::DOUBLE};
  // One more than there are, and one less: UNDEFINED.
  return draw.oneIn(3) ? int(draw.below(TensorProto::DataType_MAX + 2)) : draw.of(common);
}

//===-- Types -----------------------------------------------------------------------------------------------------===//

/// The tensor's type, inside sequences and optionals.
static onnx::TypeProto *innermost(onnx::TypeProto *type) {
  while (type->has_sequence_type() || type->has_optional_type())
    type = type->has_sequence_type() ? type->mutable_sequence_type()->mutable_elem_type() : type->mutable_optional_type()->mutable_elem_type();
  return type;
}

static void wrap(onnx::TypeProto *type, Draw &draw) {
  onnx::TypeProto inner = *type;
  bool isSequence = draw.oneIn(2);
  (isSequence ? type->mutable_sequence_type()->mutable_elem_type() : type->mutable_optional_type()->mutable_elem_type())->CopyFrom(inner);
}

static void mutateDimension(onnx::TensorShapeProto::Dimension &dim, Draw &draw) {
  switch (draw.below(4)) {
  case 0: dim.set_dim_value(draw.integer()); break;
  case 1: dim.set_dim_value(int64_t(draw.below(5))); break;
  case 2: dim.set_dim_param(draw.oneIn(2) ? "n" : "m"); break;
  default: dim.Clear();
  }
}

static void mutateShape(onnx::TensorShapeProto &shape, Draw &draw) {
  int rank = shape.dim_size();
  switch (draw.below(rank ? 5 : 1)) {
  case 0:
    mutateDimension(*shape.add_dim(), draw);
    for (int i = rank; i > 0 && draw.oneIn(2); --i)
      shape.mutable_dim()->SwapElements(i, i - 1);
    break;
  case 1: shape.mutable_dim()->DeleteSubrange(int(draw.below(size_t(rank))), 1); break;
  case 2: shape.mutable_dim()->SwapElements(int(draw.below(size_t(rank))), int(draw.below(size_t(rank)))); break;
  default: mutateDimension(*shape.mutable_dim(int(draw.below(size_t(rank)))), draw);
  }
}

static void mutateType(onnx::TypeProto *type, Draw &draw) {
  size_t kind = draw.below(10);
  if (kind == 0)
    return wrap(type, draw);
  if (kind == 1 && innermost(type) != type) {
    onnx::TypeProto inner = *innermost(type);
    *type = inner;
    return;
  }
  onnx::TypeProto::Tensor &tensor = *innermost(type)->mutable_tensor_type();
  if (kind < 4)
    tensor.set_elem_type(drawElementType(draw));
  else if (kind == 4)
    tensor.clear_shape();
  else
    mutateShape(*tensor.mutable_shape(), draw);
}

//===-- Constants -------------------------------------------------------------------------------------------------===//

void fillTensor(TensorProto &tensor, Draw &draw) {
  int64_t count = 1;
  for (int64_t size : tensor.dims())
    count = size < 0 || size > 64 ? 64 : std::min<int64_t>(count * size, 64);
  tensor.clear_raw_data();
  tensor.clear_float_data();
  tensor.clear_int32_data();
  tensor.clear_int64_data();
  tensor.clear_double_data();
  for (int64_t i = 0; i < count; ++i)
    switch (tensor.data_type()) {
    case TensorProto::FLOAT: tensor.add_float_data(draw.number()); break;
    case TensorProto::DOUBLE: tensor.add_double_data(draw.number()); break;
    case TensorProto::INT64: tensor.add_int64_data(draw.integer()); break;
    case TensorProto::STRING: tensor.add_string_data(draw.oneIn(2) ? "a" : "bc"); break;
    default: tensor.add_int32_data(int32_t(draw.integer()));
    }
}

static void mutateBytes(std::string &bytes, Draw &draw) {
  if (bytes.empty() || draw.oneIn(4)) {
    bytes.resize(draw.below(bytes.size() + 9));
    return;
  }
  size_t at = draw.below(bytes.size());
  if (draw.oneIn(2)) {
    bytes[at] = char(draw.below(256));
    return;
  }
  // A number that is the edge of something, where one of 8 bytes would lie.
  int64_t value = draw.integer();
  at -= at % 8;
  for (size_t i = 0; i < 8 && at + i < bytes.size(); ++i)
    bytes[at + i] = char(value >> (8 * i));
}

static void mutateTensor(TensorProto &tensor, Draw &draw) {
  int rank = tensor.dims_size();
  switch (draw.below(8)) {
  case 0: tensor.set_data_type(drawElementType(draw)); break;
  case 1:
    tensor.set_data_type(drawElementType(draw));
    fillTensor(tensor, draw);
    break;
  case 2:
    if (rank)
      tensor.set_dims(int(draw.below(size_t(rank))), draw.integer());
    break;
  case 3:
    draw.oneIn(2) || !rank ? tensor.add_dims(int64_t(draw.below(4))) : tensor.mutable_dims()->RemoveLast();
    if (draw.oneIn(2))
      fillTensor(tensor, draw);
    break;
  case 4: fillTensor(tensor, draw); break;
  case 5:
    tensor.set_data_location(TensorProto::EXTERNAL);
    tensor.add_external_data()->set_key("location");
    tensor.mutable_external_data(tensor.external_data_size() - 1)->set_value("/proc/self/mem");
    break;
  default:
    if (tensor.int64_data_size())
      tensor.set_int64_data(int(draw.below(size_t(tensor.int64_data_size()))), draw.integer());
    else if (tensor.float_data_size())
      tensor.set_float_data(int(draw.below(size_t(tensor.float_data_size()))), draw.number());
    else
      mutateBytes(*tensor.mutable_raw_data(), draw);
  }
}

void mutateTypes(ModelParts &parts, Draw &draw) {
  if (!parts.tensors.empty() && (parts.types.empty() || draw.oneIn(2)))
    mutateTensor(*draw.of(parts.tensors), draw);
  else if (!parts.types.empty())
    mutateType(draw.of(parts.types), draw);
}

} // namespace tenon::fuzz
