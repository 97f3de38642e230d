#!/usr/bin/env python3
"""Latency of Tenon against ONNX Runtime and OpenVINO on the models of the model suite.

    compare.py --tenon build/release/bin/tenon [-k PATTERN] [--threads 1,2] [--rounds 5] [--duration 1.0] [--quick] [--output bench/results]

Each measurement is a process of its own, pinned to as many CPUs as it has threads, that loads the model, warms up, and runs it for the duration.
The runtimes take turns, and what counts is the median over the rounds of each round's median: slow phases of the machine hit all of them.
Tenon's outputs are compared with ONNX Runtime's first. Models come from the folder that TENON_SHARED names.
Also the time from opening a model (a plan; what the peers read is the ONNX file) to the end of the first run, and the peak resident memory of the process:
all of Tenon's, and of the peers what they add to a Python that has loaded the inputs.
Writes OUTPUT.json, OUTPUT.md and a chart, OUTPUT.svg.
"""
import argparse
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "test" / "models"), str(ROOT / "bench")]
import cases

PEERS = ("onnxruntime", "openvino")


def cpus(threads):
    """The CPUs to pin to: the first of those that this process may use."""
    return sorted(os.sched_getaffinity(0))[:threads]


def execute(command, threads, timeout=600):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout, preexec_fn=lambda: os.sched_setaffinity(0, cpus(threads)))
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-400:] or f"exit code {done.returncode}")
    return json.loads(done.stdout)


class Comparison:
    def __init__(self, arguments):
        self.arguments = arguments
        self.shared = Path(os.environ.get("TENON_SHARED", ""))

    def model(self, name, folder):
        """The ONNX file and an .npz of inputs for it."""
        from reference import Reference
        import numpy as np

        models = self.shared / "models"
        if name in cases.GOLDEN:
            return models / f"{name}.onnx", models / "golden" / f"{name}.npz"
        path = folder / f"{name}.onnx"
        subprocess.run([sys.executable, models / "materialize.py", models / "skeletons" / f"{name}.onnx", path], check=True)
        inputs = Reference(path).inputs({}, seed=1)
        np.savez(folder / "inputs.npz", **{f"in:{key}": array for key, array in inputs.items()})
        return path, folder / "inputs.npz"

    def measure(self, runtime, path, plan, inputs, threads):
        """{"median_ms", "start_ms", "peak_bytes"} of one process."""
        duration = self.arguments.duration
        if runtime != "tenon":
            return execute([sys.executable, ROOT / "bench" / "peer.py", runtime, path, inputs, threads, duration], threads)
        report = execute([self.arguments.tenon, "bench", plan, "--inputs", inputs, "--threads", threads, "--duration", f"{duration}s", "--warmup", f"{duration / 4}s", "--json"], threads)
        return {"median_ms": report["latency_ms"]["median"], "start_ms": report["open_ms"] + report["context_ms"] + report["first_run_ms"],
                "peak_bytes": report["memory"]["peak_process_bytes"]}

    def check(self, path, plan, inputs, folder):
        """Whether the outputs equal those of ONNX Runtime, as the model suite wants them."""
        expected = folder / "expected.npz"
        execute([sys.executable, ROOT / "bench" / "peer.py", "onnxruntime", path, inputs, 1, 0, expected], 1)
        done = subprocess.run([str(self.arguments.tenon), "run", str(plan), "--inputs", str(inputs), "--expect", str(expected), "--json"], capture_output=True, text=True)
        if not done.stdout:
            raise RuntimeError(done.stderr.strip())
        return json.loads(done.stdout)["equal"]

    def compare(self, name):
        """{"equal", "threads": {threads: {runtime: milliseconds}}, "start_ms": {runtime: …}, "peak_bytes": {runtime: …}} of one model."""
        with tempfile.TemporaryDirectory(prefix="tenon-bench-") as folder:
            folder = Path(folder)
            path, inputs = self.model(name, folder)
            plan = folder / "model.plan"
            begin = time.monotonic()
            subprocess.run([str(self.arguments.tenon), "compile", str(path), "-o", str(plan), "--quiet"], check=True, capture_output=True, text=True)
            result = {"equal": self.check(path, plan, inputs, folder), "compile_s": time.monotonic() - begin, "threads": {}}
            for threads in self.arguments.threads:
                measured = {runtime: [] for runtime in ("tenon", *PEERS)}
                for _ in range(self.arguments.rounds):
                    for runtime, reports in measured.items():
                        try:
                            reports.append(self.measure(runtime, path, plan, inputs, threads))
                        except RuntimeError as error:
                            if runtime == "tenon":
                                raise
                            print(f"{name}: {runtime}: {error}", file=sys.stderr)
                medians = {key: {runtime: statistics.median(report[key] for report in reports) for runtime, reports in measured.items() if reports} for key in ("median_ms", "start_ms", "peak_bytes")}
                result["threads"][threads] = medians["median_ms"]
                result |= {key: medians[key] for key in ("start_ms", "peak_bytes")}  # of the last thread count
            return result


def ratio(times):
    """Latency of the best peer divided by ours: above 1 we are faster."""
    return min(times[peer] for peer in PEERS if peer in times) / times["tenon"]


def geomean(values):
    return math.exp(statistics.fmean(map(math.log, values)))


def rows(results):
    return {name: result for name, result in results.items() if "error" not in result}


def latency_table(results, threads):
    """Markdown."""
    lines = [f"### {threads} thread{'s' if threads > 1 else ''}, milliseconds", "", "| model | Tenon | ONNX Runtime | OpenVINO | best peer ÷ Tenon |", "|---|--:|--:|--:|--:|"]
    for name, result in results.items():
        if "error" in result:
            lines.append(f"| {name} | {result['error'].splitlines()[0][:60]} | | | |")
            continue
        times = result["threads"][threads]
        text = [f"{times[runtime]:.3g}" if runtime in times else "-" for runtime in ("tenon", *PEERS)]
        lines.append(f"| {name}{'' if result['equal'] else ' (outputs differ)'} | {' | '.join(text)} | {ratio(times):.2f} |")
    ratios = {name: ratio(result["threads"][threads]) for name, result in rows(results).items()}
    if ratios:
        worst = min(ratios, key=ratios.get)
        lines += ["", f"Geometric mean over {len(ratios)} models: {geomean(ratios.values()):.2f}; worst: {worst}, {ratios[worst]:.2f}.", ""]
    return lines


def resource_table(results):
    """Markdown: start and memory."""
    lines = ["### Start and memory", "", "| model | start: Tenon | best peer | ÷ | peak MB: Tenon | best peer | ÷ |", "|---|--:|--:|--:|--:|--:|--:|"]
    starts, peaks = [], []
    for name, result in rows(results).items():
        start, peak = result["start_ms"], {runtime: size / 1e6 for runtime, size in result["peak_bytes"].items()}
        starts.append(ratio(start))
        peaks.append(ratio(peak))
        best = [min(of[peer] for peer in PEERS if peer in of) for of in (start, peak)]
        lines.append(f"| {name} | {start['tenon']:.3g} ms | {best[0]:.3g} ms | {starts[-1]:.1f} | {peak['tenon']:.3g} | {best[1]:.3g} | {peaks[-1]:.1f} |")
    if starts:
        lines += ["", f"Geometric means: start {geomean(starts):.1f}, memory {geomean(peaks):.1f}; worst: start {min(starts):.1f}, memory {min(peaks):.1f}.", ""]
    return lines


def chart(results, threads):
    """SVG: a bar for each model and thread count, from 1, the best peer."""
    data = [(name, [ratio(result["threads"][count]) for count in threads]) for name, result in rows(results).items()]
    bar, gap, left, scale = 9, 8, 210, 190
    step = bar * len(threads) + gap
    most = max([2.0, *(value for _, values in data for value in values)])
    width, height = left + int(most * scale) + 60, 46 + step * len(data)
    colours = ("#4c78a8", "#f58518", "#54a24b", "#b279a2")
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="11">', f'<rect width="{width}" height="{height}" fill="white"/>']
    for i, count in enumerate(threads):
        parts.append(f'<rect x="{left + 110 * i}" y="8" width="10" height="10" fill="{colours[i % 4]}"/><text x="{left + 110 * i + 15}" y="17">{count} thread{"s" if count > 1 else ""}</text>')
    parts.append(f'<text x="{left + 110 * len(threads)}" y="17">speed of Tenon, the better peer being 1</text>')
    for row, (name, values) in enumerate(data):
        top = 34 + row * step
        parts.append(f'<text x="{left - 6}" y="{top + step / 2}" text-anchor="end">{name}</text>')
        for i, value in enumerate(values):
            y = top + i * bar
            parts.append(f'<rect x="{left}" y="{y}" width="{value * scale:.0f}" height="{bar - 1}" fill="{colours[i % 4]}"/><text x="{left + value * scale + 4:.0f}" y="{y + bar - 1}" font-size="9">{value:.2f}</text>')
    parts.append(f'<line x1="{left + scale}" y1="26" x2="{left + scale}" y2="{height - 8}" stroke="black" stroke-dasharray="3,3"/>')
    return "\n".join([*parts, "</svg>", ""])


def machine():
    name = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    return f"{name}, {os.cpu_count()} logical CPUs"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenon", required=True, type=Path)
    parser.add_argument("-k", default="", metavar="PATTERN", help="only models whose name matches this regular expression")
    parser.add_argument("--threads", default="1,2", help="thread counts to measure (1,2)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=float, default=1.0, help="seconds of each measurement (1.0)")
    parser.add_argument("--quick", action="store_true", help="one round of 0.3 s, fewer models")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results", help="where to write, without the ending")
    arguments = parser.parse_args()
    arguments.threads = [int(count) for count in arguments.threads.split(",")]
    if "TENON_SHARED" not in os.environ:
        sys.exit("compare.py: set TENON_SHARED to the folder with the models")
    names = cases.GOLDEN + cases.SKELETONS
    if arguments.quick:
        arguments.rounds, arguments.duration = 1, 0.3
        names = ["mnist8_cntk", "mobilenetv2_224", "squeezenet1.1", "yolov8n_seg_320", "vit_cifar10", "magika_v3_3", "resnet18"]

    comparison, results = Comparison(arguments), {}
    for name in names:
        if not re.search(arguments.k, name):
            continue
        try:
            results[name] = comparison.compare(name)
            print(name, {count: {runtime: round(ms, 3) for runtime, ms in times.items()} | {"ratio": round(ratio(times), 2)} for count, times in results[name]["threads"].items()}, flush=True)
        except (RuntimeError, subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            results[name] = {"error": getattr(error, "stderr", None) or str(error)}
            print(f"{name}: {results[name]['error']}", flush=True)
    lines = [f"Measured on {machine()}, by bench/compare.py: {arguments.rounds} rounds of {arguments.duration} s, pinned.", ""]
    for count in arguments.threads:
        lines += latency_table(results, count)
    text = "\n".join(lines + resource_table(results))
    for ending, content in ((".json", json.dumps(results, indent=2) + "\n"), (".md", text), (".svg", chart(results, arguments.threads))):
        arguments.output.with_name(arguments.output.name + ending).write_text(content)
    print(text)


if __name__ == "__main__":
    main()
