"""Compiling, saving and running from Python; arrays in and out without copies."""
import re
import subprocess
import sys
import threading
from pathlib import Path

import ml_dtypes
import models
import numpy as np
import onnx
import onnx.numpy_helper
import tenon


def rows(count=3):
    return np.arange(4 * count, dtype=np.float32).reshape(count, 4)


def test_sources(folder):
    """A path, a pathlib path, bytes and a message give the same plan."""
    model = models.affine()
    path = folder / "affine.onnx"
    onnx.save(model, path)
    plans = [tenon.compile(source, **{} if isinstance(source, (str, Path)) else {"name": "affine.onnx"})
             for source in (str(path), path, path.read_bytes(), model)]
    for plan in plans:
        np.testing.assert_array_equal(plan.run({"x": rows()})["y"], 2 * rows() + 1)
    assert plans[0].to_bytes() == plans[1].to_bytes()
    assert plans[2].to_bytes() == plans[3].to_bytes()


def test_save_and_load(folder):
    plan = tenon.compile(models.affine())
    plan.save(folder / "affine.plan")
    loaded = tenon.Plan.load(folder / "affine.plan", threads=1, verify=True)
    assert loaded.to_bytes() == plan.to_bytes()
    np.testing.assert_array_equal(loaded.run([rows()])["y"], 2 * rows() + 1)
    again = tenon.Plan.from_bytes(loaded.to_bytes())
    assert again.inputs == plan.inputs and again.outputs == plan.outputs


def test_signature(folder):
    plan = tenon.compile(models.affine())
    assert plan.inputs == (("x", "f32", ("batch", 4)),)
    assert plan.outputs[0].dtype == np.float32
    assert plan.properties["arch"] in ("x86_64", "aarch64")
    assert "'x' (f32[batch, 4])" in repr(plan)


def test_shapes(folder):
    plan = tenon.compile(models.affine(), shapes={"x": (5, 4)})
    assert plan.inputs[0].shape == (5, 4)
    plan = tenon.compile(models.affine(), shapes={"x": "rows,4"})
    assert plan.inputs[0].shape == ("rows", 4)


def test_named_outputs(folder):
    plan = tenon.compile(models.two_of_each())
    a, b = np.ones((2, 3), np.float32), np.full(3, 4, np.float32)
    assert list(plan.run({"b": b, "a": a})) == ["sum", "product"]
    assert list(plan.run({"b": b, "a": a}, outputs=["product"])) == ["product"]


def test_reads_in_place(folder):
    """Read-only arrays are read where they are; strided ones are copied; the input is never written."""
    plan = tenon.compile(models.affine())
    base = np.arange(24, dtype=np.float32).reshape(3, 8)
    fixed = rows()
    fixed.flags.writeable = False
    for given in (base[:, ::2], np.asfortranarray(rows()), fixed, rows()[::-1], np.broadcast_to(np.float32(3), (2, 4))):
        before = given.copy()
        np.testing.assert_array_equal(plan.run({"x": given})["y"], 2 * before + 1)
        np.testing.assert_array_equal(given, before)


def test_misaligned(folder):
    memory = np.zeros(4 * 12 + 1, np.uint8)
    given = memory[1:].view(np.float32).reshape(3, 4)
    given[...] = rows()
    np.testing.assert_array_equal(tenon.compile(models.affine()).run({"x": given})["y"], 2 * rows() + 1)


def test_writes_in_place(folder):
    plan = tenon.compile(models.affine())
    out = np.zeros((3, 4), np.float32)
    result = plan.run({"x": rows()}, out={"y": out})["y"]
    assert result is out
    np.testing.assert_array_equal(out, 2 * rows() + 1)


def test_results_are_kept(folder):
    """A later run does not change an earlier result."""
    plan = tenon.compile(models.affine())
    first = plan.run({"x": rows()})["y"]
    plan.run({"x": -rows()})
    np.testing.assert_array_equal(first, 2 * rows() + 1)


def test_lists_and_numbers(folder):
    plan = tenon.compile(models.affine())
    np.testing.assert_array_equal(plan.run({"x": [[1, 2, 3, 4]]})["y"], [[3, 5, 7, 9]])


class Foreign:
    """Another library's tensor: nothing but DLPack."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_dlpack(folder):
    plan = tenon.compile(models.affine())
    result = plan.run({"x": Foreign(rows())})["y"]
    np.testing.assert_array_equal(result, 2 * rows() + 1)
    shared = np.from_dlpack(Foreign(result))
    assert shared.ctypes.data == result.ctypes.data


def test_element_types(folder):
    for kind, numpy_type in (("float", np.float32), ("double", np.float64), ("float16", np.float16), ("bfloat16", ml_dtypes.bfloat16),
                             ("int8", np.int8), ("int16", np.int16), ("int32", np.int32), ("int64", np.int64), ("uint8", np.uint8),
                             ("uint16", np.uint16), ("uint32", np.uint32), ("uint64", np.uint64), ("bool", np.bool_)):
        plan = tenon.compile(models.identity(kind))
        given = np.array([0, 1, 1, 0, 1], numpy_type)
        result = plan.run({"x": given})["y"]
        assert result.dtype == given.dtype, kind
        np.testing.assert_array_equal(result[:, 0], given, err_msg=kind)


def test_many_shapes(folder):
    plan = tenon.compile(models.affine())
    for count in (1, 2, 3, 7, 64, 1000, 1):
        np.testing.assert_array_equal(plan.run({"x": rows(count)})["y"], 2 * rows(count) + 1)


def test_threads(folder):
    """One plan from many threads: every thread gets its own numbers."""
    plan = tenon.compile(models.affine(), threads=1)
    wrong = []

    def work(seed):
        given = np.full((seed + 1, 4), seed, np.float32)
        for _ in range(200):
            if not (plan.run({"x": given})["y"] == 2 * seed + 1).all():
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong


def test_releases_the_lock(folder):
    """Python goes on while a plan runs: a counting thread gets its turns during one long run."""
    size = 1024
    weights = onnx.numpy_helper.from_array(np.ones((size, size), np.float32), "w")
    model = models.model(f"float[n, {size}] x", f"float[n, {size}] y", "y = MatMul (x, w)")
    model.graph.initializer.append(weights)
    plan = tenon.compile(model, threads=1)
    given = np.ones((4096, size), np.float32)
    plan.run({"x": given})
    turns, stop = [0], threading.Event()

    def count():
        while not stop.wait(0.0005):
            turns[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    before = turns[0]
    plan._run([given], {})
    during = turns[0] - before
    stop.set()
    thread.join()
    assert during >= 2, f"{during} turns during one run"


def test_compiles_in_threads(folder):
    results = {}

    def work(count):
        results[count] = tenon.compile(models.affine(), shapes={"x": (count, 4)}).inputs[0].shape

    threads = [threading.Thread(target=work, args=(count,)) for count in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {count: (count, 4) for count in range(1, 5)}


def test_program(folder):
    """python -m tenon is the driver."""
    done = subprocess.run([sys.executable, "-m", "tenon", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"tenon {tenon.__version__}"
    assert subprocess.run([sys.executable, "-m", "tenon", "nonsense"], capture_output=True).returncode == 2


def test_readme(folder):
    """Its lines of Python, as they stand there."""
    text = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", text, re.S)
    onnx.save(models.model("float[n, 3, 224, 224] x", "float[n, 3, 1, 1] y", "y = GlobalAveragePool (x)"), folder / "model.onnx")
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (folder / "model.plan").exists()


def test_fork(folder):
    """A child has none of its parent's threads: it starts its own."""
    program = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import models, numpy, tenon
plan = tenon.compile(models.model("float[n, 1024] x", "float[n, 1024] y", "y = Softmax (x)"), threads=2)
x = numpy.arange(65536, dtype=numpy.float32).reshape(64, 1024) / 65536
y = plan.run({{"x": x}})["y"]
if child := os.fork():
    sys.exit(os.waitpid(child, 0)[1] != 0)
same = all((plan.run({{"x": x}})["y"] == y).all() for _ in range(10))
sys.exit(not same or len(os.listdir("/proc/self/task")) != 2)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_products_and_rows_of_nothing(folder):
    for target in ("native", "x86-64-v3"):
        for rows, depth, columns in ((17, 0, 16), (1, 0, 4), (3, 5, 0), (0, 5, 3)):
            constant = models.model(f"float[{rows}, {depth}] x", f"float[{rows}, {columns}] y", "y = MatMul (x, w)")
            constant.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((depth, columns), np.float32), "w"))
            given = models.model(f"float[{rows}, {depth}] x, float[{depth}, {columns}] w", f"float[{rows}, {columns}] y", "y = MatMul (x, w)")
            x, w = np.ones((rows, depth), np.float32), np.ones((depth, columns), np.float32)
            for model, inputs in ((constant, [x]), (given, [x, w])):
                y = tenon.compile(model, target=target).run(inputs)["y"]
                assert y.shape == (rows, columns) and not y.any(), (target, rows, depth, columns, y)  # sums of nothing, or none
    # No thread, no warp and no block has a row: that compiles, too.
    for body, shape in (("y = Softmax <axis = 1> (x)", "5, 0"), ("y = Softmax <axis = 0> (x)", "0, 5"), ("y = LogSoftmax <axis = 1> (x)", "2, 0, 7"), ("y = Softmax (x)", "n, 0"),
                        ("y = LayerNormalization (x, s)", "3, 0"), ("y = InstanceNormalization (x, c, c)", "1, 4, 0")):
        empty = models.model(f"float[{shape}] x", f"float[{shape}] y", body)
        empty.graph.initializer.extend([onnx.numpy_helper.from_array(np.ones(0, np.float32), "s"), onnx.numpy_helper.from_array(np.ones(4, np.float32), "c")])
        for target in ("native", "cuda:sm_75", "cuda:sm_90a"):
            tenon.compile(empty, target=target)


def test_integers_whose_reductions_need_floats(folder):
    of = {"ReduceL2": lambda x: np.sqrt((x * x).sum(1)), "ReduceLogSum": lambda x: np.log(x.sum(1)), "ReduceLogSumExp": lambda x: np.log(np.exp(x).sum(1))}
    for kind, name in (("int32", np.int32), ("int64", np.int64), ("uint32", np.uint32), ("uint64", np.uint64)):
        x = np.arange(2, 32).reshape(3, 10).astype(name)
        for op, expected in of.items():
            model = models.model(f"{kind}[3, 10] x", f"{kind}[3] y", f"y = {op} <keepdims = 0> (x, axes)", opset=18, initializers="<int64[1] axes = {1}>")
            y = tenon.compile(model).run([x])["y"]
            assert y.dtype == name and (y == expected(x.astype(np.float64)).astype(name)).all(), (op, kind, y)
            tenon.compile(model, target="cuda:sm_80")
