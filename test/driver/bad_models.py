"""Models that are damaged, wrong, or need what is not supported; outputs that cannot be written."""
import os
import random

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def graph(nodes, inputs=None, outputs=None, weights=(), opset=17, domain="", functions=()):
    inputs = inputs if inputs is not None else [("x", FLOAT, [2, 4])]
    outputs = outputs if outputs is not None else [("y", FLOAT, [2, 4])]
    info = lambda list_: [helper.make_tensor_value_info(*entry) for entry in list_]
    made = helper.make_graph(nodes, "bad", info(inputs), info(outputs), list(weights))
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(made, opset_imports=opsets, ir_version=9, functions=list(functions))


def refuse(driver, name, model, message=""):
    data = model if isinstance(model, bytes) else model.SerializeToString()
    path = driver.write(f"{name}.onnx", data)
    return driver.fails("compile", path, "-o", f"{name}.plan", message=message)


def test_no_model(driver):
    refuse(driver, "empty", b"")
    refuse(driver, "text", b"this is no model\n" * 50)
    refuse(driver, "random", random.Random(1).randbytes(5000))
    refuse(driver, "zeros", bytes(5000))
    driver.fails("compile", "absent.onnx", "-o", "absent.plan", message="absent.onnx")
    driver.fails("compile", driver.folder, "-o", "folder.plan")


def test_truncated(driver):
    data = driver.model("transformer_block").read_bytes()
    for size in (1, 10, 100, len(data) // 2, len(data) - 1):
        refuse(driver, "truncated", data[:size])


def test_sizes_without_end(driver):
    """More elements than memory holds where a size is read: none of them is told apart."""
    window = graph([helper.make_node("BlackmanWindow", ["n"], ["y"], name="window")], inputs=[("n", TensorProto.INT32, [2**31 - 1])], outputs=[("y", FLOAT, [10])])
    refuse(driver, "window", window, "2147483647 elements")


def test_cycle(driver):
    nodes = [helper.make_node("Add", ["x", "b"], ["a"], name="first"), helper.make_node("Relu", ["a"], ["b"], name="second"), helper.make_node("Relu", ["b"], ["y"])]
    refuse(driver, "cycle", graph(nodes), "cycl|first|second")


def test_dangling(driver):
    refuse(driver, "dangling", graph([helper.make_node("Add", ["x", "nowhere"], ["y"], name="sum")]), "nowhere")
    refuse(driver, "nooutput", graph([helper.make_node("Relu", ["x"], ["z"])]), "'y'|y")


def test_wrong_type(driver):
    nodes = [helper.make_node("Add", ["x", "i"], ["y"], name="sum")]
    refuse(driver, "types", graph(nodes, inputs=[("x", FLOAT, [2, 4]), ("i", TensorProto.INT64, [2, 4])]), "sum")


def test_wrong_rank(driver):
    weight = numpy_helper.from_array(np.zeros((8, 3, 3), np.float32), "w")
    refuse(driver, "rank", graph([helper.make_node("Conv", ["x", "w"], ["y"], name="conv")], inputs=[("x", FLOAT, [1, 3, 8, 8])], outputs=[("y", FLOAT, None)], weights=[weight]), "conv")
    product = [helper.make_node("MatMul", ["x", "z"], ["y"], name="product")]
    refuse(driver, "inner", graph(product, inputs=[("x", FLOAT, [2, 4]), ("z", FLOAT, [5, 2])], outputs=[("y", FLOAT, None)]), "product")


def test_missing_initializer(driver):
    refuse(driver, "initializer", graph([helper.make_node("Conv", ["x", "w"], ["y"], name="conv")], inputs=[("x", FLOAT, [1, 3, 8, 8])], outputs=[("y", FLOAT, None)]), "'?w'?")


def test_short_initializer(driver):
    weight = TensorProto(name="w", data_type=FLOAT, dims=[2, 4], raw_data=b"\0" * 8)
    refuse(driver, "short", graph([helper.make_node("Add", ["x", "w"], ["y"])], weights=[weight]), "w")


def test_external_data(driver):
    def external(location, offset=None, length=None):
        weight = TensorProto(name="w", data_type=FLOAT, dims=[2, 4], data_location=TensorProto.EXTERNAL)
        for key, value in (("location", location), ("offset", offset), ("length", length)):
            if value is not None:
                weight.external_data.add(key=key, value=str(value))
        return graph([helper.make_node("Add", ["x", "w"], ["y"])], weights=[weight])

    driver.write("short.bin", bytes(16))
    driver.write("whole.bin", bytes(32))
    refuse(driver, "absent", external("absent.bin"), "absent.bin")
    refuse(driver, "shortdata", external("short.bin"), "short.bin")
    refuse(driver, "offset", external("whole.bin", offset=8), "whole.bin")
    refuse(driver, "negative", external("whole.bin", offset=-4), "")
    refuse(driver, "overflow", external("whole.bin", offset=2**63 - 8, length=32), "")
    refuse(driver, "escape", external("../etc/passwd"), "")
    refuse(driver, "absolute", external("/etc/passwd"), "")
    if os.path.exists("/etc/passwd") and not (driver.folder / "link.bin").exists():
        os.symlink("/etc/passwd", driver.folder / "link.bin")
    refuse(driver, "link", external("link.bin"), "")
    driver.write("good.onnx", external("whole.bin").SerializeToString())
    driver.ok("compile", "good.onnx", "-o", "good.plan", "--quiet")


def test_dimension_overflow(driver):
    huge = 1 << 40
    refuse(driver, "overflow", graph([helper.make_node("Relu", ["x"], ["y"])], inputs=[("x", FLOAT, [huge, huge])], outputs=[("y", FLOAT, None)]))
    weight = TensorProto(name="w", data_type=FLOAT, dims=[huge, huge])
    refuse(driver, "weight", graph([helper.make_node("Add", ["x", "w"], ["y"])], weights=[weight], outputs=[("y", FLOAT, None)]), "w")


def test_huge_constant_is_not_made(driver):
    shape = numpy_helper.from_array(np.array([1 << 20, 1 << 20], np.int64), "shape")
    nodes = [helper.make_node("ConstantOfShape", ["shape"], ["c"], name="fill"), helper.make_node("ReduceSum", ["c"], ["y"], name="sum")]
    path = driver.write("constant.onnx", graph(nodes, inputs=[], outputs=[("y", FLOAT, None)], weights=[shape]).SerializeToString())
    done = driver.execute("compile", path, "-o", "constant.plan")
    assert done.returncode in (0, 1), f"exit code {done.returncode}: {done.stderr}"


def test_unsupported_operators_are_listed_together(driver):
    nodes = [helper.make_node("NoSuchOp", ["x"], ["a"], name="alpha"), helper.make_node("NoSuchOp", ["a"], ["b"], name="beta"),
             helper.make_node("Plugin", ["b"], ["y"], name="gamma", domain="com.acme")]
    errors = refuse(driver, "unsupported", graph(nodes, domain="com.acme"), "NoSuchOp.*Plugin|Plugin.*NoSuchOp")
    assert "alpha" in errors and "com.acme" in errors and "17" in errors, errors


def test_unknown_opset(driver):
    refuse(driver, "future", graph([helper.make_node("Relu", ["x"], ["y"])], opset=999), "999")
    refuse(driver, "past", graph([helper.make_node("Relu", ["x"], ["y"])], opset=1), "opset")
    model = graph([helper.make_node("Relu", ["x"], ["y"])])
    del model.opset_import[:]
    model.ir_version = 3
    refuse(driver, "none", model)


def test_recursive_function(driver):
    function = helper.make_function("local", "Loop", ["a"], ["b"], [helper.make_node("Loop", ["a"], ["b"], domain="local")], [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)])
    refuse(driver, "recursive", graph([helper.make_node("Loop", ["x"], ["y"], domain="local")], domain="local", functions=[function]), "")


def test_deep_nesting(driver):
    # A message in a message, 2,000 deep, as no honest model has.
    data = b""
    for _ in range(2000):
        size, length = len(data), b""
        while True:
            length += bytes([size & 127 | (128 if size > 127 else 0)])
            size >>= 7
            if not size:
                break
        data = b"\x3a" + length + data
    refuse(driver, "deep", data)


def test_wrong_shape_option(driver):
    model = driver.model("transformer_block")
    driver.fails("compile", model, "-o", "shape.plan", "--shape", "nobody=1x2", message="nobody")
    driver.fails("compile", model, "-o", "shape.plan", "--shape", "x=1x2", message="x")
    driver.fails("compile", model, "-o", "shape.plan", "--shape", "x=1x13x32", message="x")
    driver.fails("compile", model, "-o", "shape.plan", "--shape", "x=99999999999999999999x12x32", message="x|shape")


def test_wrong_target(driver):
    driver.fails("compile", driver.model("mobile_block"), "-o", "target.plan", "--target", "abacus", message="abacus")


def test_unwritable_output(driver):
    model = driver.model("mobile_block")
    driver.fails("compile", model, "-o", "no/such/folder/y.plan", message="y.plan")
    driver.fails("compile", model, "-o", "/proc/y.plan", message="y.plan")
    driver.fails("compile", model, "-o", "/dev/full", message="/dev/full")
    driver.fails("compile", model, "-o", "full.plan", message="too large", file_limit=3000)
    # What is linked on the way is smaller than the plan: only the plan itself does not fit.
    driver.ok("compile", model, "-o", "whole.plan", "--quiet")
    limit = (driver.folder / "whole.plan").stat().st_size - 1
    driver.fails("compile", model, "-o", "full.plan", message="full.plan", file_limit=limit)
    driver.fails("compile", model, "--stop-after", "graph", "-o", "/dev/full", message="/dev/full")


def test_an_existing_plan_survives_a_failure(driver):
    path = driver.write("old.plan", b"what was there")
    driver.fails("compile", driver.model("mobile_block"), "-o", path, file_limit=3000)
    refuse(driver, "old", b"broken")
    assert path.read_bytes() == b"what was there"


def test_bad_modules(driver):
    for name, text in {"syntax": b"module {", "binary": bytes(300), "other": b"module { func.func @f() { return } }"}.items():
        path = driver.write(f"{name}.mlir", text)
        driver.fails("compile", path, "-o", f"{name}.plan")
