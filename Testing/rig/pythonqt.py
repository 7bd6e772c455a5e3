"""``import qt``: PySide6 with the attributes that PythonQt gives to Qt's objects."""

import ctypes
import re
import sys
from types import ModuleType
from xml.etree import ElementTree

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

LIBRARIES = (QtCore, QtGui, QtWidgets)

# Qt calls these from C++ and looks for a method of that name in Python first: they have to stay methods
VIRTUAL = {"sizeHint", "minimumSizeHint", "spacing", "duration", "QProgressBar.text"}

# each would wait for a mouse click that never comes
MODAL = {
    QtWidgets.QDialog: ("exec", "exec_"),
    QtWidgets.QMessageBox: ("about", "critical", "information", "question", "warning"),
    QtWidgets.QInputDialog: ("getDouble", "getInt", "getItem", "getMultiLineText", "getText"),
    QtWidgets.QFileDialog: ("getExistingDirectory", "getOpenFileName", "getOpenFileNames", "getSaveFileName"),
    QtWidgets.QMenu: ("exec", "exec_"),
}


class QtAttribute:
    """A Qt property as an attribute of its objects; the class keeps the method of that name."""

    def __init__(self, name, method=None):
        self.name = name
        self.method = method

    def __get__(self, instance, owner=None):
        if instance is None:
            return self.method
        return QtCore.QObject.property(instance, self.name)

    def __set__(self, instance, value):
        if not QtCore.QObject.setProperty(instance, self.name, value):
            raise AttributeError(f"{type(instance).__name__}.{self.name} cannot be set to {value!r}")


def classes():
    """Every class of Qt's objects."""
    for library in LIBRARIES:
        for name in dir(library):
            candidate = getattr(library, name)
            if isinstance(candidate, type) and issubclass(candidate, QtCore.QObject):
                yield candidate


def give_attributes():
    """Make ``label.text = "..."`` what it is in Slicer.

    PySide6's own true_property would do that for chosen modules but takes ``setText`` away, which PythonQt has.
    """
    for owner in classes():
        meta = owner.staticMetaObject
        for index in range(meta.propertyOffset(), meta.propertyCount()):
            name = meta.property(index).name()
            if not {name, f"{owner.__name__}.{name}"} & VIRTUAL:
                setattr(owner, name, QtAttribute(name, getattr(owner, name, None)))
    QtCore.QObject.name = QtAttribute("objectName")
    QtCore.QObject.className = lambda self: self.metaObject().className()
    QtCore.QEventLoop.exec_ = QtCore.QEventLoop.exec


kept_forever = []
"""What was given to QTimer.singleShot."""


def leak_single_shots():
    """Slicer's own ``qt.QTimer.singleShot`` never lets go of what it called (Base/Python/slicer/slicerqt.py)."""
    single_shot = QtCore.QTimer.singleShot

    def singleShot(milliseconds, callback):
        kept_forever.append(callback)
        single_shot(milliseconds, callback)

    QtCore.QTimer.singleShot = staticmethod(singleShot)


def refuse_to_wait():
    """No dialog may stop a test for ever."""

    def refusal(name):
        def refuse(*arguments, **options):
            raise NotImplementedError(f"{name} waits for a user and the rig has none: use slicer.util's displays")

        return refuse

    for owner, names in MODAL.items():
        for name in names:
            setattr(owner, name, staticmethod(refusal(f"{owner.__name__}.{name}")))


def mend_reference_counts():
    """PySide6 6.12 gives True away on each ``emit`` and None on each call of a slot, until Python aborts.

    Since Python 3.12 they are immortal and nobody notices.
    """
    if sys.version_info < (3, 12):
        for constant in (True, False, None):
            ctypes.c_ssize_t.from_address(id(constant)).value += 1 << 40


class UiLoader(QtUiTools.QUiLoader):
    """Loads a .ui file as it is, Slicer's widgets included; what Qt would pass over in silence is an error."""

    custom_widgets = ()

    def __init__(self, parent=None):
        super().__init__(parent)
        for widget in self.custom_widgets:
            self.registerCustomWidget(widget)

    def load(self, device, parent=None):
        tree = ElementTree.fromstring(device.readAll().data())
        self._refuse_unknown_classes(tree)
        for end in tree.iterfind("connections/connection/*"):
            # a node or a scene goes through PySide6 as a Python object
            end.text = re.sub(r"vtk\w+\s*\*", "PyObject", end.text or "")
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(tree))
        buffer.open(QtCore.QIODevice.ReadOnly)
        widget = super().load(buffer, parent)
        if widget is not None:
            named = {child.objectName: child for child in [widget, *widget.findChildren(QtCore.QObject)]}
            self._refuse_unknown_properties(tree, named)
            self._refuse_unknown_connections(tree, named)
        return widget

    def _refuse_unknown_classes(self, tree):
        known = {*self.availableWidgets(), *(widget.__name__ for widget in self.custom_widgets), "Line"}
        unknown = {element.get("class") for element in tree.iter("widget")} - known
        if unknown:
            raise NotImplementedError(f"the rig has no widget {', '.join(sorted(unknown))}")

    def _refuse_unknown_properties(self, tree, named):
        for element in tree.iter("widget"):
            widget = named[element.get("name")]
            for given in element.iterfind("property"):
                name = given.get("name")
                # stdset="0" marks a property that the file itself adds, such as SlicerParameterName
                if given.get("stdset") != "0" and widget.metaObject().indexOfProperty(name) < 0:
                    if (element.get("class"), name) in {("Line", "orientation"), ("QLabel", "buddy")}:
                        continue
                    raise NotImplementedError(f"{element.get('class')} has no property {name} in the rig")

    def _refuse_unknown_connections(self, tree, named):
        for connection in tree.iterfind("connections/connection"):
            for role, kind in (("sender", "signal"), ("receiver", "slot")):
                name, method = connection.findtext(role), connection.findtext(kind)
                if name not in named:
                    raise NameError(f"a connection of the .ui file names {name}, which is not there")
                signature = QtCore.QMetaObject.normalizedSignature(method).data().decode()
                if named[name].metaObject().indexOfMethod(signature) < 0:
                    raise NotImplementedError(f"{named[name].className()} has no {kind} {method} in the rig")


def make_module():
    """The module ``qt``."""
    module = ModuleType("qt")
    for library in LIBRARIES:
        for name in dir(library):
            # PythonQt declares no signals in Python
            if not name.startswith("_") and name not in {"Signal", "Slot", "Property"}:
                setattr(module, name, getattr(library, name))
    module.QUiLoader = UiLoader
    return module
