#!/usr/bin/env python3
"""Makes a folder that checks plans on a machine with a GPU, where there is a driver and Python with numpy and nothing else of Tenon.

    pack.py --tenon build/release/bin/tenon --to FOLDER [--target cuda:sm_90a] [--precision fp32,fp16] NAME|MODEL.onnx=GOLDEN.npz ...

Copies the runtime, compiles each model at each precision, and lists the plans with their goldens. A NAME is that of a model or skeleton in
$TENON_SHARED/models, or "all" for every trained model there; skeletons get weights of two values for each tensor, which keep the folder small, and
goldens from ONNX Runtime. NAME@8 is a model or skeleton with its first dimension, the batch, set to 8. Run `python3 FOLDER/check.py` there.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np

from archive import squeeze

HERE = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("TENON_SHARED", "/nonexistent")) / "models"
SMALLEST, LARGEST = 0.01, 100  # deviations of outputs that are compared
QUANTIZED = re.compile(r"_(qdq|dynq_.8)$")


def fill(source, target, batch, gain):
    """A skeleton with weights: mean plus or minus the deviation that it names; for weights of products and convolutions the one
    of `gain`, which should keep activations about as large as they are."""
    import onnx
    from onnx import helper

    model = onnx.load(source)
    dropped = json.loads({entry.key: entry.value for entry in model.metadata_props}.get("dropped_initializers", "{}"))
    for tensor in model.graph.initializer:
        if tensor.name in dropped:
            mean, deviation = dropped[tensor.name]
            if len(tensor.dims) >= 2 and "embed" not in tensor.name:
                inputs = np.prod(tensor.dims[1:]) if len(tensor.dims) > 2 else tensor.dims[0]
                mean, deviation = 0, (gain / inputs) ** 0.5
            signs = np.random.Generator(np.random.PCG64(zlib.crc32(tensor.name.encode()))).integers(0, 2, tuple(tensor.dims)) * 2 - 1
            tensor.raw_data = (signs * deviation + mean).astype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).tobytes()
    del model.metadata_props[:]
    if batch:
        set_batch(model.graph, batch)
    onnx.save(model, target)


def set_batch(graph, batch):
    """Gives inputs and outputs `batch` as their first dimension, and shapes that begin with an exported batch of 1."""
    from onnx import numpy_helper

    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    del graph.value_info[:]
    shapes = {node.input[1] for node in graph.node if node.op_type in ("Reshape", "Expand")}
    constants = [(tensor.name, tensor) for tensor in graph.initializer]
    constants += [(node.output[0], node.attribute[0].t) for node in graph.node if node.op_type == "Constant" and node.attribute[0].name == "value"]
    for name, tensor in constants:
        dims = numpy_helper.to_array(tensor)
        if name in shapes and dims.size > 1 and dims[0] == 1:
            tensor.CopyFrom(numpy_helper.from_array(np.concatenate([[batch], dims[1:]]).astype(dims.dtype), tensor.name))
    joined = {name for node in graph.node if node.op_type == "Concat" and node.attribute[0].i for name in node.input}
    for tensor in graph.initializer:  # a token for each image
        if tensor.name in joined and tensor.dims[0] == 1:
            tensor.CopyFrom(numpy_helper.from_array(np.repeat(numpy_helper.to_array(tensor), batch, axis=0), tensor.name))


def golden_of(model, path):
    """Random inputs of fixed shapes, and what ONNX Runtime makes of them, kept if something is left to compare after so many layers; the outputs' deviation."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    arrays = {}
    for given in session.get_inputs():
        shape = [size if isinstance(size, int) else 1 for size in given.shape]
        integers = given.type.startswith("tensor(int")
        value = random.integers(0, 2 if "mask" in given.name or "type" in given.name else 1000, shape) if integers else random.standard_normal(shape)
        arrays[given.name] = value.astype(np.int64 if given.type == "tensor(int64)" else np.int32 if integers else np.float32)
    outputs = session.run(None, arrays)
    magnitude = max(float(value.std()) if np.isfinite(value).all() else float("inf") for value in outputs)
    if not SMALLEST < magnitude < LARGEST:
        return magnitude
    np.savez_compressed(path, **{f"in:{name}": value for name, value in arrays.items()},
                        **{f"out:{given.name}": value for given, value in zip(session.get_outputs(), outputs)})
    return magnitude


def found(word, folder):
    """(model, golden) of what the command line names."""
    if "=" in word:
        return tuple(Path(part) for part in word.split("="))
    name, _, batch = word.partition("@")
    if (SHARED / f"{name}.onnx").exists() and not batch:
        return SHARED / f"{name}.onnx", SHARED / "golden" / f"{name}.npz"
    model, golden = folder / f"{name}{'_b' + batch if batch else ''}.onnx", folder / f"{name}{'_b' + batch if batch else ''}.npz"
    low, gain, high = 0.25, 1.5, 32
    for _ in range(12):
        trained = SHARED / f"{name}.onnx"
        fill(trained if trained.exists() else SHARED / "skeletons" / f"{name}.onnx", model, int(batch or 0), gain)
        magnitude = golden_of(model, golden)
        if SMALLEST < magnitude < LARGEST:
            return model, golden
        low, high = (gain, high) if magnitude <= SMALLEST else (low, gain)
        gain = (low * high) ** 0.5
    sys.exit(f"{name}: no gain keeps its activations in range")


def shape_options(golden):
    """Fixes the free dimensions to those of the golden, unless something there is empty."""
    arrays = np.load(golden)
    return [word for key in arrays.files if key.startswith("in:") and arrays[key].size and arrays[key].ndim
            for word in ("--shape", f"{key[3:]}={'x'.join(map(str, arrays[key].shape))}")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenon", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--target", default="cuda:sm_90a")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("models", nargs="+")
    arguments = parser.parse_args()
    folder = arguments.to
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(arguments.tenon.parent.parent / "lib" / "libtenon_runtime.so.0", folder / "libtenon_runtime.so")
    for script in ("runtime.py", "check.py", "archive.py"):
        shutil.copy(HERE / script, folder / script)
    index = folder / "plans.json"
    listed = json.loads(index.read_text()) if index.exists() else []
    failures = 0
    words = [name for word in arguments.models for name in (sorted(path.stem for path in SHARED.glob("golden/*.npz")) if word == "all" else [word])]
    for word in words:
        if QUANTIZED.search(word):
            continue
        model, golden = found(word, folder)
        if golden.resolve() != (folder / golden.name).resolve():
            shutil.copy(golden, folder / golden.name)
            (folder / golden.name).chmod(0o644)
        for precision in arguments.precision.split(","):
            plan = folder / f"{model.stem}.{precision}.plan"
            command = [arguments.tenon, "compile", model, "--target", arguments.target, "--precision", precision, "-o", plan, "--quiet",
                       *shape_options(golden)]
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
            if done.returncode:
                failures += 1
                print(f"{model.stem} {precision}: {done.stderr.strip()[:400]}", flush=True)
                continue
            packed = plan.with_suffix(".plan.xz")
            packed.write_bytes(squeeze(plan.read_bytes()))
            plan.unlink()
            listed = [entry for entry in listed if entry["plan"] != packed.name]
            listed.append({"name": model.stem, "plan": packed.name, "golden": golden.name, "precision": precision})
            print(f"{model.stem} {precision}: {packed.stat().st_size / 1e6:.1f} MB", flush=True)
        if model.parent == folder:
            model.unlink()
        index.write_text(json.dumps(listed, indent=1))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
