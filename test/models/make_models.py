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

    def model(self, **outputs):
        """Renames the values `outputs` and makes a checked model."""
        nodes = self.nodes + [helper.make_node("Identity", [value], [name], name=f"/{name}") for name, value in outputs.items()]
        infos = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in self.inputs.items()]
        graph = helper.make_graph(nodes, self.name, infos, [helper.make_empty_tensor_value_info(name) for name in outputs], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9, producer_name="tenon-tests")
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
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


# name: (make, shapes of the inputs to try)
MODELS = {
    "residual_convolutions": (residual_convolutions, [{"x": (n, 3, 32, 32)} for n in (1, 3, 16)]),
    "mobile_block": (mobile_block, [{"x": (1, 8, 28, 28)}]),
    "transformer_block": (transformer_block, [{"x": (n, 12, 32)} for n in (1, 2, 7)]),
    "detection_head": (detection_head, [{"image": (1, 3, h, w)} for h, w in ((32, 32), (64, 48), (100, 60))]),
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
