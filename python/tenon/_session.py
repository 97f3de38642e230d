"""onnxruntime's InferenceSession on compiled plans."""
from __future__ import annotations

import os
from typing import NamedTuple

from tenon import _metadata
from tenon._binding import IOBinding, OrtValue
from tenon._errors import CompileError, InputError
from tenon._onnx_types import ort_type
from tenon._options import SessionOptions
from tenon._plan import Plan, compile, model_bytes

_PROVIDER = "CPUExecutionProvider"
_PLAN_MAGIC = b"TENON"


class NodeArg(NamedTuple):
    """An input or output: `type` as onnxruntime spells it; free dimensions are strings."""

    name: str
    type: str
    shape: list


class InferenceSession:
    """Compiles a model and runs it: onnxruntime's class, with a compiled plan behind it.

    `path_or_bytes`: an ONNX model or a plan. Providers and their options are accepted and ignored: plans run on the CPU.
    """

    def __init__(self, path_or_bytes, sess_options=None, providers=None, provider_options=None, **kwargs):
        self._options = sess_options or SessionOptions()
        # onnxruntime's own options object, in a program that imports both.
        entries = getattr(self._options, "_entries", {})
        settings = {"threads": max(0, self._options.intra_op_num_threads), "max_bytes": int(entries.get("tenon.max_bytes", 0))}
        model = os.fspath(path_or_bytes) if isinstance(path_or_bytes, (str, os.PathLike)) else model_bytes(path_or_bytes)
        if _is_plan(model):
            self._plan = Plan.load(model, **settings) if isinstance(model, str) else Plan.from_bytes(model, **settings)
            self._metadata = _metadata.ModelMetadata(graph_name=self._plan.properties["model"])
        else:
            self._plan = _compiled(model, entries, getattr(self._options, "_dimensions", {}), settings)
            self._metadata = _metadata.read(model)
        if self._options.optimized_model_filepath:
            self._plan.save(self._options.optimized_model_filepath)
        self._inputs = [_node_arg(tensor) for tensor in self._plan.inputs]
        self._outputs = [_node_arg(tensor) for tensor in self._plan.outputs]

    @property
    def plan(self) -> Plan:
        return self._plan

    def get_inputs(self) -> list[NodeArg]:
        return self._inputs

    def get_outputs(self) -> list[NodeArg]:
        return self._outputs

    def get_overridable_initializers(self) -> list[NodeArg]:
        """None: a plan's weights are fixed."""
        return []

    def get_modelmeta(self) -> _metadata.ModelMetadata:
        return self._metadata

    def get_session_options(self) -> SessionOptions:
        return self._options

    def get_providers(self) -> list[str]:
        return [_PROVIDER]

    def get_provider_options(self) -> dict:
        return {_PROVIDER: {}}

    def set_providers(self, providers=None, provider_options=None) -> None:
        pass

    def disable_fallback(self) -> None:
        pass

    def enable_fallback(self) -> None:
        pass

    def run(self, output_names, input_feed, run_options=None) -> list:
        """Runs with {input name: array}; returns the outputs named, or all of them where `output_names` is None or empty."""
        if not isinstance(input_feed, dict):
            raise InputError(f"a dictionary of inputs by name was expected, not {type(input_feed).__name__}")
        feed = {name: value.numpy() if isinstance(value, OrtValue) else value for name, value in input_feed.items()}
        return self._plan.run_named(feed, output_names or [tensor.name for tensor in self._plan.outputs])

    def run_with_ort_values(self, output_names, input_dict_ort_values, run_options=None) -> list[OrtValue]:
        return [OrtValue(array) for array in self.run(output_names, input_dict_ort_values, run_options)]

    def run_with_iobinding(self, iobinding: IOBinding, run_options=None) -> None:
        iobinding._run()

    def io_binding(self) -> IOBinding:
        return IOBinding(self)

    def run_async(self, output_names, input_feed, callback, user_data, run_options=None) -> None:
        """Runs now; then calls callback(results, user_data, error)."""
        try:
            results, error = self.run(output_names, input_feed, run_options), ""
        except InputError as problem:
            results, error = [], str(problem)
        callback(results, user_data, error)

    def end_profiling(self) -> str:
        """No profile is written: `tenon bench` measures plans by kernel."""
        return ""


def _node_arg(tensor) -> NodeArg:
    # A dimension without a name is None to onnxruntime; plans name it after its input.
    shape = [None if isinstance(dim, str) and dim.startswith(tensor.name + ".dim") else dim for dim in tensor.shape]
    return NodeArg(tensor.name, ort_type(tensor.type), shape)


def _is_plan(model) -> bool:
    if isinstance(model, bytes):
        return model.startswith(_PLAN_MAGIC)
    try:
        with open(model, "rb") as file:
            return file.read(len(_PLAN_MAGIC)) == _PLAN_MAGIC
    except OSError:
        return False  # the compiler says what is wrong with the path


def _compiled(model, entries, dimensions, settings) -> Plan:
    options = {
        "target": entries.get("tenon.target", "native"),
        "tuning_cache": entries.get("tenon.tuning_cache"),
        "exact_order": entries.get("tenon.exact_order", "0") not in ("0", ""),
        "precision": entries.get("tenon.precision", "fp32"),
    }
    plan = compile(model, **options, **settings)
    shapes = {
        tensor.name: tuple(dimensions.get(dim, dim if isinstance(dim, int) else "?") for dim in tensor.shape)
        for tensor in plan.inputs
        if any(dim in dimensions for dim in tensor.shape)
    }
    unknown = set(dimensions) - {dim for tensor in plan.inputs for dim in tensor.shape}
    if unknown:
        raise CompileError(f"no input has a free dimension called {', '.join(sorted(unknown))}")
    return compile(model, shapes=shapes, **options, **settings) if shapes else plan
