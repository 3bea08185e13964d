"""Who gets how many pairs, from which link, when: requests, admission, turns, batches, calibration and suspension.

``service.EntanglementService`` is the door; a decision has a module of its own, and none does any I/O.
"""

from .lab import Lab
from .links import Forecast, Link
from .replies import Accepted, Code, Ended, Herald, Pair, Rejected, State
from .requests import Request
from .service import EntanglementService

__all__ = [
    "Accepted",
    "Code",
    "Ended",
    "EntanglementService",
    "Forecast",
    "Herald",
    "Lab",
    "Link",
    "Pair",
    "Rejected",
    "Request",
    "State",
]
