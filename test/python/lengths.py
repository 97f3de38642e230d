"""Vectors of axes and sizes, and kernels, whose number only the run knows: what the compiler assumes of them is checked in every run."""
import models
import numpy as np
import tenon
from refusals import refused


def compiled(inputs, outputs, body, opset=18):
    return tenon.compile(models.model(inputs, outputs, body, opset), threads=1)


def counting(*shape):
    return np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)


def vector(*numbers):
    return np.array(numbers, np.int64)


def expect(plan, inputs, wanted):
    (found,) = plan.run(inputs).values()
    np.testing.assert_array_equal(found, wanted)
    assert found.shape == wanted.shape


def test_reduced_axes(folder):
    plan = compiled("float[a, b, c] x, int64[k] axes", "float[d, e, f] y", "y = ReduceSum (x, axes)")
    x = counting(2, 3, 4)
    for axes in ((0,), (-1,), (1, 2), (0, -1), (2, 1, 0), ()):
        expect(plan, {"x": x, "axes": vector(*axes)}, x.sum(axis=axes or None, keepdims=True))
    for axes in ((3,), (-4,)):
        refused(lambda: plan.run({"x": x, "axes": vector(*axes)}), "how many entries of input 1, 'axes', are axes: numbers from -3 to 2: found 0, expected 1")
    for axes in ((1, 1), (1, -2)):
        refused(lambda: plan.run({"x": x, "axes": vector(*axes)}), "how many different axes input 1, 'axes', lists: found 1, expected 2")


def test_removed_axes(folder):
    plan = compiled("float[a, b, c] x, int64[k] axes", "float[d, e] y", "y = ReduceMax <keepdims = 0> (x, axes)")
    x = counting(2, 3, 4)
    expect(plan, {"x": x, "axes": vector(1)}, x.max(axis=1))
    refused(lambda: plan.run({"x": x, "axes": vector(0, 1)}), "the axes that are left: found 1, expected 2")
    refused(lambda: plan.run({"x": x, "axes": vector()}), "the axes that are left: found 0, expected 2")


def test_shapes(folder):
    plan = compiled("float[a, b, c] x, int64[3] shape", "float[d, e, f] y", "y = Reshape (x, shape)")
    x = counting(2, 3, 4)
    expect(plan, {"x": x, "shape": vector(6, -1, 0)}, x.reshape(6, 1, 4))
    for shape in ((-1, -1, 24), (-1, 24, -1), (-1, -1, 0)):
        refused(lambda: plan.run({"x": x, "shape": vector(*shape)}), "is -1 with these values")


def test_slices(folder):
    plan = compiled("float[a, b] x, int64[k] starts, int64[l] ends, int64[m] axes", "float[c, d] y", "y = Slice (x, starts, ends, axes)")
    x = counting(4, 5)
    expect(plan, {"x": x, "starts": vector(1), "ends": vector(3), "axes": vector(-1)}, x[:, 1:3])
    expect(plan, {"x": x, "starts": vector(-2, 1), "ends": vector(9, -1), "axes": vector(1, 0)}, x[1:-1, -2:])
    refused(lambda: plan.run({"x": x, "starts": vector(1), "ends": vector(3, 4), "axes": vector(0)}), "the length of input 2: found 2, expected 1")
    refused(lambda: plan.run({"x": x, "starts": vector(1), "ends": vector(3), "axes": vector(2)}), "input 3, 'axes', are axes")


def test_pads(folder):
    plan = compiled("float[a, b] x, int64[k] pads", "float[c, d] y", "y = Pad (x, pads)")
    x = counting(2, 3)
    expect(plan, {"x": x, "pads": vector(1, 0, 0, 2)}, np.pad(x, ((1, 0), (0, 2))))
    for pads in ((1, 0), (1, 0, 0, 2, 0, 0), ()):
        refused(lambda: plan.run({"x": x, "pads": vector(*pads)}), f"axis 0 of input 1: found {len(pads)}, expected 4")


def test_expanded(folder):
    plan = compiled("float[a, b] x, int64[k] shape", "float[c, d] y", "y = Expand (x, shape)")
    x = counting(1, 2)
    for shape in ((3, 2), (3, 1), (1,), (2,)):
        expect(plan, {"x": x, "shape": vector(*shape)}, x * np.ones(shape, np.float32))
    refused(lambda: plan.run({"x": x, "shape": vector(2, 3, 2)}), "the length of the shape: found 3, expected at most 2")
    refused(lambda: plan.run({"x": x, "shape": vector(3)}), "do not broadcast")


def test_split_sizes(folder):
    plan = compiled("float[a] x, int64[k] sizes", "float[b] y, float[c] z", "y, z = Split (x, sizes)")
    y, z = plan.run({"x": counting(5), "sizes": vector(4, 1)}).values()
    assert y.tolist() == [0, 1, 2, 3] and z.tolist() == [4]
    refused(lambda: plan.run({"x": counting(5), "sizes": vector(2, 2, 1)}), "axis 0 of input 1: found 3, expected 2")


def test_coordinates(folder):
    plan = compiled("float[a, b] x, int64[k, l] indices", "float[c] y", "y = GatherND (x, indices)")
    x = counting(3, 4)
    expect(plan, {"x": x, "indices": np.array([[0, 1], [2, 3]])}, np.array([1, 11], np.float32))
    refused(lambda: plan.run({"x": x, "indices": np.array([[0], [2]])}), "axis 1 of input 1: found 1, expected 2")


def test_numbers_in_vectors(folder):
    plan = compiled("float[a] x, int64[k] count", "float[b] y, int64[c] z", "y, z = TopK (x, count)")
    assert plan.run({"x": counting(5), "count": vector(2)})["y"].tolist() == [4, 3]
    refused(lambda: plan.run({"x": counting(5), "count": vector(2, 2)}), "axis 0 of input 1: found 2, expected 1")
    refused(lambda: plan.run({"x": counting(5), "count": vector(6)}), "the number of elements it takes: found 6, expected at most 5")


def test_kernels(folder):
    plan = compiled("float[n, c, h] x, float[k, i, r] w", "float[n, k, y] y", "y = Conv (x, w)")
    x, w = counting(1, 2, 5), counting(3, 2, 3)
    wanted = np.stack([[np.vdot(x[0, :, p:p + 3], filter) for p in range(3)] for filter in w])[None].astype(np.float32)
    expect(plan, {"x": x, "w": w}, wanted)
    refused(lambda: plan.run({"x": x, "w": counting(3, 2, 6)}), "the extent of the kernel along axis 2 of the padded input: found 6, expected at most 5")
    refused(lambda: plan.run({"x": x, "w": counting(3, 1, 3)}), "the channels, those of the weights times the groups: found 2, expected 1")


def test_sizes_that_must_fit(folder):
    plan = compiled("float[a] x, float[b] y", "float[c] z", "z = Add (x, y)")
    for left, right in ((3, 3), (1, 3), (3, 1), (1, 1)):
        expect(plan, {"x": counting(left), "y": counting(right)}, counting(left) + counting(right))
    for left, right in ((2, 3), (3, 2), (0, 3)):
        refused(lambda: plan.run({"x": counting(left), "y": counting(right)}), "the size [ab], which must be .* or 1: found")
    plan = compiled("float[a, b] x, float[c, d] y", "float[e, f] z", "z = Concat <axis = 0> (x, y)")
    expect(plan, {"x": counting(1, 2), "y": counting(2, 2)}, np.concatenate([counting(1, 2), counting(2, 2)]))
    refused(lambda: plan.run({"x": counting(1, 2), "y": counting(2, 3)}), "the size b, which must be d: found 2, expected 3")


def test_depth_of_products(folder):
    plan = compiled("float[m, k] x, float[l, n] w", "float[m, n] y", "y = MatMul (x, w)")
    expect(plan, {"x": counting(2, 3), "w": counting(3, 2)}, counting(2, 3) @ counting(3, 2))
    refused(lambda: plan.run({"x": counting(2, 3), "w": counting(2, 2)}), "the columns of the left matrix, and the rows of the right one: found")


def test_computed_scales(folder):
    x = counting(1, 2, 3, 4)
    for opset, body in ((18, "y = Resize (x, , s)"), (9, "y = Upsample (x, s)")):
        plan = compiled("float[a, b, c, d] x, float[k] s", "float[e, f, g, h] y", body, opset)
        expect(plan, {"x": x, "s": np.array([1, 1, 2, 1], np.float32)}, x.repeat(2, axis=2))
        for scale in (0, -1, np.nan, np.inf):
            refused(lambda: plan.run({"x": x, "s": np.array([1, 1, scale, 2], np.float32)}), r"how many of the scales, input \d, are finite and above 0: found 3, expected 4")


def test_computed_axis(folder):
    plan = compiled("float[a, b, c] x, int64 axis", "float[d, e, f] y", "y = CumSum (x, axis)")
    x = counting(2, 3, 4)
    for axis in range(-3, 3):
        expect(plan, {"x": x, "axis": np.array(axis)}, x.cumsum(axis))
    for axis in (3, -4):
        refused(lambda: plan.run({"x": x, "axis": np.array(axis)}), "how many entries of input 1, 'axis', are axes: numbers from -3 to 2: found 0, expected 1")


def test_running_sums(folder):
    """Along every axis, from both ends, with and without the element itself; side by side in vectors and one by one."""
    for shape, names in (((33, 5, 16), "a, b, c"), ((33, 5, 16), "33, 5, 16"), ((2, 1, 700), "2, 1, 700"), ((3, 0, 2), "a, b, c")):
        x = np.random.default_rng(1).integers(-9, 9, shape)
        for axis in range(3):
            body = " ".join(f"y{i} = CumSum <exclusive: int = {i % 2}, reverse: int = {i // 2}> (x, axis)" for i in range(4))
            outputs = ", ".join(f"float[d, e, f] y{i}" for i in range(4))
            plan = tenon.compile(models.model(f"float[{names}] x", outputs, body, initializers=f"<int64 axis = {{{axis}}}>"), threads=2)
            found = plan.run([x.astype(np.float32)])
            back = np.flip(np.flip(x, axis).cumsum(axis), axis)
            for i, wanted in enumerate((x.cumsum(axis), x.cumsum(axis) - x, back, back - x)):
                np.testing.assert_array_equal(found[f"y{i}"], wanted)


def test_indices_outside(folder):
    """ONNX forbids them; they are taken as the nearest ones inside, by everything that indexes, and nothing outside is read or written."""
    x, u = counting(4, 3), np.full((3, 3), 50, np.float32)
    for constant in (False, True):
        def plan(body, indices):
            names = ",".join(map(str, indices.shape))
            given = "" if constant else f", int64[{names}] i"
            initializers = f"<int64[{names}] i = {{{','.join(map(str, indices.ravel()))}}}>" if constant else ""
            built = tenon.compile(models.model(f"float[4, 3] x, float[3, 3] u{given}", "float y", body, initializers=initializers), threads=1)
            return built.run({"x": x, "u": u} | ({} if constant else {"i": indices}))["y"]

        rows = vector(-9, 2, 1 << 40)
        np.testing.assert_array_equal(plan("y = Gather (x, i)", rows), x[[0, 2, 3]])
        pairs = vector(-9, 1, 7, -2, 2, 99).reshape(3, 2)
        np.testing.assert_array_equal(plan("y = GatherND (x, i)", pairs), x[[0, 3, 2], [1, 1, 2]])
        table = np.repeat(rows[:, None], 3, 1)
        np.testing.assert_array_equal(plan("y = GatherElements (x, i)", table), x[[0, 2, 3]])
        wanted = x.copy()
        wanted[[0, 2, 3]] = u
        np.testing.assert_array_equal(plan("y = ScatterElements (x, i, u)", table), wanted)
        np.testing.assert_array_equal(plan("y = ScatterND (x, i, u)", rows[:, None]), wanted)
