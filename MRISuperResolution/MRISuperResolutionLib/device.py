"""Which processor computes, in which precision."""

from __future__ import annotations

from typing import Any

from .errors import RequestError

PRECISIONS = ("auto", "float32", "bfloat16", "float16")


def choose_device(name: str) -> Any:
    """torch.device for "auto" (CUDA, else MPS, else the CPU), "cpu", "cuda", "cuda:N" or "mps".

    Raises RequestError for a name that is not one of these and for a device that this machine lacks.
    """
    import torch

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and (kind != "cuda" or not number.isdigit())):
        raise RequestError(f"unknown device {name!r}: choose auto, cpu, cuda, cuda:N or mps")
    if (kind == "cuda" and not cuda) or (kind == "mps" and not mps):
        raise RequestError(f"torch finds no {kind} device on this machine: choose --device cpu or auto")
    if number and int(number) >= torch.cuda.device_count():
        raise RequestError(f"there are {torch.cuda.device_count()} CUDA devices here: {name} is not one of them")
    return torch.device(name)


def choose_precision(name: str, device: Any) -> Any:
    """torch.dtype of the convolutions for "auto" (float32), "float32", "bfloat16" or "float16".

    Raises RequestError for another name, and for one that the device cannot compute in.
    """
    import torch

    if name not in PRECISIONS:
        raise RequestError(f"unknown precision {name!r}: choose one of {', '.join(PRECISIONS)}")
    dtype = {"auto": torch.float32}.get(name) or getattr(torch, name)
    if dtype == torch.bfloat16 and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise RequestError(f"{torch.cuda.get_device_name(device)} has no bfloat16: choose float16 or float32")
    return dtype
