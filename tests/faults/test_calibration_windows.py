"""A memory link that loses its visibility is suspended, and comes back by itself when it is good again.

Whole processes in real time; the visibility is that of the simulated station, and nobody tells the coordinator of it.
"""

from pathlib import Path

import pytest
from bellringer.orchestrator.client.entangle import Refused
from bellringer.orchestrator.wire.messages import Status
from bellringer.testbed.models import Model

from .memory_site import MemorySite, until

PLAN = 'calibration: {every: "1 h", pairs: 120, visibility: 0.5}'


@pytest.fixture
def site(tmp_path: Path):
    site = MemorySite(tmp_path / "site", lambda text: text.replace('window: "50 ns"}', f'window: "50 ns", {PLAN}}}'))
    try:
        site.start()
        yield site
    finally:
        site.close()


def set_visibility(site: MemorySite, visibility: float) -> None:
    """Make the light at the station interfere so much from now on; models never change but for this."""
    part = site.testbed.optics()["charlie.station"]
    assert isinstance(part, Model)
    object.__setattr__(part, "visibility", visibility)
    assert site.testbed.optics()["charlie.station"].visibility == visibility


def told(site: MemorySite):
    return site.ask("coordinator", Status(0))["entanglement"]


def calibration(site: MemorySite):
    return told(site)["service"]["calibrations"]["alice-bob"]


def test_row_24_a_link_that_lost_its_visibility_is_suspended_and_admitted_again_when_it_is_good(site):
    asked = site.entangle(kind="measure", pairs=20)
    assert len(list(asked)) == 20
    assert calibration(site)["in_spec"], "the request had a window made first"
    found = told(site)["calibrated"]["alice-bob"]
    assert found["pairs"] >= 120
    assert found["visibility"]["value"] > 0.6
    forecasts = told(site)["service"]["links"]["alice-bob"]["forecasts"]
    assert forecasts["measure"]["fidelity"] == pytest.approx(found["fidelity"]["value"])

    set_visibility(site, 0.0)
    until(lambda: calibration(site)["age_s"] > 2.0, "the calibration does not age")
    asked = site.entangle(kind="measure", pairs=20, calibration_max_age_s=2.0, deadline_s=4.0)
    assert (list(asked), asked.state) == ([], "TIMEOUT")
    until(lambda: calibration(site)["failures"], "no window found that the visibility is lost")
    with pytest.raises(
        Refused, match=r"UNCAL: .*suspended by 'visibility of alice-bob': the visibility is .* below 0.5"
    ):
        site.entangle(kind="measure", pairs=1)
    assert told(site)["calibrated"]["alice-bob"]["visibility"]["value"] < 0.4

    set_visibility(site, 0.9)
    until(lambda: calibration(site)["in_spec"], "the link did not come back by itself")
    assert told(site)["service"]["conditions"]["visibility of alice-bob"]["good"]
    assert len(list(site.entangle(kind="measure", pairs=20))) == 20
