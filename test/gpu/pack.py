#!/usr/bin/env python3
"""Makes a folder that checks plans on a machine with a GPU, where there is a driver and Python with numpy and nothing else of Tenon.

    pack.py --tenon build/release/bin/tenon --to FOLDER [--target cuda:sm_90a] [--precision fp32,fp16] [--times] [--driver] NAME|MODEL.onnx=GOLDEN.npz ...

Copies the runtime and the scripts, compiles each model at each precision, and lists the plans with their goldens. A NAME is that of a model or skeleton in
$TENON_SHARED/models, or "all" for every trained model there; skeletons get weights of two values for each tensor, which keep the folder small ("skeletons" is all of them). What has no
golden there gets one from ONNX Runtime. NAME@8 is a model or skeleton whose batch is set to 8; of larger ones three samples are kept, which follow each other again
and again. NAME+int8 and NAME@8+int8 are the same in 8 bits, as `tenon quantize` makes them, NAME+fp8 in floats of 8 bits; their goldens, and those of published models in 8 bits, are
what a plan for this machine's CPU gives; yolov8n_640_detect is YOLOv8n up to the results of its detector's branches.
With --times weights of two values are others, which take no room: for times alone. With --driver `tenon`, which needs no compiler to run plans, and the
libraries that it is linked with go into FOLDER/bin and FOLDER/lib: for `python3 FOLDER/kernels.py`. Run `python3 FOLDER/check.py` there, which compares numbers, and
`python3 FOLDER/endure.py`, which runs plans for long and under bad conditions.
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

from archive import loaded, squeeze
from batch import repeat_tokens, set_batch
from kinds import clusters_of, kinds_of

HERE = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("TENON_SHARED", "/nonexistent")) / "models"
SMALLEST, LARGEST = 0.01, 100  # deviations of outputs that are compared
DETECT = "yolov8n_640_detect"
LARGE = 1 << 18  # elements of weights that are made to compress
KEPT = 1 << 18  # elements of an output, or less than thrice as many
SAMPLES = 3  # of a large batch: not a divisor of a tile's rows
DYNAMIC, QUANTIZED = re.compile(r"_dynq_.8$"), re.compile(r"_qdq(@|$)")


def signs(tensor):
    """Plus and minus one at random. Large weights are one block of 64x64 again and again, by a random sign each time and for each tap: they compress however
    their tiles are packed, and have no two rows or columns that are the same."""
    random = np.random.Generator(np.random.PCG64(zlib.crc32(tensor.name.encode())))
    dims, block = tuple(tensor.dims), 64
    if len(dims) < 2 or np.prod(dims) < LARGE or min(dims[:2]) < block:
        return random.integers(0, 2, dims) * 2 - 1
    tile = random.integers(0, 2, (block, block), np.int8) * 2 - 1
    rows, columns = (-(-size // block) for size in dims[:2])
    coarse = random.integers(0, 2, (rows, columns, *dims[2:]), np.int8) * 2 - 1
    whole = np.repeat(np.repeat(coarse, block, 0), block, 1)[: dims[0], : dims[1]]
    return whole * np.tile(tile, (rows, columns))[: dims[0], : dims[1]].reshape(*dims[:2], *[1] * (len(dims) - 2))


def in_bf16(number):
    """Rounded to what every half type holds: rounding weights would make more values than two of them."""
    fraction, exponent = np.frexp(number)
    return np.ldexp(np.round(fraction * 256) / 256, exponent)


def fill(source, target, batch, gain):
    """A skeleton with weights: mean plus or minus the deviation that it names; for weights of products and convolutions the one
    of `gain`, which should keep activations about as large as they are."""
    import onnx
    from onnx import helper

    model = onnx.load(source)
    if batch:
        set_batch(model, batch)
    dropped = json.loads({entry.key: entry.value for entry in model.metadata_props}.get("dropped_initializers", "{}"))
    for tensor in model.graph.initializer:
        if tensor.name in dropped:
            mean, deviation = dropped[tensor.name]
            if len(tensor.dims) >= 2 and "embed" not in tensor.name:
                inputs = np.prod(tensor.dims[1:]) if len(tensor.dims) > 2 else tensor.dims[0]
                mean, deviation = 0, (gain / inputs) ** 0.5
                if np.prod(tensor.dims) >= LARGE:
                    deviation = in_bf16(deviation)
            tensor.raw_data = (signs(tensor) * deviation + mean).astype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).tobytes()
    del model.metadata_props[:]
    if batch:
        repeat_tokens(model.graph, batch)
    onnx.save(model, target)


def golden_of(model, path):
    """Random inputs of fixed shapes, and what ONNX Runtime makes of them; the outputs' deviation."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    arrays = {}
    for given in session.get_inputs():
        shape = [size if isinstance(size, int) else 1 for size in given.shape]
        if given.type == "tensor(bool)":
            arrays[given.name] = np.ones(shape, bool)
            continue
        integers = given.type.startswith("tensor(int")
        # Of large inputs four values: they compress well.
        below = 8 if not shape else 2 if "mask" in given.name or "type" in given.name else 1000  # a scalar may be how often something is done
        value = random.integers(0, below, shape) if integers else random.standard_normal(shape)
        value = value if integers or value.size < 1 << 18 else np.sign(value) * np.where(np.abs(value) > 1, 1.5, 0.5)
        arrays[given.name] = value.astype(np.int64 if given.type == "tensor(int64)" else np.int32 if integers else np.float32)
    outputs = session.run(None, arrays)
    magnitude = max(float(value.std(dtype=np.float64)) if np.isfinite(value).all() else float("inf") for value in outputs)
    np.savez_compressed(path, **{f"in:{name}": value for name, value in arrays.items()},
                        **{f"out:{given.name}": value for given, value in zip(session.get_outputs(), outputs)})
    return magnitude


def sampled(name, output):
    """What a golden holds of an output: of large ones one element of so many of each sample of the batch, and, behind that number, the shape of a sample."""
    every = output.size // KEPT | 1
    if every == 1 or output.ndim < 2:
        return {f"out:{name}": output}
    return {f"out:{name}": output.reshape(len(output), -1)[:, ::every], f"every:{name}": np.array([every, *output.shape[1:]])}


def thinned(golden, path, outputs):
    """A golden with a part of its large outputs, or without any."""
    arrays, kept = dict(np.load(golden)), {}
    for key, value in arrays.items():
        if not key.startswith("out:") or f"every:{key[4:]}" in arrays:
            kept[key] = value
        elif outputs:
            kept |= sampled(key[4:], value)
    np.savez_compressed(path, **kept)


def up_to_detect(model):
    """Writes YOLOv8n up to the six results of its detector's branches, channels last in fp16, as its first processing step would read them."""
    import onnx
    from onnx import helper

    branches = [f"/model.22/cv{branch}.{scale}/cv{branch}.{scale}.2/Conv_output_0" for scale in range(3) for branch in (2, 3)]
    source = SHARED / "yolov8n_640.onnx"
    onnx.utils.extract_model(str(source), str(model), [onnx.load(source).graph.input[0].name], branches)
    cut = onnx.load(model)
    del cut.graph.output[:]
    for i, name in enumerate(branches):
        cut.graph.node.append(helper.make_node("Transpose", [name], [f"last_{i}"], perm=[0, 2, 3, 1]))
        cut.graph.node.append(helper.make_node("Cast", [f"last_{i}"], [f"branch_{i}"], to=onnx.TensorProto.FLOAT16))
        cut.graph.output.append(helper.make_tensor_value_info(f"branch_{i}", onnx.TensorProto.FLOAT16, None))
    onnx.save(onnx.shape_inference.infer_shapes(cut), model)


def detect_golden(model, golden):
    """What ONNX Runtime makes of it, and of the picture of the whole network's golden."""
    import onnxruntime

    given = {key[3:]: array for key, array in loaded(SHARED / "golden" / "yolov8n_640.npz", 0).items() if key.startswith("in:")}
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    np.savez_compressed(golden, **{f"in:{name}": value for name, value in given.items()},
                        **{f"out:{output.name}": value for output, value in zip(session.get_outputs(), session.run(None, given))})


def found(word, folder):
    """(model, golden) of what the command line names."""
    if "=" in word:
        return tuple(Path(part) for part in word.split("="))
    name, _, batch = word.partition("@")
    if name == DETECT:
        cut, golden = folder / f"{DETECT}.onnx", folder / f"{DETECT}.npz"
        up_to_detect(cut)
        if not batch:
            detect_golden(cut, golden)
            return cut, golden
    trained, known = SHARED / f"{name}.onnx", SHARED / "golden" / f"{name}.npz"
    if trained.exists() and not batch:
        if not known.exists():
            known = folder / f"{name}.npz"
            golden_of(trained, known)
        return trained, known
    batch, stem = int(batch or 0), f"{name}{'_b' + batch if batch else ''}"
    model, golden = folder / f"{stem}.onnx", folder / f"{stem}.npz"
    source = cut if name == DETECT else trained if trained.exists() else SHARED / "skeletons" / f"{name}.onnx"
    low, gain, high = 0.25, 1.5, 32
    for _ in range(12):
        fill(source, model, min(batch, SAMPLES), gain)
        magnitude = golden_of(model, golden)
        if SMALLEST < magnitude < LARGEST:
            if batch > SAMPLES:
                fill(source, model, batch, gain)
            return model, golden
        low, high = (gain, high) if magnitude <= SMALLEST else (low, gain)
        gain = (low * high) ** 0.5
    sys.exit(f"{name}: no gain keeps its activations in range")


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[1]} {command[2]}: {done.stderr.strip()[:400]}")


def in_bytes(tenon, model, golden, batch, kind, folder):
    """(model, golden) in 8 bits, "int8" or "fp8", of a model that may be so and its golden with a batch of 1; as many samples as are kept are made of the golden's."""
    import onnx

    suffix = f"_b{batch}" if batch else ""
    quantized, result, plan = folder / f"{model.stem}_{kind}{suffix}.onnx", folder / f"{model.stem}_{kind}{suffix}.npz", folder / "cpu.plan"
    calibration, outputs = folder / "samples.npz", folder / "outputs.npz"
    given = {key: value for key, value in np.load(golden).items() if key.startswith("in:")}
    np.savez(calibration, **given)
    if QUANTIZED.search(model.stem):
        shutil.copyfile(model, quantized)
    else:
        run(tenon, "quantize", model, "--type", kind, "--calibration", calibration, "-o", quantized, "--quiet")
    run(tenon, "compile", quantized, "-o", plan, "--quiet", *shape_options(golden, 0))
    runs = []
    for sample in range(SAMPLES if batch else 1):
        arrays = {key: np.roll(value, sample * 7, axis=-1) for key, value in given.items()}
        np.savez(calibration, **arrays)
        run(tenon, "run", plan, "--inputs", calibration, "--outputs", outputs, "--quiet")
        runs.append(arrays | {f"out:{key}": value for key, value in np.load(outputs).items()})
    np.savez_compressed(result, **{key: np.concatenate([each[key] for each in runs]) if batch and runs[0][key].ndim else runs[0][key] for key in runs[0]})
    if batch:
        changed = onnx.load(quantized)
        set_batch(changed, batch)
        onnx.save(changed, quantized)
    for file in (plan, calibration, outputs, *(file for file in (model, golden) if file.parent == folder)):
        file.unlink()
    return quantized, result


def shape_options(golden, batch):
    """Fixes the free dimensions to those of the golden, unless something there is empty."""
    arrays = loaded(golden, batch)
    return [word for key, array in arrays.items() if key.startswith("in:") and array.size and array.ndim
            for word in ("--shape", f"{key[3:]}={'x'.join(map(str, array.shape))}")]


def for_another_gpu(arguments, folder):
    """A plan that the GPUs of the target have no code for: of architectures whose PTX does not run on later ones."""
    import onnx
    from onnx import TensorProto, helper

    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [64]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "foreign", tensors[:1], tensors[1:])
    model, plan = folder / "foreign.onnx", folder / "foreign.plan"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), model)
    run(arguments.tenon, "compile", model, "--target", "cuda:sm_90a" if "sm_12" in arguments.target else "cuda:sm_120a", "-o", plan, "--quiet")
    plan.with_suffix(".plan.xz").write_bytes(squeeze(plan.read_bytes()))
    model.unlink()
    plan.unlink()


def copy_driver(tenon, folder):
    """The driver, and what it is linked with besides the C library."""
    for part in ("bin", "lib"):
        (folder / part).mkdir(exist_ok=True)
    shutil.copy(tenon, folder / "bin" / "tenon")
    linked = subprocess.run(["ldd", tenon], capture_output=True, text=True, check=True).stdout
    for name, path in re.findall(r"(\S+) => (/\S+)", linked):
        if not re.match(r"(libc|libm)\.so", name):
            shutil.copy(path, folder / "lib" / name)
    shutil.copy(HERE.parent.parent / "bench" / "gpu" / "kernels.py", folder / "kernels.py")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenon", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--target", default="cuda:sm_90a")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--times", action="store_true", help="for times alone: weights are made up")
    parser.add_argument("--driver", action="store_true", help="also what runs `tenon bench --profile` there")
    parser.add_argument("models", nargs="+")
    arguments = parser.parse_args()
    folder = arguments.to
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(arguments.tenon.parent.parent / "lib" / "libtenon_runtime.so.0", folder / "libtenon_runtime.so")
    for script in ("runtime.py", "check.py", "archive.py", "endure.py", "endurance.py", "device.py", "kinds.py"):
        shutil.copy(HERE / script, folder / script)
    if arguments.driver:
        copy_driver(arguments.tenon, folder)
    if not arguments.times:
        for_another_gpu(arguments, folder)
    index = folder / "plans.json"
    listed = json.loads(index.read_text()) if index.exists() else []
    failures = 0
    sets = {"all": "*.onnx", "skeletons": "skeletons/*.onnx"}
    words = [name for word in arguments.models for name in (sorted(path.stem for path in SHARED.glob(sets[word])) if word in sets else [word])]
    for word in words:
        if DYNAMIC.search(word):
            continue
        word, _, kind = word.partition("+")
        is_bytes = kind in ("int8", "fp8") or bool(QUANTIZED.search(word))
        batch = int(word.partition("@")[2] or 0) if "=" not in word else 0
        model, golden = found(word.partition("@")[0] if is_bytes else word, folder)
        if is_bytes:
            model, golden = in_bytes(arguments.tenon, model, golden, batch, kind or "int8", folder)
        thinned(golden, folder / golden.name, outputs=not arguments.times)
        for precision in arguments.precision.split(","):
            plan = folder / f"{model.stem}.{precision}.plan"
            command = [arguments.tenon, "compile", model, "--target", arguments.target, "--precision", precision, "-o", plan, "--quiet",
                       *shape_options(golden, batch)]
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
            if done.returncode:
                failures += 1
                print(f"{model.stem} {precision}: {done.stderr.strip()[:400]}", flush=True)
                continue
            packed = plan.with_suffix(".plan.xz")
            packed.write_bytes(squeeze(plan.read_bytes(), arguments.times))
            kinds, clusters = kinds_of(arguments.tenon, plan), clusters_of(plan)
            plan.unlink()
            listed = [entry for entry in listed if entry["plan"] != packed.name]
            listed.append({"name": model.stem, "plan": packed.name, "golden": golden.name, "precision": precision, "batch": batch, "bytes": is_bytes,
                           "made_up": arguments.times, "kinds": kinds, "clusters": clusters})
            print(f"{model.stem} {precision}: {packed.stat().st_size / 1e6:.1f} MB", flush=True)
        if model.parent == folder:
            model.unlink()
        index.write_text(json.dumps(listed, indent=1))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
