"""`tenon tune`, its cache, and compilation from it."""

import json
import os
import pty
import re
import signal
import subprocess
import time

import numpy as np
import onnx
from onnx import TensorProto, helper

SHAPE = ("--shape", "x=1x8x32x32")


def model(driver):
    """Kernels of several families whose schedules are few: all are tried in seconds."""
    path = driver.folder / "pools.onnx"
    if not path.exists():
        nodes = [
            helper.make_node("MaxPool", ["x"], ["a"], "pool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            helper.make_node("Softmax", ["a"], ["b"], "softmax"),
            helper.make_node("AveragePool", ["b"], ["y"], "mean", kernel_shape=[2, 2], strides=[2, 2]),
        ]
        x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 8, size, size]) for name, size in (("x", 32), ("y", 16)))
        onnx.save(helper.make_model(helper.make_graph(nodes, "pools", [x], [y]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def tuned(driver):
    """A cache of the small model, tuned once, and the report."""
    if not hasattr(driver, "tuning"):
        driver.tuning = json.loads(driver.ok("tune", model(driver), *SHAPE, "--cache", "tuned.jsonl", "--budget", "90s", "--threads", 1, "--verify", "--json", "-o", "tuned.plan"))
    return driver.tuning


def records(driver, name):
    return [json.loads(line) for line in (driver.folder / name).read_text().splitlines()]


def start(driver, *words, **environment):
    return subprocess.Popen([str(driver.tenon), "tune", str(model(driver)), *SHAPE, *map(str, words)], cwd=driver.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, env={**os.environ, **environment})


def test_tune_reports_and_records(driver):
    report = tuned(driver)
    assert report["candidates"] > 0 and report["seconds"] < 60, report
    assert report["untuned_ms"] > 0 and report["tuned_ms"] > 0 and report["predicted_gain"] >= 1, report
    lines = records(driver, "tuned.jsonl")
    alone = [record for record in lines if not record.get("network")]
    measured = [kernel for kernel in report["kernels"] if kernel["state"] in ("all tried", "time ran out")]
    assert len(alone) == len(measured) > 0, (lines, report)
    for record in lines:
        assert len(record["kernel"]) == 32 and record["threads"] == 1 and record["ns"] > 0, record
    for record in alone:
        assert record["ns"] <= record["untuned_ns"] and len(record.get("close", [])) <= 4, record
        assert all(close["ns"] >= 0.9 * record["ns"] and close["schedule"] != record["schedule"] for close in record.get("close", [])), record
    # What was close alone was tried in the network, as often as the cache says.
    network = report["network"]
    assert len(lines) - len(alone) == len(network["changes"]) <= network["tried"], report
    assert network["tried"] > 0 and network["gain"] >= 1, report


def test_tuned_plans_compute_the_same(driver):
    tuned(driver)
    np.save(driver.folder / "t.npy", np.random.default_rng(0).standard_normal((1, 8, 32, 32)).astype(np.float32))
    driver.ok("compile", model(driver), *SHAPE, "-o", "untuned.plan", "--quiet")
    driver.ok("run", "untuned.plan", "--inputs", "t.npy", "--outputs", "t.npz")
    driver.ok("run", "tuned.plan", "--inputs", "t.npy", "--expect", "t.npz")
    assert "kernels tuned on" in driver.json("inspect", "tuned.plan")["tuning"]


def test_compile_from_a_cache_is_deterministic(driver):
    tuned(driver)
    for name in ("cached1.plan", "cached2.plan"):
        done = driver.execute("compile", model(driver), *SHAPE, "--tuning-cache", "tuned.jsonl", "-o", name)
        assert done.returncode == 0 and "schedules for" in done.stderr, done.stderr
    assert (driver.folder / "cached1.plan").read_bytes() == (driver.folder / "cached2.plan").read_bytes()


def test_complete_records_are_not_measured_again(driver):
    tuned(driver)
    complete = len({record["kernel"] for record in records(driver, "tuned.jsonl") if record["complete"]})  # some twice: what a network chose
    report = json.loads(driver.ok("tune", model(driver), *SHAPE, "--cache", "tuned.jsonl", "--budget", "1s", "--threads", 1, "--json"))
    assert sum(kernel["state"] == "from the cache" for kernel in report["kernels"]) >= complete > 0, report


def test_a_killed_run_is_resumed(driver):
    cache = driver.folder / "killed.jsonl"
    process = start(driver, "--cache", cache, "--budget", "90s", "--threads", 1)
    deadline = time.monotonic() + 60
    while not (cache.exists() and cache.read_text().count("\n") >= 1) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = cache.read_text()
    assert before.count("\n") >= 1, before
    cache.write_text(before + before[:40])  # as if it had been killed while writing
    done = driver.execute("tune", model(driver), *SHAPE, "--cache", "killed.jsonl", "--budget", "60s", "--threads", 1)
    assert done.returncode == 0 and "is not JSON" in done.stderr and "from the cache" in done.stdout, done.stdout + done.stderr
    tried = sum(record["candidates"] for record in map(json.loads, before.splitlines()) if not record.get("network"))
    assert f"{tried} schedules had been tried before" in done.stdout, (tried, done.stdout)
    after = cache.read_text()
    assert after == before + before[:40] or after.startswith(before + before[:40] + "\n"), after


def test_unusable_lines_are_reported(driver):
    tuned(driver)
    lines = records(driver, "tuned.jsonl")
    planted = dict(lines[0], schedule='#kernel.schedule<"contraction", {mr = 4000 : i64}>', cpu=lines[0]["cpu"])
    elsewhere = dict(lines[1], cpu="Another CPU")
    foreign = dict(lines[1], target="aarch64 neon")
    nonsense = dict(lines[0], schedule="#kernel.schedule<")
    bad = driver.folder / "bad.jsonl"
    bad.write_text("".join(json.dumps(line) + "\n" for line in (planted, nonsense, foreign, elsewhere)) + "half a li")
    done = driver.execute("compile", model(driver), *SHAPE, "--tuning-cache", bad, "-o", "bad.plan")
    assert done.returncode == 0, done.stderr
    for message in ("line 1: ", "mr = 4000", "line 2: ", "line 5 is not JSON", "other instruction sets", "'Another CPU'", "schedules for 1 of"):
        assert message in done.stderr, (message, done.stderr)
    driver.fails("compile", model(driver), "--tuning-cache", "nowhere.jsonl", "-o", "no.plan", message="no such tuning cache")


def test_bad_candidates_are_discarded_and_named(driver):
    for fault, message in (("crash", "crashed: Segmentation fault"), ("lost", "failed on the GPU: planted"), ("hang", "hangs: no answer within"), ("wrong", "computes wrong numbers"),
                           ("race", "races: another run gives other numbers")):
        process = start(driver, "--cache", f"{fault}.jsonl", "--budget", "60s", "--threads", 1, "--verify", "--json", TENON_TUNE_FAULT=f"2={fault}")
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        report = json.loads(output)
        discarded = [text for kernel in report["kernels"] for text in kernel["discarded"] if "sizes are free" not in text]
        assert discarded and all(message in text and "#kernel.schedule" in text for text in discarded), (fault, discarded)
        assert report["tuned_ms"] > 0, report


def convolution(driver):
    """One that Winograd's transforms make faster."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [128, 128, 3, 3], np.random.default_rng(0).standard_normal((128, 128, 3, 3)).astype(np.float32).tobytes(), raw=True)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 128, 28, 28]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w"], ["y"], "conv", pads=[1, 1, 1, 1])], "g", [x], [y], [weight])
    path = driver.folder / "conv3x3.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_transformed_convolutions_are_among_the_candidates(driver):
    """Winograd's transforms depend on the filter's values: the tuner must see them as the compiler does, or it makes plans slower."""
    path = convolution(driver)

    def families(plan):
        return {kernel["family"] for kernel in driver.json("inspect", plan)["kernels"]}

    driver.ok("compile", path, "-o", "plain.plan", "--quiet")
    assert "winograd" in families("plain.plan")
    report = json.loads(driver.ok("tune", path, "--cache", "winograd.jsonl", "--budget", "8s", "--threads", 1, "--verify", "--json"))
    tried = [kernel for kernel in report["kernels"] if kernel["candidates"]]
    assert tried and not any(kernel["discarded"] for kernel in tried), report
    # As if it had been the fastest: the compiler takes it, and refuses it where transforms are not wanted.
    record = next(record for record in records(driver, "winograd.jsonl"))
    chosen = next(kernel["schedule"] for kernel in driver.json("inspect", "plain.plan")["kernels"] if kernel["family"] == "winograd")
    schedule = '#kernel.schedule<"winograd", {' + ", ".join(f"{name} = {value} : i64" for name, value in (pair.split("=") for pair in chosen.split())) + "}>"
    (driver.folder / "winograd.jsonl").write_text(json.dumps(dict(record, family="winograd", schedule=schedule, threads=len(os.sched_getaffinity(0)))) + "\n")
    done = driver.execute("compile", path, "--tuning-cache", "winograd.jsonl", "-o", "cached.plan")
    assert done.returncode == 0 and "not a schedule" not in done.stderr and "winograd" in families("cached.plan"), done.stderr
    done = driver.execute("compile", path, "--tuning-cache", "winograd.jsonl", "--exact-order", "-o", "exact.plan")
    assert done.returncode == 0 and "not a schedule" in done.stderr and "winograd" not in families("exact.plan"), done.stderr


def misleading(driver, name):
    """A cache that says that a slow schedule is the fastest, and the fast one close to it: its path, and both."""
    path, folder = convolution(driver), driver.folder / "direct"
    if not folder.exists():
        folder.mkdir()
        driver.ok("tune", path, "--threads", 1, "--candidates", folder, "--family", "winograd", "--quiet")
    entries = records(driver, "direct/index.jsonl")
    fast, slow = (next(entry for entry in entries if entry["schedule"].startswith(f'#kernel.schedule<"{family}"')) for family in ("winograd", "contraction"))
    line = {"tenon_tuning": 1, **{key: slow[key] for key in ("kernel", "name", "schedule", "target", "threads")}, "family": "contraction", "cpu": "Another CPU", "ns": 10, "untuned_ns": 10,
            "candidates": 2, "discarded": 0, "complete": True, "close": [{"schedule": fast["schedule"], "ns": 11}]}
    cpu = next(text.split(":")[1].strip() for text in open("/proc/cpuinfo") if text.startswith("model name"))
    cache = driver.folder / name
    cache.write_text("".join(json.dumps(dict(line, cpu=name)) + "\n" for name in ("Another CPU", cpu)))
    return cache, fast, slow, cpu


def test_schedules_are_chosen_in_the_network(driver):
    """The network tells the fast schedule from the slow one, and the cache says so from then on."""
    path = convolution(driver)
    cache, fast, slow, cpu = misleading(driver, "chosen.jsonl")
    done = driver.execute("tune", path, "--cache", cache, "--budget", "10s", "--threads", 1, "-o", "chosen.plan")
    assert done.returncode == 0 and " kept: " in done.stdout and "instead of #kernel.schedule<\"contraction\"" in done.stdout, done.stdout + done.stderr
    chosen = next(record for record in records(driver, "chosen.jsonl") if record["kernel"] == slow["kernel"] and "network" in record)
    assert chosen["schedule"] == fast["schedule"] and chosen["network"] == 1 and chosen["ns"] == 11 and chosen["cpu"] == cpu and chosen["complete"], chosen
    assert chosen["close"] == [{"schedule": slow["schedule"], "ns": 10}], chosen
    driver.ok("compile", path, "--tuning-cache", cache, "-o", "chosen_again.plan", "--quiet")
    for plan in ("chosen.plan", "chosen_again.plan"):
        assert "winograd" in {kernel["family"] for kernel in driver.json("inspect", plan)["kernels"]}, plan
    # The slow one does not come back.
    report = json.loads(driver.ok("tune", path, "--cache", cache, "--budget", "10s", "--threads", 1, "--json"))
    assert report["network"]["tried"] > 0 and slow["name"] not in [change["kernel"] for change in report["network"]["changes"]], report


def test_bad_plans_of_the_network_are_passed_over(driver):
    for fault, message in (("crash", "crashed"), ("hang", "hangs"), ("wrong", "wrong numbers")):
        cache, *_ = misleading(driver, f"network_{fault}.jsonl")
        words = ("tune", convolution(driver), "--cache", cache, "--budget", "10s", "--threads", 1, "--verify", "--json")
        done = subprocess.run([str(word) for word in (driver.tenon, *words)], cwd=driver.folder, capture_output=True, text=True, timeout=60, env=os.environ | {"TENON_TUNE_FAULT": f"trial0={fault}"})
        assert done.returncode == 0, done.stderr
        network = json.loads(done.stdout)["network"]
        assert network["tried"] >= network["failed"] > 0 and not network["changes"] and message in network["problem"], (fault, network)
        assert not any(record.get("network") for record in records(driver, cache.name)), fault


def test_a_network_that_cannot_be_measured_ends_the_search(driver):
    cache, *_ = misleading(driver, "network_lost.jsonl")
    words = ("tune", convolution(driver), "--cache", cache, "--budget", "10s", "--threads", 1)
    done = subprocess.run([str(word) for word in (driver.tenon, *words)], cwd=driver.folder, capture_output=True, text=True, timeout=60, env=os.environ | {"TENON_TUNE_FAULT": "network=lost"})
    assert done.returncode == 0 and "the search in the network ended: failed on the GPU: planted" in done.stderr, done.stdout + done.stderr


def test_a_terminal_shows_progress_and_gain(driver):
    """The line is drawn again and again within the terminal's 80 columns, and removed at the end."""
    master, slave = pty.openpty()
    process = subprocess.Popen([str(driver.tenon), "tune", str(model(driver)), *SHAPE, "--cache", "bar.jsonl", "--budget", "6s", "--threads", "1"], cwd=driver.folder, stdout=subprocess.PIPE, stderr=slave)
    os.close(slave)
    output = process.communicate(timeout=60)[0].decode()
    shown = b""
    try:
        while chunk := os.read(master, 65536):
            shown += chunk
    except OSError:  # the terminal's other end is closed
        pass
    os.close(master)
    lines = [line.removeprefix("\x1b[K") for line in shown.decode().split("\r") if line.strip()]
    drawn = [line for line in lines if re.search(r"pools.onnx \[[#.]{10}\] \d+% gain \d+\.\d\dx, \d+/\d+, \d+ tried, \d+:\d\d left", line)]
    assert len(drawn) >= 2 and all(len(line) < 80 for line in drawn), lines
    assert lines[-1] not in drawn, "the line stays behind"
    assert "one run: untuned" in output and "tried" in output, output


def test_the_budget_is_kept(driver):
    begin = time.monotonic()
    driver.ok("tune", driver.model("residual_convolutions"), "--shape", "x=1x3x32x32", "--cache", "brief.jsonl", "--budget", "3s", "--threads", 1, "--quiet")
    # Hundreds of schedules take much longer; the slack is for machines with other work.
    assert time.monotonic() - begin < 15


def test_candidates_become_plans(driver):
    folder = driver.folder / "candidates"
    folder.mkdir()
    words = (driver.model("residual_convolutions"), "--target", "cuda:sm_90", "--precision", "fp16", "--shape", "x=1x3x32x32", "--candidates", folder)
    assert "told of in index.jsonl" in driver.ok("tune", *words, "--family", "gpu.matrix", "--most", 2)
    entries = records(driver, "candidates/index.jsonl")
    kernels = {entry["kernel"] for entry in entries}
    assert 0 < len(kernels) < len(entries) <= 2 * len(kernels) and len(list(folder.glob("*.plan"))) == len(entries), entries
    for entry in entries:
        assert entry["family"] == "gpu.matrix" and entry["target"] == "sm_90" and "kernel.func" in entry["code"], entry
        said = driver.json("inspect", folder / entry["plan"])
        wanted = dict(word.split(" = ") for word in re.findall(r"\w+ = \d+", entry["schedule"]))
        plan = dict(word.split("=") for word in said["kernels"][0]["schedule"].split())
        assert len(said["kernels"]) == 1 and wanted.items() >= {key: plan[key] for key in ("rows", "columns", "stages")}.items(), (entry, said["kernels"])
    driver.fails("tune", *words[:-1], driver.folder / "nowhere", code=2)
    driver.fails("tune", *words[:-2], "--most", 2, code=2, message="are for --candidates")


def test_candidates_are_more_than_the_compiler_chooses_from(driver):
    """A tuner also tries tiles with as many stages as a block has steps; the first candidate is what the compiler takes."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [512, 128], np.random.default_rng(0).standard_normal((512, 128)).astype(np.float32).tobytes(), raw=True)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT16, [96, size]) for name, size in (("x", 512), ("y", 128)))
    nodes = [helper.make_node("Cast", ["w"], ["h"], to=TensorProto.FLOAT16), helper.make_node("MatMul", ["x", "h"], ["y"])]
    path = driver.folder / "product.onnx"
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [x], [y], [weight]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    folder = driver.folder / "product"
    folder.mkdir()
    words = (path, "--target", "cuda:sm_90a", "--precision", "fp16")
    driver.ok("tune", *words, "--candidates", folder, "--family", "gpu.matrix", "--most", 12)
    schedules = [{name: int(value) for name, value in re.findall(r"(\w+) = (\d+)", entry["schedule"])} for entry in records(driver, "product/index.jsonl")]
    assert len(schedules) == 12, schedules
    steps = 512 // 64
    assert any(s["groups"] and not s.get("tma") and s["splits"] * s["stages"] == steps for s in schedules), schedules
    driver.ok("compile", *words, "-o", "product.plan", "--quiet")
    chosen = dict(word.split("=") for word in driver.json("inspect", "product.plan")["kernels"][0]["schedule"].split())
    assert {name: int(value) for name, value in chosen.items()} == schedules[0], (chosen, schedules[0])


def test_caches_are_listed_pruned_and_merged(driver):
    tuned(driver)
    lines = (driver.folder / "tuned.jsonl").read_text()
    count = len(set(record["kernel"] for record in records(driver, "tuned.jsonl")))
    (driver.folder / "twice.jsonl").write_text(lines + "garbage\n" + lines)
    done = driver.execute("tune", "--cache", "twice.jsonl", "--list")
    assert done.returncode == 0 and "complete" in done.stdout and "is not JSON" in done.stderr, done.stdout + done.stderr
    driver.ok("tune", "--cache", "twice.jsonl", "--prune")
    assert len(driver.json("tune", "--cache", "twice.jsonl", "--list")) == count
    better = [dict(record, ns=1) for record in records(driver, "twice.jsonl")]
    (driver.folder / "better.jsonl").write_text("".join(json.dumps(record) + "\n" for record in better))
    driver.ok("tune", "--cache", "twice.jsonl", "--merge", "better.jsonl")
    merged = driver.json("tune", "--cache", "twice.jsonl", "--list")
    assert len(merged) == count and all(record["ns"] == 1 for record in merged), merged
    assert (driver.folder / "twice.jsonl").read_bytes() == driver_copy(driver, "twice.jsonl")


def driver_copy(driver, name):
    """The cache after being pruned once more: sorting and choosing again changes nothing."""
    (driver.folder / "copy.jsonl").write_bytes((driver.folder / name).read_bytes())
    driver.ok("tune", "--cache", "copy.jsonl", "--prune", "--quiet")
    return (driver.folder / "copy.jsonl").read_bytes()


def test_wrong_usage(driver):
    driver.fails("tune", code=2, message="needs a model")
    driver.fails("tune", "--list", code=2, message="--cache")
    driver.fails("tune", model(driver), "--cache", "x.jsonl", "--prune", code=2, message="no model")
    driver.fails("tune", model(driver), "--budget", "soon", code=2, message="duration")
    driver.fails("tune", "--cache", "nowhere.jsonl", "--list", message="no such tuning cache")
    for cache in ("nowhere/x.jsonl", "/"):  # said before anything is measured
        driver.fails("tune", model(driver), *SHAPE, "--cache", cache, "--budget", "60s", message="the cache cannot be written", timeout=20)
    driver.fails("tune", "nothing.onnx", message="nothing.onnx")
