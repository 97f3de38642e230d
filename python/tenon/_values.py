"""A model's inputs and outputs, and the tensors of the plan that each of them is: include/tenon/runtime.h, tn_part."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tenon._arrays import numpy_type, to_array
from tenon._errors import InputError

_COLUMNS = 8  # of a sequence's shapes


class Part(NamedTuple):
    """A tensor of the plan; `part` is "" where it is all of a value."""

    name: str
    type: str
    shape: tuple
    value: str
    part: str


class Value:
    """An input or output of the model."""

    def __init__(self, parts: list[Part]):
        self.parts = {part.part: part for part in parts}
        self.name = parts[0].value
        self.is_optional = "present" in self.parts
        self.is_sequence = "shapes" in self.parts
        self.is_string = "bytes" in self.parts
        shaped = self.parts.get("ends") or self.parts.get("data") or parts[0]
        self.shape = () if self.is_sequence else shaped.shape
        self.element = "string" if self.is_string else shaped.type
        held = f"sequence({self.element})" if self.is_sequence else self.element
        self.type = f"optional({held})" if self.is_optional else held

    @property
    def is_tensor(self) -> bool:
        """One tensor of numbers."""
        return "" in self.parts

    def split(self, value) -> list[np.ndarray]:
        """The arrays of the parts, in their order."""
        if self.is_tensor:
            return [to_array(value, self.name, self.element)]
        arrays = []
        if self.is_optional:
            arrays.append(np.array(value is not None))
            if value is None:
                return arrays + [_nothing(part) for part in self.parts.values() if part.part != "present"]
        if self.is_sequence:
            return arrays + self._split_sequence(value)
        return arrays + (self._split_strings(value) if self.is_string else [to_array(value, self.name, self.element)])

    def _split_sequence(self, value):
        if not isinstance(value, (list, tuple)):
            raise InputError(f"input '{self.name}': a list of arrays of {self.element} was expected, not {type(value).__name__}")
        tensors = [self._strings(tensor) if self.is_string else to_array(tensor, self.name, self.element) for tensor in value]
        shapes = np.full((len(tensors), _COLUMNS), -1, np.int64)
        for row, tensor in zip(shapes, tensors):
            if tensor.ndim > _COLUMNS:
                raise InputError(f"input '{self.name}': an array of it has {tensor.ndim} dimensions; at most {_COLUMNS} are supported")
            row[: tensor.ndim] = tensor.shape
        data = [tensor.ravel() for tensor in tensors]
        if self.is_string:
            return [*self._split_strings(np.concatenate([each.astype(object) for each in data]) if data else np.empty(0, object)), shapes]
        return [np.concatenate(data) if data else np.empty(0, numpy_type(self.element)), shapes]

    def _strings(self, value):
        texts = value if isinstance(value, np.ndarray) else np.array(value, object)
        if texts.dtype.kind not in "OUST" and texts.size:
            raise InputError(f"input '{self.name}': an array of {texts.dtype} was given; strings were expected")
        return texts

    def _split_strings(self, value):
        texts, encoded = self._strings(value), []
        for text in texts.ravel().tolist():
            if not isinstance(text, (str, bytes)):
                raise InputError(f"input '{self.name}': {text!r} was given; strings were expected")
            encoded.append(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)
        ends = np.cumsum(np.array([len(text) for text in encoded], np.int64), dtype=np.int64).reshape(texts.shape)
        return [np.frombuffer(b"".join(encoded), np.uint8), ends]

    def join(self, arrays: list[np.ndarray]):
        """The value that the arrays of the parts make."""
        if self.is_optional:
            if not arrays[0]:
                return None
            arrays = arrays[1:]
        if self.is_sequence:
            *data, shapes = arrays
            return _join_sequence(_join_strings(*data) if self.is_string else data[0], shapes)
        return _join_strings(*arrays) if self.is_string else arrays[0]


def group(tensors) -> list[Value]:
    """The values of a signature. Parts of one are neighbours."""
    values: list[list[Part]] = []
    for tensor in map(Part._make, tensors):
        if tensor.part and values and values[-1][0].part and values[-1][0].value == tensor.value:
            values[-1].append(tensor)
        else:
            values.append([tensor])
    return [Value(parts) for parts in values]


def _nothing(part: Part):
    return np.zeros([size if isinstance(size, int) else 0 for size in part.shape], numpy_type(part.type))


def _join_sequence(data, shapes):
    tensors, start = [], 0
    for row in shapes.tolist():
        shape = [size for size in row if size >= 0]
        end = start + int(np.prod(shape, dtype=np.int64))
        tensors.append(data[start:end].reshape(shape))
        start = end
    return tensors


def _join_strings(contents, ends):
    contents, start = contents.tobytes(), 0
    texts = np.empty(ends.size, object)
    for i, end in enumerate(ends.ravel().tolist()):
        texts[i] = contents[start:end].decode("utf-8", "surrogateescape")
        start = end
    return texts.reshape(ends.shape)
