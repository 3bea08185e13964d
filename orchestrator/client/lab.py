"""A running testbed in Python, for scripts and notebooks; no testbed file and no driver is needed.

    lab = connect()
    lab.alice.plate.angle = 22.5                # or "22.5 deg"; the unit is the declared one
    lab.charlie.source.prepare()
    with lab.own("alice.plate", "charlie.source"):
        ...

Nodes and instruments are attributes as well as items (``lab["alice"]``, ``lab["alice.plate"]``). Reading an attribute
of an instrument asks the instrument, assigning sets it, and limits are checked at its node. Any thread may use it
(see ``Connections``). Interrupting a cell does not stop what an instrument was told to do; ``lab.estop()`` does.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ...testbed.errors import BellringerError, nearest
from ..wire.messages import Status
from .connections import Connections
from .described import NoSuchName
from .display import Grid, attempted, lab_grid, node_grid
from .emergency import Acknowledged, Pressed, acknowledge, press
from .hold import Hold
from .network import Network
from .overview import overview, running
from .proxy import Instrument, Speaker


def connect(contact: str | Path | None = None, key: str = "", keys: str | Path | None = None) -> "Lab":
    """Return the running testbed, spoken with as the key's owner.

    Args:
        contact: the contact file; if not given, that of BELLRINGER_CONTACT, of this user, or of this machine's testbed.
        key: which of your keys, if you have several.
        keys: your key folder, if it is not ~/.config/bellringer/keys.

    Raises:
        BellringerError: there is no contact file or no key, or the coordinator does not answer.
    """
    network = Network.found(None if contact is None else Path(contact), None if keys is None else Path(keys), key)
    lab = Lab(network)
    try:
        lab._speaker.connections.nodes()
    except BaseException:
        lab.close()
        raise
    return lab


class _Names(ABC):
    """Something whose attributes are names of the testbed; no others can be made."""

    _speaker: Speaker

    @abstractmethod
    def _names(self) -> list[str]: ...

    @abstractmethod
    def __getitem__(self, name: str) -> Any: ...

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
            return
        hint = self._settable(name) if name in self._names() else nearest(name, self._names())
        raise NoSuchName(f"'{name}' cannot be assigned to", hint=hint)

    @abstractmethod
    def _settable(self, name: str) -> str:
        """Return what to write instead of assigning to ``name``."""

    def __dir__(self) -> list[str]:
        return [*(name for name in object.__dir__(self) if not name.startswith("_")), *self._names()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())


class Lab(_Names):
    """A running testbed; see the module. Ends with ``close``, or as a context manager."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._speaker = Speaker(Connections(network))

    def close(self) -> None:
        """Close the connections; may be called twice. What shines, shines on."""
        self._speaker.connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- the testbed ------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """Return coordinator, nodes and runs in plain values; what is wrong is under ``problems``."""
        return overview(self._network)

    @property
    def run_names(self) -> list[str]:
        """Return the runs that are on."""
        return running(self._speaker.connections.ask_coordinator(Status(0)))

    def estop(self, reason: str = "") -> Pressed:
        """Make everything dark, now, and until ``ack``; return which nodes confirmed."""
        return press(self._network, reason)

    def ack(self, node: str = "") -> Acknowledged:
        """Acknowledge the e-stop, or a node's fault, after you looked.

        Raises:
            BellringerError: nothing is latched.
        """
        return acknowledge(self._network, node)

    def own(self, *instruments: "str | Instrument", run: str = "") -> "_Owning":
        """Return a context in which nobody else may set these instruments; it ends with them dark.

        Args:
            instruments: ``"alice.plate"`` or ``lab.alice.plate``; parts of a composed one are held with it.
            run: what others see it called.
        """
        if not instruments:
            raise BellringerError("nothing to own", hint='name instruments: lab.own("alice.plate")')
        return _Owning(self._speaker, [each if isinstance(each, str) else each._name for each in instruments], run)

    # --- names ------------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Any:
        node, dot, _ = name.partition(".")
        if dot:
            return self._speaker.instrument(name)
        self._speaker.connections.node(node)
        return Node(self._speaker, self._network, node)

    def _settable(self, name: str) -> str:
        return f"write lab.{name}.INSTRUMENT.SETTING = ..."

    def _names(self) -> list[str]:
        return list(self._speaker.connections.nodes())

    def __repr__(self) -> str:
        return f"<testbed at {self._network.contact.control}: {', '.join(self._names())}>"

    def _grid(self) -> Grid:
        return attempted("testbed", lambda: lab_grid(self.status(), self._network.contact.control))

    def __rich__(self) -> Any:
        return self._grid().rich()

    def _repr_html_(self) -> str:
        return self._grid().html()


class Node(_Names):
    """One node: its instruments as attributes."""

    def __init__(self, speaker: Speaker, network: Network, name: str) -> None:
        self._speaker, self._network, self._name = speaker, network, name

    def __getitem__(self, name: str) -> Instrument:
        return self._speaker.instrument(f"{self._name}.{name}")

    def _settable(self, name: str) -> str:
        settings = ", ".join(self._speaker.connections.described(f"{self._name}.{name}").settings)
        return f"write lab.{self._name}.{name}.SETTING = ...; its settings: {settings or 'none'}"

    def _names(self) -> list[str]:
        return [name.partition(".")[2] for name in self._speaker.connections.node(self._name)["instruments"]]

    def __repr__(self) -> str:
        return f"<{self._name}: {', '.join(self._names())}>"

    def _grid(self) -> Grid:
        def make() -> Grid:
            nodes = overview(self._network)["nodes"]
            if self._name not in nodes:
                raise NoSuchName(f"the testbed has no node '{self._name}'", hint=nearest(self._name, nodes))
            return node_grid(self._name, nodes[self._name])

        return attempted(self._name, make)

    def __rich__(self) -> Any:
        return self._grid().rich()

    def _repr_html_(self) -> str:
        return self._grid().html()


class _Owning:
    """``lab.own``: a hold that every use of its instruments through this lab looks at."""

    def __init__(self, speaker: Speaker, names: list[str], run: str) -> None:
        self._speaker, self._hold = speaker, Hold(speaker.connections, names, run)

    def __enter__(self) -> Hold:
        hold = self._hold.__enter__()
        self._speaker.holds |= dict.fromkeys(hold.instruments, hold)
        return hold

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self._hold.instruments:
            self._speaker.holds.pop(name, None)
        self._hold.__exit__(kind, error, trace)
