"""One Apply: the input to a file, the command line in a child process, its result to a node of the scene.

The scene is touched once, at the end, when everything that can fail has succeeded.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import qt
import slicer

from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.image.grid import Grid
from MRISuperResolutionLib.pipeline.model_selection import AUTO

from . import node_io
from .later import later
from .parameters import in_words_of_panel
from .process import Child, Outcome
from .quality_maps import Doubt
from .request import Asked, check, check_memory
from .result_nodes import Computed, add_results
from .volume_nodes import check_volume, grid_of

TURN_SECONDS = 0.03
"""How long a turn of copying may hold the event loop."""

SAME_PLACE_MM = 1e-4

WRITING, COMPUTING, READING = (0.0, 0.03), (0.03, 0.97), (0.97, 1.0)
"""The share of the progress that each step takes."""


class Job:
    """A run of what was ``asked``. ``output`` is the node, ``error`` the sentence that says why there is none;
    ``doubts`` are the nodes that tell where not to trust it; ``messages`` what the computation told of its choices,
    such as the CPU where a GPU was too small.

    on_progress  is called with the fraction (0 to 1), the step, and the seconds left (None: not known yet)
    on_finished  is called with this job when it has ended, well or not
    """

    running: ClassVar[set[Job]] = set()
    """All jobs under way, which also keeps them alive."""

    def __init__(
        self,
        asked: Asked,
        on_progress: Callable[[float, str, float | None], None] | None = None,
        on_finished: Callable[[Job], None] | None = None,
    ) -> None:
        check(asked)
        self.plan = asked.plan()
        self.model = asked.chosen().name
        # of the automatic choice, what it takes now
        self.asked = replace(asked, model=self.model) if asked.model == AUTO else asked
        self.on_progress, self.on_finished = on_progress, on_finished
        self.output: Any = None
        self.doubts: dict[Doubt, Any] = {}
        self.error: str | None = None
        self.messages: list[str] = []
        self.cancelled = False
        self.started = time.monotonic()
        self.seconds = 0.0
        self.grid = grid_of(asked.source)
        # a reference under a transform of its own is taken where it is seen now
        self._grids = [grid_of(node, frame=asked.source) for node in self._volumes]
        # where each of the wanted ones lies
        grids = {Doubt.EXPECTED_ERROR: self.plan.target, Doubt.UNEXPLAINED: self.grid}
        self._wanted = {doubt: grids[doubt] for doubt in asked.wanted_doubts()}
        self._child: Child | None = None
        self._steps: Generator[None, None, None] | None = None
        self._observers: list[tuple[Any, int]] = []
        self._loop: Any = None

    @property
    def is_running(self) -> bool:
        return self in Job.running

    def start(self) -> None:
        """Start, and return at once. Raises RequestError where the temporary folder has no room."""
        parent = slicer.app.temporaryPath
        node_io.remove_abandoned(Path(parent))
        try:
            self.folder = Path(tempfile.mkdtemp(prefix=node_io.PREFIX, dir=parent))
        except OSError as error:
            raise RequestError(
                f"Nothing can be written to the temporary folder {parent}: choose another one in the application's "
                "settings."
            ) from error
        try:
            self._check_space()
        except RequestError:
            self._remove_files()
            raise
        Job.running.add(self)
        scene = slicer.mrmlScene
        self._observe(scene, scene.StartCloseEvent, lambda *_: self.cancel("The scene was closed: cancelled."))
        self._observe(scene, scene.NodeAboutToBeRemovedEvent, self._on_node_removed)
        slicer.app.aboutToQuit.connect(self._on_quit)
        self._take_turns(self._write(), self._run)

    def cancel(self, reason: str = "Cancelled: nothing was changed.") -> None:
        """End the run; ``on_finished`` is called when its process has gone."""
        if not self.is_running or self.cancelled:
            return
        self.cancelled, self.error = True, reason
        if self._child is None or self._steps is not None:
            # files are being copied: there is no process to wait for
            self._end()
        else:
            self._child.cancel()

    def wait(self) -> Any:
        """Turn the event loop until the run has ended; the output node. Raises RuntimeError with the sentence."""
        if self.is_running:
            # unlike processEvents, such a loop ends when the application is told to quit
            self._loop = qt.QEventLoop()
            self._loop.exec_()
            if self.is_running:
                self._on_quit()
        if self.error:
            raise RuntimeError(self.error)
        return self.output

    def _check_space(self) -> None:
        written = sum(node.GetImageData().GetActualMemorySize() * 1024 for node in self._volumes)
        node_io.check_space(self.folder, written + self.asked.bytes_in_scene())

    @property
    def _volumes(self) -> list[Any]:
        """The input, then the reference if there is one."""
        return [node for node in (self.asked.source, self.asked.reference) if node is not None]

    def _observe(self, thing: Any, event: Any, callback: Callable[..., None]) -> None:
        self._observers.append((thing, thing.AddObserver(event, callback)))

    def _take_turns(self, steps: Iterator[None], then: Callable[[], None]) -> None:
        """Take ``steps`` a few at a time, with the event loop in between, and go on with ``then``."""
        self._steps = steps

        def turn() -> None:
            # a run that was cancelled meanwhile has dropped its steps
            if self._steps is not steps:
                return
            try:
                if self._take_some(steps):
                    later(turn)
                else:
                    self._steps = None
                    then()
            except RequestError as error:
                self._end(str(error))
            except OSError as error:
                self._end(f"The temporary folder {self.folder} cannot be used ({error}): is the disk full?")
            except Exception as error:
                logging.exception("MRISuperResolution failed")
                self._end(f"The module failed ({error}): the error log holds the details; please report it.")

        later(turn)

    @staticmethod
    def _take_some(steps: Iterator[None]) -> bool:
        """Take steps for as long as a turn may last; whether there are more."""
        end = time.perf_counter() + TURN_SECONDS
        return any(time.perf_counter() >= end for _ in steps)

    def _write(self) -> Iterator[None]:
        self._tell(WRITING, 0.0, "writing the input", None)
        if not self.is_running:
            return
        for number, (node, grid) in enumerate(zip(self._volumes, self._grids, strict=True)):
            yield from node_io.write(slicer.util.arrayFromVolume(node), grid, self._input(number))

    def _input(self, number: int) -> Path:
        return self.folder / f"input-{number}.nrrd"

    def _run(self) -> None:
        self._tell(COMPUTING, 0.0, "starting", None)
        if not self.is_running:
            return
        arguments = ["upscale", str(self._input(0)), str(self._result), *self.asked.options(), "--progress", "json"]
        if self.asked.reference is not None:
            arguments += ["--reference", str(self._input(1))]
        for doubt in self._wanted:
            arguments += [doubt.option, str(self._told(doubt))]
        self._child = Child(arguments, self.folder, self._on_event, self._on_child_end)
        self._child.start()

    @property
    def _result(self) -> Path:
        return self.folder / "result.nrrd"

    def _told(self, doubt: Doubt) -> Path:
        return self.folder / f"{doubt.value}.nrrd"

    def _on_event(self, event: dict[str, Any]) -> None:
        if self.cancelled:
            return
        fraction = event.get("fraction")
        if event.get("event") == "progress" and isinstance(fraction, int | float):
            self._tell(COMPUTING, fraction, str(event.get("step", "")), event.get("eta_s"))
        elif event.get("event") == "message":
            self.messages.append(str(event.get("text")))

    def _on_child_end(self, outcome: Outcome) -> None:
        error = self.error if self.cancelled else outcome.sentence()
        for number, node in enumerate(self._volumes):
            # the user knows the node, not the file
            error = error and error.replace(str(self._input(number)), node.GetName() or "the volume")
        error = error and in_words_of_panel(error)
        if error:
            self._end(error)
        else:
            self._take_turns(self._read(), self._end)

    def _read(self) -> Iterator[None]:
        self._tell(READING, 0.0, "reading the result", None)
        check_memory(self.asked)
        result = yield from self._read_volume(self._result, self.plan.target)
        doubts = {}
        for doubt, grid in self._wanted.items():
            doubts[doubt] = yield from self._read_volume(self._told(doubt), grid)
        self._tell(READING, 1.0, "done", 0.0)
        self._check_nodes()
        # the last moment to cancel: from here on the scene is changed
        if not self.is_running:
            return
        asked = self.asked
        check_volume(asked.source)
        if grid_of(asked.source).distance_to(self.grid) > 0:
            raise RequestError(f"{asked.source.GetName()} was moved while its result was computed: apply again.")
        self.output, self.doubts = add_results(result, doubts, asked.source, asked.output, self.model)

    @staticmethod
    def _read_volume(path: Path, grid: Grid) -> Generator[None, None, Computed]:
        """Steps that read a file, which has to lie on ``grid``."""
        written = node_io.read_header(path)
        if written.grid.size != grid.size or written.grid.distance_to(grid) > SAME_PLACE_MM:
            raise RequestError("The computation gave a volume of another size or place: please report it.")
        image = node_io.new_image()
        yield from node_io.read_voxels(written, path, image)
        return Computed(image, written.grid, written.header)

    def _on_node_removed(self, *_: Any) -> None:
        # which node it is cannot be asked in the same way of all versions: look once it has gone
        later(self._check_nodes)

    def _check_nodes(self) -> None:
        writing = self._child is None
        for node in (self.asked.source, self.asked.output, self.asked.reference if writing else None):
            if node is not None and node.GetScene() is None:
                self.cancel(f"{node.GetName()} was removed from the scene: cancelled.")

    def _on_quit(self, *_: Any) -> None:
        self.cancelled, self.error = True, "Slicer was closed: cancelled."
        if self._child is not None:
            self._child.end_now()
        self._end()

    def _tell(self, share: tuple[float, float], fraction: float, step: str, seconds_left: float | None) -> None:
        if self.on_progress:
            try:
                self.on_progress(share[0] + (share[1] - share[0]) * fraction, step, seconds_left)
            except Exception:
                # a fault of who listens is none of the computation
                logging.exception("onProgress failed")

    def _end(self, error: str | None = None) -> None:
        if not self.is_running:
            return
        self.error = error or self.error
        self.seconds = time.monotonic() - self.started
        steps, self._steps = self._steps, None
        if steps is not None and not steps.gi_running:
            # Windows removes no file that is open
            steps.close()
        Job.running.discard(self)
        for thing, tag in self._observers:
            thing.RemoveObserver(tag)
        slicer.app.aboutToQuit.disconnect(self._on_quit)
        self._remove_files()
        if self._loop is not None:
            self._loop.quit()
        if self.on_finished:
            try:
                self.on_finished(self)
            except Exception:
                logging.exception("onFinished failed")

    def _remove_files(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
