"""The commands of ``mrisr``, a file each: ``add_arguments(parser)`` and ``run(options)``.

Nothing slow is imported before a command runs, so that ``mrisr --help`` answers at once.
"""

from . import ablate, benchmark, compare, degrade, demo, evaluate, models, plant, train, upscale

COMMANDS = {
    "upscale": upscale,
    "degrade": degrade,
    "evaluate": evaluate,
    "compare": compare,
    "plant": plant,
    "models": models,
    "train": train,
    "ablate": ablate,
    "benchmark": benchmark,
    "demo": demo,
}
