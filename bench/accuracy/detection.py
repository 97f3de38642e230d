"""Detections of YOLO's heads, and their average precision on coco128."""
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from samples import coco_files, letterbox

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "examples/detection"))
from average_precision import average_precision, overlaps


def boxes_of(output, place, score=0.001, iou=0.7):
    """Detections of a YOLOv8 head's output [84, n]: rows (x0, y0, x1, y1, score, class) in the original image."""
    classes = output[4:].T
    rows, labels = np.nonzero(classes > score)
    scores = classes[rows, labels]
    order = np.argsort(-scores, kind="stable")[:30000]
    rows, labels, scores = rows[order], labels[order], scores[order]
    x, y, w, h = output[:4].T[rows].T
    corners = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1)
    kept = []
    for label in np.unique(labels):
        candidates = np.nonzero(labels == label)[0]
        while candidates.size:
            best, candidates = candidates[0], candidates[1:]
            kept.append(best)
            candidates = candidates[overlaps(corners[best : best + 1], corners[candidates])[0] <= iou]
    kept = sorted(kept, key=lambda i: -scores[i])[:300]
    scale, left, top = place
    corners = (corners[kept] - [left, top, left, top]) / scale
    return np.concatenate([corners, scores[kept, None], labels[kept, None]], 1)


def truth_of(data, file):
    """Rows (x0, y0, x1, y1, class)."""
    text = (data / "coco128/object_detection/labels/val2017" / f"{file.stem}.txt").read_text().split()
    rows = np.array(text, np.float64).reshape(-1, 5)
    width, height = Image.open(file).size
    centre, size = rows[:, 1:3] * [width, height], rows[:, 3:5] * [width, height]
    return np.concatenate([centre - size / 2, centre + size / 2, rows[:, :1]], 1)


def evaluate(data, run, limit=None):
    """(AP, AP50) of a function that maps images to outputs."""
    files = coco_files(data)[:limit]
    found, truth = [], []
    for file in files:
        image, place = letterbox(file)
        found.append(boxes_of(run(image)[0], place))
        truth.append(truth_of(data, file))
    return average_precision(found, truth)
