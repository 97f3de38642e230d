"""Inputs for a model, and what ONNX Runtime computes from them."""
import numpy as np
import onnxruntime

TYPES = {
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64, "tensor(int64)": np.int64,
    "tensor(int32)": np.int32, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8, "tensor(bool)": np.bool_,
}


class Reference:
    """A model in ONNX Runtime, on one thread."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def inputs(self, shapes, seed):
        """Seeded arrays. `shapes` maps names to shapes, the name None to the first input; where it says nothing, free dimensions are 1."""
        random = np.random.Generator(np.random.PCG64(seed))
        arrays = {}
        for index, info in enumerate(self.session.get_inputs()):
            given = shapes.get(info.name, shapes.get(None) if index == 0 else None)
            shape = given if given is not None else [size if isinstance(size, int) else 1 for size in info.shape]
            dtype = TYPES[info.type]
            if dtype == np.bool_:
                arrays[info.name] = random.integers(0, 2, shape).astype(dtype)
            elif np.issubdtype(dtype, np.integer):
                # Small enough for the vocabulary and the byte values of every model here; masks and segments are 0 or 1.
                limit = 2 if any(word in info.name for word in ("mask", "type")) else 20
                arrays[info.name] = random.integers(0, limit, shape).astype(dtype)
            else:
                arrays[info.name] = random.standard_normal(shape).astype(dtype)
        return arrays

    def outputs(self, inputs):
        names = [info.name for info in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, inputs)))
