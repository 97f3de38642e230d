#!/usr/bin/env python3
"""Photographs as FastestDet takes them: calibration.npz, and validation.npz with the boxes that are to be found.

    prepare.py DATA

DATA holds photographs of ImageNet to calibrate with, and coco128 to measure on: no photograph is in both.
"""
import sys
from pathlib import Path

import numpy as np
from PIL import Image

SIDE, CALIBRATED = 352, 40


def prepared(file):
    """uint8 [3, 352, 352], blue first; the model takes these values divided by 255."""
    image = Image.open(file).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(image)[:, :, ::-1].transpose(2, 0, 1)


def boxes(data, files):
    """Rows (image, class, x0, y0, x1, y1), the corners in widths and heights of the image."""
    for index, file in enumerate(files):
        text = (data / "coco128/object_detection/labels/val2017" / f"{file.stem}.txt").read_text().split()
        for label, x, y, width, height in np.array(text, np.float32).reshape(-1, 5):
            yield index, label, x - width / 2, y - height / 2, x + width / 2, y + height / 2


def main():
    data = Path(sys.argv[1])
    photographs = sorted((data / "imagenet1k_sample").glob("*.jpg"))[:: 1000 // CALIBRATED][:CALIBRATED]
    np.savez("calibration.npz", **{"input.1": np.stack([prepared(file) for file in photographs]) / np.float32(255)})
    files = sorted((data / "coco128/images/val2017").glob("*.jpg"))
    np.savez("validation.npz", images=np.stack([prepared(file) for file in files]), boxes=np.array(list(boxes(data, files)), np.float32))
    print(f"{len(photographs)} photographs to calibrate with, {len(files)} to measure on")


if __name__ == "__main__":
    main()
