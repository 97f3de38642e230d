#!/usr/bin/env python3
"""Tests of the command line: every verb once on a small model, and bad input of every kind.

    run.py --tenon build/release/bin/tenon [-k PATTERN]

Bad input must give exit code 1 (2 for wrong usage) and a message, and leave no file behind. The last line is `N passed, N failed, N skipped`.
"""
import argparse
import os
import re
import sys
import traceback
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent / "models")]
import agents
import bad_models
import bad_plans
import bad_tensors
import quantization
import gpu
import reports
import tuning
import verbs
from harness import Driver, Skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenon", required=True, type=Path)
    parser.add_argument("-k", default="", metavar="PATTERN", help="only tests whose name matches this regular expression")
    arguments = parser.parse_args()
    passed = failed = skipped = 0
    with Driver(arguments.tenon.resolve()) as driver:
        for module in (verbs, quantization, gpu, tuning, agents, reports, bad_models, bad_tensors, bad_plans):
            for name, test in sorted(vars(module).items()):
                title = f"{module.__name__}.{name.removeprefix('test_')}"
                if not name.startswith("test_") or not re.search(arguments.k, title):
                    continue
                try:
                    test(driver)
                    passed += 1
                    print(f"ok      {title}", flush=True)
                except Skip as reason:
                    skipped += 1
                    print(f"skipped {title}: {reason}", flush=True)
                except Exception as error:
                    failed += 1
                    where = "" if isinstance(error, AssertionError) and str(error) else traceback.format_exc()
                    print(f"FAILED  {title}: {error}\n{where}", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return failed != 0


if __name__ == "__main__":
    os.environ.pop("TENON_SHARED", None)
    sys.exit(main())
