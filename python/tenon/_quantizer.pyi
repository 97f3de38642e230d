"""The extension behind tenon.quantize, loaded with the first call."""
from collections.abc import Callable, Iterator

def quantize_weights(path: str, model: bytes, bits: int, group: int) -> tuple[bytes, str]: ...
def quantize(
    path: str,
    model: bytes,
    *,
    dataset: Callable[[list[tuple[str, str, list[int]]]], Iterator[list]] | None,
    metric: Callable[[bytes], float] | None,
    max_drop: float | None,
    recipe: str,
    method: str,
    percentile: float,
    equalization: bool | None,
    bias_correction: bool | None,
    adaptive_rounding: bool | None,
    symmetric: bool | None,
    float8: bool | None,
    ranks_by_metric: bool | None,
    halves_fallback: bool,
    samples: int,
    threads: int,
    errors: bool,
    progress: Callable[[str, float], None] | None,
) -> tuple[bytes, str, str, str, str, list[str]]: ...
