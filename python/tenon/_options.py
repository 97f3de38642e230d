"""onnxruntime's settings. Those that mean something for a compiled plan are honoured; the others can be set and change nothing."""
from __future__ import annotations

import enum


class GraphOptimizationLevel(enum.IntEnum):
    ORT_DISABLE_ALL = 0
    ORT_ENABLE_BASIC = 1
    ORT_ENABLE_EXTENDED = 2
    ORT_ENABLE_LAYOUT = 3
    ORT_ENABLE_ALL = 99


class ExecutionMode(enum.IntEnum):
    ORT_SEQUENTIAL = 0
    ORT_PARALLEL = 1


class ExecutionOrder(enum.IntEnum):
    DEFAULT = 0
    PRIORITY_BASED = 1


class SessionOptions:
    """Honoured: `intra_op_num_threads`, free dimension overrides by name, `optimized_model_filepath` (the plan is saved there) and the configuration
    entries "tenon.target", "tenon.tuning_cache", "tenon.exact_order", "tenon.precision" and "tenon.max_bytes"."""

    __slots__ = (
        "intra_op_num_threads", "inter_op_num_threads", "graph_optimization_level", "execution_mode", "execution_order", "enable_cpu_mem_arena",
        "enable_mem_pattern", "enable_mem_reuse", "enable_profiling", "profile_file_prefix", "log_severity_level", "log_verbosity_level", "logid",
        "optimized_model_filepath", "use_deterministic_compute", "use_per_session_threads", "_entries", "_dimensions",
    )  # as onnxruntime's, it takes no others: a name that is spelt wrong is an error

    def __init__(self):
        self.intra_op_num_threads = 0
        self.inter_op_num_threads = 0
        self.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_ALL
        self.execution_mode = ExecutionMode.ORT_SEQUENTIAL
        self.execution_order = ExecutionOrder.DEFAULT
        self.enable_cpu_mem_arena = True
        self.enable_mem_pattern = True
        self.enable_mem_reuse = True
        self.enable_profiling = False
        self.profile_file_prefix = "onnxruntime_profile_"
        self.log_severity_level = 2
        self.log_verbosity_level = 0
        self.logid = ""
        self.optimized_model_filepath = ""
        self.use_deterministic_compute = False
        self.use_per_session_threads = True
        self._entries: dict[str, str] = {}
        self._dimensions: dict[str, int] = {}

    def add_session_config_entry(self, key: str, value: str) -> None:
        self._entries[key] = value

    def get_session_config_entry(self, key: str) -> str:
        return self._entries[key]

    def has_session_config_entry(self, key: str) -> bool:
        return key in self._entries

    def add_free_dimension_override_by_name(self, name: str, value: int) -> None:
        """Fixes the free dimension called `name`, in all inputs."""
        self._dimensions[name] = int(value)

    def add_free_dimension_override_by_denotation(self, denotation: str, value: int) -> None:
        raise NotImplementedError("denotations are not read: name the dimension, or give shapes to tenon.compile")

    def register_custom_ops_library(self, path: str) -> None:
        raise NotImplementedError("libraries of onnxruntime's custom operators cannot be used")


class RunOptions:
    """Can be set and changes nothing: a run cannot be stopped, and logs nothing."""

    def __init__(self):
        self.log_severity_level = 2
        self.log_verbosity_level = 0
        self.logid = ""
        self.only_execute_path_to_fetches = False
        self.terminate = False
        self.training_mode = False
        self._entries: dict[str, str] = {}

    def add_run_config_entry(self, key: str, value: str) -> None:
        self._entries[key] = value

    def get_run_config_entry(self, key: str) -> str:
        return self._entries[key]
