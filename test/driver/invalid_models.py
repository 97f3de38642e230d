"""Models that onnx.checker refuses, after ONNX's own tests of it: each is refused with an error that names the node or the part.

What Tenon reads although the checker refuses it stands in `accepted`, with the reason; it must compile.
"""
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
LOCAL = helper.make_opsetid("local", 1)


def info(name, kind=FLOAT, shape=(1, 2)):
    return helper.make_tensor_value_info(name, kind, shape)


def node(op="Relu", inputs=("X",), outputs=("Y",), name="test", **attributes):
    return helper.make_node(op, list(inputs), list(outputs), name=name, **attributes)


def raw(name, **fields):
    """An attribute field by field, as helper.make_attribute would not write it."""
    return AttributeProto(name=name, **fields)


def with_attributes(made, *attributes):
    made.attribute.extend(attributes)
    return made


def model(nodes, inputs=(info("X"),), outputs=(info("Y"),), weights=(), opset=21, ir=10, functions=(), opsets=(), sparse=()):
    graph = helper.make_graph(list(nodes), "graph", list(inputs), list(outputs), list(weights), sparse_initializer=list(sparse))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset), *opsets], ir_version=ir, functions=list(functions))


def changed(made, change):
    change(made)
    return made


def function(nodes, name="twice", inputs=("a",), outputs=("b",), opsets=(helper.make_opsetid("", 21), LOCAL), attributes=()):
    return helper.make_function("local", name, list(inputs), list(outputs), list(nodes), list(opsets), list(attributes))


def calling(*functions, **options):
    return model([node("twice", domain="local")], functions=functions, opsets=[LOCAL], **options)


def branches(then, outputs=(info("Z"),), **options):
    """`then` and a Neg as the branches of an If of X."""
    one = helper.make_graph(list(then), "then", [], list(outputs))
    other = helper.make_graph([node("Neg", outputs=["Z"], name="other")], "else", [], [info("Z")])
    choice = node("If", ["condition"], name="choice", then_branch=one, else_branch=other)
    return model([choice], inputs=[info("condition", BOOL, ()), info("X")], **options)


def nodes():
    yield "no operator", model([node("")]), "test"
    yield "no inputs and outputs", model([node(), node(inputs=[], outputs=[], name="nothing")]), "nothing"
    yield "unknown operator", model([node("NoSuchOp")]), "NoSuchOp"
    yield "operator of a later opset", model([node("Gelu")], opset=19), "test.*opset 20"
    yield "deprecated operator", model([node("Upsample", ["X", "s"], mode="nearest")], weights=[numpy_helper.from_array(np.ones(2, np.float32), "s")], opset=11), "test.*last opset"
    yield "no opset of the domain", model([node("Scaler", domain="ai.onnx.ml", offset=[0.0], scale=[1.0])]), "test.*ai.onnx.ml"
    yield "no opsets", changed(model([node()]), lambda made: made.ClearField("opset_import")), "test.*opset"
    yield "absent input", model([node(inputs=[""])]), "test.*0 inputs"
    yield "absent first input", model([node("Add", ["", "X"])]), "test.*input 0"
    yield "too few inputs", model([node("Add")]), "test.*1 input"
    yield "too many inputs", model([node(inputs=["X", "X"])]), "test.*2 inputs"
    yield "too many outputs", model([node(outputs=["Y", "second"])]), "test.*2 outputs"
    yield "too few outputs", model([node(), node(outputs=[], name="none")]), "none.*0 outputs"
    yield "undefined input", model([node("Add", ["X", "nowhere"])]), "test.*nowhere"
    yield "undefined input of a branch", branches([node("Add", ["X", "nowhere"], ["Z"], name="inner")]), "inner.*nowhere"
    yield "cycle", model([node("Add", ["X", "b"], ["a"], "first"), node(inputs=["a"], outputs=["b"], name="second"), node(inputs=["b"])]), "first.*second|second.*first"
    yield "one name for two results", model([node(outputs=["Z"], name="relu1"), node("Neg", outputs=["Z"], name="relu2"), node(inputs=["Z"])]), "relu1.*relu2"
    yield "two outputs of one node of one name", model([node("TopK", ["X", "k"], ["Y", "Y"])], weights=[numpy_helper.from_array(np.ones(1, np.int64), "k")]), "test"
    yield "result named as an input", model([node(outputs=["X"]), node(name="second")]), "test.*'X'"
    yield "result named as an initializer", model([node(outputs=["w"]), node("Add", ["X", "w"], name="second")], weights=[numpy_helper.from_array(np.ones(1, np.float32), "w")]), "'w'"
    yield "types", model([node("Div", ["X", "i"])], inputs=[info("X"), info("i", TensorProto.INT32)]), "test"
    yield "type of an output", model([node("Greater", ["X", "X"])]), "'Y'"


def attributes():
    yield "unknown attribute", model([node(slope=0.1)]), "test.*no attribute 'slope'"
    yield "unknown attribute of a convolution", model([node("Conv", ["X", "X"], dilation=[2])], inputs=[info("X", shape=(1, 1, 8))], outputs=[info("Y", shape=(1, 1, 1))]), "test.*'dilation'.*dilations"
    yield "attribute of an older opset", model([node("Squeeze", axes=[0])], outputs=[info("Y", shape=(2,))]), "test.*'axes'"
    yield "attribute of a newer opset", model([node("LSTM", ["X", "X", "X"], layout=1, hidden_size=1)], inputs=[info("X", shape=(1, 4, 1))], outputs=[info("Y", shape=None)], opset=13), "test.*'layout'"
    yield "unknown attribute in a branch", branches([node(outputs=["Z"], name="inner", slope=0.1)]), "inner.*'slope'"
    yield "unknown attribute of ai.onnx.ml", model([node("Binarizer", domain="ai.onnx.ml", treshold=0.5)], opsets=[helper.make_opsetid("ai.onnx.ml", 3)]), "test.*'treshold'"
    yield "wrong kind", model([node("LeakyRelu", alpha=1)]), "test.*'alpha'.*INT.*FLOAT"
    yield "one instead of several", model([node("Transpose", perm=1)], outputs=[info("Y", shape=(2, 1))]), "test.*'perm'"
    yield "no kind", model([with_attributes(node("LeakyRelu"), raw("alpha", f=0.5))]), "test.*'alpha'"
    yield "value of another kind", model([with_attributes(node("LeakyRelu"), raw("alpha", type=AttributeProto.FLOAT, i=2))]), "test.*'alpha'"
    yield "two values", model([with_attributes(node("LeakyRelu"), raw("alpha", type=AttributeProto.FLOAT, f=0.5, i=2))]), "test.*'alpha'"
    yield "twice", model([with_attributes(node("LeakyRelu", alpha=0.5), raw("alpha", type=AttributeProto.FLOAT, f=0.1))]), "test.*'alpha'"
    yield "no name", model([with_attributes(node("LeakyRelu"), raw("", type=AttributeProto.FLOAT, f=0.1))]), "test.*name"
    yield "required one missing", model([node("Cast")]), "test.*'to'"
    yield "required one missing of Concat", model([node("Concat", ["X", "X"])], outputs=[info("Y", shape=(2, 2))]), "test.*'axis'"
    yield "branch missing", model([node("If", ["condition"])], inputs=[info("condition", BOOL, ())]), "test.*branch"
    yield "graph attribute without its graph", model([with_attributes(node("If", ["c"]), raw("then_branch", type=AttributeProto.GRAPH), raw("else_branch", type=AttributeProto.GRAPH))], inputs=[info("c", BOOL, ())]), "test"
    yield "constant without its tensor", model([with_attributes(node("Constant", []), raw("value", type=AttributeProto.TENSOR))], inputs=[]), "test"


def tensors():
    def holding(**fields):
        tensor = TensorProto(name="w", dims=[1, 2], **{"data_type": FLOAT, **fields})
        return model([node("Add", ["X", "w"])], weights=[tensor])

    def constant(**fields):
        return model([node("Constant", [], ["w"], "constant", value=TensorProto(dims=[1, 2], **fields)), node("Add", ["X", "w"])])

    two = np.ones(2, np.float32).tobytes()
    yield "no type", changed(holding(float_data=[1, 2]), lambda made: made.graph.initializer[0].ClearField("data_type")), "'w'"
    yield "undefined type", holding(data_type=TensorProto.UNDEFINED, float_data=[1, 2]), "'w'.*UNDEFINED"
    yield "unknown type", holding(data_type=99, float_data=[1, 2]), "'w'.*99"
    yield "two data fields", holding(float_data=[1, 2], raw_data=two), "'w'.*raw_data.*float_data"
    yield "two data fields of types", holding(float_data=[1, 2], int32_data=[1, 2]), "'w'.*float_data.*int32_data"
    yield "no data", holding(), "'w'"
    yield "data of another field", holding(data_type=TensorProto.INT32, float_data=[1, 2]), "'w'"
    yield "int64 in int32_data", holding(data_type=INT64, int32_data=[1, 2]), "'w'"
    yield "strings as bytes", holding(data_type=TensorProto.STRING, raw_data=b"text"), "'w'"
    yield "too few values", holding(float_data=[1]), "'w'.*1 value"
    yield "too few bytes", holding(raw_data=two[:7]), "'w'.*7 bytes"
    yield "too few packed bytes", changed(holding(data_type=TensorProto.INT4, raw_data=b"1"), lambda made: made.graph.initializer[0].dims.append(2)), "'w'.*1 bytes"
    yield "data of no elements", changed(holding(float_data=[1, 2]), lambda made: made.graph.initializer[0].dims.append(0)), "'w'"
    yield "negative size", changed(holding(float_data=[1, 2]), lambda made: made.graph.initializer[0].dims.append(-1)), "'w'.*negative"
    yield "external data and its own", changed(holding(data_location=TensorProto.EXTERNAL, raw_data=two), lambda made: made.graph.initializer[0].external_data.add(key="location", value="w.bin")), "'w'"
    yield "external data nowhere", holding(data_location=TensorProto.EXTERNAL), "'w'"
    yield "too few values of a constant", constant(data_type=FLOAT, float_data=[1]), "constant"
    yield "two data fields of a constant", constant(data_type=FLOAT, float_data=[1, 2], raw_data=two), "constant"
    yield "initializer without a name", changed(model([node()]), lambda made: made.graph.initializer.append(TensorProto(data_type=FLOAT, dims=[1], float_data=[1]))), "initializer.*name"
    one = numpy_helper.from_array(np.ones(2, np.float32), "w")
    yield "two initializers of a name", model([node("Add", ["X", "w"])], weights=[one, one]), "'w'"


def sparse_tensors():
    def sparse(shape=(10,), values=(13, 17, 19), places=(1, 4, 9), place_shape=None, kind=INT64, name="w"):
        held = helper.make_tensor(name, FLOAT, (len(values),), [float(value) for value in values])
        indices = helper.make_tensor("places", kind, place_shape or (len(places),), places)
        return helper.make_sparse_tensor(held, indices, shape)

    def constant(tensor):
        return model([node("Constant", [], ["w"], "constant", sparse_value=tensor), node("Add", ["X", "w"])], inputs=[info("X", shape=(10,))], outputs=[info("Y", shape=None)])

    bad = {"index beyond the end": sparse(places=(1, 4, 10)), "negative index": sparse(places=(-1, 4, 9)), "unsorted": sparse(places=(4, 1, 9)),
           "index twice": sparse(places=(1, 1, 9)), "fewer indices": sparse(places=(1, 4)), "indices of another type": sparse(kind=TensorProto.INT32),
           "indices of rank 3": sparse(place_shape=(3, 1, 1)), "coordinates beyond the end": sparse((3, 4), places=(0, 1, 0, 3, 3, 0), place_shape=(3, 2)),
           "coordinates of another rank": sparse((3, 4), places=(0, 1, 2), place_shape=(3, 1)), "size of 0": sparse((0,)), "no rank": sparse(())}
    for name, tensor in bad.items():
        yield name, constant(tensor), "constant"
    yield "initializer", model([node("Add", ["X", "w"])], inputs=[info("X", shape=(10,))], outputs=[info("Y", shape=None)], sparse=[sparse(places=(1, 4, 10))]), "'w'"


def functions():
    relu = node(inputs=["a"], outputs=["b"], name="inner")
    yield "recursive", calling(function([node("twice", ["a"], ["b"], "inner", domain="local")])), "inner.*calls itself"
    other = function([node("twice", ["a"], ["b"], "back", domain="local")], name="other")
    yield "mutually recursive", calling(function([node("other", ["a"], ["b"], "forth", domain="local")]), other), "back.*calls itself"
    yield "defined twice", calling(function([relu]), function([relu])), "twice"
    yield "same result twice", calling(function([relu], outputs=["b", "b"])), "'twice'.*'b'"
    yield "same input twice", calling(function([relu], inputs=["a", "a"])), "'twice'.*'a'"
    yield "same attribute twice", calling(function([relu], attributes=["p", "p"])), "'twice'.*'p'"
    yield "undefined input", calling(function([node("Add", ["a", "nowhere"], ["b"], "inner")])), "inner.*nowhere"
    yield "one name for two results", calling(function([relu, node("Neg", ["a"], ["b"], "again")])), "inner.*again"
    yield "no opset of an operator", calling(function([relu], opsets=[LOCAL])), "inner.*opset"
    yield "no opset of the domain", model([node("twice", domain="local")], functions=[function([relu])]), "test.*local"
    yield "unknown attribute", calling(function([node(inputs=["a"], outputs=["b"], name="inner", slope=0.1)])), "inner.*'slope'"


def graphs():
    yield "newer version", changed(model([node()]), lambda made: setattr(made, "ir_version", 99)), "99"
    yield "no version", changed(model([node()]), lambda made: made.ClearField("ir_version")), "version"
    yield "input without a name", model([node()], inputs=[info("X"), info("")]), "name"
    yield "inputs of one name", model([node()], inputs=[info("X"), info("X")]), "name"
    yield "input without a type", model([node()], inputs=[onnx.ValueInfoProto(name="X")]), "'X'"
    yield "input without an element type", model([node()], inputs=[changed(info("X"), lambda value: value.type.tensor_type.ClearField("elem_type"))]), "'X'"
    yield "output that nothing gives", model([node(outputs=["Z"])]), "'Y'"
    inner = [node(outputs=["Z"], name="inner"), node("Cast", ["X"], ["W"], name="cast", to=INT64)]
    yield "branch with more outputs than the node", branches(inner, outputs=[info("Z"), info("W", INT64)]), "choice.*'then_branch': found 2, expected 1"
    yield "branches of different types", branches(inner, outputs=[info("W", INT64)]), "choice.*output 0 of 'else_branch': found a tensor of f32, expected a tensor of i64"
    yield "output of a branch that nothing gives", branches([node(outputs=["W"], name="inner")]), "'Z'"


def accepted():
    """Name, model, and why it compiles."""
    yield "unsorted", model([node(inputs=["Z"], name="late"), node(outputs=["Z"], name="early")]), "nodes are sorted: their order adds nothing to what they read and write"
    yield "initializer that is no input", model([node("Add", ["X", "w"])], weights=[numpy_helper.from_array(np.ones(2, np.float32), "w")], ir=3), "IR 3's rule says nothing about values"
    yield "graph without a name", changed(model([node()]), lambda made: made.graph.ClearField("name")), "the name is for reports alone"
    yield "input without a shape", model([node()], inputs=[info("X", shape=None)]), "--shape gives it"
    yield "output without a type", model([node()], outputs=[onnx.ValueInfoProto(name="Y")]), "types of results are inferred"
    twice = lambda made: [made.metadata_props.add(key="author", value=value) for value in "ab"]
    yield "metadata twice", changed(model([node()]), twice), "they change no number; the last one is kept"
    unread = TensorProto(name="w", data_type=FLOAT, dims=[2], float_data=[1])
    yield "unread initializer", model([node()], weights=[unread]), "what no node reads is not read"
    yield "uncalled function", model([node()], functions=[function([node("NoSuchOp", ["a"], ["b"])])], opsets=[LOCAL]), "nor is what no node calls"
    yield "branch that gives what is around it", branches([node(outputs=["W"], name="inner")], outputs=[info("X")]), "exporters write them, and there is one thing it can mean"
    mixed = branches([node("Add", ["X", "condition"], ["Z"], name="inner")])
    yield "branch of wrong types", mixed, "exporters write branches for other shapes and types than the model's; a run that takes it fails"
    old = function([node("Softmax", ["a"], ["b"], "inner")], opsets=[helper.make_opsetid("", 11)])
    yield "function of another opset", calling(old), "a function's nodes are read at the function's opset"
    constants = [node("Constant", [], ["w"], f"constant{value}", value_float=float(value)) for value in (1, 2)]
    yield "constants of one name", model([*constants, node("Add", ["X", "w"])]), "exporters write them; the latter is meant, as in ONNX Runtime"


def is_refused(made):
    try:
        onnx.checker.check_model(made, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError):
        return True
    return False


def refuse_all(driver, cases):
    problems = []
    for number, (name, made, message) in enumerate(cases):
        try:
            assert is_refused(made), "onnx.checker accepts it"
            path = driver.write(f"invalid{number}.onnx", made.SerializeToString())
            driver.fails("compile", path, "-o", "invalid.plan", message=message)
        except AssertionError as problem:
            problems.append(f"{name}: {problem}")
    assert not problems, "\n".join(problems)


def test_nodes(driver):
    refuse_all(driver, nodes())


def test_attributes(driver):
    refuse_all(driver, attributes())


def test_tensors(driver):
    refuse_all(driver, tensors())


def test_sparse_tensors(driver):
    refuse_all(driver, sparse_tensors())


def test_functions(driver):
    refuse_all(driver, functions())


def test_graphs(driver):
    refuse_all(driver, graphs())


def test_accepted(driver):
    for number, (name, made, reason) in enumerate(accepted()):
        assert is_refused(made), f"{name}: onnx.checker accepts it"
        path = driver.write(f"accepted{number}.onnx", made.SerializeToString())
        done = driver.execute("compile", path, "-o", f"accepted{number}.plan", "--quiet", *(["--shape", "X=1x2"] if "shape" in name else []))
        assert done.returncode == 0, f"{name} ({reason}): {done.stderr}"


def test_schemas_are_those_of_onnx(driver):
    script = Path(__file__).resolve().parents[2] / "lib/Importer/operator_schemas.py"
    subprocess.run([sys.executable, script, "--check"], check=True)
