"""What sequences need of a testbed and of their parameters: checked before anything is started, and while they run.

All raise ``BellringerError`` with what to write on the command line.
"""

from ..testbed.errors import BellringerError
from ..testbed.memory_models import MemoryLink
from ..testbed.testbed import Link, Testbed


def the_link(testbed: Testbed, name: str = "") -> tuple[str, Link]:
    """Return name and description of a link with taggers at both ends; the only one if ``name`` is empty."""
    others = f"; its memory links are for other sequences: {', '.join(testbed.memory_links)}"
    if not testbed.links:
        hint = "write one under 'links:' in its file" + (others if testbed.memory_links else "")
        raise BellringerError("this testbed has no link to measure on", hint=hint)
    chosen = _chosen(name, list(testbed.links), "link")
    return chosen, testbed.links[chosen]


def the_memory_link(testbed: Testbed, name: str = "", option: str = "link") -> tuple[str, MemoryLink]:
    """Return name and description of a memory link; the only one if ``name`` is empty."""
    if not testbed.memory_links:
        hint = "write one under 'memory_links:' in its file"
        raise BellringerError("this testbed has no memory link to entangle on", hint=hint)
    chosen = _chosen(name, list(testbed.memory_links), "memory link", option)
    return chosen, testbed.memory_links[chosen]


def _chosen(name: str, valid: list[str], what: str, option: str = "link") -> str:
    choice = f"choose one with --{option}: " + ", ".join(valid)
    if not name and len(valid) > 1:
        raise BellringerError(f"this testbed has several {what}s", hint=choice)
    if name and name not in valid:
        raise BellringerError(f"there is no {what} '{name}'", hint=choice)
    return name or valid[0]


def above_zero(**values: float) -> None:
    """Check parameters, given by name, of which zero or less makes no sense."""
    for name, value in values.items():
        if not value > 0:
            option = f"--{name.replace('_', '-')}"
            raise BellringerError(f"{option} is {value}", hint=f"choose {option} above zero")


def a_fidelity(**values: float) -> None:
    """Check parameters that are fidelities."""
    for name, value in values.items():
        if not 0 <= value <= 1:
            option = f"--{name.replace('_', '-')}"
            raise BellringerError(f"{option} is {value}, no fidelity", hint=f"choose {option} between 0 and 1")


def slots(testbed: Testbed, memory: str, wanted: int, what: str) -> None:
    """Check that a memory can hold so many qubits at a time, as far as the testbed file says."""
    model = testbed.instruments()[memory].model
    have = getattr(model, "slots", wanted)
    if have < wanted:
        raise BellringerError(
            f"{what} needs {wanted} memory slots; {memory} has {have}",
            where=f"{memory}: model: slots",
            hint="choose another link, or a memory with more slots",
        )
