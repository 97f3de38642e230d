#!/usr/bin/env python3
"""Times every plan of a folder and profiles it kernel by kernel, with the driver: times with copies and without, FLOP/s, bytes/s, shares of the GPU's peak, and a trace of each.

    python3 FOLDER/kernels.py [-k PATTERN] [--traces FOLDER]

FOLDER is one that `test/gpu/pack.py --driver` made; weights that --times made up there are made up again. Runs
`tenon bench PLAN --profile --trace TRACE` for each; traces are for chrome://tracing or Perfetto.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from archive import expand

HERE = Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", default="", help="only plans whose name contains this")
    parser.add_argument("--traces", type=Path, help="where the traces go; without it there are none")
    arguments = parser.parse_args()
    environment = os.environ | {"LD_LIBRARY_PATH": os.pathsep.join(filter(None, [str(HERE / "lib"), os.environ.get("LD_LIBRARY_PATH")]))}
    failures = 0
    for entry in json.loads((HERE / "plans.json").read_text()):
        if arguments.k not in entry["plan"]:
            continue
        name = entry["plan"].removesuffix(".plan.xz")
        with tempfile.TemporaryDirectory(prefix="tenon-profile-") as folder:
            plan = Path(folder) / f"{name}.plan"
            plan.write_bytes(expand((HERE / entry["plan"]).read_bytes()))
            command = [HERE / "bin" / "tenon", "bench", plan.name, "--profile", "--quiet", "--duration", "1s"]
            if arguments.traces:
                arguments.traces.mkdir(parents=True, exist_ok=True)
                command += ["--trace", arguments.traces.resolve() / f"{name}.json"]
            failures += subprocess.run([str(word) for word in command], cwd=folder, env=environment, check=False).returncode != 0
    return int(failures != 0)


if __name__ == "__main__":
    sys.exit(main())
