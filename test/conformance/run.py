#!/usr/bin/env python3
"""Runs ONNX's backend tests, compiled and run in process, and says which pass.

    test/conformance/run.py                        all node tests as given
    test/conformance/run.py --variant dynamic      every dimension of the inputs made symbolic
    test/conformance/run.py -k gru --summary       some cases; a table by operator and reasons
    test/conformance/run.py --kind all             also pytorch-operator, pytorch-converted, simple and light
    test/conformance/run.py --kind all --check     fails where expected/VARIANT.txt does not allow it; --update rewrites that list

A case passes, computes something wrong, is refused (the compiler or the runtime says why), or crashes. The last line counts them;
with --check it is `N passed, N failed, N skipped`, where refusals that the list allows are skipped.
"""
import argparse
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(Path(__file__).parent))

import cases  # noqa: E402
import expected  # noqa: E402
import pool  # noqa: E402
import report  # noqa: E402
from variants import VARIANTS  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=VARIANTS, default="given")
    parser.add_argument("--kind", default="node", help=f"one of {', '.join(cases.KINDS)}, several with commas, or all")
    parser.add_argument("-k", dest="pattern", default="", metavar="PATTERN", help="only cases whose name matches this regular expression")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", help="build folder that holds python/tenon")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the results go (BUILD/conformance-VARIANT.json for all cases of a kind)")
    parser.add_argument("--summary", action="store_true", help="a table by operator, and why cases do not pass")
    parser.add_argument("--check", action="store_true", help="compare with the list of cases that do not pass")
    parser.add_argument("--update", action="store_true", help="write that list anew, for the cases that were run")
    parser.add_argument("-j", dest="jobs", type=int, default=2, metavar="N", help="worker processes (2)")
    parser.add_argument("--timeout", type=float, default=240, metavar="S", help="seconds for one case (240)")
    parser.add_argument("-q", dest="quiet", action="store_true", help="do not print cases that do not pass")
    arguments = parser.parse_args()

    shared = os.environ.get("TENON_SHARED")
    data = Path(shared, "conformance/onnx-1.23") if shared else None
    if not data or not data.is_dir():
        print("The cases are read from conformance/onnx-1.23 in the folder that TENON_SHARED names.\n0 passed, 0 failed, 1 skipped")
        return int(not arguments.check)
    kinds = cases.KINDS if arguments.kind == "all" else arguments.kind.split(",")
    found = cases.find(data, kinds, arguments.pattern)
    if not found:
        parser.error(f"no case of kind {arguments.kind} matches {arguments.pattern!r}")

    results = report.Results(arguments.variant)
    requests = [
        {"kind": case.kind, "name": case.name, "model": str(case.model), "folder": str(case.folder), "variant": arguments.variant} for case in found
    ]

    def add(request, result):
        results.add(request, result)
        if result["status"] != "passed" and not (arguments.quiet or arguments.summary or arguments.check):
            print(f"{result['status']:8} {request['name']}: {report.short(result['reason'])}", flush=True)

    start = time.monotonic()
    paths = [str(arguments.build.resolve() / "python"), os.environ.get("PYTHONPATH")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    pool.run_all(requests, arguments.jobs, arguments.timeout, environment, add)

    whole = not arguments.pattern
    target = arguments.json or (arguments.build / f"conformance-{arguments.variant}.json" if whole else None)
    if target:
        results.write(target)
    if arguments.summary:
        print(results.summary())
    if len(kinds) > 1:
        for kind in kinds:
            print(f"{kind}: {results.line(kind)}")
    print(f"{arguments.variant}, {time.monotonic() - start:.0f} s: {results.line()}" + (f"; {target}" if target else ""))
    if arguments.update:
        expected.write(results)
    if arguments.check:
        return expected.check(results)
    totals = results.totals()
    return int(totals["wrong"] + totals["crashed"] > 0)


if __name__ == "__main__":
    sys.exit(main())
