"""Models that others quantized: networks of operators on bytes as ONNX Runtime's quantizer writes them, few bits by Clip, f16 beside bytes."""
import logging

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization

from few_bits import products
from quantization import peer
from quantization_methods import answers, archive, distance, save


class Samples(quantization.CalibrationDataReader):
    def __init__(self, *shape):
        self.left = iter([{"x": np.random.default_rng(seed).standard_normal(shape).astype(np.float32)} for seed in range(4)])

    def get_next(self):
        return next(self.left, None)


def network(driver):
    """What detectors and classifiers are made of: SiLU, sums, joined branches, pooling, and a classifier's end."""
    node, random = helper.make_node, np.random.default_rng(90)
    number = lambda *shape: (random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
    nodes = [node("Conv", ["x", "w0", "b0"], ["a"], pads=[1] * 4), node("Sigmoid", ["a"], ["b"]), node("Mul", ["a", "b"], ["c"]), node("Conv", ["c", "w1"], ["d"], group=8, pads=[1] * 4),
             node("LeakyRelu", ["d"], ["e"], alpha=0.1), node("Add", ["c", "e"], ["f"]), node("MaxPool", ["c"], ["g"], kernel_shape=[3, 3], pads=[1] * 4),
             node("AveragePool", ["f"], ["h"], kernel_shape=[3, 3], pads=[1] * 4), node("Concat", ["h", "g", "f"], ["i"], axis=1), node("Conv", ["i", "w2", "b2"], ["j"], strides=[2, 2]),
             node("Relu", ["j"], ["k"]), node("GlobalAveragePool", ["k"], ["l"]), node("Flatten", ["l"], ["m"]), node("Gemm", ["m", "w3", "b3"], ["n"], transB=1), node("MatMul", ["n", "w4"], ["o"]),
             node("Softmax", ["o"], ["y"], axis=-1)]
    weights = {"w0": number(8, 4, 3, 3) * 2, "b0": number(8), "w1": number(8, 1, 3, 3), "w2": number(16, 24, 1, 1), "b2": number(16), "w3": number(12, 16) * 4, "b3": number(12), "w4": number(12, 8) * 3}
    return save(driver, "network", nodes, [4, 9, 9], [8], weights, 13)


def test_networks_of_operators_on_bytes(driver):
    logging.disable(logging.WARNING)
    model, x = network(driver), np.random.default_rng(91).standard_normal((6, 4, 9, 9)).astype(np.float32)
    exact = answers(driver, model, x)
    kinds = quantization.QuantType
    for activations, weights, per_channel in ((kinds.QUInt8, kinds.QInt8, True), (kinds.QUInt8, kinds.QUInt8, False), (kinds.QInt8, kinds.QInt8, True)):
        path = driver.folder / "operators.onnx"
        quantization.quantize_static(str(model), str(path), Samples(2, 4, 9, 9), quant_format=quantization.QuantFormat.QOperator, activation_type=activations, weight_type=weights, per_channel=per_channel)
        types = {node.op_type for node in onnx.load(path).graph.node}
        assert {"QLinearConv", "QLinearAdd", "QLinearMul", "QLinearConcat", "QLinearAveragePool", "QLinearSoftmax", "QGemm", "QLinearMatMul"} <= types, types
        found, expected = answers(driver, path, x), peer(path, x)
        step = 1 / 255
        assert np.abs(found - expected).max() <= 1.001 * step and (found != expected).mean() < 0.05, (activations, np.abs(found - expected).max(), (found != expected).mean())
        assert distance(expected, exact) < 0.25 and distance(found, exact) < 0.25, (distance(expected, exact), distance(found, exact))


def test_networks_that_are_quantized_as_they_run(driver):
    logging.disable(logging.WARNING)
    model, x = network(driver), np.random.default_rng(92).standard_normal((6, 4, 9, 9)).astype(np.float32)
    path = driver.folder / "dynamic.onnx"
    quantization.quantize_dynamic(str(model), str(path), weight_type=quantization.QuantType.QUInt8)
    assert {"ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"} <= {node.op_type for node in onnx.load(path).graph.node}
    assert np.abs(answers(driver, path, x) - peer(path, x)).max() < 1e-3


def bits_by_clip(driver, low, high):
    """As training with fake quantization exports it: scales of any value, and fewer bits than eight by Clip between Q and DQ, of activations and weights."""
    node, random = helper.make_node, np.random.default_rng(93)
    weight = random.standard_normal((6, 4, 3, 3)).astype(np.float32)
    constants = {"w": weight, "xs": np.float32(0.0731), "zero": np.int8(0), "ws": random.uniform(0.13, 0.31, 6).astype(np.float32), "zeros": np.zeros(6, np.int8),
                 "low": np.int8(low), "high": np.int8(high), "ys": np.float32(0.437), "shift": np.int8(-3)}
    nodes = [node("QuantizeLinear", ["x", "xs", "zero"], ["a"]), node("Clip", ["a", "low", "high"], ["b"]), node("DequantizeLinear", ["b", "xs", "zero"], ["c"]),
             node("QuantizeLinear", ["w", "ws", "zeros"], ["d"], axis=0), node("Clip", ["d", "low", "high"], ["e"]), node("DequantizeLinear", ["e", "ws", "zeros"], ["f"], axis=0),
             node("Conv", ["c", "f"], ["g"], pads=[1] * 4), node("Relu", ["g"], ["h"]), node("QuantizeLinear", ["h", "ys", "shift"], ["i"]), node("Clip", ["i", "low", "high"], ["j"]),
             node("DequantizeLinear", ["j", "ys", "shift"], ["y"])]
    return save(driver, "clipped", nodes, [4, 8, 8], [6, 8, 8], constants, 13)


def test_fewer_bits_by_clip(driver):
    x = np.random.default_rng(94).standard_normal((3, 4, 8, 8)).astype(np.float32)
    for low, high in ((-8, 7), (-4, 3), (-128, 127)):
        model = bits_by_clip(driver, low, high)
        found = answers(driver, model, x)
        assert np.array_equal(found, peer(model, x)), (low, high, np.abs(found - peer(model, x)).max())
        assert len(np.unique(found)) <= high - low + 1, "as many steps as there are bits"


def test_bytes_beside_halves(driver):
    """A network in f16 whose first layer is in 8 bits (scales in f16) and whose second one is not, with a result in f32."""
    node, random = helper.make_node, np.random.default_rng(95)
    half = lambda *shape: (random.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float16)
    codes = random.integers(-127, 128, (32, 16)).astype(np.int8)
    constants = {"xs": np.float16(0.03125), "zero": np.uint8(128), "codes": codes, "ws": np.float16(0.0078125), "none": np.int8(0), "w": half(16, 8)}
    nodes = [node("Cast", ["x"], ["a"], to=TensorProto.FLOAT16), node("QuantizeLinear", ["a", "xs", "zero"], ["b"]), node("DequantizeLinear", ["b", "xs", "zero"], ["c"]),
             node("DequantizeLinear", ["codes", "ws", "none"], ["d"]), node("MatMul", ["c", "d"], ["e"]), node("Relu", ["e"], ["f"]), node("MatMul", ["f", "w"], ["g"]), node("Cast", ["g"], ["y"], to=TensorProto.FLOAT)]
    model, x = save(driver, "halves", nodes, [32], [8], constants, 19), random.standard_normal((5, 32)).astype(np.float16).astype(np.float32)
    bytes_of = np.clip(np.rint(x.astype(np.float64) / 0.03125) + 128, 0, 255) - 128
    expected = np.maximum(bytes_of * 0.03125 @ (codes * 0.0078125), 0) @ constants["w"].astype(np.float64)
    found = answers(driver, model, x)
    assert distance(found, expected) < 2e-3 and distance(peer(model, x), expected) < 2e-3, (distance(found, expected), distance(peer(model, x), expected))


def test_operators_on_bytes_are_exported(driver):
    logging.disable(logging.WARNING)
    model, x = network(driver), np.random.default_rng(96).standard_normal((6, 4, 9, 9)).astype(np.float32)
    kinds = quantization.QuantType
    for activations, weights in ((kinds.QUInt8, kinds.QInt8), (kinds.QInt8, kinds.QInt8)):
        path, exported = driver.folder / "bytes.onnx", driver.folder / "exported.onnx"
        quantization.quantize_static(str(model), str(path), Samples(2, 4, 9, 9), quant_format=quantization.QuantFormat.QOperator, activation_type=activations, weight_type=weights, per_channel=True)
        assert "opset 13" in driver.ok("export", path, "-o", exported)
        onnx.checker.check_model(str(exported), full_check=True)
        written = onnx.load(exported)
        assert {node.domain for node in written.graph.node} == {""} and not [node for node in written.graph.node if node.op_type.startswith("QLinear")], written
        assert [entry.domain for entry in written.opset_import] == [""]
        assert len(written.graph.initializer) < 2 * len(onnx.load(path).graph.initializer)
        expected = peer(path, x)
        for found in (peer(exported, x), answers(driver, exported, x)):
            assert np.abs(found - expected).max() <= 1.001 / 255 and (found != expected).mean() < 0.05, (activations, np.abs(found - expected).max(), (found != expected).mean())


def test_blocks_and_older_forms_are_exported(driver):
    x = np.random.default_rng(97).standard_normal((5, 128)).astype(np.float32)
    model, exported = products(driver, "blocked", 17), driver.folder / "unblocked.onnx"
    for bits in ("int4", "int8"):
        driver.ok("quantize", model, "--weights", bits, "-o", "blocked8.onnx", "--quiet")
        driver.ok("export", "blocked8.onnx", "-o", exported)
        onnx.checker.check_model(str(exported), full_check=True)
        assert [node.op_type for node in onnx.load(exported).graph.node].count("DequantizeLinear") == 2 and onnx.load(exported).opset_import[0].version == 21
        expected = answers(driver, driver.folder / "blocked8.onnx", x)
        assert distance(answers(driver, exported, x), expected) < 1e-6 and distance(peer(exported, x), expected) < 1e-5, bits
    old = products(driver, "older", 9)
    driver.ok("quantize", old, "--calibration", archive(driver, "older", x), "-o", "older8.onnx", "--quiet")
    assert "com.microsoft" in {node.domain for node in onnx.load(driver.folder / "older8.onnx").graph.node}
    driver.ok("export", "older8.onnx", "-o", exported, "--quiet")
    assert {node.domain for node in onnx.load(exported).graph.node} == {""}
    assert np.array_equal(answers(driver, exported, x), answers(driver, driver.folder / "older8.onnx", x)) and np.array_equal(peer(exported, x), peer(driver.folder / "older8.onnx", x))


def test_what_cannot_be_exported(driver):
    model = products(driver, "floats", 17)
    driver.fails("export", model, "-o", "no.onnx", message="floats.onnx: is not quantized")
    driver.fails("export", driver.write("text.onnx", b"no model"), "-o", "no.onnx", message="no ONNX model")
    driver.fails("export", model, "-o", "none/no.onnx", message="none/no.onnx: cannot be written")
    other = save(driver, "other", [helper.make_node("QAttention", ["x", "w"], ["y"], name="attention", domain="com.microsoft")], [4], [4], {"w": np.ones(4, np.float32)})
    driver.fails("export", other, "-o", "no.onnx", message="'attention', a QAttention, has no form")
    last = save(driver, "last", [helper.make_node("QLinearGlobalAveragePool", ["x", "s", "z", "s", "z"], ["y"], name="pool", domain="com.microsoft", channels_last=1)], [4, 4, 4], [1, 1, 4],
                {"s": np.float32(1), "z": np.uint8(0)})
    driver.fails("export", last, "-o", "no.onnx", message="'pool'.*channels last")
