#!/usr/bin/env python3
"""Runs the kernels of models for GPUs on this machine's processor, thread by thread, and compares each with the CPU's own. No GPU is needed.

    kernel_numbers.py --build build/release [-k PATTERN] [--target cuda:sm_90a ...] [--precision fp16,fp32] [--most-operations 2e7] [--few]

Models come from the folder that TENON_SHARED names; without it they are skipped. Each is compiled up to its kernels, of its golden's sizes, and tenon_kernel_numbers runs these on noise (test/unit/codegen/gpu). Kernels of sizes that
are still free, and those of more than --most-operations, are left out: ten million take a second or two. --few takes small models: for every `make test`.
The last line is `N passed, N failed, N skipped`; it counts kernels.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

TARGETS = ["cuda:sm_80", "cuda:sm_90a"]
# Of the largest element of a result: what halves, factors of eleven bits and parts of them leave of a sum.
TOLERANCES = {"fp16": 8e-3, "tf32": 5e-3, "fp32": 3e-5}
FEW = "^(mnist8_cntk|resnet20_cifar10)$"
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.M)


def shapes_of(path):
    """Options that fix the free sizes of a model's inputs: as its golden has them, or 1."""
    golden = path.parent / "golden" / f"{path.stem}.npz"
    given = {}
    if golden.exists():
        with np.load(golden) as arrays:
            given = {name.removeprefix("in:"): arrays[name].shape for name in arrays if name.startswith("in:")}
    graph = onnx.load(path, load_external_data=False).graph
    constants = {tensor.name for tensor in graph.initializer}
    for tensor in graph.input:
        dims = tensor.type.tensor_type.shape.dim
        if tensor.name not in constants and any(not dim.HasField("dim_value") for dim in dims):
            shape = given.get(tensor.name, [dim.dim_value or 1 for dim in dims])
            yield from ("--shape", f"{tensor.name}={'x'.join(str(max(size, 1)) for size in shape)}")


def counts_of(build, model, target, precision, most):
    """(passed, failed) kernels of a model; what failed is printed."""
    with tempfile.TemporaryDirectory(prefix="tenon-numbers-") as folder:
        module = Path(folder) / "kernels.mlir"
        compiled = subprocess.run([build / "bin/tenon", "compile", model, "--target", target, "--precision", precision, "--quiet", "--stop-after", "fuse", "-o", module, *shapes_of(model)],
                                  capture_output=True, text=True)
        if compiled.returncode:
            print(compiled.stderr, end="")
            return 0, 1
        done = subprocess.run([build / "bin/tenon_kernel_numbers", module, "--target", target, "--tolerance", str(TOLERANCES[precision]), "--most-operations", str(most)], capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if line.startswith("FAILED"):
            print(f"  {line}")
    counted = COUNTS.findall(done.stdout)
    if not counted:
        print(f"  status {done.returncode}: {done.stderr[-2000:]}")
    return tuple(map(int, counted[-1][:2])) if counted else (0, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build/release"))
    parser.add_argument("-k", default="", metavar="PATTERN", help="only models whose name matches this regular expression")
    parser.add_argument("--target", action="append")
    parser.add_argument("--precision", default="fp16,fp32")
    parser.add_argument("--most-operations", type=float)
    parser.add_argument("--few", action="store_true")
    arguments = parser.parse_args()
    models = sorted(Path(os.environ.get("TENON_SHARED", "/nonexistent"), "models").glob("*.onnx"))
    models = [model for model in models if re.search(FEW if arguments.few else arguments.k, model.stem)]
    passed = failed = 0
    for model in models:
        for target in arguments.target or (TARGETS[-1:] if arguments.few else TARGETS):
            for precision in arguments.precision.split(","):
                good, bad = counts_of(arguments.build.resolve(), model, target, precision, arguments.most_operations or (6e6 if arguments.few else 2e7))
                print(f"{model.stem} {target} {precision}: {good} kernels right, {bad} wrong", flush=True)
                passed, failed = passed + good, failed + bad
    print(f"{passed} passed, {failed} failed, {int(not models)} skipped")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
