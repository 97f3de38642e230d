"""onnxruntime's OrtValue and IOBinding: inputs and outputs that stay where they are between runs."""
from __future__ import annotations

import ctypes

import numpy as np

from tenon._errors import InputError


def _need_cpu(device):
    if device not in ("cpu", "CPU"):
        raise InputError(f"memory on the device '{device}' cannot be used; plans run on the CPU")


class OrtValue:
    """An array under onnxruntime's name."""

    def __init__(self, array: np.ndarray):
        self._array = array

    @staticmethod
    def ortvalue_from_numpy(array, device_type="cpu", device_id=0) -> OrtValue:
        """Shares the array's memory."""
        _need_cpu(device_type)
        return OrtValue(array)

    @staticmethod
    def ortvalue_from_shape_and_type(shape, element_type, device_type="cpu", device_id=0) -> OrtValue:
        _need_cpu(device_type)
        return OrtValue(np.empty(shape, element_type))

    def numpy(self) -> np.ndarray:
        return self._array

    def shape(self) -> list[int]:
        return list(self._array.shape)

    def element_type(self) -> np.dtype:
        return self._array.dtype

    def data_ptr(self) -> int:
        return self._array.ctypes.data

    def device_name(self) -> str:
        return "cpu"

    def is_tensor(self) -> bool:
        return isinstance(self._array, np.ndarray)

    def has_value(self) -> bool:
        return self._array is not None

    def update_inplace(self, array) -> None:
        self._array[...] = array

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


class IOBinding:
    """Inputs and outputs of a session's runs."""

    def __init__(self, session):
        self._plan = session.plan
        self._inputs: dict[str, np.ndarray] = {}
        self._outputs: dict[str, np.ndarray | None] = {}  # None: made by each run
        self._results: list[OrtValue] = []

    def bind_cpu_input(self, name, array) -> None:
        self._inputs[name] = array

    def bind_input(self, name, device_type, device_id, element_type, shape, buffer_ptr) -> None:
        _need_cpu(device_type)
        self._inputs[name] = _over(buffer_ptr, shape, element_type)

    def bind_ortvalue_input(self, name, ortvalue) -> None:
        self._inputs[name] = ortvalue.numpy()

    def bind_output(self, name, device_type="cpu", device_id=0, element_type=None, shape=None, buffer_ptr=None) -> None:
        _need_cpu(device_type)
        self._outputs[name] = None if buffer_ptr is None else _over(buffer_ptr, shape, element_type)

    def bind_ortvalue_output(self, name, ortvalue) -> None:
        self._outputs[name] = ortvalue.numpy()

    def synchronize_inputs(self) -> None:
        pass

    def synchronize_outputs(self) -> None:
        pass

    def get_outputs(self) -> list[OrtValue]:
        return self._results

    def copy_outputs_to_cpu(self) -> list[np.ndarray]:
        return [value.numpy() for value in self._results]

    def clear_binding_inputs(self) -> None:
        self._inputs.clear()

    def clear_binding_outputs(self) -> None:
        self._outputs.clear()
        self._results = []

    def _run(self):
        given = {name: array for name, array in self._outputs.items() if array is not None}
        results = self._plan.run(self._inputs, list(self._outputs), out=given)
        self._results = [OrtValue(array) for array in results.values()]


def _over(address, shape, element_type) -> np.ndarray:
    """An array over memory that stays its owner's."""
    element, shape = np.dtype(element_type), tuple(shape)
    size = int(np.prod(shape, dtype=np.int64)) * element.itemsize
    memory = (ctypes.c_byte * size).from_address(address) if size else b""
    return np.frombuffer(memory, element).reshape(shape)
