"""tenon.quantize: any iterable of samples, any metric, recipes, and what is refused."""
import json
import warnings

import numpy as np
import onnx
import tenon
from onnx import numpy_helper
from refusals import refused

COUNT, SIZE = 20, 16


def fragile(folder, orders=3):
    """Three products; the second one reads and weighs numbers of six orders of magnitude, which 8 bits cannot hold."""
    random = np.random.default_rng(5)
    weights = [random.standard_normal((SIZE, SIZE)).astype(np.float32) / 4 for _ in range(3)]
    wide = np.logspace(-orders, orders, SIZE, dtype=np.float32)
    weights[0] *= wide
    weights[1] /= wide[:, None]
    value = lambda name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", SIZE])
    nodes = [onnx.helper.make_node("MatMul", [["x", "a", "b"][i], f"w{i}"], [["a", "b", "y"][i]], name=f"product{i}") for i in range(3)]
    graph = onnx.helper.make_graph(nodes, "fragile", [value("x")], [value("y")], [numpy_helper.from_array(w, f"w{i}") for i, w in enumerate(weights)])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=10)


def rows(count=COUNT, seed=1):
    """A generator: read once."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        yield {"x": random.standard_normal((1, SIZE)).astype(np.float32)}


def bits(report):
    return [layer["bits"] for layer in report.layers]


def likeness(model, seed=9):
    """A metric: 1 - the relative distance of the answers from the float model's."""
    x = np.random.default_rng(seed).standard_normal((8, SIZE)).astype(np.float32)
    exact = tenon.compile(model).run({"x": x})["y"]
    return lambda plan: 1 - np.linalg.norm(plan.run({"x": x})["y"] - exact) / np.linalg.norm(exact)


def test_a_generator_is_read_once(folder):
    steps = []
    quantized, report = tenon.quantize(fragile(folder), rows(), progress=lambda step, fraction: steps.append((step, fraction)))
    onnx.checker.check_model(onnx.load_from_string(quantized))
    assert report.samples == COUNT and bits(report) == [8, 8, 8] and report.budget is None, report
    assert steps[-1] == ("writing", 1.0) and any(step == "ranges" for step, _ in steps), steps
    assert tenon.compile(quantized).run({"x": np.ones((3, SIZE), np.float32)})["y"].shape == (3, SIZE)


def test_techniques_are_asked_for_by_name(folder):
    _, plain = tenon.quantize(fragile(folder), rows(), adaptive_rounding=False, bias_correction=False)
    model, report = tenon.quantize(fragile(folder), rows(), method="auto", equalization=True, adaptive_rounding=True, bias_correction=True)
    assert report.samples == COUNT and report.recipe["equalization"] and report.recipe["adaptive_rounding"] and report.recipe["bias_correction"] and not plain.recipe["adaptive_rounding"], report.recipe
    assert all(layer["rounding"]["adapted"] <= layer["rounding"]["nearest"] for layer in report.layers) and "rounding" not in plain.layers[0], report.layers
    again, _ = tenon.quantize(fragile(folder), rows(), recipe=report.recipe)
    assert again == model


def test_a_metric_of_ones_own(folder):
    model = fragile(folder)
    metric = likeness(model)
    _, measured = tenon.quantize(model, rows(), metric)
    assert bits(measured) == [8, 8, 8] and measured.budget["max_drop"] is None and measured.budget["drop"] > 0.05, measured.budget
    quantized, report = tenon.quantize(model, rows(), metric, max_drop=0.05)
    assert bits(report) == [8, 32, 8] and report.budget["met"] and report.samples == COUNT, report.budget
    assert np.isclose(metric(tenon.compile(quantized)), report.budget["quantized"])
    assert "product1" in str(report) and report.html.count("<svg") == 3
    drops = [layer["drop"] for layer in report.layers]
    assert drops.index(max(drops)) == 1 and max(drops) > 0.05, drops
    _, other = tenon.quantize(model, rows(), metric, max_drop=0.05, rank_by="outputs")
    assert [layer["drop"] for layer in other.layers] == [None] * 3 and other.budget["measured"] == 2, other.budget


def test_without_a_metric_the_float_model_is_the_measure(folder):
    _, report = tenon.quantize(fragile(folder), rows(), max_drop=0.001)
    assert report.budget["metric"] == "cosine" and bits(report) == [8, 32, 8] and report.samples == COUNT * 4 // 5, report


def test_a_budget_that_cannot_be_met_is_told(folder):
    model = fragile(folder)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        quantized, report = tenon.quantize(model, rows(), likeness(model), max_drop=0)
    assert not report.budget["met"] and sorted(bits(report)) == [8, 32, 32] and any("cannot be met" in str(w.message) for w in told), told
    tenon.compile(quantized)


def test_recipes_give_the_same_bytes(folder):
    model = fragile(folder)
    first, report = tenon.quantize(model, rows(), max_drop=0.001)
    assert tenon.quantize(model, None, recipe=report.recipe)[0] == first
    (folder / "recipe.json").write_text(json.dumps(report.recipe))
    assert tenon.quantize(model, None, recipe=folder / "recipe.json")[0] == first
    edited = {"recipe": 1, "layers": [{"name": "product0", "bits": 32}], "tensors": [{"name": "a", "method": "min-max"}]}
    _, other = tenon.quantize(model, rows(), recipe=edited)
    assert bits(other) == [32, 8, 8] and {t["name"]: t["method"] for t in other.tensors} == {"a": "min-max", "b": "min-max"}, other.tensors


def test_samples_that_do_not_fit(folder):
    model, good = fragile(folder), np.zeros((1, SIZE), np.float32)
    quantize = lambda *samples: lambda: tenon.quantize(model, iter(samples))
    refused(quantize(), "no samples", tenon.QuantizationError)
    refused(quantize({"x": good}, {"x": good.astype(np.float64)}), "sample 1: input 'x'.*float64")
    refused(quantize({"x": good[0]}), r"sample 0: input 'x' has the shape \(16,\); \[\?, 16\]")
    refused(quantize({"x": good[:0]}), "at least one element")
    refused(quantize({"y": good}), r"sample 0: has \['y'\]")
    refused(quantize(good), "a dict of arrays")
    for bad in (np.nan, np.inf):
        refused(quantize({"x": good}, {"x": np.full_like(good, bad)}), "sample 1 of 'x' holds NaN", tenon.QuantizationError)
    refused(lambda: tenon.quantize(model, iter([{"x": good}]), max_drop=0.01), "two were expected", tenon.QuantizationError)

    def broken():
        yield {"x": good}
        raise OSError("the disk is gone")

    refused(lambda: tenon.quantize(model, broken()), "the disk is gone", OSError)


def test_metrics_that_fail(folder):
    model = fragile(folder)

    def raising(plan):
        raise KeyError("labels")

    error = refused(lambda: tenon.quantize(model, rows(), raising), "the metric raised KeyError: 'labels'", tenon.QuantizationError)
    assert isinstance(error.__cause__, KeyError)
    for value, message in ((np.nan, "returned nan"), (np.inf, "returned inf"), (None, "returned None"), ("good", "returned 'good'")):
        refused(lambda: tenon.quantize(model, rows(), lambda plan: value, max_drop=0.1), message, tenon.QuantizationError)


def test_arguments_that_mean_nothing(folder):
    model = fragile(folder)
    for options, message in (({"method": "mean"}, "the methods are"), ({"percentile": 3}, "percentile"), ({"samples": -1}, "samples"), ({"max_drop": -1}, "max_drop"), ({"max_drop": 2}, "max_drop"), ({"dtype": "fp4"}, "dtype"),
                             ({"max_drop": float("nan")}, "max_drop"), ({"recipe": folder / "none.json"}, "no recipe can be read"), ({"recipe": {}}, "no recipe")):
        refused(lambda: tenon.quantize(model, rows(), **options), message, tenon.QuantizationError)
    refused(lambda: tenon.quantize(folder / "none.onnx", rows()), "none.onnx", tenon.QuantizationError)
    refused(lambda: tenon.quantize(b"no model", rows()), "no ONNX model", tenon.QuantizationError)
    refused(lambda: tenon.quantize(model, None), "give samples", tenon.QuantizationError)
    refused(lambda: tenon.quantize(model, None, max_drop=0.1, recipe={"recipe": 1}), "samples are needed", tenon.QuantizationError)


def test_weights_alone(folder):
    model, x = fragile(folder, orders=0), np.random.default_rng(4).standard_normal((3, SIZE)).astype(np.float32)
    errors = {}
    for bits in (4, 8):
        made, layers = tenon.quantize_weights(model, bits=bits, group=16)
        onnx.checker.check_model(onnx.load_from_string(made))
        assert [layer["bits"] for layer in layers] == [bits] * 3, layers
        exact, found = (tenon.compile(of).run({"x": x})["y"] for of in (model.SerializeToString(), made))
        errors[bits] = np.linalg.norm(found - exact) / np.linalg.norm(exact)
    assert errors[8] < errors[4] / 4, errors
    for options, message in (({"bits": 3}, "4 or 8"), ({"group": 20}, "group 20"), ({"group": 32}, "nothing to quantize")):
        refused(lambda: tenon.quantize_weights(model, **options), message, tenon.QuantizationError)


def test_kinds_of_activations_and_of_floats(folder):
    model = fragile(folder)
    _, report = tenon.quantize(model, rows(), activations="symmetric")
    assert report.recipe["symmetric_activations"] and all(tensor["zero_point"] == 0 for tensor in report.tensors), report.tensors
    _, report = tenon.quantize(model, rows(), max_drop=0.001, fallback="f16")
    assert bits(report) == [8, 16, 8], report.layers
    for options, message in (({"activations": "odd"}, "'asymmetric' or 'symmetric'"), ({"fallback": "f64"}, "'f32' or 'f16'"), ({"rank_by": "luck"}, "'metric' or 'outputs'")):
        refused(lambda: tenon.quantize(model, rows(), **options), message, tenon.QuantizationError)
