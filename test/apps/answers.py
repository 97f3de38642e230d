#!/usr/bin/env python3
"""Runs one application on the files of TENON_SHARED and prints its answers as JSON.

    answers.py APPLICATION ENGINE

ENGINE is onnxruntime, or tenon: then tenon.onnxruntime stands in for the package onnxruntime. The applications are unchanged.
"""
import json
import os
import sys
import wave
from pathlib import Path

DATA = Path(os.environ["TENON_SHARED"], "data")


def magika():
    """Every file of the test data: its label and score."""
    from magika import Magika

    files = sorted(path for path in (DATA / "magika/tests_data").rglob("*") if path.is_file())
    results = Magika().identify_paths(files)
    return {str(result.path.relative_to(DATA)): [result.output.label, result.score] for result in results}


def audio(path):
    import torch

    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2), path
        samples = file.readframes(file.getnframes())
    return torch.frombuffer(bytearray(samples), dtype=torch.int16).float() / 32768


def silero():
    """When there is speech, frame by frame with the streaming models, and in blocks."""
    import silero_vad

    answers = {}
    for name in ("silero_test.wav", "alexa_test.wav", "hey_jane.wav"):
        samples = audio(DATA / "audio" / name)
        for version in (15, 16):
            model = silero_vad.load_silero_vad(onnx=True, opset_version=version)
            answers[f"{name}, opset {version}"] = silero_vad.get_speech_timestamps(samples, model)
            answers[f"{name}, opset {version}, probabilities"] = model.audio_forward(samples[None], sr=16000).flatten().tolist()
        blocks = silero_vad.load_silero_vad(sequence=True)
        answers[f"{name}, blocks"] = silero_vad.get_speech_timestamps_sequence(samples, blocks)
        answers[f"{name}, blocks, probabilities"] = blocks.audio_forward(samples.numpy()).tolist()
    return answers


def silero_blocks():
    """The model that takes whole blocks of frames."""
    import silero_vad

    answers = {}
    model = silero_vad.load_silero_vad(sequence=True)
    for name in ("silero_test.wav", "alexa_test.wav", "hey_jane.wav"):
        samples = audio(DATA / "audio" / name)
        answers[name] = silero_vad.get_speech_timestamps_sequence(samples, model)
        answers[f"{name}, probabilities"] = model.audio_forward(samples.numpy()).tolist()
    return answers


def rapidocr():
    """The lines of text in pictures: where they are, what they say, how sure that is."""
    from rapidocr_onnxruntime import RapidOCR

    engine = RapidOCR(intra_op_num_threads=2)
    return {name: [[box, text, float(score)] for box, text, score in engine(str(DATA / "ocr" / name))[0] or []]
            for name in ("ch_en_num.jpg", "en.jpg", "short.png", "text_cls.jpg", "text_rec.jpg")}


def main():
    application, engine = sys.argv[1:]
    if engine == "tenon":
        import tenon.onnxruntime

        sys.modules["onnxruntime"] = tenon.onnxruntime
    answers = {"magika": magika, "silero": silero, "silero_blocks": silero_blocks, "rapidocr": rapidocr}[application]()
    module = sys.modules["onnxruntime"].__name__
    assert ("tenon" in module) == (engine == "tenon"), module
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
