"""Derivatives that the model asks for (ai.onnx.preview.training.Gradient), against those of numpy."""
import numpy as np
import tenon
from onnx import TensorProto, helper
from refusals import refused


def differentiated(body, shapes, y, xs):
    """A model of the nodes `body`, (type, inputs, output, attributes), and of the derivatives of `y` by `xs`."""
    nodes = [helper.make_node(kind, inputs, [output], **attributes) for kind, inputs, output, attributes in body]
    nodes.append(helper.make_node("Gradient", xs, [f"d{x}" for x in xs], domain="ai.onnx.preview.training", xs=xs, y=y))
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    outputs = [helper.make_tensor_value_info(f"d{x}", TensorProto.FLOAT, shapes[x]) for x in xs]
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.preview.training", 1)]
    return helper.make_model(helper.make_graph(nodes, "derivatives", inputs, outputs), opset_imports=imports, ir_version=8)


TOTAL = {"keepdims": 0}


def test_chain(folder):
    """sum(tanh(x * w) / exp(w)), w broadcast."""
    body = [("Mul", ["x", "w"], "p", {}), ("Tanh", ["p"], "t", {}), ("Exp", ["w"], "e", {}), ("Div", ["t", "e"], "q", {}), ("ReduceSum", ["q"], "y", TOTAL)]
    plan = tenon.compile(differentiated(body, {"x": [2, 3], "w": [3]}, "y", ["x", "w"]), threads=1)
    x, w = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3), np.array([0.5, -1, 2], np.float32)
    found = plan.run({"x": x, "w": w})
    slope = 1 - np.tanh(x * w) ** 2
    np.testing.assert_allclose(found["dx"], slope * w / np.exp(w), rtol=1e-5)
    np.testing.assert_allclose(found["dw"], ((slope * x - np.tanh(x * w)) / np.exp(w)).sum(axis=0), rtol=1e-5)


def test_transposed_mean(folder):
    """The mean of relu(x) * x', whose elements meet those of the transpose."""
    body = [("Relu", ["x"], "r", {}), ("Transpose", ["x"], "t", {"perm": [1, 0]}), ("Mul", ["r", "t"], "p", {}), ("ReduceMean", ["p"], "y", TOTAL)]
    plan = tenon.compile(differentiated(body, {"x": [3, 3]}, "y", ["x"]), threads=1)
    x = np.array([[1, -2, 3], [4, 5, -6], [-7, 8, 9]], np.float32)
    (found,) = plan.run({"x": x}).values()
    np.testing.assert_allclose(found, ((x > 0) * x.T + np.maximum(x, 0).T) / 9, rtol=1e-6)


def test_a_tensor_that_y_does_not_need(folder):
    plan = tenon.compile(differentiated([("ReduceSum", ["x"], "y", TOTAL)], {"x": [4], "z": [2]}, "y", ["x", "z"]), threads=1)
    found = plan.run({"x": np.ones(4, np.float32), "z": np.ones(2, np.float32)})
    assert found["dx"].tolist() == [1] * 4 and found["dz"].tolist() == [0] * 2


def test_what_is_not_supported(folder):
    for body, reason in (([("Softmax", ["x"], "s", {}), ("ReduceSum", ["s"], "y", TOTAL)], "a derivative of nn.softmax"),
                         ([("Relu", ["x"], "y", {})], "a derivative of more than one number")):
        model = differentiated(body, {"x": [4]}, "y", ["x"])
        refused(lambda: tenon.compile(model, threads=1), reason, tenon.Error)
    model = differentiated([("ReduceSum", ["x"], "y", TOTAL)], {"x": [4]}, "y", ["x"])
    model.graph.node[-1].input[0] = "y"
    refused(lambda: tenon.compile(model, threads=1), "at other values than those of the graph", tenon.Error)
