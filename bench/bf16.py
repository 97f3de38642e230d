#!/usr/bin/env python3
"""What --precision bf16 gains on this machine: Tenon in f32 and in bf16, and OpenVINO in bf16, which take turns.

    bf16.py --tenon build/release/bin/tenon [-k PATTERN] [--threads 1,2] [--rounds 3] [--duration 0.8]

Prints a table in Markdown: medians over the rounds of each round's median, in milliseconds, and how far Tenon's and OpenVINO's outputs in bf16 are from Tenon's in
f32, in the root mean square and at most, relative to the same of f32's. Models come from the folder that TENON_SHARED names. To be run with bench/.venv's Python.
"""
import argparse
import re
import statistics
import subprocess
import tempfile
from pathlib import Path

import measure
import numpy as np

MODELS = ("resnet50", "mobilenetv2_224", "yolov8n_640", "bert_base_s128", "vit_b_16")


def outputs(path):
    """In the order of the model; OpenVINO has names of its own for them."""
    return [array.astype(np.float64) for array in np.load(path).values()]


def distance(found, wanted):
    """Of the output that is furthest off; one whose numbers are all 0 says nothing."""
    pairs = [(other - array, array) for other, array in zip(found, wanted, strict=True) if array.any()]
    rms = max((np.sqrt(np.mean(error**2) / np.mean(array**2)) for error, array in pairs), default=0)
    return f"{rms:.2%}, {max((np.abs(error).max() / np.abs(array).max() for error, array in pairs), default=0):.2%}"


def compare(name, arguments, folder):
    tenon = measure.Tenon(arguments.tenon)
    model, inputs = measure.prepare(name, folder)
    plans = {precision: folder / f"{name}.{precision}.plan" for precision in ("fp32", "bf16")}
    for precision, plan in plans.items():
        tenon.compile(model, plan, "--precision", precision)
        subprocess.run([tenon.program, "run", plan, "--inputs", inputs, "--outputs", f"{plan}.npz", "--quiet"], check=True)
    measure.peer("openvino", model, inputs, 1, 0.1, "--bf16", "--outputs", folder / "openvino.npz")
    cells = [name]
    for threads in arguments.threads:
        measure.pin(threads)
        times = {"fp32": [], "bf16": [], "openvino": []}
        for _ in range(arguments.rounds):
            for precision, plan in plans.items():
                times[precision].append(tenon.measure(plan, inputs, threads, arguments.duration)["median_ms"])
            times["openvino"].append(measure.peer("openvino", model, inputs, threads, arguments.duration, "--bf16")["median_ms"])
        cells += [f"{statistics.median(of):.2f}" for of in times.values()]
    single = outputs(f"{plans['fp32']}.npz")
    return [*cells, distance(outputs(f"{plans['bf16']}.npz"), single), distance(outputs(folder / "openvino.npz"), single)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenon", required=True, type=Path)
    parser.add_argument("-k", default="", metavar="PATTERN")
    parser.add_argument("--threads", default="1,2", type=lambda text: [int(part) for part in text.split(",")])
    parser.add_argument("--rounds", default=3, type=int)
    parser.add_argument("--duration", default=0.8, type=float)
    arguments = parser.parse_args()
    columns = [f"{what}, {threads} thr." for threads in arguments.threads for what in ("f32", "bf16", "OpenVINO bf16")]
    print("| " + " | ".join(["model", *columns, "error", "OpenVINO's"]) + " |\n|---" + "|--:" * len(columns) + "|---|---|", flush=True)
    for name in MODELS:
        if re.search(arguments.k, name):
            with tempfile.TemporaryDirectory() as folder:
                print("| " + " | ".join(compare(name, arguments, Path(folder))) + " |", flush=True)


if __name__ == "__main__":
    main()
