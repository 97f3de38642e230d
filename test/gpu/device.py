"""The CUDA driver by ctypes: the memory, streams and events that an application has of its own, for the checks beside check.py."""
import ctypes
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p

import numpy as np

NON_BLOCKING = 1  # a stream that does not wait for the default one
NO_TIMING = 2     # an event that is only waited for
NO_MEMORY = 2

# A kernel that fails, which ends all work of the process on its GPU.
TRAP = b""".version 7.0
.target sm_70
.address_size 64
.visible .entry fail() { trap; }
"""


class DeviceError(Exception):
    def __init__(self, what, code):
        super().__init__(f"{what}: CUDA error {code}")
        self.code = code


class Device:
    """One GPU's primary context, current in this thread."""

    def __init__(self, ordinal=0):
        self.c = ctypes.CDLL("libcuda.so.1")
        self.call("cuInit", 0)
        self.device, self.context = c_int(), c_void_p()
        self.call("cuDeviceGet", byref(self.device), ordinal)
        self.call("cuDevicePrimaryCtxRetain", byref(self.context), self.device)
        self.use()

    def call(self, name, *arguments):
        if code := getattr(self.c, name)(*arguments):
            raise DeviceError(name, code)

    def use(self):
        """Makes it current in the thread that calls."""
        self.call("cuCtxSetCurrent", self.context)

    def close(self):
        self.c.cuDevicePrimaryCtxRelease_v2(self.device)

    @staticmethod
    def count():
        driver, found = ctypes.CDLL("libcuda.so.1"), c_int()
        driver.cuInit(0)
        return found.value if driver.cuDeviceGetCount(byref(found)) == 0 else 0

    def free_bytes(self):
        free, total = c_size_t(), c_size_t()
        self.call("cuMemGetInfo_v2", byref(free), byref(total))
        return free.value

    def allocate(self, size):
        address = c_uint64()
        self.call("cuMemAlloc_v2", byref(address), c_size_t(size))
        return address.value

    def release(self, address):
        self.call("cuMemFree_v2", c_uint64(address))

    def fill(self, leave):
        """Takes the device's memory until only about `leave` bytes are free; the blocks."""
        blocks, size = [], 1 << 36
        while size >= 1 << 20:
            if self.free_bytes() < size + leave:
                size //= 2
                continue
            try:
                blocks.append(self.allocate(size))
            except DeviceError as problem:
                if problem.code != NO_MEMORY:
                    raise
                size //= 2
        return blocks

    def upload(self, array, extra=0):
        """The bytes of an array in memory of its own, `extra` bytes behind where that begins."""
        array = np.ascontiguousarray(array)
        address = self.allocate(max(1, array.nbytes + extra))
        if array.nbytes:
            self.call("cuMemcpyHtoD_v2", c_uint64(address + extra), c_void_p(array.ctypes.data), c_size_t(array.nbytes))
            self.call("cuStreamSynchronize", None)  # it may return before all has arrived, and streams here do not wait for the default one
        return address + extra

    def download(self, address, size):
        data = ctypes.create_string_buffer(max(1, size))
        if size:
            self.call("cuMemcpyDtoH_v2", data, c_uint64(address), c_size_t(size))
        return data.raw[:size]

    def stream(self):
        made = c_void_p()
        self.call("cuStreamCreate", byref(made), c_uint(NON_BLOCKING))
        return made

    def event(self, stream):
        """An event that `stream` has passed when all that is queued on it now is done."""
        made = c_void_p()
        self.call("cuEventCreate", byref(made), c_uint(NO_TIMING))
        self.call("cuEventRecord", made, stream)
        return made

    def wait(self, stream, event):
        self.call("cuStreamWaitEvent", stream, event, c_uint(0))

    def synchronize(self, stream):
        self.call("cuStreamSynchronize", stream)

    def fail(self):
        """Runs a kernel that traps; the driver's error code."""
        module, function = c_void_p(), c_void_p()
        self.call("cuModuleLoadData", byref(module), c_char_p(TRAP))
        self.call("cuModuleGetFunction", byref(function), module, c_char_p(b"fail"))
        self.call("cuLaunchKernel", function, *(c_uint(1),) * 6, c_uint(0), None, None, None)
        return self.c.cuCtxSynchronize()
