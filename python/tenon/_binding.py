"""onnxruntime's OrtValue and IOBinding: inputs and outputs that stay where they are between runs."""
from __future__ import annotations

import ctypes
import math

import numpy as np

from tenon import _onnx_types
from tenon._errors import InputError


_NO_ADDRESS = "memory on the device 'cuda' is not allocated here: bind_input and bind_output take the address of a tensor that is there (buffer_ptr)"


def _is_cuda(device) -> bool:
    if device.lower() not in ("cpu", "cuda"):
        raise InputError(f"memory on the device '{device}' cannot be used; there are 'cpu' and 'cuda'")
    return device.lower() == "cuda"


def _need_cpu(device):
    if _is_cuda(device):
        raise InputError(_NO_ADDRESS)


class _OnDevice:
    """A tensor in the memory of a GPU, which stays its owner's."""

    def __init__(self, address, shape, element_type):
        self.dtype, self.shape = _onnx_types.element_type(element_type), tuple(shape)
        self.nbytes = math.prod(self.shape) * self.dtype.itemsize
        self.__cuda_array_interface__ = {"shape": self.shape, "typestr": self.dtype.str, "data": (address, False), "version": 3}


class OrtValue:
    """A value under onnxruntime's name: an array, or what stands for a sequence or an optional."""

    def __init__(self, array):
        self._array = array

    @staticmethod
    def ortvalue_from_numpy(array, device_type="cpu", device_id=0) -> OrtValue:
        """Shares the array's memory."""
        _need_cpu(device_type)
        if not isinstance(array, np.ndarray):
            raise InputError(f"an array was expected, not {type(array).__name__}")
        return OrtValue(array)

    @staticmethod
    def from_dlpack(tensor, is_bool_tensor=False) -> OrtValue:
        """Shares the tensor's memory. Producers without booleans give bytes, which `is_bool_tensor` marks."""
        array = np.from_dlpack(tensor)
        return OrtValue(array.view(np.bool_) if is_bool_tensor else array)

    @staticmethod
    def ortvalue_from_shape_and_type(shape, element_type, device_type="cpu", device_id=0) -> OrtValue:
        _need_cpu(device_type)
        return OrtValue(np.empty(shape, _onnx_types.element_type(element_type)))

    def numpy(self) -> np.ndarray:
        if isinstance(self._array, _OnDevice):
            raise InputError("the value is in a GPU's memory; bind the output to 'cpu' to have it on the host")
        return self._array

    def shape(self) -> list[int]:
        return list(self._array.shape)

    def data_type(self) -> str:
        """As onnxruntime spells it: "tensor(float)"."""
        if isinstance(self._array, (list, tuple)):
            return f"seq({OrtValue(self._array[0]).data_type() if self._array else 'tensor(float)'})"
        return _onnx_types.ort_type(_onnx_types.name_of(self._array))

    def element_type(self) -> int:
        """ONNX's number of the element type."""
        return _onnx_types.number_of(self._array)

    def tensor_size_in_bytes(self) -> int:
        return self._array.nbytes

    def data_ptr(self) -> int:
        return self._array.__cuda_array_interface__["data"][0] if isinstance(self._array, _OnDevice) else self._array.ctypes.data

    def device_name(self) -> str:
        return "cuda" if isinstance(self._array, _OnDevice) else "cpu"

    def is_tensor(self) -> bool:
        return isinstance(self._array, (np.ndarray, _OnDevice))

    def is_tensor_sequence(self) -> bool:
        return isinstance(self._array, (list, tuple))

    def is_sparse_tensor(self) -> bool:
        return False

    def has_value(self) -> bool:
        return self._array is not None

    def update_inplace(self, array) -> None:
        if array.shape != self._array.shape or array.dtype != self._array.dtype:
            raise InputError(f"an array of {self._array.dtype} and shape {self._array.shape} was expected, not {array.dtype} and {array.shape}")
        self._array[...] = array

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


class IOBinding:
    """Inputs and outputs of a session's runs."""

    def __init__(self, session):
        self._plan = session.plan
        self._inputs: dict[str, np.ndarray | _OnDevice] = {}
        self._outputs: dict[str, np.ndarray | _OnDevice | None] = {}  # None: made by each run
        self._results: list[OrtValue] = []

    def _bind(self, table, known, name, array):
        if name not in (names := [tensor.name for tensor in known]):
            raise InputError(f"the model has no '{name}' to bind; there are {', '.join(names)}")
        table[name] = array

    def bind_cpu_input(self, name, array) -> None:
        self._bind(self._inputs, self._plan.inputs, name, array)

    def bind_input(self, name, device_type, device_id, element_type, shape, buffer_ptr) -> None:
        """`device_type`: "cpu", or "cuda" for a tensor in the memory of the GPU that the session runs on."""
        self._bind(self._inputs, self._plan.inputs, name, self._over(device_type, buffer_ptr, shape, element_type))

    def bind_ortvalue_input(self, name, ortvalue) -> None:
        self._bind(self._inputs, self._plan.inputs, name, ortvalue._array)

    def bind_output(self, name, device_type="cpu", device_id=0, element_type=None, shape=None, buffer_ptr=None) -> None:
        """Without `buffer_ptr` each run makes an array, on the host."""
        if buffer_ptr is None:
            _need_cpu(device_type)
        self._bind(self._outputs, self._plan.outputs, name, None if buffer_ptr is None else self._over(device_type, buffer_ptr, shape, element_type))

    def _over(self, device_type, address, shape, element_type):
        if not _is_cuda(device_type):
            return _over(address, shape, element_type)
        if self._plan.properties["device"] != "cuda":
            raise InputError("memory on the device 'cuda' cannot be used: the session runs on the CPU")
        return _OnDevice(address, shape, element_type)

    def bind_ortvalue_output(self, name, ortvalue) -> None:
        self._bind(self._outputs, self._plan.outputs, name, ortvalue._array)

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
        if not self._outputs:
            raise InputError("no output is bound")
        given = {name: array for name, array in self._outputs.items() if array is not None}
        results = self._plan.run(self._inputs, list(self._outputs), out=given)
        self._results = [OrtValue(array) for array in results.values()]


def _over(address, shape, element_type) -> np.ndarray:
    """An array over memory that stays its owner's."""
    element, shape = _onnx_types.element_type(element_type), tuple(shape)
    size = int(np.prod(shape, dtype=np.int64)) * element.itemsize
    if not size:
        return np.empty(shape, element)
    memory = (ctypes.c_byte * size).from_address(address)
    return np.frombuffer(memory, element).reshape(shape)
