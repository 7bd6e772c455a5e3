"""slicer.app and slicer.modules."""

import platform
from pathlib import Path
from types import MappingProxyType

import slicer
from PySide6 import QtCore, QtWidgets

from . import version


class Modules:
    """slicer.modules: an attribute for each module that is loaded, and whatever modules put there themselves."""


class CommandOptions:
    """What Slicer was started with."""

    def __init__(self):
        self.testingEnabled = False
        self.noMainWindow = False


class FactoryManager:
    def __init__(self):
        self.loaded = []

    def loadedModuleNames(self):
        return list(self.loaded)


class ModuleManager(QtCore.QObject):
    moduleAboutToBeUnloaded = QtCore.Signal(str)

    def __init__(self):
        super().__init__()
        self._factory = FactoryManager()

    def factoryManager(self):
        return self._factory

    def module(self, name):
        return getattr(slicer.modules, name.lower()) if name in self._factory.loaded else None

    def connect(self, signature, slot):
        getattr(self, signature.split("(")[0]).connect(slot)

    def disconnect(self, signature, slot):
        getattr(self, signature.split("(")[0]).disconnect(slot)


class SliceWidget:
    """A slice view without a picture."""

    def __init__(self, logic):
        self._logic = logic

    def sliceLogic(self):
        return self._logic

    def mrmlSliceNode(self):
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self):
        return self._logic.GetSliceCompositeNode()


class LayoutManager:
    """The slice views; there is no 3D view."""

    def __init__(self, scene):
        self._scene = scene

    def mrmlSliceLogics(self):
        return self._scene.slice_logics

    def sliceViewNames(self):
        return tuple(node.GetLayoutName() for node in self._scene.nodes("vtkMRMLSliceNode"))

    def sliceWidget(self, name):
        logic = self._scene.application_logic.GetSliceLogicByLayoutName(name)
        return SliceWidget(logic) if logic else None

    def resetSliceViews(self):
        self._scene.application_logic.FitSliceToAll()


class IOManager:
    """Loads and saves what the rig can: volumes and the scene's own file."""

    OPTIONS = MappingProxyType(
        {"labelmap": 1, "center": 2, "singleFile": 4, "autoWindowLevel": 8, "discardOrientation": 16}
    )

    def __init__(self, scene):
        self._scene = scene

    def loadNodes(self, filetype, properties, nodes, messages):
        path = Path(properties["fileName"])
        if filetype != "VolumeFile":
            raise NotImplementedError(f"the rig loads no {filetype}")
        unknown = set(properties) - {"fileName", "name", "show"} - set(self.OPTIONS)
        if unknown:
            raise NotImplementedError(f"the rig loads no volume with {', '.join(sorted(unknown))}")
        options = sum(bit for option, bit in self.OPTIONS.items() if properties.get(option))
        # Slicer names a node after its file, up to the first dot, unless told otherwise
        name = properties.get("name") or path.name.split(".")[0]
        node = self._scene.volumes_logic.AddArchetypeVolume(str(path), name, options) if path.exists() else None
        if node is None:
            return False
        nodes.AddItem(node)
        if properties.get("show", True):
            selection = self._scene.application_logic.GetSelectionNode()
            if node.IsA("vtkMRMLLabelMapVolumeNode"):
                selection.SetActiveLabelVolumeID(node.GetID())
            else:
                selection.SetActiveVolumeID(node.GetID())
            self._scene.application_logic.PropagateVolumeSelection()
        return True

    def fileWriterFileType(self, node):
        return "VolumeFile" if node.IsA("vtkMRMLVolumeNode") else type(node).__name__

    def saveNodes(self, filetype, properties, messages):
        path = str(properties["fileName"])
        if filetype == "SceneFile" and path.endswith(".mrml"):
            return bool(self._scene.node.Commit(path))
        if filetype != "VolumeFile":
            raise NotImplementedError(f"the rig saves no {filetype} as {path}")
        node = self._scene.node.GetNodeByID(properties["nodeID"])
        if not node.GetStorageNode():
            node.AddDefaultStorageNode(path)
        node.GetStorageNode().SetFileName(path)
        return bool(node.GetStorageNode().WriteData(node))


class Application(QtCore.QObject):
    """slicer.app: as much of the application as a module asks for."""

    startupCompleted = QtCore.Signal()
    aboutToQuit = QtCore.Signal()

    applicationName = mainApplicationName = "Slicer"
    os = {"Linux": "linux", "Darwin": "macosx", "Windows": "win"}.get(platform.system(), "linux")
    arch = "amd64"
    platform = f"{os}-{arch}"

    def __init__(self, scene, folder):
        super().__init__()
        self._scene = scene
        self._layout_manager = LayoutManager(scene)
        self._io_manager = IOManager(scene)
        self._module_manager = ModuleManager()
        self._command_options = CommandOptions()
        self._settings = QtCore.QSettings()
        self.temporaryPath = str(folder)
        self.majorVersion, self.minorVersion = version.current
        self.applicationVersion = f"{self.majorVersion}.{self.minorVersion}.0"

    def connect(self, signature, slot):
        """``slicer.app.connect("startupCompleted()", f)``: how modules have always waited for the others."""
        getattr(self, signature.split("(")[0]).connect(slot)

    def mrmlScene(self):
        return self._scene.node

    def applicationLogic(self):
        return self._scene.application_logic

    def layoutManager(self):
        return None if self._command_options.noMainWindow else self._layout_manager

    def coreIOManager(self):
        return self._io_manager

    def moduleManager(self):
        return self._module_manager

    def commandOptions(self):
        return self._command_options

    def testingEnabled(self):
        return self._command_options.testingEnabled

    def settings(self):
        return self._settings

    def userSettings(self):
        return self._settings

    def processEvents(self):
        QtWidgets.QApplication.processEvents()

    def topLevelWidgets(self):
        return QtWidgets.QApplication.topLevelWidgets()

    def setOverrideCursor(self, cursor):
        QtWidgets.QApplication.setOverrideCursor(cursor)

    def restoreOverrideCursor(self):
        QtWidgets.QApplication.restoreOverrideCursor()

    def translate(self, context, text):
        return text

    def moduleDocumentationUrl(self, name):
        return f"https://slicer.readthedocs.io/en/latest/user_guide/modules/{name.lower()}.html"


class LogicModule:
    """A module of Slicer's own of which only the logic is there, such as slicer.modules.volumes."""

    def __init__(self, name, logic):
        self.name, self._logic = name, logic

    def logic(self):
        return self._logic


class MainWindow(QtWidgets.QMainWindow):
    """What slicer.util.mainWindow() finds; its status bar shows slicer.util.showStatusMessage."""

    def __init__(self):
        super().__init__()
        self.objectName = "qSlicerMainWindow"
        self.statusBar()
