"""Memory links and kept qubits, as sequences use them."""

from typing import TYPE_CHECKING

from ..drivers.interfaces import Held
from ..testbed.errors import BellringerError
from ..testbed.memory_models import MemoryLink
from .needs import the_memory_link
from .pairs import Pair

if TYPE_CHECKING:
    from .run import Run


def memory_link(run: "Run", name: str = "") -> tuple[str, MemoryLink]:
    """Return name and description of a memory link of the testbed; the only one if ``name`` is empty."""
    return the_memory_link(run.testbed, name)


def node_of(memory: str) -> str:
    """Return the node of an instrument called ``node.instrument``."""
    return memory.partition(".")[0]


def qubit_of(run: "Run", memory: str, pair: Pair) -> Held:
    """Return where ``memory`` holds its qubit of a kept pair, and how old that is.

    Raises:
        BellringerError: it holds it no more.
    """
    held: list[Held] = run.call(memory, "held")
    for each in held:
        if (each.batch, each.k) == (pair.batch, pair.k):
            return each
    raise BellringerError(
        f"{memory} has lost its qubit of attempt {pair.k} of batch {pair.batch}",
        hint="somebody else measured or reset it; a memory belongs to one run at a time",
    )


def empty(run: "Run", *memories: str) -> None:
    """Give up whatever the memories hold."""
    for memory in memories:
        held: list[Held] = run.call(memory, "held")
        for each in held:
            run.call(memory, "reset", each.slot)


def operations(pair: Pair, memories: tuple[str, str]) -> tuple[str, str]:
    """Return what the corrections did to each memory's qubit, I for nothing."""
    done = {each.node: each.operation for each in pair.corrections}
    return done.get(node_of(memories[0]), "I"), done.get(node_of(memories[1]), "I")
