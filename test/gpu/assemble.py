#!/usr/bin/env python3
"""Compiles models for every generation of GPUs, assembles their kernels with ptxas, and tests what it reports. No GPU is needed.

    assemble.py --tenon build/release/bin/tenon [-k PATTERN] [-j 2] [--target cuda:sm_90a ...] [--precision fp16,fp32,tf32,bf16] [--few] [--report FILE.tsv]

Models and skeletons come from the folder that TENON_SHARED names; without it, or without ptxas, they are skipped. Of each plan:

    compile      it compiles; in fp32 alone where the targets differ in it (FP32), some models (ROUNDED) in tf32 and bf16 too, and networks in 8 bits in fp16
    machine code there is some for its architecture
    registers    a block of the kernel fits into the registers of a multiprocessor
    shared       dynamic and static shared memory fit into a block of that GPU
    spills       registers that are kept in memory meanwhile take at most SPILLED bytes: some words, not an array
    notes        ptxas did not say that it serializes `wgmma`, or ignores a register budget

--few takes some small models: for every `make test`. The last line is `N passed, N failed, N skipped`.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPORTING_PTXAS = HERE.parent / "lit" / "passes" / "6_codegen" / "gpu" / "Inputs" / "reporting-ptxas.sh"
# Bytes of shared memory that a block may have (CUDA C++ Programming Guide, "Compute Capabilities").
SHARED_OF_BLOCK = {arch: kilobytes << 10 for arch, kilobytes in {75: 64, 80: 163, 86: 99, 87: 163, 88: 99, 89: 99, 90: 227, 100: 227, 103: 227, 110: 227, 120: 99, 121: 99}.items()}
FP32 = ("cuda:sm_75", "cuda:sm_80", "cuda:sm_89", "cuda:sm_90a")  # f32 has no matrix units on the first, and what little shared memory the third has on sm_120
# Models whose layers, together, have the ways of products, norms, attention and gates, and the targets whose code for f32 in one product and for bf16 differs.
ROUNDED = re.compile(r"(resnet20_cifar10|vit_cifar10|mobilenet_v3_large|yolov8n_640|bert_base_s128|whisper_tiny_enc)$")
ROUNDED_TARGETS = ("cuda:sm_80", "cuda:sm_90a")
# Of equal ones only one: 86 and 88 are as 89, 103a as 100a, 121a as 120a. A board has more shared memory than its architecture's code may count on.
TARGETS = [*(f"cuda:sm_{arch}" for arch in ("75", "80", "89", "90a", "100a", "110a", "120a")), "jetson-orin"]
REGISTERS, REGISTERS_OF_WARP = 65536, 256  # of a multiprocessor; a warp gets them in such units
SPILLED = 128  # stored and loaded: sixteen registers of a thread
IN_BYTES = re.compile(r"_(qdq|dynq_.8)$")
FEW = "mnist8_cntk|resnet20_cifar10|vit_cifar10"
NOTES = re.compile(r"serialized|setmaxnreg.*ignored|Potential Performance Loss")


@dataclass
class Kernel:
    """What ptxas said about one."""

    name: str
    registers: int = 0
    shared: int = 0  # static
    stack: int = 0
    spilled: int = 0


def kernels_of(report):
    """{name: Kernel} of ptxas's report."""
    kernels, current = {}, None
    for line in report.splitlines():
        if found := re.search(r"Compiling entry function '([\w$]+)'", line):
            current = kernels.setdefault(found[1], Kernel(found[1]))
        elif found := re.search(r"Function properties for ([\w$]+)", line):
            current = kernels.setdefault(found[1], Kernel(found[1]))
        elif found := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line):
            current.stack, current.spilled = int(found[1]), int(found[2]) + int(found[3])
        elif found := re.search(r"Used (\d+) registers", line):
            current.registers = int(found[1])
            shared = re.search(r"(\d+) bytes smem", line)
            current.shared = int(shared[1]) if shared else 0
    return kernels


def problems_of(kernel, planned, capability):
    """What is wrong with a kernel: (test, sentence)."""
    of_warp = -(-kernel.registers * 32 // REGISTERS_OF_WARP) * REGISTERS_OF_WARP
    used = -(-planned["threads"] // 32) * of_warp
    shared = planned["shared_bytes"] + kernel.shared
    where = f"{kernel.name} ({planned['family']} {planned['schedule']})"
    if used > REGISTERS:
        yield "registers", f"{where}: {planned['threads']} threads of {kernel.registers} registers need {used}, a multiprocessor has {REGISTERS}"
    if shared > SHARED_OF_BLOCK[capability]:
        yield "shared", f"{where}: {shared} bytes of shared memory, sm_{capability} gives a block {SHARED_OF_BLOCK[capability]}"
    if kernel.spilled > SPILLED:
        yield "spills", f"{where}: {kernel.spilled} bytes are spilled, at most {SPILLED} expected"


def precisions_of(model, target, arguments):
    """In which to compile it; without --precision those in which there is code of its own."""
    if arguments.precision:
        return arguments.precision.split(",")
    precisions = ["fp16"]
    if not arguments.few and not IN_BYTES.search(model):
        precisions += ["fp32"] if target in FP32 or target not in TARGETS else []
        precisions += ["tf32", "bf16"] if target in ROUNDED_TARGETS and ROUNDED.match(model) else []
    return precisions


class Checker:
    def __init__(self, arguments):
        self.arguments, self.lock = arguments, threading.Lock()
        self.passed, self.failed, self.skipped, self.rows = 0, 0, 0, []

    def say(self, good, name, text, problems=()):
        with self.lock:
            self.passed, self.failed = self.passed + good, self.failed + (not good)
            print(f"{'ok  ' if good else 'FAIL'} {name:52} {text}", flush=True)
            for problem in problems:
                print(f"     {problem}", flush=True)

    def plan(self, model, path, target, precision, folder):
        name, plan, report = f"{model} {target} {precision}", folder / f"{target}.{precision}.plan", folder / f"{target}.{precision}.report"
        environment = os.environ | {"TENON_PTXAS": str(REPORTING_PTXAS), "PTXAS_REPORT": str(report)}
        start = time.monotonic()
        done = subprocess.run([str(self.arguments.tenon), "compile", str(path), "--target", target, "--precision", precision, "-o", str(plan), "--quiet"],
                              capture_output=True, text=True, env=environment, check=False)
        seconds = time.monotonic() - start
        if done.returncode:
            said = [line for line in report.read_text().splitlines() if "error" in line][:3] if report.exists() else []
            return self.say(False, name, f"exit code {done.returncode}: {done.stderr.strip()[:300]}", said)
        said = json.loads(subprocess.run([str(self.arguments.tenon), "inspect", str(plan), "--json"], capture_output=True, text=True, check=True).stdout)
        plan.unlink()
        text = report.read_text() if report.exists() else ""  # a plan may copy and decide alone
        found, capability = kernels_of(text), int(re.search(r"sm_(\d+)", said["arch"])[1])
        problems = [f"notes: {line.strip()}" for line in text.splitlines() if NOTES.search(line)]
        if text and not any(not code["ptx"] and code["arch"] == said["arch"] for code in said["device_code"]):
            problems.append("machine code: the plan has none")
        for planned in said["kernels"]:
            if kernel := found.get(planned["name"]):
                problems += [f"{test}: {sentence}" for test, sentence in problems_of(kernel, planned, capability)]
                self.rows.append((model, target, precision, kernel.name, planned["family"], planned["threads"], kernel.registers, kernel.stack, kernel.spilled,
                                  planned["shared_bytes"] + kernel.shared, planned["schedule"]))
            else:
                problems.append(f"machine code: ptxas does not mention '{planned['name']}'")
        of_branches = set(found) - {planned["name"] for planned in said["kernels"]}  # of plans that this one calls, which inspect does not list
        problems += [f"spills: {name}: {found[name].spilled} bytes are spilled, at most {SPILLED} expected" for name in sorted(of_branches) if found[name].spilled > SPILLED]
        registers, spilled = (max((getattr(kernel, what) for kernel in found.values()), default=0) for what in ("registers", "spilled"))
        return self.say(not problems, name, f"{len(said['kernels'])} kernels, at most {registers} registers, {spilled} bytes spilled, {seconds:.1f} s", problems)

    def model(self, path):
        arguments, model = self.arguments, path.stem
        with tempfile.TemporaryDirectory(prefix="tenon-assemble-") as folder:
            folder = Path(folder)
            if path.parent.name == "skeletons":
                whole = folder / path.name
                subprocess.run([sys.executable, str(path.parent.parent / "materialize.py"), str(path), str(whole)], check=True)
                path = whole
            for target in arguments.target or TARGETS:
                for precision in precisions_of(model, target, arguments):
                    self.plan(model, path, target, precision, folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenon", type=Path, required=True)
    parser.add_argument("-k", default="", metavar="PATTERN", help="only models whose name matches this regular expression")
    parser.add_argument("-j", type=int, default=os.cpu_count(), help="models at a time")
    parser.add_argument("--target", nargs="+", help="by default one for each generation")
    parser.add_argument("--precision", help="in all of these; by default what the head of this file says")
    parser.add_argument("--few", action="store_true", help="some small models in fp16")
    parser.add_argument("--report", type=Path, help="write a line for each kernel to this file")
    arguments = parser.parse_args()
    shared = Path(os.environ.get("TENON_SHARED", "/nonexistent")) / "models"
    paths = [path for path in [*sorted(shared.glob("*.onnx")), *sorted(shared.glob("skeletons/*.onnx"))]
             if re.search(arguments.k, path.stem) and (not arguments.few or re.fullmatch(FEW, path.stem))]
    paths.sort(key=lambda path: (path.parent.name == "skeletons", path.stat().st_size))  # the quick ones first
    checker = Checker(arguments)
    if not paths or not shutil.which("ptxas"):
        print("skipped: " + ("there is no ptxas in PATH" if paths else "set TENON_SHARED to the folder that holds the models"))
        checker.skipped = 1
    else:
        with ThreadPoolExecutor(arguments.j) as pool:
            list(pool.map(checker.model, paths))
    if arguments.report:
        head = "model target precision kernel family threads registers stack spilled shared schedule".split()
        arguments.report.write_text("".join("\t".join(map(str, row)) + "\n" for row in [head, *sorted(checker.rows, key=str)]))
    print(f"{checker.passed} passed, {checker.failed} failed, {checker.skipped} skipped")
    return 1 if checker.failed else 0


if __name__ == "__main__":
    sys.exit(main())
