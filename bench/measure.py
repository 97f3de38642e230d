"""Processes that measure: Tenon's command line and the peers', each alone on as many CPUs as it has threads."""
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BENCH = Path(__file__).resolve().parent
PEERS = ("onnxruntime", "openvino")
CPUS = sorted(os.sched_getaffinity(0))


class Failed(Exception):
    """A process that ended badly; the text is what it complained of."""


def pin(threads):
    """This process, and those that it starts: to the first CPUs that it may use."""
    os.sched_setaffinity(0, CPUS[:threads])


def execute(command, timeout=600):
    """Its JSON, with `began_s`, when it was started, on the system's monotonic clock."""
    began = time.monotonic()
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired as late:
        raise Failed(f"no end within {timeout} s") from late
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise Failed("\n".join(lines[-40:]) or f"exit code {done.returncode}")
    return json.loads(done.stdout) | {"began_s": began}


class Tenon:
    def __init__(self, program):
        self.program = program

    def compile(self, model, plan, *options):
        """{"seconds", "peak_bytes"}"""
        with tempfile.TemporaryFile() as messages:
            begin = time.monotonic()
            process = subprocess.Popen([str(word) for word in (self.program, "compile", model, "-o", plan, "--quiet", *options)], stdout=subprocess.DEVNULL, stderr=messages)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            seconds = time.monotonic() - begin
            if process.returncode:
                messages.seek(0)
                raise Failed(messages.read().decode(errors="replace").strip() or f"exit code {process.returncode}")
        return {"seconds": seconds, "peak_bytes": usage.ru_maxrss << 10}

    def bench(self, plan, threads, seconds, *options):
        return execute([self.program, "bench", plan, "--threads", threads, "--duration", f"{seconds}s", "--warmup", f"{seconds / 4}s", "--json", *options])

    def measure(self, plan, inputs, threads, seconds):
        report = self.bench(plan, threads, seconds, "--inputs", inputs, "--no-profile")
        return {"median_ms": report["latency_ms"]["median"], "session_ms": report["open_ms"] + report["context_ms"] + report["first_run_ms"],
                "start_ms": (report["first_result_at_s"] - report["began_s"]) * 1e3, "peak_bytes": report["memory"]["peak_process_bytes"],
                "session_bytes": report["memory"]["peak_process_bytes"]}

    def profile(self, plan, inputs, threads):
        """The steps and memory of a plan."""
        return self.bench(plan, threads, 0.4, "--inputs", inputs)

    def together(self, plan, inputs, sessions, seconds):
        return self.bench(plan, 1, seconds, "--inputs", inputs, "--contexts", sessions, "--no-profile")["together"]["runs_per_s"]

    def equal(self, plan, inputs, expected):
        done = subprocess.run([str(word) for word in (self.program, "run", plan, "--inputs", inputs, "--expect", expected, "--json")], capture_output=True, text=True)
        if not done.stdout:
            raise Failed(done.stderr.strip())
        return json.loads(done.stdout)["equal"]


def peer(runtime, model, inputs, threads, seconds, *options):
    report = execute([sys.executable, BENCH / "peer.py", runtime, model, inputs, threads, seconds, *options])
    return report | {"start_ms": (report["first_result_at_s"] - report["began_s"]) * 1e3}


def prepare(name, folder, batch=0):
    """The model's file and its inputs'."""
    made = execute([sys.executable, BENCH / "models.py", name, folder, *([batch] if batch else [])])
    return Path(made["model"]), Path(made["inputs"])
