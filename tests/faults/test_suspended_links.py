"""Rows 4 and 24 in a batch, on whole processes: what goes wrong ends it, and nothing begins before all is well."""

import pytest
from bellringer.orchestrator.client.entangle import Refused
from bellringer.orchestrator.client.overview import suspended
from bellringer.orchestrator.wire.messages import Ack, Entangled, Set, Status
from bellringer.testbed.errors import Aborted

from .memory_site import until

pytestmark = pytest.mark.process

HOLD_OFF_S = 2.0
"""As the site's file says."""
FAR_S = 600.0
LATCHED_A, WELL_A = 35e-6, 20e-6
"""Bias of the wires above their switching current, and on the plateau."""
OPEN = "SELECT 1 FROM batches WHERE state = ''"


@pytest.fixture
def site(guarded_memories):
    return guarded_memories


@pytest.fixture
def asked(site):
    """A request for more pairs than there will ever be, with a batch of it under way."""
    asked = site.entangle(kind="measure", pairs=10**6, deadline_s=10 * FAR_S)
    until(lambda: site.lit("alice"), "no batch runs")
    yield asked
    asked.take_back()
    until(lambda: site.stored(OPEN) == [], "a batch has no end")


def void(site, asked, words, spoil, mend):
    """Spoil something until that voids a batch for a reason with these words, and suspends the link.

    It is mended again where it happened between two batches. A busy machine may have lost the batch just before.
    """
    for _ in range(5):
        spoil()
        until(lambda: words in told(site), f"the link is not suspended by: {words}")
        until(lambda: site.stored(OPEN) == [], "a batch has no end")
        counts = site.ask("coordinator", Entangled(0, asked.request["id"]))["counts"]
        if any("VOID" in each for each in counts):
            return
        mend()
        until(lambda: site.lit("alice"), "no batch runs")
    pytest.fail(f"no batch is void because of: {words}")


def refused(site):
    """Return with which code a new request is refused, and why."""
    with pytest.raises(Refused) as caught:
        site.entangle(kind="measure", pairs=1)
    return caught.value.code, caught.value.what


def told(site):
    """Return what `bellringer status` tells of suspended links."""
    return "; ".join(suspended(site.ask("coordinator", Status(0))))


def lit_again_s(site):
    """Wait until a batch runs again and return the lab's time, s."""
    until(lambda: site.lit("alice"), "the link is not used again")
    return site.lab.now_ps / 1e12


def test_row_04_an_interlock_that_opens_in_a_batch_ends_it_and_requests_are_refused_until_somebody_acknowledged(
    site, asked
):
    def close():
        site.door.write_text("closed")
        until(lambda: "interlocks of alice" not in told(site), "a closed door is not seen")
        site.ask("coordinator", Ack(0, "alice"))

    void(site, asked, "interlock", lambda: site.door.write_text("open"), close)
    site.dark_since_s("alice")
    until(lambda: "door" in site.faults()["alice"], "alice is not latched")
    until(lambda: "door" in told(site), "nobody is told")
    code, why = refused(site)
    assert code == "INTERLOCK"
    assert "link 'alice-bob' is suspended by" in why
    assert "interlock 'door' is open" in why

    latched = site.faults()["alice"]
    site.ask("coordinator", Ack(0, "alice"))
    until(lambda: site.faults()["alice"] not in ("", latched), "an acknowledgement with the door open counted")
    site.door.write_text("closed")
    until(lambda: "interlocks of alice" not in told(site), "a closed door is not seen")
    code, why = refused(site)
    assert code == "INTERLOCK"
    assert "alice is latched dark" in why
    assert not site.lit("alice")

    acknowledged_s = site.lab.now_ps / 1e12
    site.ask("coordinator", Ack(0, "alice"))
    assert lit_again_s(site) - acknowledged_s >= HOLD_OFF_S
    assert told(site) == ""


def test_row_24_detectors_that_latch_in_a_batch_end_it_and_the_link_waits_until_they_count_again(site, asked):
    def bias(current_a):
        def is_set():
            try:
                site.ask("charlie", Set(0, "charlie.detectors", "bias_current", current_a, 0))
            except Aborted:  # an order to go dark came between
                return False
            return True

        until(is_set, "the bias cannot be set")

    void(site, asked, "detector charlie.detectors", lambda: bias(LATCHED_A), lambda: bias(WELL_A))
    site.dark_since_s("alice")
    assert "latched or blind: no click in" in told(site)
    code, why = refused(site)
    assert code == "NORES"
    assert "the detector is latched or blind: no click in" in why
    assert site.faults() == dict.fromkeys(site.faults(), ""), "it is nobody's fault, and nothing to acknowledge"

    well_s = site.lab.now_ps / 1e12
    bias(WELL_A)
    assert lit_again_s(site) - well_s >= HOLD_OFF_S
    assert told(site) == ""
    until(asked.take, "no pair comes", lambda: (asked.counts, asked.held_up, told(site), site.faults()))
