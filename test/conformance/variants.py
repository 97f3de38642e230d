"""Other forms of a case's model that must compute the same."""
import onnx

from cases import free_inputs
from onnx import numpy_helper

VARIANTS = ("given", "dynamic", "constant")


def make(variant: str, model: onnx.ModelProto, sets: list):
    """The model in this form, and the data sets, (inputs, outputs), that it still takes. Changes `model`."""
    if variant == "dynamic":
        _free_dimensions(model)
    elif variant == "constant":
        inputs, outputs = sets[0]
        sets = [(_fix_inputs(model, inputs), outputs)]
    return model, sets


def _free_dimensions(model):
    """Every dimension of every input becomes a symbol of its own; of the outputs only the rank is declared, and of other values nothing."""
    for index, value in enumerate(free_inputs(model)):
        for axis, dim in enumerate(_tensor_type(value.type).shape.dim):
            dim.Clear()
            dim.dim_param = f"d{index}_{axis}"
    del model.graph.value_info[:]
    for value in model.graph.output:
        for dim in _tensor_type(value.type).shape.dim:
            dim.Clear()


def _tensor_type(kind):
    """The tensor's type inside sequences and optionals."""
    while kind.WhichOneof("value") in ("sequence_type", "optional_type"):
        kind = getattr(kind, kind.WhichOneof("value")).elem_type
    return kind.tensor_type


def _fix_inputs(model, inputs):
    """Tensors other than the first become initializers."""
    kept = []
    values = free_inputs(model)
    for index, (value, array) in enumerate(zip(values, inputs)):
        if index == 0 or not value.type.HasField("tensor_type"):
            kept.append(array)
            continue
        tensor = numpy_helper.from_array(array, value.name)
        tensor.data_type = value.type.tensor_type.elem_type
        model.graph.initializer.append(tensor)
        if model.ir_version >= 4:  # before, initializers had to be inputs too
            model.graph.input.remove(value)
    return kept
