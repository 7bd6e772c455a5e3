"""``python -m MRISuperResolutionLib`` is ``mrisr``."""

import sys

from .cli import main

sys.exit(main())
