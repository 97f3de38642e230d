"""Every verb, as a user types it."""

import json
import re
import subprocess

import numpy as np
import onnx.parser
from onnx import numpy_helper


def arrays(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_branches_name_what_they_fold_for_themselves(driver):
    """Branches are folded at once: names of constants that only who comes first gets would make plans differ."""
    weights = "float[32, 32] w = {" + ", ".join(["0.5"] * 1024) + "}"
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]> g (float[2, 32] x, bool c) => (float[2, 32] y) <WEIGHTS> {
        y = If (c) <then_branch = yes () => (float[2, 32] a) { u = Exp (w)
            a = MatMul (x, u) }, else_branch = no () => (float[2, 32] b) { v = Tanh (w)
            b = MatMul (x, v) }>
    }""".replace("WEIGHTS", weights))
    path = driver.write("branches.onnx", model.SerializeToString())
    module = driver.ok("compile", path, "--stop-after", "graph")
    names = set(re.findall(r"dense_resource<(folded_\w+)>", module))
    assert len(names) == 2 and all(re.fullmatch(r"folded_[A-Za-z]\w*_0", name) for name in names), (names, module[:2000])


def test_compile_prints_a_summary(driver):
    text = driver.ok("compile", driver.model("mobile_block"), "-o", "summary.plan")
    assert "kernels" in text and "dispatches" in text and "lower bound" in text, text
    assert max(map(len, text.splitlines())) <= 100, text


def test_compile_is_deterministic(driver):
    for name in ("one.plan", "two.plan"):
        driver.ok("compile", driver.model("transformer_block"), "-o", name, "--quiet")
    assert (driver.folder / "one.plan").read_bytes() == (driver.folder / "two.plan").read_bytes()


def test_compile_fixes_shapes(driver):
    plan = driver.plan("transformer_block", "--shape", "x=4x12x32")
    report = driver.json("inspect", plan)
    assert report["static"] and report["inputs"][0]["dims"] == [4, 12, 32], report["inputs"]


def test_compile_stops_and_goes_on(driver):
    module = driver.ok("compile", driver.model("mobile_block"), "--stop-after", "graph")
    assert "nn.conv" in module, module[:500]


def test_compile_goes_on_from_a_dump(driver):
    model = driver.model("residual_convolutions")
    driver.ok("compile", model, "--dump-phases", "phases", "-o", "direct.plan", "--quiet")
    dumps = sorted((driver.folder / "phases").glob("*.mlir"))
    assert len(dumps) >= 5, dumps
    np.save(driver.folder / "stop.npy", arrays(2, 3, 32, 32))
    driver.ok("run", "direct.plan", "--inputs", "stop.npy", "--outputs", "direct.npz")
    for dump in dumps[:3]:
        driver.ok("compile", dump, "-o", "resumed.plan", "--quiet")
        driver.ok("run", "resumed.plan", "--inputs", "stop.npy", "--expect", "direct.npz")


def test_run_reads_and_writes_every_format(driver):
    plan, x = driver.plan("residual_convolutions"), arrays(2, 3, 32, 32)
    np.save(driver.folder / "x.npy", x)
    np.save(driver.folder / "fortran.npy", np.asfortranarray(x))
    np.savez(driver.folder / "x.npz", x=x)
    np.savez_compressed(driver.folder / "in.npz", **{"in:x": x})
    (driver.folder / "x.pb").write_bytes(numpy_helper.from_array(x, "x").SerializeToString())
    driver.ok("run", plan, "--inputs", "x.npy", "--outputs", "y.npz")
    y = np.load(driver.folder / "y.npz")["scores"]
    assert y.shape == (2, 10) and np.allclose(y.sum(axis=1), 1, atol=1e-5)
    for given in (["--inputs", "fortran.npy"], ["--inputs", "x.npz"], ["--inputs", "in.npz"], ["--inputs", "x.pb"], ["--input", "x=@x.npy"], ["--input", "x=@x.pb"]):
        driver.ok("run", plan, *given, "--expect", "y.npz", "--rtol", "0")


def test_run_reads_strings_and_sequences(driver):
    """Plans take them as several tensors: of one file, or each of its own."""
    text = """<ir_version: 10, opset_import: ["" : 21]> graph (string[n] s, seq(float[m]) q, optional(float[k]) o) => (string[n] t, float[a] last, bool there)
      { minus = Constant <value: tensor = int64 {-1}> () t = StringConcat (s, s) last = SequenceAt (q, minus) there = OptionalHasElement (o) }"""
    (driver.folder / "values.onnx").write_bytes(onnx.parser.parse_model(text).SerializeToString())
    driver.ok("compile", "values.onnx", "-o", "values.plan", "--quiet")
    names = [tensor["name"] for tensor in driver.json("inspect", "values.plan")["inputs"]]
    assert names == ["s.bytes", "s.ends", "q.data", "q.shapes", "o.present", "o.data"], names
    tensors = [np.arange(count, dtype=np.float32) for count in (3, 0, 2)]
    (driver.folder / "s.pb").write_bytes(numpy_helper.from_array(np.array(["ab", "", "\u00e9"], object)).SerializeToString())
    (driver.folder / "q.pb").write_bytes(numpy_helper.from_list(tensors).SerializeToString())
    (driver.folder / "o.pb").write_bytes(onnx.OptionalProto().SerializeToString())
    driver.ok("run", "values.plan", "--input", "s=@s.pb", "--input", "q=@q.pb", "--input", "o=@o.pb", "--outputs", "values.npz")
    found = np.load(driver.folder / "values.npz")
    assert found["t.bytes"].tobytes().decode() == "abab\u00e9\u00e9" and found["t.ends"].tolist() == [4, 4, 8]
    assert found["last"].tolist() == [0, 1] and not found["there"]
    driver.fails("run", "values.plan", "--input", "s=@values.npz", message="several tensors")


def test_bench_makes_up_strings_and_sequences(driver):
    """Of the sizes that are given: strings of letters, sequences of vectors, optionals that hold something."""
    text = """<ir_version: 10, opset_import: ["" : 21]> graph (string[n] s, seq(float[m]) q, optional(float[k]) o, seq(string[w]) p) => (string[n] t, float[a] all, float[k] held, int64 count)
      { t = StringConcat (s, s) all = ConcatFromSequence <axis = 0> (q) held = OptionalGetElement (o) count = SequenceLength (p) }"""
    (driver.folder / "madeup.onnx").write_bytes(onnx.parser.parse_model(text).SerializeToString())
    driver.ok("compile", "madeup.onnx", "-o", "madeup.plan", "--quiet")
    sizes = [word for size in ("s.bytes=7", "s.ends=3", "q.data=11", "q.shapes=4x8", "o.data=5", "p.ends=3", "p.shapes=2x8") for word in ("--shape", size)]
    for given in ([], sizes):
        assert driver.json("bench", "madeup.plan", "--duration", "1ms", "--warmup", "0s", *given)["runs"] > 0
    # A sequence of matrices cannot be told from one of vectors.
    (driver.folder / "matrices.onnx").write_bytes(onnx.parser.parse_model(text.replace("float[m]", "float[m, 2]").replace("float[a]", "float[a, 2]")).SerializeToString())
    driver.ok("compile", "matrices.onnx", "-o", "matrices.plan", "--quiet")
    driver.fails("bench", "matrices.plan", message="made up: give others with --inputs")


def test_reproducer(driver):
    """A failing phase leaves a file, and its error the command that fails in the same way; a success leaves nothing."""
    model = driver.model("mobile_block")
    driver.ok("compile", model, "-o", "sound.plan", "--reproducer", "failure.mlir", "--quiet")
    assert not (driver.folder / "failure.mlir").exists()
    module = driver.ok("compile", model, "--stop-after", "memory")
    driver.write("strange.mlir", re.sub(r'kernel.schedule<"\w+"', 'kernel.schedule<"nonsense"', module).encode())
    done = driver.execute("compile", "strange.mlir", "-o", "strange.plan", "--reproducer", "failure.mlir")
    assert done.returncode == 1 and "nonsense" in done.stderr, done.stderr
    command = re.search(r"To reproduce: tenon-opt (.*failure.mlir)", done.stderr).group(1).split()
    again = subprocess.run([str(driver.tenon.parent / "tenon-opt"), *command], cwd=driver.folder, capture_output=True, text=True)
    assert again.returncode != 0 and "nonsense" in again.stderr, again.stderr


def test_compare_says_where_it_is(driver):
    driver.fails("compare", "model.onnx", "--json", message="pip install", code=2)
    assert "compare" in driver.ok("--help")



def test_run_integers_and_booleans(driver):
    plan = driver.plan("integers")
    np.savez(driver.folder / "ids.npz", ids=np.arange(5, dtype=np.int64), limit=np.int64(3))
    driver.ok("run", plan, "--inputs", "ids.npz", "--outputs", "ints.npz")
    outputs = np.load(driver.folder / "ints.npz")
    assert outputs["small"].tolist() == [True, True, True, False, False] and outputs["next"].tolist() == [3, 4, 5, 6, 7]
    assert outputs["small"].dtype == np.bool_ and outputs["best"].dtype == np.int64


def test_run_tells_differences(driver):
    plan, x = driver.plan("residual_convolutions"), arrays(1, 3, 32, 32)
    np.save(driver.folder / "d.npy", x)
    driver.ok("run", plan, "--inputs", "d.npy", "--outputs", "d.npz")
    y = np.load(driver.folder / "d.npz")["scores"]
    wrong = y.copy()
    wrong[0, 4] += 0.01
    np.savez(driver.folder / "wrong.npz", **{"out:scores": wrong})
    done = driver.execute("run", plan, "--inputs", "d.npy", "--expect", "wrong.npz")
    assert done.returncode == 1 and "DIFFER" in done.stdout, done.stdout
    driver.ok("run", plan, "--inputs", "d.npy", "--expect", "wrong.npz", "--atol", "0.02")


def test_nan_flows_through(driver):
    plan, x = driver.plan("transformer_block"), arrays(2, 12, 32)
    x[1, 3, 5] = np.nan
    np.save(driver.folder / "nan.npy", x)
    driver.ok("run", plan, "--inputs", "nan.npy", "--outputs", "nan.npz")
    y = np.load(driver.folder / "nan.npz")["y"]
    assert np.isnan(y[1]).any() and not np.isnan(y[0]).any()


def test_bench_measures(driver):
    report = driver.json("bench", driver.plan("mobile_block"), "--duration", "50ms", "--warmup", "0s", "--threads", "1")
    latency = report["latency_ms"]
    assert 0 < latency["min"] <= latency["median"] <= latency["p90"] <= latency["p99"] and report["threads"] == 1
    assert report["first_run_ms"] > 0 and report["profile"] and report["throughput_per_s"] > 0
    assert report["peak"]["gflops"] > 0 and report["peak"]["gbytes_per_s"] > 0 and report["profile"][0]["share_of_peak"] > 0
    text = driver.ok("bench", driver.plan("residual_convolutions"), "--shape", "x=3x3x32x32", "--duration", "20ms")
    assert "median" in text and max(map(len, text.splitlines())) <= 100, text


def test_bench_runs_contexts_at_once(driver):
    report = driver.json("bench", driver.plan("mobile_block"), "--duration", "50ms", "--warmup", "0s", "--threads", "1", "--contexts", 2, "--no-profile")
    assert report["together"]["contexts"] == 2 and report["together"]["runs_per_s"] > 0 and not report.get("profile") and "peak" not in report, report
    driver.fails("bench", driver.plan("mobile_block"), "--contexts", 0, code=2, message="--contexts")
    driver.fails("bench", driver.plan("mobile_block"), "--profile", "--no-profile", code=2, message="exclude")


def test_bench_writes_a_trace(driver):
    plan = driver.plan("mobile_block")
    report = driver.json("bench", plan, "--duration", "20ms", "--warmup", "0s", "--threads", "1", "--trace", "trace.json")
    events = json.loads((driver.folder / "trace.json").read_text())["traceEvents"]
    assert [event["args"]["kernel"] for event in events] == [step["kernel"] for step in report["profile"]], events
    assert all(event["ph"] == "X" and event["dur"] > 0 for event in events), events
    for event, step in zip(events, report["profile"]):
        said = event["args"]
        assert abs(said["GFLOP/s"] - step["flops"] / step["min_us"] * 1e-3) <= 1e-6 * said["GFLOP/s"], (said, step)
        assert abs(said["GB/s"] - step["bytes"] / step["min_us"] * 1e-3) <= 1e-6 * said["GB/s"], (said, step)
        assert abs(said["% of peak"] - 100 * step["share_of_peak"]) <= 1e-6 * said["% of peak"], (said, step)
    assert all(abs(before["ts"] + before["dur"] - after["ts"]) < 1e-6 for before, after in zip(events, events[1:])), events
    driver.fails("bench", plan, "--trace", "no.json", "--no-profile", code=2, message="exclude")
    driver.fails("bench", plan, "--duration", "1ms", "--trace", "absent/no.json", message="absent/no.json")


def test_inspect_shows_everything(driver):
    text = driver.ok("inspect", driver.plan("mobile_block"))
    for word in ("Signature", "Memory", "Kernels", "Steps", "Arena", "lower bound", "/conv"):
        assert word in text, f"'{word}' expected in {text}"
    assert max(map(len, text.splitlines())) <= 100, text
    report = driver.json("inspect", driver.plan("detection_head"), "--shape", "image=1x3x64x48")
    assert report["memory"]["arena_bytes"] >= report["memory"]["lower_bound"] > 0
    assert report["inputs"][0]["dims"][:2] == [1, 3] and not report["static"]


def test_check_accepts_a_sound_plan(driver):
    assert "intact" in driver.ok("check", driver.plan("mobile_block"))
    assert driver.json("check", driver.plan("mobile_block"))["runs_here"]


def test_other_targets(driver):
    driver.ok("compile", driver.model("mobile_block"), "-o", "portable.plan", "--target", "x86-64", "--quiet")
    driver.ok("compile", driver.model("mobile_block"), "-o", "arm.plan", "--target", "aarch64", "--quiet")
    np.save(driver.folder / "t.npy", arrays(1, 8, 28, 28))
    driver.ok("run", driver.plan("mobile_block"), "--inputs", "t.npy", "--outputs", "t.npz")
    driver.ok("run", "portable.plan", "--inputs", "t.npy", "--expect", "t.npz")
    driver.fails("check", "arm.plan", message="intact, but cannot run here.*WRONG_TARGET")
    driver.fails("run", "arm.plan", "--inputs", "t.npy", message="aarch64")


def test_bf16(driver):
    for target in ("sapphirerapids", "znver4", "neoverse-v2"):
        driver.ok("compile", driver.model("residual_convolutions"), "-o", f"{target}.plan", "--target", target, "--precision", "bf16", "--quiet")
    needs = {target: driver.json("inspect", f"{target}.plan")["features"] for target in ("sapphirerapids", "znver4")}
    assert "amx-bf16" in needs["sapphirerapids"] and "amx-bf16" not in needs["znver4"] and "avx512bf16" in needs["znver4"], needs
    driver.ok("compile", driver.model("residual_convolutions"), "-o", "single.plan", "--target", "sapphirerapids", "--quiet")
    assert "amx-bf16" not in driver.json("inspect", "single.plan")["features"]
    for target in ("znver4", "sapphirerapids"):  # each where it runs
        if not driver.json("check", f"{target}.plan")["runs_here"]:
            continue
        np.save(driver.folder / "b.npy", arrays(2, 3, 32, 32))
        driver.ok("run", driver.plan("residual_convolutions"), "--inputs", "b.npy", "--outputs", "b.npz")
        driver.ok("run", f"{target}.plan", "--inputs", "b.npy", "--expect", "b.npz", "--rtol", "1e-2")


def test_ops_and_targets_list(driver):
    names = {op["name"] for op in driver.json("ops")}
    assert {"Conv", "MatMul", "Softmax", "Resize"} <= names
    targets = driver.json("targets")
    assert len(targets) > 3 and targets[0]["vector_bits"] >= 128


def test_usage(driver):
    driver.fails(code=2)
    driver.fails("fly", code=2)
    driver.fails("run", code=2)
    driver.fails("compile", driver.model("mobile_block"), "--stop-after", "nowhere", message="phases are import", code=2)
    driver.fails("compile", driver.model("mobile_block"), "--shape", "x", message="name=", code=2)
    driver.fails("bench", driver.plan("mobile_block"), "--duration", "soon", message="duration", code=2)
