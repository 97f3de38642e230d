#!/usr/bin/env python3
"""What 8 bits cost networks that are measured on labelled data: f32 and tenon quantize's result, on samples that were not used for calibration.

    accuracy.py [-k PATTERN] [--options='--method entropy']... [--output bench/accuracy.md] [--shared ../shared] [--build build/release]

Needs Pillow (bench/requirements.txt). Prints a table in Markdown, with a row for each --options, and writes it to --output with the commit that it belongs to. Its
distance is that of the outputs from f32's, relative to their length, the mean over the first samples: it tells what accuracy on few samples does not.
"""
import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(Path(__file__).resolve().parent))
import detection
import likeness
import samples


class Labelled:
    """A classifier: samples to calibrate with, and others with their labels."""

    unit = "top-1"

    def __init__(self, calibration, evaluation, labels):
        self.calibration, self.evaluation, self.labels = calibration, evaluation, labels

    def score(self, run):
        right = [run(image).ravel().argmax() == label for image, label in zip(self.evaluation(), self.labels, strict=True)]
        return float(np.mean(right))

    def count(self):
        return len(self.labels)


class Detector:
    unit = "AP"

    def __init__(self, data):
        self.data = data

    def calibration(self):
        return (samples.letterbox(file)[0] for file in samples.imagenet_files(self.data)[0][:400:10])

    def score(self, run):
        return detection.evaluate(self.data, run)[0]

    def count(self):
        return len(samples.coco_files(self.data))


def imagenet(data, prepare):
    """Calibrated with the photographs of coco128."""
    files, labels = samples.imagenet_files(data)
    return Labelled(lambda: (prepare(samples.centre(file)) for file in samples.coco_files(data)), lambda: (prepare(samples.centre(file)) for file in files), labels)


def split(images, labels, calibration=20):
    return Labelled(lambda: images[:calibration], lambda: images[calibration:], labels[calibration:])


CASES = {
    "mobilenetv2_224": lambda data: imagenet(data, samples.torchvision),
    "squeezenet1.1": lambda data: imagenet(data, samples.caffe),
    "resnet20_cifar10": lambda data: split(*samples.cifar(data, (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616))),
    "vit_cifar10": lambda data: split(*samples.cifar(data, (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))),
    "mnist8_cntk": lambda data: split(*samples.mnist(data)),
    "yolov8n_640": Detector,
    "magika_v3_3": likeness.Files,
    "crepe_tiny": likeness.Pitch,
    "ultraface_rfb320": likeness.Faces,
}


class Runner:
    """Runs a plan, and compares its first outputs with another's."""

    samples = 100

    def __init__(self, plan, exact=None):
        self.plan, self.exact, self.kept, self.distances = plan, exact, [], []

    def __call__(self, image):
        self.outputs = self.plan.run({self.plan.inputs[0].name: image})
        output = self.outputs[self.plan.outputs[0].name]
        if len(self.kept) < self.samples:
            if self.exact:
                expected = self.exact.kept[len(self.kept)]
                self.distances.append(np.linalg.norm((output - expected).ravel()) / np.linalg.norm(expected.ravel()))
            self.kept.append(output.copy() if self.exact is None else None)
        return output

    def distance(self):
        return float(np.mean(self.distances))


TITLES = "| model | options | measured | calibrated with | measured on | f32 | 8 bits | drop, points | distance | layers in 8 bits | s |\n|---|---|---|---|---|---|---|---|---|---|---|"


def measure(name, case, arguments, tenon, folder):
    """The rows of a model, one for each of the options."""
    model, quantized = arguments.shared / "models" / f"{name}.onnx", folder / f"{name}.onnx"
    tell(f"{name}: f32")
    exact = Runner(tenon.compile(str(model)))
    images = np.concatenate(list(case.calibration()))
    np.savez(folder / "calibration.npz", **{exact.plan.inputs[0].name: images})
    before = case.score(exact)
    for options in arguments.options or [""]:
        tell(f"{name}: {options or 'defaults'}")
        words = [arguments.build / "bin/tenon", "quantize", model, "--calibration", folder / "calibration.npz", "-o", quantized, "--json", *shlex.split(options)]
        begin = time.perf_counter()
        done = subprocess.run(words, stdout=subprocess.PIPE)
        seconds = time.perf_counter() - begin
        if done.returncode not in (0, 3):
            sys.exit(f"{name}: tenon quantize {options} failed")
        layers = [layer["bits"] == 8 for layer in json.loads(done.stdout)["layers"]]
        found = Runner(tenon.compile(str(quantized)), exact)
        after = case.score(found)
        yield (f"| {name} | {options or 'defaults'} | {case.unit} | {len(images)} | {case.count()} | {before:.3f} | {after:.3f} | {100 * (before - after):.2f} "
               f"| {100 * found.distance():.2f} % | {sum(layers)} of {len(layers)} | {seconds:.0f} |")


def tell(what):
    print(what, file=sys.stderr, flush=True)


def write(path, rows):
    """The table, and what it was measured with."""
    git = lambda *words: subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True).stdout.strip()
    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    path.write_text(f"What 8 bits cost, by bench/accuracy/accuracy.py, all rows from commit {git('rev-parse', '--short', 'HEAD')}{changed}. 80 samples tell drops of a point only roughly.\n\n"
                    + "\n".join([TITLES, *rows, ""]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", default="", metavar="PATTERN", help="only models whose name matches this regular expression")
    parser.add_argument("--options", action="append", help="more options for tenon quantize; several times: each is measured")
    parser.add_argument("--output", type=Path, help="also write the table to this file")
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("TENON_SHARED", ROOT.parent / "shared")))
    parser.add_argument("--build", type=Path, default=ROOT / "build/release")
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.build.resolve() / "python"))
    import tenon

    print(TITLES)
    rows = []
    with tempfile.TemporaryDirectory(prefix="tenon-accuracy-") as folder:
        for name, make in CASES.items():
            if re.search(arguments.k, name):
                for row in measure(name, make(arguments.shared / "data"), arguments, tenon, Path(folder)):
                    rows.append(row)
                    print(row, flush=True)
    if arguments.output:
        write(arguments.output, rows)


if __name__ == "__main__":
    main()
