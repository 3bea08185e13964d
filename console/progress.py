"""Progress bars on stderr; plain lines where stderr is no terminal."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Bars:
    """Draws a run's progress with rich."""

    def __init__(self) -> None:
        self.console = Console(file=sys.stderr, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=False,
        )
        self._tasks: list[TaskID] = []
        self._beside: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def start(self, label: str, total: int) -> None:
        self._tasks.append(self._progress.add_task(label, total=total))

    def step(self, text: str = "") -> None:
        self.advance(1)

    def advance(self, count: int) -> None:
        """Go on by so many."""
        self._progress.advance(self._tasks[-1], count)

    def end(self) -> None:
        self._tasks.pop()

    def beside(self, name: str, text: str) -> None:
        """Show something that changes all the time, on a line of its own; only where stderr is a terminal."""
        if not self.console.is_terminal:
            return
        if name not in self._beside:
            self._beside[name] = self._progress.add_task("", total=None)
        self._progress.update(self._beside[name], description=f"{name}: {text}")

    def say(self, text: str) -> None:
        self._progress.console.print(text, markup=False)
