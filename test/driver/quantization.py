"""tenon quantize: what it writes, that other runtimes agree on it, how it keeps to a budget, and calibration data of every wrong kind."""
import json
import resource

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper


def samples(driver, name, count=8, **arrays):
    path = driver.folder / f"{name}.npz"
    np.savez(path, **(arrays or {"x": np.random.default_rng(1).standard_normal((count, 3, 32, 32)).astype(np.float32)}))
    return path


def similarity(a, b):
    a, b = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def scores(driver, model, x):
    """Tenon's answer."""
    np.save(driver.folder / "given.npy", x)
    driver.ok("compile", model, "-o", "scores.plan", "--quiet")
    driver.ok("run", "scores.plan", "--inputs", "given.npy", "--outputs", "scores.npz")
    return np.load(driver.folder / "scores.npz")["scores"]


def peer(model, x):
    """ONNX Runtime's, node by node: some of its fused kernels saturate on machines without VNNI."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


def test_every_method_stays_close_and_portable(driver):
    model, data = driver.model("residual_convolutions"), samples(driver, "calibration")
    x = np.random.default_rng(2).standard_normal((2, 3, 32, 32)).astype(np.float32)
    exact = scores(driver, model, x)
    for method in ("min-max", "moving-average", "percentile", "mse", "entropy", "auto", "network"):
        quantized = driver.folder / f"{method}.onnx"
        driver.ok("quantize", model, "--calibration", data, "--method", method, "-o", quantized)
        onnx.checker.check_model(str(quantized))
        found = scores(driver, quantized, x)
        assert similarity(found, exact) > 0.995, (method, similarity(found, exact))
        assert similarity(found, peer(quantized, x)) > 0.9999, method


def test_weights_are_bytes_with_a_scale_for_each_channel(driver):
    model, data = driver.model("residual_convolutions"), samples(driver, "bytes")
    report = driver.json("quantize", model, "--calibration", data, "-o", "bytes.onnx")
    assert report["samples"] == 8 and len(report["layers"]) >= 3, report
    assert all(t["min"] <= 0 <= t["max"] and t["scale"] > 0 for t in report["tensors"]), report
    graph = onnx.load(driver.folder / "bytes.onnx").graph
    constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    convolutions = [n for n in graph.node if n.op_type == "Conv"]
    made = {output: n for n in graph.node for output in n.output}
    assert convolutions
    for node in convolutions:
        source = made[node.input[1]]
        weight, scale = constants[source.input[0]], constants[source.input[1]]
        assert source.op_type == "DequantizeLinear" and weight.dtype == np.int8 and scale.shape == (weight.shape[0],), node.name
        largest = np.abs(weight.reshape(len(weight), -1)).max(axis=1)
        assert (largest >= 64).all() and (largest <= 127).all(), "the largest weight of each channel takes half of the range at least"


def test_the_same_input_gives_the_same_bytes(driver):
    model, data = driver.model("mobile_block"), None
    shape = [d.dim_value or 2 for d in onnx.load(model).graph.input[0].type.tensor_type.shape.dim]
    name = onnx.load(model).graph.input[0].name
    data = samples(driver, "repeat", **{name: np.random.default_rng(3).standard_normal([4 * shape[0], *shape[1:]]).astype(np.float32)})
    for output in ("first.onnx", "second.onnx"):
        driver.ok("quantize", model, "--calibration", data, "-o", output, "--quiet")
    assert (driver.folder / "first.onnx").read_bytes() == (driver.folder / "second.onnx").read_bytes()


def fragile_model(driver):
    """Three products; the second one's weights span six orders of magnitude along the columns, which a scale for each result cannot follow."""
    random = np.random.default_rng(5)
    weights = [random.standard_normal((16, 16)).astype(np.float32) / 4 for _ in range(3)]
    wide = np.logspace(-3, 3, 16, dtype=np.float32)
    weights[0] *= wide  # the first product's results span as much, and cannot share a scale
    weights[1] /= wide[:, None]
    nodes = [onnx.helper.make_node("MatMul", [["x", "a", "b"][i], f"w{i}"], [["a", "b", "scores"][i]], name=f"product{i}") for i in range(3)]
    tensor = lambda name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 16])
    graph = onnx.helper.make_graph(nodes, "fragile", [tensor("x")], [tensor("scores")], [numpy_helper.from_array(w, f"w{i}") for i, w in enumerate(weights)])
    path = driver.folder / "fragile.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=10), path)
    return path


def rows(driver, name, count=40, seed=1):
    return samples(driver, name, x=np.random.default_rng(seed).standard_normal((count, 16)).astype(np.float32))


def test_the_budget_returns_the_layer_that_costs_most(driver):
    model, data = fragile_model(driver), rows(driver, "budget")
    free = driver.json("quantize", model, "--calibration", data, "--metric", "cosine", "-o", "free.onnx", "--report")
    errors = {layer["name"]: layer["error"] for layer in free["layers"]}
    assert max(errors, key=errors.get) == "product1" and free["budget"]["drop"] > 0.01, free
    kept = driver.json("quantize", model, "--calibration", data, "--max-drop", "0.1%", "-o", "kept.onnx")
    assert [layer["bits"] for layer in kept["layers"]] == [8, 32, 8], kept["layers"]
    assert kept["budget"]["met"] and kept["budget"]["drop"] <= 0.001 and kept["budget"]["measured"] == 2, kept["budget"]
    assert kept["samples"] == 32, "a fifth is held out to measure with"
    types = [n.op_type for n in onnx.load(driver.folder / "kept.onnx").graph.node]
    assert types.count("MatMul") == 3 and types.count("QuantizeLinear") == 2, types
    x = np.random.default_rng(9).standard_normal((4, 16)).astype(np.float32)
    assert similarity(scores(driver, driver.folder / "kept.onnx", x), scores(driver, model, x)) > 0.999


def test_a_budget_that_cannot_be_met(driver):
    model, data = fragile_model(driver), rows(driver, "strict")
    done = driver.execute("quantize", model, "--calibration", data, "--max-drop", "0", "-o", "best.onnx", "--metric", "relative-error", "--json")
    assert done.returncode == 3 and "budget cannot be met" in done.stderr, done.stderr
    report = json.loads(done.stdout)
    assert not report["budget"]["met"] and sorted(layer["bits"] for layer in report["layers"]) == [8, 32, 32], report
    onnx.checker.check_model(str(driver.folder / "best.onnx"))


def test_labels_count_right_answers(driver):
    model, data = fragile_model(driver), rows(driver, "classes", seed=2)
    x = np.load(data)["x"]
    labels = driver.folder / "labels.npy"
    np.save(labels, scores(driver, model, x).argmax(axis=1))
    report = driver.json("quantize", model, "--calibration", rows(driver, "others", seed=3), "--validation", data, "--labels", labels, "--max-drop", "2.5%", "-o", "labelled.onnx")
    budget = report["budget"]
    right = (scores(driver, driver.folder / "labelled.onnx", x).argmax(axis=1) == np.load(labels)).mean()
    assert budget["metric"] == "top1" and budget["float"] == 1 and budget["quantized"] == right and budget["drop"] <= 0.025, (budget, right)
    text = driver.write("labels.txt", "\n".join(map(str, np.load(labels))).encode())
    assert driver.json("quantize", model, "--calibration", data, "--validation", data, "--labels", text, "--metric", "top5", "-o", "five.onnx")["budget"]["float"] == 1
    for content, message in ((b"1\n2\n", "2 labels"), (b"1\ntwo\n", "line 2"), (b"", "no labels"), (b"16\n" * 40, "a class from 0 to 15")):
        wrong = driver.write("wrong.txt", content)
        driver.fails("quantize", model, "--calibration", data, "--validation", data, "--labels", wrong, "-o", "no.onnx", message=message)


def test_recipes_give_the_same_bytes_without_samples(driver):
    model, data = fragile_model(driver), rows(driver, "recipe")
    driver.ok("quantize", model, "--calibration", data, "--max-drop", "0.1%", "--save-recipe", "recipe.json", "-o", "first.onnx")
    driver.ok("quantize", model, "--recipe", "recipe.json", "-o", "second.onnx", "--save-recipe", "again.json")
    assert (driver.folder / "first.onnx").read_bytes() == (driver.folder / "second.onnx").read_bytes()
    recipe = json.loads((driver.folder / "recipe.json").read_text())
    recipe["layers"][0]["bits"] = 32
    recipe["tensors"] = [{"name": "b", "low": -2, "high": 3}]
    driver.write("edited.json", json.dumps(recipe).encode())
    report = driver.json("quantize", model, "--recipe", "edited.json", "-o", "edited.onnx")
    assert [layer["bits"] for layer in report["layers"]] == [32, 32, 8] and [t["name"] for t in report["tensors"]] == ["b"], report
    assert np.isclose(report["tensors"][0]["scale"], 5 / 255) and report["tensors"][0]["zero_point"] == 102, report


def test_recipes_that_do_not_fit(driver):
    model, data = fragile_model(driver), rows(driver, "misfit")
    for recipe, message in (({}, "no recipe"), ([], "no recipe"), ({"recipe": 2}, "no recipe"), ({"recipe": 1, "layers": 3}, '"layers" is 3; a list'), ({"recipe": 1, "layers": [{}]}, 'no "name"'),
                            ({"recipe": 1, "layers": [{"name": "nothing"}]}, "no layer 'nothing'"), ({"recipe": 1, "layers": [{"name": "product1", "bits": 4}]}, "8, 16 .f16. or 32"),
                            ({"recipe": 1, "tensors": [{"name": "x", "low": 1, "high": 2}]}, "does not hold 0"), ({"recipe": 1, "tensors": [{"name": "x", "low": -1}]}, "one end"),
                            ({"recipe": 1, "tensors": [{"name": "x", "low": -1e300, "high": 1}]}, "numbers of f32"), ({"recipe": 1, "tensors": [{"name": "x", "method": "best"}]}, "method"),
                            ({"recipe": 1, "layers": [{"name": f"product{i}", "bits": 32} for i in range(3)]}, "every layer stays in f32"),
                            ({"recipe": 1, "layers": [{"name": "product1"}] * 2}, "twice"), ({"recipe": 1, "layer": []}, 'unknown key "layer"'),
                            ({"recipe": 1, "layers": [{"name": "product1", "Bits": 32}]}, 'unknown key "Bits"'), ({"recipe": 1, "tensors": [{"name": "x", "High": 1}]}, 'unknown key "High"')):
        driver.write("bad.json", json.dumps(recipe).encode())
        driver.fails("quantize", model, "--calibration", data, "--recipe", "bad.json", "-o", "no.onnx", message=message)
    driver.write("bad.json", b"{" * 100000)
    driver.fails("quantize", model, "--calibration", data, "--recipe", "bad.json", "-o", "no.onnx", message="no recipe")
    for text, message in (('{"recipe": 1,\n "layers": [\n  {"name": "product0"},\n  {"name": "product1", "bits": "four"}]}', 'bad.json: line 4: layer .product1. has "bits": "four"; 8, 16'),
                          ('{"recipe": 1, "tensors": [{"name": "x"},\n\n{"name": "y", "low": 0}]}', "line 3: the model has no tensor 'y'"), ('{"recipe": 1,\n "layers": [}', "no recipe: parse error at line 2, column 13"),
                          ('{"recipe": 1, "tensors": [{"name": "x", "low": 1,\n "high": 2}]}', 'line 1: tensor .x.: its range from 1 to 2'), ('{"recipe": 1, "fp8": "yes"}', '"fp8" is "yes"; true or false'),
                          ('{"recipe": 1, "tensors": [{"name": "x", "low": "-1", "high": 2}]}', '"-1" in its range'), ('[1, 2]', "it holds .1,2.; an object")):
        driver.write("bad.json", text.encode())
        driver.fails("quantize", model, "--calibration", data, "--recipe", "bad.json", "-o", "no.onnx", message=message)
    driver.write("part.json", b'{"recipe": 1}')
    driver.fails("quantize", model, "--recipe", "part.json", "-o", "no.onnx", message="give samples to calibrate")


def test_the_page_needs_no_other_file(driver):
    model, data = fragile_model(driver), rows(driver, "page")
    driver.ok("quantize", model, "--calibration", data, "--html", "report.html", "-o", "page.onnx", "--quiet")
    page = (driver.folder / "report.html").read_text()
    assert page.count("<svg") == 3 and all(f"product{i}" in page for i in range(3)), page[:500]
    assert not [word for word in ("http", "src=", "href=", "@import", "<script", "url(") if word in page]


def test_one_huge_value_does_not_hide_the_others(driver):
    model = driver.model("residual_convolutions")
    x = np.random.default_rng(1).standard_normal((8, 3, 32, 32)).astype(np.float32)
    spoilt = x.copy()
    spoilt[3, 1, 5, 7] = 1e6
    usual = driver.json("quantize", model, "--calibration", samples(driver, "usual", x=x), "-o", "usual.onnx")
    done = driver.execute("quantize", model, "--calibration", samples(driver, "spoilt", x=spoilt), "-o", "spoilt.onnx", "--json")
    assert done.returncode == 0 and "sample 3 was left out: its 'x' reaches 1e+06, far beyond that of all others" in done.stderr, done.stderr
    for before, after in zip(usual["tensors"], json.loads(done.stdout)["tensors"], strict=True):
        assert 0.7 < after["scale"] / before["scale"] < 1.4, (before, after)
    # Few samples tell too little of what is usual: the one number is clipped.
    for method in ("network", "auto"):
        done = driver.execute("quantize", model, "--calibration", samples(driver, "spoilt", x=spoilt[:4]), "--method", method, "-o", "spoilt.onnx", "--json")
        assert done.returncode == 0 and "tensor 'x': 1 values lie far beyond" in done.stderr, done.stderr


def test_a_sample_beyond_all_others_is_left_out(driver):
    """What is measured is what the others alone give, wherever it comes and whatever the method; that of no other kind is left out."""
    model, x = driver.model("residual_convolutions"), np.random.default_rng(2).standard_normal((20, 3, 32, 32)).astype(np.float32)
    usual, spoilt, both = samples(driver, "usual", x=x), driver.folder / "spoilt.npz", ["min", "max", "low", "high", "method"]
    tensors = lambda report: [[tensor[key] for key in both] for tensor in report["tensors"]]
    for method, place in (("network", 0), ("auto", 7), ("mse", 20), ("moving-average", 3), ("percentile", 18), ("entropy", 0)):
        np.savez(spoilt, x=np.insert(x, place, 1e4 * x[5], axis=0))
        words = ["quantize", model, "--method", method, "--json", "-o", "left.onnx", "--calibration"]
        done = driver.execute(*words, spoilt)
        report = json.loads(done.stdout)
        assert done.returncode == 0 and f"sample {place} was left out" in done.stderr and [left["sample"] for left in report["left_out"]] == [place], (method, done.stderr)
        assert report["samples"] == 20 and tensors(report) == tensors(driver.json(*words, usual)), (method, report)
    kept = driver.json("quantize", model, "--method", "min-max", "--calibration", spoilt, "-o", "left.onnx")
    assert kept["samples"] == 21 and not kept["left_out"] and all(tensor["max"] > 1000 for tensor in kept["tensors"]), kept
    # Not as far, and not as rare.
    np.savez(spoilt, x=np.concatenate([x, 15 * x[:1] * np.abs(x).max() / np.abs(x[:1]).max()]))
    report = driver.json("quantize", model, "--calibration", spoilt, "-o", "left.onnx")
    assert report["samples"] == 21 and not report["left_out"], report["left_out"]
    np.savez(spoilt, x=np.concatenate([x, 1e4 * x[:2]]))
    report = driver.json("quantize", model, "--calibration", spoilt, "-o", "left.onnx")
    assert not report["left_out"] and report["tensors"][0]["max"] > 1000, report["left_out"]


def test_samples_are_read_as_they_are_needed(driver):
    """420 MB of samples, read with less memory than they would take."""
    model = driver.folder / "wide.onnx"
    value = lambda name, shape: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
    weight = numpy_helper.from_array(np.ones((1, 1, 3, 3), np.float32), "w")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Conv", ["x", "w"], ["y"], pads=[1] * 4)], "wide", [value("x", [1, 1, 512, 512])], [value("y", [1, 1, 512, 512])], [weight])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=10), model)
    data = driver.folder / "wide.npz"
    np.savez_compressed(data, x=np.broadcast_to(np.linspace(-1, 1, 512, dtype=np.float32), (400, 1, 512, 512)))
    assert driver.json("quantize", model, "--calibration", data, "--samples", "3", "-o", "wide8.onnx")["samples"] == 3
    # The peak of a run over all of them is a child's of this process.
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    driver.ok("quantize", model, "--calibration", data, "-o", "wide8.onnx", "--quiet")
    assert driver.sanitized or resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < max(before, 300 << 10), "the whole archive was in memory"


def refused(driver, message, code=1, model="residual_convolutions", options=(), **arrays):
    data = samples(driver, "refused", **arrays)
    driver.fails("quantize", driver.model(model), "--calibration", data, "-o", "refused.onnx", *options, message=message, code=code)


def scaled(driver, divisor, factor):
    """y = DequantizeLinear(QuantizeLinear(x))."""
    value = lambda name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [4])
    nodes = [onnx.helper.make_node("QuantizeLinear", ["x", "divisor", "zero"], ["q"], name="first"), onnx.helper.make_node("DequantizeLinear", ["q", "factor", "zero"], ["y"], name="second")]
    constants = {"divisor": np.float32(divisor), "factor": np.float32(factor), "zero": np.uint8(3)}
    graph = onnx.helper.make_graph(nodes, "scaled", [value("x")], [value("y")], [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()])
    path = driver.folder / "scaled.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=10), path)
    return path


def test_scales_that_no_quantizer_means(driver):
    for scale, text in ((0, "0"), (-0.5, "-0.5"), (1e-40, "9.99995e-41"), (np.nan, "nan"), (np.inf, "inf")):
        driver.fails("compile", scaled(driver, scale, 0.5), "-o", "no.plan", message=f"first.*scale 0 in input 1 is {text}.*normal number above 0")
    for scale in (-0.5, np.nan, -np.inf):
        driver.fails("compile", scaled(driver, 0.5, scale), "-o", "no.plan", message="second.*scale 0 in input 1.*at least 0")
    driver.ok("compile", scaled(driver, 0.5, 0), "-o", "zeros.plan", "--quiet")


def test_samples_that_do_not_fit(driver):
    good = np.zeros((2, 3, 32, 32), np.float32)
    refused(driver, "no array 'x'", y=good)
    refused(driver, "f64.*element type", x=good.astype(np.float64))
    refused(driver, "rank", x=good[0])
    refused(driver, "behind the first axis|expected", x=np.zeros((2, 4, 32, 32), np.float32))
    refused(driver, "at least one sample", x=good[:0])
    for bad in (np.nan, np.inf):
        spoilt = good.copy()
        spoilt[1, 2, 3, 4] = bad
        refused(driver, "sample 1 of 'x' holds NaN", x=spoilt)


def test_samples_that_are_no_archive(driver):
    model = driver.model("residual_convolutions")
    driver.fails("quantize", model, "--calibration", "nothing.npz", "-o", "no.onnx", message="nothing.npz")
    text = driver.write("text.npz", b"no archive")
    driver.fails("quantize", model, "--calibration", text, "-o", "no.onnx", message="text.npz")


def test_models_that_cannot_be_quantized(driver):
    data = samples(driver, "models")
    driver.fails("quantize", driver.model("quantized"), "--calibration", data, "-o", "no.onnx", message="quantized already")
    driver.fails("quantize", driver.model("integers"), "--calibration", data, "-o", "no.onnx", message="nothing to quantize")
    driver.fails("quantize", driver.write("text.onnx", b"no model"), "--calibration", data, "-o", "no.onnx", message="no ONNX model")


def test_options_that_mean_nothing(driver):
    good = np.zeros((1, 3, 32, 32), np.float32)
    refused(driver, "the methods are", code=2, options=["--method", "mean"], x=good)
    refused(driver, "percentile", code=2, options=["--percentile", "3"], x=good)
    refused(driver, "samples", code=2, options=["--samples", "-1"], x=good)
    refused(driver, "samples", code=2, options=["--samples", "0"], x=good)
    for budget in ("much", "-1%", "nan", "5%%", "inf", "200%", "1.5", "100.1%"):
        refused(driver, "max-drop", code=2, options=["--max-drop", budget], x=good)
    refused(driver, "the metrics are", code=2, options=["--max-drop", "1%", "--metric", "best"], x=good)
    refused(driver, "labels is missing", code=2, options=["--max-drop", "1%", "--metric", "top1"], x=good)
    refused(driver, "validation", code=2, options=["--max-drop", "1%", "--labels", "labels.txt"], x=good)
    driver.fails("quantize", driver.model("residual_convolutions"), "-o", "no.onnx", message="calibration is missing", code=2)


def test_paths_are_looked_at_before_anything_is_run(driver):
    good = np.zeros((2, 3, 32, 32), np.float32)
    driver.write("file", b"")
    for path, message in (("none/page.html", "none/page.html: cannot be written: No such file"), (".", "cannot be written: Is a directory"), ("file/page", "file/page: cannot be written: Not a directory")):
        # The archive that does not exist would be told otherwise.
        for option in ("-o", "--html", "--save-recipe"):
            words = [option, path] if option == "-o" else ["-o", "no.onnx", option, path]
            driver.fails("quantize", driver.model("residual_convolutions"), "--calibration", "none.npz", *words, message=message)
    refused(driver, "cannot be written", options=["--html", "none/page.html"], x=good)


def test_one_sample_is_too_few_to_measure_with(driver):
    refused(driver, "two were expected", options=["--max-drop", "1%"], x=np.ones((1, 3, 32, 32), np.float32))


def test_constant_samples_are_told(driver):
    data = samples(driver, "zeros", x=np.zeros((2, 3, 32, 32), np.float32))
    done = driver.execute("quantize", driver.model("residual_convolutions"), "--calibration", data, "-o", "zeros.onnx")
    assert done.returncode == 0 and "was 0 for every sample" in done.stderr, done.stderr
