#!/usr/bin/env python3
"""ONNX's own runner, onnx.backend.test.BackendTest, on tenon.backend: its cases come with the package onnx, at its newest opset.

    onnx_runner.py --build build/release [-k PATTERN] [-j 2] [--update]

Fails where expected/onnx_runner.txt does not allow it; --update rewrites that list. The last line is `N passed, N failed, N skipped`.
"""
import argparse
import multiprocessing
import multiprocessing.connection
import os
import re
import sys
import tempfile
import unittest
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(Path(__file__).parent))

import expected  # noqa: E402
import report  # noqa: E402

KINDS = {"Node": "node", "Real": "light", "Simple": "simple", "PyTorchConverted": "pytorch-converted", "PyTorchOperator": "pytorch-operator"}


def load(pattern):
    """{kind/name: the runner's test for the CPU}"""
    warnings.simplefilter("ignore")  # making the cases overflows on purpose
    import onnx.backend.test
    import tenon.backend

    # The runner compares numbers that are drawn at random, that hold rounding errors of its own, and takes scalars of a sequence apart: cases.py has
    # them compared by what they mean.
    suites = onnx.backend.test.BackendTest(tenon.backend, __name__).exclude("test_bernoulli|test_dft_inverse|test_loop16_seq_none").test_cases
    found = {}
    for suite, tests in suites.items():
        kind = KINDS[re.fullmatch(r"OnnxBackend(\w+)ModelTest", suite).group(1)]
        for test in unittest.defaultTestLoader.loadTestsFromTestCase(tests):
            name = test.id().rsplit(".", 1)[1]
            if name.endswith("_cpu") and re.search(pattern, name):
                found[f"{kind}/{name.removesuffix('_cpu')}"] = test
    return found


def outcome(test):
    """What one test comes to, as test/conformance/worker.py says it."""
    import tenon

    result, seen = unittest.TestResult(), []
    result.addError = result.addFailure = lambda case, error: seen.append(error[1])
    test.run(result)
    if result.skipped:
        return {"status": "refused", "reason": f"skipped by the runner: {result.skipped[0][1]}"}
    if not seen:
        return {"status": "passed", "reason": ""}
    status = "refused" if isinstance(seen[0], tenon.Error) else "wrong" if isinstance(seen[0], AssertionError) else "crashed"
    return {"status": status, "reason": str(seen[0]).strip() or type(seen[0]).__name__}


def work(tests, out):
    """In a process of its own: says which test begins, and what came of it."""
    for name, test in tests:
        out.send((name, None))
        out.send((name, outcome(test)))
    out.close()


def run_all(tests, jobs) -> dict:
    """{name: outcome}. A process that dies fails the test it was in; another one goes on after it."""
    results, begun = {}, {}
    context = multiprocessing.get_context("fork")  # the cases are loaded once

    def start(share):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(share, sender))
        process.start()
        sender.close()
        return receiver, (process, share)

    shares = [list(tests.items())[index::jobs] for index in range(jobs)]
    running = dict(start(share) for share in shares if share)
    while running:
        for receiver in multiprocessing.connection.wait(list(running)):
            process, share = running[receiver]
            try:
                name, result = receiver.recv()
                begun[receiver] = name
                if result:
                    results[name] = result
            except EOFError:
                del running[receiver]
                process.join()
                name = begun.get(receiver)
                if name not in results and process.exitcode:
                    results[name] = {"status": "crashed", "reason": f"the process ended with status {process.exitcode}"}
                    rest = [item for item in share if item[0] not in results]
                    running |= [start(rest)] if rest else []
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", help="build folder that holds python/tenon")
    parser.add_argument("-k", dest="pattern", default="", metavar="PATTERN", help="only cases whose name matches this regular expression")
    parser.add_argument("-j", dest="jobs", type=int, default=2, metavar="N", help="processes (2)")
    parser.add_argument("--update", action="store_true", help="write the list of refused cases anew, for the cases that were run")
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.build.resolve() / "python"))
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    results = report.Results("onnx_runner")
    with tempfile.TemporaryDirectory(prefix="tenon-onnx-") as home:
        os.environ["ONNX_HOME"] = home  # where the runner keeps the light models' data
        results.cases = {name: {**result, "operators": []} for name, result in run_all(load(arguments.pattern), arguments.jobs).items()}
    if arguments.update:
        expected.write(results)
    return expected.check(results)


if __name__ == "__main__":
    sys.exit(main())
