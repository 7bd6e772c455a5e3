"""What CMake installs in Slicer: exactly the files that there are, and enough to run from."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from volumes import blobs, centred_grid, world_of

from MRISuperResolutionLib.image.volume import Volume
from MRISuperResolutionLib.io import read_volume, write_volume

ROOT = Path(__file__).resolve().parents[1]
MODULE = ROOT / "MRISuperResolution"
WEIGHTS = ROOT / "weights"


def listed(name):
    """The entries of ``set(name ...)`` in the module's CMakeLists.txt."""
    text = (MODULE / "CMakeLists.txt").read_text(encoding="utf-8")
    entries = re.search(rf"set\({name}\s([^)]*)\)", text).group(1)
    return entries.replace("${MODULE_NAME}", "MRISuperResolution").split()


def files_of(folder, pattern):
    found = (path for path in folder.rglob(pattern) if path.is_file() and "__pycache__" not in path.parts)
    return sorted(path.relative_to(folder).as_posix() for path in found)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with exactly the listed files, each where the build tree and the installation have it."""
    folder = tmp_path_factory.mktemp("qt-scripted-modules")
    for source, name in [
        *((MODULE, name) for name in listed("MODULE_PYTHON_SCRIPTS") + listed("MODULE_PYTHON_RESOURCES")),
        *((WEIGHTS, name) for name in listed("MODULE_WEIGHTS")),
    ]:
        target = folder / "MRISuperResolutionLib" / "weights" / name if source == WEIGHTS else folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target)
    return folder


def run_installed(folder, *arguments, **options):
    """``mrisr`` from the installed files alone, whatever else this Python knows."""
    program = (
        "import sys; sys.path[:0] = [sys.argv.pop(1)]; from MRISuperResolutionLib.cli.main import main; exit(main())"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MRISR", "PYTHONPATH"))}
    return subprocess.run(
        [sys.executable, "-c", program, str(folder), *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def test_all_python_files_are_listed():
    assert sorted(listed("MODULE_PYTHON_SCRIPTS")) == files_of(MODULE, "*.py")


def test_all_resources_are_listed():
    assert sorted(listed("MODULE_PYTHON_RESOURCES")) == [
        f"Resources/{p}" for p in files_of(MODULE / "Resources", "*")
    ]


def test_all_weights_and_cards_are_listed():
    names = (name for name in files_of(WEIGHTS, "*") if name.endswith((".json", ".safetensors")))
    shipped = [name for name in names if not name.startswith(("baselines/", "snapshots/"))]
    assert sorted(listed("MODULE_WEIGHTS")) == shipped


def test_icon_and_screenshots_of_the_extension_are_there():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    pictures = re.findall(r"/main/(Resources/[^\"\s]+)", text)
    assert len(pictures) >= 2
    for picture in pictures:
        assert (ROOT / picture).read_bytes().startswith(b"\x89PNG"), picture


def test_installed_files_find_their_weights(installed):
    result = run_installed(installed, "models", "--json")
    assert result.returncode == 0, result.stderr
    cards = json.loads(result.stdout)
    # the classifier of acquisitions is no model
    weights = {name for name in listed("MODULE_WEIGHTS") if name.endswith(".safetensors")} - {
        "acquisition.safetensors"
    }
    assert {card["file"] for card in cards} == weights


def test_installed_files_upscale_a_volume(installed, tmp_path):
    grid = centred_grid((16, 16, 16))
    write_volume(Volume(blobs(world_of(grid)).astype(np.float32), grid), tmp_path / "in.nrrd")
    result = run_installed(
        installed, "upscale", tmp_path / "in.nrrd", tmp_path / "out.nrrd", "--model", "recnn10-t1w"
    )
    assert result.returncode == 0, result.stderr
    assert read_volume(tmp_path / "out.nrrd").grid.size == (32, 32, 32)
