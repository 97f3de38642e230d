"""tenon quantize: metrics of scripts and of boxes, what is measured of time, and runs that are interrupted."""
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import onnx
from onnx import numpy_helper

from harness import Skip
from quantization import fragile_model, refused, rows, samples, scores

os.environ["TENON_PYTHON"] = sys.executable  # runs scripts, and can import tenon and numpy


def script(driver, name, *lines):
    return driver.write(name, "\n".join(["import sys", *lines]).encode())


# Counts what the answers have in common with those of the float model, which is evaluated first.
LIKENESS = """
import numpy, os, tenon
plan = tenon.Plan.load(sys.argv[1])
assert os.path.exists(sys.argv[2])
y = plan.run({"x": numpy.random.default_rng(9).standard_normal((8, 16)).astype(numpy.float32)})["scores"]
if not os.path.exists("exact.npy"):
    numpy.save("exact.npy", y)
exact = numpy.load("exact.npy")
print("evaluating", file=sys.stderr)
print("the score is\\n", 1 - numpy.linalg.norm(y - exact) / numpy.linalg.norm(exact), "\\n")
"""


def test_a_script_holds_the_metric(driver):
    model, data = fragile_model(driver), rows(driver, "script")
    likeness = script(driver, "likeness.py", LIKENESS)
    report = driver.json("quantize", model, "--calibration", data, "--evaluate", likeness, "--max-drop", "5%", "-o", "evaluated.onnx")
    assert [layer["bits"] for layer in report["layers"]] == [8, 32, 8] and report["samples"] == 40, report["layers"]
    budget = report["budget"]
    assert budget["metric"] == "likeness.py" and budget["float"] == 1 and budget["met"] and budget["measured"] == 1 + 3 + 1, budget
    drops = {layer["name"]: layer["drop"] for layer in report["layers"]}
    assert max(drops, key=drops.get) == "product1" and drops["product1"] > 0.05 and min(drops.values()) > 0, drops
    words = ["quantize", model, "--calibration", data, "--evaluate", likeness, "--max-drop", "5%", "-o", "evaluated.onnx"]
    told = driver.ok(*words, "--rank-by", "metric", "--report", "--html", "ranked.html")
    assert "f32, us  drop" in re.sub(" +drop", "  drop", told.splitlines()[0]) and "drop of likeness.py</th>" in (driver.folder / "ranked.html").read_text(), told
    other = driver.json(*words, "--rank-by", "outputs")
    assert other["budget"]["measured"] == 2 and [layer["drop"] for layer in other["layers"]] == [None] * 3, other
    driver.fails(*words, "--rank-by", "luck", message="rank-by", code=2)
    executable = driver.write("constant.sh", b"#!/bin/sh\necho 0.25\n")
    executable.chmod(0o755)
    assert driver.json("quantize", model, "--calibration", data, "--evaluate", executable, "-o", "constant.onnx")["budget"]["quantized"] == 0.25


def test_scripts_that_do_not_measure(driver):
    model, data = fragile_model(driver), rows(driver, "badscripts")
    for line, message in (("raise KeyError('labels')", "ended with status 1: KeyError: 'labels'"), ("print('nan')", "score nan; a finite number"), ("print('inf')", "score inf; a finite"),
                          ("print('0.5 of all')", "printed '0.5 of all' last; the score was expected"), ("pass", "printed nothing"), ("import os; os.abort()", "ended by a signal: Aborted"),
                          ("print('x' * 1000000)", "printed 'x+"), ("import os, time; os.fork(); time.sleep(60)", "did not end within 0.5 s and was killed")):
        wrong = script(driver, "wrong.py", line)
        driver.fails("quantize", model, "--calibration", data, "--evaluate", wrong, "--evaluate-limit", "0.5s" if "sleep" in line else "1m", "-o", "no.onnx", message=f"wrong.py: .*{message}")
    driver.fails("quantize", model, "--calibration", data, "--evaluate", "none.py", "-o", "no.onnx", message="none.py")
    for options, message in ((["--metric", "top1"], "neither --metric nor --labels"),
                             (["--validation", data], "brings its own samples"), (["--evaluate-limit", "0"], "more than 0"), (["--evaluate-limit", "soon"], "duration")):
        driver.fails("quantize", model, "--calibration", data, "--evaluate", script(driver, "fine.py", "print(1)"), *options, "-o", "no.onnx", message=message, code=2)


def detector(driver):
    """y = x: what the samples hold is what is detected, [4 + classes, boxes] of each."""
    value = lambda name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 6, 4])
    weight = numpy_helper.from_array(np.eye(6, dtype=np.float32)[:, :, None], "w")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Conv", ["x", "w"], ["y"], name="boxes")], "detector", [value("x")], [value("y")], [weight])
    path = driver.folder / "detector.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=10), path)
    return path


def test_boxes_are_measured_by_average_precision(driver):
    # Centre, size, and the scores of two classes, for four boxes of two samples.
    first = np.array([[50, 50, 20, 20, .9, 0], [51, 50, 20, 20, .8, 0], [20, 20, 10, 10, .7, 0], [80, 80, 10, 10, 0, .6]], np.float32).T
    second = np.array([[50, 50, 20, 20, .5, 0], [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [30, 30, 10, 20, 0, .4]], np.float32).T
    data = samples(driver, "detected", x=np.stack([first, second]))
    # Class 0 has three boxes: the first one is found (the second detection is its double), the one at 20, 20 is nowhere, and sample 1's is found: precision is 1 up to
    # a recall of 1/3 and 2/3 up to 2/3, so that 34 of 101 recalls count 1 and 33 count 2/3. Class 1's boxes are found in sample 0 exactly, and in sample 1 with an
    # IoU of 0.6: precision is 1 at all recalls for IoU 0.50, 0.55 and 0.60, and at 51 of 101 for the seven above.
    boxes = "0 0 40 40 60 60\n0 0 90 0 100 10\n0 1 75 75 85 85\r\n 1 0  40 40 60 60\n1 1 25 20 35 32\n"
    labels = driver.write("boxes.txt", boxes.encode())
    measure = lambda metric, labels: driver.json("quantize", detector(driver), "--calibration", data, "--validation", data, "--labels", labels, "--metric", metric, "-o", "found.onnx")["budget"]
    zero = (34 + 33 * 2 / 3) / 101
    found = measure("ap", labels)
    assert found["metric"] == "ap" and abs(found["float"] - (zero + (3 + 7 * 51 / 101) / 10) / 2) < 1e-6, found
    table = driver.folder / "boxes.npy"
    np.save(table, np.array([line.split() for line in boxes.splitlines()], np.float32))
    assert abs(measure("ap50", table)["float"] - (zero + 1) / 2) < 1e-6
    for content, message in ((b"", "no boxes"), (b"0 0 1 2 3\n", "line 1.*six numbers"), (b"0 0 1 2 3 4\n0 0 5 2 3 4\n", "line 2: is no box"), (b"0 0.5 1 2 3 4", "whole numbers"),
                             (b"0 0 1 2 3 nan", "is no box"), (b"0 0 1 2 3 4 5", "more than the six"), (b"-1 0 1 2 3 4", "at least 0"), (b"2 0 1 2 3 4", "box of sample 2.*2 samples")):
        wrong = driver.write("wrongboxes.txt", content)
        driver.fails("quantize", detector(driver), "--calibration", data, "--validation", data, "--labels", wrong, "--metric", "ap", "-o", "no.onnx", message=message)
    plain = rows(driver, "plain")
    driver.fails("quantize", fragile_model(driver), "--calibration", plain, "--validation", plain, "--labels", labels, "--metric", "ap", "-o", "no.onnx", message="4 . classes, boxes.*--evaluate")
    refused(driver, "labels is missing", code=2, options=["--metric", "ap"], x=np.zeros((2, 3, 32, 32), np.float32))


def test_the_report_says_what_layers_take(driver):
    model = driver.model("residual_convolutions")
    report = driver.json("quantize", model, "--calibration", samples(driver, "timed"), "-o", "timed.onnx", "--report")
    layers, times = report["layers"], report["times"]
    assert all(layer["ms"] > 0 and layer["float_ms"] > 0 for layer in layers), layers
    assert sum(layer["ms"] for layer in layers) <= times["ms"] * 1.001 and sum(layer["float_ms"] for layer in layers) <= times["float_ms"] * 1.001, report
    text = driver.ok("quantize", model, "--calibration", samples(driver, "timed"), "-o", "timed.onnx", "--report")
    assert "f32, us" in text and "ms here, the float model's" in text, text


KILLER = """
import os, signal, time
with open("calls.txt", "a") as calls:
    calls.write("called\\n")
if os.path.exists("kill"):
    os.remove("kill")
    os.kill(os.getppid(), signal.SIGKILL)
if not os.path.exists("first"):
    open("first", "w").close()
    open("kill", "w").close()  # the next call is the last one of this process
    time.sleep(1.1)            # worth keeping
print(0.5)
"""


def test_an_interrupted_run_goes_on(driver):
    model, data = fragile_model(driver), rows(driver, "interrupted")
    words = ["quantize", model, "--calibration", data, "--evaluate", script(driver, "killer.py", KILLER), "--max-drop", "1%", "-o", "resumed.onnx", "--report", "--html", "resumed.html"]
    assert driver.execute(*words).returncode == -signal.SIGKILL
    kept, left = driver.folder / "resumed.onnx.statistics", {path.name for path in driver.folder.glob("resumed*")}
    assert left == {kept.name}, left
    state = kept.read_bytes()
    done = driver.execute(*words)
    assert done.returncode == 0 and "goes on after 40 runs of the samples, 1 score" in done.stderr, done.stderr
    assert (driver.folder / "calls.txt").read_text().count("called") == 3, "the float model was not measured again"
    assert {path.name for path in driver.folder.glob("resumed*")} == {"resumed.onnx", "resumed.html"}
    whole = (driver.folder / "resumed.onnx").read_bytes()

    def again(content, message, *options):
        kept.write_bytes(content)
        done = driver.execute(*words, *options)
        assert done.returncode == 0 and message in done.stderr, (message, done.stderr)
        return done

    again(state[:-1] + bytes([state[-1] ^ 1]), "is damaged and not used")
    again(state[: len(state) // 2], "is damaged and not used")
    again(state, "of other samples", "--samples", "30")
    assert (driver.folder / "resumed.onnx").read_bytes() != whole, "other samples, other ranges"
    # What the metric and the ranges' method are does not matter to what was seen.
    again(state, "goes on after 40 runs of the samples\n", "--method", "mse")
    again(state, "of other samples", "--method", "min-max")  # which keeps samples that others leave out
    script(driver, "killer.py", "print(1)")
    again(state, "goes on after 40 runs of the samples\n")
    assert (driver.folder / "resumed.onnx").read_bytes() == whole and not kept.exists()
    again(b"something of the user's", "no file of statistics")
    assert kept.read_bytes() == b"something of the user's"
    kept.unlink()


def test_calibration_goes_on(driver):
    # Each sample begins a number behind the one before: 120 MB of samples that take no memory.
    numbers = np.random.default_rng(1).standard_normal(10000 + 3 * 32 * 32).astype(np.float32)
    x = np.lib.stride_tricks.as_strided(numbers, (10000, 3, 32, 32), (4, 4 * 32 * 32, 4 * 32, 4))
    model, data = driver.model("residual_convolutions"), samples(driver, "many", x=x)
    whole = driver.json("quantize", model, "--calibration", data, "-o", "whole.onnx")
    process = subprocess.Popen([str(driver.tenon), "quantize", str(model), "--calibration", str(data), "-o", "part.onnx"], cwd=driver.folder, stdout=subprocess.DEVNULL)
    kept = driver.folder / "part.onnx.statistics"
    while process.poll() is None and not kept.exists():
        time.sleep(0.01)
    process.kill()
    process.wait()
    if not kept.exists():
        raise Skip("calibration took less than a second, which is not worth keeping")
    done = driver.execute("quantize", model, "--calibration", data, "-o", "part.onnx", "--json")
    assert "goes on after" in done.stderr and not kept.exists(), done.stderr
    assert json.loads(done.stdout)["tensors"] == whole["tensors"]
    assert (driver.folder / "part.onnx").read_bytes() == (driver.folder / "whole.onnx").read_bytes()


def test_a_failure_keeps_what_was_measured(driver):
    model, data = fragile_model(driver), rows(driver, "failure")
    late = script(driver, "late.py", "import os, time", "if os.path.exists('late'): raise OSError('the data set is gone')", "open('late', 'w').close()", "time.sleep(1.1)", "print(1)")
    done = driver.execute("quantize", model, "--calibration", data, "--evaluate", late, "-o", "late.onnx")
    assert done.returncode == 1 and "OSError: the data set is gone\nlate.onnx.statistics holds what was measured" in done.stderr, done.stderr
    assert {path.name for path in driver.folder.glob("late.onnx*")} == {"late.onnx.statistics"}


def test_compiling_quantizes_where_it_is_asked(driver):
    model, data = fragile_model(driver), rows(driver, "inside")
    options = ["--calibration", data, "--max-drop", "0.1%"]
    driver.ok("quantize", model, *options, "-o", "outside.onnx", "--quiet")
    x = np.random.default_rng(9).standard_normal((4, 16)).astype(np.float32)
    expected = scores(driver, driver.folder / "outside.onnx", x)
    summary = driver.json("compile", model, "--int8", *options, "-o", "inside.plan", "--save-recipe", "inside.json")
    assert summary["plan_bytes"] == (driver.folder / "inside.plan").stat().st_size, summary
    assert [layer["bits"] for layer in json.loads((driver.folder / "inside.json").read_text())["layers"]] == [8, 32, 8]
    driver.ok("run", "inside.plan", "--inputs", "given.npy", "--outputs", "insidescores.npz")
    assert np.array_equal(np.load(driver.folder / "insidescores.npz")["scores"], expected)
    done = driver.execute("compile", model, "--int8", "--calibration", data, "--metric", "relative-error", "--max-drop", "0", "-o", "best.plan")
    assert done.returncode == 3 and (driver.folder / "best.plan").exists(), done
    assert "i8" in driver.ok("compile", model, "--int8", "--calibration", data, "--stop-after", "graph")
    driver.fails("compile", model, "--calibration", data, "-o", "no.plan", message="--int8", code=2)
    driver.fails("compile", model, "--int8", "-o", "no.plan", message="calibration is missing", code=2)
    driver.fails("compile", driver.folder / "outside.onnx", "--int8", "--calibration", data, "-o", "no.plan", message="quantized already")
