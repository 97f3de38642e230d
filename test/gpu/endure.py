#!/usr/bin/env python3
"""Runs plans of the folder for long and under bad conditions on the GPU: what check.py, which compares numbers, does not show.

    endure.py [-k PATTERN] [--fewest] [--only CHECK ...] [--runs N] [--sanitize TOOL ...]

Checks, each of every plan in a process of its own:
    repeat      N runs: the same bytes every time, no memory of the device or the host taken
    together    two contexts of one plan at once, on other inputs, give what each gives alone
    queued      tn_run_async on two streams, between copies of the application that wait by events; tensors in its memory, aligned and not
    turns       more sets of tensors in turn than a context keeps graphs for
    refuses     tensors on the host, freed, longer than their memory, on another GPU
    exhausted   no memory left on the device: an error, and the context goes on when there is some
    reload      contexts and plans closed while their runs are queued, and opened again
    devices     contexts of one plan on two GPUs
    broken      a failed kernel of the application
    foreign     a plan without code for this GPU; processes that see no GPU
With --sanitize plans run under tools of compute-sanitizer instead: memcheck, racecheck, synccheck and initcheck, or those that are named. The last
line is `N passed, N failed, N skipped`.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from archive import expand
from endurance import PER_PLAN, Case, Skipped, Wrong, refused
from device import DeviceError
from kinds import fewest
from runtime import Failure, Library, Plan

HERE = Path(__file__).resolve().parent
ALONE = {"repeat", "exhausted", "reload"}  # they measure or fill the device's memory
SANITIZERS = ["memcheck", "racecheck", "synccheck", "initcheck"]
SANITIZED_RUNS = 3  # the third is a graph of everything
RACING_RUNS = 1     # each takes a thousand times as long as without the tool, and more
FOREIGN = "foreign.plan.xz"
SKIP = 77


def foreign(library):
    """Plans that no GPU here, or no GPU at all, can run."""
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"foreign-{os.getpid()}.plan"
    path.write_bytes(expand((HERE / FOREIGN).read_bytes()))
    try:
        if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
            return refused("a process without GPUs", "TN_DEVICE", "shows no GPU", lambda: Plan(library, path))
        return refused("a plan for another architecture", "TN_WRONG_TARGET", "holds code for .*compile with --target cuda:sm_", lambda: Plan(library, path))
    finally:
        path.unlink()


def run_one(check, entry, runs):
    """The body of a child: prints what it found."""
    library = Library(HERE / "libtenon_runtime.so")
    try:
        print(foreign(library) if check == "foreign" else PER_PLAN[check](Case(library, entry, runs)))
    except Skipped as reason:
        print(reason)
        return SKIP
    except (Wrong, Failure, DeviceError) as problem:
        print(problem)
        return 1
    return 0


def tasks(arguments, entries):
    """(name, command, environment) of every child. Where racecheck looks at some kernels alone, it has to look at all that are launched in clusters: that of CUDA 13.0 breaks off with
    an access of its own to memory which is not there at the first of those that it passes over."""
    chosen = [(i, entry, list(entry.get("kinds", []))) for i, entry in enumerate(entries) if arguments.k in entry["plan"]]
    if arguments.fewest:
        chosen = [(*chosen[i][:2], kinds) for i, kinds in fewest([entry for _, entry, _ in chosen])]
    if arguments.sanitize is not None:
        program = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
        for tool in arguments.sanitize or SANITIZERS:
            options = ["--tool", tool, "--error-exitcode", "9", "--print-limit", "5", *(["--leak-check", "full"] if tool == "memcheck" else [])]
            for i, entry, kinds in chosen:
                looked_at = sorted({entry["kinds"][kind] for kind in kinds} | set(entry["clusters"])) if tool == "racecheck" and arguments.fewest else []
                kernels = [word for kernel in looked_at for word in ("--kernel-name", f"kne={kernel}")]
                runs = str(RACING_RUNS if tool == "racecheck" else SANITIZED_RUNS)
                yield f"{tool:9} {entry['plan'][:-8]}", [program, *options, *kernels, sys.executable, str(HERE / "check.py"), "--runs", runs, "--one", str(i)], {}
        return
    for check in arguments.only or [*PER_PLAN, "foreign"]:
        if check == "foreign":
            for visible in ({}, {"CUDA_VISIBLE_DEVICES": ""}):
                yield f"{check:9} {'without a GPU' if visible else 'another GPU'}", [sys.executable, __file__, "--one", check, "0"], visible
            continue
        for i, entry, _ in chosen:
            yield f"{check:9} {entry['plan'][:-8]}", [sys.executable, __file__, "--runs", str(arguments.runs), "--one", check, str(i)], {}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", default="", help="only plans whose name contains this")
    parser.add_argument("-j", type=int, default=4, help="processes at a time, of checks that may share the GPU")
    parser.add_argument("--only", nargs="+", choices=[*PER_PLAN, "foreign"], help="only these checks")
    parser.add_argument("--runs", type=int, default=10_000, help="of `repeat`; others take a part of it")
    parser.add_argument("--sanitize", nargs="*", choices=SANITIZERS, help="tools of compute-sanitizer; none named: all")
    parser.add_argument("--fewest", action="store_true", help="only plans that together launch every kind of kernel (kinds.py); racecheck looks at one kernel of each kind")
    parser.add_argument("--timeout", type=int, default=600, help="seconds for each child")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    entries = json.loads((HERE / "plans.json").read_text())
    if arguments.one:
        return run_one(arguments.one[0], entries[int(arguments.one[1])], arguments.runs)

    def child(task):
        name, command, environment = task
        start = time.monotonic()
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=arguments.timeout, env=os.environ | environment)
            code, text = done.returncode, (done.stdout + done.stderr[-2000:]).strip()
        except subprocess.TimeoutExpired as expired:
            code, text = -1, f"not done after {arguments.timeout} s: {(expired.stdout or b'').decode(errors='replace')[-500:]}"
        verdict = {0: "ok", SKIP: "skip"}.get(code, "FAIL")
        if verdict == "FAIL":
            text = f"exit code {code}: {text[:4000]}"
        elif arguments.sanitize is not None:
            text = text.splitlines()[-1] if text else ""
        print(f"{verdict:4} {name:40} {time.monotonic() - start:5.1f} s {text}", flush=True)
        return verdict

    listed = list(tasks(arguments, entries))
    apart = [task for task in listed if task[0].split()[0] in ALONE]
    with ThreadPoolExecutor(arguments.j) as pool:
        verdicts = list(pool.map(child, [task for task in listed if task not in apart]))
    verdicts += [child(task) for task in apart]
    print(f"{verdicts.count('ok')} passed, {verdicts.count('FAIL')} failed, {verdicts.count('skip')} skipped")
    return 1 if "FAIL" in verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
