"""Inputs that do not fit, and files of arrays that are damaged."""
import io
import struct
import zipfile

import numpy as np
from onnx import TensorProto


def good(driver):
    return driver.plan("residual_convolutions")


def npy(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def test_wrong_name(driver):
    np.savez(driver.folder / "name.npz", y=np.zeros((1, 3, 32, 32), np.float32))
    driver.fails("run", good(driver), "--inputs", "name.npz", message="'x'")
    driver.fails("run", good(driver), "--input", "y=@name.npz", message="no input 'y'")
    driver.fails("run", good(driver), message="'x'.*not given")


def test_wrong_type(driver):
    np.save(driver.folder / "f64.npy", np.zeros((1, 3, 32, 32)))
    driver.fails("run", good(driver), "--inputs", "f64.npy", message="'x'.*f64.*f32|'x'.*f32.*f64")


def test_wrong_shape(driver):
    for index, shape in enumerate([(1, 3, 32, 31), (1, 3, 32), (0, 3, 32, 33), ()]):
        np.save(driver.folder / f"s{index}.npy", np.zeros(shape, np.float32))
        driver.fails("run", good(driver), "--inputs", f"s{index}.npy", message="'x'")
    driver.fails("bench", good(driver), "--shape", "x=1x3x32", message="rank 3")
    driver.fails("bench", good(driver), "--shape", "z=1", message="no input 'z'")
    driver.fails("bench", good(driver), "--shape", "x=axb", message="shape 'axb'")


def test_huge_shape(driver):
    driver.fails("bench", good(driver), "--shape", "x=4611686018427387904x3x32x32")
    driver.fails("bench", good(driver), "--shape", "x=1000000000x3x32x32")


def test_missing_files(driver):
    driver.fails("run", good(driver), "--inputs", "nothing.npz", message="nothing.npz")
    driver.fails("run", good(driver), "--inputs", "nothing.npy", message="nothing.npy")
    driver.fails("run", "nothing.plan", message="nothing.plan")


def test_damaged_arrays(driver):
    sound = npy(np.zeros((1, 3, 32, 32), np.float32))
    header = sound.index(b"\n") + 1
    damaged = {
        "empty": b"", "magic": b"x" + sound[1:], "version": sound[:6] + b"\x09" + sound[7:], "short": sound[:-1], "header": sound[:20],
        "length": sound[:8] + b"\xff\xff" + sound[10:], "negative": sound.replace(b"(1, 3,", b"(-1,3,"), "huge": sound.replace(b"(1, 3, 32, 32)", b"(99999999, 32)"),
        "overflow": sound[:10] + sound[10:header].replace(b"(1, 3, 32, 32)", b"(9999999999999999999,)") + sound[header:],
        "big-endian": sound.replace(b"<f4", b">f4"), "object": sound.replace(b"'<f4'", b"'|O' "), "records": sound.replace(b"'<f4'", b"[('a'"),
    }
    for name, data in damaged.items():
        driver.write(f"{name}.npy", data)
        driver.fails("run", good(driver), "--inputs", f"{name}.npy", message=f"{name}.npy")


def test_damaged_archives(driver):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", npy(np.random.default_rng(0).standard_normal((1, 3, 32, 32)).astype(np.float32)))
    sound = out.getvalue()
    flipped = bytearray(sound)
    flipped[len(sound) // 2] ^= 0x55
    # The central directory claims that the array takes 4 GB.
    lying = bytearray(sound)
    at = lying.index(b"PK\x01\x02")
    struct.pack_into("<I", lying, at + 24, 0xFFFFFFF0)
    for name, data in {"none": b"", "text": b"hello", "cut": sound[: len(sound) // 2], "flipped": bytes(flipped), "lying": bytes(lying)}.items():
        driver.write(f"{name}.npz", data)
        driver.fails("run", good(driver), "--inputs", f"{name}.npz", message=f"{name}.npz")


def test_damaged_protobufs(driver):
    short = TensorProto(data_type=TensorProto.FLOAT, dims=[1, 3, 32, 32], raw_data=b"\0" * 16)
    external = TensorProto(data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    huge = TensorProto(data_type=TensorProto.FLOAT, dims=[1 << 40, 1 << 40])
    strange = TensorProto(data_type=99, dims=[1])
    text = TensorProto(data_type=TensorProto.STRING, dims=[1], string_data=[b"x"])
    for name, proto in {"short": short, "external": external, "huge": huge, "strange": strange, "text": text}.items():
        driver.write(f"{name}.pb", proto.SerializeToString())
        driver.fails("run", good(driver), "--inputs", f"{name}.pb", message=f"{name}.pb")
    driver.write("random.pb", bytes(range(256)) * 4)
    driver.fails("run", good(driver), "--inputs", "random.pb", message="random.pb")


def test_unwritable_outputs(driver):
    np.save(driver.folder / "w.npy", np.zeros((1, 3, 32, 32), np.float32))
    driver.fails("run", good(driver), "--inputs", "w.npy", "--outputs", "no/such/folder/y.npz", message="y.npz")
    driver.fails("run", good(driver), "--inputs", "w.npy", "--outputs", "full.npz", message="full.npz", file_limit=100)


def test_bad_expectations(driver):
    np.save(driver.folder / "e.npy", np.zeros((1, 3, 32, 32), np.float32))
    np.savez(driver.folder / "other.npz", other=np.zeros(3))
    driver.fails("run", good(driver), "--inputs", "e.npy", "--expect", "other.npz", message="none of the plan's outputs")
    np.savez(driver.folder / "shape.npz", scores=np.zeros((1, 9), np.float32))
    done = driver.execute("run", good(driver), "--inputs", "e.npy", "--expect", "shape.npz")
    assert done.returncode == 1 and "expected f32[1,9]" in done.stdout, done.stdout
