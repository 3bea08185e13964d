"""How a run tells a person where it is; the console draws it, tests and notebooks may ignore it."""

from typing import Protocol


class Progress(Protocol):
    """Receives steps and lines of text."""

    def start(self, label: str, total: int) -> None:
        """A scan of ``total`` steps begins; scans may be nested."""

    def step(self, text: str = "") -> None:
        """One step of the innermost scan is done."""

    def advance(self, count: int) -> None:
        """So many more steps of it are done."""

    def end(self) -> None:
        """The innermost scan is over."""

    def say(self, text: str) -> None:
        """Something worth a line happened."""


class Silent:
    """Draws nothing."""

    def start(self, label: str, total: int) -> None:
        pass

    def step(self, text: str = "") -> None:
        pass

    def advance(self, count: int) -> None:
        pass

    def end(self) -> None:
        pass

    def say(self, text: str) -> None:
        pass
