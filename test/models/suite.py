#!/usr/bin/env python3
"""Compiles and runs whole models, and compares every output: with golden files where there are any, otherwise with ONNX Runtime.

    suite.py --tenon build/release/bin/tenon [-k PATTERN] [-j 2] [--json REPORT.json]

Small models are made on the spot. Trained ones, and skeletons whose weights are made up, come from the folder that TENON_SHARED names; without
it they are skipped. Besides the outputs it tests the arena against its lower bound and the number of dispatches; it reports, without failing,
times and memory against the budgets. The last line is `N passed, N failed, N skipped`.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cases
import make_models
from reference import Reference


class Result:
    """What happened to one model: tests by name, and what was measured."""

    def __init__(self, model):
        self.model, self.passed, self.failures, self.skipped, self.numbers = model, [], [], [], {}

    def test(self, name, good, message=""):
        if good:
            self.passed.append(name)
        else:
            self.failures.append((name, message))


# A child's peak counts what its parent held when it forked: a small process in between keeps this one's models out of the measurement.
MEASURE = "import os, sys; pid = os.spawnv(os.P_NOWAIT, sys.argv[2], sys.argv[2:]); _, status, usage = os.wait4(pid, 0); os.write(int(sys.argv[1]), b'%d %d' % (os.waitstatus_to_exitcode(status), usage.ru_maxrss))"


def execute(command):
    """Runs a command; returns (exit status, output, errors, peak bytes)."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as result:
        measured = [sys.executable, "-S", "-c", MEASURE, result.fileno(), *command]
        subprocess.run([str(word) for word in measured], stdout=out, stderr=err, stdin=subprocess.DEVNULL, pass_fds=[result.fileno()], check=False)
        for file in (out, err, result):
            file.seek(0)
        status, peak = map(int, result.read().split())
        return status, out.read().decode(errors="replace"), err.read().decode(errors="replace"), peak * 1024


class Suite:
    def __init__(self, arguments):
        self.tenon = arguments.tenon
        self.threads = arguments.threads
        self.shared = os.environ.get("TENON_SHARED")
        self.disk = threading.Lock()  # one materialized skeleton at a time
        native = next(target for target in json.loads(execute([self.tenon, "targets", "--json"])[1]) if target["name"] == "native")
        self.multiplies_bf16 = bool({"avx512bf16", "bf16"} & set(native["features"].split()))

    # Where the model is, or None.
    def source(self, model):
        if model.kind == "small" or not self.shared:
            return None
        folder = Path(self.shared) / "models" / ("skeletons" if model.kind == "skeleton" else "")
        path = folder / f"{model.name}.onnx"
        return path if path.exists() else None

    def run(self, model):
        result = Result(model)
        source = self.source(model)
        if (model.kind != "small" and source is None) or (model.kind == "bf16" and not self.multiplies_bf16):
            result.skipped.append(model.name)
            return result
        with tempfile.TemporaryDirectory(prefix="tenon-models-") as folder:
            folder = Path(folder)
            if model.kind == "skeleton":
                with self.disk:
                    self.materialize_and_run(model, source, folder, result)
            else:
                if model.kind == "small":
                    source = folder / f"{model.name}.onnx"
                    onnx.save(make_models.MODELS[model.name][0](), source)
                self.compile_and_run(model, source, folder, result)
        return result

    def materialize_and_run(self, model, source, folder, result):
        path = folder / f"{model.name}.onnx"
        status, _, errors, _ = execute([sys.executable, Path(self.shared) / "models" / "materialize.py", source, path])
        if status:
            result.test("materialize", False, errors[-500:])
            return
        self.compile_and_run(model, path, folder, result)

    def compile_and_run(self, model, source, folder, result):
        plan = folder / "model.plan"
        start = time.monotonic()
        options = ["--precision", "bf16"] if model.kind == "bf16" else []
        status, output, errors, peak = execute([self.tenon, "compile", source, "-o", plan, "--json", *options])
        if status:
            result.test("compile", False, f"exit code {status}: {errors.strip()[:2000]}")
            return
        compiled = json.loads(output)
        size = source.stat().st_size
        result.numbers = {
            "compile_s": time.monotonic() - start, "compile_peak": peak, "compile_budget": 2 * size + 400e6,
            "plan_bytes": plan.stat().st_size, "dispatches": compiled["dispatches"], "kernels": compiled["kernels"],
        }
        result.test("compile", True)
        if (limit := cases.DISPATCHES.get(model.name)) and model.kind != "bf16":
            result.test("dispatches", compiled["dispatches"] <= limit, f"{compiled['dispatches']} dispatches, at most {limit} expected")
        golden = Path(self.shared or "") / "models" / "golden" / f"{model.name}.npz"
        if allowed := cases.QUANTIZED.get(model.name):
            self.compare_on_average(plan, golden, golden, allowed, result)
        elif model.kind in ("golden", "bf16"):
            self.compare(plan, golden, golden, "golden", result)
        if model.shapes:
            reference = Reference(source)
            for shapes in model.shapes:
                self.compare_with_reference(plan, reference, shapes, folder, result)

    def compare_with_reference(self, plan, reference, shapes, folder, result):
        shapes = {name: shape for name, shape in shapes.items() if shape is not None}
        name = " ".join("x".join(map(str, shape)) or "scalar" for shape in shapes.values()) or "reference"
        inputs = reference.inputs(shapes, seed=len(result.passed))
        try:
            outputs = reference.outputs(inputs)
        except Exception as error:  # ONNX Runtime's own exceptions have no common base
            result.test(name, False, f"ONNX Runtime: {error}")
            return
        files = folder / "inputs.npz", folder / "expected.npz"
        np.savez(files[0], **{f"in:{key}": array for key, array in inputs.items()})
        np.savez(files[1], **{f"out:{key}": array for key, array in outputs.items()})
        self.compare(plan, *files, name, result)

    def compare_on_average(self, plan, inputs, expected, allowed, result):
        """The mean error of every output, for networks whose single elements say little."""
        found = plan.parent / "found.npz"
        status, _, errors, _ = execute([self.tenon, "run", plan, "--inputs", inputs, "--outputs", found, "--threads", self.threads])
        if status:
            result.test("golden", False, f"exit code {status}: {errors.strip()[:2000]}")
            return
        wanted, arrays = np.load(expected), np.load(found)
        for key in arrays:
            right = wanted[f"out:{key}"].astype(np.float64)
            error = np.mean(np.abs(arrays[key] - right)) / np.mean(np.abs(right))
            result.test(f"golden, {key}", error <= allowed, f"mean error {error:.4f} of the mean magnitude, allowed {allowed}")
            result.numbers["error"] = max(result.numbers.get("error", 0), error / allowed)

    def compare(self, plan, inputs, expected, name, result):
        tolerance = ["--rtol", cases.BF16_TOLERANCE] if result.model.kind == "bf16" else []
        status, output, errors, peak = execute([self.tenon, "run", plan, "--inputs", inputs, "--expect", expected, "--threads", self.threads, "--json", *tolerance])
        if not output.startswith("{"):
            result.test(name, False, f"exit code {status}: {errors.strip()[:2000]}")
            return
        report = json.loads(output)
        bad = [o for o in report["outputs"] if not o.get("equal", True)]
        result.test(name, status == 0 and not bad, "; ".join(f"{o['name']} {o['type']}: {o.get('problem') or difference(o)}" for o in bad) or f"exit code {status}")
        worst = max((ratio(o) for o in report["outputs"]), default=0)
        result.numbers["error"] = max(result.numbers.get("error", 0), worst)
        status, output, errors, _ = execute([self.tenon, "bench", plan, "--inputs", inputs, "--threads", 1, "--duration", "0s", "--warmup", "0s", "--json"])
        if status:
            result.test(f"{name}, again", False, errors.strip()[:2000])
            return
        measured = json.loads(output)
        memory = measured["memory"]
        result.numbers.setdefault("run_ms", measured["latency_ms"]["median"])
        result.numbers.setdefault("memory", memory)
        result.numbers.setdefault("run_extra", memory["peak_process_bytes"] - memory["weights_bytes"] - memory["arena_bytes"] - memory["tensor_bytes"])
        allowed = max(memory["lower_bound"] * cases.ARENA_RATIO, memory["lower_bound"] + 64)
        result.test(f"{name}, arena", memory["arena_bytes"] <= allowed, f"arena {memory['arena_bytes']} B, lower bound {memory['lower_bound']} B")


def ratio(output):
    """The error of an output as a part of what is allowed."""
    error = output.get("max_error", 0)
    return float("inf") if error is None else error / output["allowed"] if output.get("allowed") else float(error > 0)


def difference(output):
    error = output["max_error"]
    return f"differs first at {output['worst_index']}" if error is None else f"error {error:.2e}, allowed {output['allowed']:.2e}, at {output['worst_index']}"


def line(result):
    numbers = result.numbers
    verdict = "FAILED" if result.failures else "skipped" if result.skipped else "ok"
    text = f"{result.model.title:28} {verdict:8}{len(result.passed):3} "
    if "compile_s" in numbers:
        text += f"{numbers['compile_s']:7.1f} s {numbers['compile_peak'] / 1e6:7.0f} MB {numbers['plan_bytes'] / 1e6:7.1f} MB {numbers['dispatches']:5}"
    if memory := numbers.get("memory"):
        bound = memory["lower_bound"]
        text += f" {memory['arena_bytes'] / 1e6:8.2f} MB {memory['arena_bytes'] / bound if bound else 1:6.3f} {numbers['run_extra'] / 1e6:6.1f} MB {numbers['run_ms']:9.2f} ms {numbers['error']:7.3f}"
    for name, message in result.failures:
        text += f"\n    {name}: {message}"
    return text


TITLE = f"{'model':28} {'verdict':8}{'ok':>3} {'compile':>9} {'peak':>10} {'plan':>10} {'disp.':>5} {'arena':>11} {'/bound':>6} {'extra':>9} {'run, 1 thr.':>12} {'error':>7}"


def budgets(results):
    """Lines for what exceeds its budget; none of them is a failure."""
    for result in results:
        numbers, name = result.numbers, result.model.name
        if (limit := cases.COMPILE_SECONDS.get(name)) and numbers.get("compile_s", 0) > limit:
            yield f"{name}: compiled in {numbers['compile_s']:.1f} s, budget {limit} s"
        if numbers.get("compile_peak", 0) > numbers.get("compile_budget", 0):
            yield f"{name}: compiling took {numbers['compile_peak'] / 1e6:.0f} MB, budget {numbers['compile_budget'] / 1e6:.0f} MB"
        if numbers.get("run_extra", 0) > 10e6:
            yield f"{name}: running took {numbers['run_extra'] / 1e6:.1f} MB beyond weights, arena and tensors, budget 10 MB"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenon", required=True, type=Path, help="the driver")
    parser.add_argument("-k", default="", metavar="PATTERN", help="only models whose name matches this regular expression")
    parser.add_argument("-j", type=int, default=2, metavar="N", help="models at a time (2)")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="threads of a run (2)")
    parser.add_argument("--json", type=Path, help="write what was measured to this file")
    arguments = parser.parse_args()

    suite = Suite(arguments)
    wanted = [model for model in cases.models(make_models.MODELS) if re.search(arguments.k, model.title)]
    print("error: largest error as a part of what is allowed; extra: peak memory of a run beyond weights, arena, inputs and outputs")
    print(TITLE, flush=True)
    results = []
    with ThreadPoolExecutor(max(1, arguments.j)) as pool:
        for result in pool.map(suite.run, wanted):
            results.append(result)
            print(line(result), flush=True)

    exceeded = list(budgets(results))
    if exceeded:
        print("\nOver budget (reported, no failures):\n  " + "\n  ".join(exceeded))
    if arguments.json:
        arguments.json.write_text(json.dumps({r.model.title: {"passed": r.passed, "failed": r.failures, "skipped": r.skipped, **r.numbers} for r in results}, indent=2))
    if any(result.skipped for result in results):
        print("\nModels were skipped: set TENON_SHARED to the folder that holds them")
    count = lambda what: sum(len(getattr(result, what)) for result in results)
    print(f"{count('passed')} passed, {count('failures')} failed, {count('skipped')} skipped")
    return count("failures") != 0


if __name__ == "__main__":
    sys.exit(main())
