"""Progress bars on stderr; where stderr is no terminal (a log, say), a plain line now and then."""

import threading
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from .out import printer

EVERY_S = 10.0
"""How often a line says how far it is, where there are no bars."""


class Bars:
    """Draws a run's progress with rich.

    Args:
        file: where to, stderr if not given.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self.console = printer(stderr=True) if file is None else Console(file=file, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=False,
        )
        self._tasks: list[TaskID] = []
        self._told: tuple[TaskID, float] | None = None
        """The task of the newest line, and how far it was."""
        self._beside: dict[str, TaskID] = {}
        self._over = threading.Event()
        self._speaker = threading.Thread(target=self._speak, name="progress", daemon=True)

    def __enter__(self) -> Self:
        if self.moving:
            self._progress.start()
        else:
            self._speaker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self.moving:
            self._progress.stop()
        else:
            self._speaker.join()

    def start(self, label: str, total: int) -> None:
        self._tasks.append(self._progress.add_task(label, total=total))

    def step(self, text: str = "") -> None:
        self.advance(1)

    def advance(self, count: int) -> None:
        """Go on by so many."""
        self._progress.advance(self._tasks[-1], count)

    def end(self) -> None:
        """End the innermost scan; one that an error ended may do so long after all was told."""
        alone = len(self._tasks) == 1  # scans within scans end all the time
        if alone and not self.moving and not self._over.is_set():
            self.tell()
        self._tasks.pop()

    @property
    def moving(self) -> bool:
        """Whether what changes all the time can be shown: where stderr is a terminal."""
        return self.console.is_terminal

    def beside(self, name: str, text: str) -> None:
        """Show something that changes all the time, on a line of its own, if that can be."""
        if not self.moving:
            return
        if name not in self._beside:
            self._beside[name] = self._progress.add_task("", total=None)
        self._progress.update(self._beside[name], description=f"{name}: {text}")

    def say(self, text: str) -> None:
        self._progress.console.print(text, markup=False)

    def tell(self) -> None:
        """Say in a line how far the innermost scan is, if there is one and this is news."""
        innermost = self._tasks[-1:]
        for task in self._progress.tasks:
            if task.id in innermost and self._told != (task.id, task.completed):
                self._told = task.id, task.completed
                self.say(told(task))

    def _speak(self) -> None:
        while not self._over.wait(EVERY_S):
            self.tell()


class _Rate(ProgressColumn):
    """Steps a second, as it was lately."""

    def render(self, task: Task) -> Text:
        return Text(_rate(task), style="progress.data.speed")


def told(task: Task) -> str:
    """Return how far a task is: "pairs on alice-bob: 400 of 900, 12.3/s, 41 s left"."""
    words = [f"{task.description}: {task.completed:g} of {task.total or 0:g}", _rate(task)]
    if task.time_remaining:
        words.append(f"{task.time_remaining:.0f} s left")
    return ", ".join(filter(None, words))


def _rate(task: Task) -> str:
    speed = task.finished_speed or task.speed
    return f"{speed:.3g}/s" if speed else ""
