"""PythonSlicer: the launcher that starts Slicer's Python."""

import sys

# As with the real launcher, Python is a child: it inherits standard input, output and error, hands its exit code
# back, and is left running when the launcher alone is killed. The last line keeps the shell from becoming the child.
SCRIPT = """#!/bin/sh
'{python}' "$@"
exit $?
"""


def write_launcher(folder):
    """Write PythonSlicer into ``folder``, which is then put on PATH, and return its path."""
    if sys.platform == "win32":
        raise NotImplementedError("the rig has a PythonSlicer for Linux and macOS only")
    path = folder / "PythonSlicer"
    path.write_text(SCRIPT.format(python=sys.executable))
    path.chmod(0o755)
    return path
