"""Messages on a pipe between an agent and a driver process arrive whole, in order, arrays and all, or not at all."""

import contextlib
import multiprocessing
import os
import signal
import threading

import numpy as np
import pytest
from bellringer.drivers.interfaces import ClockMap, Recording
from bellringer.orchestrator.agent.pipe import AgentEnd, Ping, Pong, receive, send
from bellringer.orchestrator.wire.codec import Decoder
from bellringer.orchestrator.wire.messages import Refusal, Reply

ANYTHING = Decoder(Ping | Pong | Reply)


@pytest.fixture
def ends():
    ours, theirs = multiprocessing.Pipe()
    yield ours, theirs
    for end in (ours, theirs):
        end.close()


def test_all_that_came_is_taken_in_at_once(ends):
    ours, theirs = ends
    for number in range(5):
        send(theirs.fileno(), Ping(number))
    assert receive(ours.fileno(), ANYTHING) == [Ping(number) for number in range(5)]


def test_what_comes_in_pieces_is_put_together(ends):
    ours, theirs = ends
    send(theirs.fileno(), Pong(1))
    send(theirs.fileno(), Reply(2, "x" * 300))
    whole = os.read(ours.fileno(), 4096)
    for cut in range(1, len(whole)):
        pieces = threading.Thread(
            target=lambda cut=cut: [os.write(theirs.fileno(), p) for p in (whole[:cut], whole[cut:])]
        )
        pieces.start()
        came = receive(ours.fileno(), ANYTHING)
        if len(came) == 1:
            came += receive(ours.fileno(), ANYTHING)
        pieces.join()
        assert came == [Pong(1), Reply(2, "x" * 300)]


def test_long_arrays_pass_and_what_follows_them_too(ends):
    ours, theirs = ends
    tags = np.arange(500_000, dtype=np.int64)
    sender = threading.Thread(
        target=lambda: [send(theirs.fileno(), Reply(1, [tags, tags[:3], tags[:0]])), send(theirs.fileno(), Pong(2))]
    )
    sender.start()
    came = receive(ours.fileno(), ANYTHING)
    while len(came) < 2:
        came += receive(ours.fileno(), ANYTHING)
    sender.join()
    assert [array.tolist() for array in came[0].value] == [tags.tolist(), [0, 1, 2], []]
    assert came[1] == Pong(2)


@pytest.mark.parametrize("told", [0, 3, 12])
def test_an_end_before_or_within_a_message_is_an_end(ends, told):
    ours, theirs = ends
    send(theirs.fileno(), Reply(1, "x" * 300))
    whole = os.read(ours.fileno(), 4096)
    os.write(theirs.fileno(), whole[:told])
    theirs.close()
    with pytest.raises(EOFError):
        receive(ours.fileno(), ANYTHING)


def test_who_sends_learns_that_the_other_side_has_gone(ends):
    ours, theirs = ends
    ours.close()
    with pytest.raises(BrokenPipeError):
        send(theirs.fileno(), Ping(1))


def test_a_signal_in_the_midst_of_sending_loses_nothing(ends):
    ours, theirs = ends
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    came = []
    reader = threading.Timer(0.02, lambda: came.extend(receive(ours.fileno(), ANYTHING)))  # until then the pipe is full
    reader.start()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
        send(theirs.fileno(), Reply(1, np.arange(500_000)))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    reader.join()
    assert came[0].value[-1] == 499_999


def test_an_agents_end_never_waits_and_what_it_could_not_send_follows_in_order(ends):
    ours, theirs = ends
    end, tags = AgentEnd(ours.fileno()), np.arange(500_000)
    for number in range(1000):
        end.send(Reply(number, "x" * 300))
    end.send(Reply(1000, tags))
    end.send(Ping(1001))
    assert end.unsent > tags.nbytes
    flushing = threading.Thread(target=lambda: [end.flush() for _ in iter(lambda: end.unsent, 0)])
    flushing.start()
    came = []
    while len(came) < 1002:
        came += receive(theirs.fileno(), ANYTHING)
    flushing.join()
    assert [message.id for message in came] == list(range(1002))
    assert came[1000].value.tolist() == tags.tolist()


def test_an_agents_end_takes_in_what_comes_in_pieces_without_waiting_for_the_rest(ends):
    ours, theirs = ends
    end = AgentEnd(ours.fileno())
    with pytest.raises(BlockingIOError):
        end.receive(ANYTHING)
    send(theirs.fileno(), Pong(1))
    send(theirs.fileno(), Reply(2, [np.arange(3), "x" * 300]))
    send(theirs.fileno(), Pong(3))
    whole = os.read(ours.fileno(), 4096)
    for cut in range(1, len(whole)):
        os.write(theirs.fileno(), whole[:cut])
        came = end.receive(ANYTHING)
        assert len(came) < 3
        os.write(theirs.fileno(), whole[cut:])
        with contextlib.suppress(BlockingIOError):
            while True:
                came += end.receive(ANYTHING)
        assert [message.id for message in came] == [1, 2, 3]
        assert came[1].value[0].tolist() == [0, 1, 2]
    theirs.close()
    with pytest.raises(EOFError):
        end.receive(ANYTHING)


@pytest.mark.parametrize("wrong", [{"channels": np.zeros(2, np.int64)}, {"duration_ps": 10.0}])
def test_a_drivers_value_that_cannot_be_read_is_a_refusal_of_its_job_and_what_follows_is_read(ends, wrong):
    ours, theirs = ends
    recording = Recording(
        **{
            "times_ps": np.zeros(2, np.int64),
            "channels": np.zeros(2, np.uint8),
            "duration_ps": 10,
            "clock_map": ClockMap(0, 0.0, 1, 0.0, "x", True),
            "gaps_ps": np.zeros((0, 2), np.int64),
            **wrong,
        }
    )
    send(theirs.fileno(), Reply(7, recording))
    send(theirs.fileno(), Pong(8))
    refused, pong = AgentEnd(ours.fileno()).receive(Decoder(Reply | Refusal | Pong))
    assert isinstance(refused, Refusal)
    assert refused.id == 7
    assert next(iter(wrong)) in refused.what
    assert pong == Pong(8)
