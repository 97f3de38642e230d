"""Plans for GPUs on a machine that need not have one: compiled, described, checked, and refused where they cannot be."""
import json
import os
import signal
import subprocess
import time
from unittest import mock

import numpy as np
from bad_models import FLOAT, graph
from harness import Skip
from onnx import TensorProto, helper, numpy_helper

TARGET = ("--target", "cuda:sm_90")


def test_compile_inspect_check(driver):
    plan = driver.plan("residual_convolutions", *TARGET, "--precision", "fp16")
    said = driver.json("inspect", plan)
    assert said["device"] == "cuda" and said["arch"] == "sm_90", said
    families = {kernel["family"] for kernel in said["kernels"]}
    assert families and all(family.startswith("gpu.") for family in families), families
    assert all(1 <= kernel["threads"] <= 1024 for kernel in said["kernels"]), said["kernels"]
    assert any(code["ptx"] and code["arch"] == "sm_90" for code in said["device_code"]), said["device_code"]
    assert "NVIDIA GPU" in driver.ok("inspect", plan)


def test_same_input_same_bytes(driver):
    first = driver.plan("residual_convolutions", *TARGET, "--precision", "fp16").read_bytes()
    driver.ok("compile", driver.model("residual_convolutions"), "-o", "again.plan", "--quiet", *TARGET, "--precision", "fp16")
    assert (driver.folder / "again.plan").read_bytes() == first


def test_one_plan_for_several_gpus(driver):
    one = driver.plan("residual_convolutions", *TARGET, "--precision", "fp16")
    two = driver.plan("residual_convolutions", "--target", "cuda:sm_90,sm_87", "--precision", "fp16")
    said, alone = driver.json("inspect", two), driver.json("inspect", one)
    assert said["arch"] == "sm_90" and [variant["arch"] for variant in said["variants"]] == ["sm_87"], said
    for key in ("kernels", "steps", "buffers", "device_code"):
        assert said[key] == alone[key], key
    assert {code["arch"] for code in said["variants"][0]["device_code"]} == {"sm_87"}, said["variants"]
    # Weights that both have are there once.
    assert said["weights_bytes"] < 2 * alone["weights_bytes"], (said["weights_bytes"], alone["weights_bytes"])
    assert "For sm_87" in driver.ok("inspect", two)
    if not os.path.exists("/dev/nvidia0"):
        driver.fails("check", two, message="intact, but cannot run here")


def test_several_targets_that_cannot_be(driver):
    model = driver.model("residual_convolutions")
    for targets, message in (("cuda:sm_90,x86-64-v3", "several GPUs; x86-64-v3 is none"), ("cuda:sm_90,sm_42", "unknown target 'cuda:sm_42'"),
                             ("cuda:sm_90,cuda:sm_90", "two targets are for sm_90"), ("cuda:sm_90,", "unknown target ''")):
        driver.fails("compile", model, "-o", "no.plan", "--target", targets, message=message)
    driver.fails("compile", model, "-o", "no.plan", "--target", "cuda:sm_90,sm_87", "--dump-phases", "dump", message="one target, found 2")


def test_memory_of_boards(driver):
    """What does not fit into a board's memory is refused; the same for an architecture, whose cards differ, is not."""
    shape = [5, 1 << 14, 1 << 14]  # of f32: 5 GiB
    model = driver.write("large.onnx", graph([helper.make_node("Relu", ["x"], ["y"])], inputs=[("x", FLOAT, shape)], outputs=[("y", FLOAT, shape)]).SerializeToString())
    driver.fails("compile", model, "-o", "no.plan", "--target", "cuda:sm_90,jetson-orin-nano",
                 message="jetson-orin-nano has 8192 MiB of memory, for everything on it; a run needs 10240 MiB: weights 0 MiB, arena 0 MiB, inputs and outputs 10240 MiB")
    assert not (driver.folder / "no.plan").exists()
    for target in ("jetson-orin", "cuda:sm_87"):
        driver.ok("compile", model, "-o", "large.plan", "--quiet", "--target", target)
    # Free dimensions are at least 1: 10 GiB of tensors, and 16 GiB in between.
    free = graph([helper.make_node("Relu", ["x"], ["y"])], inputs=[("x", FLOAT, ["n", *shape])], outputs=[("y", FLOAT, ["n", *shape])])
    model = driver.write("free.onnx", free.SerializeToString())
    driver.fails("compile", model, "-o", "no.plan", "--target", "jetson-orin-nano",
                 message="a run with every free dimension at 1 needs 10240 MiB: weights 0 MiB, arena 0 MiB, inputs and outputs 10240 MiB")
    driver.ok("compile", model, "-o", "large.plan", "--quiet", "--target", "jetson-orin")
    nodes = [helper.make_node("MatMul", ["x", "z"], ["p"]), helper.make_node("ReduceMax", ["p"], ["y"], axes=[2], keepdims=0)]
    between = graph(nodes, inputs=[("x", FLOAT, ["n", 1 << 16, 2]), ("z", FLOAT, ["n", 2, 1 << 16])], outputs=[("y", FLOAT, ["n", 1 << 16])], opset=13)
    model = driver.write("between.onnx", between.SerializeToString())
    driver.fails("compile", model, "-o", "no.plan", "--target", "jetson-orin-nx", message="needs 16385 MiB: weights 0 MiB, arena 16384 MiB, inputs and outputs 1 MiB")


def fake_assembler(driver, name, said):
    """A program that prints a version."""
    path = driver.write(name, f"#!/bin/sh\necho '{said}'\n".encode())
    path.chmod(0o755)
    return path


def with_assembler(path, call, *words, **options):
    os.environ["TENON_PTXAS"] = str(path)
    try:
        return call(*words, **options)
    finally:
        del os.environ["TENON_PTXAS"]


def test_without_an_assembler_there_is_ptx(driver):
    """One that is too old for a target is none, and the reason is told; for another target it is new enough."""
    model, old = driver.model("residual_convolutions"), fake_assembler(driver, "old-ptxas", "Cuda compilation tools, release 11.4, V11.4.48")
    words = ("compile", model, "-o", "ptx.plan", *TARGET)
    done = with_assembler(old, driver.execute, *words)
    reason = "the plan has no machine code for sm_90, only PTX, which the driver compiles whenever the plan is opened: " \
             f"{old} is of CUDA 11.4, PTX 8.0 needs 12.0 or newer"
    assert done.returncode == 0 and reason in done.stderr, done.stderr
    said = driver.json("inspect", "ptx.plan")
    assert [code["ptx"] for code in said["device_code"]] == [True], said["device_code"]
    warnings = json.loads(with_assembler(old, driver.ok, *words, "--json"))["warnings"]
    assert len(warnings) == 1 and warnings[0].endswith(reason), warnings
    assert not with_assembler(old, driver.execute, *words, "--quiet").stderr
    (driver.folder / "ptx-candidates").mkdir()
    done = with_assembler(old, driver.execute, "tune", model, "--candidates", driver.folder / "ptx-candidates", "--most", "1", *TARGET)
    assert done.returncode == 0 and done.stderr.count("the tuned one has PTX alone") == 1 and f"{old} is of CUDA 11.4" in done.stderr, done.stderr
    with_assembler(old, driver.fails, "compile", model, "-o", "no.plan", "--target", "cuda:sm_80", message="wrote no machine code for sm_80")  # which it is asked for
    assert driver.json("compile", model, "-o", "cpu.plan")["warnings"] == []


def test_an_assembler_that_is_named_has_to_work(driver):
    model = driver.model("residual_convolutions")
    for path, message in (("/nonexistent", "TENON_PTXAS: '/nonexistent' cannot be executed"),
                          (fake_assembler(driver, "other-program", "something else"), "TENON_PTXAS: .*other-program: its version could not be read")):
        with_assembler(path, driver.fails, "compile", model, "-o", "no.plan", *TARGET, message=message)
        with_assembler(path, driver.fails, "tune", model, "--candidates", driver.folder, *TARGET, message=message)
        with_assembler(path, driver.ok, "compile", model, "-o", "cpu.plan", "--quiet")  # a CPU needs none


def test_the_gpu_of_this_machine(driver):
    """"cuda" is what the driver shows: here one without a GPU, of sm_90 (test/unit/runtime/gpu/FakeDriver.cpp)."""
    model = driver.model("residual_convolutions")
    if not os.path.exists("/dev/nvidia0"):
        for words in (("compile",), ("compile", "--libraries", "cublaslt"), ("tune", "--candidates", driver.folder)):
            driver.fails(*words, model, "-o", "no.plan", "--target", "cuda", message="the GPU of this machine: .*name what to compile for, such as cuda:sm_90a")
    folder = driver.tenon.parent.parent / "test/unit/runtime/fake-driver"
    if not folder.is_dir():
        raise Skip("the build has no driver for tests")
    os.environ["LD_LIBRARY_PATH"] = str(folder)
    try:
        assert "compiled for cuda:sm_90a" in driver.ok("compile", model, "-o", "local.plan", "--target", "cuda", "--precision", "fp16")
        assert "compiled for cuda:sm_90a+cublaslt,jetson-orin+cublaslt" in driver.ok("compile", model, "-o", "both.plan", "--target", "cuda,jetson-orin", "--libraries", "cublaslt")
    finally:
        del os.environ["LD_LIBRARY_PATH"]
    assert (driver.folder / "local.plan").read_bytes() == driver.plan("residual_convolutions", "--target", "cuda:sm_90a", "--precision", "fp16").read_bytes()


def test_a_killed_compilation_leaves_nothing(driver):
    assembling, temporary = driver.folder / "assembling", driver.folder / "temporary"
    temporary.mkdir()
    slow = driver.write("ptxas", b'#!/bin/sh\ncase "$*" in *--version*) echo "release 13.0, V13.0.88"; exit ;; esac\n'
                                 b'echo $$ > "$ASSEMBLING.new" && mv "$ASSEMBLING.new" "$ASSEMBLING"\nexec sleep 60\n')
    slow.chmod(0o755)
    environment = os.environ | {"TENON_PTXAS": str(slow), "TMPDIR": str(temporary), "ASSEMBLING": str(assembling)}
    command = [str(driver.tenon), "compile", str(driver.model("residual_convolutions")), *TARGET, "-o", "killed.plan", "--quiet"]
    for kill in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        heeds = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # what a shell starts behind its back ignores it, and so does all that follows
        process = subprocess.Popen(command, cwd=driver.folder, env=environment, stderr=subprocess.DEVNULL, preexec_fn=heeds)
        try:
            while not assembling.exists():
                assert process.poll() is None, "it ended before it was killed"
                time.sleep(0.01)
            process.send_signal(kill)
            assert process.wait(30) == -kill, process.returncode
        finally:
            process.kill()
            if assembling.exists():
                os.kill(int(assembling.read_text()), signal.SIGKILL)
                assembling.unlink()
        left = [path.name for path in (*temporary.iterdir(), *driver.folder.glob("killed.plan*"))]
        assert not left, f"{kill.name}: left {left} behind"


def test_running_says_what_is_missing(driver):
    if os.path.exists("/dev/nvidia0"):
        raise Skip("there is a GPU")
    np.save(driver.folder / "x.npy", np.zeros((1, 3, 32, 32), np.float32))
    plan = driver.plan("residual_convolutions", *TARGET)
    driver.fails("run", plan, "--input", "x=@x.npy", message="no NVIDIA driver|shows no GPU|does not start")
    driver.fails("check", plan, message="intact, but cannot run here: .*(no NVIDIA driver|shows no GPU|does not start)")


def over_a_driver(driver):
    """An environment in which there are two GPUs, in the host's memory, that copy and compute next to nothing (test/unit/runtime/gpu/FakeDriver.cpp)."""
    folder = driver.tenon.parent.parent / "test/unit/runtime/fake-driver"
    if not folder.is_dir():
        raise Skip("the build has no driver for tests")
    return mock.patch.dict(os.environ, LD_LIBRARY_PATH=str(folder))


def copying_plan(driver):
    model = graph([helper.make_node("Identity", ["x"], ["y"], name="copy")], inputs=[("x", FLOAT, [2, 3])], outputs=[("y", FLOAT, [2, 3])])
    driver.ok("compile", driver.write("copy.onnx", model.SerializeToString()), "-o", "copy.plan", "--quiet", *TARGET)
    return driver.folder / "copy.plan"


def test_gpus_by_number(driver):
    plan, on_cpu = copying_plan(driver), driver.plan("residual_convolutions")
    np.save(driver.folder / "x.npy", np.ones((2, 3), np.float32))
    missing = "GPU 5 does not exist; the driver shows 2"
    with over_a_driver(driver):
        for number in (0, 1):
            driver.ok("run", plan, "--device", number, "--input", "x=@x.npy", "--outputs", "y.npz")
            assert (np.load(driver.folder / "y.npz")["y"] == 1).all()
            driver.ok("check", plan, "--device", number)
            assert driver.json("bench", plan, "--device", number, "--duration", "1ms", "--warmup", "0s", "--no-profile", "--contexts", 2)["gpu"]["name"] == "Fake GPU"
        for words in (("run", plan, "--input", "x=@x.npy"), ("check", plan), ("bench", plan), ("tune", "copy.onnx", "--target", "cuda"), ("agent", "--listen", "127.0.0.1:0")):
            driver.fails(*words, "--device", 5, message=missing)
        driver.ok("tune", "copy.onnx", "--target", "cuda", "--device", 1, "--budget", "1s", "--quiet")
        assert not driver.json("check", plan, "--device", 1)["message"]
    for verb in ("check", "bench"):
        driver.fails(verb, on_cpu, "--device", 0, message="--device 0: the plan runs on the CPU")
        driver.fails(verb, plan, "--device", -1, code=2, message="--device")
    driver.fails("tune", "copy.onnx", "--device", 1, code=2, message="--device 1 is for GPUs: --target cuda")
    driver.fails("tune", "copy.onnx", "--target", "cuda", "--device", 1, "--agent", "localhost:1", code=2, message="is chosen there: tenon agent --device 1")


def test_bench_tells_copies_from_the_rest(driver):
    """Over a driver whose events are all a quarter of a millisecond apart: only what is measured between two of them takes as long."""
    plan = copying_plan(driver)
    with over_a_driver(driver):
        said = driver.json("bench", plan, "--duration", "10ms", "--warmup", "0s")
        text = driver.ok("bench", plan, "--duration", "10ms", "--warmup", "0s")
    row = said["on_device"]["runs_in_a_row"]
    assert said["on_device"]["clock"] == "events" and said["on_device"]["samples"] > 0, said
    assert abs(said["on_device_ms"]["median"] - 0.25 / row) < 1e-6, said  # events around so many runs
    assert said["copies"] == {"inputs_ms": 0.25, "inputs_bytes": 24, "outputs_ms": 0.25, "outputs_bytes": 24}, said
    assert 0 < said["latency_ms"]["min"] < 0.25, said  # by the processor's clock
    assert said["peak"]["matrix_gflops"]["half"] > said["peak"]["matrix_gflops"]["tf32"] > said["peak"]["gflops"] > 0, said
    assert [step["alone_us"] for step in said["profile"]] == [250], said
    for words in ("GPU time", "no copies", "24 B to the GPU", "24 B back", "with copies"):
        assert words in text, f"'{words}' expected in {text}"
    assert max(map(len, text.splitlines())) <= 100, text
    assert "on_device_ms" not in driver.json("bench", driver.plan("residual_convolutions"), "--duration", "1ms", "--warmup", "0s", "--no-profile")


def test_truncated_and_damaged(driver):
    data = driver.plan("residual_convolutions", *TARGET).read_bytes()
    for size in range(0, len(data), max(1, len(data) // 40)):
        driver.fails("check", driver.write("truncated.plan", data[:size]), message="truncated.plan")
    for position in range(70, len(data), max(1, len(data) // 40)):
        damaged = bytearray(data)
        damaged[position] ^= 0xFF
        driver.fails("check", driver.write("flipped.plan", bytes(damaged)), message="flipped.plan")


def test_what_it_cannot_be(driver):
    model = driver.model("residual_convolutions")
    driver.fails("compile", model, "-o", "no.plan", "--target", "cuda:sm_42", message="unknown target 'cuda:sm_42'.*cuda:sm_90")
    driver.fails("compile", model, "-o", "no.plan", "--target", "cuda:sm_80a", message="unknown target")
    driver.fails("compile", model, "-o", "no.plan", *TARGET, "--precision", "fp8", message="unknown precision 'fp8'")
    driver.fails("compile", model, "-o", "no.plan", "--target", "x86-64-v3", "--precision", "fp16", message="for GPUs")
    driver.fails("compile", model, "-o", "no.plan", "--target", "x86-64-v3", "--precision", "tf32", message="for GPUs")
    driver.fails("compile", model, "-o", "no.plan", "--target", "x86-64-v3", "--precision", "bf16", message="instructions that multiply it.*x86-64-v3 computes in fp32")
    driver.fails("compile", model, "-o", "no.plan", "--target", "cuda:sm_90,sm_75", "--precision", "tf32", message="tf32 from sm_80 on; cuda:sm_75 computes in fp32")
    if not os.path.exists("/dev/nvidia0"):
        for target in ("cuda:sm_90", "cuda", "jetson-orin"):
            driver.fails("tune", model, "--target", target, "--budget", "1s", message=f"{target}: there is no GPU on the machine that measures; --agent")
    driver.fails("tune", model, "--precision", "fp16", "--budget", "1s", message="for GPUs")
    driver.fails("tune", model, "--target", "cuda:sm_90,sm_87", message="one target is tuned for at a time", code=2)


def product_model(driver):
    """Three products. A library computes the first and the second one as a whole, but for the first one in halves, which reads the f32 input; after the
    third comes an activation that it does not have."""
    random = np.random.default_rng(7)
    weights = [numpy_helper.from_array((random.standard_normal(shape) / 8).astype(np.float32), name)
               for name, shape in (("u", (64, 96)), ("w", (96, 128)), ("b", (128,)), ("v", (128, 64)))]
    nodes = [helper.make_node("MatMul", ["x", "u"], ["o"], name="first"), helper.make_node("MatMul", ["o", "w"], ["p"], name="second"),
             helper.make_node("Add", ["p", "b"], ["q"], name="bias"), helper.make_node("Relu", ["q"], ["r"], name="relu"),
             helper.make_node("MatMul", ["r", "v"], ["s"], name="third"), helper.make_node("Sigmoid", ["s"], ["y"], name="sigmoid")]
    model = graph(nodes, inputs=[("x", FLOAT, [32, 64])], outputs=[("y", FLOAT, [32, 64])], weights=weights)
    return driver.write("products.onnx", model.SerializeToString())


def families_of(driver, plan):
    said = driver.json("inspect", plan)
    families = {kernel["name"]: kernel["family"] for kernel in said["kernels"]}
    return [families[step["kernel"]] for step in said["steps"] if step["flops"] > 100_000]


def test_libraries(driver):
    """Off by default; a library computes what it can where it is asked for, and `inspect` says so."""
    model = product_model(driver)
    for precision, calls in (("fp32", 2), ("fp16", 1)):
        options = ("--quiet", *TARGET, "--precision", precision)
        driver.ok("compile", model, "-o", "own.plan", *options)
        assert families_of(driver, "own.plan") == ["gpu.matrix"] * 3, precision
        driver.ok("compile", model, "-o", "called.plan", *options, "--libraries", "cublaslt")
        assert families_of(driver, "called.plan") == ["gpu.matrix"] * (2 - calls) + ["cublaslt"] * calls + ["gpu.matrix"], precision
        said = driver.json("inspect", "called.plan")
        assert said["format_version"] == 4 and said["cpu"] == "cuda:sm_90+cublaslt", said
        assert [kernel.get("library") for kernel in said["kernels"] if kernel["family"] == "cublaslt"] == ["cublasLt"] * calls, said["kernels"]
        assert f"cublasLt computes {calls} of " in driver.ok("inspect", "called.plan")
        driver.ok("compile", model, "-o", "spelt.plan", "--quiet", "--target", "cuda:sm_90+cublaslt", "--precision", precision)
        assert (driver.folder / "spelt.plan").read_bytes() == (driver.folder / "called.plan").read_bytes()
    driver.ok("compile", model, "-o", "two.plan", "--quiet", "--target", "cuda:sm_90,sm_87", "--libraries", "cublaslt")
    for program in (driver.json("inspect", "two.plan"), *driver.json("inspect", "two.plan")["variants"]):
        assert [kernel["family"] for kernel in program["kernels"]].count("cublaslt") == 2, program["arch"]


def test_both_libraries(driver):
    """Convolutions in halves are cuDNN's, single pixels cublasLt's where both may be called; in f32 cuDNN computes nothing."""
    random = np.random.default_rng(9)
    weights = [numpy_helper.from_array((random.standard_normal(shape) / 20).astype(np.float32), name)
               for name, shape in (("u", (16, 8, 3, 3)), ("w", (32, 16, 3, 3)), ("v", (24, 32, 1, 1)), ("t", (8, 24, 3, 3)))]
    nodes = [helper.make_node("Conv", ["x", "u"], ["a"], name="first", pads=[1] * 4), helper.make_node("Relu", ["a"], ["b"], name="relu"),
             helper.make_node("Conv", ["b", "w"], ["c"], name="window", pads=[1] * 4, strides=[2, 2]),
             helper.make_node("Conv", ["c", "v"], ["d"], name="pixel"), helper.make_node("Relu", ["d"], ["e"], name="relu2"),
             helper.make_node("Conv", ["e", "t"], ["y"], name="last")]
    model = graph(nodes, inputs=[("x", FLOAT, [1, 8, 32, 32])], outputs=[("y", FLOAT, [1, 8, 14, 14])], weights=weights)
    path = driver.write("convolutions.onnx", model.SerializeToString())

    def computed(precision, libraries):
        driver.ok("compile", path, "-o", "both.plan", "--quiet", *TARGET, "--precision", precision, "--libraries", libraries)
        said = driver.json("inspect", "both.plan")
        families = {kernel["name"]: kernel["family"] for kernel in said["kernels"]}
        return {name: families[step["kernel"]] for step in said["steps"] for name in step["sources"].split(" + ")}

    both = computed("fp16", "cublaslt,cudnn")
    assert both["window"] == "cudnn" and both["pixel"] == "cublaslt", both
    assert "cuDNN computes " in driver.ok("inspect", "both.plan") and "cublasLt computes 1 of " in driver.ok("inspect", "both.plan")
    alone = computed("fp16", "cudnn")
    assert alone["window"] == alone["pixel"] == "cudnn", alone
    assert "cudnn" not in computed("fp32", "cudnn").values()


def test_libraries_that_cannot_be(driver):
    model = product_model(driver)
    for verb in ("compile", "tune"):
        driver.fails(verb, model, "-o", "no.plan", "--libraries", "cublaslt", message="for GPUs, and the target 'native' is none", code=2)
        driver.fails(verb, model, "-o", "no.plan", *TARGET, "--libraries", "cudart", message="no library 'cudart'; cublaslt and cudnn are known", code=2)
        driver.fails(verb, model, "-o", "no.plan", *TARGET, "--libraries", ",", message="no library ''", code=2)
    driver.fails("compile", model, "-o", "no.plan", "--target", "cuda:sm_90+cudart", message="unknown target")
    driver.fails("compile", model, "-o", "no.plan", "--target", "cuda:sm_90+", message="unknown target")


def test_libraries_are_candidates(driver):
    """A tuner tries them behind the cost model's choice, and with a cache nothing else decides."""
    model = product_model(driver)
    candidates = driver.folder / "library-candidates"
    candidates.mkdir()
    driver.ok("tune", model, *TARGET, "--libraries", "cublaslt", "--candidates", candidates, "--most", "3")
    index = (candidates / "index.jsonl").read_bytes()
    driver.fails("tune", model, *TARGET, "--candidates", candidates, "--family", "gpu.none", message="no kernel is of the family 'gpu.none'; there are .*gpu.matrix")
    assert (candidates / "index.jsonl").read_bytes() == index
    lines = [json.loads(line) for line in (candidates / "index.jsonl").read_text().splitlines()]
    first = [line for line in lines if line["kernel"] == lines[0]["kernel"]]
    assert [line["schedule"].split('"')[1] for line in first] == ["gpu.matrix", "cublaslt", "cublaslt"], first
    assert {line["target"] for line in lines} == {"sm_90+cublaslt"}, lines
    record = {"tenon_tuning": 1, "cpu": "Some GPU", "ns": 1000, "untuned_ns": 2000, "candidates": 3, "discarded": 0, "complete": True,
              **{key: first[2][key] for key in ("kernel", "name", "family", "schedule", "target", "threads")}}
    driver.write("called.jsonl", (json.dumps(record) + "\n").encode())
    options = (*TARGET, "--quiet", "--tuning-cache", "called.jsonl")
    driver.ok("compile", model, "-o", "tuned.plan", *options, "--libraries", "cublaslt")
    assert families_of(driver, "tuned.plan").count("cublaslt") == 1
    assert "algorithm=1" in driver.ok("inspect", "tuned.plan")
    driver.ok("compile", model, "-o", "own.plan", *options)  # who does not ask for libraries gets none
    assert families_of(driver, "own.plan") == ["gpu.matrix"] * 3
    driver.write("empty.jsonl", b"")
    driver.ok("compile", model, "-o", "known.plan", *TARGET, "--quiet", "--libraries", "cublaslt", "--tuning-cache", "empty.jsonl")
    assert families_of(driver, "known.plan") == ["gpu.matrix"] * 3


def test_narrow_floats(driver):
    """Products between QuantizeLinear and DequantizeLinear to float8e4m3fn are those of the matrix units where these multiply such floats."""
    def narrow(name, values):
        return helper.make_tensor(name, TensorProto.FLOAT8E4M3FN, values.shape, values.ravel())

    random = np.random.default_rng(5)
    weights = [numpy_helper.from_array(np.float32(0.01), "xs"), narrow("zero", np.zeros(())), narrow("w", random.standard_normal((128, 128)) * 100),
               narrow("zeros", np.zeros(128)), numpy_helper.from_array(np.full(128, 0.002, np.float32), "ws")]
    nodes = [helper.make_node("QuantizeLinear", ["x", "xs", "zero"], ["q"]), helper.make_node("DequantizeLinear", ["q", "xs", "zero"], ["d"]),
             helper.make_node("DequantizeLinear", ["w", "ws", "zeros"], ["v"], axis=1), helper.make_node("MatMul", ["d", "v"], ["y"], name="product")]
    model = graph(nodes, inputs=[("x", FLOAT, [16, 128])], outputs=[("y", FLOAT, [16, 128])], weights=weights, opset=19)
    path = driver.write("narrow.onnx", model.SerializeToString())
    for arch, is_narrow in (("sm_89", True), ("sm_90a", True), ("sm_80", False)):
        driver.ok("compile", path, "-o", f"{arch}.plan", "--quiet", "--target", f"cuda:{arch}", "--precision", "fp16")
        code = (driver.folder / f"{arch}.plan").read_bytes()
        assert (b"f32.e4m3.e4m3" in code) == is_narrow, arch
        assert "gpu.matrix" in {kernel["family"] for kernel in driver.json("inspect", driver.folder / f"{arch}.plan")["kernels"]}, arch


def test_sizes_and_branches_of_a_run(driver):
    """The processor decides how such a run goes on, and `inspect` says where."""
    positions = graph([helper.make_node("NonZero", ["x"], ["y"], name="positions")], outputs=[("y", TensorProto.INT64, [2, "n"])])
    path = driver.write("positions.onnx", positions.SerializeToString())
    driver.ok("compile", path, "-o", "positions.plan", "--quiet", *TARGET)
    said = driver.ok("inspect", "positions.plan")
    assert "format 3" in said and "the processor decides at 1 step " in said and "read sizes" in said, said
    driver.ok("compile", path, "-o", "positions.cpu.plan", "--quiet")
    shown = driver.ok("bench", "positions.cpu.plan", "--shape", "x=2x4", "--duration", "1ms", "--warmup", "0s")
    assert "-0" not in shown, f"what only a run knows is shown as a number: {shown}"

    def branch(name):
        weight = numpy_helper.from_array(np.full((2, 4), len(name), np.float32), f"{name}_w")
        node = helper.make_node("Mul", ["x", f"{name}_w"], [f"{name}_y"], name=name)
        return helper.make_graph([node], name, [], [helper.make_tensor_value_info(f"{name}_y", FLOAT, [2, 4])], [weight])

    choice = helper.make_node("If", ["c"], ["y"], name="choice", then_branch=branch("yes"), else_branch=branch("no"))
    model = graph([choice], inputs=[("x", FLOAT, [2, 4]), ("c", TensorProto.BOOL, [])])
    path = driver.write("choice.onnx", model.SerializeToString())
    for options in (TARGET, (*TARGET, "--precision", "fp16"), ("--target", "cuda:sm_90,sm_87")):
        driver.ok("compile", path, "-o", "choice.plan", "--quiet", *options)
        steps = driver.json("inspect", "choice.plan")["steps"]
        assert [step["sources"] for step in steps if step["kernel"] == "branch"] == ["choice"], steps
        assert "the processor decides at 1 step " in driver.ok("inspect", "choice.plan")
    # On a CPU nothing waits for anybody.
    driver.ok("compile", path, "-o", "cpu.plan", "--quiet")
    assert "the processor decides" not in driver.ok("inspect", "cpu.plan")
