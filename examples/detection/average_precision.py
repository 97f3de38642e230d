"""Average precision of detections, as COCO defines it (pycocotools' COCOeval: 101 recalls, IoU 0.50 to 0.95, 100 detections an image)."""
import numpy as np

IOUS = np.linspace(0.5, 0.95, 10)
MOST = 100


def overlaps(a, b):
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(2)
    return shared / ((a[:, 2:] - a[:, :2]).prod(1)[:, None] + (b[:, 2:] - b[:, :2]).prod(1)[None] - shared + 1e-12)


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
    """AP and AP50 over images: lists of detections, rows (x0, y0, x1, y1, score, class) with the best first, and of boxes, rows (x0, y0, x1, y1, class)."""
    results = []
    for label in np.unique(np.concatenate([t[:, 4] for t in truth])):
        boxes = [t[t[:, 4] == label] for t in truth]
        total = sum(map(len, boxes))
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
