#!/usr/bin/env python3
"""Times plans on the GPU, and PyTorch on the same model in the same run where torchvision or transformers has it.

    bench.py FOLDER [-k PATTERN] [--peer KIND ...] [--profile N]

FOLDER is one that test/gpu/pack.py made. Inputs are on the device; the time is the median over blocks of replays between CUDA events.
Peers are PyTorch in fp16, channels last, batch norms folded: "eager" captured in a CUDA graph, "compile" torch.compile in the mode reduce-overhead.
"""
import argparse
import ctypes
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch

BLOCKS, BLOCK_US = 30, 10_000


def median_us(replay, stream):
    """Microseconds of one replay."""

    def timed(replays):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(replays):
            replay()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) * 1e3 / replays

    with torch.cuda.stream(stream):
        timed(5)
        replays = max(1, int(BLOCK_US / timed(5)))
        timed(3 * replays)
        return statistics.median(timed(replays) for _ in range(BLOCKS))


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


def torch_peer(name):
    """The same architecture from torchvision, transformers or yolo.py, or None."""
    if name.startswith("bert_base"):
        import transformers

        return transformers.BertModel(transformers.BertConfig(), add_pooling_layer=False).eval().half().cuda()
    import torchvision
    from yolo import Yolov8n

    makers = {"yolov8n_640": Yolov8n, "resnet50": torchvision.models.resnet50, "mobilenetv2_224": torchvision.models.mobilenet_v2, "resnet18": torchvision.models.resnet18,
              "efficientnet_b0": torchvision.models.efficientnet_b0, "vit_b_16": torchvision.models.vit_b_16}
    maker = next((make for key, make in makers.items() if name.startswith(key)), None)
    if maker is None:
        return None
    torch.backends.cudnn.benchmark = True
    model = maker().eval()
    for module in model.modules():  # batch norms into convolutions
        if isinstance(module, torch.nn.Sequential):
            for i in range(len(module) - 1):
                if isinstance(module[i], torch.nn.Conv2d) and isinstance(module[i + 1], torch.nn.BatchNorm2d):
                    module[i] = torch.nn.utils.fusion.fuse_conv_bn_eval(module[i], module[i + 1])
                    module[i + 1] = torch.nn.Identity()
        for conv, norm in (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3")):
            if isinstance(getattr(module, norm, None), torch.nn.BatchNorm2d):
                setattr(module, conv, torch.nn.utils.fusion.fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm)))
                setattr(module, norm, torch.nn.Identity())
    return model.half().cuda().to(memory_format=torch.channels_last)


def peers(name, shape, stream, kinds):
    """Microseconds of torch, of each kind that is asked for."""
    model = torch_peer(name) if kinds else None
    if model is None:
        return {}
    if len(shape) == 4:
        image = torch.rand(shape, device="cuda", dtype=torch.float16).to(memory_format=torch.channels_last)
    else:
        image = torch.randint(0, 1000, shape, device="cuda")
    times = {}
    with torch.no_grad(), torch.cuda.stream(stream):
        if "eager" in kinds:
            for _ in range(5):
                model(image)
            stream.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=stream):
                model(image)
            times["eager graph"] = median_us(graph.replay, stream)
        if "compile" in kinds:
            start = time.perf_counter()
            fast = torch.compile(model, mode="reduce-overhead")
            for _ in range(5):
                fast(image)
            stream.synchronize()
            print(f"{name}: torch.compile took {time.perf_counter() - start:.0f} s")
            times["compile"] = median_us(lambda: fast(image), stream)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-k", default="", help="only plans whose name contains this")
    parser.add_argument("--peer", nargs="*", default=["eager"], choices=["eager", "compile"], help="what of PyTorch to time; the default is eager")
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
            others = peers(entry["name"], shape, stream, arguments.peer)
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
