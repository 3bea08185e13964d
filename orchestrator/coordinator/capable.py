"""What the cores of memory links say they can do, and whether that is enough for a program."""

from collections.abc import Mapping

from ...testbed.attempts import AttemptProgram, program
from ...testbed.attempts.compile import check_cores
from ...testbed.attempts.traits import Traits
from ...testbed.memory_models import MemoryLink
from ..wire.messages import Core


class Capable:
    """The cores of ``links``; of one that was not heard yet nothing is known, so nothing is refused for its sake."""

    def __init__(self, links: Mapping[str, MemoryLink]) -> None:
        self._links = links
        self._traits: dict[str, Traits] = {}

    def heard(self, core: Core) -> None:
        """Take what a core says of itself."""
        if core.resolution_ps:
            flags = {name: name in core.traits for name in Traits.flags()}
            self._traits[core.instrument] = Traits(**flags, resolution_ps=core.resolution_ps)

    def check(self, link: str, asked: AttemptProgram) -> None:
        """Return if the cores of a link can run its program in batches that stop when no more pairs are wanted.

        Raises:
            ProgramError: says which core lacks what.
        """
        anything = Traits(**dict.fromkeys(Traits.flags(), True))
        cores = (*self._links[link].memories, self._links[link].station)
        traits = {core.partition(".")[0]: self._traits.get(core, anything) for core in cores}
        check_cores(program(**{**asked.model_dump(), "stop": {"kind": "first"}}), traits)
