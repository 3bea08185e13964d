"""A script's hold: others' commands reach it, and it ends in the dark whatever happens."""

import threading

import pytest
from bellringer.orchestrator.client import hold as module
from bellringer.orchestrator.client.hold import Hold
from bellringer.orchestrator.wire.messages import Do, Status
from bellringer.testbed.errors import Aborted, BellringerError, InstrumentError


class Ownership:
    """Stands for the real one; the test says what the coordinator would."""

    def __init__(self, run, instruments, connect, on_command, on_lost):
        self.run, self.instruments, self.tell, self.lose = run, instruments, on_command, on_lost
        self.held = False

    def __enter__(self):
        self.held = True
        return self

    def close(self):
        self.held = False


@pytest.fixture
def hold(connections, monkeypatch):
    monkeypatch.setattr(module, "Ownership", Ownership)
    hold = Hold(connections, ["alice.plate"])
    answer = connections.ask_node

    def ask_node(node, message, timeout_s):
        known = {"owners": {"alice.plate": hold.run} if hold._ownership.held else {}}
        return known if isinstance(message, Status) else answer(node, message, timeout_s)

    monkeypatch.setattr(connections, "ask_node", ask_node)
    return hold


def darkened(connections):
    return [message.instrument for where, message in connections.asked if where == "aside" and isinstance(message, Do)]


def test_it_ends_dark_and_gives_back(hold, connections):
    with hold:
        hold.check()
        assert hold._ownership.held
        assert darkened(connections) == []
    assert darkened(connections) == ["alice.plate"]
    assert not hold._ownership.held


def test_an_error_in_the_script_ends_it_dark_and_stays_the_error(hold, connections):
    def script():
        with hold:
            hold._ownership.lose(BellringerError("it was silent"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        script()
    assert darkened(connections) == ["alice.plate"]


def test_an_abort_makes_dark_at_once_and_is_raised_at_the_next_use_and_at_the_end(hold, connections):
    def script():
        with hold:
            hold._ownership.tell("abort")
            hold._darkener.join()
            assert darkened(connections) == ["alice.plate"]
            with pytest.raises(Aborted):
                hold.check()

    with pytest.raises(Aborted, match="was aborted"):
        script()


def test_a_lost_hold_is_not_silent(hold):
    with pytest.raises(BellringerError, match="it was silent"), hold:
        hold._ownership.lose(BellringerError("it was silent"))


def test_a_pause_holds_the_script_until_it_may_go_on(hold):
    went_on = threading.Event()
    with hold:
        hold._ownership.tell("pause")
        script = threading.Thread(target=lambda: (hold.check(), went_on.set()))
        script.start()
        assert not went_on.wait(0.3)
        hold._ownership.tell("resume")
        script.join()
    assert went_on.is_set()


def test_what_is_not_confirmed_dark_is_told(hold, connections, monkeypatch):
    def refuse(instrument, message, timeout_s):
        raise InstrumentError("it still shines")

    monkeypatch.setattr(connections, "ask_aside", refuse)
    with pytest.raises(InstrumentError, match=r"not confirmed dark: alice\.plate"), hold:
        pass
    assert not hold._ownership.held
