#!/usr/bin/env python3
"""Applications from PyPI, unchanged, with Tenon in place of onnxruntime: their answers must be the same.

    run.py --build build/release [-k PATTERN]

Installs them in build/apps-venv, on Debian's Python: silero-vad takes and gives torch's tensors, and Debian's python3-torch, which
`scripts/bootstrap.sh test` installs, is a build for CPUs; without it, silero-vad is skipped. Needs the files of TENON_SHARED.
The last line is `N passed, N failed, N skipped`.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
PYTHON = "/usr/bin/python3"  # of the distribution, which has torch
# Numbers differ by rounding: scores by this much, coordinates of boxes by a pixel.
SCORE, PIXELS = 2e-3, 1
APPLICATIONS = ("magika", "silero", "silero_blocks", "rapidocr")
# A model that the compiler refuses, saying why: no answer, but no wrong one.
UNSUPPORTED = re.compile(r"CompileError: .* (operator is|operators are) not supported[^\0]*")
NEEDS_TORCH = ("silero", "silero_blocks")


def environment(folder: Path) -> Path:
    """The applications' Python; made where it does not hold what requirements.txt says."""
    wanted, pins = (FOLDER / "requirements.txt").read_bytes(), folder / ".pins"
    if not pins.exists() or pins.read_bytes() != wanted:
        for command in ([PYTHON, "-m", "venv", "--system-site-packages", folder],
                        [folder / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "-r", FOLDER / "requirements.txt"]):
            subprocess.run([str(word) for word in command], check=True)
        pins.write_bytes(wanted)
    return folder / "bin/python"


def answers(python, application, engine, build):
    environment = {**os.environ, "PYTHONPATH": str(build / "python")}
    start = time.monotonic()
    done = subprocess.run([str(python), str(FOLDER / "answers.py"), application, engine], capture_output=True, text=True, env=environment, cwd=build)
    if done.returncode:
        raise RuntimeError(f"with {engine}: {done.stderr.strip()[-1500:]}")
    return json.loads(done.stdout), time.monotonic() - start


def difference(given, wanted, where=""):
    """Empty, or the first place where two answers differ: texts must be equal, numbers close."""
    if isinstance(wanted, float) and isinstance(given, (int, float)):
        limit = PIXELS if abs(wanted) > 1 else SCORE
        return "" if abs(given - wanted) <= limit else f"{where}: {given}; {wanted} was expected"
    if type(given) is not type(wanted):
        return f"{where}: {given}; {wanted} was expected"
    if isinstance(wanted, (list, dict)):
        if len(given) != len(wanted) or isinstance(wanted, dict) and given.keys() != wanted.keys():
            return f"{where}: {len(given)} entries; {len(wanted)} were expected"
        keys = wanted.keys() if isinstance(wanted, dict) else range(len(wanted))
        return next(filter(None, (difference(given[key], wanted[key], f"{where}[{key!r}]") for key in keys)), "")
    return "" if given == wanted else f"{where}: {given}; {wanted} was expected"


def count(value):
    return sum(map(count, value.values() if isinstance(value, dict) else value)) if isinstance(value, (list, dict)) else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", help="build folder that holds python/tenon")
    parser.add_argument("-k", default="", metavar="PATTERN", help="only applications whose name matches this regular expression")
    arguments = parser.parse_args()
    chosen = [name for name in APPLICATIONS if re.search(arguments.k, name)]
    if not os.environ.get("TENON_SHARED"):
        print(f"TENON_SHARED is not set.\n0 passed, 0 failed, {len(chosen)} skipped")
        return 0
    python = environment(ROOT / "build/apps-venv")
    passed = failed = skipped = 0
    torch = subprocess.run([str(python), "-c", "import torch"], capture_output=True).returncode == 0
    for name in chosen:
        if name in NEEDS_TORCH and not torch:
            skipped += 1
            print(f"skipped {name}: scripts/bootstrap.sh test installs python3-torch, which it needs", flush=True)
            continue
        try:
            wanted, reference = answers(python, name, "onnxruntime", arguments.build.resolve())
            given, seconds = answers(python, name, "tenon", arguments.build.resolve())
            wrong = difference(given, wanted)
        except RuntimeError as problem:
            if UNSUPPORTED.search(str(problem)):
                skipped += 1
                print(f"skipped {name}: {UNSUPPORTED.search(str(problem)).group(0)}", flush=True)
                continue
            wrong = str(problem)
        passed, failed = passed + (not wrong), failed + bool(wrong)
        print(f"FAILED  {name}: {wrong}" if wrong else f"ok      {name}: {count(wanted)} values equal; {seconds:.1f} s with compiling, onnxruntime {reference:.1f} s",
              flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
