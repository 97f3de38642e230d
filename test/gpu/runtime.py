"""The runtime's C interface by ctypes: what the GPU checks need, on a machine that has Python and numpy and nothing of Tenon but the library."""
import ctypes
from ctypes import POINTER, byref, c_char_p, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

import numpy as np

MAX_RANK = 8
DTYPES = {1: np.float32, 2: np.float16, 4: np.float64, 5: np.int8, 6: np.int16, 7: np.int32, 8: np.int64, 9: np.uint8, 10: np.uint16,
          11: np.uint32, 12: np.uint64, 13: np.bool_}


class Tensor(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("bytes", c_size_t), ("dtype", c_int32), ("rank", c_int32), ("dims", c_int64 * MAX_RANK)]


class TensorInfo(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("dtype", c_int32), ("name", c_char_p), ("rank", c_int32), ("dims", c_int64 * MAX_RANK),
                ("dim_text", c_char_p * MAX_RANK)]


class StepProfile(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("runs", c_uint32), ("last_ns", c_uint64), ("min_ns", c_uint64), ("total_ns", c_uint64)]


class StepInfo(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("kernel", c_int32), ("source_count", c_uint32), ("kind", c_int32)]


class KernelInfo(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("launches", c_uint32), ("name", c_char_p), ("family", c_char_p), ("schedule", c_char_p), ("entry", c_uint64),
                ("threads", c_uint32), ("shared_bytes", c_uint32)]


class ContextOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("threads", c_uint32), ("cpus", c_void_p), ("cpu_count", c_uint32), ("spin_us", c_uint32), ("allocator", c_void_p * 3),
                ("arena", c_void_p), ("arena_bytes", c_size_t), ("max_bytes", c_size_t), ("max_layouts", c_uint32), ("profile", c_uint32),
                ("device", c_uint32)]


class Failure(Exception):
    """What a function of the runtime refused: the status by name, and its sentence."""

    def __init__(self, status, message):
        super().__init__(f"{message} ({status})")
        self.status, self.message = status, message


class Library:
    def __init__(self, path):
        self.c = ctypes.CDLL(str(path))
        for name in ("tn_last_error", "tn_last_message", "tn_status_name", "tn_plan_step_source"):
            getattr(self.c, name).restype = c_char_p
        self.c.tn_context_plan.restype = c_void_p


class Plan:
    """One plan and one context of it; of a plan that is open already, `of`, another context."""

    def __init__(self, library, path, device=0, of=None):
        self.c, self.owns = library.c, of is None
        self.plan, self.context = c_void_p() if self.owns else of.plan, c_void_p()
        if self.owns:
            self.require(self.c.tn_plan_open(str(path).encode(), 0, byref(self.plan)))
        options = ContextOptions(struct_size=ctypes.sizeof(ContextOptions), device=device)
        try:
            self.require(self.c.tn_context_create(self.plan, byref(options), byref(self.context)))
        except Failure:
            self.close()
            raise
        self.inputs, self.outputs = self.signature(self.c.tn_plan_input), self.signature(self.c.tn_plan_output)

    def require(self, status, of_context=False):
        if status:
            message = self.c.tn_last_message(self.context) if of_context else self.c.tn_last_error()
            raise Failure(self.c.tn_status_name(status).decode(), message.decode())

    def signature(self, query):
        tensors = []
        while True:
            info = TensorInfo(struct_size=ctypes.sizeof(TensorInfo))
            if query(self.plan, len(tensors), byref(info)):
                return tensors
            tensors.append((info.name.decode(), info.dtype, list(info.dims[: info.rank])))

    def run(self, arrays):
        """Runs on host arrays by name; a dict of outputs."""
        keep, inputs = [], (Tensor * max(1, len(self.inputs)))()
        for slot, (name, dtype, _) in zip(inputs, self.inputs):
            array = np.asarray(arrays[name], dtype=DTYPES[dtype], order="C") # ascontiguousarray makes vectors of scalars
            keep.append(array)
            slot.data, slot.bytes, slot.dtype, slot.rank = array.ctypes.data, array.nbytes, dtype, array.ndim
            slot.dims[: array.ndim] = array.shape
        outputs = (Tensor * max(1, len(self.outputs)))()
        self.require(self.c.tn_run(self.context, inputs, outputs), True)
        results = {}
        for slot, (name, dtype, _) in zip(outputs, self.outputs):
            shape = tuple(slot.dims[: slot.rank])
            raw = ctypes.string_at(slot.data, slot.bytes) if slot.bytes else b""
            results[name] = np.frombuffer(raw, dtype=DTYPES[dtype]).reshape(shape)
        return results

    def run_bytes(self, inputs):
        """Runs on (shape, bytes) in the order of the inputs, of any element type; a list of the same of the outputs."""
        given, outputs = (Tensor * max(1, len(self.inputs)))(), (Tensor * max(1, len(self.outputs)))()
        for slot, (_, dtype, _), (shape, data) in zip(given, self.inputs, inputs):
            slot.data, slot.bytes, slot.dtype, slot.rank = ctypes.cast(c_char_p(data), c_void_p), len(data), dtype, len(shape)
            slot.dims[: len(shape)] = shape
        self.require(self.c.tn_run(self.context, given, outputs), True)
        return [(tuple(slot.dims[: slot.rank]), ctypes.string_at(slot.data, slot.bytes) if slot.bytes else b"") for slot, _ in zip(outputs, self.outputs)]

    def step_kinds(self):
        """What the steps do: numbers of tn_step_kind."""
        kinds, step = [], StepInfo(struct_size=ctypes.sizeof(StepInfo))
        while not self.c.tn_plan_step(self.plan, len(kinds), byref(step)):
            kinds.append(step.kind)
        return kinds

    def profile(self, run, times):
        """Microseconds of every step, the fastest of `times` runs: (family, source nodes, microseconds)."""
        self.require(self.c.tn_profile(self.context, 1), True)
        for _ in range(times):
            run()
        steps, index = [], 0
        program = c_void_p(self.c.tn_context_plan(self.context))
        while True:
            step, measured = StepInfo(struct_size=ctypes.sizeof(StepInfo)), StepProfile(struct_size=ctypes.sizeof(StepProfile))
            if self.c.tn_plan_step(program, index, byref(step)) or self.c.tn_profile_step(self.context, index, byref(measured)):
                break
            kernel = KernelInfo(struct_size=ctypes.sizeof(KernelInfo))
            family = "copy"
            if step.kernel >= 0 and not self.c.tn_plan_kernel(program, step.kernel, byref(kernel)):
                family = f"{kernel.family.decode()} {kernel.schedule.decode()}"
            source = self.c.tn_plan_step_source(program, index, 0)
            steps.append((family, (source or b"").decode(), measured.min_ns / 1e3))
            index += 1
        self.c.tn_profile(self.context, 0)
        return steps

    def close(self):
        self.c.tn_context_destroy(self.context)
        if self.owns:
            self.c.tn_plan_close(self.plan)
