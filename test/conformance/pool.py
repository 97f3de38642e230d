"""Worker processes that survive crashes and hangs of what they run: the case is named, the worker is replaced."""
import json
import queue
import select
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

WORKER = Path(__file__).parent / "worker.py"


class Worker:
    """One process, started when it is needed."""

    def __init__(self, timeout: float, environment: dict):
        self.timeout, self.environment = timeout, environment
        self.process = None
        self.errors = tempfile.TemporaryFile()

    def ask(self, request: dict) -> dict:
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, env=self.environment
            )
        self.errors.seek(0)
        self.errors.truncate()
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], self.timeout)
        line = self.process.stdout.readline() if ready else b""
        return json.loads(line) if line else self._bury(timed_out=not ready)

    def _bury(self, timed_out):
        self.process.kill()
        code = self.process.wait()
        self.process = None
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip().splitlines()
        why = f"took longer than {self.timeout:.0f} s" if timed_out else signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return {"status": "crashed", "reason": "; ".join([why, *said[:3]]), "operators": [], "seconds": self.timeout if timed_out else 0}

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()
        self.errors.close()


def run_all(requests: list, jobs: int, timeout: float, environment: dict, report) -> None:
    """Runs the requests and calls report(request, result) for each, from one thread at a time."""
    waiting = queue.SimpleQueue()
    for request in requests:
        waiting.put(request)
    lock = threading.Lock()

    def serve():
        worker = Worker(timeout, environment)
        try:
            while True:
                request = waiting.get_nowait()
                result = worker.ask(request)
                with lock:
                    report(request, result)
        except queue.Empty:
            pass
        finally:
            worker.close()

    threads = [threading.Thread(target=serve) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
