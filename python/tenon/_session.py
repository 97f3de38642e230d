"""onnxruntime's InferenceSession on compiled plans."""
from __future__ import annotations

import os
import warnings
from typing import NamedTuple

from tenon import _metadata
from tenon._binding import IOBinding, OrtValue
from tenon._device import gpu_target
from tenon._errors import CompileError, InputError, RunError
from tenon._onnx_types import ort_type
from tenon._options import SessionOptions
from tenon._plan import Plan, compile, model_bytes

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_NOT_HERE = ("TN_DEVICE", "TN_WRONG_TARGET")  # what a machine without a GPU, or with another one, gives
_PRECISIONS_OF_GPUS = ("fp16", "tf32")
_PLAN_MAGIC = b"TENON"


class NodeArg(NamedTuple):
    """An input or output: `type` as onnxruntime spells it; free dimensions are strings."""

    name: str
    type: str
    shape: list


class InferenceSession:
    """Compiles a model and runs it: onnxruntime's class, with a compiled plan behind it.

    `path_or_bytes`: an ONNX model or a plan. A model is compiled for the first of `providers` that is there: "CUDAExecutionProvider" is this machine's GPU,
    of the number that its option "device_id" says, "CPUExecutionProvider", the default, the CPU. A warning says what was passed over and why; where nothing
    is left, CUDA's reason is raised. A plan, and the configuration entry "tenon.target", say themselves where they run, which providers must not exclude.
    """

    def __init__(self, path_or_bytes, sess_options=None, providers=None, provider_options=None, **kwargs):
        self._options = sess_options or SessionOptions()
        # onnxruntime's own options object, in a program that imports both.
        self._entries = getattr(self._options, "_entries", {})
        self._model = os.fspath(path_or_bytes) if isinstance(path_or_bytes, (str, os.PathLike)) else model_bytes(path_or_bytes)
        self._is_plan = _is_plan(self._model)
        self._open(_wanted(providers, provider_options))
        self._metadata = _metadata.ModelMetadata(graph_name=self._plan.properties["model"]) if self._is_plan else _metadata.read(self._model)
        if self._options.optimized_model_filepath:
            self._plan.save(self._options.optimized_model_filepath)
        self._inputs = [_node_arg(tensor) for tensor in self._plan.inputs]
        self._outputs = [_node_arg(tensor) for tensor in self._plan.outputs]

    def _open(self, wanted):
        """Makes the plan for these providers, (name, number of the GPU) each."""
        target = self._entries.get("tenon.target", "native")
        if self._is_plan or target != "native" or not wanted:
            return self._open_fixed(target, dict(wanted))
        problems = {}
        for name, device in wanted:
            try:
                self._open_for(name, device, problems)
            except RunError as problem:
                if problem.status not in _NOT_HERE:
                    raise
                problems[name] = problem
                continue
            return _warn(problems, name)
        if CUDA in problems:
            raise problems[CUDA]
        self._open_for(CPU, 0, problems)
        return _warn(problems, CPU)

    def _open_fixed(self, target, wanted):
        """What is told where to run; the providers may only agree."""
        plan = self._made(target, wanted.get(CUDA, 0), self._entries)
        if wanted and provider_of(plan) not in wanted:
            raise InputError(f"the plan is for the {provider_of(plan)}; the providers given are {', '.join(wanted)}")
        self._plan = plan

    def _open_for(self, name, device, passed_over):
        """A precision that GPUs alone have is theirs: the CPU in place of one computes in f32."""
        if name not in (CPU, CUDA):
            raise _NoProvider("there is no such provider here")
        entries = self._entries
        if name == CPU and CUDA in passed_over and entries.get("tenon.precision") in _PRECISIONS_OF_GPUS:
            entries = entries | {"tenon.precision": "fp32"}
        plan = self._made(gpu_target(device) if name == CUDA else "native", device, entries)
        if name == CUDA:
            plan.prepare()
        self._plan = plan

    def _made(self, target, device, entries) -> Plan:
        settings = {"threads": max(0, self._options.intra_op_num_threads), "max_bytes": int(self._entries.get("tenon.max_bytes", 0)), "device": device}
        if self._is_plan:
            return Plan.load(self._model, **settings) if isinstance(self._model, str) else Plan.from_bytes(self._model, **settings)
        return _compiled(self._model, target, entries, getattr(self._options, "_dimensions", {}), settings)

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
        """The one that runs all of the model."""
        return [provider_of(self._plan)]

    def get_provider_options(self) -> dict:
        name = provider_of(self._plan)
        return {name: {"device_id": str(self._plan.device)} if name == CUDA else {}}

    def set_providers(self, providers=None, provider_options=None) -> None:
        """Makes the plan anew, for these."""
        self._open(_wanted(providers, provider_options))

    def disable_fallback(self) -> None:
        """Runs never change the provider."""

    def enable_fallback(self) -> None:
        """Runs never change the provider."""

    def run(self, output_names, input_feed, run_options=None) -> list:
        """Runs with {input name: array}; returns the outputs named, or all of them where `output_names` is None or empty."""
        if not isinstance(input_feed, dict):
            raise InputError(f"a dictionary of inputs by name was expected, not {type(input_feed).__name__}")
        feed = {name: value._array if isinstance(value, OrtValue) else value for name, value in input_feed.items()}
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


class _NoProvider(RunError):
    status = "TN_WRONG_TARGET"


def _warn(problems, used) -> None:
    for name, problem in problems.items():
        warnings.warn(f"{name} cannot be used: {problem}. {used} is used instead", stacklevel=4)


def _wanted(providers, provider_options) -> list[tuple[str, int]]:
    """onnxruntime's two ways to give options, with the names or beside them, as (name, number of the GPU)."""
    providers = list(providers or [])
    if provider_options and len(provider_options) != len(providers):
        raise InputError(f"{len(provider_options)} provider_options for {len(providers)} providers")
    wanted = []
    for provider, options in zip(providers, provider_options or [{}] * len(providers), strict=True):
        name, options = (provider, options) if isinstance(provider, str) else provider
        device = str((options or {}).get("device_id", 0))
        if not device.isdecimal() or int(device) >= 1 << 31:
            raise InputError(f"{name}: the device_id {device!r} is not the number of a GPU")
        wanted.append((name, int(device)))
    return wanted


def provider_of(plan) -> str:
    return CUDA if plan.properties["device"] == "cuda" else CPU


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


def _compiled(model, target, entries, dimensions, settings) -> Plan:
    options = {
        "target": target,
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
