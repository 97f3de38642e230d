"""Compiled models and how to run them."""
from __future__ import annotations

import functools
import importlib.util
import operator
import os
from typing import NamedTuple

import numpy as np

from tenon import _tenon
from tenon._arrays import PACKED, from_buffer, numpy_type, to_buffer
from tenon._device import device_buffer, is_on_device, require_apart, stream_handle
from tenon._errors import InputError
from tenon._values import group


class TensorInfo(NamedTuple):
    """An input or output of a plan. Free dimensions are strings: symbols, or expressions of them. Sequences are lists of arrays, optionals None or
    what they hold, strings arrays of objects."""

    name: str
    type: str  # the runtime's name: "f32", "i64"; "string", "sequence(f32)", "optional(i64)", "optional(sequence(f32))"
    shape: tuple  # () for sequences

    @property
    def dtype(self) -> np.dtype:
        element = self.type.replace("optional(", "").replace("sequence(", "").rstrip(")")
        return np.dtype(object) if element == "string" else numpy_type(element)


class Plan:
    """A compiled model: immutable, safe to run from any number of threads, each of which gets a context of its own."""

    def __init__(self, plan: _tenon.Plan, path=None, *, threads=0, max_bytes=0, device=0, warnings=""):
        self._plan, self._path = plan, path
        self._threads, self._max_bytes = _count("threads", threads, 1 << 32), _count("max_bytes", max_bytes, 1 << 64)
        self._device = _count("device", device, 1 << 31)
        self._is_on_gpu = plan.properties["device"] == "cuda"
        self._idle: list[_tenon.Context] = []
        self._process = os.getpid()
        self.warnings = warnings
        self._input_values, self._output_values = group(plan.inputs), group(plan.outputs)
        self.inputs = tuple(TensorInfo(value.name, value.type, value.shape) for value in self._input_values)
        self.outputs = tuple(TensorInfo(value.name, value.type, value.shape) for value in self._output_values)
        self._outputs = {tensor.name: index for index, tensor in enumerate(self.outputs)}

    @classmethod
    def load(cls, path, *, threads=0, max_bytes=0, device=0, verify=False) -> Plan:
        """Maps a plan file. `threads` for each run, the caller included (0: one for each core); `max_bytes` limits its memory (0: no limit);
        `device`: the number of the GPU, of plans for GPUs.

        All but the weights is verified; `verify` checks the weights' checksums too, which reads the whole file.
        """
        return cls(_tenon.Plan.open(os.fspath(path), verify), os.fspath(path), threads=threads, max_bytes=max_bytes, device=device)

    @classmethod
    def from_bytes(cls, contents, *, threads=0, max_bytes=0, device=0, verify=False, warnings="") -> Plan:
        """Opens a plan that lies in memory, which is copied; the rest as in `load`."""
        if not isinstance(contents, (bytes, bytearray, memoryview)):
            raise TypeError(f"a plan in memory is bytes, not {type(contents).__name__}")
        return cls(_tenon.Plan.from_bytes(bytes(contents), verify), threads=threads, max_bytes=max_bytes, device=device, warnings=warnings)

    def to_bytes(self) -> bytes:
        if self._path is None:
            return self._plan.contents
        with open(self._path, "rb") as file:
            return file.read()

    def save(self, path) -> None:
        """Writes the plan file, whole or not at all."""
        path = os.fspath(path)
        partial = f"{path}.{os.getpid()}.partial"
        try:
            with open(partial, "wb") as file:
                file.write(self.to_bytes())
            os.replace(partial, path)
        except BaseException:
            if os.path.exists(partial):
                os.unlink(partial)
            raise

    @property
    def device(self) -> int:
        """The number of the GPU, of a plan for one."""
        return self._device

    @property
    def properties(self) -> dict:
        """Facts about the plan: model, device ("cpu" or "cuda"), arch, cpu, features, kernels, steps, sizes."""
        return self._plan.properties

    def run(self, inputs, outputs=None, out=None) -> dict:
        """Runs the model; returns {output name: array}.

        `inputs`: {name: array}, or a sequence in the order of `self.inputs`. Arrays, or anything with DLPack, are read in place
        where they are contiguous. `outputs`: the names to return, all by default. `out`: {output name: array} to write into.
        A plan for a GPU takes tensors there too (`__cuda_array_interface__`: PyTorch, CuPy, JAX, Numba), for inputs and in `out`, and waits for what
        was queued on the default stream before; outputs that `out` does not name come to NumPy arrays.
        """
        names = list(self._outputs) if outputs is None else outputs
        return dict(zip(names, self.run_named(inputs, names, out), strict=True))

    def queue(self, stream=None) -> Queue:
        """Where runs of a plan for a GPU are queued behind what else a CUDA stream does: the default one, a number, or a stream of PyTorch or CuPy."""
        return Queue(self, stream)

    def run_named(self, inputs, names, out=None) -> list:
        """The outputs called `names`, in that order."""
        if isinstance(names, (str, bytes)):
            raise InputError(f"a list of names of outputs was expected, not {names!r}")
        arrays, names = self._in_order(inputs), list(names)
        self._check_outputs(names)
        results = self._run(arrays, out or {})
        return [results[self._outputs[name]] for name in names]

    def _in_order(self, inputs):
        if not isinstance(inputs, dict):
            inputs = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
            if len(inputs) != len(self.inputs):
                raise InputError(f"{len(inputs)} inputs were given; the model has {len(self.inputs)}: {_list(self.inputs)}")
            return inputs
        missing = [tensor for tensor in self.inputs if tensor.name not in inputs]
        if missing:
            raise InputError(f"no array was given for {_list(missing)}")
        if len(inputs) != len(self.inputs):
            known = {tensor.name for tensor in self.inputs}
            unknown = ", ".join(f"'{name}'" for name in inputs if name not in known)
            raise InputError(f"the model has no input {unknown}; its inputs are {_list(self.inputs)}")
        return [inputs[tensor.name] for tensor in self.inputs]

    def _check_outputs(self, names):
        for name in names:
            if name not in self._outputs:
                raise InputError(f"the model has no output '{name}'; its outputs are {_list(self.outputs)}")

    def _run(self, arrays, out):
        """All outputs, in order."""
        buffers = []
        for array, value, info in zip(arrays, self._input_values, self.inputs, strict=True):
            if is_on_device(array):
                buffers.append(self._on_device(array, "input", info))
                continue
            buffers += [to_buffer(part, tensor.type) for part, tensor in zip(value.split(array), value.parts.values(), strict=True)]
        self._check_outputs(out)
        buffers = _apart(buffers, [array for array in out.values() if isinstance(array, np.ndarray)])
        results = []
        for value, tensor in zip(self._output_values, self.outputs, strict=True):
            results += [self._result_buffer(out[tensor.name], value, tensor)] if tensor.name in out else [None] * len(value.parts)
        require_apart(*([buffer for buffer in some if isinstance(buffer, tuple) and len(buffer) == 3] for some in (buffers, results)))
        if self._process != os.getpid():  # after a fork: the threads of these contexts are the parent's
            self._idle, self._process = [], os.getpid()
        context = self._idle.pop() if self._idle else self._context()
        try:
            made = context.run(buffers, results)
        finally:
            self._idle.append(context)
        outputs, made = [], iter(made)
        for value in self._output_values:
            parts = [(next(made), tensor.type) for tensor in value.parts.values()]
            if value.name in out:
                outputs.append(out[value.name])
                continue
            parts = [from_buffer(*part) for part in parts]
            outputs.append(parts[0] if value.is_tensor else value.join(parts))
        return outputs

    def prepare(self) -> None:
        """Makes a context now, which the first run would: on a GPU that takes the weights there, and says whether the plan can run."""
        if not self._idle:
            self._idle.append(self._context())

    def _context(self) -> _tenon.Context:
        return _tenon.Context(self._plan, self._threads, self._max_bytes, self._device)

    def _on_device(self, array, what, tensor):
        if not self._is_on_gpu:  # the address would be read as one of the host's
            raise InputError(f"{what} '{tensor.name}': the tensor is in a GPU's memory; this plan runs on the CPU")
        return device_buffer(array, what, tensor, writes=what == "output")

    def _result_buffer(self, array, value, tensor):
        if is_on_device(array):
            return self._on_device(array, "output", tensor)
        if not value.is_tensor or tensor.type in PACKED:
            raise InputError(f"output '{tensor.name}' is {tensor.type}: only tensors of numbers of whole bytes can be written into arrays")
        if not isinstance(array, np.ndarray) or array.dtype != tensor.dtype:
            found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            raise InputError(f"output '{tensor.name}': an array of {tensor.dtype} was expected to write into, not {found}")
        if not (array.flags.c_contiguous and array.flags.writeable and array.flags.aligned and array.dtype.isnative):
            raise InputError(f"output '{tensor.name}': the array to write into must be contiguous, aligned and writeable")
        return to_buffer(array, tensor.type)

    def __repr__(self):
        return f"<tenon.Plan {self.properties['model']!r}: {_list(self.inputs)} -> {_list(self.outputs)}>"


class Queue:
    """Runs of a plan behind each other on one CUDA stream; for one thread at a time."""

    def __init__(self, plan: Plan, stream=None):
        self._plan, self._stream = plan, stream_handle(stream)
        self._context = plan._context()

    def run(self, inputs, out) -> None:
        """Queues a run and returns at once. `inputs` as for Plan.run, `out` with every output; all tensors are on the GPU, and stay there as they are
        until the stream has passed the run."""
        plan = self._plan
        missing = [tensor for tensor in plan.outputs if tensor.name not in out]
        if missing:
            raise InputError(f"no tensor was given to write {_list(missing)} into")
        plan._check_outputs(out)
        read = [self._buffer(array, "input", tensor) for array, tensor in zip(plan._in_order(inputs), plan.inputs, strict=True)]
        written = [self._buffer(out[tensor.name], "output", tensor) for tensor in plan.outputs]
        require_apart(read, written)
        self._context.run_async(read, written, self._stream)

    def _buffer(self, array, what, tensor):
        if not is_on_device(array):
            raise InputError(f"{what} '{tensor.name}': a tensor in the GPU's memory was expected, not {type(array).__name__}")
        return self._plan._on_device(array, what, tensor)


def _count(what, value, end) -> int:
    """A number of threads or bytes."""
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{what} is a whole number, not {value!r}") from None
    if not 0 <= number < end:
        raise InputError(f"{what} is {number}; 0 or more were expected")
    return number


def _apart(buffers, written):
    """The inputs; those that a run would overwrite while it reads them as copies."""
    for index, array in enumerate(written):
        if any(np.may_share_memory(array, other) for other in written[:index]):
            raise InputError("two of the arrays to write into share memory")

    def is_overwritten(buffer):
        return isinstance(buffer, np.ndarray) and any(np.may_share_memory(buffer, array) for array in written)

    return [np.array(buffer) if is_overwritten(buffer) else buffer for buffer in buffers]


def _list(tensors):
    return ", ".join(f"'{tensor.name}' ({tensor.type}[{', '.join(map(str, tensor.shape))}])" for tensor in tensors)


def compile(  # noqa: A001 - tenon.compile reads well
    model,
    *,
    target="native",
    shapes=None,
    tuning_cache=None,
    exact_order=False,
    precision="fp32",
    dump_phases=None,
    reproducer=None,
    name=None,
    threads=0,
    max_bytes=0,
    device=0,
) -> Plan:
    """Compiles an ONNX model: a path, the bytes of a model, or an onnx.ModelProto. Raises CompileError with the compiler's messages.

    `target`: "native", an x86-64 level, an LLVM CPU name, "aarch64[+feature...]" or a GPU: "cuda:sm_90a", a board, or "cuda", which is
    GPU number `device` of this machine. `shapes`: {input: (1, 3, "h", "w")} fixes free dimensions.
    `tuning_cache`: a file that `tenon tune` wrote. `exact_order`: no Winograd, no Strassen. `precision`: on GPUs, how f32 is stored and multiplied:
    "fp32", "tf32", "fp16" or "bf16"; on CPUs that multiply it "bf16" is for the factors of products. `dump_phases`: a folder for the modules after each phase.
    `reproducer`: a file for what reproduces a failure with tenon-opt; the error then ends with the command.
    External data is found beside a path only. `threads`, `max_bytes` and `device` as in Plan.load.
    """
    plan, _, warnings = _compile(model, target, shapes, tuning_cache, exact_order, dump_phases, name, reproducer=reproducer, precision=precision, device=device)
    return Plan.from_bytes(plan, threads=threads, max_bytes=max_bytes, device=device, warnings=warnings)


@functools.cache
def _name_assemblers():
    """Where the package nvidia-cuda-nvcc of this interpreter keeps ptxas: its environment need not be active."""
    package = importlib.util.find_spec("nvidia")
    for place in (package and package.submodule_search_locations) or ():
        for folder in ("cu13", "cuda_nvcc"):
            _tenon.add_assembler(os.path.join(place, folder, "bin", "ptxas"))


def _compile(
    model, target="native", shapes=None, tuning_cache=None, exact_order=False, dump_phases=None, name=None, stop_after="", reproducer=None, precision="fp32", device=0
):
    if isinstance(model, (str, os.PathLike)):
        path, contents = os.fspath(model), None
    else:
        path, contents = name or "model.onnx", model_bytes(model)
    _name_assemblers()
    fixed = [(key, shape if isinstance(shape, str) else ",".join(map(str, shape))) for key, shape in (shapes or {}).items()]
    return _tenon.compile(
        path,
        contents,
        target=target,
        device=_count("device", device, 1 << 31),
        shapes=fixed,
        tuning_cache=os.fspath(tuning_cache or ""),
        exact_order=exact_order,
        precision=precision,
        stop_after=stop_after,
        dump_phases=os.fspath(dump_phases or ""),
        reproducer=os.fspath(reproducer or ""),
        output="",
    )


def model_bytes(model) -> bytes:
    """The bytes of a model that is no path."""
    if hasattr(model, "SerializeToString"):
        return model.SerializeToString()
    if isinstance(model, (bytes, bytearray, memoryview)):
        return bytes(model)
    raise TypeError(f"a model is a path, bytes or an onnx.ModelProto, not {type(model).__name__}")
