#!/usr/bin/env python3
"""Latency of Tenon against ONNX Runtime and OpenVINO on the models of the model suite.

    compare.py --tenon build/release/bin/tenon [-k PATTERN] [--threads 1,2] [--rounds 5] [--duration 1.0] [--quick] [--output bench/results]

Each measurement is a process of its own, pinned to as many CPUs as it has threads, that loads the model, warms up, and runs it for the duration.
The runtimes take turns, and what counts is the median over the rounds of each round's median: slow phases of the machine hit all of them.
Tenon's outputs are compared with ONNX Runtime's first. Models come from the folder that TENON_SHARED names.
Writes OUTPUT.json and OUTPUT.md.
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
        duration = self.arguments.duration
        if runtime == "tenon":
            return execute([self.arguments.tenon, "bench", plan, "--inputs", inputs, "--threads", threads, "--duration", f"{duration}s", "--warmup", f"{duration / 4}s", "--json"], threads)["latency_ms"]["median"]
        return execute([sys.executable, ROOT / "bench" / "peer.py", runtime, path, inputs, threads, duration], threads)["median_ms"]

    def check(self, path, plan, inputs, folder):
        """Whether the outputs equal those of ONNX Runtime, as the model suite wants them."""
        expected = folder / "expected.npz"
        execute([sys.executable, ROOT / "bench" / "peer.py", "onnxruntime", path, inputs, 1, 0, expected], 1)
        done = subprocess.run([str(self.arguments.tenon), "run", str(plan), "--inputs", str(inputs), "--expect", str(expected), "--json"], capture_output=True, text=True)
        if not done.stdout:
            raise RuntimeError(done.stderr.strip())
        return json.loads(done.stdout)["equal"]

    def compare(self, name):
        """{threads: {runtime: milliseconds}} of one model."""
        with tempfile.TemporaryDirectory(prefix="tenon-bench-") as folder:
            folder = Path(folder)
            path, inputs = self.model(name, folder)
            plan = folder / "model.plan"
            subprocess.run([str(self.arguments.tenon), "compile", str(path), "-o", str(plan), "--quiet"], check=True, capture_output=True, text=True)
            result = {"equal": self.check(path, plan, inputs, folder), "threads": {}}
            for threads in self.arguments.threads:
                times = {runtime: [] for runtime in ("tenon", *PEERS)}
                for _ in range(self.arguments.rounds):
                    for runtime, measured in times.items():
                        try:
                            measured.append(self.measure(runtime, path, plan, inputs, threads))
                        except RuntimeError as error:
                            if runtime == "tenon":
                                raise
                            print(f"{name}: {runtime}: {error}", file=sys.stderr)
                result["threads"][threads] = {runtime: statistics.median(measured) for runtime, measured in times.items() if measured}
            return result


def ratio(times):
    """Latency of the best peer divided by ours: above 1 we are faster."""
    return min(times[peer] for peer in PEERS if peer in times) / times["tenon"]


def table(results, threads):
    """Markdown."""
    lines = []
    for count in threads:
        lines += [f"### {count} thread{'s' if count > 1 else ''}, milliseconds", "", "| model | Tenon | ONNX Runtime | OpenVINO | best peer ÷ Tenon |", "|---|--:|--:|--:|--:|"]
        ratios = {}
        for name, result in results.items():
            if "error" in result:
                lines.append(f"| {name} | {result['error'].splitlines()[0][:60]} | | | |")
                continue
            times = result["threads"][count]
            ratios[name] = ratio(times)
            text = lambda runtime: f"{times[runtime]:.3g}" if runtime in times else "-"
            lines.append(f"| {name}{'' if result['equal'] else ' (outputs differ)'} | {text('tenon')} | {text('onnxruntime')} | {text('openvino')} | {ratios[name]:.2f} |")
        if ratios:
            worst = min(ratios, key=ratios.get)
            mean = math.exp(statistics.fmean(map(math.log, ratios.values())))
            lines += ["", f"Geometric mean over {len(ratios)} models: {mean:.2f}; worst: {worst}, {ratios[worst]:.2f}.", ""]
    return "\n".join(lines)


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
    text = f"Measured on {machine()}, by bench/compare.py: {arguments.rounds} rounds of {arguments.duration} s.\n\n" + table(results, arguments.threads)
    arguments.output.with_name(arguments.output.name + ".json").write_text(json.dumps(results, indent=2) + "\n")
    arguments.output.with_name(arguments.output.name + ".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
