"""ONNX's backend test data: where its cases lie, what they feed and what they expect.

node, pytorch-operator, pytorch-converted, simple: KIND/test_NAME/{model.onnx, test_data_set_*/{input,output}_N.pb}.
light: light/light_NAME.onnx with its outputs beside it; inputs are made as ONNX's runner makes them.
"""
import json
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.runner import Runner

KINDS = ("node", "pytorch-operator", "pytorch-converted", "simple", "light")
# ONNX's runner compares all with these, except the light models that data.json names.
RTOL, ATOL = 1e-3, 1e-7
# What is drawn at random, from a generator that ONNX does not name, has its type and shape compared. Training Dropout draws as the reference does
# where its sizes are known.
DRAWN = {"given": re.compile("test_bernoulli"), "dynamic": re.compile("test_(bernoulli|training_dropout)"), "constant": re.compile("test_bernoulli")}
# Rounding errors of the reference's FFT, 1.9e-7 where 0 is exact, are part of what these expect.
NOISY = {"test_dft_inverse": 1e-6, "test_dft_inverse_opset19": 1e-6}
REAL = Path(onnx.__file__).parent / "backend/test/data/real"


class Case(NamedTuple):
    kind: str
    name: str
    model: Path
    folder: Path

    @property
    def tolerance(self):
        settings = REAL / self.name / "data.json"
        if self.kind != "light" or not settings.exists():
            return RTOL, NOISY.get(self.name, ATOL)
        values = json.loads(settings.read_text())
        return values["rtol"], values["atol"]


def find(root: Path, kinds=KINDS, pattern: str = "") -> list[Case]:
    """All cases of some kinds whose name matches a regular expression."""
    found = []
    for kind in kinds:
        if kind == "light":
            models = sorted((root / kind).glob("*.onnx"))
            found += [Case(kind, model.stem.replace("light_", "test_"), model, root / kind) for model in models]
        else:
            found += [Case(kind, path.parent.name, path, path.parent) for path in sorted((root / kind).glob("*/model.onnx"))]
    return [case for case in found if re.search(pattern, case.name)]


def free_inputs(model: onnx.ModelProto) -> list:
    """The inputs that a caller gives: those that no initializer fills."""
    filled = {tensor.name for tensor in model.graph.initializer} | {tensor.values.name for tensor in model.graph.sparse_initializer}
    return [value for value in model.graph.input if value.name not in filled]


def data_sets(case: Case, model: onnx.ModelProto) -> list:
    """[(inputs, expected outputs)], in the order of the model's free inputs and of its outputs."""
    if case.kind == "light":
        inputs = [Runner.generate_dummy_data(value, seed=0, name=case.name) for value in free_inputs(model)]
        outputs = [_load(case.folder / f"{case.model.stem}_output_{i}.pb", value.type) for i, value in enumerate(model.graph.output)]
        return [(inputs, outputs)]
    sets = []
    for folder in sorted(case.folder.glob("test_data_set_*")):
        sets.append((_load_all(folder, "input", free_inputs(model)), _load_all(folder, "output", model.graph.output)))
    return sets


def _load_all(folder, stem, values):
    count = len(list(folder.glob(f"{stem}_*.pb")))
    return [_load(folder / f"{stem}_{i}.pb", values[i].type) for i in range(count)]


def _load(path, kind):
    contents = path.read_bytes()
    if kind.HasField("sequence_type"):
        return numpy_helper.to_list(onnx.SequenceProto.FromString(contents))
    if kind.HasField("optional_type"):
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(contents))
    return numpy_helper.to_array(onnx.TensorProto.FromString(contents))


def _comparable(output, array):
    """ONNX's comparison takes the tensors of a sequence apart, which those without axes cannot be."""
    if not (isinstance(output, list) and isinstance(array, list) and len(output) == len(array)):
        return output, array
    pairs = [(a[None], b[None]) if a.shape == b.shape == () else (a, b) for a, b in zip(output, array)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def compare(case: Case, variant: str, outputs, expected) -> str:
    """Empty if the outputs are those expected by ONNX's own comparison; otherwise what differs."""
    if DRAWN[variant].match(case.name):
        outputs = [array if output.dtype == array.dtype and output.shape == array.shape else output for output, array in zip(outputs, expected)]
    tolerance = case.tolerance
    if len(outputs) == len(expected):
        pairs = [_comparable(output, array) for output, array in zip(outputs, expected)]
        outputs, expected = [output for output, _ in pairs], [array for _, array in pairs]
    try:
        with np.errstate(all="ignore"):
            Runner.assert_similar_outputs(expected, outputs, rtol=tolerance[0], atol=tolerance[1])
    except (AssertionError, TypeError, AttributeError) as difference:
        return " ".join(line.strip() for line in str(difference).splitlines() if line.strip()) or type(difference).__name__
    return ""
