"""Arrays as the runtime takes and gives them: dense, row-major, of the element type that the plan says."""
from __future__ import annotations

import numpy as np

from tenon._errors import InputError

_NUMPY = {
    "f32": "float32", "f16": "float16", "f64": "float64", "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64",
    "u8": "uint8", "u16": "uint16", "u32": "uint32", "u64": "uint64", "bool": "bool", "c64": "complex64", "c128": "complex128",
}
# Types that NumPy lacks: the package ml_dtypes has them; without it their bits are passed as unsigned integers.
_EXTENDED = {
    "bf16": ("bfloat16", "uint16"), "f8e4m3fn": ("float8_e4m3fn", "uint8"), "f8e5m2": ("float8_e5m2", "uint8"),
    "f8e4m3fnuz": ("float8_e4m3fnuz", "uint8"), "f8e5m2fnuz": ("float8_e5m2fnuz", "uint8"), "i4": ("int4", "int8"), "u4": ("uint4", "uint8"),
    "i2": ("int2", "int8"), "u2": ("uint2", "uint8"), "f4e2m1": ("float4_e2m1fn", "uint8"), "f8e8m0": ("float8_e8m0fnu", "uint8"),
}
PACKED = {"i4": 4, "u4": 4, "i2": 2, "u2": 2, "f4e2m1": 4}  # bits of an element; the first one in the lowest bits
_cache: dict[str, np.dtype] = {}


def numpy_type(name: str) -> np.dtype:
    """NumPy's element type for the runtime's, by name."""
    if name not in _cache:
        _cache[name] = _find_type(name)
    return _cache[name]


def _find_type(name: str) -> np.dtype:
    if name in _NUMPY:
        return np.dtype(_NUMPY[name])
    if name not in _EXTENDED:
        raise InputError(f"tensors of type {name} cannot be passed as arrays")
    extended, plain = _EXTENDED[name]
    try:
        import ml_dtypes
    except ImportError:
        return np.dtype(plain)
    return np.dtype(getattr(ml_dtypes, extended))


def to_array(value, name: str, element: str) -> np.ndarray:
    """`value` as an array of the runtime's type `element`: itself where that is possible, without a copy; lists and numbers are converted."""
    wanted = numpy_type(element)
    if not isinstance(value, np.ndarray):
        value = _foreign(value, name, wanted)
    if value.dtype != wanted:
        raise InputError(f"input '{name}': an array of {value.dtype} was given; {wanted} was expected")
    return value


def _foreign(value, name, wanted):
    if hasattr(value, "__dlpack__"):
        try:
            return np.from_dlpack(value)
        except Exception as problem:  # the other library's, of any kind
            raise InputError(f"input '{name}': the tensor cannot be read through DLPack: {problem}") from None
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        return np.asarray(value)
    try:
        array = np.asarray(value)
        # NumPy would make numbers of None and of texts, and drop what a type does not hold.
        kinds = "biufc" if wanted.kind == "c" else "biuf"
        with np.errstate(invalid="ignore", over="ignore"):
            converted = array.astype(wanted) if array.dtype.kind in kinds or not array.size else None
    except (TypeError, ValueError, OverflowError) as problem:
        raise InputError(f"input '{name}': no array of {wanted} can be made of it: {problem}") from None
    if converted is None or wanted.kind in "biu" and not np.array_equal(array, converted):
        raise InputError(f"input '{name}': {value!r:.60} is no array of {wanted}")
    return converted


def to_buffer(array: np.ndarray, element: str):
    """What the extension takes for an array: a contiguous buffer in machine byte order, or a pair (packed elements, shape)."""
    if not (array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative):
        array = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
    if element in _NUMPY:
        return array
    if element in PACKED:
        return _pack(array, PACKED[element]), array.shape
    return array.view(_EXTENDED[element][1])


def from_buffer(buffer, element: str) -> np.ndarray:
    """The inverse, for what the extension gives."""
    if element in _NUMPY:
        return buffer
    if element in PACKED:
        packed, shape = buffer
        return _unpack(packed, shape, element)
    return buffer.view(numpy_type(element))


def _pack(array, bits):
    per_byte = 8 // bits
    elements = array.view(np.uint8).ravel() & ((1 << bits) - 1)  # NumPy's arrays have a byte an element
    padded = np.zeros(-(-elements.size // per_byte) * per_byte, np.uint8)
    padded[: elements.size] = elements
    out = np.zeros(padded.size // per_byte, np.uint8)
    for place in range(per_byte):
        out |= padded[place::per_byte] << (place * bits)
    return out


def _unpack(packed, shape, element):
    bits = PACKED[element]
    per_byte = 8 // bits
    elements = np.empty(packed.size * per_byte, np.uint8)
    for place in range(per_byte):
        elements[place::per_byte] = packed >> (place * bits) & ((1 << bits) - 1)
    elements = elements[: int(np.prod(shape, dtype=np.int64))].reshape(shape)
    if element.startswith("i"):
        sign = 1 << (bits - 1)
        return ((elements ^ sign).astype(np.int8) - sign).astype(numpy_type(element))
    return elements.view(numpy_type(element))
