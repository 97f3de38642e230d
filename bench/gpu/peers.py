"""PyTorch on the networks that plans are compared with, timed in this process."""
import statistics
import time

import torch

KINDS = ["eager", "compile", "raw"]
TYPES = {"fp32": torch.float32, "tf32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
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


def fold_norms(model):
    """Batch norms into the convolutions before them."""
    for module in model.modules():
        if isinstance(module, torch.nn.Sequential):
            for i in range(len(module) - 1):
                if isinstance(module[i], torch.nn.Conv2d) and isinstance(module[i + 1], torch.nn.BatchNorm2d):
                    module[i] = torch.nn.utils.fusion.fuse_conv_bn_eval(module[i], module[i + 1])
                    module[i + 1] = torch.nn.Identity()
        for conv, norm in (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3")):
            if isinstance(getattr(module, norm, None), torch.nn.BatchNorm2d):
                setattr(module, conv, torch.nn.utils.fusion.fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm)))
                setattr(module, norm, torch.nn.Identity())
    return model


def torch_peer(name):
    """The same architecture from torchvision, transformers or yolo.py, f32 on the CPU, or None."""
    if name.startswith("bert_base"):
        import transformers

        return transformers.BertModel(transformers.BertConfig(), add_pooling_layer=False).eval()
    import torchvision
    from yolo import Yolov8n

    makers = {"yolov8n_640_detect": lambda: Yolov8n(decodes=False), "yolov8n_640": Yolov8n, "resnet50": torchvision.models.resnet50,
              "mobilenetv2_224": torchvision.models.mobilenet_v2, "resnet18": torchvision.models.resnet18,
              "efficientnet_b0": torchvision.models.efficientnet_b0, "vit_b_16": torchvision.models.vit_b_16}
    maker = next((make for key, make in makers.items() if name.startswith(key)), None)
    return fold_norms(maker().eval()) if maker else None


def time_kind(kind, model, given, stream):
    """Microseconds of a run."""
    for _ in range(5):
        model(given)
    stream.synchronize()
    if kind == "raw":
        return median_us(lambda: model(given), stream)
    if kind == "eager":
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            model(given)
        return median_us(graph.replay, stream)
    fast = torch.compile(model, mode="reduce-overhead")
    for _ in range(5):
        fast(given)
    stream.synchronize()
    return median_us(lambda: fast(given), stream)


def peers(name, shape, stream, kinds, precision="fp16"):
    """Microseconds of torch, of each kind that is asked for; f32 products are f32 unless `precision` is tf32."""
    model = torch_peer(name) if kinds else None
    if model is None:
        return {}
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    element, times = TYPES[precision], {}
    model = model.to(element).cuda().to(memory_format=torch.channels_last)
    if len(shape) == 4:
        given = torch.rand(shape, device="cuda", dtype=element).to(memory_format=torch.channels_last)
    else:
        given = torch.randint(0, 1000, shape, device="cuda")
    with torch.no_grad(), torch.cuda.stream(stream):
        for kind in kinds:
            start = time.perf_counter()
            times[kind] = time_kind(kind, model, given, stream)
            print(f"{name} {precision}: torch {kind} {times[kind]:.1f} us, after {time.perf_counter() - start:.0f} s", flush=True)
    return times
