"""ONNX's backend interface (onnx.backend.base): `tenon.backend.run_model(model, inputs)`, and what ONNX's own test runner drives.

Needs the package `onnx`, which the rest of tenon does not.
"""
from __future__ import annotations

from onnx.backend.base import Backend, BackendRep, Device, DeviceType

from tenon._device import gpu_target, has_gpu
from tenon._errors import RunError
from tenon._plan import Plan, compile


class TenonRep(BackendRep):
    """A prepared model."""

    def __init__(self, plan: Plan):
        self.plan = plan

    def run(self, inputs, **kwargs) -> tuple:
        """Runs with a sequence of arrays, in the order of the model's inputs, or {name: array}; returns all outputs in order."""
        if not isinstance(inputs, (list, tuple, dict)):
            inputs = [inputs]
        return tuple(self.plan.run(inputs).values())


class TenonBackend(Backend):
    """Compiles for this machine: device "CPU", or "CUDA" or "CUDA:1" for one of its GPUs. Keyword arguments of `prepare` and `run_model` are those of
    tenon.compile."""

    @classmethod
    def prepare(cls, model, device="CPU", **kwargs) -> TenonRep:
        chosen = Device(device)
        if chosen.type == DeviceType.CUDA:
            try:
                kwargs = {"target": gpu_target(chosen.device_id), "device": chosen.device_id} | kwargs
            except RunError as problem:
                raise ValueError(f"tenon cannot run on the device {device}: {problem}") from None
        return TenonRep(compile(model, **kwargs))

    @classmethod
    def run_model(cls, model, inputs, device="CPU", **kwargs) -> tuple:
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(cls, node, inputs, device="CPU", outputs_info=None, **kwargs):
        raise NotImplementedError("a node alone has no opset and no types: make a model of it (onnx.helper.make_model) and call run_model")

    @classmethod
    def supports_device(cls, device) -> bool:
        chosen = Device(device)
        return chosen.type == DeviceType.CPU or has_gpu(chosen.device_id)


prepare = TenonBackend.prepare
run_model = TenonBackend.run_model
run_node = TenonBackend.run_node
supports_device = TenonBackend.supports_device
is_compatible = TenonBackend.is_compatible
