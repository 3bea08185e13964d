"""Open requests and the batches under way for them."""

from dataclasses import dataclass, field

from ....testbed.attempts.program import AttemptProgram
from .batches import PS_PER_S, Left, duty
from .links import Forecast, Link
from .progress import Progress
from .replies import Accepted
from .resources import Want
from .turns import rank


@dataclass
class Batch:
    """A batch that was ordered and has not ended.

    Attributes:
        end_ps: hardware time at which it is over at the latest.
        useful: pairs it is expected to add.
        aborted: whether its end was asked for.
    """

    order: int
    program: AttemptProgram
    end_ps: int
    useful: float
    aborted: bool = False

    @property
    def light_s(self) -> float:
        """Return the light time it may cost."""
        return self.program.most_ps / PS_PER_S


@dataclass
class Job:
    """A request that was accepted.

    Attributes:
        program: the link's, with the request's cut-off.
        wants: all that its turn takes.
        settled_s: from when on what it holds is settled.
        held_up: why no batch is ordered for it now, "" if one can be.
    """

    number: int
    progress: Progress
    link: Link
    program: AttemptProgram
    wants: tuple[Want, ...]
    reply: Accepted
    settled_s: float = 0.0
    held_up: str = ""
    batches: dict[int, Batch] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return who it is in the ledger."""
        return f"request {self.number}"

    @property
    def open(self) -> bool:
        """Return whether its end has not come."""
        return self.progress.end is None

    @property
    def rank(self) -> tuple[float, int]:
        """Return its place in the order of turns."""
        return rank(self.progress.request.priority, self.progress.submitted_s, self.number)

    def left(self, start_s: float, memories: int) -> Left:
        """Return what is left for a batch that would begin at ``start_s``, those under way taken off."""
        progress = self.progress
        light_s = progress.light_left_s() - sum(each.light_s for each in self.batches.values())
        useful = sum(each.useful for each in self.batches.values())
        return Left(
            # What the batches under way may still bring is not asked for twice, but rarely is it all there is to do.
            pairs=0 if useful > progress.remaining - 0.5 else progress.remaining - int(useful),
            memories=memories,
            attempts=progress.attempts_left() - sum(each.program.most_attempts for each in self.batches.values()),
            seconds=min(light_s, progress.deadline_s - start_s),
        )

    def expected(self, program: AttemptProgram, forecast: Forecast) -> float:
        """Return how many useful pairs a batch of this program is expected to bring."""
        target = self.progress.request.target
        heralding = program.most_attempts * duty(program)
        stop = 1 if program.stop.kind == "first" else program.stop.count
        share = forecast.probability(program, target) / forecast.probability(program, "any")
        return min(heralding * forecast.probability(program, target), stop * share)
