"""The command line: the console script `tenon` and `python -m tenon`. `compare` is Python; the rest is the program that the package brings."""
import os
import sys
from pathlib import Path


def program() -> str:
    """The native driver: in the package, or in the build folder that this package is part of."""
    package = Path(__file__).parent
    # In a build folder the sources are links: the extension beside them is not.
    from tenon import _tenon

    folder = Path(_tenon.__file__).parent
    for candidate in (package / "bin" / "tenon", folder / "bin" / "tenon", folder.parent.parent / "bin" / "tenon"):
        if candidate.is_file():
            return str(candidate)
    raise SystemExit(f"tenon: error: the program is missing from {package}; install the package again")


def main() -> None:
    if sys.argv[1:2] == ["compare"]:
        from tenon import _compare

        raise SystemExit(_compare.main(sys.argv[2:]))
    path = program()
    os.environ.setdefault("TENON_PYTHON", sys.executable)  # which runs the scripts of `tenon quantize --evaluate`
    os.execv(path, [path, *sys.argv[1:]])


if __name__ == "__main__":
    main()
