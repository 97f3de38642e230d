"""Tables in Markdown from the results of compare.py."""
import math
import statistics

from measure import PEERS

TITLES = {"tenon": "Tenon", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
SHOWN_KERNELS = 5
# A compilation may take twice the model and this on top; a run what it was told: weights, arena, and this.
COMPILE_ROOM, RUN_ROOM = 400e6, 10e6


def ratio(of, better=min):
    """The best peer's value divided by ours: of times and sizes, above 1 is in our favour. Of rates, with `better=max`, below 1 is."""
    return better(of[peer] for peer in PEERS if peer in of) / of["tenon"]


def rate_ratio(rates):
    return 1 / ratio(rates, max)


def geomean(values):
    return math.exp(statistics.fmean(map(math.log, values)))


def runtimes(results):
    """What was measured, Tenon first."""
    return ["tenon", *results["settings"]["peers"]]


def runtime_titles(results):
    return [TITLES[runtime] for runtime in runtimes(results)]


def number(value):
    """Three digits that count."""
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def table(titles, rows, left=1):
    """Lines of a table whose first `left` columns are text."""
    return ["| " + " | ".join(titles) + " |", "|" + "---|" * left + "--:|" * (len(titles) - left), *("| " + " | ".join(row) + " |" for row in rows), ""]


def measured(results):
    """Models that were measured, slow ones first."""
    good = {name: result for name, result in results["models"].items() if "error" not in result and all(len(times) > 1 for times in result["threads"].values())}
    most = max(next(iter(good.values()))["threads"], key=int) if good else None
    return dict(sorted(good.items(), key=lambda item: -item[1]["threads"][most]["tenon"]))


def share_of_peak(step):
    return min(step["share_of_peak"], 1.0)


def by_loss(profile):
    """Steps, those first that lose most time against the processor's peak."""
    return sorted(profile["steps"], key=lambda step: -step["min_us"] * (1 - share_of_peak(step)))


def step_name(step):
    source = step["sources"].split(" + ")[0][:40] or step["kernel"]
    return f"{step['family']} `{source}`".replace("|", "\\|")  # also inside quotes, in a table


def reason(result, threads):
    """Where the time of a model goes that the processor's peak does not explain."""
    profile = result["profile"][threads]
    total = sum(step["min_us"] for step in profile["steps"]) or 1
    parts = [f"{step_name(step)} {100 * step['min_us'] / total:.0f} % of the time at {100 * share_of_peak(step):.0f} % of peak" for step in by_loss(profile)[:3]]
    between = 1 - total * 1e-3 / profile["fastest_ms"]
    if between > 0.05:
        parts.append(f"{100 * between:.0f} % between its {len(profile['steps'])} kernels")
    return "; ".join(parts)


def latency(results, threads):
    rows, ratios = [], {}
    for name, result in measured(results).items():
        times = result["threads"][threads]
        ratios[name] = ratio(times)
        cells = [number(times[runtime]) if runtime in times else "fails" for runtime in runtimes(results)]
        why = reason(result, threads) if ratios[name] < 1 else ""
        rows.append([name + ("" if result["equal"] else " (outputs differ)"), *cells, f"{ratios[name]:.2f}", why])
    lines = [f"### Latency, {threads} thread{'s' if int(threads) > 1 else ''}, milliseconds", "", *table(["model", *runtime_titles(results), "best peer ÷ Tenon", "why slower"], rows)]
    # The last column is text.
    lines[3] = lines[3][:-4] + "---|"
    if ratios:
        worst = min(ratios, key=ratios.get)
        lines += [f"Geometric mean over {len(ratios)} models: {geomean(ratios.values()):.2f}; worst: {worst}, {ratios[worst]:.2f}; slower than the best peer: {sum(value < 1 for value in ratios.values())}.", ""]
    return lines


def missing(results):
    absent = {name: result["error"] for name, result in results["models"].items() if "error" in result}
    if not absent:
        return []
    return ["### Not measured", "", *table(["model", "why"], [[name, " ".join(why.split())[:300].replace("|", "\\|")] for name, why in absent.items()], left=2)]


def resources(results):
    """Start and memory: of whole processes, and of sessions alone."""
    keys = {"start_ms": "start", "session_ms": "session", "peak_bytes": "memory", "session_bytes": "session's memory"}
    rows, ratios = [], {key: [] for key in keys}
    for name, result in measured(results).items():
        cells = [name]
        for key in keys:
            of, unit = result[key], 1 if key.endswith("_ms") else 1e6
            ratios[key].append(ratio(of))
            best = min(of[peer] for peer in PEERS if peer in of)
            cells += [number(of["tenon"] / unit), number(best / unit), f"{ratios[key][-1]:.1f}"]
        rows.append(cells)
    titles = ["model", "process ms: Tenon", "best peer", "÷", "session ms: Tenon", "best peer", "÷", "process MB: Tenon", "best peer", "÷", "session MB: Tenon", "best peer", "÷"]
    lines = ["### From start to the first result, and peak resident memory", "",
             "*Process*: from the start of the process to its first result, and its peak. *Session*: from opening the model to the first result; of memory, what the peers' sessions add to a "
             "Python that has loaded the inputs, against the whole process of Tenon.", "", *table(titles, rows)]
    if rows:
        lines += ["Geometric means: " + "; ".join(f"{title} {geomean(ratios[key]):.1f} (worst {min(ratios[key]):.1f})" for key, title in keys.items()) + ".", ""]
    return lines


def compilation(results):
    """Compile times, and memory against its limits."""
    rows, over = [], {"compile": 0, "run": 0}
    for name, result in measured(results).items():
        compile_limit = 2 * result["model_bytes"] + COMPILE_ROOM
        needed = sum(result["memory"][key] for key in ("weights_bytes", "arena_bytes", "tensor_bytes"))
        peak, run_peak = result["compile"]["peak_bytes"], result["peak_bytes"]["tenon"]
        over["compile"] += peak > compile_limit
        over["run"] += run_peak > needed + RUN_ROOM
        rows.append([name, number(result["model_bytes"] / 1e6), number(result["compile"]["seconds"]), number(peak / 1e6), f"{peak / compile_limit:.2f}",
                     number(needed / 1e6), number(run_peak / 1e6), f"{(run_peak - needed) / 1e6:+.1f}"])
    titles = ["model", "model MB", "compile s", "compile peak MB", "÷ (2 x model + 400 MB)", "weights + arena + tensors MB", "run peak MB", "above them"]
    return ["### Compilation, and memory of compiling and running", "", *table(titles, rows),
            f"Above 2 x model + 400 MB: {over['compile']} compilations. More than 10 MB above weights, arena, inputs and outputs: {over['run']} runs.", ""]


def throughput(results):
    lines = []
    for name, result in results["batch"].items():
        for threads, rates in result.get("threads", {}).items():
            lines.append([f"{name}{'' if result['equal'] else ' (outputs differ)'}, batch {result['batch']}, {threads} thread{'s' if int(threads) > 1 else ''}",
                          *(number(rates[runtime]) if runtime in rates else "fails" for runtime in runtimes(results)), f"{rate_ratio(rates):.2f}"])
    for name, result in results["together"].items():
        if "error" not in result:
            rates = result["runs_per_s"]
            lines.append([f"{name}, {result['sessions']} contexts x 1 thread", *(number(rates[runtime]) for runtime in runtimes(results)), f"{rate_ratio(rates):.2f}"])
    failures = [f"{name}: {' '.join(result['error'].split())[:200]}" for part in ("batch", "together") for name, result in results[part].items() if "error" in result]
    if not lines and not failures:
        return []
    return ["### Throughput, entries a second", "", *table(["model", *runtime_titles(results), "Tenon ÷ best peer"], lines), *(f"- {failure}" for failure in failures), ""]


def dispatch(results):
    cost = results.get("dispatch", {})
    if "tiny_us" not in cost:
        return []
    return ["### What a dispatch costs", "", f"With {cost['threads']} threads, a kernel of 16 values takes {cost['tiny_us']:.2f} us in all; one that is split between the threads "
            f"takes {cost['split_us']:.2f} us more than its share of the time with one thread ({cost['split_kernel_us']:.1f} us).", ""]


def roofline(results, threads):
    """The steps of each model that take most of its time."""
    lines = [f"### Roofline, {threads} thread{'s' if int(threads) > 1 else ''}", "",
             "Each model's slowest steps, and what share of the processor's measured peak they reach: of multiply-adds or of memory bandwidth, whichever is nearer. Above 100 %: "
             "fewer multiply-adds than the plain algorithm needs, or data that came from a cache.", ""]
    rows = []
    for name, result in measured(results).items():
        profile = result["profile"][threads]
        total = sum(step["min_us"] for step in profile["steps"]) or 1
        reached = sum(step["min_us"] * share_of_peak(step) for step in profile["steps"]) / total
        rows.append([f"**{name}**", f"all {len(profile['steps'])}", f"{total:.0f}", "100", "", "", f"{100 * reached:.0f}"])
        for step in sorted(profile["steps"], key=lambda step: -step["min_us"])[:SHOWN_KERNELS]:
            seconds = max(step["min_us"], 1e-3) * 1e-6
            rows.append(["", step_name(step), f"{step['min_us']:.0f}", f"{100 * step['min_us'] / total:.0f}", f"{step['flops'] / seconds * 1e-9:.1f}", f"{step['bytes'] / seconds * 1e-9:.1f}",
                         f"{100 * step['share_of_peak']:.0f}"])
    return [*lines, *table(["model", "step", "us", "% of the time", "GFLOP/s", "GB/s", "% of peak"], rows, left=2)]


def machine_line(results):
    about = results["machine"]
    features = ", ".join(feature.lstrip("+") for feature in about["features"].split(",") if feature)
    return (f"{about['cpu']}, {about['cpus']} CPUs ({features}; caches {about['l1_bytes'] >> 10} KiB, {about['l2_bytes'] >> 10} KiB, {about['l3_bytes'] >> 20} MiB), {about['system']}, "
            f"{about['date']}. " + ", ".join(f"{TITLES[runtime]} {about[runtime]}" for runtime in runtimes(results)) + ".")


def report(results):
    settings = results["settings"]
    lines = [f"Measured by bench/compare.py on {machine_line(results)}", "", f"{settings['rounds']} round{'s' if settings['rounds'] > 1 else ''} of {settings['duration_s']} s, the runtimes in turn, "
             "each in a process of its own, pinned; medians. Untuned plans" + (" and OpenVINO held to AVX2" if settings["avx2"] else "") + ". fp32 unless the model says otherwise.", ""]
    threads = [str(count) for count in settings["threads"]]
    if measured(results):
        for count in threads:
            lines += latency(results, count)
        lines += throughput(results) + resources(results) + compilation(results)
    lines += missing(results) + dispatch(results)
    if measured(results):
        lines += roofline(results, threads[-1])
    return "\n".join(lines)
