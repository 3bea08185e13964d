"""Sequences: plain functions with typed parameters.

    @sequence
    def my_scan(run: Run, link: str = "alice-bob", integration_s: float = 1.0) -> None:
        '''One line that says what it measures.'''

The parameters (bool, int, float, str) become command-line options, a form, and part of the run record.

    @my_scan.needs
    def _needs(testbed: Testbed, link: str, integration_s: float) -> None:
        '''Raises ``BellringerError`` if the sequence cannot do with these; nothing was started then.'''
"""

import importlib
import importlib.util
import inspect
import math
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..testbed.errors import BellringerError, nearest

if TYPE_CHECKING:
    from ..testbed.testbed import Testbed
    from .run import Run

LIBRARY = ("chsh", "count_rates", "delay_scan", "heralded_bell", "swap", "teleport", "visibility")

_KINDS = {bool: "true or false", int: "a whole number", float: "a finite number", str: "text"}
_EXAMPLES = {bool: "true", int: "3", float: "1.5", str: "text"}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a sequence."""

    name: str
    kind: type
    default: Any
    required: bool

    def parse(self, text: object) -> Any:
        """Return the value written on a command line, checked.

        Raises:
            BellringerError: it is not of the parameter's type.
        """
        if self.kind is bool and str(text).lower() in ("true", "yes", "on", "1", "false", "no", "off", "0"):
            return str(text).lower() in ("true", "yes", "on", "1")
        try:
            if self.kind is bool:
                raise ValueError("neither true nor false")
            value = self.kind(text)
            if self.kind is float and not math.isfinite(value):
                raise ValueError("not finite")
        except (TypeError, ValueError) as error:
            option = f"--{self.name.replace('_', '-')}"
            raise BellringerError(
                f"{option} is {text!r}, not {_KINDS[self.kind]}", hint=f"write {option} {_EXAMPLES[self.kind]}"
            ) from error
        return value


class Sequence:
    """A function that can be run on a testbed."""

    def __init__(self, function: Callable[..., None]) -> None:
        self.function = function
        self.name = function.__name__
        self.doc = inspect.cleandoc(function.__doc__ or "")
        self._needs: Callable[..., object] | None = None
        self.parameters = {p.name: p for p in _parameters(function)}

    def __call__(self, run: "Run", **parameters: Any) -> None:
        self.function(run, **parameters)

    def needs(self, check: Callable[..., None]) -> Callable[..., None]:
        """Have ``check(testbed, **parameters)`` called before a run starts anything; a decorator."""
        self._needs = check
        return check

    def check(self, testbed: "Testbed", values: Mapping[str, Any]) -> None:
        """Return if this testbed and these parameters, from ``resolve``, are what the sequence needs.

        Raises:
            BellringerError: they are not.
        """
        if self._needs is not None:
            self._needs(testbed, **values)

    def resolve(self, given: Mapping[str, object]) -> dict[str, Any]:
        """Return all parameters with their values; text is parsed, names are checked."""
        for name in given:
            if name not in self.parameters:
                raise BellringerError(f"{self.name} has no parameter '{name}'", hint=nearest(name, self.parameters))
        missing = [name for name, parameter in self.parameters.items() if parameter.required and name not in given]
        if missing:
            raise BellringerError(
                f"{self.name} needs --{missing[0].replace('_', '-')}", hint="see its help: bellringer ls sequences"
            )
        return {
            name: parameter.parse(given[name]) if name in given else parameter.default
            for name, parameter in self.parameters.items()
        }


def sequence(function: Callable[..., None]) -> Sequence:
    """Make a function a sequence; see the module's text."""
    return Sequence(function)


def _parameters(function: Callable[..., None]) -> list[Parameter]:
    found = []
    for parameter in list(inspect.signature(function, eval_str=True).parameters.values())[1:]:
        if parameter.annotation not in (bool, int, float, str):
            raise TypeError(
                f"{function.__name__}: parameter '{parameter.name}' must be annotated bool, int, float or str"
            )
        required = parameter.default is inspect.Parameter.empty
        found.append(Parameter(parameter.name, parameter.annotation, None if required else parameter.default, required))
    return found


def find_sequence(name: str) -> Sequence:
    """Return a sequence by name (``chsh``) or from a file (``my_scans.py:my_scan``).

    Raises:
        BellringerError: there is no such sequence; says which ones there are.
    """
    if ".py" in name:
        return _from_file(name)
    if name not in LIBRARY:
        raise BellringerError(
            f"there is no sequence '{name}'", hint=f"{nearest(name, LIBRARY)} A sequence of your own is FILE.py:NAME"
        )
    found: Sequence = getattr(importlib.import_module(f"{__package__}.library.{name}"), name)
    return found


def _from_file(spec: str) -> Sequence:
    file, _, name = spec.partition(":")
    sequences = {key: value for key, value in vars(_load(file)).items() if isinstance(value, Sequence)}
    if not sequences:
        raise BellringerError(
            f"{file} has no sequence", hint="put @sequence above a function with a first parameter run"
        )
    if not name and len(sequences) == 1:
        return next(iter(sequences.values()))
    if not name:
        raise BellringerError(
            f"{file} has several sequences", hint="name one: " + ", ".join(f"{file}:{each}" for each in sequences)
        )
    if name not in sequences:
        raise BellringerError(f"{file} has no sequence '{name}'", hint=nearest(name, sequences))
    return sequences[name]


def _load(file: str) -> ModuleType:
    path = Path(file)
    if not path.is_file():
        raise BellringerError(f"there is no file '{file}'", hint="give a sequence's name, or FILE.py:NAME")
    module_name = f"sequence_file_{path.stem}"  # a user's random.py must not take the place of Python's
    loader = importlib.util.spec_from_file_location(module_name, path)
    assert loader is not None
    assert loader.loader is not None
    module = importlib.util.module_from_spec(loader)
    sys.modules[module_name] = module
    try:
        loader.loader.exec_module(module)
    except Exception as error:  # whatever the user's own file raises
        raise BellringerError(
            f"{file} cannot be imported: {type(error).__name__}: {getattr(error, 'msg', error)}",
            where=_line_of(error, file),
            hint="correct the file; nothing was opened",
        ) from error
    return module


def _line_of(error: Exception, file: str) -> str:
    """Return ``file:line`` of the innermost line of ``file`` that took part in an error."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(file)]
    if isinstance(error, SyntaxError):
        lines = [error.lineno]
    return f"{file}:{lines[-1]}" if lines else file
