"""tenon quantize beside 8 bits of everything: weights of 4 bits alone, layers in f16, steps that are as many on each side of 0, channels of depthwise convolutions."""
import json

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from quantization import fragile_model, rows, samples, scores, similarity
from quantization_methods import answers, archive, distance, save


def products(driver, name, opset, depth=128, hidden=96, results=44):
    """A MatMul with a sum behind it, and a Gemm whose weights are transposed and whose columns end within a tile of 32."""
    random = np.random.default_rng(70)
    number = lambda *shape: (random.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w0"], ["a"], name="first"), helper.make_node("Add", ["a", "b0"], ["b"]), helper.make_node("Relu", ["b"], ["c"]),
             helper.make_node("Gemm", ["c", "w1", "b1"], ["y"], name="second", transB=1)]
    return save(driver, name, nodes, [depth], [results], {"w0": number(depth, hidden), "b0": number(hidden), "w1": number(results, hidden), "b1": number(results)}, opset)


def peer(model, x):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


def test_weights_alone_take_four_bits(driver):
    for opset, kind in ((17, "MatMulNBits"), (21, "DequantizeLinear")):
        model, x = products(driver, f"products{opset}", opset), np.random.default_rng(71).standard_normal((9, 128)).astype(np.float32)
        exact, sizes = answers(driver, model, x), {}
        for weights, least in (("int4", 0.99), ("int8", 0.9999)):
            quantized = driver.folder / f"{weights}.onnx"
            report = driver.json("quantize", model, "--weights", weights, "-o", quantized)
            assert report["group"] == 32 and [layer["bits"] for layer in report["layers"]] == [int(weights[3:])] * 2, report
            onnx.checker.check_model(str(quantized))
            types = [node.op_type for node in onnx.load(quantized).graph.node]
            assert types.count(kind) == 2, types
            found = answers(driver, quantized, x)
            sizes[weights] = (driver.folder / "y.plan").stat().st_size
            assert similarity(found, exact) > least, (opset, weights, similarity(found, exact))
            assert distance(found, peer(quantized, x)) < 1e-5, (opset, weights, distance(found, peer(quantized, x)))
            one = answers(driver, quantized, x[:1])
            assert distance(one, found[:1]) < 1e-5, (opset, weights)
        # They stay packed in the plan: 9 or 18 KB of codes and 2 KB of scales instead of 64 KB of f32 weights.
        driver.ok("compile", model, "-o", "floats.plan", "--quiet")
        assert sizes["int4"] < sizes["int8"] < sizes["int4"] + 16000 and sizes["int8"] < (driver.folder / "floats.plan").stat().st_size - 24000, sizes


def test_weights_in_blocks_of_other_sizes(driver):
    model, x = products(driver, "groups", 21), np.random.default_rng(72).standard_normal((3, 128)).astype(np.float32)
    exact, costs = answers(driver, model, x), {}
    for group in (16, 64, 128):
        report = driver.json("quantize", model, "--weights", "int4", "--group", group, "-o", "group.onnx")
        costs[group] = distance(answers(driver, driver.folder / "group.onnx", x), exact)
        assert distance(answers(driver, driver.folder / "group.onnx", x), peer(driver.folder / "group.onnx", x)) < 1e-5, group
        assert [layer["bits"] for layer in report["layers"]] == [4, 4 if group <= 96 else 32], report  # the second one sums over 96
    assert costs[16] < costs[64], costs
    assert "of its weights" in driver.ok("quantize", model, "--weights", "int4", "-o", "group.onnx", "--report")
    for options, message in ((["--weights", "int3"], "int4"), (["--group", "32"], "--weights"), (["--weights", "int4", "--group", "48"], "group"), (["--weights", "int4", "--calibration", "x.npz"], "excludes"),
                             (["--weights", "int4", "--max-drop", "1%"], "excludes")):
        driver.fails("quantize", model, *options, "-o", "no.onnx", message=message, code=2)
    convolution_only = save(driver, "convolution", [helper.make_node("Conv", ["x", "w"], ["y"])], [3, 4, 4], [4, 4, 4], {"w": np.ones((4, 3, 1, 1), np.float32)})
    driver.fails("quantize", convolution_only, "--weights", "int4", "-o", "no.onnx", message="no MatMul or Gemm")


def zero_points(driver, signed):
    """Weights as others quantize them: with zero points, along the last axis of a matrix that is read transposed."""
    random = np.random.default_rng(73)
    element = onnx.TensorProto.INT4 if signed else onnx.TensorProto.UINT4
    low = -8 if signed else 0
    codes, zeros = random.integers(low, low + 16, (64, 128)), random.integers(low, low + 16, (64, 4))
    scale = random.uniform(0.01, 0.1, (64, 4)).astype(np.float32)
    packed = lambda name, values: helper.make_tensor(name, element, values.shape, values.ravel().tolist())
    nodes = [helper.make_node("DequantizeLinear", ["codes", "scale", "zeros"], ["w"], axis=-1, block_size=32), helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)]
    value = lambda name, size: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", size])
    graph = helper.make_graph(nodes, "zeros", [value("x", 128)], [value("y", 64)], [packed("codes", codes), packed("zeros", zeros), numpy_helper.from_array(scale, "scale")])
    path = driver.folder / "zeros.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    weights = (codes - np.repeat(zeros, 32, axis=1)) * np.repeat(scale, 32, axis=1)
    return path, weights


def test_zero_points_of_blocks(driver):
    x = np.random.default_rng(74).standard_normal((4, 128)).astype(np.float32)
    for signed in (True, False):
        path, weights = zero_points(driver, signed)
        assert distance(answers(driver, path, x), x.astype(np.float64) @ weights.T) < 1e-6, signed


def test_layers_in_f16(driver):
    model, data = fragile_model(driver), rows(driver, "halves")
    report = driver.json("quantize", model, "--calibration", data, "--max-drop", "0.1%", "--fallback", "f16", "--save-recipe", "half.json", "-o", "half.onnx")
    assert [layer["bits"] for layer in report["layers"]] == [8, 16, 8] and report["budget"]["met"], report["layers"]
    onnx.checker.check_model(str(driver.folder / "half.onnx"))
    graph = onnx.load(driver.folder / "half.onnx").graph
    assert [i.data_type for i in graph.initializer].count(onnx.TensorProto.FLOAT16) == 1, "the weights of the second product"
    x = np.random.default_rng(9).standard_normal((4, 16)).astype(np.float32)
    found = scores(driver, driver.folder / "half.onnx", x)
    assert similarity(found, scores(driver, model, x)) > 0.999 and similarity(found, peer(driver.folder / "half.onnx", x)) > 0.9999
    driver.ok("quantize", model, "--recipe", "half.json", "-o", "again.onnx", "--quiet")
    assert (driver.folder / "again.onnx").read_bytes() == (driver.folder / "half.onnx").read_bytes()
    recipe = json.loads((driver.folder / "half.json").read_text())
    recipe["layers"][0]["bits"] = 12
    driver.write("odd.json", json.dumps(recipe).encode())
    driver.fails("quantize", model, "--recipe", "odd.json", "-o", "no.onnx", message="8, 16 .f16. or 32")
    large = save(driver, "large", [helper.make_node("MatMul", ["x", "w"], ["a"], name="huge"), helper.make_node("MatMul", ["a", "v"], ["y"])], [4], [2],
                 {"w": np.full((4, 4), 1e6, np.float32), "v": np.ones((4, 2), np.float32)})
    driver.write("huge.json", b'{"recipe": 1, "layers": [{"name": "huge", "bits": 16}]}')
    numbers = archive(driver, "large", np.ones((4, 4), np.float32))
    driver.fails("quantize", large, "--recipe", "huge.json", "--calibration", numbers, "-o", "no.onnx", message="huge.*65504.*32 bits")


def test_symmetric_activations_are_bytes_with_a_sign(driver):
    model, data = driver.model("residual_convolutions"), samples(driver, "symmetric")
    x = np.random.default_rng(2).standard_normal((2, 3, 32, 32)).astype(np.float32)
    report = driver.json("quantize", model, "--calibration", data, "--activations", "symmetric", "--save-recipe", "symmetric.json", "-o", "symmetric.onnx")
    assert report["symmetric_activations"] and all(tensor["zero_point"] == 0 for tensor in report["tensors"]), report
    graph = onnx.load(driver.folder / "symmetric.onnx").graph
    constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    quantizing = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    assert quantizing and all(constants[node.input[2]].dtype == np.int8 for node in quantizing)
    found = scores(driver, driver.folder / "symmetric.onnx", x)
    assert similarity(found, scores(driver, model, x)) > 0.99 and similarity(found, peer(driver.folder / "symmetric.onnx", x)) > 0.9999
    driver.ok("quantize", model, "--recipe", "symmetric.json", "-o", "again.onnx", "--quiet")
    assert (driver.folder / "again.onnx").read_bytes() == (driver.folder / "symmetric.onnx").read_bytes()
    driver.fails("quantize", model, "--calibration", data, "--activations", "odd", "-o", "no.onnx", message="activations", code=2)


def test_channels_that_depthwise_convolutions_read_are_equalized(driver):
    """Each weight of such a convolution has a scale of its own, so that channels of like ranges lose nothing."""
    random, wide = np.random.default_rng(75), np.logspace(-2, 1, 16, dtype=np.float32)
    number = lambda *shape: (random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x", "w0", "b0"], ["a"]), helper.make_node("Relu", ["a"], ["b"]), helper.make_node("Conv", ["b", "w1"], ["c"], group=16, pads=[1] * 4, name="depthwise"),
             helper.make_node("Relu", ["c"], ["d"]), helper.make_node("Conv", ["d", "w2"], ["y"], name="pointwise")]
    weights = {"w0": number(16, 3, 1, 1) * wide.reshape(-1, 1, 1, 1), "b0": wide / 4, "w1": number(16, 1, 3, 3) / wide.reshape(-1, 1, 1, 1), "w2": number(4, 16, 1, 1)}
    model, costs = save(driver, "separable", nodes, [3, 8, 8], [4, 8, 8], weights), {}
    data, x = archive(driver, "separable", random.standard_normal((40, 3, 8, 8)).astype(np.float32)), random.standard_normal((8, 3, 8, 8)).astype(np.float32)
    exact = answers(driver, model, x)
    for options in ([], ["--no-equalization"]):
        report = driver.json("quantize", model, "--calibration", data, *options, "--save-recipe", f"recipe{len(options)}.json", "-o", f"separable{len(options)}.onnx")
        assert report["equalization"] == (False if options else "depthwise") and report["equalized_groups"] == (0 if options else 1), report["equalization"]
        costs[len(options)] = distance(answers(driver, driver.folder / f"separable{len(options)}.onnx", x), exact)
    assert costs[0] < 0.5 * costs[1], costs
    driver.fails("quantize", model, "--recipe", "recipe0.json", "-o", "no.onnx", message="follow samples")
    driver.ok("quantize", model, "--recipe", "recipe0.json", "--calibration", data, "-o", "again.onnx", "--quiet")
    assert (driver.folder / "again.onnx").read_bytes() == (driver.folder / "separable0.onnx").read_bytes()
    driver.ok("quantize", model, "--recipe", "recipe1.json", "-o", "plain.onnx", "--quiet")
    assert (driver.folder / "plain.onnx").read_bytes() == (driver.folder / "separable1.onnx").read_bytes()
