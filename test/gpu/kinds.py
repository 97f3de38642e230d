#!/usr/bin/env python3
"""Kinds of kernels: which ones the plans of a folder launch, and the fewest plans that launch all of them, for tools under which all plans would take too long.

    kinds.py FOLDER [-k PATTERN]

A kind is a family, the way in which its schedule computes, and the instructions by which threads wait for each other, share memory and multiply. pack.py lists them
in plans.json, with a kernel of each; `endure.py --sanitize --fewest` runs the plans that are chosen here, and has racecheck look at these kernels alone. The last line is `N kinds in N plans`.
"""
import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

WAYS = ("resident", "tma", "pipeline", "direct", "groups")  # of products; none of them: staged
SHARING = ("splits", "warp_depth", "round", "tile_width")   # parameters of a schedule that add waits or what is waited for: more than 1 of each
INSTRUCTIONS = re.compile(r"(?<![\w.])((?:wgmma\.mma_async|mma|ldmatrix|stmatrix|cp\.async\.(?:c[ag]|bulk)|mapa|barrier|bar|mbarrier|setmaxnreg|red|atom|fence|elect"
                          r"|(?:st|ld)\.shared)\b[\w.:]*)")
ENTRY = re.compile(r"\.visible \.entry ([\w$]+)\(")  # launched side by side: the names of the kernels with $ between


def way_of(schedule):
    """The part of a schedule that decides which code there is, not how much of it."""
    numbers = {key: int(value) for key, value in (word.split("=") for word in schedule.split())}
    ways = [next((way for way in WAYS if numbers.get(way)), "staged")] if "direct" in numbers else []
    return " ".join(ways + [key for key in SHARING if numbers.get(key, 1) > 1])


def instruction(name):
    """Without the parts that only say how much: vectors' lengths, a product's columns, the types of what is stored."""
    name = re.sub(r"\.(x[124]|v[24])\b", "", name)
    name = re.sub(r"m64n\d+k", "m64k", name)
    return re.sub(r"^((?:st|ld)\.shared(?:::cluster)?)\.\w+$", r"\1", name)


def bodies_of(plan):
    """{name: PTX} of the kernels in a plan, which holds that as text."""
    text = plan.decode("latin-1")
    starts = list(ENTRY.finditer(text))
    ends = [found.start() for found in starts[1:]] + [len(text)]
    return {found[1]: text[found.start() : end].partition("\0")[0] for found, end in zip(starts, ends)}


def kinds_of(tenon, path):
    """{kind: kernel} of a plan, of the kernels of a kind the one with the fewest operations; of several targets those of the first."""
    said = json.loads(subprocess.run([str(tenon), "inspect", str(path), "--json"], capture_output=True, text=True, check=True).stdout)
    bodies, operations, kinds = bodies_of(path.read_bytes()), {}, {}
    for step in said["steps"]:
        if name := step.get("kernel"):
            operations[name] = min(operations.get(name, float("inf")), step.get("flops") or 0)
    for kernel in sorted(said["kernels"], key=lambda kernel: operations.get(kernel["name"], 0)):
        used = sorted({instruction(name) for name in INSTRUCTIONS.findall(bodies.get(kernel["name"], ""))})
        kinds.setdefault(" ".join(filter(None, [kernel["family"], way_of(kernel["schedule"]), *used])), kernel["name"])
    return dict(sorted(kinds.items()))


def clusters_of(path):
    """Kernels of a plan whose blocks are launched in clusters."""
    return sorted(name for name, body in bodies_of(path.read_bytes()).items() if "barrier.cluster" in body)


def fewest(entries):
    """[(number of a plan, new kinds)] of plans that launch every kind which `entries` launch: each time the one with the most new kinds, of the same count the one
    with the fewest others."""
    left, chosen = {kind for entry in entries for kind in entry["kinds"]}, []
    while left:
        best = max(range(len(entries)), key=lambda i: (len(left & set(entries[i]["kinds"])), -len(entries[i]["kinds"])))
        chosen.append((best, sorted(left & set(entries[best]["kinds"]))))
        left -= set(entries[best]["kinds"])
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-k", default="", help="only plans whose name contains this")
    arguments = parser.parse_args()
    entries = [entry for entry in json.loads((arguments.folder / "plans.json").read_text()) if arguments.k in entry["plan"]]
    chosen = fewest(entries)
    for i, kinds in chosen:
        print(entries[i]["plan"].removesuffix(".plan.xz"))
        for kind in kinds:
            print(f"    {entries[i]['kinds'][kind]}: {kind}")
    print(f"{sum(len(kinds) for _, kinds in chosen)} kinds in {len(chosen)} plans")
    return 0


if __name__ == "__main__":
    sys.exit(main())
