"""A metric for tenon quantize --evaluate: how far UltraFace's boxes overlap those of the float model, on photographs that are neither calibrated with nor reported on.

    tenon quantize ultraface_rfb320.onnx --calibration … --evaluate bench/accuracy/faces.py --max-drop 1%

Of each face that the float model finds, the IoU of the box that lies there; the mean of all. Needs the folder that TENON_SHARED names.
ultraface.json is a recipe with the 16 layers in f32 that cost most of this metric alone in 8 bits.
"""
import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent.parent / "examples/detection")]
import likeness
import samples
import tenon


class Others(likeness.Faces):
    def evaluation(self):
        files = samples.imagenet_files(self.data)[0]
        return (samples.small(file) for first in (3, 5, 7) for file in files[first:1000:10])  # accuracy.py calibrates with those from 0, 2 and 8


class Run:
    """A plan whose outputs of the last run are kept, as accuracy.py has it."""

    def __init__(self, plan):
        self.plan = plan

    def __call__(self, image):
        self.outputs = self.plan.run({self.plan.inputs[0].name: image})


shared = Path(os.environ["TENON_SHARED"])
faces = Others(shared / "data")
faces.score(Run(tenon.compile(str(shared / "models/ultraface_rfb320.onnx"))))
print(faces.score(Run(tenon.Plan.load(sys.argv[1]))))
