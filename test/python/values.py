"""Strings, sequences and optionals in and out, and the operators on them against Python's own."""
import re
import time

import models
import numpy as np
import onnx.parser
import tenon
from refusals import refused


def refuses(pattern, call, *arguments):
    refused(lambda: call(*arguments), pattern, tenon.Error)


WHITE_SPACE = ["a\x0bb\x1c", "\u00a0a\u0085\u2003b\u2028", "日\u3000\u1680本\u205f", "\u202f\u2000", "a\u200bb ü\u00a1"]
TEXTS = ["", "a", "tenon", "a,b", ",", ",,", "a,,b,", " x  y z ", "one two  three", "WWW.Example.com", "grüße, welt", "日本 語", "aaa", "aaaa", "foo_bar9", "x\ty\n", "a.b-c"]


def texts(*shape):
    count = int(np.prod(shape))
    return np.array([TEXTS[i % len(TEXTS)] for i in range(count)], object).reshape(shape)


def compiled(inputs, outputs, body, **options):
    return tenon.compile(models.model(inputs, outputs, body, **options), threads=1)


def same(found, expected):
    found, expected = np.asarray(found), np.asarray(expected, object)
    assert found.shape == expected.shape and found.tolist() == expected.tolist(), f"{found.tolist()} instead of {expected.tolist()}"


# Strings --------------------------------------------------------------------------------------------------------------


def test_string_signature(folder):
    plan = compiled("string[n, 3] x", "string[n, 3] y", "y = Identity (x)")
    assert plan.inputs == (("x", "string", ("n", 3)),) and plan.outputs[0].dtype == np.dtype(object)
    for array in (texts(5, 3), texts(0, 3), texts(5, 3).astype(str)):
        same(plan.run([array])["y"], array)
    session = tenon.InferenceSession(plan.to_bytes())
    assert session.get_inputs()[0].type == "tensor(string)"
    same(session.run(None, {"x": texts(2, 3)})[0], texts(2, 3))


def test_strings_that_are_none(folder):
    plan = compiled("string[n] x", "string[n] y", "y = Identity (x)")
    refuses("strings were expected", plan.run, [np.zeros(3, np.float32)])
    refuses("strings were expected", plan.run, [np.array(["a", 1], object)])
    refuses("", plan.run, [texts(2, 2)])


def test_string_moves(folder):
    x, y = texts(4, 3), texts(12)[::-1].reshape(4, 3)
    body = "a = Transpose (x) b = Concat <axis: int = 0> (x, y) c = Gather <axis: int = 1> (x, i) d = Reshape (x, s) e = Slice (x, one, three) m = Where (c1, x, y) z = Shape (x)"
    outputs = "string[3, 4] a, string[8, 3] b, string[4, 2] c, string[12] d, string[2, 3] e, string[4, 3] m, int64[2] z"
    plan = compiled("string[4, 3] x, string[4, 3] y, bool[4, 3] c1", outputs, body,
                    initializers="<int64[2] i = {2, 0}, int64[1] s = {-1}, int64[1] one = {1}, int64[1] three = {3}>")
    condition = np.arange(12).reshape(4, 3) % 2 == 0
    found = plan.run([x, y, condition])
    for name, expected in {"a": x.T, "b": np.concatenate([x, y]), "c": x[:, [2, 0]], "d": x.ravel(), "e": x[1:3], "m": np.where(condition, x, y)}.items():
        same(found[name], expected)
    assert found["z"].tolist() == [4, 3]


def test_string_concat_and_equal(folder):
    plan = compiled("string[n, m] x, string[m] y", "string[n, m] j, bool[n, m] e", "j = StringConcat (x, y) e = Equal (x, y)")
    for n, m in ((3, 5), (1, 17), (0, 4), (4, 0)):
        x, y = texts(n, m), texts(m)
        found = plan.run([x, y])
        same(found["j"], x + y if x.size else x)
        same(found["e"], x == y)


def test_string_constants(folder):
    model = models.model("string[n] x", "string[n] y, string[2] w", "y = StringConcat (x, t) w = Identity (two)")
    model.graph.initializer.append(onnx.helper.make_tensor("t", onnx.TensorProto.STRING, [], [b"!?"]))
    model.graph.initializer.append(onnx.helper.make_tensor("two", onnx.TensorProto.STRING, [2], ["ü".encode(), b""]))
    found = tenon.compile(model, threads=1).run([texts(9)])
    same(found["y"], texts(9) + "!?")
    same(found["w"], ["ü", ""])


def split(text, delimiter, most):
    return text.split(delimiter or None, most)


def test_split_at_white_space_of_unicode(folder):
    plan = compiled("string[n] x", "string[n, p] y, int64[n] c", "y, c = StringSplit (x)")
    found = plan.run([np.array(WHITE_SPACE, object)])
    assert [row[:count].tolist() for row, count in zip(found["y"], found["c"])] == [text.split() for text in WHITE_SPACE]


def test_long_strings(folder):
    """Of 300,000 characters, which took minutes where every one of them looked at those before it."""
    plan = compiled("string[n] x", "string[n] y, string[n, p] w, int64[n] c, bool[n] m, string[k] u",
                    'y = StringConcat (x, x) w, c = StringSplit (x) m = RegexFullMatch <pattern: string = "[ab ]*"> (x) u = StringNormalizer <case_change_action: string = "UPPER"> (x)')
    text = "ab b " * 60000
    start = time.monotonic()
    found = plan.run([np.array([text], object)])
    assert time.monotonic() - start < 10
    assert found["y"][0] == 2 * text and found["w"][0].tolist() == text.split() and found["c"][0] == 120000 and found["m"][0] and found["u"][0] == text.upper()


def test_string_split(folder):
    for delimiter in ("", ",", "aa", "-", "日"):
        for most in (None, 0, 1, 2):
            attributes = f'delimiter: string = "{delimiter}"' + (f", maxsplit: int = {most}" if most is not None else "")
            plan = compiled("string[n] x", "string[n, p] y, int64[n] c", f"y, c = StringSplit <{attributes}> (x)")
            for count in (len(TEXTS), 1, 0):
                parts = [split(text, delimiter, -1 if most is None else most) for text in texts(count)]
                found = plan.run([texts(count)])
                width = max(map(len, parts), default=0)
                same(found["y"], np.array([row + [""] * (width - len(row)) for row in parts], object).reshape(count, width))
                assert found["c"].tolist() == [len(row) for row in parts], (delimiter, most)


def test_string_normalizer(folder):
    words = ["Monday", "tuesday", "MONDAY", "", "friday"]
    for action in ("NONE", "LOWER", "UPPER"):
        for sensitive in (0, 1):
            plan = compiled("string[n] x", "string[m] y",
                            f'y = StringNormalizer <case_change_action: string = "{action}", is_case_sensitive: int = {sensitive}, stopwords: strings = ["monday", "friday"]> (x)')
            for given in (words, ["monday"], []):
                kept = [word for word in given if (word if sensitive else word.lower()) not in ("monday", "friday")] or [""]
                change = {"NONE": str, "LOWER": str.lower, "UPPER": str.upper}[action]
                same(plan.run([np.array(given, object)])["y"], [change(word) for word in kept])
    refuses("must be ASCII", plan.run, [np.array(["ä"], object)])


PATTERNS = [
    r"a", r"", r".*", r"a*", r"(a|b)+", r"[^,]*", r"\w+", r"\w+ ?\w*", r"a{2,3}", r"(aa){2}", r".*\bb.*", r"\S+\s\S.*", r"[\w.-]+\.com", r"(\W|^)[\w.\-]{0,25}x.*", r"a,{1,},?b,?",
    r"(?:one|two|three)( +(?:one|two|three))*", r"[a-c,]+", r"[^\x00-\x7f]+ .", r"gr..e, welt", r"日本 語", r"\Aa\z", r"^a$", r".+\Bb.*", r"(((a)))|b*?", r"[]a]+", r"[a\-z]+", r"x\ty\n", r"(?P<name>a)+",
]


def test_regular_expressions(folder):
    for pattern in PATTERNS:
        model = models.model("string[n] x", "bool[n] y", "y = RegexFullMatch (x)")
        model.graph.node[0].attribute.append(onnx.helper.make_attribute("pattern", pattern))
        reference = re.compile(pattern.replace(r"\z", r"\Z"), re.ASCII)
        found = tenon.compile(model, threads=1).run([texts(len(TEXTS))])["y"]
        assert found.tolist() == [reference.fullmatch(text) is not None for text in TEXTS], pattern


def test_ill_formed_regular_expressions(folder):
    for pattern, reason in (("(a", "at 'y' (RegexFullMatch): the pattern has a ( without a )"), ("(?i)a", "1 operator is not supported")):
        model = models.model("string[n] x", "bool[n] y", "y = RegexFullMatch (x)")
        model.graph.node[0].attribute.append(onnx.helper.make_attribute("pattern", pattern))
        refuses(re.escape(reason), tenon.compile, model)


def test_label_encoder(folder):
    text = """<ir_version: 9, opset_import: ["ai.onnx.ml" : 4, "" : 19]>
      labels (string[n] x, int64[n] k) => (int64[n] numbers, string[n] names, float[n] reals) {
        numbers = ai.onnx.ml.LabelEncoder <keys_strings: strings = ["a", "tenon", ""], values_int64s: ints = [7, 8, 9]> (x)
        names = ai.onnx.ml.LabelEncoder <keys_int64s: ints = [3, 1], values_strings: strings = ["three", "one"], default_string: string = "?"> (k)
        reals = ai.onnx.ml.LabelEncoder <keys_strings: strings = ["a,b"], values_floats: floats = [0.5], default_float: float = -2.0> (x)
      }"""
    found = tenon.compile(onnx.parser.parse_model(text), threads=1).run([texts(4), np.array([1, 2, 3, 1])])
    assert found["numbers"].tolist() == [9, 7, 8, -1]
    same(found["names"], ["one", "?", "three", "one"])
    assert found["reals"].tolist() == [-2, -2, -2, 0.5]


# Sequences ------------------------------------------------------------------------------------------------------------


def rows(*lengths):
    return [np.arange(length, dtype=np.float32) + 10 * i for i, length in enumerate(lengths)]


def same_list(found, expected):
    assert isinstance(found, list) and len(found) == len(expected)
    for a, b in zip(found, expected):
        np.testing.assert_array_equal(a, b)


def test_sequence_signature(folder):
    plan = compiled("seq(float[n]) x", "seq(float[n]) y, int64 c", "y = Identity (x) c = SequenceLength (x)")
    assert plan.inputs == (("x", "sequence(f32)", ()),)
    assert tenon.InferenceSession(plan.to_bytes()).get_inputs()[0].type == "seq(tensor(float))"
    for value in (rows(3, 0, 5), rows(2), []):
        found = plan.run({"x": value})
        same_list(found["y"], value)
        assert found["c"] == len(value)
    refuses("a list of arrays", plan.run, [np.zeros(3, np.float32)])
    refuses("float32 was expected", plan.run, [[np.zeros(3)]])


def test_sequence_places(folder):
    body = "a = SequenceAt (x, i) b = SequenceInsert (x, t, i) c = SequenceErase (x, i) d = SequenceInsert (x, t) e = SequenceErase (x)"
    plan = compiled("seq(float[n]) x, int64 i, float[4] t", "float[m] a, seq(float[n]) b, seq(float[n]) c, seq(float[n]) d, seq(float[n]) e", body)
    x, t = rows(3, 0, 5, 1), np.full(4, 7, np.float32)
    for i in (0, 1, 3, -1, -4):
        found = plan.run([x, np.array(i), t])
        np.testing.assert_array_equal(found["a"], x[i])
        inserted, erased = list(x), list(x)
        inserted.insert(i, t)
        del erased[i]
        same_list(found["b"], inserted)
        same_list(found["c"], erased)
        same_list(found["d"], x + [t])
        same_list(found["e"], x[:-1])
    for i in (4, -5):
        refuses("position", plan.run, [x, np.array(i), t])


def test_sequence_concat(folder):
    for axis, new in ((0, 0), (1, 0), (0, 1), (1, 1), (2, 1), (-1, 0)):
        plan = compiled("seq(float[n, 3]) x", "float y", f"y = ConcatFromSequence <axis: int = {axis}, new_axis: int = {new}> (x)")
        x = [np.random.default_rng(i).standard_normal((2, 3)).astype(np.float32) for i in range(4)]
        np.testing.assert_array_equal(plan.run([x])["y"], np.stack(x, axis) if new else np.concatenate(x, axis))
    plan = compiled("seq(float[n, 3]) x", "float[m, 3] y", "y = ConcatFromSequence <axis: int = 0> (x)")
    x = [np.ones((n, 3), np.float32) * n for n in (2, 0, 5)]
    np.testing.assert_array_equal(plan.run([x])["y"], np.concatenate(x))
    refuses("", plan.run, [[]])
    refuses("", plan.run, [[np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32)]])
    refuses("", plan.run, [[np.zeros((2, 3), np.float32), np.zeros(3, np.float32)]])


def test_sequence_split(folder):
    for axis in (0, 1):
        plan = compiled("float[a, b] x, int64 s", "seq(float) y", f"y = SplitToSequence <axis: int = {axis}> (x, s)")
        single = compiled("float[a, b] x", "seq(float) y", f"y = SplitToSequence <axis: int = {axis}, keepdims: int = 0> (x)")
        x = np.arange(42, dtype=np.float32).reshape(6, 7)
        for size in (1, 2, 3, 4, 7, 100):
            parts = [x.take(range(start, min(start + size, x.shape[axis])), axis) for start in range(0, x.shape[axis], size)]
            same_list(plan.run([x, np.array(size)])["y"], parts)
        same_list(single.run([x])["y"], list(np.moveaxis(x, axis, 0)))
        refuses("", plan.run, [x, np.array(0)])


def test_sequence_map_and_loop(folder):
    plan = compiled("seq(float[n]) x, seq(float[n]) y", "seq(float[n]) z", "z = SequenceMap (x, y) <body: graph = g (float[n] a, float[n] b) => (float[n] c) { c = Add (a, b) }>")
    same_list(plan.run([rows(3, 0, 5), rows(3, 0, 5)])["z"], [2 * row for row in rows(3, 0, 5)])
    refuses("", plan.run, [rows(3, 1), rows(3)])
    loop = compiled("int64 n, float[3] x", "seq(float[m]) y",
                    "e = SequenceEmpty () c = Constant <value: tensor = bool {1}> () y = Loop (n, c, e) <body: graph = g (int64 i, bool k, seq(float[m]) s) => (bool k2, seq(float[m]) s2) "
                    "{ k2 = Identity (k) f = Cast <to: int = 1> (i) r = Mul (x, f) s2 = SequenceInsert (s, r) }>")
    for count in (0, 1, 5):
        same_list(loop.run([np.array(count), np.ones(3, np.float32)])["y"], [np.full(3, i, np.float32) for i in range(count)])


def text_rows(*lengths):
    return [texts(length)[::-1] for length in lengths]


def same_texts(found, expected):
    assert isinstance(found, list) and len(found) == len(expected), found
    for a, b in zip(found, expected):
        same(a, b)


def test_string_sequences(folder):
    body = "a = SequenceAt (x, i) b = SequenceInsert (x, t, i) c = SequenceErase (x, i) d = SequenceInsert (x, t) n = SequenceLength (x) j = ConcatFromSequence <axis: int = 0> (x)"
    plan = compiled("seq(string[n]) x, int64 i, string[4] t", "string[m] a, seq(string[n]) b, seq(string[n]) c, seq(string[n]) d, int64 n, string[m] j", body)
    assert plan.inputs[0] == ("x", "sequence(string)", ())
    x, t = text_rows(3, 0, 17, 1), texts(4)
    for i in (0, 2, 3, -1, -4):
        found = plan.run([x, np.array(i), t])
        inserted, erased = list(x), list(x)
        inserted.insert(i, t)
        del erased[i]
        same(found["a"], x[i])
        for name, wanted in (("b", inserted), ("c", erased), ("d", x + [t])):
            same_texts(found[name], wanted)
        assert found["n"] == 4
        same(found["j"], np.concatenate(x))
    refuses("position", plan.run, [x, np.array(4), t])
    refuses("strings were expected", plan.run, [[np.zeros(3)], np.array(0), t])


def test_known_string_sequences(folder):
    plan = compiled("string[2, 3] x, string[4, 3] y, int64 i", "string[6, 3] j, seq(string[a, b]) p, string[c, d] q, seq(string) e, string[2, 2, 3] k",
                    "s = SequenceConstruct (x, y) j = ConcatFromSequence <axis: int = 0> (s) p = SplitToSequence <axis: int = 1> (y, two) q = SequenceAt (s, i) e = SequenceErase (s, i) "
                    "o = SequenceConstruct (x, x) k = ConcatFromSequence <axis: int = 1, new_axis: int = 1> (o)", initializers="<int64 two = {2}>")
    x, y = texts(2, 3), texts(12)[::-1].reshape(4, 3)
    for i in (0, 1):
        found = plan.run([x, y, np.array(i)])
        same(found["j"], np.concatenate([x, y]))
        same_texts(found["p"], [y[:, :2], y[:, 2:]])
        same(found["q"], (x, y)[i])
        same_texts(found["e"], [(y, x)[i]])
        same(found["k"], np.stack([x, x], 1))


def test_string_sequences_of_the_run(folder):
    for axis in (0, 1):
        plan = compiled("string[a, b] x, int64 s", "seq(string) y", f"y = SplitToSequence <axis: int = {axis}> (x, s)")
        single = compiled("string[a, b] x", "seq(string) y", f"y = SplitToSequence <axis: int = {axis}, keepdims: int = 0> (x)")
        x = texts(5, 3)
        for size in (1, 2, 3, 7):
            same_texts(plan.run([x, np.array(size)])["y"], [x.take(range(start, min(start + size, x.shape[axis])), axis) for start in range(0, x.shape[axis], size)])
        same_texts(single.run([x])["y"], list(np.moveaxis(x, axis, 0)))
    loop = compiled("int64 n, string[3] x", "seq(string[m]) y",
                    "e = SequenceEmpty <dtype: int = 8> () c = Constant <value: tensor = bool {1}> () y = Loop (n, c, e) <body: graph = g (int64 i, bool k, seq(string[m]) s) => "
                    "(bool k2, seq(string[m]) s2) { k2 = Identity (k) r = StringConcat (x, x) s2 = SequenceInsert (s, r) }>")
    for count in (0, 1, 5):
        same_texts(loop.run([np.array(count), texts(3)])["y"], [texts(3) + texts(3)] * count)
    mapped = compiled("seq(string[n]) x, string y", "seq(string[n]) z", "z = SequenceMap (x, y) <body: graph = g (string[n] a, string b) => (string[n] c) { c = StringConcat (a, b) }>")
    same_texts(mapped.run([text_rows(3, 2, 5), np.array("!", object)])["z"], [row + "!" for row in text_rows(3, 2, 5)])


def test_malformed_parts(folder):
    """What no list of arrays gives: the runtime refuses it, or reads inside what it was given."""
    plan = compiled("seq(float[n]) x, int64 i", "float[m] y", "y = SequenceAt (x, i)")
    context = tenon._tenon.Context(plan._plan)
    data = np.arange(5, dtype=np.float32)

    def run(*shapes):
        table = np.full((len(shapes), 8), -1, np.int64)
        for row, shape in zip(table, shapes):
            row[: len(shape)] = shape
        return context.run([data, table, np.array(0)], [None])

    np.testing.assert_array_equal(run([2], [3])[0], [0, 1])
    for shapes in ([[2], [2]], [[6]], [[2, 2], [1]], [[-5], [5]], [[1 << 62], [5]], [[1 << 63 >> 1, 2], [3]]):
        refuses("", run, *shapes)
    strings = compiled("string[n] x", "string[n] y", "y = Identity (x)")
    context = tenon._tenon.Context(strings._plan)
    for ends in ([9, 2, 4], [-3, 1, 1 << 62], [4, 3, 2]):
        found, where = context.run([np.frombuffer(b"abcd", np.uint8), np.array(ends, np.int64)], [None, None])
        assert len(found) <= 12 and (np.diff(where) >= 0).all()


# Optionals ------------------------------------------------------------------------------------------------------------


def test_optionals(folder):
    plan = compiled("optional(float[n]) x", "bool h, optional(float[n]) y", "h = OptionalHasElement (x) y = Identity (x)")
    assert plan.inputs == (("x", "optional(f32)", ("n",)),)
    found = plan.run([rows(3)[0]])
    assert found["h"] and found["y"].tolist() == [0, 1, 2]
    found = plan.run([None])
    assert not found["h"] and found["y"] is None
    get = compiled("optional(seq(float[n])) x", "seq(float[n]) y", "y = OptionalGetElement (x)")
    same_list(get.run([rows(1, 2)])["y"], rows(1, 2))
    refuses("optional", get.run, [None])
    branch = compiled("bool c, seq(float[n]) x", "optional(seq(float[n])) y",
                      "y = If (c) <then_branch: graph = t () => (optional(seq(float[n])) p) { p = Optional (x) }, else_branch: graph = e () => (optional(seq(float[n])) q) "
                      "{ q = Optional <type: type_proto = seq(float[n])> () }>")
    same_list(branch.run([np.array(True), rows(2, 4)])["y"], rows(2, 4))
    assert branch.run([np.array(False), rows(2)])["y"] is None
