"""Post-training quantization: what `tenon quantize` does, over any samples and any metric."""
from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tenon._arrays import to_array, to_buffer
from tenon._errors import InputError, QuantizationError
from tenon._plan import Plan, compile, model_bytes


@dataclass(frozen=True)
class QuantizationReport:
    """What was done, and what it costs."""

    layers: list  # {name, type, bits, input, range, error, drop}: of the outputs, and of the metric, with this layer alone in 8 bits; None where it was not measured
    tensors: list  # {name, quantized, method, min, max, low, high, scale, zero_point, outliers}
    budget: dict | None  # {metric, float, quantized, drop, max_drop, met, measured}; None where nothing was measured
    samples: int  # that were calibrated with
    recipe: dict  # to be edited, saved as JSON, and given to `quantize` again: the same recipe gives the same bytes
    text: str  # the table that the command line prints
    html: str  # a page that needs no other file

    def __str__(self):
        return self.text


def quantize(
    model,
    dataset: Iterable[Mapping] | None,
    metric: Callable[[Plan], float] | None = None,
    max_drop: float | None = None,
    recipe=None,
    *,
    method="network",
    percentile=99.99,
    equalization: bool | None = None,
    bias_correction: bool | None = None,
    adaptive_rounding: bool | None = None,
    activations: str | None = None,
    dtype: str | None = None,
    rank_by: str | None = None,
    fallback="f32",
    samples=0,
    threads=0,
    errors=False,
    progress: Callable[[str, float], None] | None = None,
) -> tuple[bytes, QuantizationReport]:
    """Writes a float model in 8 bits: returns (bytes of an ONNX model with QuantizeLinear and DequantizeLinear, report).

    `model`: a path, the bytes of a model, or an onnx.ModelProto. `dataset`: dicts {input name: array}, each the inputs of one run; they are read once,
    one after the other, so that a generator is enough, and memory holds few of them. None where `recipe` holds all ranges.
    `metric`: called with the plans of the float model and of candidates; returns how good they are, more is better. Without it, `max_drop` counts in
    cosine similarity to the float model, measured on a fifth of the dataset, which is not calibrated with.
    `max_drop`: layers go back to f32, fewest first, until the metric loses no more. Where that is not possible, the best model found is returned, the
    report's budget has `met` False, and a warning says so. With a metric and no `max_drop`, both models are measured, and nothing else.
    `recipe`: a report's `recipe`, or the path of its JSON. `method`, `percentile`: how ranges are chosen, as on the command line. `equalization`,
    `bias_correction`, `adaptive_rounding`: as on the command line; None leaves them to the recipe, or to what is usual. `activations`: "asymmetric", or "symmetric" for
    steps that are as many on each side of 0. `dtype`: "int8", or "fp8" for floats of 8 bits (e4m3), which raises the model to opset 19; None: the recipe's, or int8. `rank_by`: which layers go back first, those that alone cost most of the "metric", or of the "outputs"; None: of the metric, where all
    layers are measured in half an hour. `fallback`: what layers go back to, "f32" or "f16". `samples`: how many are used at most. `errors`: measure the cost of every layer even where the budget is met without. `progress`: called with (step, fraction).

    Raises QuantizationError, InputError for samples that do not fit, and what `dataset` and `progress` raise.
    """
    path, contents = _model(model)
    if not 50 < percentile <= 100:
        raise QuantizationError(f"percentile {percentile}: more than 50 and at most 100 was expected")
    if samples < 0:
        raise QuantizationError(f"samples {samples}: 0, for all, or a number was expected")
    if activations not in (None, "asymmetric", "symmetric"):
        raise QuantizationError(f"activations {activations!r}: 'asymmetric' or 'symmetric' was expected")
    if dtype not in (None, "int8", "fp8"):
        raise QuantizationError(f"dtype {dtype!r}: 'int8' or 'fp8' was expected")
    if rank_by not in (None, "metric", "outputs"):
        raise QuantizationError(f"rank_by {rank_by!r}: 'metric' or 'outputs' was expected")
    if fallback not in ("f32", "f16"):
        raise QuantizationError(f"fallback {fallback!r}: 'f32' or 'f16' was expected")
    if max_drop is not None and not (0 <= max_drop <= 1 or (metric is not None and max_drop > 1)):
        raise QuantizationError(f"max_drop {max_drop}: a number from 0 to 1 was expected, or with a metric of your own of at least 0")
    from tenon import _quantizer  # loads protobuf, which running plans does not need

    budget = math.inf if metric is not None and max_drop is None else max_drop
    made, report, used, text, html, notes = _quantizer.quantize(
        path, contents, dataset=None if dataset is None else lambda signature: _runs(dataset, signature), metric=metric and (lambda onnx: _score(metric, onnx, path, threads)),
        max_drop=budget, recipe=_recipe(recipe), method=method, percentile=percentile, equalization=equalization, bias_correction=bias_correction,
        adaptive_rounding=adaptive_rounding, symmetric=activations and activations == "symmetric", float8=dtype and dtype == "fp8", ranks_by_metric=rank_by and rank_by == "metric", halves_fallback=fallback == "f16", samples=samples, threads=threads, errors=errors, progress=progress,
    )
    for note in notes:
        warnings.warn(note, stacklevel=2)
    facts = json.loads(report)
    return made, QuantizationReport(facts["layers"], facts["tensors"], facts.get("budget"), facts["samples"], json.loads(used), text, html)


def quantize_weights(model, bits=4, group=32) -> tuple[bytes, list]:
    """Writes the weights of products (MatMul, Gemm) in 4 or 8 bits, `group` of them along what they are summed over with one scale, and leaves all else in f32:
    returns (bytes of an ONNX model, [{name, type, bits, error}]); bits are 32 where a product stays in f32, and the error is that of its weights, relative to their length.

    `model` as for `quantize`. Raises QuantizationError where the model holds no such weights.
    """
    path, contents = _model(model)
    if bits not in (4, 8):
        raise QuantizationError(f"bits {bits}: 4 or 8 was expected")
    if group not in (16, 32, 64, 128, 256):
        raise QuantizationError(f"group {group}: 16, 32, 64, 128 or 256 was expected")
    from tenon import _quantizer

    made, report = _quantizer.quantize_weights(path, contents, bits, group)
    return made, json.loads(report)["layers"]


def _model(model) -> tuple[str, bytes]:
    if not isinstance(model, (str, os.PathLike)):
        return "model.onnx", model_bytes(model)
    try:
        with open(model, "rb") as file:
            return os.fspath(model), file.read()
    except OSError as problem:
        raise QuantizationError(f"{os.fspath(model)}: {problem.strerror}") from None


def _recipe(recipe) -> str:
    if recipe is None:
        return ""
    if isinstance(recipe, Mapping):
        return json.dumps(recipe)
    try:
        with open(recipe, encoding="utf-8") as file:
            return file.read() or "{}"
    except (OSError, UnicodeDecodeError) as problem:
        raise QuantizationError(f"{recipe}: no recipe can be read: {problem}") from None


def _runs(dataset, signature):
    """The buffers of each run, in the order of the signature."""
    for index, sample in enumerate(dataset):
        if not isinstance(sample, Mapping):
            raise InputError(f"sample {index}: a dict of arrays by input name was expected, not {type(sample).__name__}")
        unknown = set(sample) - {name for name, _, _ in signature}
        missing = [name for name, _, _ in signature if name not in sample]
        if unknown or missing:
            raise InputError(f"sample {index}: has {sorted(map(str, sample))}; the inputs are {[name for name, _, _ in signature]}")
        yield [_buffer(sample[name], index, name, element, shape) for name, element, shape in signature]


def _buffer(value, index, name, element, shape):
    try:
        array = to_array(value, name, element)
    except InputError as problem:
        raise InputError(f"sample {index}: {problem}") from None
    fits = len(array.shape) == len(shape) and all(want in (-1, size) for want, size in zip(shape, array.shape))
    if not fits or not array.size:
        expected = ", ".join("?" if size < 0 else str(size) for size in shape)
        raise InputError(f"sample {index}: input '{name}' has the shape {array.shape}; [{expected}] was expected, and at least one element")
    return to_buffer(array, element)


def _score(metric, onnx, path, threads) -> float:
    plan = compile(onnx, name=path, threads=threads)
    try:
        value = metric(plan)
    except Exception as problem:
        raise QuantizationError(f"the metric raised {type(problem).__name__}: {problem}") from problem
    try:
        score = float(value)
    except (TypeError, ValueError):
        raise QuantizationError(f"the metric returned {value!r}; a number was expected") from None
    if not math.isfinite(score):
        raise QuantizationError(f"the metric returned {score}; a finite number was expected")
    return score
