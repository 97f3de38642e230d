"""The wheel: `pip wheel .` of what the build folder holds, installed in a fresh environment that has NumPy and nothing else."""
import os
import subprocess
import sys
import sysconfig
import tarfile
import unittest
import zipfile
from pathlib import Path

import models
import numpy
import onnx

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = """
import sys
import numpy
import tenon

assert "protobuf" not in open("/proc/self/maps").read(), "programs that only run plans would need it"
plan = tenon.compile(sys.argv[1])
x = numpy.arange(8, dtype=numpy.float32).reshape(2, 4)
y = plan.run({"x": x})["y"]
assert (y == 2 * x + 1).all(), y
plan.save("affine.plan")
assert (tenon.InferenceSession("affine.plan").run(None, {"x": x})[0] == y).all()
assert tenon.__file__.startswith(sys.prefix), tenon.__file__
quantized, report = tenon.quantize(sys.argv[2], [{"x": x[:1]}])
assert report.samples == 1 and tenon.compile(quantized).outputs[0].name == "y", report
others = {"onnx", "onnxruntime", "ml_dtypes", "google"} & set(sys.modules)
assert not others, others
"""


def execute(*command, cwd):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def test_source_distribution(folder):
    """All that the repository holds, and nothing else."""
    try:
        import scikit_build_core  # noqa: F401
    except ImportError as missing:
        raise unittest.SkipTest("scikit-build-core is not installed: scripts/requirements.txt") from missing
    if not (ROOT / ".git").exists():
        raise unittest.SkipTest("this is no checkout: git is not there to say what the repository holds")
    execute(sys.executable, "-c", f"from scikit_build_core.build import build_sdist; build_sdist({str(folder)!r})", cwd=ROOT)
    (archive,) = folder.glob("tenon_compiler-*.tar.gz")
    held = {member.split("/", 1)[1] for member in tarfile.open(archive).getnames()} - {"PKG-INFO"}
    wanted = set(execute("git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines())
    assert held == wanted, f"missing: {wanted - held}, not of the repository: {held - wanted}"


def test_wheel(folder):
    try:
        import scikit_build_core  # noqa: F401
    except ImportError as missing:
        raise unittest.SkipTest("scikit-build-core is not installed: scripts/requirements.txt") from missing
    build = Path(os.environ["PYTHONPATH"]).parent
    execute(sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "-w", folder,
            f"--config-settings=cmake.define.TENON_PREBUILT={build}", f"--config-settings=build-dir={folder}/build", ROOT, cwd=folder)
    (wheel,) = folder.glob("tenon_compiler-*.whl")
    execute(sys.executable, "-m", "venv", folder / "fresh", cwd=folder)
    python = folder / "fresh/bin/python"
    execute(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index", "--no-deps", wheel, cwd=folder)
    packages = Path(execute(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    for part in ("numpy", "numpy.libs"):
        source = Path(numpy.__file__).parent.parent / part
        if source.exists():
            (packages / part).symlink_to(source)
    onnx.save(models.affine(), folder / "affine.onnx")
    product = models.model("float[n, 4] x", "float[n, 2] y", "y = MatMul (x, w)", initializers="<float[4, 2] w = {1, 2, 3, 4, 5, 6, 7, 8}>")
    onnx.save(product, folder / "product.onnx")
    execute(python, "-c", PROGRAM, "affine.onnx", "product.onnx", cwd=folder)
    # The console script, and a plan that it wrote.
    execute(folder / "fresh/bin/tenon", "compile", "affine.onnx", "-o", "other.plan", "--quiet", cwd=folder)
    assert (folder / "other.plan").read_bytes() == (folder / "affine.plan").read_bytes()
    assert wheel.name.startswith(f"tenon_compiler-{execute(python, '-c', 'import tenon; print(tenon.__version__)', cwd=folder).strip()}-"), wheel.name
    assert execute(python, "-m", "tenon", "--version", cwd=folder) == execute(folder / "fresh/bin/tenon", "--version", cwd=folder)
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("tenon/") and ".so" not in name and name != "tenon/bin/tenon"}
    assert names == {f"tenon/{path.name}" for path in (ROOT / "python/tenon").iterdir() if path.is_file()}, names
    assert sysconfig.get_platform().replace("-", "_").replace(".", "_") in wheel.name
