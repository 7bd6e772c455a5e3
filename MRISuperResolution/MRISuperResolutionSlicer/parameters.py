"""The choices of the panel that are the same for every model, with the words that the user reads."""

from __future__ import annotations

import enum


class Labelled(enum.Enum):
    """The value is what the command line takes; parameter nodes store the name and show the label."""

    def label(self) -> str:
        return LABELS[self]


class Resolution(Labelled):
    FACTOR = "scale"
    SPACING = "spacing"


class Plane(Labelled):
    ACQUIRED = None
    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


class Blur(Labelled):
    NOT_TOLD = None
    THICKNESS = "thickness"
    FIXED = "fixed"
    NONE = "none"


class Device(Labelled):
    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


class Precision(Labelled):
    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


LABELS = {
    Resolution.FACTOR: "By a factor",
    Resolution.SPACING: "To a spacing (mm)",
    Plane.ACQUIRED: "As acquired (across the thickest voxels)",
    Plane.AXIAL: "Axial",
    Plane.CORONAL: "Coronal",
    Plane.SAGITTAL: "Sagittal",
    Blur.NOT_TOLD: "Not told",
    Blur.THICKNESS: "As wide as its voxels (thickness)",
    Blur.FIXED: "One fine voxel (fixed)",
    Blur.NONE: "None: sharp to its own voxels (none)",
    Device.AUTO: "Automatic: a GPU if there is one",
    Device.CPU: "CPU",
    Device.CUDA: "NVIDIA GPU (CUDA)",
    Device.MPS: "Apple GPU (MPS)",
    Precision.AUTO: "Automatic",
    Precision.FLOAT32: "float32",
    Precision.BFLOAT16: "bfloat16",
    Precision.FLOAT16: "float16",
}


WORDS = {
    "--max-memory": "Memory limit, under Advanced",
    "--model spline": "Cubic spline",
    "--contrast": "in the volume's name",
    "--plane": "Slices, under Advanced",
}
"""What the panel has in place of options of the command line."""


def in_words_of_panel(sentence: str) -> str:
    """The ``sentence`` of the library as someone reads it who has no command line."""
    for option, words in WORDS.items():
        sentence = sentence.replace(f"({option})", f"({words})")
    return sentence
