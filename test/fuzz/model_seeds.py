#!/usr/bin/env python3
"""Seeds for model-fuzzer: ONNX's node tests where there is a folder of them, and the importer's lit tests.

    model_seeds.py OUT                 the smallest model of each operator
    model_seeds.py OUT --all           every model that is not large
"""
import argparse
import os
import sys
from pathlib import Path

import onnx

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "test/lit/Importer"))

import onnx_text  # noqa: E402

LARGEST = 16384  # bytes: mutants of larger models take long, and are no more interesting


def node_tests():
    """[(name, bytes)], smallest first."""
    shared = os.environ.get("TENON_SHARED")
    models = Path(shared, "conformance/onnx-1.23/node").glob("*/model.onnx") if shared else []
    found = [(path.parent.name, path.read_bytes()) for path in models]
    return sorted(((name, model) for name, model in found if len(model) <= LARGEST), key=lambda pair: (len(pair[1]), pair[0]))


def operators(model):
    return frozenset(node.op_type for node in onnx.ModelProto.FromString(model).graph.node)


def one_each(models):
    """For each operator the smallest model with a node of it."""
    seen = set()
    for name, model in models:
        new = operators(model) - seen
        if new:
            seen |= new
            yield name, model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--all", action="store_true")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for old in arguments.out.glob("*.onnx"):
        old.unlink()
    texts = [(path.stem, onnx_text.read(path)) for path in sorted((ROOT / "test/lit/Importer").glob("*.onnxtxt"))]
    models = node_tests()
    for name, model in [*(models if arguments.all else one_each(models)), *texts]:
        (arguments.out / f"{name}.onnx").write_bytes(model)


if __name__ == "__main__":
    main()
