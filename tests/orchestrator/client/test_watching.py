"""A watcher that hears nothing says so, instead of nothing."""

from bellringer.orchestrator.client.watching import PATIENCE_S, Silence


def test_an_instrument_of_which_nothing_is_published_is_told_now_and_then_until_it_is_back():
    silence = Silence(["alice.plate", "charlie.pump"], 1.0, 0.0)
    silence.heard("charlie.pump", 3.0)
    assert silence.overdue(PATIENCE_S) == {}
    assert silence.overdue(PATIENCE_S + 1.0) == {"alice.plate": PATIENCE_S + 1.0}
    assert silence.overdue(PATIENCE_S + 2.0) == {}, "it was told a second ago"
    silence.heard("charlie.pump", 10.0)
    assert silence.overdue(12.0) == {"alice.plate": 12.0}
    silence.heard("alice.plate", 12.0)
    assert silence.overdue(14.0) == {}


def test_what_is_read_seldom_is_not_silent_soon():
    silence = Silence(["alice.plate"], 60.0, 0.0)
    assert silence.overdue(179.0) == {}
    assert silence.overdue(181.0) == {"alice.plate": 181.0}
