#!/usr/bin/env python3
"""Runs ONNX's node tests on a GPU, on a machine that has only the driver and Python with numpy.

    conformance.py pack --to FOLDER [--build build/release] [--target cuda:sm_90a] [-k PATTERN] [--decided] [-j 2]    where it compiles
    python3 FOLDER/conformance.py run FOLDER [-k PATTERN] [-j 12] [--seconds N]                                       the machine with the GPU

`pack` compiles each case for this machine's CPU and for the GPU, and keeps what the CPU's plan gives where ONNX's own comparison accepts that; --decided
takes only those whose runs the processor decides: with branches, loops or sizes that only a run knows. `run` compares all tensors with these, by ONNX's
tolerances, and several runs with each other. Cases that the compiler refuses for any target are left out, and those that it refuses for GPUs alone count as
failures. The last line is `N passed, N failed, N skipped`; cases that --seconds did not leave time for are skipped, by name.
"""
import argparse
import json
import lzma
import os
import pickle
import queue
import re
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ARCHIVE = "cases.xz"
RTOL, ATOL = 1e-3, 1e-7
RUNS = 4  # a segment becomes a graph when it comes for the third time
SECONDS_OF_CASE = 20
DECIDED = (2, 4, 5)  # TN_STEP_READ_SIZES, TN_STEP_IF, TN_STEP_LOOP
FLOATS = {"f16": np.float16, "f32": np.float32, "f64": np.float64, "c64": np.complex64, "c128": np.complex128}


def buffer_of(buffer, element):
    """(element type, shape, bytes) of what the extension takes or gives."""
    array, shape = buffer if isinstance(buffer, tuple) else (buffer, buffer.shape)
    return element, tuple(shape), array.tobytes()


def recorded(plan, inputs):
    """The tensors that go into a plan, part by part, and those that come out."""
    from tenon import _tenon
    from tenon._arrays import to_buffer

    given = [(to_buffer(part, tensor.type), tensor.type)
             for value, array in zip(plan._input_values, inputs, strict=True)
             for part, tensor in zip(value.split(array), value.parts.values(), strict=True)]
    types = [tensor.type for value in plan._output_values for tensor in value.parts.values()]
    made = _tenon.Context(plan._plan, 1, 0).run([buffer for buffer, _ in given], [None] * len(types))
    return {"inputs": [buffer_of(*pair) for pair in given], "outputs": [buffer_of(*pair) for pair in zip(made, types, strict=True)]}


def is_decided(plan, library):
    """Whether the processor decides what runs."""
    from runtime import Library, Plan

    with tempfile.NamedTemporaryFile(suffix=".plan") as file:
        plan.save(file.name)
        opened = Plan(Library(library), file.name)
        kinds = opened.step_kinds()
        opened.close()
    return any(kind in DECIDED for kind in kinds)


def pack_one(case, target, library):
    """(name, why it is left out, the pickled case); `library`: the runtime, where only decided ones are wanted."""
    import onnx
    import tenon
    from cases import compare, data_sets
    from tenon._plan import _compile

    model = onnx.load(case.model)
    try:
        plan = tenon.compile(model, name=case.name, threads=1)
    except tenon.Error as refusal:
        return case.name, f"refused for the CPU too: {str(refusal).strip()[:200]}", None
    if library and not is_decided(plan, library):
        return case.name, "not decided by the processor", None
    sets = data_sets(case, model)
    try:
        records = [recorded(plan, inputs) for inputs, _ in sets]
        for inputs, expected in sets:
            if difference := compare(case, "given", list(plan.run(inputs).values()), expected):
                return case.name, f"the CPU is wrong: {difference[:200]}", None
    except tenon.Error as refusal:
        return case.name, f"refused when it runs on the CPU too: {str(refusal).strip()[:200]}", None
    try:
        code = _compile(model, target, name=case.name)[0]
    except tenon.Error as refusal:
        return case.name, "", pickle.dumps({"name": case.name, "refusal": str(refusal).strip()[:400]})
    return case.name, "", pickle.dumps({"name": case.name, "plan": bytes(code), "sets": records})


def pack(arguments):
    sys.path[:0] = [str(ROOT / "test" / "conformance"), str(arguments.build.resolve() / "python")]
    import cases

    folder = arguments.to
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(arguments.build / "lib" / "libtenon_runtime.so.0", folder / "libtenon_runtime.so")
    for script in ("runtime.py", "device.py", "conformance.py"):
        shutil.copy(HERE / script, folder / script)
    found = cases.find(Path(os.environ["TENON_SHARED"]) / "conformance" / "onnx-1.23", ["node"], arguments.pattern)
    packed, left = [], []
    with ProcessPoolExecutor(arguments.j) as pool:
        for name, reason, data in pool.map(pack_one, found, [arguments.target] * len(found), [arguments.decided and folder / "libtenon_runtime.so"] * len(found), chunksize=8):
            packed += [data] if data else []
            left += [] if data else [f"{name}: {reason}"]
    (folder / ARCHIVE).write_bytes(lzma.compress(pickle.dumps(packed), preset=6))
    (folder / "left-out.txt").write_text("\n".join(left) + "\n")
    print(f"{len(packed)} cases of {len(found)}, {(folder / ARCHIVE).stat().st_size / 1e6:.1f} MB; left-out.txt names the others")
    return 0


def difference(found, expected):
    """What is wrong with a tensor; empty if nothing is."""
    (element, shape, given), (other_shape, data) = expected, found
    if shape != other_shape:
        return f"shape {other_shape}, expected {shape}"
    if element == "bf16":
        a, b = ((np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32) for raw in (data, given))
    elif element in FLOATS:
        a, b = (np.frombuffer(raw, FLOATS[element]) for raw in (data, given))
    else:
        return "" if data == given else f"{sum(x != y for x, y in zip(data, given))} of {len(given)} bytes of {element} differ"
    with np.errstate(all="ignore"):
        good = np.isclose(a, b, rtol=RTOL, atol=ATOL, equal_nan=True)
        worst = np.abs(a - b)[~good].max(initial=0)
    return "" if good.all() else f"{(~good).sum()} of {good.size} {element} differ, by {worst:.3g} at most"


def run_case(library, path):
    """{"status", "reason"} of one case."""
    from runtime import Failure, Plan

    case = pickle.loads(Path(path).read_bytes())
    if "refusal" in case:
        return {"status": "refused", "reason": case["refusal"]}
    with tempfile.NamedTemporaryFile(suffix=".plan") as file:
        file.write(case["plan"])
        file.flush()
        try:
            plan = Plan(library, file.name)
        except Failure as problem:
            return {"status": problem.status, "reason": problem.message}
    try:
        for record in case["sets"]:
            inputs = [(shape, data) for _, shape, data in record["inputs"]]
            first = plan.run_bytes(inputs)
            for i, (found, expected) in enumerate(zip(first, record["outputs"], strict=True)):
                if wrong := difference(found, expected):
                    return {"status": "wrong", "reason": f"output {i}: {wrong}"}
            for count in range(1, RUNS):
                if plan.run_bytes(inputs) != first:
                    return {"status": "wrong", "reason": f"run {count} gives other bytes than the first"}
    except Failure as problem:
        return {"status": problem.status, "reason": problem.message}
    finally:
        plan.close()
    return {"status": "ok", "reason": ""}


def serve():
    """The body of a child: a path a line in, a result a line out."""
    from device import Device
    from runtime import Library

    library, _held = Library(HERE / "libtenon_runtime.so"), Device()  # the driver would make the context anew for each plan
    for line in sys.stdin:
        print(json.dumps(run_case(library, line.strip())), flush=True)


class Child:
    """A process that runs cases until one takes it down, or the GPU's context with it."""

    def __init__(self):
        self.process = None

    def ask(self, path):
        if self.process is None:
            self.process = subprocess.Popen([sys.executable, __file__, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.process.stdin.write(f"{path}\n".encode())
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], SECONDS_OF_CASE)
        line = self.process.stdout.readline() if ready else b""
        if line and json.loads(line)["status"] != "TN_DEVICE":
            return json.loads(line)
        self.process.kill()
        said = self.process.communicate()[1].decode(errors="replace").strip()[-300:]
        self.process = None
        return json.loads(line) if line else {"status": "crashed" if ready else f"no answer in {SECONDS_OF_CASE} s", "reason": said}

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()


def run(arguments):
    end = time.monotonic() + arguments.seconds
    waiting, results, lock = queue.SimpleQueue(), {}, threading.Lock()
    with tempfile.TemporaryDirectory(prefix="tenon-conformance-") as folder:
        names = []
        for i, data in enumerate(pickle.loads(lzma.decompress((arguments.folder / ARCHIVE).read_bytes()))):
            name = pickle.loads(data)["name"]
            if re.search(arguments.pattern, name):
                path = Path(folder) / str(i)
                path.write_bytes(data)
                names.append(name)
                waiting.put((name, path))

        def body():
            child = Child()
            try:
                while time.monotonic() < end:
                    name, path = waiting.get_nowait()
                    result = child.ask(path)
                    with lock:
                        results[name] = result
                        if result["status"] != "ok":
                            print(f"{result['status']:8} {name}: {result['reason']}", flush=True)
            except queue.Empty:
                pass
            finally:
                child.close()

        threads = [threading.Thread(target=body) for _ in range(arguments.j)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    left = [name for name in names if name not in results]
    passed = sum(result["status"] == "ok" for result in results.values())
    if left:
        print(f"no time left for {' '.join(left)}")
    print(f"{passed} passed, {len(results) - passed} failed, {len(left)} skipped")
    return int(passed != len(results))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("pack")
    verb.add_argument("--to", type=Path, required=True)
    verb.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    verb.add_argument("--target", default="cuda:sm_90a")
    verb.add_argument("-k", dest="pattern", default="", help="only cases whose name matches this regular expression")
    verb.add_argument("--decided", action="store_true", help="only those whose runs the processor decides")
    verb.add_argument("-j", type=int, default=os.cpu_count(), help="cases at a time")
    verb.set_defaults(run=pack)
    verb = verbs.add_parser("run")
    verb.add_argument("folder", type=Path)
    verb.add_argument("-k", dest="pattern", default="", help="only cases whose name matches this regular expression")
    verb.add_argument("-j", type=int, default=12, help="processes")
    verb.add_argument("--seconds", type=float, default=3600, help="begin no case later than this")
    verb.set_defaults(run=run)
    verb = verbs.add_parser("serve")
    verb.set_defaults(run=lambda _: serve())
    arguments = parser.parse_args()
    return arguments.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
