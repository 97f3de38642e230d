"""Element types by the names and numbers that ONNX and onnxruntime give them."""
from __future__ import annotations

import numpy as np

from tenon._arrays import numpy_type
from tenon._errors import InputError

# The runtime's name: onnxruntime's, and the number of onnx.TensorProto.DataType.
_TYPES = {
    "f32": ("float", 1), "u8": ("uint8", 2), "i8": ("int8", 3), "u16": ("uint16", 4), "i16": ("int16", 5), "i32": ("int32", 6), "i64": ("int64", 7),
    "string": ("string", 8), "bool": ("bool", 9), "f16": ("float16", 10), "f64": ("double", 11), "u32": ("uint32", 12), "u64": ("uint64", 13),
    "c64": ("complex64", 14), "c128": ("complex128", 15), "bf16": ("bfloat16", 16), "f8e4m3fn": ("float8e4m3fn", 17),
    "f8e4m3fnuz": ("float8e4m3fnuz", 18), "f8e5m2": ("float8e5m2", 19), "f8e5m2fnuz": ("float8e5m2fnuz", 20), "u4": ("uint4", 21), "i4": ("int4", 22),
    "f4e2m1": ("float4e2m1", 23), "f8e8m0": ("float8e8m0", 24), "u2": ("uint2", 25), "i2": ("int2", 26),
}


def ort_type(name: str) -> str:
    """onnxruntime's spelling of a type: sequences are seq(tensor(...))."""
    for ours, theirs in (("optional", "optional"), ("sequence", "seq")):
        if name.startswith(ours + "("):
            return f"{theirs}({ort_type(name[len(ours) + 1 : -1])})"
    return f"tensor({_TYPES[name][0] if name in _TYPES else name})"


def name_of(array: np.ndarray) -> str:
    """The runtime's name for an array's element type."""
    if array.dtype.kind in "OUST":
        return "string"
    for name in _TYPES:
        if name != "string" and numpy_type(name) == array.dtype:
            return name
    raise InputError(f"an array of {array.dtype} is no tensor")


def number_of(array: np.ndarray) -> int:
    """ONNX's number for an array's element type."""
    return _TYPES[name_of(array)][1]


def element_type(given) -> np.dtype:
    """NumPy's type for what onnxruntime takes as one: a type of NumPy's, or ONNX's number."""
    if isinstance(given, int):
        names = [name for name, (_, number) in _TYPES.items() if number == given and name != "string"]
        if not names:
            raise InputError(f"{given} is the number of no element type that arrays can have")
        return numpy_type(names[0])
    return np.dtype(given)
