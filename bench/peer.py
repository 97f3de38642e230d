"""Measures one model in ONNX Runtime or OpenVINO, in this process.

    peer.py onnxruntime|openvino MODEL.onnx INPUTS.npz THREADS SECONDS [OUTPUTS.npz]

Prints {"median_ms": …, "start_ms": …, "peak_bytes": …}: the start is from making a session to the end of the first run, imports not counted, and the peak
is what the process grew by since Python, NumPy and the inputs were there. INPUTS has keys in:NAME. With OUTPUTS, also writes the outputs under out:NAME.
"""
import importlib
import json
import statistics
import sys
import time

import numpy as np


def onnxruntime_runner(onnxruntime, path, inputs, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda: dict(zip(names, session.run(names, inputs)))


def openvino_runner(openvino, path, inputs, threads):
    core = openvino.Core()
    # Single precision where the model says so: on some CPUs the default is bfloat16.
    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    model = core.read_model(path)
    # Fixed shapes are to its advantage.
    model.reshape({port.any_name: list(inputs[port.any_name].shape) for port in model.inputs})
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    request.set_tensors({name: openvino.Tensor(np.ascontiguousarray(array)) for name, array in inputs.items()})
    return request.infer


def peak_bytes():
    # getrusage's would count what the parent held at the fork.
    return next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmHWM:"))


def main():
    runtime, path, inputs, threads, seconds, *outputs = sys.argv[1:]
    arrays = {key.removeprefix("in:"): array for key, array in np.load(inputs).items() if key.startswith("in:")}
    before, module = peak_bytes(), importlib.import_module(runtime)
    begin = time.perf_counter()
    run = {"onnxruntime": onnxruntime_runner, "openvino": openvino_runner}[runtime](module, path, arrays, int(threads))
    seconds = float(seconds)
    result = run()
    start_ms = (time.perf_counter() - begin) * 1e3
    if outputs:
        np.savez(outputs[0], **{f"out:{name}": array for name, array in result.items()})
    times, start = [], time.perf_counter()
    while (now := time.perf_counter()) - start < seconds * 1.25 or not times:
        run()
        if now - start >= seconds / 4 or not times:  # the first quarter warms up
            times.append(time.perf_counter() - now)
    print(json.dumps({"median_ms": statistics.median(times) * 1e3, "start_ms": start_ms, "peak_bytes": peak_bytes() - before}))


if __name__ == "__main__":
    main()
