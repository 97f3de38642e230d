"""A convolutional network in ONNX, run by PyTorch node by node: what its authors' own code does in eager mode, with sigmoid and product as one SiLU."""
import numpy as np
import onnx
import torch
import torch.nn.functional as functional
from onnx import helper, numpy_helper


def padding_of(attributes):
    pads = attributes.get("pads", [0, 0, 0, 0])
    if pads[:2] != pads[2:]:
        raise SystemExit(f"eager.py: padding of {pads} is not the same on both sides")
    return pads[:2]


def conv(attributes, x, weight, bias=None):
    return functional.conv2d(x, weight, bias, attributes["strides"], padding_of(attributes), attributes.get("dilations", [1, 1]), attributes.get("group", 1))


def resize(attributes, x, _, scales):
    if attributes["mode"] != b"nearest":
        raise SystemExit("eager.py: only nearest neighbours are resized")
    return functional.interpolate(x, scale_factor=scales.tolist()[2:], mode="nearest")


def cut(_, x, starts, ends, axes):
    for start, end, axis in zip(starts.tolist(), ends.tolist(), axes.tolist(), strict=True):
        x = x.narrow(axis, start, min(end, x.shape[axis]) - start)
    return x


OPERATORS = {
    "Conv": conv,
    "Resize": resize,
    "Slice": cut,
    "Silu": lambda _, x: functional.silu(x),
    "Sigmoid": lambda _, x: torch.sigmoid(x),
    "Add": lambda _, x, y: x + y,
    "Sub": lambda _, x, y: x - y,
    "Mul": lambda _, x, y: x * y,
    "Div": lambda _, x, y: x / y,
    "Concat": lambda a, *x: torch.cat(x, a["axis"]),
    "Split": lambda a, x, sizes: torch.split(x, sizes.tolist(), a["axis"]),
    "Reshape": lambda _, x, shape: x.reshape(shape.tolist()),
    "Transpose": lambda a, x: x.permute(a["perm"]),
    "Softmax": lambda a, x: torch.softmax(x, a["axis"]),
    "MaxPool": lambda a, x: functional.max_pool2d(x, a["kernel_shape"], a["strides"], padding_of(a)),
}


class Network:
    def __init__(self, path):
        graph = onnx.load(path).graph
        self.values = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
        self.outputs = [value.name for value in graph.output]
        self.nodes, sigmoids = [], {}
        for node in graph.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            inputs = list(node.input)
            kind = node.op_type
            if kind == "Constant":
                self.values[node.output[0]] = torch.from_numpy(np.array(numpy_helper.to_array(attributes["value"])))
                continue
            if kind == "Sigmoid":
                sigmoids[node.output[0]] = inputs[0]
            if kind == "Mul" and sigmoids.get(inputs[1]) == inputs[0]:
                self.nodes = [other for other in self.nodes if inputs[1] not in other[3]]
                kind, inputs = "Silu", inputs[:1]
            if kind not in OPERATORS:
                raise SystemExit(f"eager.py: {path} has a {kind}, which is not known here")
            self.nodes.append((OPERATORS[kind], attributes, inputs, list(node.output)))

    def run(self, inputs):
        values = dict(self.values) | {name: torch.from_numpy(array) for name, array in inputs.items()}
        with torch.inference_mode():
            for operator, attributes, names, outputs in self.nodes:
                result = operator(attributes, *(values.get(name) for name in names))
                values.update(zip(outputs, result if isinstance(result, tuple) else (result,), strict=True))
        return {name: values[name].numpy() for name in self.outputs}
