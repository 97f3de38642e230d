"""What 8 bits gain: networks that tenon quantize quantizes, and published ones that hold QuantizeLinear and DequantizeLinear nodes."""
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import measure
from measure import Failed
from tables import TITLES, machine_line, number, ratio, runtimes, table

PARTS = ("native", "avx2")  # this machine as it is, and held to AVX2
FLOAT_OF = {"mobilenetv2_244_qdq": "mobilenetv2_224", "yolov8n_640_qdq": "yolov8n_640"}  # published: the network in f32
NETWORKS = ("resnet50", "mobilenetv2_224", "yolov8n_640", *FLOAT_OF)
EAGER = ("yolov8n_640",)  # also against PyTorch's eager mode in f32, where PyTorch is installed
SAMPLES = 32


def photographs(name):
    """What to calibrate with, as the network takes it."""
    sys.path.append(str(Path(__file__).resolve().parent / "accuracy"))
    import numpy as np
    import samples

    files = samples.coco_files(Path(os.environ["TENON_SHARED"]) / "data")[:SAMPLES]
    return np.concatenate([samples.letterbox(file)[0] if name.startswith("yolo") else samples.torchvision(samples.centre(file)) for file in files])


def quantize(tenon, name, model, inputs, folder):
    """The file of the network in 8 bits, calibrated with photographs."""
    import numpy as np

    calibration, quantized = folder / "calibration.npz", folder / f"{name}.int8.onnx"
    input_name = next(key for key in np.load(inputs) if key.startswith("in:"))
    np.savez(calibration, **{input_name: photographs(name)})
    done = subprocess.run([str(word) for word in (tenon.program, "quantize", model, "--calibration", calibration, "-o", quantized, "--quiet")], capture_output=True, text=True)
    if done.returncode:
        raise Failed(done.stderr.strip())
    return quantized


class Network:
    """One network in f32 and in 8 bits: files that are made once, whatever they are measured with."""

    def __init__(self, name, folder):
        self.name, self.folder, self.files = name, folder, None

    def prepare(self, comparison):
        """(f32 model, its inputs, model in 8 bits, its inputs)"""
        if self.files is None:
            print(f"{self.name}: preparing", file=sys.stderr, flush=True)
            single, single_inputs = measure.prepare(FLOAT_OF.get(self.name, self.name), self.folder)
            measure.pin(len(measure.CPUS))
            small = measure.prepare(self.name, self.folder) if self.name in FLOAT_OF else (quantize(comparison.tenon, self.name, single, single_inputs, self.folder), single_inputs)
            self.files = (single, single_inputs, *small)
        return self.files

    def measure(self, comparison, medians, folder):
        single, single_inputs, model, inputs = self.prepare(comparison)
        print(f"{self.name}: compiling", file=sys.stderr, flush=True)
        plan, _ = comparison.compiled(single, folder)
        small, _ = comparison.compiled(model, folder)
        # What eager mode takes does not depend on what the others are held to.
        is_eager = self.name in EAGER and not comparison.avx2 and importlib.util.find_spec("torch")
        others = {"pytorch": (single, single_inputs)} if is_eager else {}
        result = {"plan_bytes": {"float": plan.stat().st_size, "tenon": small.stat().st_size}, "threads": {}}
        for threads in comparison.arguments.threads:
            reports, result["failed"] = comparison.rounds(self.name, {"tenon": (small, inputs), "float": (plan, single_inputs)}, model, inputs, threads, others)
            result["threads"][str(threads)] = medians(reports, ("median_ms",))["median_ms"]
        return result


def versions():
    """Of what is measured beside the usual peers."""
    return {"pytorch": importlib.metadata.version("torch")} if importlib.util.find_spec("torch") else {}


def good(part):
    return {name: result for name, result in part["models"].items() if "error" not in result}


def title_of(name):
    return f"{name}, published" if name in FLOAT_OF else name


def latency(results, threads):
    shown = runtimes(results)
    rows = []
    for name, result in good(results).items():
        times, sizes = result["threads"][threads], result["plan_bytes"]
        rows.append([title_of(name), number(times["float"]), *(number(times[runtime]) if runtime in times else "fails" for runtime in shown),
                     f"{times['float'] / times['tenon']:.2f}", f"{ratio(times):.2f}", f"{sizes['tenon'] / sizes['float']:.2f}"])
    titles = ["network", "Tenon f32", *(f"{TITLES[runtime]} int8" for runtime in shown), "Tenon f32 ÷ int8", "best peer ÷ Tenon", "plan int8 ÷ f32"]
    return [f"#### {threads} thread{'s' if int(threads) > 1 else ''}, ms", "", *table(titles, rows)]


def summary(parts, threads):
    """What was reached: a column for each network, a row for each ratio. Above 1 is in our favour, but for sizes."""
    names = [name for name in NETWORKS if any(name in good(part) for part in parts.values())]

    def row(title, part, value):
        cells = []
        for name in names:
            result = good(parts[part]).get(name) if part in parts else None
            cells.append("" if result is None else value(result, result["threads"].get(threads)))
        return [title, *cells] if any(cells) else None

    rows = [row("Tenon f32 ÷ Tenon int8", "native", lambda _, times: times and f"{times['float'] / times['tenon']:.2f}"),
            row("best peer's int8 ÷ Tenon int8", "native", lambda _, times: times and f"{ratio(times):.2f}"),
            row("AVX2: Tenon f32 ÷ Tenon int8", "avx2", lambda _, times: times and f"{times['float'] / times['tenon']:.2f}"),
            row("AVX2: best peer's int8 ÷ Tenon int8", "avx2", lambda _, times: times and f"{ratio(times):.2f}"),
            row("PyTorch eager f32 ÷ Tenon int8", "native", lambda _, times: f"{times['pytorch'] / times['tenon']:.2f}" if times and "pytorch" in times else ""),
            row("size of the plan, int8 ÷ f32", "native", lambda result, _: f"{result['plan_bytes']['tenon'] / result['plan_bytes']['float']:.2f}")]
    return [f"### What 8 bits gain, {threads} thread{'s' if int(threads) > 1 else ''}", "", *table(["", *map(title_of, names)], [cells for cells in rows if cells])]


def part_report(title, results):
    lines = [f"### {title}", ""]
    for threads in map(str, results["settings"]["threads"]):
        lines += latency(results, threads)
    lines += [f"- {name}: {' '.join(result['error'].split())[:300]}" for name, result in results["models"].items() if "error" in result]
    lines += [f"- {name}: {TITLES.get(runtime, runtime)} fails: {why}" for name, result in good(results).items() for runtime, why in result["failed"].items()]
    return [*lines, ""] if lines[-1] else lines


def report(results):
    parts = results["parts"]
    settings = next(iter(parts.values()))["settings"]
    described = {"machine": results["machine"], "settings": {"peers": ["onnxruntime", "openvino"]}}
    pytorch = f" PyTorch {results['machine']['pytorch']}." if "pytorch" in results["machine"] else ""
    lines = [f"Measured by bench/compare.py --int8 on {machine_line(described)}{pytorch}", "", f"{settings['rounds']} round{'s' if settings['rounds'] > 1 else ''} of {settings['duration_s']} s, the runtimes in turn, "
             "each in a process of its own, pinned; medians. Untuned plans. All run the same model with QuantizeLinear and "
             f"DequantizeLinear nodes: what tenon quantize made with {SAMPLES} photographs, or what others published.", ""]
    for threads in map(str, settings["threads"]):
        lines += summary(parts, threads)
    if "native" in parts:
        lines += part_report("As the machine is", parts["native"])
    if "avx2" in parts:
        lines += part_report("Tenon and OpenVINO held to AVX2", parts["avx2"])
    return "\n".join(lines)
