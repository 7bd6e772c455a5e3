"""``slicer.parameterNodeWrapper``: typed attributes over the real parameter node, so that they live in the scene.

The types are int, float, str, bool, enumerations and MRML nodes. Slicer knows more; here they are refused.
"""

import enum
import typing
import weakref
from types import ModuleType

import slicer
import vtk

from . import version

# -- annotations


class Default:
    """The value of a parameter at first; a generator makes a new one each time."""

    def __init__(self, value=None, *, generator=None):
        self._value, self._generator = value, generator

    @property
    def value(self):
        return self._generator() if self._generator else self._value


class Decimals:
    def __init__(self, value):
        self.value = value


class SingleStep:
    def __init__(self, value):
        self.value = value


class Validator:
    def validate(self, value):
        raise NotImplementedError(f"{type(self).__name__} has no validate()")


class NotNone(Validator):
    def validate(self, value):
        if value is None:
            raise ValueError("the value must not be None")


class IsInstance(Validator):
    def __init__(self, classtype):
        self.classtype = classtype

    def validate(self, value):
        if value is not None and not isinstance(value, self.classtype):
            raise TypeError(f"{value!r} is a {type(value)}, not a {self.classtype}")


class WithinRange(Validator):
    def __init__(self, minimum, maximum):
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value):
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within [{self.minimum}, {self.maximum}]")


class Minimum(Validator):
    def __init__(self, minimum):
        self.minimum = minimum

    def validate(self, value):
        if value < self.minimum:
            raise ValueError(f"{value} is less than {self.minimum}")


class Maximum(Validator):
    def __init__(self, maximum):
        self.maximum = maximum

    def validate(self, value):
        if value > self.maximum:
            raise ValueError(f"{value} is more than {self.maximum}")


class Choice(Validator):
    def __init__(self, choices):
        self.choices = choices

    def validate(self, value):
        if value not in self.choices:
            raise ValueError(f"{value!r} is none of {self.choices}")


class Exclude(Validator):
    def __init__(self, excludedValues):
        self.excludedValues = excludedValues

    def validate(self, value):
        if value in self.excludedValues:
            raise ValueError(f"{value!r} is one of {self.excludedValues}")


def split(datatype):
    """A type and the list of its annotations."""
    if typing.get_origin(datatype) is typing.Annotated:
        plain, *annotations = typing.get_args(datatype)
        return plain, annotations
    return datatype, []


def first_of(annotations, kind):
    return next((annotation for annotation in annotations if isinstance(annotation, kind)), None)


# -- how a value is kept in a vtkMRMLScriptedModuleNode


class Store:
    """A value as text; subclasses say how it is written and read."""

    def __init__(self, kind):
        self.kind = kind

    def default(self):
        return self.kind()

    def validators(self):
        return [NotNone(), IsInstance(self.kind)]

    def read(self, node, name):
        return self.kind(node.GetParameter(name))

    def write(self, node, name, value):
        node.SetParameter(name, str(value))


class NumberStore(Store):
    def validators(self):
        # bool is an int in Python, and Slicer takes it as one
        return [NotNone(), IsInstance((int, float) if self.kind is float else int)]


class BoolStore(Store):
    def read(self, node, name):
        return node.GetParameter(name) == "True"


class EnumStore(Store):
    def default(self):
        return next(iter(self.kind))

    def validators(self):
        return [IsInstance(self.kind)]

    def read(self, node, name):
        key = node.GetParameter(name)
        try:
            return self.kind[key]
        except KeyError:
            raise ValueError(f"the scene says {key!r}, which {self.kind!r} does not have") from None

    def write(self, node, name, value):
        node.SetParameter(name, value.name)


class NodeStore(Store):
    def default(self):
        return None

    def validators(self):
        return [IsInstance(self.kind)]

    def read(self, node, name):
        return node.GetNodeReference(name)

    def write(self, node, name, value):
        # the empty parameter says that None was chosen rather than nothing
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)


def make_store(kind):
    plain = {int: NumberStore, float: NumberStore, str: Store, bool: BoolStore}
    if kind in plain:
        return plain[kind](kind)
    if isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode):
        return NodeStore(kind)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return EnumStore(kind)
    raise NotImplementedError(f"the rig keeps no parameters of the type {kind}")


class Parameter:
    """What a wrapper class knows of one of its parameters."""

    def __init__(self, owner, name, datatype):
        kind, annotations = split(datatype)
        self.name, self.datatype, self.store = name, datatype, make_store(kind)
        self.validators = self.store.validators()
        self.validators += [annotation for annotation in annotations if isinstance(annotation, Validator)]
        default = first_of(annotations, Default)
        if name in vars(owner):
            default = Default(vars(owner)[name])
        self.default = default or Default(self.store.default())

    def write(self, node, value):
        for validator in self.validators:
            validator.validate(value)
        self.store.write(node, self.name, value)

    def read(self, node):
        if not node.HasParameter(self.name):
            self.write(node, self.default.value)
        return self.store.read(node, self.name)


class Kept:
    """One parameter of one node. The value is remembered and read anew only when the node says that it was modified.

    So a node that left the scene can still be the value: Slicer does the same.
    """

    def __init__(self, parameter, node):
        self.parameter, self.node = parameter, node
        self.value = parameter.read(node)
        self._writing = False
        reference = weakref.ref(self)
        self._tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: reference()._on_modified())

    def __del__(self):
        if hasattr(self, "_tag"):
            self.node.RemoveObserver(self._tag)

    def _on_modified(self):
        if not self._writing:
            self.value = self.parameter.read(self.node)

    def write(self, value):
        self._writing = True
        try:
            with slicer.util.NodeModify(self.node):
                self.parameter.write(self.node, value)
                self.value = self.parameter.read(self.node)
        finally:
            self._writing = False


# -- the wrapper


def attribute(name):
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))


class Wrapper:
    """What ``@parameterNodeWrapper`` adds to a class."""

    def __init__(self, parameterNode, prefix=None):
        if prefix is not None:
            raise NotImplementedError("the rig has no prefix for a parameterNodeWrapper")
        self.parameterNode = parameterNode
        self._guis = {}
        self._updating_gui = False
        for parameter in self.allParameters.values():
            if not parameterNode.HasParameter(parameter.name):
                # a default that its own validators refuse is an error here, at the first use
                parameter.write(parameterNode, parameter.default.value)
        self._kept = {name: Kept(parameter, parameterNode) for name, parameter in self.allParameters.items()}

    @classmethod
    def _parameter(cls, name):
        if name not in cls.allParameters:
            raise ValueError(f"{cls.__name__} has no parameter {name}: it has {', '.join(cls.allParameters)}")
        return cls.allParameters[name]

    @classmethod
    def dataType(cls, name):
        return cls._parameter(name).datatype

    def default(self, name):
        """The Default, not its value: as in Slicer."""
        return self._parameter(name).default

    def isCached(self, name):
        return self._parameter(name) is not None

    def getValue(self, name):
        self._parameter(name)
        return self._kept[name].value

    def setValue(self, name, value):
        self._parameter(name)
        self._kept[name].write(value)

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified):
        return self.parameterNode.EndModify(wasModified)

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        self.parameterNode.RemoveObserver(tag)

    def Modified(self):
        self.parameterNode.Modified()

    # -- widgets

    def connectGui(self, gui):
        """Tie each widget to the parameter that its property SlicerParameterName names."""
        from PySide6 import QtWidgets

        if getattr(gui, "isWidgetType", lambda: False)():
            widgets = gui.findChildren(QtWidgets.QWidget)
        else:
            widgets = vars(gui).values()
        named = {widget.property("SlicerParameterName"): widget for widget in widgets}
        tag = self.connectParametersToGui({name: widget for name, widget in named.items() if name})
        # Slicer 5.6 forgets to return the tag, so that disconnectGui(None) leaves everything connected
        return None if version.is_old() else tag

    def connectParametersToGui(self, mapping):
        from .gui_connectors import connect

        for name in mapping:
            self._parameter(name)
        connectors = {name: connect(widget, self.dataType(name)) for name, widget in mapping.items()}
        tag = len(self._guis)
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.on_changed(self._gui_to_parameter(name, connector))
        observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._update_gui())
        self._guis[tag] = (connectors, observer)
        return tag

    def disconnectGui(self, tag):
        connectors, observer = self._guis.get(tag) or ({}, None)
        for connector in connectors.values():
            connector.disconnect()
        if tag in self._guis:
            self._guis[tag] = None
            if not version.is_old():
                # Slicer 5.6 leaves the observer
                self.RemoveObserver(observer)

    def _gui_to_parameter(self, name, connector):
        def on_changed(*_):
            with slicer.util.NodeModify(self):
                if not self._updating_gui:
                    self.setValue(name, connector.read())

        return on_changed

    def _update_gui(self):
        if self._updating_gui:
            return
        self._updating_gui = True
        try:
            with slicer.util.NodeModify(self):
                for connectors, _ in filter(None, self._guis.values()):
                    for name, connector in connectors.items():
                        connector.write(self.getValue(name))
        finally:
            self._updating_gui = False


def parameterNodeWrapper(classtype=None):
    """Class decorator: every annotated attribute becomes a parameter."""
    if classtype is None:
        return parameterNodeWrapper
    parameters = {}
    for name, datatype in typing.get_type_hints(classtype, include_extras=True).items():
        try:
            parameters[name] = Parameter(classtype, name, datatype)
        except Exception as error:
            raise Exception(f"{classtype.__name__}.{name} cannot be kept in a parameter node") from error
    for name, parameter in parameters.items():
        setattr(classtype, parameter.name, attribute(name))
    for name, member in {**vars(Wrapper), "allParameters": parameters}.items():
        if name == "__init__":
            classtype.__init__ = member
        elif not name.startswith("__"):
            if hasattr(classtype, name):
                raise ValueError(f"{name} belongs to the parameterNodeWrapper: no parameter can have this name")
            setattr(classtype, name, member)
    return classtype


def make_module():
    """The module ``slicer.parameterNodeWrapper``."""
    module = ModuleType("slicer.parameterNodeWrapper")
    public = (Choice, Decimals, Default, Exclude, IsInstance, Maximum, Minimum, NotNone, SingleStep, Validator)
    for member in (*public, WithinRange, parameterNodeWrapper):
        setattr(module, member.__name__, member)
    module.SlicerParameterNamePropertyName = "SlicerParameterName"
    return module
