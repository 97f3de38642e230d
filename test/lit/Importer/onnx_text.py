#!/usr/bin/env python3
"""Writes ONNX models from their text form (onnx.parser). Lines that start with // are lit's.

    onnx_text.py model.onnxtxt model.onnx
    onnx_text.py --seeds FOLDER OUT       every .onnxtxt of FOLDER, as seeds for the fuzzer
"""
import sys
from pathlib import Path

import onnx.parser


def read(path):
    lines = [line for line in Path(path).read_text().splitlines() if not line.lstrip().startswith("//")]
    return onnx.parser.parse_model("\n".join(lines)).SerializeToString()


def main():
    if sys.argv[1] == "--seeds":
        folder, out = Path(sys.argv[2]), Path(sys.argv[3])
        out.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("*.onnxtxt")):
            (out / (path.stem + ".onnx")).write_bytes(read(path))
    else:
        Path(sys.argv[2]).write_bytes(read(sys.argv[1]))


if __name__ == "__main__":
    main()
