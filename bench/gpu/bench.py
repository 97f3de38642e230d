#!/usr/bin/env python3
"""Times plans on the GPU, and PyTorch on the same model in the same run where torchvision or transformers has it.

    bench.py FOLDER [-k PATTERN] [--peer KIND ...] [--profile N]

FOLDER is one that test/gpu/pack.py made. Inputs are on the device; the time is the median over blocks of replays between CUDA events.
Peers are PyTorch in the plan's type, channels last, batch norms folded: "eager" captured in a CUDA graph, "compile" torch.compile in the mode
reduce-overhead, "raw" eager without a graph.
"""
import argparse
import ctypes
import json
import sys
from pathlib import Path

import numpy as np
import torch
from peers import KINDS, median_us, peers


class OnDevice:
    """A plan with its inputs and outputs in the GPU's memory."""

    def __init__(self, plan, golden, runtime):
        self.plan, self.keep = plan, []
        arrays = {key[3:]: golden[key] for key in golden if key.startswith("in:")}
        host = plan.run(arrays)
        self.inputs, self.outputs = (runtime.Tensor * len(plan.inputs))(), (runtime.Tensor * len(plan.outputs))()
        for slots, described, values in ((self.inputs, plan.inputs, arrays), (self.outputs, plan.outputs, host)):
            for slot, (name, dtype, _) in zip(slots, described):
                tensor = torch.from_numpy(np.ascontiguousarray(values[name]).astype(runtime.DTYPES[dtype])).cuda()
                self.keep.append(tensor)
                slot.data, slot.bytes, slot.dtype, slot.rank = tensor.data_ptr(), tensor.nbytes, dtype, tensor.dim()
                slot.dims[: tensor.dim()] = tensor.shape

    def queue(self, stream):
        self.plan.require(self.plan.c.tn_run_async(self.plan.context, self.inputs, self.outputs, ctypes.c_void_p(stream.cuda_stream)), True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-k", default="", help="only plans whose name contains this")
    parser.add_argument("--peer", nargs="*", default=["eager"], choices=KINDS, help="what of PyTorch to time; the default is eager")
    parser.add_argument("--profile", type=int, default=0, metavar="N", help="list the N slowest steps of every plan")
    arguments = parser.parse_args()
    arguments.folder = arguments.folder.resolve()
    sys.path.insert(0, str(arguments.folder))
    import archive
    import check
    import runtime

    library = runtime.Library(arguments.folder / "libtenon_runtime.so")
    stream = torch.cuda.Stream()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    for entry in json.loads((arguments.folder / "plans.json").read_text()):
        if arguments.k not in entry["plan"]:
            continue
        golden = archive.loaded(arguments.folder / entry["golden"], entry.get("batch", 0))
        try:
            plan = check.opened(library, arguments.folder / entry["plan"])
            device = OnDevice(plan, golden, runtime)
            ours = median_us(lambda: device.queue(stream), stream)
            shape = next((golden[key].shape for key in golden if key.startswith("in:")), ())
            others = peers(entry["name"], shape, stream, arguments.peer, entry["precision"])
            again = median_us(lambda: device.queue(stream), stream)
        except runtime.Failure as problem:
            print(f"{entry['name']:24} {entry['precision']}: {problem}")
            continue
        text = "".join(f", torch {kind} {peer:.1f} us ({peer / min(ours, again):.2f}x)" for kind, peer in others.items())
        print(f"{entry['name']:24} {entry['precision']} {ours:9.1f} us (again {again:.1f}){text}", flush=True)
        if arguments.profile:
            inputs = {key[3:]: golden[key] for key in golden if key.startswith("in:")}
            steps = plan.profile(lambda: plan.run(inputs), 10)
            print(f"  {len(steps)} steps, sum {sum(step[2] for step in steps):.1f} us")
            for family, source, microseconds in sorted(steps, key=lambda step: -step[2])[: arguments.profile]:
                print(f"  {microseconds:8.1f} us  {family[:70]:70} {source[:40]}")
        plan.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
