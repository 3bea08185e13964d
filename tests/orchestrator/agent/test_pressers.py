"""Who pressed an e-stop is waited for until he was told that it is dark, and not for ever."""

from bellringer.orchestrator.agent.pressers import WAIT_S, Pressers


def test_nobody_is_waited_for_when_nobody_pressed():
    assert not Pressers().waiting(0.0)


def test_who_pressed_is_waited_for_until_he_was_told_that_it_is_dark():
    pressers = Pressers()
    pressers.pressed("key", b"peer", 10.0)
    assert pressers.waiting(10.0 + WAIT_S - 0.1)
    pressers.told(b"somebody else", True, 11.0)
    assert pressers.waiting(11.0)
    pressers.told(b"peer", True, 11.0)
    assert not pressers.waiting(11.0)


def test_who_asks_again_still_waits():
    pressers = Pressers()
    pressers.pressed("key", b"peer", 10.0)
    pressers.told(b"peer", False, 12.0)
    assert pressers.waiting(12.0 + WAIT_S - 0.1)
    assert not pressers.waiting(12.0 + WAIT_S)


def test_a_status_asked_for_by_others_makes_nobody_wait():
    pressers = Pressers()
    pressers.told(b"peer", False, 12.0)
    assert not pressers.waiting(12.0)


def test_a_press_that_the_coordinator_told_of_is_expected_here_but_not_for_ever():
    pressers = Pressers()
    pressers.heard_of("key", 10.0)
    assert pressers.waiting(10.0 + WAIT_S - 0.1)
    assert not pressers.waiting(10.0 + WAIT_S)
    pressers.pressed("key", b"peer", 11.0)
    pressers.told(b"peer", True, 11.0)
    assert not pressers.waiting(11.0), "it has come"
