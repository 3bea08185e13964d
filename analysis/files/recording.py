"""What a file of tags holds: the tags, why their gaps are there, and what the file says about them."""

from dataclasses import dataclass, field
from typing import Any

from ..tags import Tags


@dataclass(frozen=True, eq=False)
class Recording:
    """Tags with their story.

    Attributes:
        tags: times in ps as the file counts them.
        reasons: of the gaps, one each, in the words of ``tagfile``.
        missed: events lost in each gap, None where that is unknown.
        about: what the file says, plain JSON.
        repairs: what was put right, in words, with numbers.
        losses: what is missing, in words, with numbers.
    """

    tags: Tags
    reasons: tuple[str, ...] = ()
    missed: tuple[int | None, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)
    repairs: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.tags.gaps)
        if not self.reasons and not self.missed:
            object.__setattr__(self, "reasons", ("unknown",) * count)
            object.__setattr__(self, "missed", (None,) * count)
        if len(self.reasons) != count or len(self.missed) != count:
            raise ValueError(f"{count} gaps, {len(self.reasons)} reasons, {len(self.missed)} numbers of missed events")
