"""What a test holds in its hands: the rig put together, and the few things a user does to Slicer as a whole."""

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import slicer
import slicer.util
from PySide6 import QtCore, QtGui, QtWidgets

from . import (
    application,
    dialogs,
    events,
    modules,
    node_selector,
    packages,
    parameters,
    pythonqt,
    sample_data,
    scene,
    translation,
    version,
    widgets,
)

PANEL_WIDTH = 500


class Desk:
    """One rig a session: Qt and MRML cannot be started twice in a process."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="rig-")
        self.folder = Path(self._folder.name)
        self.dialogs = dialogs.Dialogs()
        self.packages = packages.Packages()
        self.errors = []
        self._start_qt()
        self._fill_slicer()
        self.renew()

    # -- put together

    def _start_qt(self):
        pythonqt.mend_reference_counts()
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
        for file_format in (QtCore.QSettings.IniFormat, QtCore.QSettings.NativeFormat):
            QtCore.QSettings.setPath(file_format, QtCore.QSettings.UserScope, str(self.folder))
        QtCore.QCoreApplication.setOrganizationName("NA-MIC")
        QtCore.QCoreApplication.setApplicationName("Slicer")
        self.qt_application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer"])
        QtWidgets.QApplication.setStyle("Fusion")
        if not QtGui.QFontDatabase.families():
            # a bare machine has no font at all; matplotlib brings one
            from matplotlib import get_data_path

            for font in sorted(Path(get_data_path(), "fonts", "ttf").glob("DejaVuSans*.ttf")):
                QtGui.QFontDatabase.addApplicationFont(str(font))
        pythonqt.give_attributes()
        pythonqt.leak_single_shots()
        pythonqt.refuse_to_wait()

    def _fill_slicer(self):
        # the wheel leaves slicer.util's functions in slicer too, where Slicer has none of them
        for name, member in list(vars(slicer).items()):
            if getattr(member, "__module__", None) == "slicer.util":
                delattr(slicer, name)
        self.scene = scene.Scene(self.folder)
        message_box = dialogs.make_message_box(self.dialogs)
        slicer.util.delayDisplay = dialogs.make_delay_display(self.dialogs)
        slicer.util.pip_install = packages.make_pip_install(self.packages)
        slicer.qMRMLWidget = widgets.qMRMLWidget
        slicer.qMRMLNodeComboBox = node_selector.qMRMLNodeComboBox
        slicer.qSlicerScriptedLoadableModule = modules.qSlicerScriptedLoadableModule
        slicer.qSlicerScriptedLoadableModuleWidget = modules.qSlicerScriptedLoadableModuleWidget
        pythonqt.UiLoader.custom_widgets = (
            widgets.qMRMLWidget,
            widgets.ctkCollapsibleButton,
            node_selector.qMRMLNodeComboBox,
        )
        stand_ins = (pythonqt.make_module(), widgets.make_ctk(message_box), sample_data.make_module())
        self._packaging = packages.make_packaging(self.packages)
        inside = (modules.make_module(), parameters.make_module(), translation.make_module(), self._packaging)
        for module in (*stand_ins, *inside):
            sys.modules[module.__name__] = module
        for module in inside:
            setattr(slicer, module.__name__.split(".")[1], module)

    # -- between tests

    def renew(self, slicer_version=version.NEW):
        """A Slicer that has just been started, of this version."""
        version.current = slicer_version
        slicer.modules = application.Modules()
        slicer.modules.colors = application.LogicModule("Colors", self.scene.color_logic)
        slicer.modules.volumes = application.LogicModule("Volumes", self.scene.volumes_logic)
        slicer.app = application.Application(self.scene, self.folder)
        slicer.app.settings().clear()
        self.main_window = application.MainWindow()
        self.dialogs.clear()
        self.packages.clear()
        if version.is_old():
            sys.modules.pop("slicer.packaging", None)
            vars(slicer).pop("packaging", None)
        else:
            sys.modules["slicer.packaging"] = slicer.packaging = self._packaging

    def put_away(self):
        """Everything that a test opened goes, also when the module under test fails at that."""
        with ExitStack() as stack:
            stack.callback(events.process_events)
            stack.callback(self.scene.reset)
            stack.callback(self.main_window.deleteLater)
            stack.callback(self.packages.clear)
            self.quit()

    # -- what a user does

    def load_module(self, path):
        """Load a module's file and return the Python module; then Slicer has started."""
        module = modules.load(path)
        slicer.app.startupCompleted.emit()
        return module

    def open_module(self, name):
        """Choose the module: its panel is made at the first time, shown and entered. Returns the widget object."""
        panel = getattr(slicer.modules, name.lower()).widgetRepresentation()
        panel.show()
        self.fit(panel)
        if not panel.isEntered:
            panel.enter()
        return panel.self()

    def leave_module(self, name):
        """Choose another module."""
        panel = getattr(slicer.modules, name.lower()).widgetRepresentation()
        panel.exit()
        panel.hide()

    def quit(self):
        """File > Exit. As in Slicer the panels are gone before anybody who waits for aboutToQuit hears of it."""
        for name in reversed(slicer.app.moduleManager().factoryManager().loadedModuleNames()):
            left = modules.unload(name)
            if left:
                # they would call a panel that is gone, and twice after the module was reloaded
                self.errors.append(RuntimeError(f"{name}'s cleanup() left observers: {left}"))
        slicer.app.aboutToQuit.emit()

    def start_without_main_window(self):
        """Slicer --no-main-window."""
        slicer.app.commandOptions().noMainWindow = True
        self.main_window.objectName = ""

    def start_for_testing(self):
        """Slicer --testing."""
        slicer.app.commandOptions().testingEnabled = True

    @staticmethod
    def refuse_invented_attributes():
        """PySide6 lets ``label.txet = "Go"`` pass where PythonQt does not."""
        for panel in QtWidgets.QApplication.topLevelWidgets():
            for widget in panel.findChildren(QtCore.QObject):
                invented = [name for name in vars(widget) if not hasattr(type(widget), name)]
                if type(widget).__module__.startswith("PySide6.") and invented:
                    raise AttributeError(f"{widget.className()} {widget.name} has no attribute {', '.join(invented)}")

    # -- looking

    spin = staticmethod(events.spin)
    process_events = staticmethod(events.process_events)

    @staticmethod
    def fit(widget):
        """As wide as Slicer's panel and as high as it needs to be."""
        events.process_events()
        widget.resize(PANEL_WIDTH, max(widget.sizeHint().height(), widget.heightForWidth(PANEL_WIDTH)))
        events.process_events()

    @staticmethod
    def render(widget, path):
        """A picture of a widget, as PNG."""
        widget.show()
        Desk.fit(widget)
        if not widget.grab().save(str(path), "PNG"):
            raise OSError(f"no picture was written to {path}")
        return path
