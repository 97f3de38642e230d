#!/usr/bin/env python3
"""Times every kernel of plans as it runs in a network: 24 launches of it in one graph, each starting while the one before ends.

    chain.py FOLDER [-k PATTERN]

FOLDER is one that test/gpu/pack.py made. Operands are noise, so that numbers mean nothing and times do; a step's own clock (bench.py --profile) adds
the time of a launch that a network hides. Prints microseconds, launches, tasks, family and schedule, source.
"""
import argparse
import ctypes
import json
import re
import struct
import sys
import tempfile
from ctypes import byref, c_char_p, c_int, c_int32, c_int64, c_uint, c_uint32, c_uint64, c_void_p
from pathlib import Path

import torch

LAUNCHES, REPLAYS, ROUNDS = 24, 3, 6
PROGRAMMATIC_SERIALIZATION, DYNAMIC_SHARED_BYTES = 6, 8
OPERAND_BYTES = 192 << 20  # room for the largest tensor at batch 32


class Attribute(ctypes.Structure):
    _fields_ = [("id", c_int), ("pad", c_int), ("value", c_int * 16)]


class Config(ctypes.Structure):
    _fields_ = [("grid", c_uint * 3), ("block", c_uint * 3), ("shared", c_uint), ("stream", c_void_p), ("attributes", ctypes.POINTER(Attribute)),
                ("attribute_count", c_uint)]


class MapInfo(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("buffer", c_uint32), ("offset", c_uint64), ("element_bytes", c_uint32), ("rank", c_uint32),
                ("swizzle_bytes", c_uint32), ("is_images", c_uint32), ("sizes", c_uint64 * 5), ("strides", c_uint64 * 4), ("steps", c_uint32 * 5),
                ("box", c_uint32 * 5), ("lower", c_int32 * 3), ("upper", c_int32 * 3)]


class StepCost(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("tasks", c_uint32), ("flops", c_int64), ("bytes", c_int64)]


class Chain:
    """Times launches of one kernel after the other; `rounds` of each, of which the fastest counts."""

    def __init__(self, rounds=ROUNDS):
        self.rounds = rounds
        self.cuda = ctypes.CDLL("libcuda.so.1")
        torch.zeros(1, device="cuda")
        noise = torch.randn(OPERAND_BYTES // 2 * 8, device="cuda", dtype=torch.float16).mul_(0.05)
        self.keep, self.base = [noise], noise.data_ptr()
        self.stream = torch.cuda.Stream()

    def require(self, result, what):
        if result:
            raise RuntimeError(f"{what}: CUDA error {result}")

    def encoded(self, info, address):
        """The CUtensorMap of a buffer, as runtime/cuda/TensorMaps.cpp makes it; at a multiple of 64 bytes."""
        room = ctypes.create_string_buffer(256)
        start = -ctypes.addressof(room) % 64
        place, types, swizzles = byref(room, start), {1: 0, 2: 1, 4: 2}, {0: 0, 32: 1, 64: 2, 128: 3}
        ends = (info.steps, 0, swizzles[info.swizzle_bytes], 2, 0)
        begins = (place, types[info.element_bytes], c_uint(info.rank), c_void_p(address + info.offset), info.sizes, info.strides)
        if info.is_images:
            result = self.cuda.cuTensorMapEncodeIm2col(*begins, info.lower, info.upper, c_uint(info.box[0]), c_uint(info.box[1]), *ends)
        else:
            result = self.cuda.cuTensorMapEncodeTiled(*begins, info.box, *ends)
        self.require(result, "describing a tensor")
        self.keep.append(room)
        return place

    def time(self, function, operands, maps, tasks, blocks, threads, shared):
        """Microseconds of one launch, the fastest of several rounds."""
        pointers = [c_uint64(self.base + i % 8 * OPERAND_BYTES) for i in range(operands)]
        count = c_uint(tasks)
        places = [byref(p) for p in pointers] + [self.encoded(info, pointers[info.buffer].value) for info in maps] + [byref(count)]
        parameters = (c_void_p * len(places))(*[ctypes.cast(place, c_void_p) for place in places])
        attribute = Attribute(PROGRAMMATIC_SERIALIZATION, 0)
        attribute.value[0] = 1
        config = Config((blocks, 1, 1), (threads, 1, 1), shared, c_void_p(self.stream.cuda_stream), ctypes.pointer(attribute), 1)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self.stream):
            for i in range(LAUNCHES):
                config.attribute_count = int(i > 0)
                self.require(self.cuda.cuLaunchKernelEx(byref(config), function, parameters, None), "launch")
        best = float("inf")
        with torch.cuda.stream(self.stream):
            for _ in range(self.rounds):
                start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                start.record()
                for _ in range(REPLAYS):
                    graph.replay()
                end.record()
                end.synchronize()
                best = min(best, start.elapsed_time(end) * 1e3 / (LAUNCHES * REPLAYS))
        return best


def sections(data):
    """{kind: bytes} of a plan file (runtime/plan/PlanFormat.h)."""
    count, = struct.unpack_from("<I", data, 32)
    entries = [struct.unpack_from("<IIQQ", data, 64 + 40 * i) for i in range(count)]
    return {kind: data[offset : offset + size] for kind, _, offset, size in entries}


def timed(chain, library, path):
    """{(kernel, tasks): [microseconds of a launch, launches, what it is]} of a plan."""
    import runtime

    data = path.read_bytes()
    plan = runtime.Plan(library, path)
    layout, module = c_void_p(), c_void_p()
    plan.require(library.c.tn_layout_create(plan.plan, None, byref(layout)))
    cubin = ctypes.create_string_buffer(sections(data)[4])
    chain.require(chain.cuda.cuModuleLoadData(byref(module), cubin), "loading the plan's code")
    operands = {name: body.count(".param") - 1 for name, body in re.findall(r"\.entry ([\w$]+)\((.*?)\)", sections(data)[5].decode(), re.S)}
    times, index = {}, 0
    while True:
        step, cost = runtime.StepInfo(struct_size=ctypes.sizeof(runtime.StepInfo)), StepCost(struct_size=ctypes.sizeof(StepCost))
        if library.c.tn_plan_step(plan.plan, index, byref(step)) or library.c.tn_layout_step(layout, index, byref(cost)):
            break
        source = (library.c.tn_plan_step_source(plan.plan, index, 0) or b"").decode()
        index += 1
        if step.kernel < 0 or not cost.tasks:
            continue
        kernel = runtime.KernelInfo(struct_size=ctypes.sizeof(runtime.KernelInfo))
        library.c.tn_plan_kernel(plan.plan, step.kernel, byref(kernel))
        key = (kernel.name, cost.tasks)
        if key in times:
            times[key][1] += 1
            continue
        function = c_void_p()
        chain.require(chain.cuda.cuModuleGetFunction(byref(function), module, c_char_p(kernel.name)), kernel.name.decode())
        if kernel.shared_bytes:
            chain.require(chain.cuda.cuFuncSetAttribute(function, DYNAMIC_SHARED_BYTES, kernel.shared_bytes), "shared memory")
        family = kernel.family.decode()
        families = ("matrix", "stem", "gate", "rows", "columns", "attention", "transpose", "recurrent", "ranks", "beside")
        together = family.endswith(families) or (family.endswith("depthwise") and b"groups=" in kernel.schedule)
        blocks = cost.tasks if together else -(-cost.tasks // kernel.threads)
        maps = []
        while not library.c.tn_plan_tensor_map(plan.plan, step.kernel, len(maps), byref(info := MapInfo(struct_size=ctypes.sizeof(MapInfo)))):
            maps.append(info)
        us = chain.time(function, operands[kernel.name.decode()] - len(maps), maps, cost.tasks, blocks, kernel.threads, kernel.shared_bytes)
        times[key] = [us, 1, f"{cost.tasks:7} {family} {kernel.schedule.decode()} | {source}"]
    chain.require(chain.cuda.cuModuleUnload(module), "unloading the plan's code")
    plan.close()
    return times, index


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-k", default="", help="only plans whose name contains this")
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.folder.resolve()))
    import archive
    import runtime

    library = runtime.Library(arguments.folder.resolve() / "libtenon_runtime.so")
    chain = Chain()
    for entry in json.loads((arguments.folder / "plans.json").read_text()):
        if arguments.k not in entry["plan"]:
            continue
        with tempfile.TemporaryDirectory(prefix="tenon-chain-") as place:
            path = Path(place) / entry["plan"]
            path.write_bytes(archive.expand((arguments.folder / entry["plan"]).read_bytes()))
            times, steps = timed(chain, library, path)
        print(f"{entry['plan']}: {sum(us * count for us, count, _ in times.values()):.1f} us in {steps} steps")
        for us, count, text in sorted(times.values(), key=lambda item: -item[0] * item[1]):
            print(f"{us:8.2f} x{count:<3}{text}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
