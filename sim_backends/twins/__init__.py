"""The simulated instruments, by the name of the driver each is the far end of."""

from .detectors.websq import WebSqTwin
from .lasers.cobolt import CoboltTwin
from .optics.elliptec import ElliptecTwin
from .optics.tc200 import Tc200Twin
from .time_taggers.id900 import Id900Twin
from .timing.attempt_core import AttemptCoreTwin
from .timing.pulse_streamer import PulseStreamerTwin
from .twin import Twin

TWINS: dict[str, type[Twin]] = {
    twin.driver: twin
    for twin in (
        CoboltTwin,
        Tc200Twin,
        ElliptecTwin,
        WebSqTwin,
        Id900Twin,
        AttemptCoreTwin,
        PulseStreamerTwin,
    )
}
