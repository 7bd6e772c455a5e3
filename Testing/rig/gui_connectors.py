"""What ties a parameter to a widget. As in Slicer, the widget's own class decides: a subclass is another widget."""

import enum

import slicer
from PySide6 import QtWidgets

from . import version
from .parameters import Choice, Decimals, Maximum, Minimum, SingleStep, WithinRange, first_of, split


class Connector:
    """Reads and writes one attribute of a widget and hears one of its signals."""

    widgets: tuple = ()
    attribute = ""
    signal = ""

    @classmethod
    def fits(cls, widget, kind):
        return type(widget) in cls.widgets and cls.fits_type(kind)

    @classmethod
    def fits_type(cls, kind):
        raise NotImplementedError

    def __init__(self, widget, kind, annotations):
        self.widget, self.kind = widget, kind
        self._slot = None
        self.prepare(annotations)

    def prepare(self, annotations):
        """Set the widget up for the parameter."""

    def on_changed(self, slot):
        self._slot = slot
        if self.signal:
            getattr(self.widget, self.signal).connect(slot)

    def disconnect(self):
        if self.signal and self._slot:
            getattr(self.widget, self.signal).disconnect(self._slot)
        self._slot = None

    def read(self):
        return getattr(self.widget, self.attribute)

    def write(self, value):
        setattr(self.widget, self.attribute, value)


class CheckBox(Connector):
    widgets = (QtWidgets.QCheckBox,)
    attribute, signal = "checked", "stateChanged"

    @classmethod
    def fits_type(cls, kind):
        return kind is bool


class PushButton(Connector):
    widgets = (QtWidgets.QPushButton,)
    attribute, signal = "checked", "toggled"

    @classmethod
    def fits_type(cls, kind):
        return kind is bool

    def prepare(self, annotations):
        self.widget.checkable = True


class Spin(Connector):
    """Bounds come from the annotations; without one the widget is opened wide, whatever the .ui file says."""

    attribute, signal = "value", "valueChanged"
    lowest: float
    highest: float

    def prepare(self, annotations):
        bounds = first_of(annotations, WithinRange)
        low, high = bounds or first_of(annotations, Minimum), bounds or first_of(annotations, Maximum)
        if isinstance(self.widget, QtWidgets.QSlider) and not (low and high):
            raise RuntimeError("a QSlider needs a parameter with a lowest and a highest value")
        step = first_of(annotations, SingleStep)
        if step:
            self.widget.singleStep = step.value
        self.widget.minimum = low.minimum if low else self.lowest
        self.widget.maximum = high.maximum if high else self.highest


class IntegerSpin(Spin):
    widgets = (QtWidgets.QSpinBox, QtWidgets.QSlider)
    lowest, highest = -(2**31), 2**31 - 1

    @classmethod
    def fits_type(cls, kind):
        return kind is int


class DoubleSpin(Spin):
    widgets = (QtWidgets.QDoubleSpinBox,)
    lowest, highest = float("-inf"), float("inf")

    @classmethod
    def fits_type(cls, kind):
        # int came after Slicer 5.6
        return kind is float or (kind is int and not version.is_old())

    def prepare(self, annotations):
        decimals = first_of(annotations, Decimals)
        if self.kind is int:
            self.widget.decimals = 0
        elif decimals:
            self.widget.decimals = decimals.value
        super().prepare(annotations)

    def read(self):
        return self.kind(self.widget.value)


class ComboBox(Connector):
    """Fills the combo box; what the .ui file put into it is gone."""

    widgets = (QtWidgets.QComboBox,)
    signal = "currentIndexChanged"

    def fill(self, labels, values):
        self.values = list(values)
        self.widget.clear()
        self.widget.addItems(labels)

    def read(self):
        return self.values[self.widget.currentIndex]

    def write(self, value):
        if value not in self.values:
            raise ValueError(f"{value!r} is none of {self.values}")
        self.widget.currentIndex = self.values.index(value)


class ChoiceComboBox(ComboBox):
    @classmethod
    def fits_type(cls, kind):
        return kind in (int, float, str, bool)

    def prepare(self, annotations):
        choice = first_of(annotations, Choice)
        if choice is None:
            raise RuntimeError(f"a QComboBox for {self.kind} needs the annotation Choice")
        self.fill([str(value) for value in choice.choices], choice.choices)


class EnumComboBox(ComboBox):
    @classmethod
    def fits_type(cls, kind):
        return issubclass(kind, enum.Enum)

    def prepare(self, annotations):
        # a method label() of the enumeration gives the texts; a property of that name would fail here as in Slicer
        label = getattr(self.kind, "label", lambda member: member.name)
        if not version.is_old():
            # Slicer 5.12 keeps the selection by its index: more rows in the .ui file than members are an error
            selected = list(self.kind)[self.widget.currentIndex]
        self.fill([label(member) for member in self.kind], self.kind)
        if not version.is_old():
            self.write(selected)


class LineEdit(Connector):
    widgets = (QtWidgets.QLineEdit,)
    attribute, signal = "text", "textChanged"

    @classmethod
    def fits_type(cls, kind):
        return kind is str

    def write(self, value):
        # setting the same text would move the cursor
        if value != self.widget.text or version.is_old():
            self.widget.text = value


class Label(Connector):
    widgets = (QtWidgets.QLabel,)
    attribute = "text"

    @classmethod
    def fits_type(cls, kind):
        return kind is str and not version.is_old()


class NodeSelector(Connector):
    signal = "currentNodeChanged"

    @classmethod
    def fits(cls, widget, kind):
        return (
            type(widget) is slicer.qMRMLNodeComboBox
            and isinstance(kind, type)
            and issubclass(kind, slicer.vtkMRMLNode)
        )

    def prepare(self, annotations):
        # the parameter's class overrules the node types of the .ui file
        self.widget.nodeTypes = [self.kind().GetClassName()]

    def read(self):
        return self.widget.currentNode()

    def write(self, value):
        self.widget.setCurrentNode(value)


CONNECTORS = (
    CheckBox,
    PushButton,
    IntegerSpin,
    DoubleSpin,
    ChoiceComboBox,
    EnumComboBox,
    LineEdit,
    Label,
    NodeSelector,
)


def connect(widget, datatype):
    """The connector for a widget and a parameter's type."""
    kind, annotations = split(datatype)
    for connector in CONNECTORS:
        if connector.fits(widget, kind):
            return connector(widget, kind, annotations)
    raise RuntimeError(f"no connector ties {datatype} to a {type(widget).__name__}, or the rig does not have it")
