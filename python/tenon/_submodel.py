"""Parts of ONNX models, and models that show what is inside. Needs the package onnx."""
from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference


class Graph:
    """A model's nodes by what they produce. Nodes get unique names, which plans then give back as their sources."""

    def __init__(self, model: onnx.ModelProto):
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.titles = []  # as the model names its nodes
        for index, node in enumerate(self.model.graph.node):
            self.titles.append(node.name or next(iter(node.output), ""))
            node.name = f"node{index}"
        self.nodes = list(self.model.graph.node)
        self.initializers = {tensor.name: tensor for tensor in self.model.graph.initializer}
        self.producer = {name: index for index, node in enumerate(self.nodes) for name in node.output if name}
        self.outputs = [value.name for value in self.model.graph.output]
        self.readers: dict[str, set[int]] = {}
        for index, node in enumerate(self.nodes):
            for name in reads(node):
                self.readers.setdefault(name, set()).add(index)
        self.types = _types(self.model)

    def tensors(self) -> list[str]:
        """Every tensor that a node produces, in order."""
        return [name for node in self.nodes for name in node.output if name and name in self.types]

    def showing(self, tensors) -> onnx.ModelProto:
        """The model with these tensors as outputs, besides its own."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        for name in tensors:
            if name not in self.outputs:
                model.graph.output.append(onnx.ValueInfoProto(name=name, type=self.types[name]))
        return model

    def part(self, nodes: set[int], output: str, values: dict) -> tuple[onnx.ModelProto, dict]:
        """The model of some nodes that computes `output`, and its inputs: what they read of the rest, as it is in `values`."""
        chosen = [self.nodes[index] for index in sorted(nodes)]
        made = {name for node in chosen for name in node.output}
        needed = dict.fromkeys(name for node in chosen for name in reads(node) if name not in made)
        weights = [self.initializers[name] for name in needed if name in self.initializers]
        inputs = {name: values[name] for name in needed if name in values and name not in self.initializers}
        graph = helper.make_graph(
            chosen,
            "part",
            [helper.make_tensor_value_info(name, _onnx_type(array), array.shape) for name, array in inputs.items()],
            [onnx.ValueInfoProto(name=output, type=self.types[output])],
            weights,
        )
        model = helper.make_model(graph, opset_imports=self.model.opset_import, ir_version=self.model.ir_version, functions=self.model.functions)
        return model, inputs

    def before(self, nodes: set[int]) -> set[int]:
        """These nodes and those whose results they read."""
        return nodes | {self.producer[name] for index in nodes for name in reads(self.nodes[index]) if name in self.producer}


def reads(node) -> list[str]:
    """Names that a node reads, those within its branches and bodies included."""
    names = [name for name in node.input if name]
    for attribute in node.attribute:
        for graph in [attribute.g] if attribute.HasField("g") else attribute.graphs:
            inner = {name for each in graph.node for name in each.output} | {value.name for value in graph.input}
            names += [name for each in graph.node for name in reads(each) if name not in inner]
    return names


def _types(model) -> dict:
    """Types of tensors by name, as far as ONNX can infer them; sizes are left out."""
    inferred = shape_inference.infer_shapes(model)
    types = {}
    for value in [*inferred.graph.value_info, *inferred.graph.output]:
        if value.type.tensor_type.elem_type:
            types[value.name] = onnx.TypeProto()
            types[value.name].tensor_type.elem_type = value.type.tensor_type.elem_type
    return types


def _onnx_type(array) -> int:
    return numpy_helper.from_array(np.asarray(array)).data_type
