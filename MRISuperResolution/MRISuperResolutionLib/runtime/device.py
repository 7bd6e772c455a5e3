"""Which processor computes, in which precision."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import RequestError
from .progress import Progress, Silent


@dataclass(frozen=True)
class Computing:
    """How to compute: device, precision, GiB of memory that the process may take (None: half of what is free)."""

    device: str = "auto"
    precision: str = "auto"
    max_memory: float | None = None


BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
"""Of processors that multiply in bfloat16; the last of ARM."""

MATRIX_FLAG = "amx_bf16"

PRECISIONS = ("auto", "float32", "bfloat16", "float16")


def load_torch() -> Any:
    """The package torch; ImportError where it is there but broken, in whichever way that shows."""
    try:
        import torch
    except ModuleNotFoundError:
        raise
    except (ImportError, OSError) as error:
        raise ImportError(str(error), name="torch") from error
    # an empty folder, left from a removal, is imported as well
    if not hasattr(torch, "Tensor"):
        raise ImportError("its folder is empty", name="torch")
    return torch


def choose_device(name: str, progress: Progress | None = None) -> Any:
    """torch.device for "auto" (CUDA, else MPS, else the CPU), "cpu", "cuda", "cuda:N" or "mps".

    Raises RequestError for a name that is not one of these and for a device that this machine lacks or that
    torch cannot compute on; with "auto", ``progress`` is told of the latter, and the CPU is taken.
    """
    torch = load_torch()
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        device = torch.device("cuda" if cuda else "mps" if mps else "cpu")
        if trouble := _trouble(device):
            (progress or Silent()).say(f"{trouble}: computing on the CPU")
            return torch.device("cpu")
        return device
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and (kind != "cuda" or not number.isdigit())):
        raise RequestError(f"unknown device {name!r}: choose auto, cpu, cuda, cuda:N or mps")
    if (kind == "cuda" and not cuda) or (kind == "mps" and not mps):
        raise RequestError(f"torch finds no {kind} device on this machine: choose the CPU or auto")
    if number and int(number) >= torch.cuda.device_count():
        raise RequestError(f"there are {torch.cuda.device_count()} CUDA devices here: {name} is not one of them")
    device = torch.device(name)
    if trouble := _trouble(device):
        raise RequestError(f"{trouble}: choose the CPU or install a PyTorch made for it")
    return device


def _trouble(device: Any) -> str:
    """What keeps torch from computing on a device that it finds; empty where nothing does."""
    import torch

    if device.type == "cpu":
        return ""
    gpu = device.type
    try:
        if device.type == "cuda":
            gpu = torch.cuda.get_device_name(device)
        # what networks do: adding and multiplying may work where the library for convolutions fails
        patch = torch.ones(1, 1, 3, 3, device=device)
        torch.nn.functional.conv2d(patch, patch).cpu()
    except RuntimeError as error:
        reason, _, _ = str(error).partition("\n")
        if "no kernel image" in reason:
            return f"the installed PyTorch {torch.__version__} has no code for this GPU ({gpu})"
        return f"the installed PyTorch {torch.__version__} fails on this GPU ({gpu}: {reason})"
    return ""


def choose_precision(name: str, device: Any) -> Any:
    """torch.dtype of the convolutions for "float32", "bfloat16", "float16" or "auto": bfloat16 where the device
    computes in it, which is twice as fast or more and costs the shipped networks less than 0.02 dB; else float32.

    Raises RequestError for another name, and for one that the device cannot compute in.
    """
    import torch

    if name not in PRECISIONS:
        raise RequestError(f"unknown precision {name!r}: choose one of {', '.join(PRECISIONS)}")
    if name == "auto":
        return torch.bfloat16 if _has_bfloat16(device) else torch.float32
    dtype = getattr(torch, name)
    if dtype == torch.bfloat16 and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise RequestError(f"{torch.cuda.get_device_name(device)} has no bfloat16: choose float16 or float32")
    return dtype


def _has_bfloat16(device: Any) -> bool:
    """Whether ``device`` multiplies in bfloat16 itself, and not by a detour."""
    import torch

    if device.type == "cuda":
        # from Ampere on
        return torch.cuda.get_device_capability(device)[0] >= 8
    return device.type == "cpu" and processor_has_bfloat16()


def processor_has_bfloat16() -> bool:
    """Whether the processor multiplies in bfloat16, as far as the system tells (Linux); needs no torch."""
    return bool(BFLOAT16_FLAGS & _processor_flags())


def processor_has_matrix_units() -> bool:
    """Whether it multiplies whole matrices at a time in bfloat16, several times as fast as by vectors."""
    return MATRIX_FLAG in _processor_flags()


@cache
def _processor_flags() -> frozenset[str]:
    cpuinfo = Path("/proc/cpuinfo")
    return frozenset(cpuinfo.read_text(encoding="utf-8").split() if cpuinfo.exists() else ())
