#!/usr/bin/env python3
"""Runs the commands of docs/detection-int8.md and compares what they print with what the page says.

    run.py --build build/release [--write]

Words must be equal and numbers close; times (ms, us) may be any. --write puts what was printed into the page. Needs the files of TENON_SHARED.
The last line is `N passed, N failed, N skipped`.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE, EXAMPLE = ROOT / "docs/detection-int8.md", ROOT / "examples/detection"
BLOCK = re.compile(r"```console\n(.*?)```\n", re.S)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
# f32 sums in another order, or by other instructions, move a box of some hundred.
NEAR, RELATIVE = 0.006, 0.03


def prepare(folder, build):
    """A folder with what the page begins with, and the environment of its commands."""
    for file in EXAMPLE.glob("*.py"):
        shutil.copy(file, folder)
    (folder / "fastestdet.onnx").symlink_to(Path(os.environ["TENON_SHARED"], "models/fastestdet_352.onnx").resolve())
    programs = folder / "programs"
    programs.mkdir()
    (programs / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (programs / "python3").chmod(0o755)
    (programs / "tenon").symlink_to(build / "bin/tenon")
    return {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(build / "python"), "TENON_PYTHON": sys.executable}


def run(commands, folder, environment):
    """What the commands print, as the page shows it."""
    shown = []
    for command in commands:
        done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(f"'{command}' ended with status {done.returncode}: {done.stdout}{done.stderr}")
        shown.append(f"$ {command}\n{done.stdout}{done.stderr}")
    return "".join(shown)


def difference(found, wanted):
    """Empty, or the first line that differs by more than rounding."""
    if len(found.splitlines()) != len(wanted.splitlines()):
        return f"printed\n{found}and the page says\n{wanted}"
    for here, there in zip(found.splitlines(), wanted.splitlines()):
        isTime = re.search(r"\d (ms|us)\b", there)
        numbers = zip(map(float, NUMBER.findall(here)), map(float, NUMBER.findall(there)))
        if NUMBER.sub("#", here) != NUMBER.sub("#", there) or not isTime and any(abs(a - b) > NEAR + RELATIVE * abs(b) for a, b in numbers):
            return f"printed '{here}', and the page says '{there}'"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", help="build folder")
    parser.add_argument("--write", action="store_true", help="put what was printed into the page")
    arguments = parser.parse_args()
    text = PAGE.read_text()
    blocks = BLOCK.findall(text)
    if not os.environ.get("TENON_SHARED"):
        print(f"TENON_SHARED is not set.\n0 passed, 0 failed, {len(blocks)} skipped")
        return 0
    failed = 0
    with tempfile.TemporaryDirectory(prefix="tenon-docs-") as name:
        environment = prepare(Path(name), arguments.build.resolve())
        for block in blocks:
            start, commands = time.monotonic(), re.findall(r"^\$ (.*)$", block, re.M)
            try:
                found = run(commands, Path(name), environment)
                wrong = "" if arguments.write else difference(found, block)
            except RuntimeError as problem:
                found, wrong = block, str(problem)
            failed += bool(wrong)
            text = text.replace(f"```console\n{block}```\n", f"```console\n{found}```\n")
            print(f"FAILED  {commands[0]}: {wrong}" if wrong else f"ok      {commands[0]}; {time.monotonic() - start:.1f} s", flush=True)
    if arguments.write and not failed:
        PAGE.write_text(text)
    print(f"{len(blocks) - failed} passed, {failed} failed, 0 skipped")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
