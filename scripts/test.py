#!/usr/bin/env python3
"""Builds Tenon and runs all its tests; the last line is `N passed, N failed, N skipped`.

    scripts/test.py               lit, unit tests, model suite, embedding examples, Python package, ONNX's conformance
                                  cases, applications from PyPI, commands of the documentation, and code and numbers of some
                                  models' kernels for GPUs in the release build;
                                  unit tests of what reads files, the planner's, and fuzzers in the asan build
    scripts/test.py --asan        all of it in the asan build
    scripts/test.py --fuzz        the fuzzers alone, ten minutes each, from another seed every time: for every night
    scripts/test.py --gpu-code    every model compiled for every generation of GPUs, assembled, and ptxas's report tested; their kernels' numbers: for every night

Fuzzers that run with the tests start from one seed and the same inputs, so that two runs of one build try the same things.
Models that cannot be part of the repository are read from the folder that TENON_SHARED names, and count as skipped without it.
A test's output is shown when it fails; all of it is kept in build/test-logs.
"""
import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "test-logs"
# What `make test` builds with sanitizers: the code that reads what others wrote, the planner, and the GPU's runtime where its driver fails.
SANITIZED_TESTS = ["tenon_arena_packer_test", "tenon_driver_test", "tenon_gpu_runtime_test", "tenon_importer_test", "tenon_plan_test", "tenon_runtime_test"]
FUZZERS = ["importer-fuzzer", "plan-reader-fuzzer", "model-fuzzer"]
# A model takes milliseconds to import and seconds to compile: the machine may be busy, and sanitizers take their share.
FUZZ_LIMITS = ["-max_len=65536", "-timeout=60", "-rss_limit_mb=2048"]
CONFORMANCE = ["given", "dynamic", "constant"]  # test/conformance/variants.py
LIT = "/usr/lib/llvm-22/bin/lit"
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.M)


class Tests:
    """Runs steps one after the other and adds up what they report."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def command(self, name, command, **options):
        """Runs `command` with its output in a log; returns (succeeded, output)."""
        print(f"== {name}", flush=True)
        start = time.monotonic()
        log = LOGS / (re.sub(r"\W+", "-", name) + ".log")
        with open(log, "wb") as out:
            status = subprocess.run([str(word) for word in command], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options)
        text = log.read_text(errors="replace")
        if status.returncode:
            print("\n".join(text.splitlines()[-80:]))
        print(f"   {'ok' if status.returncode == 0 else f'failed with status {status.returncode}'} after {time.monotonic() - start:.0f} s, {log.relative_to(ROOT)}", flush=True)
        return status.returncode == 0, text

    def count(self, passed, failed, skipped):
        self.passed, self.failed, self.skipped = self.passed + passed, self.failed + failed, self.skipped + skipped
        print(f"   {passed} passed, {failed} failed, {skipped} skipped", flush=True)

    def one(self, name, command, **options):
        """A step that is a single test."""
        good, _ = self.command(name, command, **options)
        self.count(int(good), int(not good), 0)

    def counted(self, name, command, **options):
        """A step whose last lines say `N passed, N failed, N skipped`."""
        good, text = self.command(name, command, **options)
        found = COUNTS.findall(text)
        passed, failed, skipped = map(int, found[-1]) if found else (0, 0, 0)
        # A step that ends badly without having counted a failure is one failure.
        self.count(passed, failed if failed or good else 1, skipped)

    def xml(self, name, command, report):
        """A step that writes a JUnit report: lit and CTest."""
        report.unlink(missing_ok=True)
        good, _ = self.command(name, command)
        passed = failed = skipped = 0
        if report.exists():
            for case in ElementTree.parse(report).iter("testcase"):
                if case.find("failure") is not None or case.find("error") is not None:
                    failed += 1
                elif case.find("skipped") is not None:
                    skipped += 1
                else:
                    passed += 1
        self.count(passed, failed if failed or good else 1, skipped)


def build(tests, preset, targets=()):
    """All of a preset, or some targets of it."""
    chosen = ["--target", *targets] if targets else []
    for name, command in (
        (f"configure {preset}", ["cmake", "--preset", preset, "--log-level=WARNING"]),
        (f"build {preset}", ["cmake", "--build", f"build/{preset}", *chosen]),
    ):
        good, _ = tests.command(name, command)
        if not good:
            tests.count(0, 1, 0)
            return False
    return True


def ctest(tests, preset):
    report = LOGS / f"ctest-{preset}.xml"
    tests.xml(f"unit tests, {preset}", ["ctest", "--test-dir", f"build/{preset}", "-j", os.cpu_count(), "--timeout", 300, "-E", "^lit$", "-LE", "fuzz", "--output-on-failure", "--output-junit", report], report)


def sanitized_units(tests):
    for name in SANITIZED_TESTS:
        report = LOGS / f"{name}-asan.xml"
        tests.xml(f"{name}, asan", [f"build/asan/bin/{name}", f"--gtest_output=xml:{report}"], report)


def lit(tests, preset):
    report = LOGS / f"lit-{preset}.xml"
    tests.xml(f"lit tests, {preset}", [LIT, "-v", "--xunit-xml-output", report, f"build/{preset}/test/lit"], report)


def models(tests, preset, python):
    tests.counted(f"driver tests, {preset}", [python, "test/driver/run.py", "--tenon", f"build/{preset}/bin/tenon"])
    tests.counted(f"model suite, {preset}", [python, "test/models/suite.py", "--tenon", f"build/{preset}/bin/tenon"])


def package(tests, preset, python):
    tests.counted(f"python package, {preset}", [python, "test/python/run.py", "--build", f"build/{preset}"])


def conformance(tests, preset, python):
    for variant in CONFORMANCE:
        command = [python, "test/conformance/run.py", "--build", f"build/{preset}", "--variant", variant, "--check", "-j", os.cpu_count()]
        tests.counted(f"ONNX conformance, {variant}, {preset}", command + ["--kind", "all" if variant == "given" else "node"])
    tests.counted(f"ONNX's own runner, {preset}", [python, "test/conformance/onnx_runner.py", "--build", f"build/{preset}", "-j", os.cpu_count()])


def applications(tests, preset, python):
    tests.counted(f"applications, {preset}", [python, "test/apps/run.py", "--build", f"build/{preset}"])


def pages(tests, preset, python):
    tests.counted(f"commands of the documentation, {preset}", [python, "test/docs/run.py", "--build", f"build/{preset}"])


def gpu_code(tests, preset, python, few):
    command = [python, "test/gpu/assemble.py", "--tenon", f"build/{preset}/bin/tenon", "--report", LOGS / "gpu-code.tsv"]
    tests.counted(f"code for GPUs{' of some models' if few else ''}, {preset}", command + (["--few"] if few else []))
    command = [python, "test/gpu/kernel_numbers.py", "--build", f"build/{preset}"]
    tests.counted(f"numbers of kernels for GPUs{' of some models' if few else ''}, {preset}", command + (["--few"] if few else []))


def embed(tests, preset):
    tests.counted(f"embedding examples, {preset}", ["test/embed/run.sh", f"build/{preset}"])


def fuzz(tests, seconds, nightly=False):
    """Each fuzzer for some time, one a core. Nights keep what they find worth trying again; tests start anew."""
    seed = random.randrange(1, 1 << 31) if nightly else 1

    def run(name):
        corpus = (ROOT / "build/fuzz" if nightly else LOGS) / f"corpus-{name}"
        if not nightly:
            shutil.rmtree(corpus, ignore_errors=True)
        corpus.mkdir(parents=True, exist_ok=True)
        seeds = ROOT / "build/asan/test/fuzz" / f"{name}-seeds"
        if nightly and name == "model-fuzzer":
            seeds = ROOT / "build/fuzz/seeds"
            tests.command("seeds of the model fuzzer", [sys.executable, "test/fuzz/model_seeds.py", seeds, "--all"])
        limits = [f"-max_total_time={seconds}", f"-seed={seed}", *FUZZ_LIMITS, f"-artifact_prefix={LOGS}/"]
        return tests.command(f"{name}, {seconds} s, seed {seed}", [f"build/asan/bin/{name}", *limits, corpus, *([seeds] if seeds.is_dir() else [])])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for good, _ in pool.map(run, FUZZERS):
            tests.count(int(good), int(not good), 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asan", action="store_true", help="run everything under the address and undefined-behaviour sanitizers")
    parser.add_argument("--fuzz", action="store_true", help="run the fuzzers, for long and with a random seed, and nothing else")
    parser.add_argument("--fuzz-seconds", type=int, metavar="N", help="time for each fuzzer (60; with --fuzz 600)")
    parser.add_argument("--gpu-code", action="store_true", help="compile all models for all generations of GPUs, and nothing else")
    arguments = parser.parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    # LLVM and MLIR come from the distribution without sanitizers: containers and arenas that cross the boundary must not be poisoned on one side only.
    # And without asserts: there a pass's statistics are constructed as objects without members, so that the members that a build with asserts has
    # hold what new memory holds, which must be zero.
    os.environ.setdefault("ASAN_OPTIONS", "detect_container_overflow=0:allow_user_poisoning=0:abort_on_error=0:malloc_fill_byte=0")
    os.environ.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")

    tests = Tests()
    if arguments.fuzz:
        if build(tests, "asan", FUZZERS):
            fuzz(tests, arguments.fuzz_seconds or 600, nightly=True)
        print(f"{tests.passed} passed, {tests.failed} failed, {tests.skipped} skipped")
        return tests.failed != 0
    if arguments.gpu_code:
        if build(tests, "release", ["tenon", "tenon_compiler_module", "tenon_kernel_numbers"]):
            gpu_code(tests, "release", sys.executable, few=False)
        print(f"{tests.passed} passed, {tests.failed} failed, {tests.skipped} skipped")
        return tests.failed != 0
    preset = "asan" if arguments.asan else "release"
    if build(tests, preset):
        ctest(tests, preset)
        lit(tests, preset)
        models(tests, preset, sys.executable)
        if not arguments.asan:
            embed(tests, preset)
            package(tests, preset, sys.executable)
            conformance(tests, preset, sys.executable)
            applications(tests, preset, sys.executable)
            pages(tests, preset, sys.executable)
            gpu_code(tests, preset, sys.executable, few=True)
    if not arguments.asan and build(tests, "asan", SANITIZED_TESTS + FUZZERS):
        sanitized_units(tests)
    fuzz(tests, arguments.fuzz_seconds or 60)
    print(f"{tests.passed} passed, {tests.failed} failed, {tests.skipped} skipped")
    return tests.failed != 0


if __name__ == "__main__":
    sys.exit(main())
