"""Tensors in the memory of a GPU: anything with `__cuda_array_interface__`, as PyTorch, CuPy, JAX and Numba have it."""
from __future__ import annotations

import math

import numpy as np

from tenon import _tenon
from tenon._errors import InputError, RunError


def gpu_target(device: int) -> str:
    """What to compile for that GPU of this machine. Raises RunError where there is none."""
    return _tenon.gpu_target(device)


def has_gpu(device: int) -> bool:
    try:
        return bool(gpu_target(device))
    except RunError:
        return False


def is_on_device(value) -> bool:
    try:
        return not isinstance(value, np.ndarray) and hasattr(value, "__cuda_array_interface__")
    except Exception:  # PyTorch's for tensors whose gradient is recorded, and for types without a name: device_buffer says so
        return True


def device_buffer(value, what: str, tensor, writes=False):
    """What the extension takes for such a tensor: its address, bytes and shape. `what`: "input" or "output"; `tensor`: the plan's."""
    if tensor.dtype == object or tensor.type.endswith(")"):
        raise InputError(f"{what} '{tensor.name}' is {tensor.type}: only tensors of numbers can be in a GPU's memory")
    try:
        interface = value.__cuda_array_interface__
        address, is_read_only = interface["data"]
        shape, found = tuple(interface["shape"]), np.dtype(interface["typestr"])
        strides = interface.get("strides")
    except Exception as problem:  # the other library's, of any kind
        raise InputError(f"{what} '{tensor.name}': the tensor on the GPU cannot be read: {problem}") from None
    if found != tensor.dtype:
        raise InputError(f"{what} '{tensor.name}': a tensor of {found} was given; {tensor.dtype} was expected")
    if strides is not None and tuple(strides) != _dense(shape, found.itemsize) and math.prod(shape):
        raise InputError(f"{what} '{tensor.name}': the tensor on the GPU must be contiguous")
    if writes and is_read_only:
        raise InputError(f"{what} '{tensor.name}': the tensor on the GPU is read-only")
    return int(address or 0), math.prod(shape) * found.itemsize, shape


def require_apart(inputs, outputs) -> None:
    """Refuses tensors to write into that share memory with each other or with inputs; all as of device_buffer."""
    for index, (address, size, _) in enumerate(outputs):
        for other, other_size, _ in [*inputs, *outputs[:index]]:
            if size and other_size and address < other + other_size and other < address + size:
                raise InputError("a tensor on the GPU to write into shares memory with another one of the run")


def _dense(shape, bytes_of_element):
    strides, distance = [], bytes_of_element
    for size in reversed(shape):
        strides.append(distance)
        distance *= size
    return tuple(reversed(strides))


def stream_handle(stream) -> int:
    """The number of a CUDA stream: itself, or that of a stream of PyTorch or CuPy. None: the default stream."""
    if stream is None:
        return 0
    for attribute in ("cuda_stream", "ptr"):
        stream = getattr(stream, attribute, stream)
    if isinstance(stream, bool) or not isinstance(stream, int) or not 0 <= stream < 1 << 64:
        raise InputError(f"a stream is the number of a CUDA stream, or a stream of PyTorch or CuPy, not {stream!r}")
    return stream
