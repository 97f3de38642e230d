#!/usr/bin/env python3
"""The average precision of a plan of FastestDet on validation.npz: the metric that `tenon quantize --evaluate evaluate.py` keeps.

    evaluate.py PLAN
"""
import sys

import numpy as np
import tenon
from average_precision import average_precision, overlaps

LEAST, DOUBLE, MOST = 0.01, 0.5, 100  # score of a detection, IoU of two that are one, detections of an image


def detections(cells):
    """Rows (x0, y0, x1, y1, score, class) from [85, height, width]: whether there is an object, its box, and a probability for each class."""
    height, width = cells.shape[1:]
    rows, columns = np.mgrid[:height, :width]
    x, y = (columns + np.tanh(cells[1])) / width, (rows + np.tanh(cells[2])) / height
    w, h = (1 / (1 + np.exp(-cells[i])) for i in (3, 4))
    score, label = cells[0] ** 0.6 * cells[5:].max(0) ** 0.4, cells[5:].argmax(0)
    found = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2, score, label], -1).reshape(-1, 6)
    found = found[found[:, 4] > LEAST]
    return best(found[np.argsort(-found[:, 4], kind="stable")])


def best(found):
    """Without those that overlap a better one of their class."""
    kept = []
    while len(found) and len(kept) < MOST:
        kept.append(found[0])
        isDouble = (overlaps(found[:1, :4], found[:, :4])[0] > DOUBLE) & (found[:, 5] == found[0, 5])
        isDouble[0] = True
        found = found[~isDouble]
    return np.array(kept).reshape(-1, 6)


def main():
    plan, data = tenon.Plan.load(sys.argv[1]), np.load("validation.npz")
    images, boxes = data["images"], data["boxes"]
    found = [detections(plan.run({"input.1": image[None] / np.float32(255)})["758"][0]) for image in images]
    truth = [np.roll(boxes[boxes[:, 0] == index, 1:], -1, axis=1) for index in range(len(images))]  # x0, y0, x1, y1, class
    print(round(average_precision(found, truth)[0], 4))


if __name__ == "__main__":
    main()
