"""Which models the suite runs, and on what."""
from dataclasses import dataclass, field

# Trained models of $TENON_SHARED/models, with golden inputs and outputs beside them.
GOLDEN = """mnist8_cntk resnet20_cifar10 vit_cifar10 cgan_32 crepe_tiny magika_v3_3 mobilenetv2_224 squeezenet1.1 squeezenet1.1_fp16
super_resolution_224 ultraface_rfb320 fastestdet_352 yolov8n_640 yolov8n_seg_320 yolox_nano_416 deeplabv3_mnv2_257
road_segmentation_adas_0001 lstr_lane_360x640 ppocr_v2_cls ppocr_v2_rec_en basic_pitch_nmp carvana_unet
mobilenetv2_224_dynq_s8 mobilenetv2_244_qdq yolov8n_640_qdq yolov8n_640_dynq_u8 gtcrn_denoise dtln_1 stories260k_kv
nms_postproc_yolov8""".split()

# Where a rounding falls the other way, a quantized network differs from there on by as much as quantization costs: ONNX Runtime with and without its
# optimizer does. Here the mean error counts, as a part of the mean magnitude; what ONNX Runtime's two results differ by is 0.076, 0.0067 and 0.
QUANTIZED = {"mobilenetv2_244_qdq": 0.1, "yolov8n_640_qdq": 0.012, "yolov8n_640_dynq_u8": 0.008}

# Trained models that are compiled with --precision bf16 as well, where this machine multiplies it; their outputs may differ by this part of the largest.
BF16 = ("deeplabv3_mnv2_257", "resnet20_cifar10", "vit_cifar10", "crepe_tiny")
BF16_TOLERANCE = 1e-2

# Architectures of $TENON_SHARED/models/skeletons, whose weights materialize.py makes; the reference is ONNX Runtime.
SKELETONS = """resnet18 resnet50 resnet50_dynbatch vgg16 densenet121 efficientnet_b0 mobilenet_v3_large regnet_y_800mf convnext_tiny
deeplabv3_resnet50 vit_b_16 bert_base_s128 gpt2_prefill_s128 whisper_tiny_enc bilstm_tagger_s64""".split()

BATCHES = (1, 2, 3, 7, 16)

# Sizes that a plan with free dimensions is run at, without compiling again; the reference is ONNX Runtime.
DYNAMIC = {
    "magika_v3_3": [(n, 2048) for n in BATCHES],
    "ppocr_v2_cls": [(n, 3, 48, 192) for n in BATCHES],
    "ppocr_v2_rec_en": [(n, 3, 32, 320) for n in BATCHES] + [(1, 3, 32, width) for width in (100, 641)],
    "basic_pitch_nmp": [(n, 43844, 1) for n in BATCHES],
    "mobilenetv2_224": [(n, 3, 224, 224) for n in BATCHES],
    "resnet50_dynbatch": [(n, 3, 224, 224) for n in BATCHES],
}

# Dispatches after fusion, at most.
DISPATCHES = {"resnet50": 57, "mobilenetv2_224": 55, "yolov8n_640": 85, "bert_base_s128": 90, "efficientnet_b0": 100}

# Seconds of a compile with two cores, at most; reported, never a failure: machines differ.
COMPILE_SECONDS = {"mobilenetv2_224": 2, "resnet50": 5, "bert_base_s128": 8}

# The arena may exceed the lower bound by this factor.
ARENA_RATIO = 1.02


@dataclass
class Model:
    name: str
    kind: str  # "small", "golden", "bf16", "skeleton"
    shapes: list = field(default_factory=list)  # {input: shape} to run against ONNX Runtime

    @property
    def title(self):
        return f"{self.name} in bf16" if self.kind == "bf16" else self.name


def models(small):
    """Every model of the suite. `small` is make_models.MODELS."""
    found = [Model(name, "small", shapes) for name, (_, shapes) in small.items()]
    # One free input each: its name is read from the model.
    found += [Model(name, "golden", [{None: shape} for shape in DYNAMIC.get(name, [])]) for name in GOLDEN]
    found += [Model(name, "bf16") for name in BF16]
    found += [Model(name, "skeleton", [{None: shape} for shape in DYNAMIC.get(name, [None])]) for name in SKELETONS]
    return found
