"""The operators of com.microsoft, in the forms that exporters and ONNX Runtime's optimizer write, against ONNX Runtime."""
import unittest

import numpy as np
import onnx
import tenon
from onnx import helper
from refusals import refused

CASES = []


def case(op, inputs, attributes=None, outputs=1, fixed=(), tolerance=2e-5, lengths=None, free=True):
    """A node; inputs by number or None, those whose numbers are in `fixed` as constants of the model.

    `outputs`: how many, or their numbers. `lengths`: tokens of each sequence that count; what results hold for others is nobody's business.
    `free`: whether it is a model with free sizes too.
    """
    outputs = list(range(outputs)) if isinstance(outputs, int) else outputs
    CASES.append((op, inputs, attributes or {}, outputs, set(fixed), tolerance, lengths, (False, True) if free else (False,)))


def model(op, inputs, attributes, outputs, fixed, free):
    def info(i, name, array):
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        # Batches and lengths may be free, sizes that heads or weights divide may not. What is equal has one name.
        axes = {1: [0], 2: [0], 3: [0, 1], 4: [0, 2] if "Attention" in op else [0], 5: [1, 3]}.get(array.ndim, []) if free and i not in fixed else []
        shape = [f"size{size}" if axis in axes and size > 1 else size for axis, size in enumerate(array.shape)]
        return helper.make_tensor_value_info(name, kind, shape)

    names = ["" if array is None else f"x{i}" for i, array in enumerate(inputs)]
    results = [f"y{i}" if i in outputs else "" for i in range(max(outputs) + 1)]
    node = helper.make_node(op, names, results, name="node", domain="com.microsoft", **attributes)
    there = [(i, names[i], array) for i, array in enumerate(inputs) if array is not None]
    constants = [onnx.numpy_helper.from_array(array, name) for i, name, array in there if i in fixed]
    graph = helper.make_graph([node], "one", [info(*each) for each in there if each[0] not in fixed], [onnx.ValueInfoProto(name=name) for name in results if name], constants)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10), {name: array for i, name, array in there if i not in fixed}


def counting(array, lengths):
    """The tokens that count: along the last axis but one."""
    return np.concatenate([row[..., :length, :].ravel() for row, length in zip(array, lengths)])


def differences(found, expected, tolerance, lengths):
    """Why two lists of arrays are not the same; nothing where they are. Bytes must be equal."""
    for i, (own, theirs) in enumerate(zip(found, expected)):
        if own.shape != theirs.shape or own.dtype != theirs.dtype:
            yield f"result {i} is {own.dtype}{list(own.shape)} instead of {theirs.dtype}{list(theirs.shape)}"
            continue
        if lengths is not None:
            own, theirs = counting(own, lengths), counting(theirs, lengths)
        if theirs.dtype.kind in "iu":
            if (own != theirs).any():
                yield f"result {i} differs by {np.abs(own.astype(np.int64) - theirs.astype(np.int64)).max()}"
        elif not np.allclose(own, theirs, rtol=tolerance, atol=tolerance * max(1, np.abs(theirs).max(initial=0)), equal_nan=True):
            yield f"result {i} differs by {np.abs(own - theirs).max()}"


# Numbers --------------------------------------------------------------------------------------------------------------

RANDOM = np.random.default_rng(5)


def real(*shape, scale=1.0):
    return (RANDOM.standard_normal(shape) * scale).astype(np.float32)


def integers(kind, low, high, *shape):
    return RANDOM.integers(low, high, shape).astype(kind)


def u8(*shape):
    return integers(np.uint8, 0, 256, *shape)


def i8(*shape):
    return integers(np.int8, -128, 128, *shape)


def scalar(value, kind=np.float32):
    return np.array(value, kind)


# Layers ---------------------------------------------------------------------------------------------------------------

case("Gelu", [real(3, 5)])
case("BiasGelu", [real(2, 3, 8), real(8)])
case("FastGelu", [real(2, 3, 8), real(8)], tolerance=1e-4)
case("FastGelu", [real(2, 3, 8)], tolerance=1e-4)
case("QuickGelu", [real(2, 3, 8)], {"alpha": 1.5})

x, skip, scale, bias = real(2, 3, 16), real(2, 3, 16), real(16), real(16)
case("SkipLayerNormalization", [x, skip, scale, bias, real(16)], {"epsilon": 1e-5}, [0, 3])
case("SkipLayerNormalization", [x, skip, scale, None, None], {"epsilon": 1e-5})
case("SkipLayerNormalization", [x, skip[:1], scale, bias], {"epsilon": 1e-5}, [0, 3])
case("SkipLayerNormalization", [x, skip[0], scale, bias], {"epsilon": 1e-5})
case("SkipSimplifiedLayerNormalization", [x, skip, scale, bias], {"epsilon": 1e-5}, [0, 3])
case("SkipSimplifiedLayerNormalization", [x, skip, scale], {"epsilon": 1e-5})

ids, segments = integers(np.int32, 0, 20, 2, 6), integers(np.int32, 0, 2, 2, 6)
tables = [real(20, 16), real(12, 16), real(2, 16), real(16), real(16)]
lengths = np.array([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]], np.int32)
case("EmbedLayerNormalization", [ids, segments, *tables, lengths], {"epsilon": 1e-6}, [0, 1, 2])
case("EmbedLayerNormalization", [ids, None, tables[0], tables[1], None, *tables[3:], lengths], {"epsilon": 1e-6}, [0, 1])
case("EmbedLayerNormalization", [ids, segments, *tables], {"epsilon": 1e-6}, [0, 1])
case("EmbedLayerNormalization", [ids, segments, *tables, None, integers(np.int32, 0, 12, 2, 6)], {"epsilon": 1e-6}, [0, 1])
case("EmbedLayerNormalization", [ids, segments, *tables, None, integers(np.int32, 0, 12, 1, 6)], {"epsilon": 1e-6}, [0, 1])

image, weights = real(1, 4, 9, 9), real(6, 4, 3, 3)
for name, parameters in (("Relu", []), ("LeakyRelu", [0.2]), ("Tanh", []), ("Sigmoid", []), ("Clip", [-0.5, 0.5]), ("HardSigmoid", [0.3, 0.4]), ("HardSwish", [1 / 6, 0.5])):
    attributes = {"pads": [1, 1, 1, 1], "strides": [2, 2], "activation": name}
    case("FusedConv", [image, weights, real(6)], attributes | ({"activation_params": parameters} if parameters else {}), fixed=[1, 2])
case("FusedConv", [image, weights, real(6), real(1, 6, 9, 9)], {"pads": [1, 1, 1, 1], "activation": "Relu"}, fixed=[1, 2])
case("FusedConv", [image, real(8, 2, 1, 1), None, real(1, 8, 9, 9)], {"group": 2, "activation": "Tanh"}, fixed=[1])

a, b = real(2, 3, 4, 5), real(2, 3, 5, 6)
case("FusedMatMul", [a, b], {"alpha": 0.25})
case("FusedMatMul", [a, b.swapaxes(2, 3).copy()], {"transB": 1})
case("FusedMatMul", [a.swapaxes(2, 3).copy(), b], {"transA": 1})
case("FusedMatMul", [a.swapaxes(2, 3).copy(), b.swapaxes(2, 3).copy()], {"transA": 1, "transB": 1, "alpha": 2.0})
case("FusedMatMul", [a.transpose(2, 0, 1, 3).copy(), b], {"transBatchA": 1})
case("FusedMatMul", [a, b.transpose(2, 0, 1, 3).copy()], {"transBatchB": 1})
case("FusedMatMul", [a.transpose(3, 0, 1, 2).copy(), b.transpose(3, 0, 1, 2).copy()], {"transA": 1, "transBatchA": 1, "transB": 1, "transBatchB": 1})

# Products with blocks of few bits -------------------------------------------------------------------------------------


def narrow_weights(bits, rows, depth, block):
    blocks = -(-depth // block)
    packed = u8(rows, blocks, block * bits // 8)
    scales = np.abs(real(rows * blocks, scale=0.1))
    return packed, scales, u8(rows * (-(-blocks * bits // 8))), blocks


for bits in (4, 8):
    for rows, depth, block in ((5, 40, 16), (8, 96, 32)):
        packed, scales, points, blocks = narrow_weights(bits, rows, depth, block)
        attributes = {"K": depth, "N": rows, "bits": bits, "block_size": block}
        left = real(2, 3, depth)
        case("MatMulNBits", [left, packed, scales], attributes, fixed=[1, 2], tolerance=1e-4)
        case("MatMulNBits", [left, packed, scales, points], attributes, fixed=[1, 2, 3], tolerance=1e-4)
        case("MatMulNBits", [left, packed, scales, points, None, real(rows)], attributes, fixed=[1, 2, 3, 5], tolerance=1e-4)
        if bits == 4:  # as floats; ONNX Runtime has those for 4 bits
            case("MatMulNBits", [left, packed, scales, real(rows * blocks, scale=4)], attributes, fixed=[1, 2, 3], tolerance=1e-4)
packed, scales, points, blocks = narrow_weights(4, 6, 64, 16)
case("MatMulNBits", [real(3, 64), packed, scales, None, integers(np.int32, 0, 4, 64)], {"K": 64, "N": 6, "bits": 4, "block_size": 16}, fixed=[1, 2, 3, 4], tolerance=1e-4)
case("MatMulNBits", [real(3, 64), packed, scales, points], {"K": 64, "N": 6, "bits": 4, "block_size": 16, "accuracy_level": 1}, fixed=[1, 2, 3], tolerance=1e-4)

# Attention ------------------------------------------------------------------------------------------------------------

batch, length, hidden, heads = 2, 5, 16, 4
x, weights, bias = real(batch, length, hidden), real(hidden, 3 * hidden, scale=0.5), real(3 * hidden)
masks = {
    "lengths": np.array([3, 5], np.int32),
    "ends and starts": np.array([3, 5, 1, 0], np.int32),
    "rows": np.array([[1, 1, 1, 0, 0], [1, 1, 0, 1, 1]], np.int32),
    "matrices": np.array([np.tri(5), np.tri(5, k=1)], np.int32),
}
for name, mask in (("", None), *masks.items()):
    hasName = name != "ends and starts"  # 2 * batch is no name that a size may have
    case("Attention", [x, weights, bias, mask], {"num_heads": heads}, tolerance=1e-4, free=hasName)
    case("Attention", [x, weights, bias, mask], {"num_heads": heads, "unidirectional": 1}, tolerance=1e-4, free=hasName)
case("Attention", [x, weights, bias, masks["rows"]], {"num_heads": heads, "mask_filter_value": -3.0}, tolerance=1e-4)
case("Attention", [x, weights, bias, masks["lengths"]], {"num_heads": heads, "scale": 0.3}, [0, 1], tolerance=1e-4)
case("Attention", [x, real(hidden, 40, scale=0.5), real(40)], {"num_heads": heads, "qkv_hidden_sizes": [16, 16, 8]}, tolerance=1e-4)
past = real(2, batch, heads, 3, hidden // heads)
case("Attention", [x, weights, bias, None, past], {"num_heads": heads}, [0, 1], tolerance=1e-4)
case("Attention", [x, weights, bias, None, past], {"num_heads": heads, "unidirectional": 1}, [0, 1], tolerance=1e-4)
case("Attention", [x, weights, bias, np.ones((batch, 8), np.int32), past], {"num_heads": heads, "unidirectional": 1}, [0, 1], tolerance=1e-4)
case("Attention", [x, weights, bias, None, None, real(batch, heads, length, length)], {"num_heads": heads}, tolerance=1e-4)
case("Attention", [x, weights, bias, None, None, real(1, heads, length, length)], {"num_heads": heads}, tolerance=1e-4)

query, key, value = real(batch, length, hidden), real(batch, 7, hidden), real(batch, 7, hidden)
key_masks = {"lengths": np.array([4, 7], np.int32),
             "rows": np.array([[1, 1, 1, 1, 0, 0, 0], [1, 1, 0, 1, 1, 1, 1]], np.int32),
             "matrices": np.array([np.tri(5, 7, 2), np.tri(5, 7, 3)], np.int32)}
case("MultiHeadAttention", [query, key, value], {"num_heads": heads}, tolerance=1e-4)
case("MultiHeadAttention", [query, key, value, real(3 * hidden)], {"num_heads": heads, "scale": 0.4}, tolerance=1e-4)
case("MultiHeadAttention", [query, key, real(batch, 7, 24)], {"num_heads": heads}, tolerance=1e-4)
for mask in key_masks.values():
    case("MultiHeadAttention", [query, key, value, None, mask], {"num_heads": heads}, tolerance=1e-4)
case("MultiHeadAttention", [query, key, value, None, key_masks["rows"], real(1, heads, length, 7)], {"num_heads": heads}, tolerance=1e-4)
case("MultiHeadAttention", [query, key, value, None, None, real(batch, 1, length, 7)], {"num_heads": heads}, tolerance=1e-4)
case("MultiHeadAttention", [query, query, query], {"num_heads": heads, "unidirectional": 1}, tolerance=1e-4)
split = real(batch, heads, 7, 4), real(batch, heads, 7, 4)
case("MultiHeadAttention", [query, *split], {"num_heads": heads}, tolerance=1e-4)
case("MultiHeadAttention", [query, *split, real(3 * hidden)], {"num_heads": heads}, tolerance=1e-4)
pasts = real(batch, heads, 3, 4), real(batch, heads, 3, 4)
case("MultiHeadAttention", [query, query, query, None, None, None, *pasts], {"num_heads": heads}, [0, 1, 2], tolerance=1e-4)
case("MultiHeadAttention", [query, query, query, None, None, None, *pasts], {"num_heads": heads, "unidirectional": 1}, [0, 1, 2], tolerance=1e-4)
case("MultiHeadAttention", [query, query, query, real(3 * hidden), np.ones((batch, 8), np.int32), None, *pasts], {"num_heads": heads}, [0, 1, 2], tolerance=1e-4)


def group_query(length, past, room=0, key_heads=2, size=16, packed=False, lengths=None, sink=None, **attributes):
    """Old tokens in a cache of `past + room` places; `lengths`: of all tokens of each sequence."""
    heads, batch, total = 4, 2, past + length
    lengths = np.array(lengths or [total, total], np.int32)
    q, k, v = (real(batch, length, n * size) for n in (heads, key_heads, key_heads))
    cache = [real(batch, key_heads, past + room, size) for _ in "kv"]
    angles = np.outer(np.arange(total + room + 4), 1 / 100 ** (np.arange(size // 2) / (size // 2))).astype(np.float32)
    inputs = [np.concatenate([q, k, v], 2), None, None] if packed else [q, k, v]
    inputs += [*(cache if past + room else (None, None)), lengths - 1, scalar(lengths.max(), np.int32)]
    if attributes.get("do_rotary"):
        inputs += [np.cos(angles), np.sin(angles)]
    if sink is not None:
        inputs += [None] * (11 - len(inputs)) + [sink]
    case("GroupQueryAttention", inputs, {"num_heads": heads, "kv_num_heads": key_heads} | attributes, 3, [6], 1e-4, lengths)


group_query(5, 0)
group_query(5, 0, do_rotary=1)
group_query(5, 0, do_rotary=1, rotary_interleaved=1)
group_query(5, 0, do_rotary=1, packed=True)
group_query(5, 0, do_rotary=1, scale=0.2)
group_query(5, 0, lengths=[3, 5], do_rotary=1)
group_query(1, 6, do_rotary=1)
group_query(1, 6, do_rotary=1, lengths=[4, 7])
group_query(1, 6, 5, do_rotary=1)
group_query(1, 6, do_rotary=1, packed=True, rotary_interleaved=1)
group_query(1, 6, do_rotary=1, local_window_size=4)
group_query(5, 0, do_rotary=1, local_window_size=2)
group_query(5, 0, do_rotary=1, key_heads=1)
group_query(5, 0, 8, do_rotary=1)
group_query(5, 0, do_rotary=1, softcap=2.0)
group_query(1, 6, do_rotary=1, softcap=2.0, local_window_size=4)
group_query(5, 0, smooth_softmax=1)
group_query(1, 6, do_rotary=1, smooth_softmax=1, softcap=1.5)
group_query(5, 0, do_rotary=1, sink=real(4))

# Bytes ----------------------------------------------------------------------------------------------------------------

for make, kind in ((u8, np.uint8), (i8, np.int8)):
    first, second = make(2, 8, 6, 6), make(2, 8, 6, 6)
    shift = 117 if kind == np.uint8 else -11
    parameters = [scalar(0.0317), scalar(shift, kind)]  # scales whose quotients make no halves: those may be rounded either way
    result = [scalar(0.0613), scalar(shift + 3, kind)]
    fixed = [1, 2, 4, 5, 6, 7]
    case("QLinearAdd", [first, *parameters, second, scalar(0.05), scalar(shift - 5, kind), *result], fixed=fixed)
    case("QLinearAdd", [first, *parameters, make(8, 1, 1), scalar(0.05), scalar(shift - 5, kind), *result], fixed=fixed)
    case("QLinearMul", [first, *parameters, second, scalar(0.05), scalar(shift - 5, kind), *result], fixed=fixed)
    case("QLinearSigmoid", [first, *parameters, scalar(1 / 256), scalar(0, kind)], fixed=[1, 2, 3, 4])
    case("QLinearLeakyRelu", [first, *parameters, *result], {"alpha": 0.1}, fixed=[1, 2, 3, 4])
    case("QLinearGlobalAveragePool", [first, *parameters, *result], {"channels_last": 0}, fixed=[1, 2, 3, 4])
    case("QLinearGlobalAveragePool", [first, *parameters, *result], {"channels_last": 1}, fixed=[1, 2, 3, 4])
    case("QLinearAveragePool", [first, *parameters, *result], {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}, fixed=[1, 2, 3, 4])
    case("QLinearAveragePool", [first, *parameters, *result], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1}, fixed=[1, 2, 3, 4])
    case("QLinearConcat", [*result, first, *parameters, second, *result, make(2, 3, 6, 6), scalar(0.0419), scalar(shift + 9, kind)], {"axis": 1}, fixed=[0, 1, 3, 4, 6, 7, 9, 10])
    case("QLinearWhere", [u8(2, 8, 6, 6) > 99, first, *parameters, second, scalar(0.0419), scalar(shift + 9, kind), *result], fixed=[2, 3, 5, 6, 7, 8])
    probability = [scalar(1 / 256), scalar(0 if kind == np.uint8 else -128, kind)]
    case("QLinearSoftmax", [first, *parameters, *probability], {"axis": -1, "opset": 13}, fixed=[1, 2, 3, 4])
    case("QLinearSoftmax", [first, *parameters, *probability], {"axis": 1, "opset": 13}, fixed=[1, 2, 3, 4])
    case("QLinearSoftmax", [first, *parameters, *probability], {"axis": 2, "opset": 11}, fixed=[1, 2, 3, 4])
    case("QLinearSoftmax", [first, *parameters, *probability], {"opset": 11}, fixed=[1, 2, 3, 4])
    rows, matrix = make(5, 16), make(16, 7)
    case("QGemm", [rows, *parameters, matrix, scalar(0.02), scalar(shift + 2, kind), integers(np.int32, -500, 500, 7), scalar(0.9), scalar(shift, kind)], fixed=[1, 2, 3, 4, 5, 6, 7, 8])
    case("QGemm", [rows, *parameters, matrix, scalar(0.02), scalar(shift + 2, kind), integers(np.int32, -500, 500, 7)], fixed=[1, 2, 3, 4, 5, 6])
    case("QGemm", [rows, *parameters, matrix.T.copy(), np.linspace(0.01, 0.03, 7, dtype=np.float32), make(7), None, scalar(0.9), scalar(shift, kind)], {"transB": 1, "alpha": 0.5}, fixed=[1, 2, 3, 4, 5, 7, 8])
    case("QGemm", [rows.T.copy(), *parameters, matrix, scalar(0.02), scalar(shift + 2, kind), None, scalar(0.9), scalar(shift, kind)], {"transA": 1}, fixed=[1, 2, 3, 4, 5, 7, 8])
    case("NhwcMaxPool", [make(1, 9, 9, 8)], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]})
    case("NhwcMaxPool", [make(1, 9, 9, 8)], {"kernel_shape": [2, 2], "dilations": [2, 2], "ceil_mode": 1, "strides": [2, 2]})
for kind in (np.uint8, np.int8, np.uint16, np.int16):
    point = scalar(3, kind)
    case("QuantizeLinear", [real(3, 8, scale=30), scalar(0.3), point])
    case("DequantizeLinear", [integers(kind, np.iinfo(kind).min, np.iinfo(kind).max, 3, 8), scalar(0.3), point])
    case("QuantizeLinear", [real(3, 8, scale=30), np.abs(real(3)) + 0.1, integers(kind, 0, 9, 3)], {"axis": 0})
case("DequantizeLinear", [integers(np.int32, -9999, 9999, 3, 8), scalar(0.3)])


def test_against_onnx_runtime(folder):
    try:
        import onnxruntime
    except ImportError:
        raise unittest.SkipTest("onnxruntime is not installed") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    wrong = []
    for op, inputs, attributes, outputs, fixed, tolerance, lengths, variants in CASES:
        shapes = ["" if array is None else f"{array.dtype}{list(array.shape)}" for array in inputs]
        built, given = model(op, inputs, attributes, outputs, fixed, False)
        expected = onnxruntime.InferenceSession(built.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(None, given)
        for free in variants:
            title = f"{op} {attributes} of {', '.join(shapes)}{', free sizes' if free else ''}"
            built, given = model(op, inputs, attributes, outputs, fixed, free)
            try:
                found = tenon.compile(built, threads=1).run(given)
                wrong += [f"{title}: {why}" for why in differences([found[f"y{i}"] for i in outputs], expected, tolerance, lengths)]
            except tenon.Error as error:
                wrong.append(f"{title}: {error}")
    assert not wrong, "\n".join(wrong)


def test_more_keys_than_queries(folder):
    inputs = [real(2, 5, 8), real(2, 7, 8), real(2, 7, 8)]
    for free, pattern in ((False, "unidirectional, with 5 queries and 7 keys"), (True, "the number of keys, which must be that of the queries")):
        built, given = model("MultiHeadAttention", inputs, {"num_heads": 2, "unidirectional": 1}, [0], set(), free)
        refused(lambda: tenon.compile(built, threads=1).run(given), pattern, tenon.Error)
