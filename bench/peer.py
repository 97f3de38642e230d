"""Measures one model in ONNX Runtime, OpenVINO or PyTorch's eager mode (eager.py), in this process.

    peer.py onnxruntime|openvino|pytorch MODEL.onnx INPUTS.npz THREADS SECONDS [--sessions N] [--outputs OUTPUTS.npz] [--bf16]

Prints JSON: `median_ms` of a run; `session_ms` from making a session to the end of the first run, imports not counted; `first_result_at_s`, the end of the
first run on the system's monotonic clock; `peak_bytes` of the process, and `session_bytes`, what it grew by since Python, NumPy and the inputs were there.
With --bf16 OpenVINO and PyTorch may compute in bfloat16. With --sessions, N sessions of THREADS each run at once, and `runs_per_s` counts all of them. INPUTS has keys in:NAME, OUTPUTS out:NAME.
"""
import argparse
import importlib
import json
import statistics
import threading
import time

import numpy as np


def onnxruntime_runners(onnxruntime, path, inputs, threads, sessions, bf16):
    if bf16:
        raise SystemExit("ONNX Runtime has no setting for bfloat16")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3

    def runner():
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return lambda: dict(zip(names, session.run(names, inputs)))

    return [runner() for _ in range(sessions)]


def openvino_runners(openvino, path, inputs, threads, sessions, bf16):
    core = openvino.Core()
    # Single precision where the model says so and nothing else is asked for: on some CPUs the default is bfloat16. Sessions are streams of one compiled model, which share its weights.
    settings = {"INFERENCE_NUM_THREADS": threads * sessions, "NUM_STREAMS": sessions, "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
                "PERFORMANCE_HINT": "LATENCY" if sessions == 1 else "THROUGHPUT"}
    model = core.read_model(path)
    # Fixed shapes are to its advantage.
    model.reshape({port.any_name: list(inputs[port.any_name].shape) for port in model.inputs})
    compiled = core.compile_model(model, "CPU", settings)

    def runner():
        request = compiled.create_infer_request()
        request.set_tensors({name: openvino.Tensor(np.ascontiguousarray(array)) for name, array in inputs.items()})
        return request.infer

    return [runner() for _ in range(sessions)]


def pytorch_runners(torch, path, inputs, threads, sessions, bf16):
    import eager

    torch.set_num_threads(threads)
    network = eager.Network(path)

    def run():
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return network.run(inputs)

    return [run] * sessions


MODULES = {"pytorch": "torch"}  # where the name is another one


def peak_bytes():
    # getrusage's would count what the parent held at the fork.
    return next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmHWM:"))


def latencies(run, seconds):
    """Seconds of each run; the first quarter warms up."""
    times, start = [], time.perf_counter()
    while (now := time.perf_counter()) - start < seconds * 1.25 or not times:
        run()
        if now - start >= seconds / 4 or not times:
            times.append(time.perf_counter() - now)
    return times


def throughput(runs, seconds):
    """Runs a second of all runners, each in a thread of its own."""
    counts, together = [0] * len(runs), threading.Barrier(len(runs))

    def work(index):
        runs[index]()
        together.wait()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            runs[index]()
            counts[index] += 1

    workers = [threading.Thread(target=work, args=(index,)) for index in range(len(runs))]
    begin = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - begin)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runtime")
    parser.add_argument("model")
    parser.add_argument("inputs")
    parser.add_argument("threads", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--outputs")
    parser.add_argument("--bf16", action="store_true")
    arguments = parser.parse_args()
    arrays = {key.removeprefix("in:"): array for key, array in np.load(arguments.inputs).items() if key.startswith("in:")}
    before, module = peak_bytes(), importlib.import_module(MODULES.get(arguments.runtime, arguments.runtime))
    begin = time.perf_counter()
    runners = {"onnxruntime": onnxruntime_runners, "openvino": openvino_runners, "pytorch": pytorch_runners}[arguments.runtime](module, arguments.model, arrays, arguments.threads, arguments.sessions, arguments.bf16)
    result = runners[0]()
    report = {"session_ms": (time.perf_counter() - begin) * 1e3, "first_result_at_s": time.monotonic()}
    if arguments.outputs:
        np.savez(arguments.outputs, **{f"out:{name}": array for name, array in result.items()})
    elif arguments.sessions > 1:
        report["runs_per_s"] = throughput(runners, arguments.seconds)
    else:
        report["median_ms"] = statistics.median(latencies(runners[0], arguments.seconds)) * 1e3
    print(json.dumps(report | {"peak_bytes": peak_bytes(), "session_bytes": peak_bytes() - before}))


if __name__ == "__main__":
    main()
