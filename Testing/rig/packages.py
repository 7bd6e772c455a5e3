"""Python packages that come and go: slicer.packaging, PyTorchUtils, and what is missing while a test says so.

Nothing is ever installed. A test hides packages that are there, and an installation that succeeds shows them again.
"""

import importlib
import importlib.metadata
import logging
import re
import sys
from pathlib import Path
from subprocess import CalledProcessError
from types import ModuleType

import slicer
from packaging.requirements import InvalidRequirement, Requirement


def canonical(name):
    return re.sub(r"[-_.]+", "_", name).lower()


class Finder:
    """One of Python's own finders, blind to the packages that are hidden."""

    def __init__(self, finder, hidden):
        self._finder, self._hidden = finder, hidden

    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] in self._hidden else self._finder.find_spec(name, path, target)

    def find_distributions(self, *arguments, **options):
        for distribution in getattr(self._finder, "find_distributions", lambda *_, **__: ())(*arguments, **options):
            if canonical(distribution.metadata["Name"]) not in self._hidden:
                yield distribution

    def invalidate_caches(self):
        if hasattr(self._finder, "invalidate_caches"):
            self._finder.invalidate_caches()


class Packages:
    """What is installed, what was asked for and how that ends."""

    def __init__(self):
        self.hidden = set()
        self._modules = {}
        self._finders = None
        self.clear()

    def clear(self):
        self.show(*list(self.hidden))
        #: what pip or light-the-torch was asked to install, one list a request
        self.requests = []
        #: whether an installation succeeds
        self.succeeds = True
        sys.modules.pop("PyTorchUtils", None)

    def hide(self, *names):
        """From now on these packages are not there, whichever way one looks: import, find_spec, metadata."""
        if self._finders is None:
            self._finders = list(sys.meta_path)
            sys.meta_path[:] = [Finder(finder, self.hidden) for finder in self._finders]
        for name in map(canonical, names):
            self.hidden.add(name)
            for loaded in [key for key in sys.modules if key.split(".")[0] == name]:
                self._modules[loaded] = sys.modules.pop(loaded)

    def show(self, *names):
        """These packages are there again, the same modules as before."""
        for name in map(canonical, names):
            self.hidden.discard(name)
            for loaded in [key for key in self._modules if key.split(".")[0] == name]:
                sys.modules[loaded] = self._modules.pop(loaded)
        if not self.hidden and self._finders is not None:
            sys.meta_path[:] = self._finders
            self._finders = None

    def install(self, arguments):
        """One installation, ending as the test wants it to."""
        self.requests.append(list(arguments))
        if not self.succeeds:
            raise CalledProcessError(1, ["PythonSlicer", "-m", "pip", "install", *arguments])
        self.show(*(re.split(r"[<>=!~;\[ ]", argument)[0] for argument in arguments if not argument.startswith("-")))

    def offer_pytorch_extension(self):
        """The PyTorch extension is installed; PyTorch itself may be hidden or not."""
        sys.modules["PyTorchUtils"] = make_pytorch_utils(self)


def to_requirements(given):
    if isinstance(given, str):
        try:
            return [Requirement(given)]
        except InvalidRequirement:
            return [Requirement(part) for part in given.split()]
    if isinstance(given, Requirement):
        return [given]
    if isinstance(given, list):
        return [Requirement(item) if isinstance(item, str) else item for item in given]
    raise TypeError(f"requirements are text, a Requirement or a list of these, not {type(given).__name__}")


def load_requirements(path):
    lines = [line.strip() for line in Path(path).read_text().splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def pip_check(req):
    for requirement in to_requirements(req):
        if requirement.extras:
            raise NotImplementedError(f"the rig checks no extras: {requirement}")
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            if importlib.metadata.version(requirement.name) not in requirement.specifier:
                return False
        except importlib.metadata.PackageNotFoundError:
            return False
    return True


def make_packaging_install(packages):
    """``slicer.packaging.pip_install``."""

    def pip_install(requirements, **options):
        unknown = set(options) - {"constraints", "blocking", "show_progress", "requester", "parent"}
        if unknown or not options.get("blocking", True):
            raise NotImplementedError(f"the rig's pip_install does not know {', '.join(unknown) or 'blocking=False'}")
        arguments = requirements.split() if isinstance(requirements, str) else list(requirements)
        if options.get("constraints"):
            arguments += ["-c", str(options["constraints"])]
        packages.install(arguments)

    return pip_install


def make_packaging(packages):
    """The module ``slicer.packaging``, which came with Slicer 5.11."""
    pip_install = make_packaging_install(packages)

    def pip_ensure(
        requirements,
        constraints=None,
        skip_packages=None,
        prompt_install=True,
        prompt_restart=True,
        requester=None,
        skip_in_testing=True,
        show_progress=True,
    ):
        if skip_packages is not None:
            raise NotImplementedError("the rig's pip_ensure does not know skip_packages")
        missing = [str(requirement) for requirement in to_requirements(requirements) if not pip_check(requirement)]
        if not missing:
            return
        if skip_in_testing and slicer.app.testingEnabled():
            # nothing is installed and nothing is raised: the import that follows fails
            logging.info("testing mode: %s not installed", missing)
            return
        if prompt_install:
            title = f"{requester} - Install Python Packages" if requester else "Install Python Packages"
            question = f"{len(missing)} Python package(s) will be added to Slicer's Python. Continue?"
            if not slicer.util.confirmOkCancelDisplay(question, title, detailedText="\n".join(missing)):
                raise RuntimeError("declined by the user")
        # nothing that was imported before can change here, so the question whether to restart never comes
        pip_install(missing, constraints=constraints, requester=requester, show_progress=show_progress)

    module = ModuleType("slicer.packaging")
    for function in (load_requirements, pip_check, pip_ensure, pip_install):
        setattr(module, function.__name__, function)
    return module


def make_pip_install(packages):
    """``slicer.util.pip_install``, as far as every Slicer has it: text or a list of arguments."""

    def pip_install(requirements):
        packages.install(requirements.split() if isinstance(requirements, str) else requirements)

    return pip_install


def make_pytorch_utils(packages):
    """The module ``PyTorchUtils`` of the PyTorch extension."""

    class PyTorchUtilsLogic:
        @staticmethod
        def torchInstalled():
            # the real one imports torch, which takes seconds
            return importlib.util.find_spec("torch") is not None

        def installTorch(
            self,
            askConfirmation=False,
            forceComputationBackend=None,
            torchVersionRequirement=None,
            torchvisionVersionRequirement=None,
        ):
            arguments = [f"torch{torchVersionRequirement or ''}", f"torchvision{torchvisionVersionRequirement or ''}"]
            if forceComputationBackend is not None:
                arguments.append(f"--pytorch-computation-backend={forceComputationBackend}")
            if askConfirmation and not slicer.app.commandOptions().testingEnabled:
                question = f"PyTorch will be downloaded and installed ({' '.join(arguments)})."
                if not slicer.util.confirmOkCancelDisplay(question):
                    return None
            packages.install(arguments)
            # the real one returns torch itself; a caller may ask whether it is None
            return ModuleType("torch")

    module = ModuleType("PyTorchUtils")
    module.PyTorchUtilsLogic = PyTorchUtilsLogic
    return module
