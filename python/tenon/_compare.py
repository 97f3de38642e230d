"""tenon compare: finds the first kernel of a model that computes something else than it should.

Every kernel's outputs are compared with an unoptimized compilation, in which every tensor of the model is an output and nothing can be
fused away, and with onnxruntime where that is installed. The part of the model around the first difference is written as a model of its own.
"""
from __future__ import annotations

import argparse
import json
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tenon._errors import CompileError, Error, InputError
from tenon._plan import compile

# Relative to an element and to the root mean square of its tensor; integers and booleans must be equal.
TOLERANCES = {"float64": 1e-5, "float32": 1e-3, "float16": 1e-2, "bfloat16": 4e-2}
_BATCH, _LENGTH = 1, 64  # free dimensions of generated inputs: the first one of a tensor, the others


class Row(NamedTuple):
    """One output of a kernel. Errors in units of the tolerance: more than 1 is a difference; None where there is no reference."""

    tensor: str
    node: str
    operator: str
    kernel: str
    unoptimized: float | None
    onnxruntime: float | None

    @property
    def differs(self) -> bool:
        return any(error is not None and error > 1 for error in (self.unoptimized, self.onnxruntime))


class Comparison(NamedTuple):
    rows: list[Row]  # in the order of the model
    minimal: object  # onnx.ModelProto or None
    inputs: dict  # of the minimal model

    @property
    def first(self) -> Row | None:
        return next((row for row in self.rows if row.differs), None)


def run_compiled(model, inputs) -> dict:
    """Compiles a message and runs it: {output: array}."""
    return compile(model).run(inputs)


def run_onnxruntime(model, inputs) -> dict | None:
    """The same by onnxruntime; None where it is not installed or refuses."""
    try:
        import onnxruntime
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return dict(zip([value.name for value in session.get_outputs()], session.run(None, inputs), strict=True))
    except Exception as problem:  # onnxruntime has no common base of its errors
        print(f"onnxruntime: {problem}", file=sys.stderr)
        return None


def error(given, wanted) -> float:
    """The largest error of an array in units of the tolerance."""
    given, wanted = np.asarray(given), np.asarray(wanted)
    if given.shape != wanted.shape or given.dtype != wanted.dtype:
        return np.inf
    tolerance = TOLERANCES.get(wanted.dtype.name)
    if tolerance is None or not wanted.size:
        return 0.0 if np.array_equal(given, wanted) else np.inf
    given, wanted = given.astype(np.float64), wanted.astype(np.float64)
    finite = np.isfinite(wanted)
    if not np.array_equal(given[~finite], wanted[~finite], equal_nan=True) or not np.isfinite(given[finite]).all():
        return np.inf
    if not finite.any():
        return 0.0
    size = np.sqrt(np.mean(wanted[finite] ** 2))
    limit = tolerance * (np.abs(wanted[finite]) + size) + np.finfo(np.float64).tiny
    return float(np.max(np.abs(given[finite] - wanted[finite]) / limit))


def compare(model, inputs: dict, run=run_compiled) -> Comparison:
    """Compares a message at these inputs. `run` stands for the compiler that is examined."""
    from tenon._submodel import Graph

    graph = Graph(model)
    reference = run_compiled(graph.showing(graph.tensors()), inputs)
    other = run_onnxruntime(graph.showing(graph.tensors()), inputs)
    kernels = _kernel_outputs(graph)
    found = run(graph.showing(kernels), inputs)
    rows = []
    for tensor in sorted(kernels, key=lambda name: graph.producer[name]):
        index = graph.producer[tensor]
        against = [error(found[tensor], values[tensor]) if values is not None and tensor in values else None for values in (reference, other)]
        rows.append(Row(tensor, graph.titles[index], graph.nodes[index].op_type, kernels[tensor][0], *against))
    first = next((row for row in rows if row.differs), None)
    if first is None:
        return Comparison(rows, None, {})
    truth = other if other is not None and (first.onnxruntime or 0) > 1 else reference
    return Comparison(rows, *_minimal(graph, first.tensor, kernels[first.tensor][1], {**truth, **inputs}, run))


def _kernel_outputs(graph) -> dict:
    """{tensor: (kernel, its nodes)} of what kernels of the optimized plan leave for others."""
    numbers = {node.name: index for index, node in enumerate(graph.nodes)}
    out = {}
    for kernel, sources in compile(graph.model)._plan.steps:
        nodes = {numbers[source] for source in sources if source in numbers}
        for tensor in (name for index in sorted(nodes) for name in graph.nodes[index].output if name in graph.types):
            if tensor in graph.outputs or graph.readers.get(tensor, set()) - nodes:
                out[tensor] = (kernel, nodes)
    return out


def _minimal(graph, tensor, nodes, values, run):
    """The smallest part around a kernel that still gives a wrong `tensor`: the kernel's nodes, then more and more of what comes before."""
    while True:
        model, inputs = graph.part(nodes, tensor, values)
        try:
            if error(run(model, inputs)[tensor], values[tensor]) > 1:
                return model, inputs
        except Error:
            pass  # a part alone can be refused
        more = graph.before(nodes)
        if more == nodes:
            return None, {}
        nodes = more


def generate(plan, seed=0) -> dict:
    """Inputs for a plan: normally distributed numbers, small integers."""
    random = np.random.default_rng(seed)
    sizes: dict[str, int] = {}
    out = {}
    for tensor in plan.inputs:
        if tensor.type == "string" or "(" in tensor.type:
            raise InputError(f"input '{tensor.name}' is {tensor.type}: none can be made up")
        shape = [dim if isinstance(dim, int) else sizes.setdefault(dim, _LENGTH if axis else _BATCH) for axis, dim in enumerate(tensor.shape)]
        kind = tensor.dtype
        real = kind.kind == "f" or kind.name in TOLERANCES
        out[tensor.name] = (random.standard_normal(shape) if real else random.integers(0, 2, shape)).astype(kind)
    return out


def table(rows) -> str:
    """Rows as text, the first differences first."""
    head = ("tensor", "node", "operator", "kernel", "unoptimized", "onnxruntime", "")

    def number(value):
        return "-" if value is None else f"{value:.3g}"

    lines = [head] + [(*row[:4], number(row.unoptimized), number(row.onnxruntime), "differs" if row.differs else "")
                      for row in sorted(rows, key=lambda row: not row.differs)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)


def main(words) -> int:
    parser = argparse.ArgumentParser(prog="tenon compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--inputs", type=Path, metavar="FILE.npz", help="arrays by the names of inputs; generated by default")
    parser.add_argument("--shape", action="append", default=[], metavar="NAME=DIMS", help="name=1x3x224x224: sizes of generated inputs")
    parser.add_argument("--seed", type=int, default=0, help="of generated inputs (0)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.onnx", help="where the minimal model goes (MODEL.minimal.onnx, its inputs beside it as .npz)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(words)
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        parser.exit(1, "tenon: error: comparing takes models apart with the package onnx, which is not installed\n")
    shapes = dict(text.split("=", 1) for text in arguments.shape if "=" in text)
    if len(shapes) != len(arguments.shape):
        parser.error("--shape takes NAME=DIMS")
    try:
        inputs = dict(np.load(arguments.inputs)) if arguments.inputs else generate(compile(arguments.model, shapes=shapes), arguments.seed)
        found = compare(onnx.load(arguments.model), inputs)
    except (Error, OSError, ValueError, EOFError, zipfile.BadZipFile, DecodeError) as problem:
        where = f"{arguments.model}: is not an ONNX model: " if isinstance(problem, DecodeError) else ""
        parser.exit(1, f"{problem}\n" if isinstance(problem, CompileError) else f"tenon: error: {where}{problem}\n")
    written = None
    if found.minimal is not None:
        written = arguments.output or Path(arguments.model).with_suffix(".minimal.onnx")
        onnx.save(found.minimal, written)
        np.savez(written.with_suffix(".npz"), **found.inputs)
    if arguments.json:
        print(json.dumps({"kernels": [{**row._asdict(), "differs": row.differs} for row in found.rows], "minimal": written and str(written)}, indent=2))
    else:
        print(table(found.rows))
        print(_verdict(found, written))
    return int(found.first is not None)


def _verdict(found, written) -> str:
    if not found.first:
        return f"{len(found.rows)} outputs of kernels, none differs"
    nodes = f"; {written} shows it with {len(found.minimal.graph.node)} nodes" if written else "; no part of the model alone shows it"
    return f"first difference: {found.first.tensor} of kernel {found.first.kernel} (node '{found.first.node}', {found.first.operator}){nodes}"
