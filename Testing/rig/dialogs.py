"""Message boxes: what was said to the user, and the answers that a test has laid ready.

``slicer.util.errorDisplay`` and its kin are Slicer's own and run as they are; their boxes end here. So they behave as
in Slicer: in testing mode no box comes up and the answer is yes; without a main window errors are only logged.
"""

import logging
from collections import defaultdict, deque
from dataclasses import dataclass

from PySide6 import QtCore, QtWidgets

Box = QtWidgets.QMessageBox
QUESTIONS = {
    (Box.Ok | Box.Cancel).value: ("ok-cancel", Box.Ok, Box.Cancel),
    (Box.Yes | Box.No).value: ("yes-no", Box.Yes, Box.No),
    (Box.Retry | Box.Close).value: ("retry-close", Box.Retry, Box.Close),
}
STATEMENTS = {
    Box.NoIcon: "message",
    Box.Information: "info",
    Box.Warning: "warning",
    Box.Critical: "error",
}


@dataclass
class Shown:
    """One message: its kind ("info", "warning", "error", "delay", "ok-cancel", "yes-no", ...) and its texts."""

    kind: str
    text: str
    title: str = ""
    details: str = ""


class Dialogs:
    """What has been shown, and what will be answered."""

    def __init__(self):
        self.clear()

    def clear(self):
        self.shown = []
        self.unanswered = []
        self._answers = defaultdict(deque)

    def answer(self, kind, *answers):
        """Lay answers ready for the next questions of a kind: True for OK, Yes or Retry, False for the other."""
        self._answers[kind].extend(answers)

    def texts(self, *kinds):
        """What was shown, of these kinds or at all."""
        return [shown.text for shown in self.shown if not kinds or shown.kind in kinds]

    def ask(self, shown):
        self.shown.append(shown)
        if not self._answers[shown.kind]:
            # kept for the end of the test too: the module may catch what is raised here
            self.unanswered.append(shown)
            raise AssertionError(f"the test has no answer to this {shown.kind} question: {shown.text}")
        return self._answers[shown.kind].popleft()


def make_message_box(dialogs):
    """The class ``ctk.ctkMessageBox``."""

    class ctkMessageBox(QtWidgets.QMessageBox):
        def exec_(self):
            buttons = Box.standardButtons(self).value
            shown = Shown("", self.text, self.windowTitle.strip(), self.detailedText)
            if buttons in QUESTIONS:
                shown.kind, yes, no = QUESTIONS[buttons]
                return yes if dialogs.ask(shown) else no
            if buttons not in (Box.NoButton.value, Box.Ok.value):
                raise NotImplementedError(f"the rig knows no message box with the buttons {buttons:#x}")
            shown.kind = STATEMENTS[Box.icon(self)]
            dialogs.shown.append(shown)
            return Box.Ok

        def _remember(self, key):
            raise NotImplementedError(f"the rig shows every message: dontShowAgainSettingsKey {key} has no effect")

        dontShowAgainSettingsKey = QtCore.Property(str, lambda self: "", _remember)

    return ctkMessageBox


def make_delay_display(dialogs):
    """``slicer.util.delayDisplay``, which does not take its time."""

    def delayDisplay(message, autoCloseMsec=1000, parent=None, **kwargs):
        logging.info(message)
        dialogs.shown.append(Shown("delay", message))
        QtWidgets.QApplication.processEvents()

    return delayDisplay
