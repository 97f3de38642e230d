#!/usr/bin/env python3
"""Runs every plan of the folder on the GPU and compares all outputs with the goldens: max |a - b| <= rtol * max |b|.

    check.py [-k PATTERN] [--runs N] [--part I/N]

Each plan runs in a process of its own: an error on a GPU ends all that a process can do there.
rtol is 2e-4 for fp32 and 1e-2 for tf32, fp16 and bf16. In 8 bits, where rounding another way makes a whole step, the length of the difference counts, and rtol is
1e-2, and 3e-2 in floats of 8 bits, whose steps are an eighth of the number. Later runs on the same inputs must give the same bytes; of plans for times alone, whose weights are others, that is all. The last line is
`N passed, N failed`.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from archive import expand, loaded
from runtime import Failure, Library, Plan

HERE = Path(__file__).resolve().parent
RTOL = {"fp32": 2e-4, "tf32": 1e-2, "fp16": 1e-2, "bf16": 1e-2}
RTOL_OF_BYTES = {"int8": 1e-2, "fp8": 3e-2}
RUNS = 5  # of each plan; what one with branches or loops does more than twice becomes a graph


def opened(library, packed):
    """The plan in a compressed file."""
    with tempfile.NamedTemporaryFile(suffix=".plan") as file:
        file.write(expand(packed.read_bytes()))
        file.flush()
        return Plan(library, file.name)


def error(found, expected, rtol, of_bytes=False):
    """The largest difference over the largest expected value, or of bytes the length of both, and whether that is allowed."""
    if found.shape != expected.shape:
        return f"shape {found.shape}, expected {expected.shape}", False
    if not found.size:
        return "empty", True
    if found.dtype.kind not in "fc":
        wrong = np.count_nonzero(found != expected)
        return f"{wrong} of {found.size} differ", wrong == 0
    a, b = found.astype(np.float64), expected.astype(np.float64)
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return "NaN or infinity", False
    finite = np.isfinite(b)
    if not finite.any():
        return "0", True
    size = np.linalg.norm if of_bytes else lambda values: np.abs(values).max()
    largest, worst = size(b[finite]), size((a - b)[finite])
    return f"{worst / max(largest, 1e-30):.1e}", bool(worst <= rtol * largest)


def kept(array, every):
    """The elements that the golden has (pack.py); all of an output of another shape, which is an error."""
    return array if every is None or array.shape[1:] != tuple(every[1:]) else array.reshape(len(array), -1)[:, :: every[0]]


def check(library, entry, runs):
    golden = loaded(HERE / entry["golden"], entry.get("batch", 0))
    plan = opened(library, HERE / entry["plan"])
    inputs = {key[3:]: golden[key] for key in golden if key.startswith("in:")}
    first = {name: array.copy() for name, array in plan.run(inputs).items()}
    start = time.perf_counter()
    later = [plan.run(inputs) for _ in range(runs - 1)]
    milliseconds = (time.perf_counter() - start) * 1e3 / max(1, runs - 1)
    notes, good = ["made-up weights"] if entry.get("made_up") else [], True
    for name, array in first.items():
        if f"out:{name}" in golden and not entry.get("made_up"):
            rtol = RTOL_OF_BYTES["fp8" if "_fp8" in entry["name"] else "int8"] if entry.get("bytes") else RTOL[entry["precision"]]
            note, fine = error(kept(array, golden.get(f"every:{name}")), golden[f"out:{name}"], rtol, entry.get("bytes", False))
            notes.append(note)
            good &= fine
        if any(array.tobytes() != outputs[name].tobytes() for outputs in later):
            notes.append("a later run differs")
            good = False
    plan.close()
    if not notes:
        return False, "the golden holds nothing to compare with"
    return good, f"{' '.join(notes[:6])}; {runs - 1} more, {milliseconds:.2f} ms each"


def run_one(entry, runs):
    """The body of a child: prints the verdict."""
    try:
        good, note = check(Library(HERE / "libtenon_runtime.so"), entry, runs)
    except (Failure, KeyError, OSError) as problem:
        good, note = False, str(problem)
    print(f"{'ok  ' if good else 'FAIL'} {entry['name']:28} {entry['precision']} {note}", flush=True)
    return 0 if good else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", default="", help="only plans whose name contains this")
    parser.add_argument("-j", type=int, default=4, help="processes at a time")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each plan")
    parser.add_argument("--part", default="0/1", metavar="I/N", help="every Nth plan, from the Ith on: for several GPUs")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    entries = json.loads((HERE / "plans.json").read_text())
    if arguments.one is not None:
        return run_one(entries[arguments.one], max(1, arguments.runs))
    chosen = [i for i, entry in enumerate(entries) if arguments.k in entry["plan"]]
    first, parts = map(int, arguments.part.split("/"))
    chosen = chosen[first::parts]

    def child(index):
        done = subprocess.run([sys.executable, __file__, "--runs", str(arguments.runs), "--one", str(index)], capture_output=True, text=True, check=False)
        print(done.stdout.strip() or f"FAIL {entries[index]['plan']}: exit code {done.returncode}: {done.stderr.strip()[-300:]}", flush=True)
        return done.returncode == 0

    with ThreadPoolExecutor(arguments.j) as pool:
        verdicts = list(pool.map(child, chosen))
    print(f"{sum(verdicts)} passed, {len(verdicts) - sum(verdicts)} failed")
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
