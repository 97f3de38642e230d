"""What endure.py checks of one plan: each function takes a Case, returns a note, and raises Wrong where something is."""
import ctypes
import os
import re
import tempfile
import threading
from ctypes import c_size_t, c_uint64, c_void_p
from pathlib import Path

import numpy as np

from archive import expand, loaded
from device import Device, DeviceError
from runtime import DTYPES, Failure, Plan, Tensor

HERE = Path(__file__).resolve().parent
COMPARE = ctypes.CDLL(None).memcmp
COMPARE.argtypes = c_void_p, c_void_p, c_size_t
WARM_RUNS = 50              # before memory is measured
DEVICE_SLACK = 2 << 20      # what the driver hands out at a time
HOST_SLACK = 1 << 20        # Python's own
SETS = 7                    # of tensors that take turns
RESULTS_ROOM = 256 << 20    # for outputs that are kept until the end


class Wrong(Exception):
    pass


class Skipped(Exception):
    pass


def host_bytes():
    """What this process holds of the machine's memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


class Run:
    """A context, its inputs in host memory, and the bytes that its outputs must have."""

    def __init__(self, plan, arrays, expected=None):
        self.plan, self.keep = plan, []
        self.inputs, self.outputs = (Tensor * max(1, len(plan.inputs)))(), (Tensor * max(1, len(plan.outputs)))()
        for slot, (name, dtype, _) in zip(self.inputs, plan.inputs):
            array = np.asarray(arrays[name], dtype=DTYPES[dtype], order="C")  # ascontiguousarray makes vectors of scalars
            self.keep.append(array)
            slot.data, slot.bytes, slot.dtype, slot.rank = array.ctypes.data, array.nbytes, dtype, array.ndim
            slot.dims[: array.ndim] = array.shape
        self.expected = expected or self.now()

    def run(self):
        self.plan.require(self.plan.c.tn_run(self.plan.context, self.inputs, self.outputs), True)

    def now(self):
        self.run()
        return [ctypes.string_at(slot.data, slot.bytes) if slot.bytes else b"" for slot in self.outputs[: len(self.plan.outputs)]]

    def again(self, what):
        """Runs once more, with the same bytes."""
        self.run()
        for slot, expected, (name, _, _) in zip(self.outputs, self.expected, self.plan.outputs):
            if len(expected) != slot.bytes or (expected and COMPARE(slot.data, expected, len(expected))):
                raise Wrong(f"{what}: output '{name}' has other bytes")


class OnDevice:
    """The tensors of a Run in the device's memory, and a stream of their own."""

    def __init__(self, device, run, extra=0):
        self.device, self.run, self.stream = device, run, device.stream()
        self.inputs, self.outputs = (Tensor * len(run.inputs))(*run.inputs), (Tensor * len(run.outputs))(*run.outputs)
        for slot, array in zip(self.inputs, run.keep):
            slot.data = device.upload(array, extra)
        for slot, expected in zip(self.outputs, run.expected):
            slot.data, slot.bytes = device.upload(np.zeros(len(expected), np.uint8), extra), len(expected)

    def queue(self):
        plan = self.run.plan
        plan.require(plan.c.tn_run_async(plan.context, self.inputs, self.outputs, self.stream), True)

    def run_now(self):
        plan = self.run.plan
        plan.require(plan.c.tn_run(plan.context, self.inputs, self.outputs), True)

    def compare(self, what):
        self.device.synchronize(self.stream)
        for slot, expected, (name, _, _) in zip(self.outputs, self.run.expected, self.run.plan.outputs):
            if self.device.download(slot.data, len(expected)) != expected:
                raise Wrong(f"{what}: output '{name}' has other bytes")


class Case:
    """A plan of the folder in a file, and two sets of inputs, so that contexts that share what they should not are seen."""

    def __init__(self, library, entry, runs):
        self.library, self.entry, self.runs, self.folder = library, entry, runs, tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "model.plan"
        self.path.write_bytes(expand((HERE / entry["plan"]).read_bytes()))
        golden = loaded(HERE / entry["golden"], entry.get("batch", 0))
        first = {key[3:]: golden[key] for key in golden if key.startswith("in:")}
        self.inputs = first, {name: np.roll(array, 3, axis=-1) if array.ndim else array for name, array in first.items()}

    def open(self, **options):
        return Plan(self.library, self.path, **options)


def in_threads(*bodies):
    """Runs all at the same time; the first problem of any."""
    problems = []

    def guarded(body):
        try:
            body()
        except (Wrong, Failure, DeviceError) as problem:
            problems.append(problem)

    threads = [threading.Thread(target=guarded, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise Wrong(str(problems[0]))


def refused(what, status, pattern, call):
    """Calls what must fail with this status and a sentence that fits."""
    try:
        call()
    except Failure as problem:
        if problem.status != status or not re.search(pattern, problem.message):
            raise Wrong(f"{what}: {problem}, expected {status} and '{pattern}'") from None
        return problem.message
    raise Wrong(f"{what} was not refused")


def queueable(device, run):
    """The tensors on the device, of a plan whose runs can be queued."""
    where = OnDevice(device, run)
    try:
        where.queue()
    except Failure as problem:
        if "for which a run waits" in problem.message:
            raise Skipped("its runs wait for values, and cannot be queued") from None
        raise
    where.compare("a queued run")
    return where


def repeat(case):
    """Many runs: the same bytes every time, no memory taken."""
    device, run = Device(), Run(case.open(), case.inputs[0])
    for _ in range(WARM_RUNS):
        run.again("a first run")
    on_device, on_host = device.free_bytes(), host_bytes()
    for count in range(case.runs):
        run.again(f"run {count}")
    lost, grown = on_device - device.free_bytes(), host_bytes() - on_host
    if lost >= DEVICE_SLACK or grown >= HOST_SLACK:
        raise Wrong(f"{case.runs} runs took {lost} bytes on the device and {grown} on the host")
    return f"{case.runs} runs, {grown / 1024:.0f} KB more on the host"


def together(case):
    """Two contexts of one plan in two threads, on other inputs, give what each gives alone."""
    plan = case.open()
    runs = Run(plan, case.inputs[0]), Run(case.open(of=plan), case.inputs[1])
    count = case.runs // 10

    def body(run):
        for i in range(count):
            run.again(f"run {i} beside another context")

    in_threads(*(lambda run=run: body(run) for run in runs))
    return f"{count} runs each"


def queued(case):
    """Runs queued on two streams of the application, between copies that wait for them by events; aligned tensors and others."""
    device, plan = Device(), case.open()
    runs = [Run(plan, case.inputs[0]), Run(case.open(of=plan), case.inputs[1])]
    queueable(device, runs[0])
    largest = sum(map(len, runs[0].expected))
    count = max(2, min(64, case.runs, RESULTS_ROOM // max(1, largest)))

    def body(run, extra):
        device.use()
        bound, copies = OnDevice(device, run, extra), device.stream()
        sources = [device.upload(array) for array in run.keep]
        kept = [[device.allocate(max(1, len(expected))) for expected in run.expected] for _ in range(count)]
        for results in kept:
            for slot, source, array in zip(bound.inputs, sources, run.keep):
                device.call("cuMemcpyDtoDAsync_v2", c_uint64(slot.data), c_uint64(source), c_size_t(array.nbytes), copies) if array.nbytes else None
            device.wait(bound.stream, device.event(copies))
            bound.queue()
            device.wait(copies, device.event(bound.stream))
            for slot, result, expected in zip(bound.outputs, results, run.expected):
                device.call("cuMemcpyDtoDAsync_v2", c_uint64(result), c_uint64(slot.data), c_size_t(len(expected)), copies) if expected else None
        device.synchronize(copies)
        for i, results in enumerate(kept):
            for result, expected in zip(results, run.expected):
                if device.download(result, len(expected)) != expected:
                    raise Wrong(f"queued run {i} has other bytes")

    in_threads(*(lambda run=run: body(run, 0) for run in runs))
    in_threads(*(lambda run=run: body(run, 8) for run in runs))
    return f"{2 * count} runs on each of two streams"


def refuses(case):
    """Tensors that are not where they should be are refused by name, and the context goes on."""
    device, run = Device(), Run(case.open(), case.inputs[0])
    where, host = queueable(device, run), 0
    for slots, kind, own in ((where.inputs, "input", run.inputs), (where.outputs, "output", run.outputs)):
        slot = next((slot for slot, other in zip(slots, own) if other.bytes), None)
        if slot is None:
            continue
        right, host = slot.data, ctypes.create_string_buffer(slot.bytes)
        slot.data = ctypes.addressof(host)
        refused(f"an {kind} on the host", "TN_INVALID_ARGUMENT", f"{kind} '.*' is not in the GPU's memory", where.queue)
        slot.data = device.upload(np.zeros(slot.bytes, np.uint8))
        device.release(slot.data)
        refused(f"an {kind} that was freed", "TN_INVALID_ARGUMENT", f"{kind} '.*' is not in the GPU's memory", where.queue)
        refused(f"an {kind} that was freed", "TN_INVALID_ARGUMENT", f"{kind} '.*' is at .*; was it freed", where.run_now)
        block = device.allocate(max(1, slot.bytes // 2))
        slot.data = block
        refused(f"an {kind} that ends outside memory", "TN_INVALID_ARGUMENT", f"{kind} '.*' .*outside", where.queue)
        device.release(block)
        if Device.count() > 1:
            other = Device(1)
            slot.data = other.upload(np.zeros(slot.bytes, np.uint8))
            device.use()
            refused(f"an {kind} on another GPU", "TN_INVALID_ARGUMENT", f"{kind} '.*' is in the memory of GPU 1", where.queue)
        slot.data = right
    where.queue()
    where.compare("after refusals")
    run.again("after refusals")
    refused("GPU 99", "TN_DEVICE", "GPU 99 does not exist", lambda: case.open(device=99))
    return "host, freed, too short" + (", another GPU" if Device.count() > 1 else "")


def turns(case):
    """More sets of tensors in turn than a context keeps graphs for, and then two of them alone."""
    device, run = Device(), Run(case.open(), case.inputs[0])
    sets = [queueable(device, run) for _ in range(SETS)]
    for where in sets:
        where.stream = sets[0].stream  # of one context on one stream
    for order in (range(SETS), (2, 5)):
        for i in range(len(order) * max(3, case.runs // 100)):
            sets[order[i % len(order)]].queue()
        for where in sets:
            where.compare("in turn")
    return f"{SETS} sets"


def exhausted(case):
    """No memory left on the device: the error says how much for what, and all goes on when there is some again."""
    device, plan = Device(), case.open()
    run = Run(plan, case.inputs[0])
    fresh, notes = case.open(of=plan), []
    blocks = device.fill(leave=0)
    try:
        second = Run(fresh, case.inputs[1])
        notes.append("a context's memory still fitted")
    except Failure as problem:
        if problem.status != "TN_OUT_OF_MEMORY" or not re.search(r"\d+ bytes of the GPU's memory are needed, \d+ of \d+ are free", problem.message):
            raise Wrong(f"the first run of a context: {problem}") from None
        notes.append(problem.message)
    run.again("another context without memory left")
    try:
        case.open().close()
        notes.append("the plan still fitted")
    except Failure as problem:
        if problem.status != "TN_OUT_OF_MEMORY":
            raise Wrong(f"opening: {problem}") from None
        notes.append(problem.message)
    for block in blocks:
        device.release(block)
    second = Run(fresh, case.inputs[1])
    second.again("a context that had no memory before")
    run.again("when there is memory again")
    return "; ".join(notes)


def reload(case):
    """Contexts and plans closed while their work is queued, and opened again."""
    device, rounds = Device(), max(3, min(40, case.runs // 10))
    first = case.open()
    alone = Run(first, case.inputs[0])
    where = queueable(device, alone)
    free = None
    for i in range(rounds):
        plan = case.open()
        where.run = Run(plan, case.inputs[0], alone.expected)
        for _ in range(20):
            where.queue()
        plan.close()
        where.compare(f"closed at once, round {i}")
        free = device.free_bytes() if i == 1 else free
    lost = free - device.free_bytes()
    if lost >= DEVICE_SLACK:
        raise Wrong(f"{rounds} plans opened and closed took {lost} bytes on the device")
    alone.again("after others were closed")
    return f"{rounds} times with 20 runs queued"


def devices(case):
    """Contexts of one plan on two GPUs at once."""
    if Device.count() < 2:
        raise Skipped("one GPU")
    plan = case.open()
    runs = Run(plan, case.inputs[0]), Run(case.open(of=plan, device=1), case.inputs[0])
    if runs[0].expected != runs[1].expected:
        raise Wrong("the second GPU gives other bytes")
    count = min(100, case.runs)

    def body(run):
        for i in range(count):
            run.again(f"run {i} beside another GPU")

    in_threads(*(lambda run=run: body(run) for run in runs))
    return f"{count} runs on each of two GPUs"


def broken(case):
    """After a kernel of the application failed every call says so, and nothing crashes or hangs."""
    device, run = Device(), Run(case.open(), case.inputs[0])
    if not (code := device.fail()):
        raise Wrong("a kernel that traps did not fail")
    for _ in range(2):
        message = refused("a run after a failed kernel", "TN_DEVICE", "cannot use this GPU any more", run.run)
    run.plan.close()
    device.close()
    try:
        Run(case.open(), case.inputs[0], run.expected).again("opened again")
        return f"error {code}: {message}; opened again it runs"
    except Failure as problem:
        return f"error {code}: {message}; opened again: {problem}"


PER_PLAN = {check.__name__: check for check in (repeat, together, queued, turns, refuses, exhausted, reload, devices, broken)}
