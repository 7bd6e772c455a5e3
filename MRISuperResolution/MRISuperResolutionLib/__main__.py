"""``python -m MRISuperResolutionLib`` is ``mrisr``."""

import sys

from .cli.main import main

sys.exit(main())
