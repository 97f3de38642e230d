"""tenon quantize --type fp8: floats of 8 bits (e4m3), and older models that are raised to the opset that has them."""
import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from few_bits import products
from quantization import fragile_model, peer, rows, samples, scores, similarity
from quantization_methods import answers, archive, distance, save


def test_layers_become_floats_of_eight_bits(driver):
    model, data = driver.model("residual_convolutions"), samples(driver, "float8")
    x = np.random.default_rng(2).standard_normal((2, 3, 32, 32)).astype(np.float32)
    report = driver.json("quantize", model, "--type", "fp8", "--calibration", data, "--report", "--html", "float8.html", "--save-recipe", "float8.json", "-o", "float8.onnx")
    assert [layer["bits"] for layer in report["layers"]] == [32, 8, 8, 8, 8], "the first one sums over three channels, which GPUs do not multiply so"
    assert report["fp8"] and all(np.isclose(tensor["scale"], max(-tensor["low"], tensor["high"]) / 448) for tensor in report["tensors"]), report
    assert "in fp8" in (driver.folder / "float8.html").read_text()
    onnx.checker.check_model(str(driver.folder / "float8.onnx"))
    found = onnx.load(driver.folder / "float8.onnx")
    assert found.opset_import[0].version == 19 and onnx.load(model).opset_import[0].version < 19
    constants, made = {i.name: i for i in found.graph.initializer}, {output: node for node in found.graph.node for output in node.output}
    assert all(constants[node.input[2]].data_type == TensorProto.FLOAT8E4M3FN for node in found.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear"))
    for node in found.graph.node:
        if node.op_type == "Conv" and node.input[1] in made:
            weight = made[node.input[1]]
            assert weight.op_type == "DequantizeLinear" and list(constants[weight.input[1]].dims) == [constants[weight.input[0]].dims[0]], node.name
    answer = scores(driver, driver.folder / "float8.onnx", x)
    assert similarity(answer, scores(driver, model, x)) > 0.999
    assert np.abs(answer - peer(driver.folder / "float8.onnx", x)).max() < 1e-5
    driver.ok("quantize", model, "--recipe", "float8.json", "-o", "again.onnx", "--quiet")
    assert (driver.folder / "again.onnx").read_bytes() == (driver.folder / "float8.onnx").read_bytes()
    driver.ok("compile", model, "--fp8", "--calibration", data, "-o", "float8.plan", "--quiet")
    driver.ok("run", "float8.plan", "--inputs", "given.npy", "--outputs", "inside.npz")
    assert np.array_equal(np.load(driver.folder / "inside.npz")["scores"], scores(driver, driver.folder / "float8.onnx", x))


def test_gpus_multiply_them_as_they_are(driver):
    model, data = products(driver, "products8", 17), archive(driver, "products8", np.random.default_rng(70).standard_normal((64, 128)).astype(np.float32))
    driver.ok("quantize", model, "--type", "fp8", "--calibration", data, "-o", "gpu8.onnx", "--quiet")
    for arch, is_narrow in (("sm_89", True), ("sm_80", False)):
        driver.ok("compile", "gpu8.onnx", "--target", f"cuda:{arch}", "--shape", "x=64x128", "-o", "gpu8.plan", "--quiet")
        assert (b"f32.e4m3.e4m3" in (driver.folder / "gpu8.plan").read_bytes()) == is_narrow, arch


def test_floats_keep_to_a_budget(driver):
    model, data = fragile_model(driver), rows(driver, "budget8")
    report = driver.json("quantize", model, "--type", "fp8", "--calibration", data, "--max-drop", "0.1%", "--metric", "cosine", "--bias-correction", "-o", "budget8.onnx")
    assert report["budget"]["met"] and report["budget"]["drop"] <= 0.001, report["budget"]
    # Numbers that span six orders of magnitude keep their digits, where 8 bits with one step for all do not.
    coarse = driver.json("quantize", model, "--calibration", data, "--metric", "cosine", "-o", "int8.onnx")
    free = driver.json("quantize", model, "--type", "fp8", "--calibration", data, "--metric", "cosine", "-o", "free8.onnx")
    assert free["budget"]["drop"] < 0.1 * coarse["budget"]["drop"], (free["budget"], coarse["budget"])
    for options, message in ((["--adaptive-rounding"], "chooses among integers"), (["--activations", "asymmetric"], "both sides of 0")):
        driver.fails("quantize", model, "--type", "fp8", "--calibration", data, *options, "-o", "no.onnx", message=message)
    driver.fails("quantize", model, "--type", "fp4", "--calibration", data, "-o", "no.onnx", message="--type", code=2)
    driver.fails("compile", model, "--int8", "--fp8", "--calibration", data, "-o", "no.plan", message="excludes", code=2)


def exact_layer(driver, name, nodes, opset, result, inputs=(), weights=None):
    """A product that floats of 8 bits compute exactly, of integers that they hold, behind which older operators follow; as it is, and raised."""
    random = np.random.default_rng(80)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"], name="exact"), *nodes]
    matrix = np.eye(12, dtype=np.float32)[random.permutation(12)]
    model = save(driver, name, nodes, [12], result, {"w": matrix, **(weights or {})}, opset)
    driver.write("exact.json", json.dumps({"recipe": 1, "fp8": True, "tensors": [{"name": "x", "low": -448, "high": 448}]}).encode())
    return model, random.integers(-8, 9, (5, 12)).astype(np.float32)


def reshaped(name, source, *shape):
    return helper.make_node("Reshape", [source, f"{name}_shape"], [name]), {f"{name}_shape": np.array(shape, np.int64)}


def test_older_opsets_are_raised(driver):
    node = helper.make_node
    image, to_image = reshaped("b", "a", -1, 2, 2, 3)
    flat, to_flat = reshaped("y", "last", -1, 24)
    ones = np.ones(2, np.float32)
    early = [image, node("BatchNormalization", ["b", "scale", "shift", "mean", "variance"], ["c"]), node("Clip", ["c"], ["d"], min=-3.0, max=4.5), node("Pad", ["d"], ["e"], pads=[0, 0, 1, 0, 0, 0, 0, 1], value=0.5),
             node("Upsample", ["e", "sizes"], ["f"], mode="nearest"), node("Slice", ["f"], ["g"], starts=[1, 0], ends=[5, 4], axes=[2, 3]), node("Softmax", ["g"], ["h"], axis=2), node("Dropout", ["h"], ["i"], ratio=0.5),
             node("Unsqueeze", ["i"], ["j"], axes=[1]), node("Squeeze", ["j"], ["k"], axes=[1]), node("Split", ["k"], ["l", "m"], axis=2, split=[3, 1]), node("ReduceSum", ["l"], ["n"], axes=[2], keepdims=1),
             node("Add", ["n", "m"], ["o"]), node("ReduceMean", ["k"], ["p"], axes=[2], keepdims=1), node("Concat", ["o", "p", "o"], ["last"], axis=2), flat]
    constants = {**to_image, **to_flat, "scale": ones * 1.5, "shift": ones / 4, "mean": ones / 8, "variance": ones * 2, "sizes": np.array([1, 1, 2, 2], np.float32)}
    later = [image, node("Clip", ["b", "low", "high"], ["c"]), node("LogSoftmax", ["c"], ["d"], axis=1), node("ReduceMax", ["d"], ["e"], axes=[2, 3], keepdims=1), node("Split", ["c"], ["f", "g"], axis=1),
             node("Sub", ["f", "e"], ["h"]), node("Concat", ["h", "g"], ["i"], axis=1), node("TopK", ["i", "two"], ["last", "places"], axis=3), helper.make_node("Reshape", ["last", "y_shape"], ["y"])]
    others = {**to_image, "low": np.float32(-2), "high": np.float32(5), "two": np.array([2], np.int64), "y_shape": np.array([-1, 12], np.int64)}
    for opset, nodes, weights, size in ((9, early, constants, 24), (12, later, others, 12)):
        model, x = exact_layer(driver, f"old{opset}", nodes, opset, [size], weights=weights)
        driver.ok("quantize", model, "--recipe", "exact.json", "-o", f"raised{opset}.onnx", "--quiet")
        raised = driver.folder / f"raised{opset}.onnx"
        onnx.checker.check_model(str(raised), full_check=True)
        assert [node.op_type for node in onnx.load(raised).graph.node].count("QuantizeLinear") == 1
        exact = peer(model, x)
        assert distance(answers(driver, raised, x), exact) < 1e-5 and distance(peer(raised, x), exact) < 1e-5, opset


def test_opsets_that_cannot_be_raised(driver):
    node = helper.make_node
    mask = [node("Dropout", ["a"], ["b", "mask"]), node("Cast", ["mask"], ["c"], to=TensorProto.FLOAT), node("Mul", ["b", "c"], ["y"])]
    model, _ = exact_layer(driver, "mask", mask, 9, [12])
    driver.fails("quantize", model, "--recipe", "exact.json", "-o", "no.onnx", message="'b' is a Dropout of opset 9.*mask.*fp8 needs opset 19.*export")
    old, _ = exact_layer(driver, "ancient", [node("Relu", ["a"], ["y"])], 6, [12])
    driver.fails("quantize", old, "--recipe", "exact.json", "-o", "no.onnx", message="is of opset 6.*from opset 7")
    whole = onnx.load(exact_layer(driver, "own", [node("Mine", ["a"], ["y"], domain="mine")], 17, [12])[0])
    whole.opset_import.append(helper.make_opsetid("mine", 1))
    whole.functions.append(helper.make_function("mine", "Mine", ["p"], ["q"], [node("Relu", ["p"], ["q"])], [helper.make_opsetid("", 17)]))
    path = driver.write("own.onnx", whole.SerializeToString())
    driver.fails("quantize", path, "--recipe", "exact.json", "-o", "no.onnx", message="functions of its own")
