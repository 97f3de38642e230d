"""Images, sounds and files as the models take them, from the folder of test data."""
import csv
import wave

import numpy as np
from PIL import Image

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
GREY = 114  # around images that do not fill the square


def imagenet_files(data):
    with open(data / "imagenet1k_sample/labels.tsv") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [data / "imagenet1k_sample" / row["file"] for row in rows], np.array([int(row["class_index"]) for row in rows])


def coco_files(data):
    return sorted((data / "coco128/images/val2017").glob("*.jpg"))


def centre(file, side=224, shorter=256):
    """The square in the middle, the shorter side scaled to 256 first: uint8 [side, side, 3]."""
    image = Image.open(file).convert("RGB")
    scale = shorter / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return np.asarray(image.crop((left, top, left + side, top + side)))


def torchvision(pixels, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    return ((pixels.astype(np.float32) / 255 - np.float32(mean)) / np.float32(std)).transpose(2, 0, 1)[None]


def caffe(pixels):
    return (pixels[:, :, ::-1].astype(np.float32) - np.float32([104, 117, 123])).transpose(2, 0, 1)[None]


def cifar(data, mean, std):
    rows = np.loadtxt(data / "cifar10_100/cifar10_test.csv", delimiter=",", dtype=np.int64)
    pixels = rows[:, 1:].reshape(-1, 32, 32, 3)
    return [torchvision(image, mean, std) for image in pixels], rows[:, 0]


def mnist(data):
    rows = np.loadtxt(data / "mnist_100/mnist_test.csv", delimiter=",", dtype=np.int64)
    return [image.reshape(1, 1, 28, 28).astype(np.float32) for image in rows[:, 1:]], rows[:, 0]


def letterbox(file, side=640):
    """The whole image in a square, [1, 3, side, side] in 0..1, and (scale, left, top) to find places in the original."""
    image = Image.open(file).convert("RGB")
    scale = side / max(image.size)
    width, height = round(image.width * scale), round(image.height * scale)
    left, top = (side - width) // 2, (side - height) // 2
    square = Image.new("RGB", (side, side), (GREY,) * 3)
    square.paste(image.resize((width, height), Image.Resampling.BILINEAR), (left, top))
    return (np.asarray(square, np.float32) / 255).transpose(2, 0, 1)[None], (scale, left, top)


def small(file, width=320, height=240):
    """The whole image, as UltraFace takes it: [1, 3, 240, 320] around 0."""
    image = Image.open(file).convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    return ((np.asarray(image, np.float32) - 127) / 128).transpose(2, 0, 1)[None]


def frames(data, name, size=1024, hop=160):
    """Frames of a recording at 16 kHz, 10 ms apart, each [1, 1024] with the mean 0 and the deviation 1, as CREPE takes them. Silence is left out."""
    with wave.open(str(data / "audio" / name)) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32)
    rows = np.lib.stride_tricks.sliding_window_view(sound, size)[::hop]
    rows = rows - rows.mean(1, keepdims=True)
    deviation = rows.std(1, keepdims=True)
    loud = deviation[:, 0] > 1
    return [row[None] for row in rows[loud] / deviation[loud]]


def magika_files(data):
    return sorted(file for file in (data / "magika/tests_data").rglob("*") if file.is_file() and file.stat().st_size >= 8)  # Magika reads shorter ones itself


def bytes_of(file, block=4096, side=1024, padding=256):
    """The first and the last bytes of a file, as Magika takes them: int32 [1, 2048]."""
    contents = file.read_bytes()
    begin, end = contents[:block].lstrip()[:side], contents[-block:].rstrip()[-side:]
    features = np.full((1, 2 * side), padding, np.int32)
    features[0, : len(begin)] = list(begin)
    features[0, 2 * side - len(end) :] = list(end)
    return features
