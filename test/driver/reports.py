"""What bench/ makes of its measurements: every model is in the tables, the slower ones with a reason, those that failed too."""

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent.parent / "bench"


def step(family, source, us, share):
    return {"step": 0, "kernel": "k", "family": family, "sources": source, "min_us": us, "flops": 1000, "bytes": 1000, "tasks": 1, "share_of_peak": share}


def model(tenon_ms, peer_ms, steps):
    times = {"tenon": tenon_ms, "onnxruntime": peer_ms, "openvino": 2 * peer_ms}
    return {"equal": True, "model_bytes": 10_000_000, "plan_bytes": 10_000_000, "compile": {"seconds": 1, "peak_bytes": 300_000_000}, "threads": {"1": times, "2": times},
            "start_ms": times, "session_ms": times, "peak_bytes": {"tenon": 40_000_000, "onnxruntime": 80_000_000}, "session_bytes": {"tenon": 40_000_000, "onnxruntime": 60_000_000},
            "failed": {}, "memory": {"weights_bytes": 20_000_000, "arena_bytes": 5_000_000, "tensor_bytes": 1_000_000},
            "profile": {count: {"peak": {}, "fastest_ms": tenon_ms, "steps": steps} for count in ("1", "2")}}


def results():
    return {"machine": {"cpu": "A CPU", "cpus": 2, "features": "+avx2,+fma", "vector_bits": 256, "l1_bytes": 32768, "l2_bytes": 524288, "l3_bytes": 1 << 24, "memory_bytes": 1 << 33,
                        "system": "Linux 6", "date": "2026-01-01", "tenon": "0", "onnxruntime": "1", "openvino": "2"},
            "settings": {"rounds": 3, "duration_s": 0.8, "threads": [1, 2], "peers": ["onnxruntime", "openvino"], "avx2": False, "whole": True},
            "models": {"quick_net": model(1, 4, [step("contraction", "conv", 900, 0.9)]),
                       "slow_net": model(4, 2, [step("contraction", "fine", 2000, 0.95), step("loops", "bad | node", 1000, 0.1)]),
                       "broken_net": {"error": "broken_net.onnx: 1 operator is not supported"}},
            "batch": {"quick_net": {"batch": 8, "equal": True, "threads": {"2": {"tenon": 300, "onnxruntime": 200, "openvino": 100}}}},
            "together": {"quick_net": {"sessions": 2, "runs_per_s": {"tenon": 300, "onnxruntime": 200, "openvino": 100}}},
            "dispatch": {"threads": 2, "tiny_us": 0.05, "split_us": 0.5, "split_kernel_us": 16}}


def test_bench_reports_every_model(driver):
    (driver.folder / "speed.json").write_text(json.dumps(results()))
    done = subprocess.run([sys.executable, BENCH / "compare.py", "--report", "--output", driver.folder / "speed"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = (driver.folder / "speed.md").read_text()
    # The geometric mean of 4 and 1/2.
    assert text.count("Geometric mean over 2 models: 1.41; worst: slow_net, 0.50; slower than the best peer: 1.") == 2, text
    slow = next(line for line in text.splitlines() if line.startswith("| slow_net"))
    # 1000 us at 10 % of the peak lose more than 2000 us at 95 %; a quarter of the time is in no kernel.
    assert slow.index("loops") < slow.index("contraction") and "33 % of the time at 10 % of peak" in slow and "25 % between its 2 kernels" in slow, slow
    for words in ("| broken_net | broken_net.onnx: 1 operator is not supported |", "batch 8, 2 threads | 300 | 200 | 100 | 1.50", "2 contexts x 1 thread | 300 | 200 | 100 | 1.50",
                  "takes 0.05 us", "+14.0", "More than 10 MB above weights, arena, inputs and outputs: 2 runs"):
        assert words in text, (words, text)
    columns = [line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("| slow_net") or line.startswith("| model | Tenon")]
    assert len(set(columns[:2])) == 1, columns
    chart = (driver.folder / "speed.svg").read_text()
    assert "quick_net" in chart and ">4.00<" in chart and ">0.50<" in chart and chart.rstrip().endswith("</svg>"), chart


def test_bench_writes_the_readme(driver):
    """The part between the marks, from the results alone; nothing else changes."""
    (driver.folder / "tree/bench").mkdir(parents=True)
    for name in ("readme.py", "tables.py", "measure.py"):
        (driver.folder / "tree/bench" / name).write_text((BENCH / name).read_text())
    readme = driver.folder / "tree/README.md"
    begin, end = "<!-- speed: made by bench/readme.py -->\n", "<!-- end of speed -->\n"
    readme.write_text("before\n" + begin + "old\n" + end + "after\n")

    def make(*words):
        return subprocess.run([sys.executable, driver.folder / "tree/bench/readme.py", *words], capture_output=True, text=True)

    assert make().returncode == 0 and "old" in readme.read_text()
    (driver.folder / "tree/bench/results.json").write_text(json.dumps(results()))
    assert make("--check").returncode == 1
    assert make().returncode == 0 and make("--check").returncode == 0
    text = readme.read_text()
    assert text.startswith("before\n" + begin) and text.endswith(end + "after\n") and "old" not in text, text
    for words in ("| latency of the best peer ÷ Tenon's, 2 threads | 1.41 | 0.50 (slow_net) | 1 of 2 |", "bench/results.svg", "Not compiled or not run yet: broken_net."):
        assert words in text, (words, text)


def eight_bits(float_ms, tenon_ms, peer_ms, **others):
    times = {"float": float_ms, "tenon": tenon_ms, "openvino": peer_ms, **others}
    return {"plan_bytes": {"float": 100, "tenon": 27}, "threads": {"2": times}, "failed": {}}


def test_bench_reports_what_8_bits_gain(driver):
    """Each ratio of the summary from its own part: as the machine is, and held to AVX2."""
    settings = results()["settings"] | {"threads": [2]}
    native = {"settings": settings, "models": {"resnet50": eight_bits(30, 10, 12), "yolov8n_640": eight_bits(40, 20, 30, onnxruntime=25, pytorch=130)}}
    avx2 = {"settings": settings | {"peers": ["openvino"], "avx2": True}, "models": {"resnet50": eight_bits(33, 22, 44), "yolov8n_640": {"error": "tenon compile failed"}}}
    (driver.folder / "eight.json").write_text(json.dumps({"machine": results()["machine"] | {"pytorch": "3"}, "parts": {"native": native, "avx2": avx2}}))
    done = subprocess.run([sys.executable, BENCH / "compare.py", "--int8", "--report", "--output", driver.folder / "eight"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = (driver.folder / "eight.md").read_text()
    for words in ("| Tenon f32 ÷ Tenon int8 | 3.00 | 2.00 |", "| best peer's int8 ÷ Tenon int8 | 1.20 | 1.25 |", "| AVX2: Tenon f32 ÷ Tenon int8 | 1.50 |  |", "| AVX2: best peer's int8 ÷ Tenon int8 | 2.00 |  |",
                  "| PyTorch eager f32 ÷ Tenon int8 |  | 6.50 |", "| size of the plan, int8 ÷ f32 | 0.27 | 0.27 |", "- yolov8n_640: tenon compile failed", "PyTorch 3."):
        assert words in text, (words, text)
