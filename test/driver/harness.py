"""Runs the driver in a folder of its own."""
import json
import re
import resource
import subprocess

import onnx

import make_models


class Skip(Exception):
    pass


# No input of these tests needs more: what allocates without bound fails instead of taking the machine. Sanitizers reserve terabytes.
MEMORY_LIMIT = 6 << 30


class Driver:
    def __init__(self, tenon, folder):
        self.tenon = tenon
        self.folder = folder
        self.sanitized = b"__asan_init" in tenon.read_bytes()
        self.plans = {}

    def execute(self, *words, file_limit=None, timeout=120):
        def limit():
            if not self.sanitized:
                resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
            if file_limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

        # Python ignores SIGXFSZ, and so does its child with restore_signals off: a full disk is an error of write().
        return subprocess.run([str(self.tenon), *map(str, words)], cwd=self.folder, capture_output=True, text=True, errors="replace", timeout=timeout,
                              preexec_fn=limit, restore_signals=False, stdin=subprocess.DEVNULL)

    def ok(self, *words):
        """Runs a command that must succeed; returns its standard output."""
        done = self.execute(*words)
        assert done.returncode == 0, f"{words}: exit code {done.returncode}: {done.stderr}"
        return done.stdout

    def json(self, *words):
        return json.loads(self.ok(*words, "--json"))

    def fails(self, *words, message="", code=1, **options):
        """Runs a command that must fail, with all the words of `message` (a regular expression) in its errors; returns them."""
        before = self.files()
        done = self.execute(*words, **options)
        assert done.returncode == code, f"{words}: exit code {done.returncode}, {code} expected: {done.stdout}{done.stderr}"
        assert done.stderr.strip(), f"{words}: no message"
        assert re.search(message, done.stderr, re.I | re.S), f"{words}: '{message}' expected in: {done.stderr}"
        assert self.files() == before, f"{words}: left {self.files() - before} behind"
        return done.stderr

    def files(self):
        """All but what interrupted quantization keeps on purpose."""
        return {path for path in self.folder.rglob("*") if path.is_file() and path.suffix != ".statistics"}

    def model(self, name):
        path = self.folder / f"{name}.onnx"
        if not path.exists():
            onnx.save(make_models.MODELS[name][0](), path)
        return path

    def plan(self, name, *options):
        """The plan of a small model, compiled once."""
        key = (name, *options)
        if key not in self.plans:
            path = self.folder / f"{name}{len(self.plans)}.plan"
            self.ok("compile", self.model(name), "-o", path, "--quiet", *options)
            self.plans[key] = path
        return self.plans[key]

    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path
