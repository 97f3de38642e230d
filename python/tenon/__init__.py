"""Tenon: compiles ONNX models to plans and runs them.

    import numpy, tenon
    plan = tenon.compile("model.onnx")
    outputs = plan.run({"x": numpy.zeros((1, 3, 224, 224), "float32")})
"""
from tenon._errors import CompileError, Error, InputError, QuantizationError, RunError
from tenon._options import RunOptions, SessionOptions
from tenon._plan import Plan, TensorInfo, compile
from tenon._quantize import QuantizationReport, quantize, quantize_weights
from tenon._session import InferenceSession
from tenon._tenon import version as __version__

__all__ = [
    "CompileError", "Error", "InferenceSession", "InputError", "Plan", "QuantizationError", "QuantizationReport", "RunError", "RunOptions", "SessionOptions",
    "TensorInfo", "compile", "quantize", "quantize_weights", "__version__",
]
