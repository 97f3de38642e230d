"""tenon compare: a difference is found, at the kernel that makes it, and shown by a small model."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import models
import numpy as np
import onnx
import tenon
from tenon import _compare, _plan


def network():
    """Four matrix products with activations between them."""
    body, weights = [], []
    for index in range(4):
        read = "x" if index == 0 else f"a{index - 1}"
        body.append(f"p{index} = MatMul ({read}, w{index}) a{index} = {'Sigmoid' if index == 2 else 'Relu'} (p{index})")
        weights.append(onnx.numpy_helper.from_array(np.random.default_rng(index).standard_normal((16, 16)).astype(np.float32), f"w{index}"))
    model = models.model("float[n, 16] x", "float[n, 16] a3", " ".join(body))
    model.graph.initializer.extend(weights)
    return model


def inputs():
    return {"x": np.random.default_rng(9).standard_normal((5, 16)).astype(np.float32)}


def broken(model, feed):
    """A compiler that adds 0.1 to what sigmoids give, and to all that follows from it."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for node in list(copy.graph.node):
        if node.op_type == "Sigmoid":
            node.output[0], right = "unbroken", node.output[0]
            copy.graph.node.insert(list(copy.graph.node).index(node) + 1, onnx.helper.make_node("Add", ["unbroken", "tenth"], [right]))
            copy.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(0.1), "tenth"))
    return _compare.run_compiled(copy, feed)


def test_equal(folder):
    found = _compare.compare(network(), inputs())
    assert found.rows and found.first is None and found.minimal is None, _compare.table(found.rows)
    assert all(row.unoptimized is not None for row in found.rows)


def test_difference(folder):
    found = _compare.compare(network(), inputs(), run=broken)
    assert found.first.tensor == "a2" and found.first.operator == "Sigmoid", _compare.table(found.rows)
    assert "Sigmoid" in [node.op_type for node in found.minimal.graph.node] and len(found.minimal.graph.node) <= 2
    # The small model alone shows it.
    wrong, right = broken(found.minimal, found.inputs), _compare.run_compiled(found.minimal, found.inputs)
    assert _compare.error(wrong["a2"], right["a2"]) > 1
    assert not _compare.table(found.rows).splitlines()[1].endswith("-")


def test_error(folder):
    ones = np.ones(4, np.float32)
    assert _compare.error(ones, ones) == 0
    assert _compare.error(ones * 1.01, ones) > 1 > _compare.error(ones * 1.0001, ones)
    assert _compare.error(ones, ones.astype(np.float64)) == np.inf
    assert _compare.error(np.array([np.nan], np.float32), np.array([1], np.float32)) == np.inf
    assert _compare.error(np.array([np.nan, 1], np.float32), np.array([np.nan, 1], np.float32)) == 0
    assert _compare.error(np.array([1, 2]), np.array([1, 3])) == np.inf


def test_command(folder):
    onnx.save(network(), folder / "network.onnx")
    np.savez(folder / "x.npz", **inputs())
    for options in (["--inputs", folder / "x.npz"], ["--shape", "x=3x16"], []):
        words = [sys.executable, "-m", "tenon", "compare", folder / "network.onnx", "--json", *options]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["minimal"] is None
    done = subprocess.run([sys.executable, "-m", "tenon", "compare", "nothing.onnx"], capture_output=True, text=True)
    assert done.returncode == 1 and "nothing.onnx" in done.stderr


def test_reproducer(folder):
    """A failure leaves a file, and the error the command that fails in the same way; a success leaves nothing."""
    path = folder / "failure.mlir"
    tenon.compile(models.affine(), reproducer=path)
    assert not path.exists()
    text = _plan._compile(models.affine(), stop_after="memory")[1]
    strange = folder / "strange.mlir"
    strange.write_text(re.sub(r'kernel.schedule<"\w+"', 'kernel.schedule<"nonsense"', text))
    try:
        tenon.compile(strange, reproducer=path)
    except tenon.CompileError as error:
        command = re.search(r"To reproduce: (.*)", str(error)).group(1).split()
    else:
        raise AssertionError("a schedule of no family was accepted")
    assert command[0] == "tenon-opt" and command[-1] == str(path) and "nonsense" in path.read_text()
    tool = Path(os.environ["PYTHONPATH"]).parent / "bin/tenon-opt"
    if tool.exists():
        done = subprocess.run([str(tool), *command[1:]], capture_output=True, text=True)
        assert done.returncode != 0 and "nonsense" in done.stderr, done.stderr
