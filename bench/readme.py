#!/usr/bin/env python3
"""Writes what README.md says of speed, between its two marks, from bench/results.json; numbers there are never typed.

    readme.py [--check]

--check changes nothing, and fails where the README says other than the results.
"""
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))
import tables

BEGIN, END = "<!-- speed: made by bench/readme.py -->\n", "<!-- end of speed -->\n"


def summary(results):
    """What was reached, in one table."""
    models = tables.measured(results)
    rows = []
    for threads in results["settings"]["threads"]:
        ratios = {name: tables.ratio(result["threads"][str(threads)]) for name, result in models.items()}
        worst = min(ratios, key=ratios.get)
        rows.append([f"latency of the best peer ÷ Tenon's, {threads} thread{'s' if threads > 1 else ''}", f"{tables.geomean(ratios.values()):.2f}",
                     f"{ratios[worst]:.2f} ({worst})", f"{sum(value >= 1 for value in ratios.values())} of {len(ratios)}"])
    for title, key in (("start of a process to its first result, best peer ÷ Tenon", "start_ms"), ("peak memory of a process, best peer ÷ Tenon", "peak_bytes")):
        ratios = {name: tables.ratio(result[key]) for name, result in models.items()}
        worst = min(ratios, key=ratios.get)
        rows.append([title, f"{tables.geomean(ratios.values()):.1f}", f"{ratios[worst]:.1f} ({worst})", f"{sum(value >= 1 for value in ratios.values())} of {len(ratios)}"])
    for part, title in (("batch", "throughput of batch 8, Tenon ÷ best peer"), ("together", "throughput of several contexts x 1 thread, Tenon ÷ best peer")):
        ratios = {}
        for name, result in results[part].items():
            if "error" not in result:
                rates = result["runs_per_s"] if part == "together" else result["threads"][max(result["threads"], key=int)]
                ratios[name] = tables.rate_ratio(rates)
        if ratios:
            worst = min(ratios, key=ratios.get)
            rows.append([title, f"{tables.geomean(ratios.values()):.2f}", f"{ratios[worst]:.2f} ({worst})", f"{sum(value >= 1 for value in ratios.values())} of {len(ratios)}"])
    return tables.table(["", "geometric mean", "worst", "ahead"], rows)


def every_model(results):
    threads = [str(count) for count in results["settings"]["threads"]]
    rows = []
    for name, result in tables.measured(results).items():
        cells = [name + ("" if result["equal"] else " (outputs differ)")]
        for count in threads:
            times = result["threads"][count]
            cells += [*(tables.number(times[runtime]) if runtime in times else "fails" for runtime in tables.runtimes(results)), f"{tables.ratio(times):.2f}"]
        rows.append(cells)
    columns = [f"{title}, {count}T" if index == 0 else title for count in threads for index, title in enumerate((*tables.runtime_titles(results), "÷"))]
    absent = [name for name, result in results["models"].items() if "error" in result]
    note = [f"Not compiled or not run yet: {', '.join(absent)}.", ""] if absent else []
    return ["<details><summary>Every model, milliseconds</summary>", "", *tables.table(["model", *columns], rows), *note, "</details>", ""]


def section(results):
    return "\n".join([f"Measured on {tables.machine_line(results)} Untuned plans, batch 1 where not said otherwise; a peer is the better of the two for that model. "
                      "All tables, with the reason for every model that is slower: [bench/results.md](bench/results.md).", "", *summary(results), "![speed](bench/results.svg)", "", *every_model(results)])


def main():
    source = ROOT / "bench/results.json"
    results = json.loads(source.read_text()) if source.exists() else None
    if not results or not results["settings"]["whole"]:
        print("readme.py: bench/results.json does not hold a whole comparison: the README stays as it is")
        return
    path = ROOT / "README.md"
    before = path.read_text()
    if BEGIN not in before or END not in before:
        sys.exit(f"readme.py: README.md has no '{BEGIN.strip()}' ... '{END.strip()}'")
    head, _, rest = before.partition(BEGIN)
    after = head + BEGIN + section(results) + END + rest.partition(END)[2]
    if "--check" in sys.argv[1:]:
        sys.exit("readme.py: README.md is not what bench/results.json says; run bench/readme.py" if after != before else 0)
    path.write_text(after)


if __name__ == "__main__":
    main()
