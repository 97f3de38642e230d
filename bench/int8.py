"""What 8 bits gain: networks that tenon quantize quantizes, and published ones that hold QuantizeLinear and DequantizeLinear nodes."""
import os
import subprocess
import sys
from pathlib import Path

from measure import Failed
from tables import machine_line, number, ratio, runtimes, table, TITLES

FLOAT_OF = {"mobilenetv2_244_qdq": "mobilenetv2_224", "yolov8n_640_qdq": "yolov8n_640"}  # published: the network in f32
NETWORKS = ("resnet50", "mobilenetv2_224", "yolov8n_640", *FLOAT_OF)
EAGER = ("yolov8n_640",)  # also against PyTorch's eager mode in f32, where PyTorch is installed (torch==2.13.0 from https://download.pytorch.org/whl/cpu)
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


def latency(results, threads):
    shown = runtimes(results)
    rows = []
    for name, result in results["models"].items():
        if "error" in result:
            continue
        times, sizes = result["threads"][threads], result["plan_bytes"]
        rows.append([f"{name}, published" if name in FLOAT_OF else name, number(times["float"]), *(number(times[runtime]) if runtime in times else "fails" for runtime in shown),
                     f"{times['float'] / times['tenon']:.2f}", f"{ratio(times):.2f}", f"{sizes['tenon'] / sizes['float']:.2f}"])
    titles = ["network", "Tenon f32", *(f"{TITLES[runtime]} int8" for runtime in shown), "Tenon f32 ÷ int8", "best peer ÷ Tenon", "plan int8 ÷ f32"]
    eager = [f"{name}: PyTorch eager f32 {number(result['threads'][threads]['pytorch'])} ms, {result['threads'][threads]['pytorch'] / result['threads'][threads]['tenon']:.1f} times Tenon int8."
             for name, result in results["models"].items() if "pytorch" in result.get("threads", {}).get(threads, {})]
    return [f"### {threads} thread{'s' if int(threads) > 1 else ''}, ms", "", *table(titles, rows), *eager, *([""] if eager else [])]


def report(results):
    settings = results["settings"]
    lines = [f"Measured by bench/compare.py --int8 on {machine_line(results)}", "", f"{settings['rounds']} round{'s' if settings['rounds'] > 1 else ''} of {settings['duration_s']} s, the runtimes in turn, "
             "each in a process of its own, pinned; medians. Untuned plans" + (" and OpenVINO held to AVX2" if settings["avx2"] else "") + ". All run the same model with QuantizeLinear and "
             f"DequantizeLinear nodes: what tenon quantize made with {SAMPLES} photographs, or what others published.", ""]
    for threads in map(str, settings["threads"]):
        lines += latency(results, threads)
    failures = [f"- {name}: {' '.join(result['error'].split())[:300]}" for name, result in results["models"].items() if "error" in result]
    return "\n".join([*lines, *failures, ""] if failures else lines)
