#!/usr/bin/env python3
"""Makes a model and inputs for it ready to be measured.

    models.py NAME FOLDER [BATCH]

NAME is a model of the folder that TENON_SHARED names: trained ones have golden inputs, architectures get weights and seeded inputs. Writes FOLDER/NAME.onnx (or
links it) and FOLDER/NAME.npz, keys in:NAME; with BATCH, a model and inputs of that batch. Prints {"model": …, "inputs": …}.
"""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

QUANTIZED = re.compile(r"_(dynq|qdq)")


def float_models(shared):
    """Names of all models with floating-point weights that can be run: trained ones, then architectures."""
    models = Path(shared) / "models"
    trained = sorted(path.stem for path in models.glob("*.onnx") if (models / "golden" / f"{path.stem}.npz").exists())
    return [name for name in trained if not QUANTIZED.search(name)] + sorted(path.stem for path in (models / "skeletons").glob("*.onnx"))


def fix_batch(model, batch):
    """Makes a model of batch 1 one of `batch`: its inputs, and the shapes that it reshapes to."""
    from onnx import numpy_helper

    for value in (*model.graph.input, *model.graph.output):
        first = value.type.tensor_type.shape.dim[0]
        first.Clear()
        first.dim_value = batch
    del model.graph.value_info[:]
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    constants |= {node.output[0]: node.attribute[0].t for node in model.graph.node if node.op_type == "Constant"}
    shapes = {node.input[1] for node in model.graph.node if node.op_type in ("Reshape", "Expand")}
    for name in shapes & constants.keys():
        shape = numpy_helper.to_array(constants[name]).copy()
        if shape.size and shape[0] == 1:
            shape[0] = batch
            constants[name].CopyFrom(numpy_helper.from_array(shape, constants[name].name))


def check_batch(path, single, batched):
    """The model of a batch must compute for each entry what the original computes for it."""
    import numpy as np
    from reference import Reference

    expected = Reference(single).outputs({name: array[:1] for name, array in batched.items()})
    for name, array in Reference(path).outputs(batched).items():
        error, largest = np.abs(array[:1] - expected[name]).max(), np.abs(expected[name]).max()
        if error > 1e-3 * largest:
            raise SystemExit(f"{path}: a batch gives other numbers than one entry: error {error:.2g} of {largest:.2g} in '{name}'")


def prepare(name, folder, batch):
    import numpy as np
    import onnx
    from reference import Reference

    models = Path(os.environ["TENON_SHARED"]) / "models"
    source, golden = models / f"{name}.onnx", models / "golden" / f"{name}.npz"
    if not source.exists():
        source = folder / f"{name}.onnx"
        subprocess.run([sys.executable, models / "materialize.py", models / "skeletons" / f"{name}.onnx", source], check=True)
    if not batch and golden.exists():
        return source, golden
    path, inputs = source, folder / f"{name}.npz"
    if batch:
        model = onnx.load(source)
        fix_batch(model, batch)
        path = folder / f"{name}-batch{batch}.onnx"
        onnx.save(model, path)
    arrays = Reference(path).inputs({}, seed=1)
    if batch:
        check_batch(path, source, arrays)
    np.savez(inputs, **{f"in:{key}": array for key, array in arrays.items()})
    return path, inputs


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "test" / "models"))
    name, folder, *batch = sys.argv[1:]
    path, inputs = prepare(name, Path(folder), int(batch[0]) if batch else 0)
    print(json.dumps({"model": str(path), "inputs": str(inputs)}))
