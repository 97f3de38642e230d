#!/usr/bin/env python3
"""Makes a folder that checks plans on a machine with a GPU, where there is a driver and Python with numpy and nothing else of Tenon.

    pack.py --tenon build/release/bin/tenon --to FOLDER [--target cuda:sm_90] [--precision fp32,fp16] [MODEL.onnx=GOLDEN.npz ...]

Copies the runtime, compiles each model at each precision, and lists the plans with their goldens. Run `python3 FOLDER/check.py` there.
"""
import argparse
import json
import lzma
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenon", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--target", default="cuda:sm_90")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("models", nargs="*", help="MODEL.onnx=GOLDEN.npz, whose keys are in:NAME and out:NAME")
    arguments = parser.parse_args()
    folder = arguments.to
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(arguments.tenon.parent.parent / "lib" / "libtenon_runtime.so.0", folder / "libtenon_runtime.so")
    for script in ("runtime.py", "check.py"):
        shutil.copy(HERE / script, folder / script)
    listed, failures = [], 0
    for entry in arguments.models:
        model, golden = (Path(part) for part in entry.split("="))
        if not (folder / golden.name).exists():
            shutil.copy(golden, folder / golden.name)
        for precision in arguments.precision.split(","):
            plan = folder / f"{model.stem}.{precision}.plan"
            command = [arguments.tenon, "compile", model, "--target", arguments.target, "--precision", precision, "-o", plan, "--quiet"]
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
            if done.returncode:
                failures += 1
                print(f"{model.stem} {precision}: {done.stderr.strip()[:400]}", flush=True)
                continue
            packed = plan.with_suffix(".plan.xz")
            packed.write_bytes(lzma.compress(plan.read_bytes(), preset=1))
            plan.unlink()
            listed.append({"name": model.stem, "plan": packed.name, "golden": golden.name, "precision": precision})
            print(f"{model.stem} {precision}: {packed.stat().st_size / 1e6:.1f} MB", flush=True)
    (folder / "plans.json").write_text(json.dumps(listed, indent=1))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
