"""The rig for pytest. In a conftest.py: ``from rig.fixtures import desk, slicer_5_6, slicer_rig``."""

import os

import pytest


@pytest.fixture(scope="session")
def desk():
    """The rig, started when the first test asks for it."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from .desk import Desk

    return Desk()


@pytest.fixture
def slicer_rig(desk, tmp_path, monkeypatch):
    """A Slicer that has just been started, with PythonSlicer on PATH; see ``rig.desk.Desk``.

    A test fails whose module raised in a slot or an observer, or asked a question without an answer laid ready.
    ``slicer_rig.errors`` holds what was raised; a test that expects it takes it out.
    """
    from . import launcher
    from .events import Uncaught

    folder = tmp_path / "PythonSlicer"
    folder.mkdir()
    launcher.write_launcher(folder)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    with Uncaught() as uncaught:
        desk.errors = uncaught.errors
        desk.renew()
        yield desk
        unanswered = desk.dialogs.unanswered
        try:
            desk.refuse_invented_attributes()
        finally:
            desk.put_away()
    assert not unanswered, f"questions without an answer: {unanswered}"
    assert not uncaught.errors, f"raised where nobody could catch it: {uncaught.errors}"


@pytest.fixture
def slicer_5_6(slicer_rig):
    """The same as an older Slicer: no slicer.packaging, connectGui returns None."""
    from .version import OLD

    slicer_rig.renew(OLD)
    return slicer_rig
