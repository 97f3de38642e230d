"""Folders that test/gpu/pack.py makes for a machine with a GPU: what they hold is what was compiled."""
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from bad_models import FLOAT, graph
from onnx import helper, numpy_helper

GPU = Path(__file__).resolve().parent.parent / "gpu"
OPTIONS = ("--target", "cuda:sm_90a", "--precision", "fp16")


def modules():
    """Scripts of such a folder, which find each other by name."""
    sys.path.append(str(GPU))
    try:
        import archive
        import kinds
        return archive, kinds
    finally:
        sys.path.remove(str(GPU))


def signs_model(driver):
    """A product whose weights have two values, behind one whose weights have not; and a golden with more of the output than a folder takes along."""
    random = np.random.default_rng(3)
    x, first = random.standard_normal((2048, 64)).astype(np.float32), random.standard_normal((64, 128)).astype(np.float32)
    second = np.where(random.random((128, 512)) < 0.5, -0.25, 0.25).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "first"], ["h"], name="a"), helper.make_node("MatMul", ["h", "second"], ["y"], name="b")]
    weights = [numpy_helper.from_array(array, name) for array, name in ((first, "first"), (second, "second"))]
    model = graph(nodes, inputs=[("x", FLOAT, [2048, 64])], outputs=[("y", FLOAT, [2048, 512])], weights=weights)
    golden = driver.folder / "signs.npz"
    np.savez(golden, **{"in:x": x, "out:y": x @ first @ second})
    return driver.write("signs.onnx", model.SerializeToString()), golden


def packed(driver, name, *options):
    """(folder, its only entry, the plan in it, the plan as it was compiled)"""
    archive, _ = modules()
    (model, golden), folder, plan = signs_model(driver), driver.folder / name, driver.folder / "signs.plan"
    command = [sys.executable, GPU / "pack.py", "--tenon", driver.tenon, "--to", folder, *OPTIONS, *options, f"{model}={golden}"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    driver.ok("compile", model, *OPTIONS, "--shape", "x=2048x64", "-o", plan, "--quiet")
    entry, = json.loads((folder / "plans.json").read_text())
    return folder, entry, archive.expand((folder / entry["plan"]).read_bytes()), plan.read_bytes()


def test_packed_plans(driver):
    folder, entry, found, compiled = packed(driver, "checked")
    assert found == compiled and not entry["made_up"]
    assert len(compiled) > (folder / entry["plan"]).stat().st_size
    names = {kernel["name"] for kernel in driver.json("inspect", driver.write("found.plan", found))["kernels"]}
    assert entry["kinds"] and set(entry["kinds"].values()) <= names, entry["kinds"]
    assert all(kind.startswith("gpu.matrix ") for kind in entry["kinds"]), entry["kinds"]
    with np.load(folder / entry["golden"]) as golden, np.load(driver.folder / "signs.npz") as whole:
        every, *shape = golden["every:y"]
        assert every > 1 and shape == [512], (every, shape)
        assert np.array_equal(golden["out:y"], whole["out:y"].reshape(2048, -1)[:, ::every]) and np.array_equal(golden["in:x"], whole["in:x"])


def test_plans_for_times_alone(driver):
    folder, entry, found, compiled = packed(driver, "timed", "--times")
    with np.load(folder / entry["golden"]) as golden:
        assert golden.files == ["in:x"], golden.files
    assert entry["made_up"] and found != compiled and len(found) == len(compiled)
    said, before = (driver.json("inspect", driver.write(name, data)) for name, data in (("redrawn.plan", found), ("before.plan", compiled)))
    assert said["kernels"] == before["kernels"] and said["steps"] == before["steps"]
    # The checksums are those of what it holds now: on a machine without that GPU it is intact all the same.
    done = driver.execute("check", "redrawn.plan")
    assert "intact" in done.stdout + done.stderr, done.stdout + done.stderr


def test_kernels_in_clusters(driver):
    _, kinds = modules()
    bodies = {"a": "bar.sync 0;", "b$c_1": "barrier.cluster.arrive.aligned;", "d": "ret;", "e_2": "barrier.cluster.wait.aligned;"}
    text = "\x7fELF" + "".join(f".visible .entry {name}(\n)\n{{ {body} }}\n" for name, body in bodies.items()) + "\0behind"
    assert kinds.clusters_of(driver.write("clusters.plan", text.encode())) == ["b$c_1", "e_2"]
    assert list(kinds.bodies_of(text.encode())) == list(bodies)


def test_the_fewest_plans_that_launch_all(driver):
    _, kinds = modules()
    entries = [{"kinds": {"a": "k0", "b": "k1"}}, {"kinds": {"b": "k0", "c": "k1", "d": "k2"}}, {"kinds": {"a": "k0"}}, {"kinds": {"c": "k3"}}]
    assert kinds.fewest(entries) == [(1, ["b", "c", "d"]), (2, ["a"])], kinds.fewest(entries)
