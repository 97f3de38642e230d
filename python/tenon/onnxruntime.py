"""The names of the package onnxruntime that programs use, for `import tenon.onnxruntime as onnxruntime`.

Models are compiled when a session is made. What has no meaning for a plan is accepted and ignored; see SessionOptions.
"""
from tenon._binding import IOBinding, OrtValue
from tenon._device import has_gpu
from tenon._metadata import ModelMetadata
from tenon._options import ExecutionMode, ExecutionOrder, GraphOptimizationLevel, RunOptions, SessionOptions
from tenon._session import CPU, CUDA, InferenceSession, NodeArg

__version__ = "1.22.0"  # the interface that is followed

__all__ = [
    "ExecutionMode", "ExecutionOrder", "GraphOptimizationLevel", "IOBinding", "InferenceSession", "ModelMetadata", "NodeArg", "OrtValue",
    "RunOptions", "SessionOptions", "disable_telemetry_events", "enable_telemetry_events", "get_all_providers", "get_available_providers", "get_device", "set_default_logger_severity",
    "set_default_logger_verbosity", "set_seed",
]


def get_available_providers() -> list[str]:
    """Those that a session can run with on this machine."""
    return [CUDA, CPU] if has_gpu(0) else [CPU]


def get_all_providers() -> list[str]:
    return [CUDA, CPU]


def get_device() -> str:
    return "GPU" if has_gpu(0) else "CPU"


def set_default_logger_severity(severity: int) -> None:
    pass


def set_default_logger_verbosity(verbosity: int) -> None:
    pass


def disable_telemetry_events() -> None:
    """There are none."""


def enable_telemetry_events() -> None:
    """There are none."""


def set_seed(seed: int) -> None:
    raise NotImplementedError("operators that draw random numbers take their seed from the model")
