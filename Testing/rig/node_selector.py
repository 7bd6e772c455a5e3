"""slicer.qMRMLNodeComboBox: a real combo box on the real scene."""

import logging
import weakref

import shiboken6
import slicer
import vtk
from PySide6 import QtCore, QtWidgets

NODE_ID = QtCore.Qt.UserRole


def attribute(kind, name, changed=None):
    """A Qt property that is kept in ``_name``; ``changed`` is the method called when it is set."""

    def get(self):
        return getattr(self, f"_{name}")

    def put(self, value):
        setattr(self, f"_{name}", value)
        if changed:
            getattr(self, changed)()

    return QtCore.Property(kind, get, put)


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Lists the nodes of a scene; rows: None if enabled, the nodes in the scene's order, then what can be done.

    Much of what it does follows from Qt's combo box being given and losing rows: with nothing but nodes in it, the
    first node that comes is selected by itself.
    """

    currentNodeChanged = QtCore.Signal((object,), (bool,))
    currentNodeIDChanged = QtCore.Signal(str)
    nodeAddedByUser = QtCore.Signal(object)
    nodeAdded = QtCore.Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._nodeTypes, self._showHidden, self._showChildNodeTypes = [], False, True
        self._noneEnabled, self._noneDisplay, self._selectNodeUponCreation = False, "None", True
        self._addEnabled, self._removeEnabled, self._renameEnabled, self._editEnabled = True, True, False, False
        self._base_names = {}
        self._scene = None
        self._wanted_id = ""
        self._quiet = False
        self._observed = []
        self._combo_box = QtWidgets.QComboBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo_box)
        self._combo_box.currentTextChanged.connect(self._on_current_changed)
        self._combo_box.model().rowsRemoved.connect(self._drop_what_is_gone)
        self.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Fixed)
        # as in Slicer: without a scene it is grey
        self.enabled = False

    # -- what Qt Designer sets

    showHidden = attribute(bool, "showHidden", "_refilter")
    showChildNodeTypes = attribute(bool, "showChildNodeTypes", "_refilter")
    selectNodeUponCreation = attribute(bool, "selectNodeUponCreation")
    noneEnabled = attribute(bool, "noneEnabled", "_refilter")
    noneDisplay = attribute(str, "noneDisplay", "_refilter")
    addEnabled = attribute(bool, "addEnabled", "_refilter")
    removeEnabled = attribute(bool, "removeEnabled", "_refilter")
    renameEnabled = attribute(bool, "renameEnabled", "_refilter")
    editEnabled = attribute(bool, "editEnabled", "_refilter")

    def _get_node_types(self):
        return list(self._nodeTypes)

    def setNodeTypes(self, types):
        self._nodeTypes = [name for name in types if name]
        self._refilter()

    nodeTypes = QtCore.Property("QStringList", _get_node_types, setNodeTypes)

    def _get_base_name(self):
        return self._base_names.get(self._nodeTypes[0], "") if self._nodeTypes else ""

    def setBaseName(self, name):
        if not self._nodeTypes:
            # Slicer forgets it: nodeTypes has to come first
            logging.warning("qMRMLNodeComboBox: baseName is ignored before nodeTypes is set")
        self._base_names.update(dict.fromkeys(self._nodeTypes, name))

    baseName = QtCore.Property(str, _get_base_name, setBaseName)

    # -- the current node

    def mrmlScene(self):
        return self._scene

    def nodeCount(self):
        return len(self._node_rows())

    def nodeFromIndex(self, index):
        rows = self._node_rows()
        return self._node_of_row(rows[index]) if 0 <= index < len(rows) else None

    def currentNode(self):
        return self._node_of_row(self._combo_box.currentIndex)

    def _get_current_id(self):
        node = self.currentNode()
        return node.GetID() if node else ""

    def setCurrentNode(self, node):
        if not (node is None or isinstance(node, slicer.vtkMRMLNode)):
            raise TypeError(f"setCurrentNode takes a node or None, not {node!r}")
        self.setCurrentNodeID((node and node.GetID()) or "")

    def setCurrentNodeID(self, node_id):
        if self._scene is None:
            self._wanted_id = node_id
        row = self._combo_box.findData(node_id, NODE_ID) if node_id else -1
        self._combo_box.setCurrentIndex(row if row >= 0 else (0 if self._noneEnabled and self._scene else -1))

    currentNodeID = QtCore.Property(str, _get_current_id, setCurrentNodeID)

    def addNode(self, node_type=None):
        """What "Create new ..." does."""
        node_type = node_type or self._nodeTypes[0]
        if node_type not in self._nodeTypes:
            return None
        node = self._scene.CreateNodeByClass(node_type)
        node.UnRegister(None)
        base = self._base_names.get(node_type) or self._scene.GetTypeDisplayNameByClassName(node_type)
        node.SetName(self._scene.GetUniqueNameByString(base))
        node = self._scene.AddNode(node)
        if self._selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self):
        """What "Delete current ..." does."""
        self._scene.RemoveNode(self.currentNode())

    # -- the scene

    @QtCore.Slot(object)
    def setMRMLScene(self, scene):
        if scene is self._scene:
            return
        for target, tag in self._observed:
            target.RemoveObserver(tag)
        self._observed = []
        had_nodes, current_id = self.nodeCount() > 0, self.currentNodeID
        self._scene = scene
        self._quiet = True
        if scene is not None:
            for event in ("NodeAddedEvent", "NodeRemovedEvent", "EndImportEvent", "EndCloseEvent"):
                self._observe(scene, getattr(slicer.vtkMRMLScene, event))
        self._set_other_rows()
        self._refill()
        if not had_nodes:
            # a selector without a None row begins with the first node
            first = None if self._noneEnabled else self.nodeFromIndex(0)
            current_id = self._wanted_id or (first.GetID() if first else "")
        self.setCurrentNodeID("")
        self._wanted_id = ""
        self._quiet = False
        self.setCurrentNodeID(current_id)
        self.enabled = scene is not None

    def _observe(self, target, event):
        # neither the scene nor a node may keep a deleted widget alive
        reference = weakref.ref(self)

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def pass_on(caller, event_name, node=None):
            selector = reference()
            if selector is not None and shiboken6.isValid(selector):
                selector._on_event(caller, event, node)

        self._observed.append((target, target.AddObserver(event, pass_on)))

    def _on_event(self, caller, event, node):
        scene_class = slicer.vtkMRMLScene
        if event == vtk.vtkCommand.ModifiedEvent:
            if not (self._scene.IsImporting() or self._scene.IsClosing()):
                self._update(caller)
        elif event in (scene_class.EndImportEvent, scene_class.EndCloseEvent):
            self._refill()
        elif event == scene_class.NodeAddedEvent and not self._scene.IsImporting():
            self._watch(node)
            self._update(node)
        elif event == scene_class.NodeRemovedEvent and not self._scene.IsClosing():
            self._remove(node.GetID())
            self._unwatch(node)

    def _unwatch(self, *nodes):
        for pair in [pair for pair in self._observed if pair[0] in nodes]:
            pair[0].RemoveObserver(pair[1])
            self._observed.remove(pair)

    def _watch(self, node):
        if not self._nodeTypes or any(node.IsA(name) for name in self._nodeTypes):
            self._observe(node, vtk.vtkCommand.ModifiedEvent)

    def _accepts(self, node):
        if node.GetHideFromEditors() and not self._showHidden:
            return False
        if not self._nodeTypes:
            return True
        if self._showChildNodeTypes:
            return any(node.IsA(name) for name in self._nodeTypes)
        return node.GetClassName() in self._nodeTypes

    # -- rows

    def _node_rows(self):
        return [row for row in range(self._combo_box.count) if self._combo_box.itemData(row, NODE_ID)]

    def _node_of_row(self, row):
        node_id = self._combo_box.itemData(row, NODE_ID) if row >= 0 else None
        return self._scene.GetNodeByID(node_id) if self._scene and node_id else None

    def _update(self, node):
        row = self._combo_box.findData(node.GetID(), NODE_ID)
        if not self._accepts(node):
            self._remove(node.GetID())
        elif row >= 0:
            if self._combo_box.itemText(row) != node.GetName():
                self._combo_box.setItemText(row, node.GetName())
        else:
            self._combo_box.insertItem(self._noneEnabled + self.nodeCount(), node.GetName(), node.GetID())
            self.nodeAdded.emit(node)

    def _remove(self, node_id):
        row = self._combo_box.findData(node_id, NODE_ID)
        if row >= 0:
            self._combo_box.removeItem(row)

    def _refill(self):
        """All nodes go and come again; between the two nothing is selected, and Slicer says so."""
        rows = self._node_rows()
        if rows:
            self._combo_box.model().removeRows(rows[0], len(rows))
        if self._scene is None:
            return
        self._unwatch(*(target for target, _ in self._observed if target is not self._scene))
        for index in range(self._scene.GetNumberOfNodes()):
            node = self._scene.GetNthNode(index)
            self._watch(node)
            self._update(node)

    def _refilter(self):
        """A property changed: the same nodes by other rules, the current one kept where it still counts."""
        if self._scene is None:
            return
        current_id = self.currentNodeID
        self._quiet = True
        self._set_other_rows()
        self._refill()
        self.setCurrentNodeID(current_id)
        self._quiet = False
        if self.currentNodeID != current_id:
            self._on_current_changed()

    def _set_other_rows(self):
        self._combo_box.clear()
        if self._scene is None:
            return
        if self._noneEnabled:
            self._combo_box.addItem(self._noneDisplay)
        current = self._combo_box.currentIndex
        label = self._scene.GetTypeDisplayNameByClassName(self._nodeTypes[0]) if len(self._nodeTypes) == 1 else "node"
        actions = (
            (self._renameEnabled, f"Rename current {label}"),
            (self._editEnabled, f"Edit current {label}"),
            (self._addEnabled, f"Create new {label}"),
            (self._addEnabled and self._renameEnabled, f"Create new {label} as..."),
            (self._removeEnabled, f"Delete current {label}"),
        )
        if any(enabled for enabled, _ in actions):
            self._combo_box.insertSeparator(self._combo_box.count)
        self._combo_box.addItems([text for enabled, text in actions if enabled])
        self._combo_box.setCurrentIndex(current)

    def _drop_what_is_gone(self):
        if self._scene is not None and self.currentNode() is None:
            self.setCurrentNode(None)

    def _on_current_changed(self):
        if self._quiet:
            return
        node, row = self.currentNode(), self._combo_box.currentIndex
        if node is None and row != (0 if self._noneEnabled else -1):
            # Qt moved on to a row that is no node; without any node left Slicer says nothing at all
            last = self.nodeFromIndex(self.nodeCount() - 1)
            if last is not None:
                self.setCurrentNode(last)
            return
        self.currentNodeChanged[object].emit(node)
        self.currentNodeChanged[bool].emit(node is not None)
        self.currentNodeIDChanged.emit(node.GetID() if node else "")
