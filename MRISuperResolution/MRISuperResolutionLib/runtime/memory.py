"""How much memory this process has and how much the machine has left, in bytes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from pathlib import Path

GIB = 2**30

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""What mallopt calls them."""


def process_memory() -> int:
    """Resident memory of this process now; where the system does not tell, a typical size with torch loaded."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return GIB // 2


def available_memory() -> int:
    """Memory that can be had without swapping (Linux); elsewhere the physical memory's half."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return _windows_available()
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _windows_available() -> int:
    class MemoryStatus(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong)
            for name in (
                "total",
                "available",
                "page_total",
                "page_available",
                "virtual_total",
                "virtual_available",
                "x",
            )
        ]

    status = MemoryStatus()
    status.length = ctypes.sizeof(status)
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined]
    return int(status.available)


def memory_limit(gib: float | None) -> int:
    """Bytes that the process may take: ``gib``, or by default what it has and half of what is left."""
    return int(gib * GIB) if gib is not None else process_memory() + available_memory() // 2


def keep_freed_memory() -> None:
    """Let this process keep what it frees for what it needs next, where the C library can be told so (glibc): it
    would give pages back to the system and get others, cleared, at every step of a training."""
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return
    for option in (TRIM_THRESHOLD, MMAP_THRESHOLD):
        set_option(option, GIB)


def forget_peak() -> None:
    """Let ``peak_memory`` count from now on, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory(process: int | str = "self") -> int | None:
    """Most resident memory of a process by its number, since ``forget_peak`` (Linux); None where the system does not
    tell."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return None
    # a process that has ended, but has not been waited for, has none
    found = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return next((int(kib) * 1024 for kib in found), None)
