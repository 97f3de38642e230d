"""Plans for GPUs from Python, over a driver without a GPU (test/unit/runtime/gpu/FakeDriver.cpp): tensors there, GPUs by number, queues."""
import ctypes
import importlib
import os
import re
import subprocess
import sys
import unittest
import warnings
from pathlib import Path

import models
import numpy as np
import onnx
import tenon
import tenon.onnxruntime as rt


def driver_folder():
    for package in map(Path, sys.path):
        if (folder := package.parent / "test/unit/runtime/fake-driver").is_dir():
            return folder
    raise unittest.SkipTest("the build has no driver for tests")


class OnDevice:
    """A tensor in the memory of GPU `device`, as other libraries show theirs; the driver's is the host's."""

    def __init__(self, shape, dtype=np.float32, device=0, **changes):
        self.fake = ctypes.CDLL("libcuda.so.1")
        self.fake.tenonFakeAllocate.restype = ctypes.c_void_p
        count = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        address = self.fake.tenonFakeAllocate(ctypes.c_size_t(max(count, 1)), device)
        self.array = np.frombuffer((ctypes.c_char * count).from_address(address), dtype).reshape(shape)
        self.__cuda_array_interface__ = {"shape": shape, "typestr": np.dtype(dtype).str, "data": (address, False), "strides": None, "version": 3} | changes


def refused(message, call, *arguments, kind=None):
    try:
        call(*arguments)
    except kind or tenon.InputError as error:
        assert message in str(error), error
    else:
        raise AssertionError(f"expected: {message}")


def with_driver(name, folder):
    """Runs a function of this module in a process of its own, which finds that driver: it is opened once."""
    environment = os.environ | {"LD_LIBRARY_PATH": str(driver_folder()), "PYTHONPATH": os.pathsep.join((str(Path(__file__).parent), os.environ["PYTHONPATH"]))}
    done = subprocess.run([sys.executable, "-c", f"import devices, pathlib; devices.{name}(pathlib.Path({str(folder)!r}))"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


def test_tensors_on_the_gpu(folder):
    with_driver("tensors_on_the_gpu", folder)


def tensors_on_the_gpu(folder):
    plan = tenon.compile(models.identity("float"), target="cuda:sm_90")
    x, y = OnDevice((5,)), OnDevice((5, 1))
    x.array[:] = np.arange(5)
    result = plan.run({"x": x})["y"]
    assert isinstance(result, np.ndarray) and (result[:, 0] == x.array).all(), result
    result = plan.run({"x": x}, out={"y": y})["y"]
    assert result is y and (y.array[:, 0] == x.array).all(), y.array
    y.array[:] = 0
    assert plan.run({"x": np.arange(5, dtype=np.float32)}, out={"y": y})["y"] is y and (y.array[:, 0] == np.arange(5)).all()


def test_queues(folder):
    with_driver("queues", folder)


def queues(folder):
    plan = tenon.compile(models.identity("float"), target="cuda:sm_90")
    x, y = OnDevice((4,)), OnDevice((4, 1))
    for stream in (None, 0):
        queue = plan.queue(stream)
        for value in (1, 2):
            x.array[:] = value
            queue.run({"x": x}, {"y": y})
            assert (y.array == value).all(), y.array
    refused("no tensor was given to write 'y'", queue.run, [x], {})
    refused("input 'x': a tensor in the GPU's memory was expected, not ndarray", queue.run, [np.zeros(4, np.float32)], {"y": y})
    refused("output 'y': a tensor in the GPU's memory was expected, not ndarray", queue.run, [x], {"y": np.zeros((4, 1), np.float32)})
    refused("output 'y' has the shape (4, 1); the array to write into has (5, 1)", queue.run, [x], {"y": OnDevice((5, 1))}, kind=tenon.Error)
    for stream in ("0", -1, 1.5, True):
        refused("a stream is the number of a CUDA stream", plan.queue, stream)


def test_gpus_by_number(folder):
    with_driver("gpus_by_number", folder)


def gpus_by_number(folder):
    path = folder / "x.plan"
    tenon.compile(models.identity("float"), target="cuda:sm_90").save(path)
    second = tenon.Plan.load(path, device=1)
    x, elsewhere, y = OnDevice((3,), device=1), OnDevice((3,)), OnDevice((3, 1), device=1)
    x.array[:] = 7
    assert (second.run([x])["y"] == 7).all()
    refused("input 'x' is in the memory of GPU 0, the context runs on GPU 1", second.run, [elsewhere], kind=tenon.Error)
    second.queue().run([x], {"y": y})
    assert (y.array == 7).all()
    refused("GPU 5 does not exist; the driver shows 2", tenon.Plan.load(path, device=5).run, [x], kind=tenon.Error)
    refused("device is -1; 0 or more were expected", lambda: tenon.Plan.load(path, device=-1))


def test_the_gpu_of_this_machine(folder):
    with_driver("the_gpu_of_this_machine", folder)


def the_gpu_of_this_machine(folder):
    plan = tenon.compile(models.identity("float"), target="cuda", device=1)
    assert plan.properties["arch"] == "sm_90a", plan.properties
    assert (plan.run([np.full(3, 7, np.float32)])["y"] == 7).all()
    refused("GPU 5 does not exist; the driver shows 2; where there is none, name what to compile for", lambda: tenon.compile(models.identity("float"), target="cuda", device=5),
            kind=tenon.CompileError)


def test_without_a_gpu(folder):
    if not os.path.exists("/dev/nvidia0"):
        refused("name what to compile for, such as cuda:sm_90a", lambda: tenon.compile(models.identity("float"), target="cuda"), kind=tenon.CompileError)


def test_assembler_of_the_interpreter(folder):
    """ptxas of the package nvidia-cuda-nvcc, of an environment that is not active, too: what stands for it prints a version that no other has."""
    bin = folder / "nvidia/cu13/bin"
    bin.mkdir(parents=True)
    (bin / "ptxas").write_text("#!/bin/sh\necho release 11.4, V11.4.48\n")
    (bin / "ptxas").chmod(0o755)
    program = f"import tenon; print(tenon.compile({models.identity('float').SerializeToString()!r}, target='cuda:sm_90').warnings)"
    environment = {name: value for name, value in os.environ.items() if name not in ("CUDA_HOME", "CUDA_PATH", "VIRTUAL_ENV", "TENON_PTXAS")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment | {"PYTHONPATH": f"{folder}:{os.environ['PYTHONPATH']}", "PATH": ""})
    assert done.returncode == 0, done.stderr
    if not os.path.exists("/usr/local/cuda/bin/ptxas"):
        assert f"{bin}/ptxas is of CUDA 11.4" in done.stdout, done.stdout
    named, before = [], tenon._plan._tenon.add_assembler
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    tenon._plan._tenon.add_assembler = named.append
    try:
        tenon._plan._name_assemblers.__wrapped__()
    finally:
        tenon._plan._tenon.add_assembler = before
        sys.path.remove(str(folder))
    assert str(bin / "ptxas") in named, named


def test_tensors_that_are_refused(folder):
    with_driver("tensors_that_are_refused", folder)


def tensors_that_are_refused(folder):
    plan = tenon.compile(models.identity("float"), target="cuda:sm_90")
    refused("input 'x': a tensor of float64 was given; float32 was expected", plan.run, [OnDevice((4,), np.float64)])
    refused("input 'x': the tensor on the GPU must be contiguous", plan.run, [OnDevice((4,), strides=(8,))])
    refused("the tensor on the GPU cannot be read", plan.run, [OnDevice((4,), typestr="<f3")])
    x = OnDevice((4,))
    refused("output 'y': the tensor on the GPU is read-only", plan.run, [x], None, {"y": OnDevice((4, 1), data=(x.array.ctypes.data, True))})
    refused("shares memory", plan.run, [x], None, {"y": OnDevice((4, 1), data=(x.array.ctypes.data + 4, False))})
    freed, y, queue = OnDevice((4,)), OnDevice((4, 1)), plan.queue()
    queue.run([x], {"y": y})  # now the context has all its memory, and will be given none that is freed
    freed.fake.tenonFakeRelease(ctypes.c_void_p(freed.array.ctypes.data))
    refused("is not in the GPU's memory", queue.run, [freed], {"y": y}, kind=tenon.Error)


def test_a_plan_for_the_cpu_refuses_the_gpus_memory(folder):
    with_driver("a_plan_for_the_cpu_refuses_the_gpus_memory", folder)


def a_plan_for_the_cpu_refuses_the_gpus_memory(folder):
    plan, x, y = tenon.compile(models.identity("float")), OnDevice((4,)), OnDevice((4, 1))
    where = "the tensor is in a GPU's memory; this plan runs on the CPU"
    refused(f"input 'x': {where}", plan.run, [x])
    refused(f"output 'y': {where}", plan.run, [np.zeros(4, np.float32)], None, {"y": y})
    refused(f"input 'x': {where}", plan.queue().run, [x], {"y": y})
    assert plan.properties["device"] == "cpu" and tenon.compile(models.identity("float"), target="cuda:sm_90").properties["device"] == "cuda"


def test_without_a_driver(folder):
    if Path("/dev/nvidia0").exists():
        raise unittest.SkipTest("there is a GPU")
    plan = tenon.compile(models.identity("float"), target="cuda:sm_90")  # that needs no GPU, nor does opening the plan
    for call in (lambda: plan.run([np.zeros(4, np.float32)]), plan.queue):
        try:
            call()
        except tenon.RunError as error:
            assert error.status == "TN_DEVICE" and re.search("no NVIDIA driver|shows no GPU|does not start", str(error)), (error.status, error)
        else:
            raise AssertionError("it ran without a GPU")


CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def warned(call):
    """What a call gives, and the warnings on the way."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        return call(), [str(warning.message) for warning in caught]


def test_sessions_on_the_gpu(folder):
    with_driver("sessions_on_the_gpu", folder)


def sessions_on_the_gpu(folder):
    model = models.identity("float")
    assert rt.get_available_providers() == [CUDA, CPU] and rt.get_device() == "GPU"
    made, said = warned(lambda: rt.InferenceSession(model, providers=[CUDA, CPU]))
    assert made.get_providers() == [CUDA] and made.get_provider_options() == {CUDA: {"device_id": "0"}} and not said, said
    assert made.plan.properties["arch"] == "sm_90a"
    x = np.arange(3, dtype=np.float32)
    assert (made.run(None, {"x": x})[0][:, 0] == x).all()
    for second in (rt.InferenceSession(model, providers=[(CUDA, {"device_id": "1"})]), rt.InferenceSession(model, providers=[CUDA], provider_options=[{"device_id": 1}])):
        assert second.get_provider_options() == {CUDA: {"device_id": "1"}}
        refused("is in the memory of GPU 0, the context runs on GPU 1", second.run, None, {"x": OnDevice((3,))}, kind=tenon.Error)
    absent = "GPU 5 does not exist; the driver shows 2"
    refused(absent, lambda: rt.InferenceSession(model, providers=[(CUDA, {"device_id": 5})]), kind=tenon.RunError)
    made, said = warned(lambda: rt.InferenceSession(model, providers=[(CUDA, {"device_id": 5}), CPU]))
    assert made.get_providers() == [CPU] and said == [f"{CUDA} cannot be used: {absent}. {CPU} is used instead"], said
    made.set_providers([CUDA])
    assert made.get_providers() == [CUDA]
    for target, wanted in (("cuda:sm_90", CPU), ("native", CUDA)):
        plan = tenon.compile(model, target=target).to_bytes()
        assert rt.InferenceSession(plan).get_providers() != [wanted]
        refused(f"the providers given are {wanted}", lambda: rt.InferenceSession(plan, providers=[wanted]))


def test_bindings_on_the_gpu(folder):
    with_driver("bindings_on_the_gpu", folder)


def bindings_on_the_gpu(folder):
    made = rt.InferenceSession(models.identity("float"), providers=[CUDA])
    x, y = OnDevice((4,)), OnDevice((4, 1))
    x.array[:] = np.arange(4)
    binding = made.io_binding()
    binding.bind_input("x", "cuda", 0, np.float32, (4,), x.array.ctypes.data)
    binding.bind_output("y", "cuda", 0, np.float32, (4, 1), y.array.ctypes.data)
    made.run_with_iobinding(binding)
    assert (y.array[:, 0] == np.arange(4)).all(), y.array
    value = binding.get_outputs()[0]
    assert value.device_name() == "cuda" and value.shape() == [4, 1] and value.data_ptr() == y.array.ctypes.data and value.data_type() == "tensor(float)"
    refused("in a GPU's memory", value.numpy)
    binding.bind_output("y", "cpu")
    made.run_with_iobinding(binding)
    assert (binding.copy_outputs_to_cpu()[0][:, 0] == np.arange(4)).all()
    refused("is not allocated here", binding.bind_output, "y", "cuda")
    refused("is not allocated here", rt.OrtValue.ortvalue_from_numpy, np.zeros(4, np.float32), "cuda")
    refused("there are 'cpu' and 'cuda'", binding.bind_output, "y", "npu")
    on_cpu = rt.InferenceSession(models.identity("float")).io_binding()
    refused("the session runs on the CPU", on_cpu.bind_input, "x", "cuda", 0, np.float32, (4,), x.array.ctypes.data)


def test_the_backend_on_the_gpu(folder):
    with_driver("the_backend_on_the_gpu", folder)


def the_backend_on_the_gpu(folder):
    from tenon import backend

    x, model = np.arange(3, dtype=np.float32), onnx.load_from_string(models.identity("float").SerializeToString())
    assert [backend.supports_device(name) for name in ("CPU", "CUDA", "CUDA:1", "CUDA:5")] == [True, True, True, False]
    for name, device in (("CUDA", 0), ("CUDA:1", 1)):
        made = backend.prepare(model, name)
        assert made.plan.properties["device"] == "cuda" and made.plan.device == device and (made.run([x])[0][:, 0] == x).all()
    refused("tenon cannot run on the device CUDA:5: GPU 5 does not exist", backend.prepare, model, "CUDA:5", kind=ValueError)


def test_sessions_without_a_gpu(folder):
    """As onnxruntime does: the next provider is taken, with a warning; without one there is an error."""
    if Path("/dev/nvidia0").exists():
        raise unittest.SkipTest("there is a GPU")
    model = models.identity("float")
    assert rt.get_available_providers() == [CPU] and rt.get_device() == "CPU"
    made, said = warned(lambda: rt.InferenceSession(model, providers=["TensorrtExecutionProvider", CUDA, CPU]))
    assert made.get_providers() == [CPU] and len(said) == 2 and said[1].startswith(f"{CUDA} cannot be used: ") and said[1].endswith(f"{CPU} is used instead"), said
    for providers in ([CUDA], ["TensorrtExecutionProvider", CUDA]):
        try:
            rt.InferenceSession(model, providers=providers)
        except tenon.RunError as error:
            assert error.status == "TN_DEVICE", (error.status, error)
        else:
            raise AssertionError("a session on a GPU that is not there")
