#!/usr/bin/env python3
"""Tenon against ONNX Runtime and OpenVINO.

    compare.py --tenon build/release/bin/tenon [-k PATTERN] [--threads 1,2] [--rounds 3] [--duration 0.8] [--quick] [--avx2] [--output bench/results]
    compare.py --int8 [--avx2] …
    compare.py --report [--int8] [--output bench/results]

Each measurement is a process of its own, pinned to as many CPUs as it has threads, that loads the model, warms up, and runs it for the duration.
The runtimes take turns, and what counts is the median over the rounds of each round's median: slow phases of the machine hit all of them.
Tenon's outputs are compared with ONNX Runtime's first. Models come from the folder that TENON_SHARED names: all float models there; those that Tenon cannot
compile are listed with the reason. With --avx2 Tenon and OpenVINO do without the wider vectors that the machine may have; ONNX Runtime knows no such setting and
stays out. OpenVINO's fully connected layers are computed by MLAS, ONNX Runtime's library, and take wider vectors all the same. Also measured: throughput of a batch and of several contexts, the time from a process's start to its first result (Tenon
reads a plan, the peers the ONNX file), peak memory of processes, compilation, what a dispatch costs, and every step's share of the processor's peak.

With --int8: what 8 bits gain (int8.py), on this machine as it is and held to AVX2; with --avx2 only the latter is measured again. Tenon in 8 bits and in f32 and the
peers in 8 bits take turns, on networks that tenon quantize quantized and on published ones.

Writes OUTPUT.json after every model, and OUTPUT.md and a chart, OUTPUT.svg, at the end; --report makes these two from the JSON again.
"""
import argparse
import contextlib
import json
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "test" / "models")]
import chart
import int8
import machine
import measure
import overhead
import tables
from measure import PEERS, Failed
from models import float_models

BATCHED = ("resnet50", "mobilenetv2_224", "efficientnet_b0", "bert_base_s128")
TOGETHER = ("resnet50", "mobilenetv2_224", "efficientnet_b0", "bert_base_s128", "yolov8n_640")
QUICK = ("mnist8_cntk", "mobilenetv2_224", "squeezenet1.1", "yolov8n_seg_320", "vit_cifar10", "magika_v3_3", "resnet18")
AVX2_TARGET, AVX2_SETTING = "x86-64-v3", {"ONEDNN_MAX_CPU_ISA": "AVX2"}
QUICK_SECONDS = 85  # after which --quick begins with nothing more


def medians(reports, keys):
    """{key: {runtime: median}} of the runtimes that were measured."""
    return {key: {runtime: statistics.median(report[key] for report in of) for runtime, of in reports.items() if of} for key in keys}


class Comparison:
    """With `avx2` nothing takes wider vectors; processes that it starts are told so by the environment."""

    def __init__(self, arguments, avx2):
        self.arguments, self.avx2 = arguments, avx2
        self.tenon = measure.Tenon(arguments.tenon)
        self.peers = [runtime for runtime in PEERS if runtime != "onnxruntime" or not avx2]
        self.options = ["--target", AVX2_TARGET] if avx2 else []
        self.begin = time.monotonic()

    def late(self):
        return self.arguments.quick and time.monotonic() - self.begin > QUICK_SECONDS

    def rounds(self, name, plans, model, inputs, threads, others=None):
        """{runtime: [report of each round]}, and why runtimes failed; `plans` are Tenon's, the peers run the model, and `others` a model of their own."""
        measure.pin(threads)
        others = others or {}
        reports = {runtime: [] for runtime in (*plans, *self.peers, *others)}
        failed = {}
        for round_ in range(self.arguments.rounds):
            print(f"{name}{', AVX2' if self.avx2 else ''}, {threads} thread{'s' if threads > 1 else ''}: round {round_ + 1} of {self.arguments.rounds}", file=sys.stderr, flush=True)
            for runtime, (plan, of_plan) in plans.items():
                reports[runtime].append(self.tenon.measure(plan, of_plan, threads, self.arguments.duration))
            for runtime in (*self.peers, *others):
                if runtime in failed:
                    continue
                try:
                    reports[runtime].append(measure.peer(runtime, *others.get(runtime, (model, inputs)), threads, self.arguments.duration))
                except Failed as error:
                    failed[runtime] = str(error).splitlines()[-1][:200]
                    print(f"{name}: {runtime}: {failed[runtime]}", file=sys.stderr)
            if all(runtime in failed for runtime in self.peers):
                raise Failed(f"no peer can run it: {failed}")
        return reports, failed

    def compiled(self, model, folder):
        measure.pin(max(self.arguments.threads))
        plan = folder / f"{model.stem}.plan"
        return plan, self.tenon.compile(model, plan, *self.options)

    def check(self, plan, model, inputs, folder):
        """Whether the outputs equal those of ONNX Runtime, as the model suite wants them."""
        expected = folder / "expected.npz"
        measure.peer("onnxruntime", model, inputs, 1, 0, "--outputs", expected)
        return self.tenon.equal(plan, inputs, expected)

    def model(self, name, folder):
        model, inputs = measure.prepare(name, folder)
        plan, compilation = self.compiled(model, folder)
        result = {"equal": self.check(plan, model, inputs, folder), "model_bytes": model.stat().st_size, "plan_bytes": plan.stat().st_size, "compile": compilation,
                  "threads": {}, "profile": {}}
        for threads in self.arguments.threads:
            reports, failed = self.rounds(name, {"tenon": (plan, inputs)}, model, inputs, threads)
            # Start and memory are those of the last number of threads.
            result |= medians(reports, ("start_ms", "session_ms", "peak_bytes", "session_bytes"))
            result["threads"][str(threads)] = medians(reports, ("median_ms",))["median_ms"]
            result["failed"] = failed
            profile = self.tenon.profile(plan, inputs, threads)
            result["memory"] = profile["memory"]
            result["profile"][str(threads)] = {"peak": profile["peak"], "fastest_ms": profile["latency_ms"]["min"], "steps": profile["profile"]}
        return result

    def batch(self, name, size, folder):
        model, inputs = measure.prepare(name, folder, size)
        plan, _ = self.compiled(model, folder)
        result = {"batch": size, "equal": self.check(plan, model, inputs, folder), "threads": {}}
        for threads in self.arguments.threads:
            reports, _ = self.rounds(name, {"tenon": (plan, inputs)}, model, inputs, threads)
            result["threads"][str(threads)] = {runtime: size / (ms * 1e-3) for runtime, ms in medians(reports, ("median_ms",))["median_ms"].items()}
        return result

    def together(self, name, sessions, folder):
        model, inputs = measure.prepare(name, folder)
        plan, _ = self.compiled(model, folder)
        rates = {runtime: [] for runtime in ("tenon", *self.peers)}
        measure.pin(sessions)
        for _ in range(self.arguments.rounds):
            rates["tenon"].append(self.tenon.together(plan, inputs, sessions, self.arguments.duration))
            for runtime in self.peers:
                rates[runtime].append(measure.peer(runtime, model, inputs, 1, self.arguments.duration, "--sessions", sessions)["runs_per_s"])
        return {"sessions": sessions, "runs_per_s": {runtime: statistics.median(of) for runtime, of in rates.items()}}

    def attempt(self, what, action, *words):
        """The result of `action`, or {"error": …}."""
        with tempfile.TemporaryDirectory(prefix="tenon-bench-") as folder:
            try:
                return action(*words, Path(folder))
            except Failed as error:
                print(f"{what}: {error}", file=sys.stderr, flush=True)
                return {"error": str(error)}


def settings_of(comparison):
    arguments = comparison.arguments
    return {"rounds": arguments.rounds, "duration_s": arguments.duration, "threads": arguments.threads, "peers": comparison.peers, "avx2": comparison.avx2, "whole": not arguments.quick and not arguments.k}


def save(results, output):
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_name(output.name + ".json").write_text(json.dumps(results, indent=1) + "\n")


def run_int8(arguments):
    """Every network on the machine as it is and held to AVX2, so that it is quantized once; with --avx2 the rest stays what it was."""
    output = arguments.output.with_name(arguments.output.name + ".json")
    parts = {} if not arguments.avx2 or not output.exists() else json.loads(output.read_text())["parts"]
    comparisons = {name: Comparison(arguments, name == "avx2") for name in int8.PARTS if name == "avx2" or not arguments.avx2}
    for name, comparison in comparisons.items():
        parts[name] = {"settings": settings_of(comparison), "models": {}}
    results = {"machine": machine.describe(arguments.tenon) | int8.versions(), "parts": parts}
    for name in int8.NETWORKS:
        if not re.search(arguments.k, name):
            continue
        with tempfile.TemporaryDirectory(prefix="tenon-bench-") as folder:
            network = int8.Network(name, Path(folder))
            for part, comparison in comparisons.items():
                with held_to(AVX2_SETTING if comparison.avx2 else {}):
                    parts[part]["models"][name] = comparison.attempt(name, lambda scratch, comparison=comparison: network.measure(comparison, medians, scratch))
                save(results, arguments.output)


@contextlib.contextmanager
def held_to(setting):
    """With these in the environment."""
    before = dict(os.environ)
    os.environ.update(setting)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def run(arguments):
    """All results; they are saved after each."""
    matches = [name for name in float_models(os.environ["TENON_SHARED"]) if re.search(arguments.k, name) and (not arguments.quick or name in QUICK)]
    comparison = Comparison(arguments, arguments.avx2)
    results = {"machine": machine.describe(arguments.tenon), "settings": settings_of(comparison), "models": {}, "batch": {}, "together": {}}
    for name in matches:
        if comparison.late():
            print(f"{name}: left out, --quick has no more time", file=sys.stderr)
            continue
        result = results["models"][name] = comparison.attempt(name, comparison.model, name)
        if "error" not in result:
            print(name, {threads: {runtime: float(f"{ms:.4g}") for runtime, ms in times.items()} | {"ratio": round(tables.ratio(times), 2)} for threads, times in result["threads"].items()}, flush=True)
        save(results, arguments.output)
    most = max(arguments.threads)
    for name in BATCHED if not arguments.quick else ():
        if name in matches:
            results["batch"][name] = comparison.attempt(f"{name}, batch 8", comparison.batch, name, 8)
            save(results, arguments.output)
    for name in TOGETHER if not arguments.quick else ("mobilenetv2_224",):
        if name in matches and most > 1:
            results["together"][name] = comparison.attempt(f"{name}, {most} contexts", comparison.together, name, most)
            save(results, arguments.output)
    measure.pin(most)
    results["dispatch"] = comparison.attempt("dispatch", overhead.measure, comparison.tenon, most)
    save(results, arguments.output)


def report(output, is_int8):
    results = json.loads(output.with_name(output.name + ".json").read_text())
    text = int8.report(results) if is_int8 else tables.report(results)
    output.with_name(output.name + ".md").write_text(text)
    if not is_int8:
        output.with_name(output.name + ".svg").write_text(chart.svg(results))
    print(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenon", type=Path, default=ROOT / "build/release/bin/tenon")
    parser.add_argument("-k", default="", metavar="PATTERN", help="only models whose name matches this regular expression")
    parser.add_argument("--threads", help="thread counts to measure (1,2; with --int8 2)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duration", type=float, default=0.8, help="seconds of each measurement (0.8)")
    parser.add_argument("--quick", action="store_true", help="one round of 0.3 s of few models: under two minutes")
    parser.add_argument("--avx2", action="store_true", help="hold Tenon and OpenVINO to AVX2; writes bench/avx2 by default. With --int8: only that part again")
    parser.add_argument("--int8", action="store_true", help="what 8 bits gain, as the machine is and held to AVX2; writes bench/int8 by default")
    parser.add_argument("--report", action="store_true", help="measure nothing: tables and chart from OUTPUT.json")
    parser.add_argument("--output", type=Path, help="where to write, without the ending: bench/results, or build/bench/part where only some models are measured")
    arguments = parser.parse_args()
    arguments.threads = [int(count) for count in (arguments.threads or ("2" if arguments.int8 else "1,2")).split(",") if int(count) <= len(measure.CPUS)]
    if arguments.quick:
        arguments.rounds, arguments.duration = 1, 0.3
    if arguments.output is None:
        whole = "int8" if arguments.int8 else "avx2" if arguments.avx2 else "results"
        arguments.output = ROOT / ("build/bench/part" if arguments.quick or arguments.k else f"bench/{whole}")
    if arguments.avx2 and not arguments.int8:
        os.environ.update(AVX2_SETTING)
    if not arguments.report:
        if "TENON_SHARED" not in os.environ:
            sys.exit("compare.py: set TENON_SHARED to the folder with the models")
        if not arguments.threads:
            sys.exit("compare.py: this process may use too few CPUs for --threads")
        (run_int8 if arguments.int8 else run)(arguments)
    report(arguments.output, arguments.int8)


if __name__ == "__main__":
    main()
