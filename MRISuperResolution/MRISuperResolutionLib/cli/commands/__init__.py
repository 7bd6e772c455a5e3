"""The commands of ``mrisr``, a file each: ``add_arguments(parser)`` and ``run(options)``.

Nothing slow is imported before a command runs, so that ``mrisr --help`` answers at once.
"""

from . import (
    ablate,
    benchmark,
    compare,
    degrade,
    demo,
    estimate,
    evaluate,
    evaluate_weights,
    models,
    plant,
    train,
    upscale,
)

COMMANDS = {
    "upscale": upscale,
    "estimate": estimate,
    "degrade": degrade,
    "evaluate": evaluate,
    "evaluate-weights": evaluate_weights,
    "compare": compare,
    "plant": plant,
    "models": models,
    "train": train,
    "ablate": ablate,
    "benchmark": benchmark,
    "demo": demo,
}
