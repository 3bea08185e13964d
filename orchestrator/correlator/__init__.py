"""The correlator of a link: tags of both ends, as they are published, to coincidences and correlations, at once."""

from .correlator import Correlator, LinkEnds
from .counts import Counts

__all__ = ["Correlator", "Counts", "LinkEnds"]
