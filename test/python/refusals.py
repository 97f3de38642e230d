"""What does not fit is refused with a message that names it; nothing crashes."""
import ctypes
import re

import models
import numpy as np
import onnx
import tenon


def refused(call, pattern, kind=tenon.InputError):
    try:
        call()
    except kind as error:
        assert re.search(pattern, str(error), re.S), f"'{pattern}' expected in: {error}"
        return error
    raise AssertionError(f"not refused; {pattern} was expected")


def affine():
    return tenon.compile(models.affine())


def test_types(folder):
    plan = affine()
    for given in (np.zeros((1, 4)), np.zeros((1, 4), np.float16), np.zeros((1, 4), np.int32), np.zeros((1, 4), ">f4"), np.zeros((1, 4), bool)):
        refused(lambda: plan.run({"x": given}), "input 'x': an array of .* was given; float32 was expected")


def test_shapes(folder):
    plan = affine()
    for shape in ((4,), (1, 5), (1, 1, 4), (), (4, 1)):
        refused(lambda: plan.run({"x": np.zeros(shape, np.float32)}), "'x'")


def test_ranks(folder):
    refused(lambda: affine().run({"x": np.zeros((1,) * 9, np.float32)}), "9 dimensions")


def test_names(folder):
    plan = affine()
    good = np.zeros((1, 4), np.float32)
    refused(lambda: plan.run({}), "no array was given for 'x'")
    refused(lambda: plan.run({"X": good}), "no array was given for 'x'")
    refused(lambda: plan.run({"x": good, "z": good}), "no input 'z'")
    refused(lambda: plan.run([good, good]), "2 inputs were given; the model has 1")
    refused(lambda: plan.run({"x": good}, outputs=["z"]), "no output 'z'")
    refused(lambda: plan.run({"x": good}, out={"z": good}), "no output 'z'")


def test_object_arrays(folder):
    plan = affine()
    for given in (np.array([[None, 1, 2, 3]]), np.array([["a", "b", "c", "d"]]), [["a", "b", "c", "d"]], [[1, 2], [3]], None, object(), {1: 2}, "text"):
        refused(lambda: plan.run({"x": given}), "input 'x'")


def test_structured_and_dates(folder):
    for given in (np.zeros((1, 4), "f4,i4"), np.zeros((1, 4), "M8[s]")):
        refused(lambda: affine().run({"x": given}), "input 'x'")


def test_zero_sized(folder):
    """An empty batch gives an empty result, or is refused; an empty row does not fit."""
    plan = affine()
    refused(lambda: plan.run({"x": np.zeros((1, 0), np.float32)}), "'x'")
    try:
        assert plan.run({"x": np.zeros((0, 4), np.float32)})["y"].shape == (0, 4)
    except tenon.InputError as error:
        assert "'x'" in str(error)


def test_huge(folder):
    """A view that claims terabytes is not copied and not read."""
    plan = affine()
    huge = np.broadcast_to(np.float32(0), (1 << 40, 4))
    try:
        plan.run({"x": huge})
    except (tenon.Error, MemoryError):
        return
    raise AssertionError("sixteen terabytes were accepted")


def test_memory_limit(folder):
    plan = tenon.compile(models.model("float[n, 1024] x", "float[n] y", "z = Exp (x) s = Softmax (z) y = ReduceMax <keepdims = 0> (s, axes)",
                                      initializers="<int64[1] axes = {1}>"), max_bytes=1 << 20)
    plan.run({"x": np.zeros((2, 1024), np.float32)})
    many = np.zeros((1 << 14, 1024), np.float32)
    try:
        plan.run({"x": many})
    except tenon.RunError as error:
        assert error.status == "TN_LIMIT", error.status


def test_outputs_to_write_into(folder):
    plan = affine()
    x = np.zeros((3, 4), np.float32)
    fixed = np.zeros((3, 4), np.float32)
    fixed.flags.writeable = False
    for out in (np.zeros((3, 4)), fixed, np.zeros((3, 8), np.float32)[:, ::2], [0.0]):
        refused(lambda: plan.run({"x": x}, out={"y": out}), "output 'y'")
    for shape in ((2, 4), (3, 3), ()):
        refused(lambda: plan.run({"x": x}, out={"y": np.zeros(shape, np.float32)}), "y|output")


def test_sources(folder):
    refused(lambda: tenon.compile(folder / "nothing.onnx"), "nothing.onnx", tenon.CompileError)
    refused(lambda: tenon.compile(b""), "model.onnx", tenon.CompileError)
    refused(lambda: tenon.compile(b"not a model", name="mine"), "mine", tenon.CompileError)
    refused(lambda: tenon.compile(models.affine().SerializeToString()[:-5]), "model.onnx", tenon.CompileError)
    refused(lambda: tenon.compile(models.affine().SerializeToString().replace(b"Mul", b"M\xffl")), "M\ufffdl", tenon.CompileError)
    refused(lambda: tenon.compile(3), "a path, bytes or an onnx.ModelProto, not int", TypeError)
    refused(lambda: tenon.compile(models.affine(), target="z80"), "z80", tenon.CompileError)
    refused(lambda: tenon.compile(models.affine(), precision="tf32"), "tf32 is for GPUs", tenon.CompileError)
    refused(lambda: tenon.compile(models.affine(), shapes={"z": (1, 4)}), "'z'", tenon.CompileError)
    refused(lambda: tenon.compile(models.affine(), shapes={"x": (0, 4)}), "shape", tenon.CompileError)


def test_unsupported_operator(folder):
    model = models.model("float[2] x", "float[2] y", "y = Relu (x)")
    model.graph.node[0].op_type = "NoSuchOperator"
    refused(lambda: tenon.compile(model, name="strange"), "strange: 1 operator is not supported.*NoSuchOperator", tenon.CompileError)


def test_external_data(folder):
    """Weights beside a file are found from its path only."""
    model = models.affine()
    tensor = onnx.numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    model.graph.node.append(onnx.helper.make_node("MatMul", ["y", "w"], ["v"]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("v", 1, ["batch", 4]))
    model.graph.initializer.append(tensor)
    path = folder / "external.onnx"
    onnx.save(model, path, save_as_external_data=True, size_threshold=0, location="weights.bin")
    assert tenon.compile(path).run({"x": np.zeros((1, 4), np.float32)})["v"][0, 0] == 4
    refused(lambda: tenon.compile(path.read_bytes()), "external", tenon.CompileError)


def test_plans(folder):
    plan = affine().to_bytes()
    refused(lambda: tenon.Plan.load(folder / "nothing.plan"), "nothing.plan", tenon.RunError)
    assert refused(lambda: tenon.Plan.from_bytes(b""), "", tenon.RunError).status == "TN_BAD_PLAN"
    for size in (1, 64, len(plan) // 2, len(plan) - 1):
        refused(lambda: tenon.Plan.from_bytes(plan[:size]), "", tenon.RunError)
    refused(lambda: tenon.Plan.from_bytes(plan[:100] + b"\xff" * 100 + plan[200:]), "", tenon.RunError)


def test_memory_of_others(folder):
    """A buffer that is freed while Python still has the array is the caller's affair; one that is too small is seen."""
    memory = (ctypes.c_float * 3)()
    refused(lambda: affine().run({"x": np.frombuffer(memory, np.float32)}), "'x'")


def test_lists(folder):
    """Lists become arrays only where no number changes: no text, no None, nothing that the type does not hold."""
    plan = affine()
    for given in ([[None, 1, 2, 3]], [["1", "2", "3", "4"]], [[1j, 0, 0, 0]]):
        refused(lambda: plan.run({"x": given}), "input 'x'")
    assert plan.run({"x": [[1, 2.5, True, 1e-3]]})["y"].shape == (1, 4)
    doubled = tenon.compile(models.model("int8[n] x", "int8[n] y", "y = Add (x, x)"))
    assert doubled.run({"x": [1, -64]})["y"].tolist() == [2, -128]
    for given in ([1.5], [300], [-129], [float("nan")], [10**30]):
        refused(lambda: doubled.run({"x": given}), "input 'x'")


def test_shapes_of_outputs_to_write_into(folder):
    """Also larger ones: the numbers would lie in other places of the array."""
    plan, x = affine(), np.ones((2, 4), np.float32)
    for shape in ((2, 5), (4, 2), (8,), (1, 2, 4), (3, 4)):
        refused(lambda: plan.run({"x": x}, out={"y": np.zeros(shape, np.float32)}), re.escape(f"output 'y' has the shape (2, 4); the array to write into has {shape}"))
    nonzero = tenon.compile(models.model("float[n] x", "int64[1, k] y", "y = NonZero (x)"))
    given = np.array([1, 0, 1], np.float32)
    assert nonzero.run({"x": given}, out={"y": np.zeros((1, 2), np.int64)})["y"].tolist() == [[0, 2]]
    refused(lambda: nonzero.run({"x": given}, out={"y": np.zeros((1, 3), np.int64)}), "output 'y'")


def test_packed_outputs_to_write_into(folder):
    plan = tenon.compile(models.model("int4[4] x", "int4[4] y", "y = Identity (x)", opset=21))
    refused(lambda: plan.run({"x": np.zeros(4, plan.inputs[0].dtype)}, out={"y": np.zeros(4, plan.outputs[0].dtype)}), "whole bytes")


def test_names_of_outputs(folder):
    plan, x = affine(), np.ones((2, 4), np.float32)
    for names in ("y", b"y"):
        refused(lambda: plan.run({"x": x}, outputs=names), "a list of names")


def test_settings(folder):
    for settings in ({"threads": -1}, {"threads": "2"}, {"threads": 1.5}, {"threads": 1 << 40}, {"max_bytes": -1}, {"max_bytes": None}):
        refused(lambda: tenon.compile(models.affine(), **settings), next(iter(settings)))


def test_foreign_tensors(folder):
    """What fails in another library's tensor names the input."""
    class Broken:
        def __dlpack__(self, **options):
            raise KeyError("gone")

        def __dlpack_device__(self):
            return 1, 0

    class Elsewhere(Broken):
        def __dlpack_device__(self):
            return 2, 0

    for tensor in (Broken(), Elsewhere()):
        refused(lambda: affine().run({"x": tensor}), "input 'x'.*DLPack")


def test_verified_weights(folder):
    """Damage to weights is found on request: checking them reads the whole file."""
    weights = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    model = models.model("float[n, 64] x", "float[n, 64] y", "y = MatMul (x, w)")
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    contents = bytearray(tenon.compile(model).to_bytes())
    at = contents.index(weights[0, :4].tobytes())
    contents[at] ^= 1
    path = folder / "damaged.plan"
    path.write_bytes(contents)
    tenon.Plan.load(path)
    tenon.Plan.from_bytes(contents)
    for load in (lambda: tenon.Plan.load(path, verify=True), lambda: tenon.Plan.from_bytes(contents, verify=True)):
        assert refused(load, "checksum|damaged", tenon.RunError).status == "TN_BAD_PLAN"
    refused(lambda: tenon.Plan.from_bytes("text"), "bytes", TypeError)
