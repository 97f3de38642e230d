"""tenon quantize beyond ranges: methods chosen by error, biases that are corrected, weights that are rounded for results."""
import json

import numpy as np
import onnx
from onnx import numpy_helper


def save(driver, name, nodes, shape, result, weights, opset=17):
    value = lambda text, dims: onnx.helper.make_tensor_value_info(text, onnx.TensorProto.FLOAT, dims)
    graph = onnx.helper.make_graph(nodes, name, [value("x", ["n", *shape])], [value("y", ["n", *result])], [numpy_helper.from_array(w, k) for k, w in weights.items()])
    path = driver.folder / f"{name}.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=10), path)
    return path


def archive(driver, name, x):
    np.savez(driver.folder / f"{name}.npz", x=x)
    return driver.folder / f"{name}.npz"


def answers(driver, model, x):
    np.save(driver.folder / "x.npy", x)
    driver.ok("compile", model, "-o", "y.plan", "--quiet")
    driver.ok("run", "y.plan", "--inputs", "x.npy", "--outputs", "y.npz")
    return np.load(driver.folder / "y.npz")["y"]


def distance(found, exact):
    return np.linalg.norm(found - exact) / np.linalg.norm(exact)


def correlated(rows, columns, seed):
    """Inputs that depend on each other, as those of real networks do."""
    random, mixing = np.random.default_rng(seed), np.random.default_rng(50).standard_normal((6, columns))
    return (random.standard_normal((rows, 6)) @ mixing + 0.1 * random.standard_normal((rows, columns)) + 1).astype(np.float32)


def product(driver, columns=96, results=32):
    weight = np.random.default_rng(51).standard_normal((columns, results)).astype(np.float32) ** 5  # few large ones make the steps of all others coarse
    return save(driver, "product", [onnx.helper.make_node("MatMul", ["x", "w"], ["y"], name="product")], [columns], [results], {"w": weight})


def test_adaptive_rounding_brings_results_closer(driver):
    model, data, x = product(driver), archive(driver, "correlated", correlated(600, 96, 1)), correlated(50, 96, 2)
    exact, costs = answers(driver, model, x), {}
    for option in ("--no-adaptive-rounding", "--adaptive-rounding"):
        report = driver.json("quantize", model, "--calibration", data, "--method", "min-max", option, "-o", "rounded.onnx")
        costs[option] = distance(answers(driver, driver.folder / "rounded.onnx", x), exact)
    rounding = report["layers"][0]["rounding"]
    assert report["adaptive_rounding"] and 0 < rounding["adapted"] < rounding["nearest"], rounding
    assert costs["--adaptive-rounding"] < 0.8 * costs["--no-adaptive-rounding"], costs
    onnx.checker.check_model(str(driver.folder / "rounded.onnx"))


def test_the_network_decides_whether_clipping_pays(driver):
    model, random = product(driver), np.random.default_rng(54)
    rare = random.standard_normal((4000, 96))
    rare[1000:1003, 0] = 15  # three times as large as all others, and none of the first samples' business
    for name, x in (("even", random.uniform(-1, 1, (200, 96))), ("rare", rare)):
        data = archive(driver, name, x.astype(np.float32))
        report = driver.json("quantize", model, "--calibration", data, "-o", "decided.onnx")
        expected = "min-max" if name == "even" else "mse"
        assert report["method"] == report["tensors"][0]["method"] == expected, (name, report)
        told = driver.ok("quantize", model, "--calibration", data, "--method", expected, "-o", "asked.onnx")
        assert f"by {expected};" in told and (driver.folder / "asked.onnx").read_bytes() == (driver.folder / "decided.onnx").read_bytes(), told
    # Outputs that cannot be compared decide nothing.
    weight = np.random.default_rng(55).standard_normal((16, 8)).astype(np.float32)
    nodes = [onnx.helper.make_node("MatMul", ["x", "w"], ["s"]), onnx.helper.make_node("ArgMax", ["s"], ["y"], axis=1)]
    value = lambda text, kind, dims: onnx.helper.make_tensor_value_info(text, kind, dims)
    graph = onnx.helper.make_graph(nodes, "classes", [value("x", onnx.TensorProto.FLOAT, ["n", 16])], [value("y", onnx.TensorProto.INT64, ["n", 1])], [numpy_helper.from_array(weight, "w")])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=10), driver.folder / "classes.onnx")
    data = archive(driver, "classes", random.uniform(-1, 1, (20, 16)).astype(np.float32))
    assert driver.json("quantize", "classes.onnx", "--calibration", data, "-o", "classes8.onnx")["method"] == "mse"
    # A recipe of all ranges is followed, whatever it says of methods.
    driver.ok("quantize", model, "--calibration", archive(driver, "again", correlated(64, 96, 3)), "--save-recipe", "network.json", "-o", "first.onnx")
    driver.ok("quantize", model, "--recipe", "network.json", "-o", "second.onnx")
    assert (driver.folder / "first.onnx").read_bytes() == (driver.folder / "second.onnx").read_bytes()


def layers_with_and_without_bias(driver):
    """A convolution without bias, a depthwise one with one, a Gemm, and a product whose bias another node adds."""
    random = np.random.default_rng(52)
    number = lambda *shape: random.standard_normal(shape).astype(np.float32) / np.sqrt(np.prod(shape[1:]) if len(shape) > 1 else 1).astype(np.float32)
    node = onnx.helper.make_node
    nodes = [node("Conv", ["x", "w0"], ["a"], name="bare", pads=[1] * 4), node("Relu", ["a"], ["b"]), node("Conv", ["b", "w1", "b1"], ["c"], name="depthwise", group=8, strides=[2, 2]),
             node("Relu", ["c"], ["d"]), node("Flatten", ["d"], ["e"]), node("Gemm", ["e", "w2"], ["f"], name="gemm", transB=1), node("Relu", ["f"], ["g"]),
             node("MatMul", ["g", "w3"], ["h"], name="product"), node("Add", ["h", "b3"], ["y"])]
    weights = {"w0": number(8, 3, 3, 3), "w1": number(8, 1, 2, 2), "b1": number(8), "w2": number(24, 8 * 16), "w3": number(24, 10), "b3": number(10)}
    return save(driver, "biases", nodes, [3, 8, 8], [10], weights)


def test_bias_correction_takes_the_mean_of_the_error(driver):
    model = layers_with_and_without_bias(driver)
    x = np.abs(np.random.default_rng(53).standard_normal((300, 3, 8, 8))).astype(np.float32)
    data, exact, means = archive(driver, "biases", x), answers(driver, model, x), {}
    for option in ("--no-bias-correction", "--bias-correction"):
        driver.ok("quantize", model, "--calibration", data, "--method", "percentile", "--percentile", "97", option, "-o", "corrected.onnx", "--quiet")
        onnx.checker.check_model(str(driver.folder / "corrected.onnx"))
        means[option] = np.abs((answers(driver, driver.folder / "corrected.onnx", x) - exact).mean(axis=0)).mean()
    assert means["--bias-correction"] < 0.5 * means["--no-bias-correction"], means
    graph = onnx.load(driver.folder / "corrected.onnx").graph
    assert all(len(n.input) == 3 for n in graph.node if n.op_type in ("Conv", "Gemm")), "layers without bias got one"
    done = driver.execute("quantize", model, "--calibration", data, "--bias-correction", "--adaptive-rounding", "--max-drop", "0", "--metric", "relative-error", "-o", "some.onnx", "--json")
    kept = json.loads(done.stdout)["layers"]
    assert done.returncode == 3 and [layer["bits"] for layer in kept].count(32) == 3, kept
    onnx.checker.check_model(str(driver.folder / "some.onnx"))


def test_auto_looks_at_what_is_made_of_a_tensor(driver):
    """Large numbers in the last column: they count where their weights are not 0."""
    x = np.random.default_rng(54).uniform(-1, 1, (20000, 16)).astype(np.float32)
    x[::20, 15] *= 6
    for weight, method in ((0, "percentile"), (4, None)):
        w = np.random.default_rng(55).standard_normal((16, 8)).astype(np.float32)
        w[15] = weight
        model = save(driver, "column", [onnx.helper.make_node("MatMul", ["x", "w"], ["y"])], [16], [8], {"w": w})
        report = driver.json("quantize", model, "--calibration", archive(driver, "column", x), "--method", "auto", "--percentile", "99.96", "-o", "auto.onnx")
        tensor = report["tensors"][0]
        assert (tensor["method"] == "percentile") == (method == "percentile") and tensor["method"] != "auto", (weight, tensor)


def test_recipes_hold_what_was_asked_for(driver):
    model, data = product(driver), archive(driver, "recipe", correlated(100, 96, 1))
    driver.ok("quantize", model, "--calibration", data, "--adaptive-rounding", "--bias-correction", "--save-recipe", "kept.json", "-o", "first.onnx", "--quiet")
    recipe = json.loads((driver.folder / "kept.json").read_text())
    assert recipe["adaptive_rounding"] is True and recipe["bias_correction"] is True, recipe
    driver.ok("quantize", model, "--calibration", data, "--recipe", "kept.json", "-o", "second.onnx", "--quiet")
    assert (driver.folder / "first.onnx").read_bytes() == (driver.folder / "second.onnx").read_bytes()
    driver.fails("quantize", model, "--recipe", "kept.json", "-o", "no.onnx", message="follow samples")
    driver.ok("quantize", model, "--recipe", "kept.json", "--no-adaptive-rounding", "--no-bias-correction", "-o", "third.onnx", "--quiet")
    assert (driver.folder / "third.onnx").read_bytes() != (driver.folder / "first.onnx").read_bytes()
    driver.write("odd.json", b'{"recipe": 1, "adaptive_rounding": "yes"}')
    driver.fails("quantize", model, "--calibration", data, "--recipe", "odd.json", "-o", "no.onnx", message="true or false was expected")
    driver.fails("quantize", model, "--calibration", data, "--adaptive-rounding", "--no-adaptive-rounding", "-o", "no.onnx", message="no-adaptive-rounding", code=2)


def wide_channels(driver):
    """Convolutions, a sum and a normalization whose channels span four orders of magnitude, as those of networks that were trained without quantization in mind."""
    random, node = np.random.default_rng(56), onnx.helper.make_node
    wide = np.logspace(-2, 2, 16, dtype=np.float32)
    number = lambda *shape: (random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
    per_input = lambda weight, scale: weight / scale.reshape(1, -1, *[1] * (weight.ndim - 2))
    per_result = lambda weight, scale: weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    nodes = [node("Conv", ["x", "w0", "b0"], ["a"]), node("Conv", ["x", "w1"], ["b"]), node("Add", ["a", "b"], ["c"], name="sum"), node("Relu", ["c"], ["d"]),
             node("Conv", ["d", "w2"], ["e"], name="reads the sum", pads=[1] * 4), node("MaxPool", ["d"], ["d1"], kernel_shape=[3, 3], pads=[1] * 4),
             node("Conv", ["d1", "w3"], ["f"], name="depthwise", group=16, pads=[1] * 4), node("Conv", ["f", "w4"], ["g"], name="reads the depthwise"), node("Add", ["e", "g"], ["h"]),
             node("Clip", ["h", "zero", "six"], ["i"], name="bounded"), node("Flatten", ["i"], ["j"]), node("LayerNormalization", ["j", "gamma", "beta"], ["k"], axis=-1),
             node("MatMul", ["k", "w5"], ["y"], name="product")]
    tall = np.logspace(-2, 2, 8 * 36, dtype=np.float32)
    weights = {"w0": per_result(number(16, 3, 1, 1), wide), "b0": wide, "w1": per_result(number(16, 3, 1, 1), wide), "w2": per_input(number(8, 16, 3, 3), wide), "w3": number(16, 1, 3, 3),
               "w4": per_input(number(8, 16, 1, 1), wide), "gamma": tall, "beta": tall / 2, "w5": per_result(number(8 * 36, 10), 1 / tall), "zero": np.float32(0), "six": np.float32(6)}
    return save(driver, "wide_channels", nodes, [3, 6, 6], [10], {k: np.asarray(w, np.float32) for k, w in weights.items()})


def test_equalization_brings_channels_to_like_ranges(driver):
    model, random = wide_channels(driver), np.random.default_rng(57)
    data, x = archive(driver, "wide", random.standard_normal((40, 3, 6, 6)).astype(np.float32)), random.standard_normal((8, 3, 6, 6)).astype(np.float32)
    exact, costs = answers(driver, model, x), {}
    for option in ("--no-equalization", "--equalization"):
        report = driver.json("quantize", model, "--calibration", data, option, "-o", "equal.onnx")
        onnx.checker.check_model(str(driver.folder / "equal.onnx"))
        costs[option] = distance(answers(driver, driver.folder / "equal.onnx", x), exact)
    assert report["equalized_groups"] == 3, report["equalized_groups"]  # the sum's, the depthwise results, the normalization
    assert costs["--equalization"] < 0.25 * costs["--no-equalization"], costs


def test_an_equalized_model_in_floats_is_what_it_was(driver):
    """With every layer but one in f32, what is left of the error is that one's: equalization itself changes nothing."""
    model, random = wide_channels(driver), np.random.default_rng(58)
    data, x = archive(driver, "wide", random.standard_normal((40, 3, 6, 6)).astype(np.float32)), random.standard_normal((8, 3, 6, 6)).astype(np.float32)
    names = [layer["name"] for layer in driver.json("quantize", model, "--calibration", data, "-o", "all.onnx")["layers"]]
    constants = {i.name: numpy_helper.to_array(i) for i in onnx.load(model).graph.initializer}
    recipe = {"recipe": 1, "equalization": True, "layers": [{"name": name, "bits": 8 if name == "product" else 32} for name in names]}
    driver.write("one.json", json.dumps(recipe).encode())
    driver.ok("quantize", model, "--calibration", data, "--recipe", "one.json", "-o", "one.onnx", "--quiet")
    one = onnx.load(driver.folder / "one.onnx")
    scaled = {i.name: numpy_helper.to_array(i) for i in one.graph.initializer}
    assert any(name.endswith("_scaled") and not np.array_equal(scaled[name], constants.get(name.removesuffix("_scaled"))) for name in scaled), list(scaled)
    # What the last layer reads comes from f32 alone: up to the normalization's own constants it is the same.
    for graph_model, name, constant in ((onnx.load(model), "before", constants["gamma"]), (one, "after", scaled["gamma_scaled"])):
        normalization = next(n for n in graph_model.graph.node if n.op_type == "LayerNormalization")
        del graph_model.graph.output[:]
        graph_model.graph.output.append(onnx.helper.make_tensor_value_info("bounded_values", onnx.TensorProto.FLOAT, None))
        graph_model.graph.node.append(onnx.helper.make_node("Identity", [normalization.input[0]], ["bounded_values"]))
        onnx.save(graph_model, driver.folder / f"{name}.onnx")
    np.save(driver.folder / "x.npy", x)
    found = []
    for name in ("before", "after"):
        driver.ok("compile", f"{name}.onnx", "-o", f"{name}.plan", "--quiet")
        driver.ok("run", f"{name}.plan", "--inputs", "x.npy", "--outputs", f"{name}.npz")
        found.append(np.load(driver.folder / f"{name}.npz")["bounded_values"])
    assert np.abs(found[0] - found[1]).max() < 1e-5 * np.abs(found[0]).max(), distance(found[1], found[0])


def test_equalization_leaves_bounds_alone(driver):
    nodes = [onnx.helper.make_node("Conv", ["x", "w"], ["a"]), onnx.helper.make_node("Clip", ["a", "low", "high"], ["b"]), onnx.helper.make_node("Conv", ["b", "v"], ["y"])]
    random = np.random.default_rng(59)
    weights = {"w": (random.standard_normal((8, 3, 1, 1)) * np.logspace(-2, 2, 8).reshape(-1, 1, 1, 1)).astype(np.float32), "v": random.standard_normal((4, 8, 1, 1)).astype(np.float32),
               "low": np.float32(0), "high": np.float32(6)}
    model = save(driver, "bounded", nodes, [3, 4, 4], [4, 4, 4], {k: np.asarray(w) for k, w in weights.items()})
    data = archive(driver, "bounded", random.standard_normal((70, 3, 4, 4)).astype(np.float32))
    report = driver.json("quantize", model, "--calibration", data, "--equalization", "-o", "bounded8.onnx")
    assert report["equalized_groups"] == 0 and report["samples"] == 70, report
    driver.ok("quantize", model, "--calibration", data, "--no-equalization", "-o", "plain8.onnx", "--quiet")
    assert (driver.folder / "bounded8.onnx").read_bytes() == (driver.folder / "plain8.onnx").read_bytes()


def test_what_only_moves_keeps_its_steps(driver):
    """Rounding the same numbers once more only adds errors: results of moves take the steps of what they move, and what goes into a Concat alone those of its result. What others read
    too does so where that is not much wider."""
    node, random = onnx.helper.make_node, np.random.default_rng(60)
    number = lambda *shape: (random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
    nodes = [node("Conv", ["x", "w0"], ["a"]), node("Conv", ["x", "w1"], ["b"]), node("Concat", ["a", "b"], ["c"], axis=1), node("MaxPool", ["c"], ["d"], kernel_shape=[2, 2]),
             node("Conv", ["d", "w2"], ["e"]), node("Concat", ["d", "e"], ["f"], axis=1), node("Conv", ["f", "w3"], ["y"])]
    weights = {"w0": number(4, 3, 1, 1), "w1": 3 * number(4, 3, 1, 1), "w2": number(4, 8, 1, 1), "w3": number(2, 12, 1, 1)}
    for times, is_joined in ((1, True), (10, False)):
        model = save(driver, "moves", nodes, [3, 5, 5], [2, 4, 4], weights | {"w2": times * weights["w2"]})
        data = archive(driver, "moves", random.standard_normal((50, 3, 5, 5)).astype(np.float32))
        report = driver.json("quantize", model, "--calibration", data, "--save-recipe", "moves.json", "-o", "moves8.onnx")
        steps = {tensor["name"]: (tensor["scale"], tensor["zero_point"]) for tensor in report["tensors"]}
        assert steps["a"] == steps["b"] == steps["c"] == steps["d"] and steps["e"] == steps["f"] and (steps["f"] == steps["d"]) == is_joined, (times, steps)
        driver.ok("quantize", model, "--recipe", "moves.json", "-o", "again.onnx", "--quiet")
        assert (driver.folder / "again.onnx").read_bytes() == (driver.folder / "moves8.onnx").read_bytes()
