#!/usr/bin/env python3
"""Tests of the Python package.

    run.py --build build/release [-k PATTERN]

The last line is `N passed, N failed, N skipped`.
"""
import argparse
import importlib
import os
import re
import sys
import tempfile
import traceback
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
MODULES = ("running", "refusals", "lengths", "gradients", "values", "sessions", "microsoft", "comparing", "devices", "quantizing", "installing")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", help="build folder that holds python/tenon")
    parser.add_argument("-k", default="", metavar="PATTERN", help="only tests whose name matches this regular expression")
    arguments = parser.parse_args()
    package = str(arguments.build.resolve() / "python")
    sys.path.insert(0, package)
    os.environ["PYTHONPATH"] = package  # of programs that tests start
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    for module in map(importlib.import_module, MODULES):
        for name, test in sorted(vars(module).items()):
            title = f"{module.__name__}.{name.removeprefix('test_')}"
            if name.startswith("test_") and re.search(arguments.k, title):
                outcome, why = run(test)
                counts[outcome] += 1
                print(f"{outcome:8}{title}{': ' if why else ''}{why}", flush=True)
    print(f"{counts['ok']} passed, {counts['FAILED']} failed, {counts['skipped']} skipped")
    return counts["FAILED"] != 0


def run(test):
    with tempfile.TemporaryDirectory(prefix="tenon-python-") as folder:
        try:
            test(Path(folder))
            return "ok", ""
        except unittest.SkipTest as reason:
            return "skipped", str(reason)
        except Exception as error:
            where = "" if isinstance(error, AssertionError) and str(error) else "\n" + traceback.format_exc()
            return "FAILED", f"{error}{where}"


if __name__ == "__main__":
    sys.exit(main())
