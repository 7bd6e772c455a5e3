"""``import ctk`` and the plain widgets of Slicer."""

from types import ModuleType

from PySide6 import QtCore, QtGui, QtWidgets


class qMRMLWidget(QtWidgets.QWidget):
    """A widget that hands the scene on to those that are connected to it."""

    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    def mrmlScene(self):
        return self._scene

    @QtCore.Slot(object)
    def setMRMLScene(self, scene):
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A header that shows and hides what lies below it."""

    contentsCollapsed = QtCore.Signal(bool)
    HEADER = 22

    def __init__(self, text="", parent=None):
        # Qt Designer's loader gives the parent alone
        if isinstance(text, QtWidgets.QWidget):
            text, parent = "", text
        super().__init__(parent)
        self._was_hidden = set()
        self.text = text
        self.checkable = True
        self.checked = True
        self.setContentsMargins(0, self.HEADER, 0, 0)
        self.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Preferred)
        self.toggled.connect(self._on_toggled)

    def _get_collapsed(self):
        return not self.checked

    def setCollapsed(self, collapsed):
        self.checked = not collapsed

    collapsed = QtCore.Property(bool, _get_collapsed, setCollapsed)

    def _contents(self):
        return [child for child in self.children() if isinstance(child, QtWidgets.QWidget)]

    def _on_toggled(self, opened):
        if opened:
            for child in self._contents():
                child.setVisible(child not in self._was_hidden)
        else:
            self._was_hidden = {child for child in self._contents() if child.isHidden()}
            for child in self._contents():
                child.hide()
        self.maximumHeight = 16777215 if opened else self.HEADER
        self.updateGeometry()
        self.contentsCollapsed.emit(not opened)

    def childEvent(self, event):
        # a panel that is closed in the .ui file gets its contents afterwards
        if event.type() == QtCore.QEvent.ChildPolished and self.collapsed:
            child = event.child()
            if isinstance(child, QtWidgets.QWidget):
                child.hide()
        super().childEvent(event)

    def hitButton(self, position):
        return position.y() < self.HEADER

    def sizeHint(self):
        header = QtCore.QSize(self.fontMetrics().horizontalAdvance(self.text) + 30, self.HEADER)
        return header if self.collapsed else QtWidgets.QWidget.sizeHint(self).expandedTo(header)

    def minimumSizeHint(self):
        return QtCore.QSize(60, self.HEADER)

    def paintEvent(self, event):
        painter = QtGui.QPainter(self)
        header = QtCore.QRect(0, 0, self.width, self.HEADER)
        painter.fillRect(header, self.palette.window().color().darker(108))
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect(6, 6, 10, 10)
        shape = QtWidgets.QStyle.PE_IndicatorArrowDown if self.checked else QtWidgets.QStyle.PE_IndicatorArrowRight
        self.style().drawPrimitive(shape, arrow, painter, self)
        painter.drawText(header.adjusted(22, 0, 0, 0), QtCore.Qt.AlignVCenter | QtCore.Qt.TextShowMnemonic, self.text)


def make_ctk(message_box):
    """The module ``ctk``."""
    module = ModuleType("ctk")
    module.ctkCollapsibleButton = ctkCollapsibleButton
    module.ctkMessageBox = message_box
    return module
