#!/usr/bin/env python3
"""The whole table of GPUs: plans against PyTorch in the same run, and what a run costs besides its kernels.

    table.py FOLDER [-k PATTERN] [--peer KIND ...] [--skip times|costs] [--save FILE]    measures the plans of a folder of test/gpu/pack.py
    table.py --print FILE ...                                                            prints what several calls have saved as one table

Without --save the table of this call is printed. Times are medians between CUDA events, inputs on the device. Costs: the processor's time from the call of
tn_run_async to its return (ctypes included) while the GPU is idle; opening a plan, making a context and the first run less a later one; device memory
that is taken besides weights, arena, inputs and outputs. The raw baseline is eager PyTorch in f32, without a graph.
"""
import argparse
import ctypes
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

RAW = "yolov8n_640"  # whose f32 in eager PyTorch is the raw baseline
LIMITS = {"host_us": 15, "open_ms": 50, "beyond_mb": 64, "arena_ratio": 1.02}
NETWORKS = ("resnet50", "mobilenetv2_224", "efficientnet_b0", "bert_base_s128", "vit_b_16", "yolov8n_640")


class MemoryInfo(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("alignment", ctypes.c_uint32), ("arena", ctypes.c_uint64), ("lower_bound", ctypes.c_uint64),
                ("naive", ctypes.c_uint64), ("output", ctypes.c_uint64), ("weights", ctypes.c_uint64)]


def planned_bytes(plan):
    """Bytes of a plan's weights and of its arena, and the largest sum of what must be in that at once."""
    layout, info = ctypes.c_void_p(), MemoryInfo(struct_size=ctypes.sizeof(MemoryInfo))
    plan.require(plan.c.tn_layout_create(plan.plan, None, ctypes.byref(layout)))
    plan.require(plan.c.tn_layout_memory(layout, ctypes.byref(info)))
    plan.c.tn_layout_destroy(layout)
    return info.weights, info.arena, info.lower_bound


def costs(library, path, arrays, runtime):
    """What a plan costs besides its kernels."""
    import torch

    torch.cuda.synchronize()
    before = torch.cuda.mem_get_info()[0]
    start = time.perf_counter()
    plan = runtime.Plan(library, path)
    opened = time.perf_counter()
    outputs = plan.run(arrays)
    first = time.perf_counter()
    for _ in range(3):
        later = time.perf_counter()
        plan.run(arrays)
        later = time.perf_counter() - later
    weights, arena, bound = planned_bytes(plan)
    tensors = sum(array.nbytes for array in (*arrays.values(), *outputs.values()))
    beyond = before - torch.cuda.mem_get_info()[0] - weights - arena - tensors
    plan.close()
    return {"open_ms": ((opened - start) + (first - opened) - later) * 1e3, "beyond_mb": beyond / 1e6, "arena_ratio": arena / max(1, bound)}


def host_us(device, stream, calls=300):
    times, queue = [], ctypes.c_void_p(stream.cuda_stream)
    run, context, inputs, outputs = device.plan.c.tn_run_async, device.plan.context, device.inputs, device.outputs
    for _ in range(calls):
        stream.synchronize()
        start = time.perf_counter_ns()
        run(context, inputs, outputs, queue)
        times.append(time.perf_counter_ns() - start)
    stream.synchronize()
    return statistics.median(times) / 1e3


def measure(folder, entry, arguments, modules):
    """The record of one plan."""
    with tempfile.TemporaryDirectory(prefix="tenon-table-") as place:
        path = Path(place) / entry["plan"].removesuffix(".xz")
        path.write_bytes(modules[2].expand((folder / entry["plan"]).read_bytes()))
        return measure_plan(path, folder, entry, arguments, modules)


def measure_plan(path, folder, entry, arguments, modules):
    """The same, of the expanded plan."""
    import torch
    from bench import OnDevice, median_us
    from peers import peers

    library, stream, archive, runtime = modules
    golden = archive.loaded(folder / entry["golden"], entry.get("batch", 0))
    arrays = {key[3:]: golden[key] for key in golden if key.startswith("in:")}
    record = {"name": entry["name"], "precision": entry["precision"], "batch": entry.get("batch") or 1, "device": torch.cuda.get_device_name()}
    if arguments.skip != "costs" and record["batch"] == 1:
        record |= costs(library, path, arrays, runtime)
    plan = runtime.Plan(library, path)
    device = OnDevice(plan, golden, runtime)
    record["us"] = median_us(lambda: device.queue(stream), stream)
    if arguments.skip != "costs" and record["batch"] == 1:
        record["host_us"] = host_us(device, stream)
    if arguments.skip != "times":
        shape = next(iter(arrays.values())).shape
        record["peers"] = peers(entry["name"], shape, stream, arguments.peer, entry["precision"])
        if entry["name"] == RAW and entry["precision"] == "fp16":
            record["raw_us"] = peers(RAW, shape, stream, ["raw"], "fp32")["raw"]
        record["us"] = (record["us"] + median_us(lambda: device.queue(stream), stream)) / 2  # before and after the peers
    plan.close()
    return record


def ratio(record):
    return min(record["peers"].values()) / record["us"] if record.get("peers") else None


def geomean(values):
    return statistics.geometric_mean(values) if values else None


def show(records):
    for key, record in sorted(records.items(), key=lambda item: (item[1]["precision"], item[1]["batch"], item[0])):
        text = "".join(f"  torch {kind} {us:.1f}" for kind, us in record.get("peers", {}).items())
        text += f"  {ratio(record):.2f}x" if record.get("peers") else ""
        text += f"  raw f32 {record['raw_us']:.0f} us = {record['raw_us'] / record['us']:.1f}x" if "raw_us" in record else ""
        text += "".join(f"  {what} {record[what]:.3g}" for what in LIMITS if what in record)
        print(f"{key:36} {record['us']:8.1f} us{text}")
    for precision, batch, goal in (("fp16", 1, 2.5), ("fp16", 32, 1.5), ("fp32", 1, 1.2), ("bf16", 1, 1.2)):
        known = {r["name"].removesuffix(f"_b{batch}"): ratio(r) for r in records.values() if (r["precision"], r["batch"]) == (precision, batch) and ratio(r)}
        ratios = [known[name] for name in NETWORKS if name in known]
        if ratios:
            print(f"{precision} batch {batch}: geometric mean {geomean(ratios):.2f} of {len(ratios)} networks (goal {goal}), least {min(ratios):.2f}")
    for what, limit in LIMITS.items():
        values = [(record[what], key) for key, record in records.items() if what in record]
        if values:
            print(f"{what}: most {max(values)[0]:.3g} ({max(values)[1]}; goal at most {limit})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("-k", default="", help="only plans whose name contains this")
    parser.add_argument("--peer", nargs="*", default=["eager", "compile"], choices=["eager", "compile"], help="what of PyTorch to time")
    parser.add_argument("--skip", choices=["times", "costs"], help="leave out PyTorch, or what a run costs besides its kernels")
    parser.add_argument("--save", type=Path, help="add to what this file holds, and print nothing")
    parser.add_argument("--print", type=Path, nargs="+", metavar="FILE", help="print what these files hold")
    arguments = parser.parse_args()
    records = {}
    for file in arguments.print or ([arguments.save] if arguments.save and arguments.save.exists() else []):
        records |= json.loads(file.read_text())
    if arguments.folder:
        import torch

        folder = arguments.folder.resolve()
        sys.path.insert(0, str(folder))
        import archive
        import runtime

        torch.zeros(1, device="cuda")
        modules = runtime.Library(folder / "libtenon_runtime.so"), torch.cuda.Stream(), archive, runtime
        for entry in json.loads((folder / "plans.json").read_text()):
            if arguments.k in entry["plan"]:
                key = entry["plan"].removesuffix(".plan.xz")
                records[key] = measure(folder, entry, arguments, modules)
                if arguments.save:
                    arguments.save.write_text(json.dumps(records, indent=1))
    elif not arguments.print:
        parser.error("a folder, or --print FILE")
    if not arguments.save:
        show(records)
    return 0


if __name__ == "__main__":
    sys.exit(main())
