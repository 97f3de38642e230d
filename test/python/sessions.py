"""onnxruntime's interface."""
import warnings

import models
import numpy as np
import onnx
import tenon
from tenon import onnxruntime as rt


def rows(count=3):
    return np.arange(4 * count, dtype=np.float32).reshape(count, 4)


def session(**options):
    return tenon.InferenceSession(models.affine().SerializeToString(), **options)


def raises(call, kind):
    try:
        call()
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was expected")


def test_signature(folder):
    made = session(providers=[("CPUExecutionProvider", {"arena": "x"})])
    assert [(arg.name, arg.type, arg.shape) for arg in made.get_inputs()] == [("x", "tensor(float)", ["batch", 4])]
    assert [(arg.name, arg.type, arg.shape) for arg in made.get_outputs()] == [("y", "tensor(float)", ["batch", 4])]
    assert made.get_providers() == ["CPUExecutionProvider"]
    assert made.get_overridable_initializers() == []


def test_unnamed_dimension(folder):
    made = tenon.InferenceSession(models.model("float[?, 4] x", "float[?, 4] y", "y = Relu (x)").SerializeToString())
    assert made.get_inputs()[0].shape == [None, 4]


def test_metadata(folder):
    model = models.affine()
    model.domain, model.model_version = "example.org", -3
    path = folder / "affine.onnx"
    onnx.save(model, path)
    for source in (str(path), path.read_bytes()):
        meta = tenon.InferenceSession(source).get_modelmeta()
        assert (meta.producer_name, meta.domain, meta.version, meta.description) == ("tests", "example.org", -3, "a test"), meta
        assert meta.custom_metadata_map == {"kind": "small"}
        assert meta.graph_name == model.graph.name


def test_run(folder):
    made = session()
    for names in (None, [], ["y"]):
        results = made.run(names, {"x": rows()})
        assert isinstance(results, list) and len(results) == 1
        np.testing.assert_array_equal(results[0], 2 * rows() + 1)
    np.testing.assert_array_equal(made.run(None, {"x": rows().tolist()}, rt.RunOptions())[0], 2 * rows() + 1)


def test_errors(folder):
    made = session()
    raises(lambda: made.run(None, {}), ValueError)
    raises(lambda: made.run(["z"], {"x": rows()}), ValueError)
    raises(lambda: made.run(None, {"x": rows().astype(np.float64)}), ValueError)
    raises(lambda: tenon.InferenceSession(str(folder / "nothing.onnx")), RuntimeError)


def test_options(folder):
    options = rt.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = rt.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_free_dimension_override_by_name("batch", 2)
    options.optimized_model_filepath = str(folder / "affine.plan")
    made = session(sess_options=options)
    assert made.get_inputs()[0].shape == [2, 4]
    assert made.get_session_options() is options
    raises(lambda: made.run(None, {"x": rows(3)}), ValueError)
    again = tenon.InferenceSession(str(folder / "affine.plan"))
    np.testing.assert_array_equal(again.run(None, {"x": rows(2)})[0], 2 * rows(2) + 1)
    options.add_free_dimension_override_by_name("width", 2)
    raises(lambda: session(sess_options=options), tenon.CompileError)


def test_binding(folder):
    made = session()
    binding = made.io_binding()
    binding.bind_cpu_input("x", rows())
    binding.bind_output("y")
    made.run_with_iobinding(binding)
    np.testing.assert_array_equal(binding.copy_outputs_to_cpu()[0], 2 * rows() + 1)


def test_binding_memory(folder):
    """Inputs and outputs in memory that the caller owns."""
    made = session()
    given, result = rows(), np.zeros((3, 4), np.float32)
    binding = made.io_binding()
    binding.bind_input("x", "cpu", 0, np.float32, given.shape, given.ctypes.data)
    binding.bind_output("y", "cpu", 0, np.float32, result.shape, result.ctypes.data)
    made.run_with_iobinding(binding)
    np.testing.assert_array_equal(result, 2 * rows() + 1)
    given *= -1
    made.run_with_iobinding(binding)
    np.testing.assert_array_equal(result, -2 * rows() + 1)
    raises(lambda: binding.bind_input("x", "cuda", 0, np.float32, (3, 4), 0), ValueError)


def test_values(folder):
    made = session()
    value = rt.OrtValue.ortvalue_from_numpy(rows())
    assert value.shape() == [3, 4] and value.device_name() == "cpu"
    np.testing.assert_array_equal(made.run(None, {"x": value})[0], 2 * rows() + 1)
    result = rt.OrtValue.ortvalue_from_shape_and_type((3, 4), np.float32)
    binding = made.io_binding()
    binding.bind_ortvalue_input("x", value)
    binding.bind_ortvalue_output("y", result)
    made.run_with_iobinding(binding)
    np.testing.assert_array_equal(result.numpy(), 2 * rows() + 1)
    assert made.run_with_ort_values(["y"], {"x": value})[0].numpy()[0, 0] == 1


def test_providers(folder):
    assert rt.get_all_providers() == ["CUDAExecutionProvider", "CPUExecutionProvider"] and rt.get_all_providers()[-1] in rt.get_available_providers()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = session(providers=["OpenVINOExecutionProvider", "CPUExecutionProvider"])
    passed_over = [str(warning.message) for warning in caught]
    assert made.get_providers() == ["CPUExecutionProvider"] and made.get_provider_options() == {"CPUExecutionProvider": {}}
    assert passed_over == ["OpenVINOExecutionProvider cannot be used: there is no such provider here. CPUExecutionProvider is used instead"], passed_over
    if rt.get_device() != "GPU":  # what only a GPU computes in is not asked of the CPU in place of it
        in_halves = rt.SessionOptions()
        in_halves.add_session_config_entry("tenon.precision", "fp16")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            made = session(sess_options=in_halves, providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
        assert made.get_providers() == ["CPUExecutionProvider"] and "CUDAExecutionProvider cannot be used" in str(caught[0].message), caught
        np.testing.assert_array_equal(made.run(None, {"x": rows()})[0], 2 * rows() + 1)
        raises(lambda: session(sess_options=in_halves, providers=["CPUExecutionProvider"]), Exception)
    for options in ({"device_id": "x"}, {"device_id": -1}, {"device_id": 1 << 31}):
        raises(lambda: session(providers=[("CUDAExecutionProvider", options)]), ValueError)
    raises(lambda: session(providers=["CPUExecutionProvider"], provider_options=[{}, {}]), ValueError)
    on_gpu = rt.SessionOptions()
    on_gpu.add_session_config_entry("tenon.target", "cuda:sm_90")
    raises(lambda: session(sess_options=on_gpu, providers=["CPUExecutionProvider"]), ValueError)
    assert session(sess_options=on_gpu, providers=["CUDAExecutionProvider"] if rt.get_device() == "GPU" else None).get_providers() == ["CUDAExecutionProvider"]


def test_misuse(folder):
    made = session()
    for feed in (None, [rows()], "x"):
        raises(lambda: made.run(None, feed), ValueError)
    raises(lambda: made.run("y", {"x": rows()}), ValueError)
    assert len(made.run(["y", "y"], {"x": rows()})) == 2
    for source in (3, None, 1.5, ["a"]):
        raises(lambda: tenon.InferenceSession(source), TypeError)
    raises(lambda: setattr(rt.SessionOptions(), "intra_op_threads", 2), AttributeError)
    options = rt.SessionOptions()
    options.intra_op_num_threads = -1  # onnxruntime takes it for its default
    assert session(sess_options=options).run(None, {"x": rows()})[0].shape == (3, 4)


def test_binding_misuse(folder):
    made = session()
    binding = made.io_binding()
    binding.bind_cpu_input("x", rows())
    raises(lambda: made.run_with_iobinding(binding), ValueError)  # no output
    raises(lambda: binding.bind_cpu_input("z", rows()), ValueError)
    raises(lambda: binding.bind_output("z"), ValueError)
    raises(lambda: binding.bind_output("y", "cuda"), ValueError)
    raises(lambda: binding.bind_input("x", "cpu", 0, 99, (3, 4), rows().ctypes.data), ValueError)
    wide = np.zeros((3, 5), np.float32)
    binding.bind_output("y", "cpu", 0, np.float32, wide.shape, wide.ctypes.data)
    raises(lambda: made.run_with_iobinding(binding), ValueError)
    assert not wide.any()


def test_one_memory_for_input_and_output(folder):
    """The input is read before the output is written, whatever the order within the kernel."""
    made = tenon.InferenceSession(models.model("float[n, 4] x", "float[n, 4] y", "y = Softmax (x)").SerializeToString())
    memory = rows().copy()
    wanted = made.run(None, {"x": rows()})[0]
    binding = made.io_binding()
    binding.bind_input("x", "cpu", 0, 1, memory.shape, memory.ctypes.data)  # 1 is FLOAT
    binding.bind_output("y", "cpu", 0, np.float32, memory.shape, memory.ctypes.data)
    made.run_with_iobinding(binding)
    np.testing.assert_array_equal(memory, wanted)
    reverse = tenon.compile(models.model("float[8] x", "float[8] y, float[8] z", "y = Neg (x) z = Abs (x)"))
    raises(lambda: reverse.run({"x": memory[:2].ravel()}, out={"y": memory[:2].reshape(8), "z": memory[1:].reshape(8)}), ValueError)


def test_ort_values(folder):
    for array, name, number in ((rows(), "tensor(float)", 1), (np.arange(3), "tensor(int64)", 7), (np.array(["a"], object), "tensor(string)", 8)):
        value = rt.OrtValue.ortvalue_from_numpy(array)
        assert (value.data_type(), value.element_type(), value.shape()) == (name, number, list(array.shape))
    value = rt.OrtValue.from_dlpack(rows())
    assert value.tensor_size_in_bytes() == 48 and value.is_tensor() and not value.is_tensor_sequence()
    np.testing.assert_array_equal(np.from_dlpack(value), rows())
    assert rt.OrtValue.ortvalue_from_shape_and_type([2, 3], 7).element_type() == 7
    raises(lambda: rt.OrtValue.ortvalue_from_numpy([1, 2]), ValueError)
    raises(lambda: value.update_inplace(rows(1)), ValueError)
    value.update_inplace(2 * rows())
    np.testing.assert_array_equal(value.numpy(), 2 * rows())
