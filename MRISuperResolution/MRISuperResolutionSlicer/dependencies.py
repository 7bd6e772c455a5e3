"""torch inside Slicer: whether it is there, and the one question before it is installed.

The Python packages that the networks need are installed through the PyTorch extension, which finds the
build for this machine's GPU, and through ``slicer.packaging``. Nothing is installed without a yes.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import subprocess
from pathlib import Path
from typing import Any

import slicer

from MRISuperResolutionLib.errors import RequestError

REQUIREMENTS = Path(__file__).resolve().parents[1] / "Resources" / "requirements.txt"

TITLE = "MRI Super-Resolution"

TORCH_SIZE = "200 MB for the CPU, 3 GB with an NVIDIA GPU"

QUESTION = (
    "The networks need Python packages that this Slicer lacks:\n\n{packages}\n\n"
    "They will be downloaded and installed into Slicer's own Python, which takes some minutes. Install them now?"
)


def missing() -> list[str]:
    """The packages that have to be installed before a network can run, as text for the user.

    Raises RequestError where PyTorch is installed only in part.
    """
    importlib.invalidate_caches()
    lacking = [f"PyTorch ({TORCH_SIZE})"] if not _torch_is_installed() else []
    return [*lacking, *(f"{name} (less than 1 MB)" for name in _lacking_requirements())]


def ready(ask: Any = None) -> bool:
    """Whether the networks can run; asks, through ``ask`` (a text to True or False), to install what is missing.

    False where the answer was no. Raises RequestError where the packages cannot be installed, and, without
    ``ask``, where they are missing.
    """
    lacking = missing()
    if not lacking:
        return True
    listed = "\n".join(f"- {package}" for package in lacking)
    if slicer.app.testingEnabled() or ask is None:
        raise RequestError(
            f"The networks need Python packages that are missing here ({', '.join(lacking)}): choose a network in "
            f"the module {TITLE} and click Apply, which offers to install them."
        )
    installer = _torch_installer() if not _torch_is_installed() else None
    if not ask(QUESTION.format(packages=listed)):
        return False
    _install(installer)
    still = missing()
    if still:
        raise RequestError(
            f"After the installation {', '.join(still)} is still missing: restart Slicer and try again."
        )
    return True


def _torch_is_installed() -> bool:
    try:
        importlib.metadata.version("torch")
        recorded = True
    except importlib.metadata.PackageNotFoundError:
        recorded = False
    spec = importlib.util.find_spec("torch")
    # an interrupted installation leaves files without the record or a folder without the compiled part
    compiled = bool(spec and spec.origin and list(Path(spec.origin).parent.glob("_C*")))
    if recorded != compiled or (spec and not compiled):
        raise RequestError(
            "PyTorch is installed only in part: uninstall it in the module PyTorch Utils, restart Slicer and "
            "apply again."
        )
    return compiled


def _requirements() -> list[str]:
    lines = [line.split("#")[0].strip() for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line]


def _lacking_requirements() -> list[str]:
    names = [line.split(">")[0].strip() for line in _requirements()]
    return [name for name in names if importlib.util.find_spec(name) is None]


def _torch_installer() -> Any:
    try:
        from PyTorchUtils import PyTorchUtilsLogic
    except ImportError as error:
        raise RequestError(
            "PyTorch is missing, and so is the extension that installs it: install the extension PyTorch in the "
            "Extensions Manager, restart Slicer and apply again."
        ) from error
    return PyTorchUtilsLogic()


def _install(torch_installer: Any | None) -> None:
    try:
        if torch_installer is not None and torch_installer.installTorch(askConfirmation=False) is None:
            raise RequestError("PyTorch was not installed: the Python console holds the reason.")
        _install_requirements()
    except (RuntimeError, OSError, ImportError, subprocess.CalledProcessError) as error:
        raise RequestError(
            f"The installation failed ({error}): is there a network? The Python console holds the details."
        ) from error


def _install_requirements() -> None:
    try:
        from slicer import packaging
    except ImportError:
        # Slicer before 5.11
        slicer.util.pip_install(_requirements())
        return
    packaging.pip_ensure(packaging.load_requirements(REQUIREMENTS), requester=TITLE, prompt_install=False)
