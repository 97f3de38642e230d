"""Average precision of detections, as COCO defines it (pycocotools' COCOeval: 101 recalls, IoU 0.50 to 0.95, 100 detections an image)."""
import numpy as np
from PIL import Image

from samples import coco_files, letterbox

IOUS = np.linspace(0.5, 0.95, 10)
CLASSES, MOST = 80, 100


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


def overlaps(a, b):
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(2)
    return shared / ((a[:, 2:] - a[:, :2]).prod(1)[:, None] + (b[:, 2:] - b[:, :2]).prod(1)[None] - shared + 1e-12)


def truth_of(data, file):
    """Rows (x0, y0, x1, y1, class)."""
    text = (data / "coco128/object_detection/labels/val2017" / f"{file.stem}.txt").read_text().split()
    rows = np.array(text, np.float64).reshape(-1, 5)
    width, height = Image.open(file).size
    centre, size = rows[:, 1:3] * [width, height], rows[:, 3:5] * [width, height]
    return np.concatenate([centre - size / 2, centre + size / 2, rows[:, :1]], 1)


def matches(found, truth):
    """For each detection, best first, and each IoU: whether it is the first on a box."""
    right = np.zeros((len(found), len(IOUS)), bool)
    shared = overlaps(found[:, :4], truth[:, :4]) if len(found) and len(truth) else np.zeros((len(found), len(truth)))
    for column, least in enumerate(IOUS):
        free = np.ones(len(truth), bool)
        for row in range(len(found)):
            candidates = np.where(free, shared[row], -1) if len(truth) else np.array([-1.0])
            best = candidates.argmax()
            if candidates[best] >= least:
                free[best], right[row, column] = False, True
    return right


def average_precision(found, truth):
    """AP and AP50 over images: lists of detections and of boxes."""
    results = []
    for label in range(CLASSES):
        boxes = [t[t[:, 4] == label] for t in truth]
        total = sum(map(len, boxes))
        if not total:
            continue
        mine = [f[f[:, 5] == label][:MOST] for f in found]
        scores = np.concatenate([f[:, 4] for f in mine])
        right = np.concatenate([matches(f, t) for f, t in zip(mine, boxes, strict=True)])[np.argsort(-scores, kind="stable")]
        results.append([precision(right[:, column], total) for column in range(len(IOUS))])
    return float(np.mean(results)), float(np.mean(results, 0)[0])


def precision(right, total):
    """The mean over 101 recalls of the best precision at that recall or a larger one."""
    hits = right.cumsum()
    recall, exact = hits / total, hits / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(exact[::-1])[::-1]
    at = np.searchsorted(recall, np.linspace(0, 1, 101))
    return np.where(at < len(best), best[np.minimum(at, len(best) - 1)] if len(best) else 0, 0).mean()


def evaluate(data, run, limit=None):
    """(AP, AP50) of a function that maps images to outputs."""
    files = coco_files(data)[:limit]
    found, truth = [], []
    for file in files:
        image, place = letterbox(file)
        found.append(boxes_of(run(image)[0], place))
        truth.append(truth_of(data, file))
    return average_precision(found, truth)
