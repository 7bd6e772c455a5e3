"""torch inside Slicer: asked once, never installed without a yes, every known failure in its own sentence."""

import pytest
from slicer_scene import MODULE, add_head, scene_content

from MRISuperResolutionLib.errors import RequestError


@pytest.fixture(params=["slicer_rig", "slicer_5_6"])
def rig(request, weights, monkeypatch):
    monkeypatch.setenv("MRISR_WEIGHTS", str(weights))
    return request.getfixturevalue(request.param)


@pytest.fixture
def widget(rig):
    rig.load_module(MODULE)
    widget = rig.open_module("MRISuperResolution")
    widget.ui.inputSelector.setCurrentNode(add_head())
    return widget


def names(requests):
    return [argument.split(">")[0] for request in requests for argument in request if not argument.startswith("-")]


def test_yes_installs_what_is_missing_and_computes(rig, widget):
    rig.packages.hide("torch", "safetensors")
    rig.packages.offer_pytorch_extension()
    rig.dialogs.answer("ok-cancel", True)
    widget.ui.applyButton.click()
    assert names(rig.packages.requests)[0] == "torch"
    assert "safetensors" in names(rig.packages.requests)
    (question,) = rig.dialogs.texts("ok-cancel")
    assert "PyTorch (200 MB for the CPU, 3 GB with an NVIDIA GPU)" in question
    assert "safetensors (less than 1 MB)" in question
    rig.spin(lambda: not widget.job.is_running, timeout=60)
    assert widget.job.output is not None


def test_nothing_else_starts_while_packages_are_installed(rig, widget, monkeypatch):
    """The window stays alive: an installation turns the event loop."""
    rig.packages.hide("torch", "safetensors")
    rig.packages.offer_pytorch_extension()
    rig.dialogs.answer("ok-cancel", True)
    install, said = rig.packages.install, []

    def impatient(arguments):
        widget.ui.applyButton.click()
        said.append((widget.ui.applyButton.enabled, widget.ui.statusLabel.text))
        return install(arguments)

    monkeypatch.setattr(rig.packages, "install", impatient)
    widget.ui.applyButton.click()
    assert said
    assert set(said) == {(False, "Installing Python packages...")}
    assert len(rig.dialogs.texts("ok-cancel")) == 1
    assert widget.ui.applyButton.text == "Cancel"
    rig.spin(lambda: not widget.job.is_running, timeout=60)
    assert widget.job.output is not None


def test_no_installs_nothing_and_changes_nothing(rig, widget):
    rig.packages.hide("torch", "safetensors", "tqdm")
    rig.packages.offer_pytorch_extension()
    rig.dialogs.answer("ok-cancel", False)
    before = scene_content()
    widget.ui.applyButton.click()
    assert rig.packages.requests == []
    assert widget.job is None
    assert scene_content() == before
    assert widget.ui.applyButton.text == "Apply"
    assert widget.ui.statusLabel.text == "Nothing was installed and nothing computed."


def test_what_is_there_is_not_installed_again(rig, widget):
    rig.packages.hide("safetensors")
    rig.dialogs.answer("ok-cancel", True)
    widget.ui.applyButton.click()
    asked = names(rig.packages.requests)
    assert "safetensors" in asked
    assert "torch" not in asked
    rig.spin(lambda: not widget.job.is_running, timeout=60)


def test_the_spline_needs_nothing(rig, widget):
    rig.packages.hide("torch", "safetensors", "tqdm")
    widget.panel.parameters.model = "spline"
    widget.ui.applyButton.click()
    rig.spin(lambda: not widget.job.is_running, timeout=60)
    assert widget.job.output is not None


def error_after_apply(rig, widget):
    before = scene_content()
    widget.ui.applyButton.click()
    assert widget.job is None
    assert scene_content() == before
    (text,) = rig.dialogs.texts("error")
    assert "\n" not in text
    return text


def test_without_the_pytorch_extension_the_user_is_sent_to_it(rig, widget):
    rig.packages.hide("torch")
    text = error_after_apply(rig, widget)
    assert "install the extension PyTorch in the Extensions Manager" in text


def test_an_installation_that_fails_is_told(rig, widget):
    rig.packages.hide("torch")
    rig.packages.offer_pytorch_extension()
    rig.packages.succeeds = False
    rig.dialogs.answer("ok-cancel", True)
    assert "The installation failed" in error_after_apply(rig, widget)


def test_a_half_installed_torch_is_told(rig, widget, tmp_path, monkeypatch):
    rig.packages.hide("torch")
    rig.packages.offer_pytorch_extension()
    # what an interrupted installation leaves
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("")
    rig.packages.show("torch")
    monkeypatch.syspath_prepend(str(tmp_path))
    import sys

    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert "installed only in part" in error_after_apply(rig, widget)
    assert rig.packages.requests == []


def test_nothing_is_installed_while_slicer_tests(rig, widget):
    rig.packages.hide("torch")
    rig.packages.offer_pytorch_extension()
    rig.start_for_testing()
    widget.ui.applyButton.click()
    assert rig.packages.requests == []
    assert "PyTorch" in widget.ui.statusLabel.text


def test_the_logic_never_asks(rig, widget):
    rig.packages.hide("torch")
    rig.packages.offer_pytorch_extension()
    with pytest.raises(RequestError, match="click Apply, which offers to install"):
        widget.logic.process(add_head(), model="plain")
    assert rig.dialogs.shown == []
    assert rig.packages.requests == []
