"""Models without labels, or with few: how much of their answers in f32 stays in 8 bits."""
import json

import numpy as np

from average_precision import overlaps
from samples import bytes_of, coco_files, frames, imagenet_files, magika_files, small


class Likeness:
    """The float model is measured first, and is what the other one is compared with."""

    exact = None

    def score(self, run):
        answers = [self.answer(run, sample) for sample in self.evaluation()]
        self.exact = self.exact or answers
        return float(np.mean([score for pair in zip(self.exact, answers, strict=True) for score in self.likeness(*pair)]))

    def count(self):
        return sum(len(list(self.likeness(answer, answer))) for answer in self.exact)


class Faces(Likeness):
    """UltraFace: of each face that the float model finds, the IoU of the box that lies there, 0 where none does."""

    unit = "IoU of faces"
    LEAST, DOUBLE = 0.7, 0.3  # as the model's authors have it

    def __init__(self, data):
        self.data = data

    def calibration(self):
        files = imagenet_files(self.data)[0]
        return (small(file) for first in (0, 2, 8) for file in files[first:1000:10])  # faces are rare in them

    def evaluation(self):
        return map(small, coco_files(self.data))

    def answer(self, run, image):
        run(image)
        scores, boxes = run.outputs["scores"][0, :, 1], run.outputs["boxes"][0]
        order = [i for i in np.argsort(-scores, kind="stable") if scores[i] > self.LEAST]
        kept = []
        for i in order:
            if not kept or overlaps(boxes[[i]], boxes[kept]).max() <= self.DOUBLE:
                kept.append(i)
        return boxes[kept]

    def likeness(self, exact, found):
        return overlaps(exact, found).max(1, initial=0) if len(exact) else []


class Pitch(Likeness):
    """CREPE: the share of frames with a voice whose pitch is at most a quarter of a tone away, as its authors count it."""

    unit = "pitch within 50 cents"
    VOICED, CENTS_A_BIN, NEAR = 0.5, 20, 50

    def __init__(self, data):
        self.data = data

    def calibration(self):
        return frames(self.data, "gtcrn_enh_stream.wav")[::8]

    def evaluation(self):
        return (frame for name in ("hey_jane.wav", "hey_mycroft_test.wav", "alexa_test.wav", "silero_test.wav") for frame in frames(self.data, name)[::4])

    def answer(self, run, frame):
        activation = run(frame)[0]
        best = int(activation.argmax())
        near = np.arange(max(best - 4, 0), min(best + 5, len(activation)))
        return activation[best], self.CENTS_A_BIN * (activation[near] * near).sum() / activation[near].sum()

    def likeness(self, exact, found):
        return [abs(exact[1] - found[1]) <= self.NEAR] if exact[0] > self.VOICED else []


class Files:
    """Magika: the share of files whose type is right."""

    unit = "top-1"

    def __init__(self, data):
        self.files = magika_files(data)
        self.names = json.loads((data / "magika/assets/models/standard_v3_3/config.min.json").read_text())["target_labels_space"]

    def calibration(self):
        return map(bytes_of, self.files[::4])

    def evaluated(self):
        return [file for index, file in enumerate(self.files) if index % 4]

    def score(self, run):
        return float(np.mean([self.names[run(bytes_of(file)).ravel().argmax()] == file.parent.name for file in self.evaluated()]))

    def count(self):
        return len(self.evaluated())
