"""Sets the batch of a model that was exported with one of 1: the axis that it multiplies is followed through the graph, and shapes that name it are changed."""
import sys

import numpy as np
from onnx import numpy_helper, shape_inference


def shapes_of(model):
    """{value: dimensions} where they are known."""
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim]
    return shapes


def attribute(node, name, default=None):
    return next((list(a.ints) or a.i for a in node.attribute if a.name == name), default)


def reshaped(place, given, wanted):
    """Where the batch, at `place` of the shape `given`, is in the shape `wanted`: (axis, what of the axis lies inside the batch)."""
    axis, within = place
    inner = within * int(np.prod(given[axis + 1 :]))
    fitting = [j for j in range(len(wanted) + 1) if int(np.prod(wanted[j:])) == inner]
    if not fitting:
        return None
    ones = [j for j in fitting if j < len(wanted) and wanted[j] == 1]
    if ones:
        return ones[0], 1
    # The last axis is what products sum over: the batch stays out of it.
    return (fitting[0], wanted[fitting[0]]) if fitting[0] < len(wanted) - 1 or not fitting[0] else (fitting[0] - 1, 1)


def moved(node, axis, rank, out_rank, is_index, constants):
    """The batch's axis after `node`, where it is `axis` of one of `rank` before."""
    kind, given = node.op_type, attribute(node, "axes")
    if kind in ("Unsqueeze", "Squeeze") or (kind.startswith("Reduce") and attribute(node, "keepdims", 1) == 0):
        axes = given if given is not None else constants[node.input[1]].ravel().tolist()
        whole = out_rank if kind == "Unsqueeze" else rank
        axes = [a % whole for a in axes]
        if kind == "Unsqueeze":
            return [a for a in range(out_rank) if a not in axes][axis]
        return axis - sum(a < axis for a in axes)
    if kind == "Transpose":
        return (attribute(node, "perm") or list(range(rank))[::-1]).index(axis)
    if kind == "Gather":
        along = attribute(node, "axis", 0) % (rank if not is_index else max(rank, 1))
        return axis + along if is_index else axis + (out_rank - rank if along < axis else 0)
    return 0 if kind == "Flatten" else axis + out_rank - rank


def set_batch(model, batch):
    """Inputs, outputs, and the shapes of Reshape, Expand and Resize; weights need not be there."""
    graph, shapes = model.graph, shapes_of(model)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer if tensor.raw_data and len(tensor.dims) < 2}
    constants |= {n.output[0]: numpy_helper.to_array(n.attribute[0].t) for n in graph.node if n.op_type == "Constant" and n.attribute[0].name == "value"}
    places = {value.name: (0, 1) for value in graph.input if value.name not in constants}
    for node in graph.node:
        source = next((name for name in node.input if name in places), None)
        if source is None or node.op_type == "Shape":
            continue
        place, out = places[source], shapes.get(node.output[0], [])
        named = {"Reshape": 1, "Expand": 1, "Resize": 3}.get(node.op_type, len(node.input))
        fixed = named < len(node.input) and (node.input[named] in constants)
        if node.op_type == "Reshape" and not fixed:
            place = (0, 1)  # computed from the batch, by models that were exported with any
        elif node.op_type == "Reshape":
            place = reshaped(place, shapes[source], out)
            if place is None:
                sys.exit(f"{node.name or node.output[0]}: the batch cannot be found in a reshape of {shapes[source]} to {out}")
        elif shapes.get(source) and out:
            axis = moved(node, place[0], len(shapes[source]), len(out), source != node.input[0], constants)
            place = (axis, place[1])
        if fixed:
            sizes = np.array(out, np.int64)
            sizes[place[0]] *= batch
            graph.initializer.append(numpy_helper.from_array(sizes, f"{node.output[0]}_sizes"))
            node.input[named] = graph.initializer[-1].name
        places |= {name: place for name in node.output}
    for value in (*graph.input, *graph.output):
        if value.name in places:
            dims, axis = value.type.tensor_type.shape.dim, places[value.name][0]
            dims[axis].dim_value = batch * (dims[axis].dim_value or 1)
    del graph.value_info[:]


def repeat_tokens(graph, batch):
    """Constants of a batch of 1 that are joined with what depends on the batch: a token for each image."""
    joined = {name for node in graph.node if node.op_type == "Concat" and attribute(node, "axis") for name in node.input}
    for tensor in graph.initializer:
        if tensor.name in joined and tensor.dims[0] == 1:
            tensor.CopyFrom(numpy_helper.from_array(np.repeat(numpy_helper.to_array(tensor), batch, axis=0), tensor.name))
