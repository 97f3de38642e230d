#!/usr/bin/env python3
"""How long plans take on one photograph: the median of runs that take turns, so that what else the machine does meets all of them.

    compare.py PLAN...
"""
import sys
import time

import numpy as np
import tenon

RUNS, WARM = 100, 5


def main():
    image = {"input.1": np.load("validation.npz")["images"][:1] / np.float32(255)}
    plans = [tenon.Plan.load(path) for path in sys.argv[1:]]
    times = np.zeros((RUNS + WARM, len(plans)))
    for row in times:
        for column, plan in enumerate(plans):
            begin = time.perf_counter()
            plan.run(image)
            row[column] = time.perf_counter() - begin
    for path, median in zip(sys.argv[1:], np.median(times[WARM:], 0), strict=True):
        print(f"{path}: {median * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
