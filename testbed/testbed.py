"""What a lab is: nodes with their instruments and optics, the wiring between ports, and links.

This is the testbed file after parsing; ``loader.load`` makes one from YAML. The models check every value by itself;
what one value says about another is checked by ``wiring`` and ``links``, what only drivers know by ``drivers.check``.
"""

import hashlib
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from .errors import QuantityError
from .memory_models import MemoryLink
from .models import InstrumentModel, Model, Optic
from .units import quantity

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
"""A node, instrument, optic or link: no dots, because ``node.part.port`` has them."""


def _bound(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        raise QuantityError(
            f"the limit is {value!r}, not a quantity", hint='write it with its unit, for example "50 mW"'
        )
    return value


class Limits(Model):
    """Narrower limits for one setting; text with units, checked against the driver's declaration."""

    min: Annotated[str | float | None, BeforeValidator(_bound)] = None
    max: Annotated[str | float | None, BeforeValidator(_bound)] = None


class InstrumentEntry(Model):
    """One instrument of a node."""

    driver: str = Field(description="registered driver name; `bellringer ls drivers` lists them")
    resource: str = Field(
        default="",
        description="where it is: ASRL/dev/...::INSTR, serial:///dev/..., socket://host:port, "
        "TCPIP::host::port::SOCKET, zmq://host:port; empty for composed instruments",
    )
    serial_number: str = Field(default="", description="refuse to open a unit with another serial number")
    options: dict[str, Any] = Field(
        default_factory=dict, description="connection options of the driver: bus address, further ports"
    )
    parts: dict[str, str] = Field(
        default_factory=dict, description="for composed instruments: role -> instrument of the same node"
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="settings applied when a run starts, with units")
    limits: dict[str, Limits] = Field(
        default_factory=dict, description="limits narrower than the hardware's, by setting"
    )
    rest: dict[str, Any] = Field(
        default_factory=dict, description="settings left behind when the instrument is closed, besides dark"
    )
    channels: dict[int, str] = Field(
        default_factory=dict, description="for time taggers: input -> what is connected, for people and plots"
    )
    model: InstrumentModel | None = Field(
        default=None, description="what it physically is; needed for the dry run and predictions"
    )


def _exact(value: object) -> object:
    if not isinstance(value, bool | str | int):
        raise QuantityError(
            f"closed is {value!r}, which no reading can be exactly", hint="write true, false, a whole number or a text"
        )
    return value


class Interlock(Model):
    """Something that must be closed while light is on at a node."""

    reading: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*\.[A-Za-z]\w*$")] = Field(
        description="a reading of an instrument of this node, instrument.reading"
    )
    closed: Annotated[bool | str | int, BeforeValidator(_exact)] = Field(
        description="the one value that says that it is closed; everything else, and no answer, is open"
    )
    patience: Annotated[float, quantity("s", minimum=0.2, maximum=10, example="1 s")] = Field(
        default=1.0, description="an answer that takes longer is none"
    )


class Node(Model):
    """One place with one computer."""

    description: str = ""
    instruments: dict[Name, InstrumentEntry] = Field(default_factory=dict)
    interlocks: dict[Name, Interlock] = Field(
        default_factory=dict, description="what must be closed while anything at this node may emit light"
    )
    optics: dict[Name, Optic] = Field(default_factory=dict)


class LinkEnd(Model):
    """One end of a link: how its polarisation analyser is set and read."""

    plate: str = Field(description="rotator with the analysing half-wave plate, node.instrument")
    tagger: str = Field(description="time tagger, node.instrument")
    transmitted: int = Field(description="tagger input of the detector behind the splitter's transmitted (H) port")
    reflected: int = Field(description="tagger input of the detector behind the splitter's reflected (V) port")


class Link(Model):
    """Two ends that share pairs from one source."""

    source: str = Field(description="pair source, node.instrument")
    ends: dict[Name, LinkEnd] = Field(
        min_length=2, max_length=2, description="two nodes; the first one's clock is the reference"
    )
    coincidence_window: Annotated[float, quantity("s", minimum=1e-12, example="600 ps")] = Field(
        default=6e-10,
        description="two clicks coincide if they are at most this far apart (|dt| <= window; full width is twice that)",
    )


class Testbed(Model):
    """A whole lab."""

    __test__ = False

    bellringer: int = Field(ge=1, le=1, description="version of this file format")
    name: str
    description: str = ""
    nodes: dict[Name, Node] = Field(min_length=1)
    wiring: list[str] = Field(
        default_factory=list,
        description="optical and electrical paths: 'node.part[.port] -> node.part[.port] -> ...'",
    )
    links: dict[Name, Link] = Field(default_factory=dict)
    memory_links: dict[Name, MemoryLink] = Field(
        default_factory=dict, description="pairs of memories that one station heralds"
    )

    def instruments(self) -> dict[str, InstrumentEntry]:
        """Return every instrument by its full name, ``node.instrument``."""
        return {
            f"{node}.{name}": entry for node, body in self.nodes.items() for name, entry in body.instruments.items()
        }

    def fingerprint(self, node: str) -> str:
        """Return 16 hex digits that differ if anything in a node's part differs, overrides included."""
        return hashlib.sha256(self.nodes[node].model_dump_json().encode()).hexdigest()[:16]

    def flat(self, node: str) -> dict[str, str]:
        """Return a node's part in plain text, value by value: ``charlie.pump.settings.power`` -> ``10 mW``."""
        body = self.nodes[node].model_dump(mode="json")
        return dict(_leaves(node, {**body.pop("instruments"), **body}))

    def optics(self) -> dict[str, Any]:
        """Return every passive optical element by its full name, ``node.element``."""
        return {f"{node}.{name}": optic for node, body in self.nodes.items() for name, optic in body.optics.items()}


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(f"{path}.{key}", each)
    elif value is not None:
        yield path, str(value)
