"""What a model file says of itself, read from its protobuf wire format: the package `onnx` is not needed for it."""
from __future__ import annotations

import mmap
import os
from typing import NamedTuple

# Field numbers of onnx.proto's ModelProto, GraphProto and StringStringEntryProto.
_PRODUCER, _DOMAIN, _VERSION, _DOC, _GRAPH, _PROPERTIES = 2, 4, 5, 6, 7, 14
_GRAPH_NAME, _GRAPH_DOC = 2, 10
_KEY, _VALUE = 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types


class ModelMetadata(NamedTuple):
    """As onnxruntime.ModelMetadata."""

    producer_name: str = ""
    graph_name: str = ""
    domain: str = ""
    description: str = ""
    graph_description: str = ""
    version: int = 0
    custom_metadata_map: dict = {}


def read(model) -> ModelMetadata:
    """From a path or bytes. What cannot be parsed is left empty: the compiler says what is wrong with a model."""
    try:
        if isinstance(model, (str, os.PathLike)):
            with open(model, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as contents:
                with memoryview(contents) as view:
                    return _model(view)
        return _model(memoryview(model))
    except (ValueError, IndexError, OSError):
        return ModelMetadata()


def _model(view) -> ModelMetadata:
    texts, graph, properties, version = {}, {}, {}, 0
    for field, value in _fields(view):
        if field == _VERSION and isinstance(value, int):
            version = value - (1 << 64) if value >> 63 else value
        elif field in (_PRODUCER, _DOMAIN, _DOC):
            texts[field] = _text(value)
        elif field == _GRAPH:
            graph = {key: _text(text) for key, text in _fields(value) if key in (_GRAPH_NAME, _GRAPH_DOC)}
        elif field == _PROPERTIES:
            entry = {key: _text(text) for key, text in _fields(value)}
            properties[entry.get(_KEY, "")] = entry.get(_VALUE, "")
    return ModelMetadata(
        texts.get(_PRODUCER, ""), graph.get(_GRAPH_NAME, ""), texts.get(_DOMAIN, ""), texts.get(_DOC, ""), graph.get(_GRAPH_DOC, ""), version, properties
    )


def _text(value) -> str:
    return bytes(value).decode(errors="replace") if not isinstance(value, int) else ""


def _varint(view, at):
    value = shift = 0
    while True:
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("a varint is too long")


def _fields(view):
    """(field number, value) of a message: integers, or views of bytes."""
    at = 0
    while at < len(view):
        tag, at = _varint(view, at)
        wire = tag & 7
        if wire == _VARINT:
            value, at = _varint(view, at)
        elif wire == _BYTES:
            size, at = _varint(view, at)
            value = view[at : at + size]
            if len(value) != size:
                raise ValueError("a field is cut off")
            at += size
        elif wire in (_FIXED64, _FIXED32):
            value = 0
            at += 8 if wire == _FIXED64 else 4
        else:
            raise ValueError("not a protobuf message")
        yield tag >> 3, value
