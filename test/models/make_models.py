"""Small models for tests, made with onnx.helper: one for each kind of kernel, seconds to compile, no trained weights.

    make_models.py FOLDER     writes them all

Weights are seeded by the model's name: the same bytes on every machine.
"""
import sys
import zlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


class Graph:
    """Collects nodes and weights. Each method adds one node and returns its output's name."""

    def __init__(self, name, inputs):
        self.name, self.inputs = name, inputs
        self.nodes, self.weights = [], []
        self.random = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))

    def weight(self, *shape, scale=None):
        scale = scale if scale is not None else 1 / np.sqrt(max(1, np.prod(shape[1:])))
        return self.constant((self.random.standard_normal(shape) * scale).astype(np.float32))

    def constant(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def bytes(self, *shape, kind=np.int8):
        limits = np.iinfo(kind)
        return self.constant(self.random.integers(limits.min, limits.max + 1, shape).astype(kind))

    def microsoft(self, kind, *inputs, outputs=1, **attributes):
        return self.op(kind, *inputs, outputs=outputs, domain="com.microsoft", **attributes)

    def op(self, kind, *inputs, outputs=1, **attributes):
        name = f"{kind.lower()}{len(self.nodes)}"
        results = [f"{name}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), results, name=f"/{name}", **attributes))
        return results[0] if outputs == 1 else results

    def conv(self, x, channels_in, channels_out, size=3, stride=1, group=1):
        weight = self.weight(channels_out, channels_in // group, size, size)
        return self.op("Conv", x, weight, self.weight(channels_out, scale=0.1), strides=[stride] * 2, pads=[size // 2] * 4, group=group)

    def batch_norm(self, x, channels):
        ones = lambda: self.constant((0.5 + self.random.random(channels)).astype(np.float32))
        return self.op("BatchNormalization", x, ones(), self.weight(channels), self.weight(channels), ones())

    def model(self, kinds={}, **outputs):
        """Renames the values `outputs` and makes a checked model. `kinds` has the element types that ONNX's inference does not find."""
        nodes = self.nodes + [helper.make_node("Identity", [value], [name], name=f"/{name}") for name, value in outputs.items()]
        infos = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in self.inputs.items()]
        declared = [helper.make_tensor_value_info(name, kinds[name], None) if name in kinds else helper.make_empty_tensor_value_info(name) for name in outputs]
        graph = helper.make_graph(nodes, self.name, infos, declared, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)], ir_version=9, producer_name="tenon-tests")
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        if not kinds:  # the checker wants shapes too
            onnx.checker.check_model(model)
        return model


FLOAT = TensorProto.FLOAT


def residual_convolutions():
    """Strided, grouped and pointwise convolutions with batch norm, a residual and pooling: the body of a ResNet."""
    g = Graph("residual_convolutions", {"x": (FLOAT, ["batch", 3, 32, 32])})
    stem = g.op("Relu", g.batch_norm(g.conv("x", 3, 16, stride=2), 16))
    branch = g.op("Relu", g.batch_norm(g.conv(stem, 16, 16), 16))
    branch = g.batch_norm(g.conv(branch, 16, 16), 16)
    joined = g.op("Relu", g.op("Add", branch, stem))
    pooled = g.op("MaxPool", joined, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    flat = g.op("Flatten", g.op("GlobalAveragePool", g.conv(pooled, 16, 32, size=1)))
    return g.model(scores=g.op("Softmax", g.op("Gemm", flat, g.weight(10, 32), g.weight(10), transB=1), axis=-1))


def mobile_block():
    """Pointwise, depthwise, squeeze and excite, hard-swish: the body of a MobileNet."""
    g = Graph("mobile_block", {"x": (FLOAT, [1, 8, 28, 28])})
    wide = g.op("HardSwish", g.conv("x", 8, 48, size=1))
    deep = g.op("HardSwish", g.conv(wide, 48, 48, size=5, stride=2, group=48))
    squeezed = g.op("Relu", g.conv(g.op("GlobalAveragePool", deep), 48, 12, size=1))
    gate = g.op("HardSigmoid", g.conv(squeezed, 12, 48, size=1), alpha=1 / 6)
    return g.model(y=g.conv(g.op("Mul", deep, gate), 48, 16, size=1))


def transformer_block():
    """Layer norm, attention of two heads and a GELU: the body of a transformer, with a free batch."""
    g = Graph("transformer_block", {"x": (FLOAT, ["batch", 12, 32])})

    def norm(x):
        return g.op("LayerNormalization", x, g.constant(np.ones(32, np.float32)), g.constant(np.zeros(32, np.float32)), axis=-1)

    def heads(x, permutation):
        projected = g.op("Add", g.op("MatMul", x, g.weight(32, 32)), g.weight(32, scale=0.1))
        split = g.op("Reshape", projected, g.constant(np.array([0, 12, 2, 16], np.int64)))
        return g.op("Transpose", split, perm=permutation)

    normal = norm("x")
    q, k, v = heads(normal, [0, 2, 1, 3]), heads(normal, [0, 2, 3, 1]), heads(normal, [0, 2, 1, 3])
    scores = g.op("Softmax", g.op("Mul", g.op("MatMul", q, k), g.constant(np.float32(0.25))), axis=-1)
    mixed = g.op("Transpose", g.op("MatMul", scores, v), perm=[0, 2, 1, 3])
    mixed = g.op("Reshape", mixed, g.constant(np.array([0, 12, 32], np.int64)))
    x = g.op("Add", "x", g.op("MatMul", mixed, g.weight(32, 32)))
    hidden = g.op("MatMul", norm(x), g.weight(32, 64))
    erf = g.op("Erf", g.op("Mul", hidden, g.constant(np.float32(0.70710678))))
    gelu = g.op("Mul", g.op("Mul", hidden, g.op("Add", erf, g.constant(np.float32(1)))), g.constant(np.float32(0.5)))
    return g.model(y=g.op("Add", x, g.op("MatMul", gelu, g.weight(64, 32))))


def detection_head():
    """Split, upsampling, concatenation, SiLU and slices over free height and width."""
    g = Graph("detection_head", {"image": (FLOAT, [1, 3, "height", "width"])})

    def silu(x):
        return g.op("Mul", x, g.op("Sigmoid", x))

    fine = silu(g.conv("image", 3, 16, stride=2))
    coarse = silu(g.conv(fine, 16, 16, stride=2))
    scales = g.constant(np.array([1, 1, 2, 2], np.float32))
    up = g.op("Resize", coarse, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    left, right = g.op("Split", g.op("Concat", up, up, axis=1), g.constant(np.array([16, 16], np.int64)), outputs=2, axis=1)
    joined = g.op("Concat", g.op("Add", left, right), g.op("MaxPool", up, kernel_shape=[5, 5], pads=[2, 2, 2, 2]), axis=1)
    return g.model(boxes=g.conv(joined, 32, 4, size=1), scores=g.op("Sigmoid", g.conv(joined, 32, 2, size=1)))


def integers():
    """Gather by index, comparisons, ArgMax: integers and booleans must come out equal."""
    g = Graph("integers", {"ids": (TensorProto.INT64, ["n"]), "limit": (TensorProto.INT64, [])})
    rows = g.op("Gather", g.weight(20, 8), "ids", axis=0)
    return g.model(best=g.op("ArgMax", rows, axis=1, keepdims=0), small=g.op("Less", "ids", "limit"), next=g.op("Add", "ids", "limit"))


def quantized():
    """Convolutions and products of bytes in every form of ONNX. Integers must come out equal."""
    g = Graph("quantized", {"x": (FLOAT, ["batch", 8, 12, 12])})
    number = lambda value, kind=np.float32: g.constant(kind(value))
    byte = g.op("QuantizeLinear", "x", number(0.03), number(117, np.uint8))
    scales = g.constant((0.01 + 0.01 * g.random.random(16)).astype(np.float32))
    weights = g.bytes(16, 8, 3, 3)
    sums = g.op("ConvInteger", byte, weights, number(117, np.uint8), number(0, np.int8), pads=[1, 1, 1, 1])
    bias = g.constant(g.random.integers(-1000, 1000, 16).astype(np.int32))
    conv = g.op("QLinearConv", byte, number(0.03), number(117, np.uint8), weights, scales, g.constant(np.zeros(16, np.int8)), number(0.5),
                number(100, np.uint8), bias, strides=[2, 2], pads=[1, 1, 1, 1])
    rows = g.op("Reshape", byte, g.constant(np.array([-1, 144], np.int64)))
    matrix = g.bytes(144, 10, kind=np.uint8)
    product = g.op("MatMulInteger", rows, matrix, number(117, np.uint8), number(128, np.uint8))
    large = g.constant(g.random.integers(200, 256, (1152, 10)).astype(np.uint8))
    deep = g.op("MatMulInteger", g.op("Concat", *[rows] * 8, axis=1), large)  # sums above 2^24, which f32 does not hold
    quantized = g.op("QLinearMatMul", rows, number(0.03), number(117, np.uint8), matrix, number(0.02), number(128, np.uint8), number(3.0), number(90, np.uint8))
    dynamic, scale, zero = g.op("DynamicQuantizeLinear", "x", outputs=3)
    real = g.op("DequantizeLinear", conv, number(0.5), number(100, np.uint8))
    perAxis = g.op("DequantizeLinear", weights, scales, g.constant(np.zeros(16, np.int8)), axis=0)
    return g.model(sums=sums, deep=deep, conv=conv, product=product, quantized=quantized, dynamic=dynamic, scale=scale, zero=zero,
                   real=g.op("Conv", real, g.op("DequantizeLinear", g.bytes(4, 16, 1, 1), number(0.01), number(0, np.int8))), weights=perAxis)


def microsoft_bytes():
    """ONNX Runtime's own operators on bytes."""
    g = Graph("microsoft_bytes", {"x": (FLOAT, ["batch", 8, 6, 6])})
    number = lambda value, kind=np.float32: g.constant(kind(value))
    parameters = (number(0.03), number(117, np.uint8))
    byte = g.op("QuantizeLinear", "x", *parameters)
    total = g.microsoft("QLinearAdd", byte, *parameters, byte, *parameters, number(0.06), number(120, np.uint8))
    product = g.microsoft("QLinearMul", byte, *parameters, byte, *parameters, number(0.1), number(20, np.uint8))
    gate = g.microsoft("QLinearSigmoid", byte, *parameters, number(1 / 256), number(0, np.uint8))
    leaky = g.microsoft("QLinearLeakyRelu", byte, *parameters, number(0.04), number(60, np.uint8), alpha=0.1)
    pooled = g.microsoft("QLinearGlobalAveragePool", byte, *parameters, number(0.02), number(110, np.uint8), channels_last=0)
    rows = g.op("Reshape", byte, g.constant(np.array([-1, 36], np.int64)))
    bias = g.constant(g.random.integers(-1000, 1000, 5).astype(np.int32))
    gemm = g.microsoft("QGemm", rows, *parameters, g.bytes(5, 36), number(0.02), number(0, np.int8), bias, number(2.0), number(100, np.uint8), transB=1)
    real = g.microsoft("QGemm", rows, *parameters, g.bytes(36, 5), number(0.02), number(0, np.int8), bias, alpha=0.5)
    windows = g.microsoft("NhwcMaxPool", g.op("Transpose", byte, perm=[0, 2, 3, 1]), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    outputs = dict(total=total, product=product, gate=gate, leaky=leaky, pooled=pooled, gemm=gemm, real=real, windows=windows)
    return g.model(kinds={name: FLOAT if name == "real" else TensorProto.UINT8 for name in outputs}, **outputs)


def microsoft_layers():
    """ONNX Runtime's fused layers of transformers and convolutions, with a free batch."""
    g = Graph("microsoft_layers", {"ids": (TensorProto.INT32, ["batch", 7]), "mask": (TensorProto.INT32, ["batch", 7]), "image": (FLOAT, [1, 4, 9, 9])})
    scale, bias = g.weight(16), g.weight(16, scale=0.1)
    x, count, _ = g.microsoft("EmbedLayerNormalization", "ids", "", g.weight(20, 16), g.weight(12, 16), "", scale, bias, "mask", outputs=3, epsilon=1e-6)
    attended = g.microsoft("Attention", x, g.weight(16, 48), g.weight(48, scale=0.1), "mask", num_heads=2)
    x = g.microsoft("SkipLayerNormalization", x, attended, scale, bias, g.weight(16, scale=0.1), epsilon=1e-6)
    x = g.microsoft("BiasGelu", x, bias)
    x = g.microsoft("FastGelu", x, bias)
    heads, keys, values = g.microsoft("MultiHeadAttention", x, x, x, g.weight(48, scale=0.1), outputs=3, num_heads=4, unidirectional=1)
    blocks = g.bytes(6, 1, 8, kind=np.uint8)
    narrow = g.microsoft("MatMulNBits", heads, blocks, g.weight(6, scale=0.1), g.bytes(6, kind=np.uint8), K=16, N=6, bits=4, block_size=16)
    product = g.microsoft("FusedMatMul", x, x, transB=1, alpha=0.5)
    conv = g.microsoft("FusedConv", "image", g.weight(5, 4, 3, 3), g.weight(5), pads=[1, 1, 1, 1], activation="LeakyRelu", activation_params=[0.2])
    outputs = dict(count=count, heads=heads, keys=keys, values=values, narrow=narrow, product=product, conv=conv)
    return g.model(kinds={name: TensorProto.INT32 if name == "count" else FLOAT for name in outputs}, **outputs)


def group_query_attention():
    """A step of a language model: a cache of keys and values, rotated positions, two query heads to one of keys."""
    past = (FLOAT, ["batch", 2, "past", 16])
    g = Graph("group_query_attention", {"x": (FLOAT, ["batch", "steps", 16]), "past_key": past, "past_value": past})
    q, k, v = (g.op("MatMul", "x", g.weight(16, width)) for width in (64, 32, 32))
    size = lambda name, axis: g.op("Gather", g.op("Shape", name), g.constant(np.int64(axis)), axis=0)
    total = g.op("Cast", g.op("Add", size("past_key", 2), size("x", 1)), to=TensorProto.INT32)
    lengths = g.op("Expand", g.op("Sub", total, g.constant(np.int32(1))), g.op("Reshape", size("x", 0), g.constant(np.array([1], np.int64))))
    angles = np.outer(np.arange(64), 1 / 100 ** (np.arange(8) / 8)).astype(np.float32)
    y, key, value = g.microsoft("GroupQueryAttention", q, k, v, "past_key", "past_value", lengths, total, g.constant(np.cos(angles)),
                                g.constant(np.sin(angles)), outputs=3, num_heads=4, kv_num_heads=2, do_rotary=1)
    return g.model(kinds={name: FLOAT for name in ("y", "key", "value")}, y=y, key=key, value=value)
def recurrent_layers():
    """GRU, RNN and LSTM beside plain ones: two directions, clip, other activations, coupled gates, free length and batch."""
    g = Graph("recurrent_layers", {"x": (FLOAT, ["time", "batch", 12])})

    def weights(gates, hidden, directions, inputs, scale=0.4):
        return [g.weight(directions, gates * hidden, inputs, scale=0.4), g.weight(directions, gates * hidden, hidden, scale=scale),
                g.weight(directions, 2 * gates * hidden, scale=0.3)]

    gru = g.op("GRU", "x", *weights(3, 20, 2, 12), outputs=2, hidden_size=20, direction="bidirectional", linear_before_reset=1)
    reset = g.op("GRU", "x", *weights(3, 7, 1, 12), outputs=2, hidden_size=7, direction="reverse", clip=0.5)
    rnn = g.op("RNN", "x", *weights(1, 33, 2, 12, scale=0.1), outputs=2, hidden_size=33, direction="bidirectional",
               activations=["Relu", "LeakyRelu"], activation_alpha=[0.1])
    lstm = g.op("LSTM", "x", *weights(4, 9, 1, 12), outputs=3, hidden_size=9, activations=["HardSigmoid", "Softsign", "Tanh"], clip=3.0)
    return g.model(gru=gru[0], gru_last=gru[1], reset=reset[0], rnn=rnn[0], rnn_last=rnn[1], lstm=lstm[0], cell=lstm[2])


def sampled_images():
    """Grids, regions and the best of an axis: indices that are data."""
    g = Graph("sampled_images", {"x": (FLOAT, ["n", 5, "h", "w"]), "grid": (FLOAT, ["n", 6, 7, 2])})
    outputs = {f"{padding}_{mode}": g.op("GridSample", "x", "grid", mode=mode, padding_mode=padding, align_corners=corners)
               for mode, padding, corners in (("bilinear", "zeros", 0), ("bicubic", "reflection", 0), ("nearest", "border", 1), ("bilinear", "reflection", 1))}
    rois = g.constant(np.array([[0, 0, 9, 7], [2.5, 1, 30, 20], [-3, -2, 4, 5]], np.float32))
    images = g.constant(np.array([0, 0, 0], np.int64))
    outputs["mean"] = g.op("RoiAlign", "x", rois, images, output_height=3, output_width=4, sampling_ratio=0, spatial_scale=0.5)
    outputs["sampled"] = g.op("RoiAlign", "x", rois, images, output_height=2, output_width=2, sampling_ratio=2, spatial_scale=1.0)
    flat = g.op("Flatten", "x")
    outputs["best"], outputs["best_at"] = g.op("TopK", flat, g.constant(np.array([37], np.int64)), outputs=2, axis=1)
    outputs["least"], outputs["least_at"] = g.op("TopK", flat, g.constant(np.array([5], np.int64)), outputs=2, axis=1, largest=0)
    return g.model(**outputs)


def selection():
    """Results whose size depends on values: how many are positive, the largest, the distinct; and a shape that is computed."""
    g = Graph("selection", {"x": (FLOAT, ["n", 10])})
    positive = g.op("NonZero", g.op("Greater", "x", g.constant(np.float32(0))))
    largest, places = g.op("TopK", "x", g.constant(np.array([3])), outputs=2, axis=-1)
    distinct, firsts, inverse, counts = g.op("Unique", g.op("Round", "x"), outputs=4)
    rows = g.op("Compress", "x", g.op("Greater", g.op("ReduceSum", "x", g.constant(np.array([1])), keepdims=0), g.constant(np.float32(0))), axis=0)
    some = g.op("Slice", g.op("Flatten", rows, axis=0), g.constant(np.array([0])), g.op("Shape", distinct), g.constant(np.array([1])))
    return g.model(positive=positive, largest=largest, places=places, distinct=distinct, firsts=firsts, inverse=inverse, counts=counts, rows=rows,
                   doubled=g.op("Add", some, some))


def detections():
    """Non-maximum suppression with many equal scores: few candidates, all boxes, none at all; corners and centres."""
    g = Graph("detections", {"boxes": (FLOAT, ["n", "m", 4]), "scores": (FLOAT, ["n", 3, "m"])})
    number = lambda value, kind=np.float32: g.constant(np.array([value], kind))
    places, sizes = g.op("Split", "boxes", g.constant(np.array([2, 2])), outputs=2, axis=2)
    extents = g.op("Abs", sizes)
    corners = g.op("Concat", places, g.op("Add", places, extents), axis=2)
    centres = g.op("Concat", places, extents, axis=2)
    scores = g.op("Mul", g.op("Round", g.op("Mul", "scores", number(4))), number(0.25))
    few = g.op("NonMaxSuppression", corners, scores, number(5, np.int64), number(0.5), number(1.1))
    every = g.op("NonMaxSuppression", centres, scores, number(1000, np.int64), number(0.2), center_point_box=1)
    none = g.op("NonMaxSuppression", corners, scores, number(5, np.int64), number(0.5), number(100))
    # Rows of what the run selects: the transpose of all boxes is not needed for them.
    picked = g.op("Gather", g.op("Transpose", g.op("Reshape", "boxes", g.constant(np.array([4, -1]))), perm=[1, 0]),
                  g.op("Gather", few, number(2, np.int64), axis=1), axis=0)
    return g.model(few=few, every=every, none=none, picked=picked)


def lookups():
    """Embeddings as products with one-hot vectors, of positions inside and outside the table."""
    g = Graph("lookups", {"ids": (TensorProto.INT64, ["n", 7])})
    places = g.op("Sub", "ids", g.constant(np.int64(3)))
    compared = g.op("Equal", g.op("Unsqueeze", places, g.constant(np.array([2]))), g.constant(np.arange(12)))
    product = g.op("MatMul", g.op("Cast", compared, to=FLOAT), g.weight(12, 16))
    hot = g.op("OneHot", places, g.constant(np.array([12])), g.constant(np.array([0, 1], np.float32)))
    return g.model(compared=g.op("Relu", g.op("Add", product, g.weight(16))), wrapped=g.op("MatMul", hot, g.weight(12, 5)))


def subgraph(name, nodes, inputs, outputs):
    infos = [helper.make_tensor_value_info(input_name, kind, shape) for input_name, kind, shape in inputs]
    return helper.make_graph(nodes, name, infos, [helper.make_tensor_value_info(output_name, kind, shape) for output_name, kind, shape in outputs])


def branches():
    """A branch that values choose, of two results of different sizes; what is computed around it is read by both."""
    g = Graph("branches", {"x": (FLOAT, ["n", 8])})
    scaled = g.op("Mul", "x", g.constant(np.float32(0.5)))
    condition = g.op("Greater", g.op("ReduceSum", "x", keepdims=0), g.constant(np.float32(0)))
    node = helper.make_node
    then = subgraph("then", [node("Relu", [scaled], ["then_y"])], [], [("then_y", FLOAT, None)])
    otherwise = subgraph("otherwise", [node("Concat", [scaled, "x"], ["else_y"], axis=0)], [], [("else_y", FLOAT, None)])
    chosen = g.op("If", condition, then_branch=then, else_branch=otherwise)
    return g.model(y=g.op("Tanh", chosen))


def loops():
    """A loop whose carried value grows, that stops when values say so, and whose body reads what is around it."""
    g = Graph("loops", {"x": (FLOAT, [2, "n"]), "trips": (TensorProto.INT64, [])})
    limit, step = g.constant(np.float32(40)), g.constant(np.float32(1.5))
    node = helper.make_node
    body = subgraph("body", [
        node("Concat", ["grown", "x"], ["grown_next"], axis=0),
        node("Mul", ["sum", step], ["scaled"]),
        node("Add", ["scaled", "x"], ["sum_next"]),
        node("ReduceMax", ["sum_next"], ["largest"], keepdims=0),
        node("Less", ["largest", limit], ["goes_on"]),
        node("ReduceSum", ["grown_next"], ["total"], keepdims=0),
    ], [("i", TensorProto.INT64, []), ("holds", TensorProto.BOOL, []), ("grown", FLOAT, [None, "n"]), ("sum", FLOAT, [2, "n"])],
        [("goes_on", TensorProto.BOOL, []), ("grown_next", FLOAT, [None, "n"]), ("sum_next", FLOAT, None), ("total", FLOAT, [])])
    grown, total, totals = g.op("Loop", "trips", "", "x", "x", outputs=3, body=body)
    flat = lambda value: g.op("Reshape", value, g.constant(np.array([-1, 1])))
    return g.model(grown=flat(grown), total=flat(total), totals=flat(totals))


# name: (make, shapes of the inputs to try)
MODELS = {
    "residual_convolutions": (residual_convolutions, [{"x": (n, 3, 32, 32)} for n in (1, 3, 16)]),
    "mobile_block": (mobile_block, [{"x": (1, 8, 28, 28)}]),
    "transformer_block": (transformer_block, [{"x": (n, 12, 32)} for n in (1, 2, 7)]),
    "detection_head": (detection_head, [{"image": (1, 3, h, w)} for h, w in ((32, 32), (64, 48), (100, 60))]),
    "quantized": (quantized, [{"x": (n, 8, 12, 12)} for n in (1, 3)]),
    "microsoft_bytes": (microsoft_bytes, [{"x": (n, 8, 6, 6)} for n in (1, 3)]),
    "microsoft_layers": (microsoft_layers, [{"ids": (n, 7), "mask": (n, 7)} for n in (1, 3)]),
    "group_query_attention": (group_query_attention, [
        {"x": (n, steps, 16), "past_key": (n, 2, past, 16), "past_value": (n, 2, past, 16)} for n, steps, past in ((1, 1, 5), (2, 1, 9))]),
    "recurrent_layers": (recurrent_layers, [{"x": (t, n, 12)} for t, n in ((1, 1), (9, 1), (17, 3))]),
    "sampled_images": (sampled_images, [{"x": (n, 5, h, w), "grid": (n, 6, 7, 2)} for n, h, w in ((1, 12, 16), (2, 9, 5))]),
    "selection": (selection, [{"x": (n, 10)} for n in (1, 4, 37)]),
    "detections": (detections, [{"boxes": (n, m, 4), "scores": (n, 3, m)} for n, m in ((1, 1), (1, 40), (2, 317))]),
    "lookups": (lookups, [{"ids": (n, 7)} for n in (1, 5)]),
    "branches": (branches, [{"x": (n, 8)} for n in (1, 2, 3, 5)]),
    "loops": (loops, [{"x": (2, n), "trips": ()} for n in (1, 6)]),
    "integers": (integers, [{"ids": (n,), "limit": ()} for n in (1, 5)]),
}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, (make, _) in MODELS.items():
        onnx.save(make(), folder / f"{name}.onnx")


if __name__ == "__main__":
    main()
