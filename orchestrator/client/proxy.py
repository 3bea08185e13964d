"""An instrument as a Python object: a class made from its description, so that completion and ``help`` know it.

Settings and readings are properties (so nothing that merely looks at the object asks the instrument), methods have
signature and docs of the driver's.
"""

import ast
import inspect
from collections.abc import Callable
from typing import Any

import msgspec

from ...testbed.errors import nearest
from ..wire.messages import Call, Do, Get, Message, Set
from .connections import Connections
from .described import Described, NoSuchName, WrongCall
from .display import Grid, attempted, instrument_grid, may_be
from .hold import Hold

VALUE_S = 120.0
"""How long an instrument may take to give or take a value: a rotation mount homes first."""
CALL_S = 24 * 3600.0
"""How long a method may take. A connection that breaks, or a driver process that dies, ends the wait at once."""


class Speaker:
    """What the objects of a lab share: connections, and the holds on instruments."""

    def __init__(self, connections: Connections) -> None:
        self.connections = connections
        self.holds: dict[str, Hold] = {}

    def instrument(self, name: str) -> "Instrument":
        """Return an instrument's object.

        Raises:
            NoSuchName: there is none.
        """
        described = self.connections.described(name)
        made: Instrument = _class_of(described)(self, described)
        return made

    def ask(self, instrument: str, message: Message, timeout_s: float) -> Any:
        """Ask an instrument; if we hold it, only as long as we do, and in the hold's name."""
        hold = self.holds.get(instrument)
        if hold is not None:
            hold.check()
            if isinstance(message, (Set, Call, Do)):
                message = msgspec.structs.replace(message, run=hold.run)
        return self.connections.ask_node(instrument.partition(".")[0], message, timeout_s)


class Instrument:
    """An instrument of a running testbed: its settings and readings are attributes, its methods can be called."""

    def __init__(self, speaker: Speaker, described: Described) -> None:
        self._speaker, self._described, self._name = speaker, described, described.name

    def snapshot(self) -> dict[str, Any]:
        """Return every setting and reading as the instrument has it now; None for what it cannot tell."""
        found: dict[str, Any] = self._speaker.ask(self._name, Do(0, self._name, "snapshot", 0), VALUE_S)
        return found

    def set(self, name: str, value: Any, *, confirm: bool = False) -> None:
        """Set a value, as by assigning; ``confirm`` says that raising an emitter more than tenfold is meant."""
        plain = self._described.plain(name, value)
        self._speaker.ask(self._name, Set(0, self._name, name, plain, 0, confirm=confirm), VALUE_S)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        known = [*self._described.values, *self._described.methods]
        raise NoSuchName(f"{self._name} has no '{name}'", hint=nearest(name, known))

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
            return
        Instrument.set(self, name, value)

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if not name.startswith("_")]

    def __repr__(self) -> str:
        return f"<{self._name}: {self._described.body['model']}>"

    def _grid(self) -> Grid:
        return attempted(self._name, lambda: instrument_grid(self._described, self.snapshot()))

    def __rich__(self) -> Any:
        return self._grid().rich()

    def _repr_html_(self) -> str:
        return self._grid().html()


def _class_of(described: Described) -> type[Instrument]:
    body = described.body
    space: dict[str, Any] = {
        "__doc__": f"{body['model']}, driver {body['driver']} (verified by {body['verified']}).\n\n{body['doc']}",
        "__module__": __name__,
    }
    space |= {name: _property(name, declared) for name, declared in described.values.items()}
    space |= {name: _method(each) for name, each in described.methods.items()}
    return type(described.name, (Instrument,), space)


def _property(name: str, declared: Any) -> property:
    unit, may = declared["unit"] or declared["kind"], may_be(declared)
    doc = f"{declared['doc']} In {unit}." if declared["unit"] else f"{declared['doc']} A {unit}."

    def get(self: Instrument) -> Any:
        return self._speaker.ask(self._name, Get(0, self._name, name, 0), VALUE_S)

    return property(get, doc=f"{doc} May be set to: {may}." if may else doc)  # __setattr__ sets


def _method(each: Any) -> Callable[..., Any]:
    name, signature = each["name"], signature_of(each["signature"])

    def method(self: Instrument, *args: Any, **keywords: Any) -> Any:
        if signature is not None:
            try:
                signature.bind(self, *args, **keywords)
            except TypeError as error:
                what = f"{self._name}.{name} cannot be called like this: {error}"
                raise WrongCall(what, hint=f"it is {name}{each['signature']}") from error
        if name == "safe_state":
            return self._speaker.connections.ask_aside(self._name, Do(0, self._name, name, 0), VALUE_S)
        return self._speaker.ask(self._name, Call(0, self._name, name, 0, args, keywords), CALL_S)

    method.__name__, method.__qualname__, method.__doc__ = name, name, each["doc"]
    if signature is not None:
        vars(method)["__signature__"] = signature  # what help() and notebooks show
    return method


class _As:
    """Something that is shown as a given text: the type of a parameter, known by name only."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def signature_of(text: str) -> inspect.Signature | None:
    """Return the signature that ``text`` writes, with ``self`` in front; None if it is none. Nothing is evaluated."""
    try:
        (function,) = ast.parse(f"def f{text}: ...").body
    except (SyntaxError, ValueError):
        return None
    if not isinstance(function, ast.FunctionDef):
        return None
    given, empty = function.args, inspect.Parameter.empty
    positional = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(positional) - len(given.defaults)) + list(given.defaults)
    found = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)]

    def add(argument: ast.arg | None, kind: Any, default: ast.expr | None = None) -> None:
        if argument is not None:
            shown = _As(ast.unparse(argument.annotation)) if argument.annotation else empty
            found.append(
                inspect.Parameter(
                    argument.arg, kind, default=_As(ast.unparse(default)) if default else empty, annotation=shown
                )
            )

    for number, (argument, default) in enumerate(zip(positional, defaults, strict=True)):
        only = number < len(given.posonlyargs)
        add(argument, inspect.Parameter.POSITIONAL_ONLY if only else inspect.Parameter.POSITIONAL_OR_KEYWORD, default)
    add(given.vararg, inspect.Parameter.VAR_POSITIONAL)
    for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        add(argument, inspect.Parameter.KEYWORD_ONLY, default)
    add(given.kwarg, inspect.Parameter.VAR_KEYWORD)
    returns = _As(ast.unparse(function.returns)) if function.returns else inspect.Signature.empty
    try:
        return inspect.Signature(found, return_annotation=returns)
    except ValueError:
        return None
