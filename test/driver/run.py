#!/usr/bin/env python3
"""Tests of the command line: every verb once on a small model, and bad input of every kind.

    run.py --tenon build/release/bin/tenon [-k PATTERN] [-j N]

Bad input must give exit code 1 (2 for wrong usage) and a message, and leave no file behind. The last line is `N passed, N failed, N skipped`.
"""
import argparse
import os
import re
import sys
import tempfile
import traceback
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent / "models")]
import accuracy
import agents
import bad_models
import bad_plans
import bad_tensors
import few_bits
import float8
import gpu
import gpu_folders
import invalid_models
import other_quantizers
import quantization
import quantization_methods
import reports
import tuning
import verbs
from harness import Driver, Skip

MODULES = (tuning, agents, reports, accuracy, quantization, quantization_methods, few_bits, float8, other_quantizers, gpu, gpu_folders, verbs, invalid_models, bad_models, bad_tensors, bad_plans)  # what takes longest first


def start(tenon, folder):
    """What a process of tests works with: a driver in a folder of its own."""
    global driver
    driver = Driver(tenon, Path(tempfile.mkdtemp(dir=folder)))


def run(title, test):
    """(passed, failed, skipped) and a line that says so."""
    try:
        test(driver)
        return (1, 0, 0), f"ok      {title}"
    except Skip as reason:
        return (0, 0, 1), f"skipped {title}: {reason}"
    except Exception as error:
        where = "" if isinstance(error, AssertionError) and str(error) else traceback.format_exc()
        return (0, 1, 0), f"FAILED  {title}: {error}\n{where}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenon", required=True, type=Path)
    parser.add_argument("-k", default="", metavar="PATTERN", help="only tests whose name matches this regular expression")
    parser.add_argument("-j", type=int, default=os.cpu_count(), metavar="N", help="processes")
    arguments = parser.parse_args()
    tests = [(f"{module.__name__}.{name.removeprefix('test_')}", test) for module in MODULES for name, test in sorted(vars(module).items()) if name.startswith("test_")]
    chosen = [(title, test) for title, test in tests if re.search(arguments.k, title)]
    counts = [0, 0, 0]
    with tempfile.TemporaryDirectory(prefix="tenon-driver-") as folder, ProcessPoolExecutor(arguments.j, initializer=start, initargs=(arguments.tenon.resolve(), folder)) as pool:
        for found, line in pool.map(run, *zip(*chosen)) if chosen else ():
            counts = [before + one for before, one in zip(counts, found)]
            print(line, flush=True)
    print("{} passed, {} failed, {} skipped".format(*counts))
    return counts[1] != 0


if __name__ == "__main__":
    os.environ.pop("TENON_SHARED", None)
    sys.exit(main())
