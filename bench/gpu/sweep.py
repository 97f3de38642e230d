#!/usr/bin/env python3
"""Measures the schedules of a model's kernels on a machine with a GPU and without a compiler, and makes tables of the best.

    tenon tune MODEL.onnx --target cuda:sm_90a --precision fp16 --candidates PLANS [--family gpu.matrix] [--most N] [--shape ...]   (where it compiles)
    sweep.py pack PLANS --to FOLDER [--runtime libtenon_runtime.so]      the same machine: PLANS made small, and what measuring needs
    python3 FOLDER/sweep.py measure FOLDER [-o TIMES.jsonl]              the machine with the GPU
    sweep.py cache TIMES.jsonl -o CACHE.jsonl                            a tuning cache: the fastest schedule of each kernel
    sweep.py table TIMES.jsonl ...                                       rows of passes/6_codegen/gpu/MatrixMeasured.cpp: the fastest tile of each size

A kernel's time is that of bench/gpu/chain.py: of a launch in a chain that overlaps. Calls of libraries (--libraries) do not overlap; they follow each other as
the runtime queues them for a tuner. `pack` may be called for several models; each adds to FOLDER.
"""
import argparse
import json
import lzma
import math
import re
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
NOISE = 0.98  # a schedule that is faster by less than this share does not replace one that the cost model ranks higher


def lines(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def pack(arguments):
    """Plans without their weights: what a kernel is timed on is noise."""
    tools = HERE.parent.parent / "test" / "gpu"
    sys.path.insert(0, str(tools))
    from archive import WEIGHTS, checked, sections

    folder = arguments.to
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(arguments.runtime, folder / "libtenon_runtime.so")
    for script in (tools / "runtime.py", HERE / "chain.py", HERE / "sweep.py"):
        shutil.copy(script, folder / script.name)
    known = folder / "index.jsonl"
    number = len(lines(known)) if known.exists() else 0
    with open(known, "a") as index:
        for entry in lines(arguments.plans / "index.jsonl"):
            packed, plan = f"{number}.plan.xz", bytearray((arguments.plans / entry["plan"]).read_bytes())
            for kind, offset, size in sections(plan):
                if kind == WEIGHTS:
                    plan[offset : offset + size] = bytes(size)
            (folder / packed).write_bytes(lzma.compress(checked(plan), preset=1))
            index.write(json.dumps({**entry, "plan": packed}) + "\n")
            number += 1
    print(f"{number} plans, {sum(path.stat().st_size for path in folder.iterdir()) / 1e6:.1f} MB")


def family(entry):
    """That of the schedule: a kernel may have schedules of several."""
    return entry["schedule"].split('"')[1]


def call_us(library, path):
    """Microseconds of a library's call, the fastest of three rounds of sixteen in a row, on noise."""
    import numpy as np
    import runtime
    from ctypes import byref, sizeof

    in_a_row, rounds = 2, 3  # of tn_profile
    random = np.random.default_rng(0)
    plan = runtime.Plan(library, path)
    arrays = {name: (random.standard_normal(dims) * 0.05).astype(runtime.DTYPES[dtype]) for name, dtype, dims in plan.inputs}
    plan.require(plan.c.tn_profile(plan.context, in_a_row), True)
    measured, best = runtime.StepProfile(struct_size=sizeof(runtime.StepProfile)), math.inf
    for _ in range(rounds):
        plan.run(arrays)
        plan.require(plan.c.tn_profile_step(plan.context, 0, byref(measured)), True)
        best = min(best, measured.last_ns / 1e3)
    plan.close()
    return best


def measure(arguments):
    folder = arguments.folder.resolve()
    sys.path.insert(0, str(folder))
    import chain
    import runtime
    import torch

    library, timer = runtime.Library(folder / "libtenon_runtime.so"), chain.Chain(rounds=3)
    with open(arguments.output, "w") as out, tempfile.TemporaryDirectory(prefix="tenon-sweep-") as place:
        path = Path(place) / "candidate.plan"
        for entry in lines(folder / "index.jsonl"):
            path.write_bytes(lzma.decompress((folder / entry["plan"]).read_bytes()))
            if family(entry).startswith("gpu."):
                times, _ = chain.timed(timer, library, path)
                us = sum(us for us, _, _ in times.values())
            else:
                try:
                    us = call_us(library, path)
                except runtime.Failure as problem:  # the library has no algorithm of that number, or none at all
                    print(f"{entry['name']} {entry['schedule']}: {problem}", file=sys.stderr)
                    continue
            out.write(json.dumps({**entry, "us": round(us, 3), "cpu": torch.cuda.get_device_name()}) + "\n")
            out.flush()


def fastest(entries):
    """The entry of the lowest time; one that ranks higher, where the difference is noise."""
    best = entries[0]
    for entry in entries[1:]:
        if entry["us"] < NOISE * best["us"]:
            best = entry
    return best


def grouped(entries, key):
    groups = {}
    for entry in entries:
        groups.setdefault(key(entry), []).append(entry)
    return groups


def cache(arguments):
    with open(arguments.output, "w") as out:
        for (kernel, _), entries in grouped(lines(arguments.times), lambda entry: (entry["kernel"], entry["cpu"])).items():
            best = fastest(entries)
            out.write(json.dumps({"tenon_tuning": 1, "kernel": kernel, "name": best["name"], "family": family(best), "schedule": best["schedule"],
                                  "target": best["target"], "cpu": best["cpu"], "threads": best["threads"], "ns": round(best["us"] * 1000),
                                  "untuned_ns": round(entries[0]["us"] * 1000), "candidates": len(entries), "discarded": 0, "complete": True}) + "\n")


def product(code):
    """(whether it is of bytes, rows, columns, depth, channels, whether lhs is computed) of a kernel's one product or convolution, as MatrixProblem has
    them, where two bytes of the depth count as one; None if it is none, or of images."""
    types = r"tensor<([\dx]+)x\w+>"
    found = re.search(rf"= nn\.(conv|matmul) .*: {types}, {types}.* -> {types}$", code, re.M)
    if not found:
        return None
    left, right, result = ([int(size) for size in found.group(i).split("x")] for i in (2, 3, 4))
    of_bytes = found.group(0).endswith("xi32>")  # which lie in memory
    computed = not of_bytes and bool(re.search(r"= nn\.(mul|add|concat) .*\n(?:.*\n)*?.*= nn\.(conv|matmul)", code))
    channels = left[-1] // 2 if of_bytes else left[-1]
    depth = channels * (math.prod(right[2:]) if found.group(1) == "conv" else 1)
    return (of_bytes, math.prod(result[:-1]), result[-1], depth, channels, computed) if channels % 8 == 0 else None


def schedule(text):
    return {"together": 1, "teams": 1, "tile_width": 0, **{name: int(value) for name, value in re.findall(r"(\w+) = (-?\d+)", text)}}


def kind_of(values):
    if values.get("resident") and values.get("tma"):
        return "mapped"
    return next((kind for kind in ("direct", "pipeline", "tma", "resident", "groups") if values.get(kind)), "staged")


def is_tabled(values):
    """Whether the table's columns tell all of a schedule: the warps of a staged tile follow from its size, or they do not."""
    rows, columns = values["rows"], values["columns"]
    wide = rows == 32 and columns != 32
    return kind_of(values) != "staged" or (values["warp_rows"], values["warp_columns"]) == ((1, 4) if wide else (rows // 16, 1 if columns == 32 else 2))


def row(size, values):
    kind = kind_of(values)
    tile = [values[name] for name in ("rows", "columns", "warp_depth", "stages", "splits", "round")]
    staying = [values[name] for name in ("together", "teams", "tile_width")]
    if kind == "tma":
        staying[1] = values["warp_rows"] // 4  # groups of warps
    tile += staying if staying != [1, 1, 0] or size[-1] else []
    tile += ["true"] if size[-1] else []
    return f"    {{{', '.join(map(str, size[1:-1]))}, Kind::{kind.capitalize()}, {', '.join(map(str, tile))}}},"


def table(arguments):
    entries = [entry for path in arguments.times for entry in lines(path) if entry["family"] == "gpu.matrix"]
    sizes = grouped(entries, lambda entry: product(entry["code"]))
    for size in sorted(size for size in sizes if size and size[0] == arguments.bytes):
        # Kernels of one size differ in their epilogues: a schedule counts as it does for all that were measured with it.
        schedules = grouped(sizes[size], lambda entry: entry["schedule"])
        kernels = len({entry["kernel"] for entry in sizes[size]})
        schedules = {text: own for text, own in schedules.items() if is_tabled(schedule(text))}
        whole = [{"schedule": text, "us": sum(entry["us"] for entry in own)} for text, own in schedules.items() if len({entry["kernel"] for entry in own}) == kernels]
        if whole:
            print(row(size, schedule(fastest(whole)["schedule"])))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("pack")
    verb.add_argument("plans", type=Path)
    verb.add_argument("--to", type=Path, required=True)
    verb.add_argument("--runtime", type=Path, default=HERE.parent.parent / "build" / "release" / "lib" / "libtenon_runtime.so.0")
    verb.set_defaults(run=pack)
    verb = verbs.add_parser("measure")
    verb.add_argument("folder", type=Path)
    verb.add_argument("-o", "--output", default="times.jsonl")
    verb.set_defaults(run=measure)
    verb = verbs.add_parser("cache")
    verb.add_argument("times")
    verb.add_argument("-o", "--output", required=True)
    verb.set_defaults(run=cache)
    verb = verbs.add_parser("table")
    verb.add_argument("times", nargs="+")
    verb.add_argument("--bytes", action="store_true", help="products of bytes, whose rows are kMeasuredBytes")
    verb.set_defaults(run=table)
    arguments = parser.parse_args()
    arguments.run(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
