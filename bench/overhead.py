"""What a dispatch costs: chains of equal kernels, whose run time grows with nothing but their number.

`tiny`: kernels of a few values, which one thread runs. The time of one more of them is an upper bound: it holds the computation of 16 exponentials.
`split`: kernels large enough for all threads. What such a kernel takes beyond its share of the time with one thread is the price of sending it out and waiting for all.
"""
import statistics

TINY, WIDE = (1, 16), (256, 512)  # rows, columns of a softmax; the latter is split between threads
SHORT, LONG = 100, 1100


def chain(path, count, shape):
    """A model of `count` softmax in a row: each needs all of the one before, so that none can be fused."""
    import onnx
    from onnx import TensorProto, helper

    values = ["x", *(f"v{index}" for index in range(count - 1)), "y"]
    nodes = [helper.make_node("Softmax", [values[index]], [values[index + 1]], axis=-1) for index in range(count)]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y"))
    onnx.save(helper.make_model(helper.make_graph(nodes, "chain", [x], [y]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def prepare(tenon, folder, count, shape):
    """The plan of a chain."""
    model, plan = folder / "chain.onnx", folder / f"chain-{count}-{shape[1]}.plan"
    chain(model, count, shape)
    tenon.compile(model, plan)
    return plan


def run_us(tenon, *cases):
    """For each (plan, threads): (microseconds of a run, kernels dispatched in it). The cases take turns, so that a slow phase of the machine hits all of them."""
    rounds = [[tenon.bench(plan, threads, 0.3) for plan, threads in cases] for _ in range(5)]
    medians = (statistics.median(report["latency_ms"]["median"] for report in reports) * 1e3 for reports in zip(*rounds))
    return [(us, len(report["profile"])) for us, report in zip(medians, rounds[0])]


def measure(tenon, threads, folder):
    """{"tiny_us", "split_us", "split_kernel_us"} of one kernel with `threads` threads."""
    short_plan, long_plan, wide_plan = (prepare(tenon, folder, count, shape) for count, shape in ((SHORT, TINY), (LONG, TINY), (SHORT, WIDE)))
    (short_us, short), (long_us, long) = run_us(tenon, (short_plan, threads), (long_plan, threads))
    (one_us, kernels), (all_us, _) = run_us(tenon, (wide_plan, 1), (wide_plan, threads))
    return {"threads": threads, "tiny_us": (long_us - short_us) / (long - short), "split_us": (all_us - one_us / threads) / kernels, "split_kernel_us": all_us / kernels}
