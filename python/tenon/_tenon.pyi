"""The extension: plans and contexts without names, element types and defaults, which the package adds."""
from collections.abc import Sequence
from typing import Any

version: str

# name, element type, shape, the model's input or output, which part of it
_Signature = tuple[tuple[str, str, tuple[int | str, ...], str, str], ...]

class Plan:
    @staticmethod
    def open(path: str, verify: bool = False) -> Plan: ...
    @staticmethod
    def from_bytes(contents: bytes, verify: bool = False) -> Plan: ...
    @property
    def contents(self) -> bytes: ...
    @property
    def inputs(self) -> _Signature: ...
    @property
    def outputs(self) -> _Signature: ...
    @property
    def steps(self) -> list[tuple[str, tuple[str, ...]]]: ...
    @property
    def properties(self) -> dict[str, Any]: ...

class Context:
    def __init__(self, plan: Plan, threads: int = 0, max_bytes: int = 0, device: int = 0) -> None: ...
    def run(self, inputs: list, outputs: list) -> list: ...
    def run_async(self, inputs: list, outputs: list, stream: int) -> None: ...
    @property
    def threads(self) -> int: ...
    @property
    def bytes(self) -> int: ...

def compile(
    path: str,
    model: bytes | None,
    *,
    target: str,
    device: int,
    shapes: Sequence[tuple[str, str]],
    tuning_cache: str,
    exact_order: bool,
    precision: str,
    stop_after: str,
    dump_phases: str,
    reproducer: str,
    output: str,
) -> tuple[bytes, str, str]: ...
def operators() -> list[tuple[str, str, int, int]]: ...
def phases() -> list[str]: ...
