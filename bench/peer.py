"""Measures one model in ONNX Runtime or OpenVINO, in this process.

    peer.py onnxruntime|openvino MODEL.onnx INPUTS.npz THREADS SECONDS [OUTPUTS.npz]

Prints {"median_ms": …}; INPUTS has keys in:NAME. With OUTPUTS, also writes the outputs under out:NAME.
"""
import json
import statistics
import sys
import time

import numpy as np


def onnxruntime_runner(path, inputs, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda: dict(zip(names, session.run(names, inputs)))


def openvino_runner(path, inputs, threads):
    import openvino

    core = openvino.Core()
    # Single precision where the model says so: on some CPUs the default is bfloat16.
    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    model = core.read_model(path)
    # Fixed shapes are to its advantage.
    model.reshape({port.any_name: list(inputs[port.any_name].shape) for port in model.inputs})
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    request.set_tensors({name: openvino.Tensor(np.ascontiguousarray(array)) for name, array in inputs.items()})
    return request.infer


def main():
    runtime, path, inputs, threads, seconds, *outputs = sys.argv[1:]
    arrays = {key.removeprefix("in:"): array for key, array in np.load(inputs).items() if key.startswith("in:")}
    run = {"onnxruntime": onnxruntime_runner, "openvino": openvino_runner}[runtime](path, arrays, int(threads))
    seconds = float(seconds)
    result = run()
    if outputs:
        np.savez(outputs[0], **{f"out:{name}": array for name, array in result.items()})
    times, start = [], time.perf_counter()
    while (now := time.perf_counter()) - start < seconds * 1.25 or not times:
        run()
        if now - start >= seconds / 4 or not times:  # the first quarter warms up
            times.append(time.perf_counter() - now)
    print(json.dumps({"median_ms": statistics.median(times) * 1e3}))


if __name__ == "__main__":
    main()
