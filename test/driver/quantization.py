"""tenon quantize: what it writes, that other runtimes agree on it, and calibration data of every wrong kind."""
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
    for method in ("min-max", "percentile", "mse", "entropy"):
        quantized = driver.folder / f"{method}.onnx"
        driver.ok("quantize", model, "--calibration", data, "--method", method, "-o", quantized)
        onnx.checker.check_model(str(quantized))
        found = scores(driver, quantized, x)
        assert similarity(found, exact) > 0.995, (method, similarity(found, exact))
        assert similarity(found, peer(quantized, x)) > 0.9999, method


def test_weights_are_bytes_with_a_scale_for_each_channel(driver):
    model, data = driver.model("residual_convolutions"), samples(driver, "bytes")
    report = driver.json("quantize", model, "--calibration", data, "-o", "bytes.onnx")
    assert report["samples"] == 8 and report["layers"] >= 3, report
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
        assert (np.abs(weight.reshape(len(weight), -1)).max(axis=1) == 127).all(), "the largest weight of each channel is a whole range"


def test_the_same_input_gives_the_same_bytes(driver):
    model, data = driver.model("mobile_block"), None
    shape = [d.dim_value or 2 for d in onnx.load(model).graph.input[0].type.tensor_type.shape.dim]
    name = onnx.load(model).graph.input[0].name
    data = samples(driver, "repeat", **{name: np.random.default_rng(3).standard_normal([4 * shape[0], *shape[1:]]).astype(np.float32)})
    for output in ("first.onnx", "second.onnx"):
        driver.ok("quantize", model, "--calibration", data, "-o", output, "--quiet")
    assert (driver.folder / "first.onnx").read_bytes() == (driver.folder / "second.onnx").read_bytes()


def refused(driver, message, code=1, model="residual_convolutions", options=(), **arrays):
    data = samples(driver, "refused", **arrays)
    driver.fails("quantize", driver.model(model), "--calibration", data, "-o", "refused.onnx", *options, message=message, code=code)


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


def test_constant_samples_are_told(driver):
    data = samples(driver, "zeros", x=np.zeros((2, 3, 32, 32), np.float32))
    done = driver.execute("quantize", driver.model("residual_convolutions"), "--calibration", data, "-o", "zeros.onnx")
    assert done.returncode == 0 and "was 0 for every sample" in done.stderr, done.stderr
