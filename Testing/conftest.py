"""What the tests of the command line stand on: small random networks, a small volume, and ``mrisr`` itself."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import settings
from rig.fixtures import desk, slicer_5_6, slicer_rig  # noqa: F401
from volumes import OBLIQUE, blobs, centred_grid, world_of

from MRISuperResolutionLib.cli.main import main
from MRISuperResolutionLib.image.volume import Volume
from MRISuperResolutionLib.io import write_volume

# a busy machine is no failure
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@dataclass
class Outcome:
    """How a run of ``mrisr`` ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A folder of weights that learned nothing: one network of each kind, and one that takes its time."""
    import torch

    from MRISuperResolutionLib.networks.dggrn import DGGRN
    from MRISuperResolutionLib.networks.recnn import ReCNN

    torch.manual_seed(0)
    any_factor = {"lowest": 1.0, "highest": 4.0}
    kinds = {
        "plain": (ReCNN(layers=3, filters=4), any_factor, []),
        "guided": (ReCNN(layers=3, filters=4, references=1), any_factor, []),
        "slices": (DGGRN(factor=2, filters=4, blocks=1), {"in_plane": 2}, ["axial", "coronal", "sagittal"]),
        "slow": (ReCNN(layers=20, filters=32), any_factor, []),
    }
    folder = tmp_path_factory.mktemp("weights")
    for name, (network, factors, planes) in kinds.items():
        save(folder, name, network, factors, planes)
    return folder


@pytest.fixture(scope="session")
def doubting_weights(weights, tmp_path_factory):
    """The same, and ``doubting``: a network that is told of the scan and tells which errors to expect."""
    import torch

    from MRISuperResolutionLib.networks.null_space import NullSpaceNet

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("doubting") / "weights"
    shutil.copytree(weights, folder)
    network = NullSpaceNet(filters=4, blocks=1, guidance_layers=1, doubt=True)
    kinds = [{"factors": [2, 2, 2], "told": told, "scale": 1.5} for told in (True, False)]
    trust = {"share": 0.9, "kinds": kinds, "figures": []}
    save(folder, "doubting", network, {"lowest": 1.0, "highest": 6.0}, trust=trust)
    return folder


def save(folder, name, network, factors, planes=(), **further):
    """Weights with a card that tells of T1w volumes."""
    from MRISuperResolutionLib.models.card import Card, save_network

    card = Card(
        name=name,
        summary="for tests",
        architecture=network.architecture,
        contrasts=["T1w"],
        factors=factors,
        dimensions=network.dimensions,
        references=network.references,
        planes=list(planes),
        spacing_mm=[0.5, 1.0],
        acquisition={"sigma": 1.0, "radius": None},
        training={"data": [], "commands": []},
        figures=[],
        licence="CC0-1.0",
        **further,
    )
    save_network(network, card, folder)


@pytest.fixture
def volume(tmp_path):
    """An oblique int16 volume with thick slices; must be the same file when the test has ended."""
    path = tmp_path / "head.mha"
    grid = centred_grid((14, 12, 8), (1.0, 1.1, 2.5), OBLIQUE)
    write_volume(Volume(blobs(world_of(grid)).astype(np.int16), grid), path)
    content = path.read_bytes()
    yield path
    assert path.read_bytes() == content, "the input was modified"


@pytest.fixture
def results(tmp_path):
    """An empty folder for what is written."""
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def start(weights):
    """``start(*arguments, **options)``: a running child process ``mrisr`` with pipes to it."""

    def start_mrisr(*arguments, **options):
        return subprocess.Popen(
            [sys.executable, "-m", "MRISuperResolutionLib", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # buffered as for most users, whatever the machine that tests says
            env={**os.environ, "MRISR_WEIGHTS": str(weights), "PYTHONUNBUFFERED": ""},
            **options,
        )

    return start_mrisr


@pytest.fixture(scope="session")
def mrisr(start):
    """``mrisr(*arguments, **options)``: the Outcome of ``mrisr`` in a process of its own."""

    def run(*arguments, **options):
        with start(*arguments, **options) as child:
            # the open pipe on standard input says that somebody is still there
            out, err = child.stdout.read(), child.stderr.read()
            return Outcome(child.wait(timeout=120), out, err)

    return run


@pytest.fixture
def mrisr_here(weights, monkeypatch, capfd):
    """``mrisr_here(*arguments)``: the same in this process, which is faster."""
    monkeypatch.setenv("MRISR_WEIGHTS", str(weights))

    def run(*arguments):
        capfd.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        return Outcome(code, *capfd.readouterr())

    return run
