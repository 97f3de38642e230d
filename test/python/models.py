"""Small models in ONNX's text form."""
import onnx.parser


def model(inputs, outputs, body, opset=21, initializers=""):
    """A model whose graph is `body`, such as "y = Relu (x)"."""
    text = f'<ir_version: 10, opset_import: ["" : {opset}], producer_name: "tests", doc_string: "a test", metadata_props: ["kind": "small"]> ' \
           f"graph ({inputs}) => ({outputs}) {initializers} {{ {body} }}"
    return onnx.parser.parse_model(text)


def affine():
    """y = 2 x + 1 for any batch of rows of 4."""
    return model("float[batch, 4] x", "float[batch, 4] y", "z = Mul (x, two) y = Add (z, one)", initializers="<float two = {2.0}, float one = {1.0}>")


def two_of_each():
    """sum and product of a float[2, 3] and a float[3]."""
    return model("float[2, 3] a, float[3] b", "float[2, 3] sum, float[2, 3] product", "sum = Add (a, b) product = Mul (a, b)")


def identity(kind, shape="n"):
    """A copy of what goes in, through an operator that every type has."""
    return model(f"{kind}[{shape}] x", f"{kind}[{shape}, 1] y", "y = Unsqueeze (x, axes)", initializers="<int64[1] axes = {1}>")
