"""``slicer.ScriptedLoadableModule``, and the C++ objects that own a scripted module and its panel."""

import importlib.util
import logging
import sys
import unittest
from pathlib import Path
from types import ModuleType

import shiboken6
import slicer
from PySide6 import QtGui, QtWidgets

from . import version
from .widgets import qMRMLWidget

# -- the base classes of a module's four classes


class ScriptedLoadableModule:
    def __init__(self, parent):
        super().__init__()
        self.parent = parent
        self.moduleName = type(self).__name__
        for suffix in (".svg", ".png"):
            icon = self.resourcePath(f"Icons/{self.moduleName}{suffix}")
            if Path(icon).is_file():
                parent.icon = QtGui.QIcon(icon)
                break
        if not hasattr(slicer, "selfTests"):
            slicer.selfTests = {}
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, filename):
        return str(Path(self.parent.path).parent / "Resources" / filename)

    def getDefaultModuleDocumentationLink(self, docPage=None):
        if docPage:
            raise NotImplementedError("the rig has no documentationBaseUrl")
        return f'<p><a href="{slicer.app.moduleDocumentationUrl(self.moduleName)}">online documentation</a></p>'

    def runTest(self, msec=100, **kwargs):
        # a missing test class is an AttributeError here and an AssertionError in Slicer: neither passes
        case = getattr(sys.modules[type(self).__module__], f"{self.moduleName}Test")()
        case.messageDelay = msec
        case.runTest(**kwargs)


class ScriptedLoadableModuleWidget:
    def __init__(self, parent=None):
        super().__init__()
        if parent is None:
            raise NotImplementedError("the rig makes no panel on its own: give a parent")
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = slicer.util.settingsValue("Developer/DeveloperMode", False, slicer.util.toBool)
        self.parent = parent
        self.layout = parent.layout()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, filename):
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def cleanup(self):
        """For subclasses: the panel is about to go."""

    def _onModuleAboutToBeUnloaded(self, moduleName):
        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def setup(self):
        if self.developerMode:
            raise NotImplementedError("the rig has no Reload & Test section")

    def onReload(self):
        slicer.util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    def __init__(self, parent=None):
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self):
        scene = slicer.mrmlScene
        if self.isSingletonParameterNode:
            node = scene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
            if node is None:
                return scene.AddNode(self.createParameterNode())
            if node.GetAttribute("ModuleName") != self.moduleName:
                # closing the scene keeps the singleton but empties it
                node.SetAttribute("ModuleName", self.moduleName)
            return node
        nodes = self.getAllParameterNodes()
        return nodes[0] if nodes else scene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self):
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self):
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.messageDelay = 100
        self.moduleTestNames = [name for name in dir(self) if "test" in name and callable(getattr(self, name))]

    def delayDisplay(self, message, requestedDelay=None, msec=None):
        slicer.util.delayDisplay(message, self.messageDelay)

    def runTest(self):
        if version.is_old():
            # Slicer 5.6 runs nothing unless the module says what
            logging.warning("No test is defined in %s", type(self).__name__)
            return
        self.setUpClass()
        for name in self.moduleTestNames:
            self.setUp()
            logging.info("Running %s", name)
            getattr(self, name)()
            self.tearDown()
        self.tearDownClass()


def make_module():
    """The module ``slicer.ScriptedLoadableModule``."""
    module = ModuleType("slicer.ScriptedLoadableModule")
    bases = (ScriptedLoadableModule, ScriptedLoadableModuleWidget)
    for base in (*bases, ScriptedLoadableModuleLogic, ScriptedLoadableModuleTest):
        setattr(module, base.__name__, base)
    # import * brings these four and nothing else
    module.__all__ = [name for name in vars(module) if name.startswith("Scripted")]
    return module


# -- what owns them


class qSlicerScriptedLoadableModule:
    """The C++ object ``parent`` of a module's class; it has these attributes and takes no others."""

    def __init__(self, name, path):
        own = {"name": name, "path": str(path), "title": "", "helpText": "", "acknowledgementText": "", "index": -1}
        lists = {key: [] for key in ("categories", "dependencies", "contributors", "associatedNodeTypes")}
        self.__dict__.update(own, **lists, hidden=False, icon=QtGui.QIcon(), extensions={})
        self.__dict__.update(_panel=None, _added_to_path=None)

    def __setattr__(self, key, value):
        if key not in self.__dict__:
            raise AttributeError(f"qSlicerScriptedLoadableModule has no attribute {key}")
        self.__dict__[key] = value

    def widgetRepresentation(self):
        """The panel, made at the first call; the scene comes after setup()."""
        if self._panel is None:
            self._panel = qSlicerScriptedLoadableModuleWidget(self.name)
            self._panel.reload()
            self._panel.setMRMLScene(slicer.mrmlScene)
        return self._panel


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The panel that is ``parent`` of a module's widget class."""

    def __init__(self, module_name):
        super().__init__()
        self._module_name = module_name
        self._self = None
        self._entered = False
        QtWidgets.QVBoxLayout(self)

    @property
    def isEntered(self):
        return self._entered

    def self(self):
        return self._self

    def reload(self):
        name = f"{self._module_name}Widget"
        self._self = getattr(sys.modules[self._module_name], name)(self)
        setattr(slicer.modules, name, self._self)
        self._self.setup()

    def enter(self):
        self._entered = True
        self._call("enter")

    def exit(self):
        self._entered = False
        self._call("exit")

    def _call(self, method):
        if hasattr(self._self, method):
            getattr(self._self, method)()


def load(path):
    """Load a module's file as Slicer does when it starts."""
    path = Path(path).resolve()
    name = path.stem
    if name in slicer.app.moduleManager().factoryManager().loaded:
        raise ValueError(f"{name} is loaded already")
    new_to_path = None if str(path.parent) in sys.path else str(path.parent)
    if new_to_path:
        sys.path.append(new_to_path)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    owner = qSlicerScriptedLoadableModule(name, path)
    owner._added_to_path = new_to_path
    instance = getattr(module, name)(owner)
    setattr(slicer.modules, f"{name}Instance", instance)
    if hasattr(instance, "setup"):
        instance.setup()
    setattr(slicer.modules, name.lower(), owner)
    slicer.app.moduleManager().factoryManager().loaded.append(name)
    return module


def unload(name):
    """What quitting does to a module: cleanup(), then its panel is deleted. Returns the observers that it left."""
    slicer.app.moduleManager().moduleAboutToBeUnloaded.emit(name)
    slicer.app.moduleManager().factoryManager().loaded.remove(name)
    owner = getattr(slicer.modules, name.lower())
    left = []
    if owner._panel is not None:
        left = getattr(owner._panel.self(), "Observations", [])
        if left:
            owner._panel.self().removeObservers()
        shiboken6.delete(owner._panel)
    for attribute in (name.lower(), f"{name}Instance", f"{name}Widget"):
        vars(slicer.modules).pop(attribute, None)
    sys.modules.pop(name, None)
    if owner._added_to_path in sys.path:
        sys.path.remove(owner._added_to_path)
    return [method.__name__ for _, _, method, *_ in left]
