"""An agent's streams: one read in flight, blocks numbered, every way to an end told. Child and port are stand-ins."""

import select

import numpy as np
import pytest
from bellringer.analysis.files import read_tags
from bellringer.analysis.tagfile import ClockState, TagFileReader
from bellringer.drivers.interfaces import ClockMap, TagBlock
from bellringer.orchestrator.agent.recorder import TagRecorder
from bellringer.orchestrator.agent.streams import Streams
from bellringer.orchestrator.wire.codec import encode
from bellringer.orchestrator.wire.errors import to_refusal
from bellringer.orchestrator.wire.messages import Refusal, Reply, Stream
from bellringer.testbed.errors import Aborted, InstrumentError, OverflowDetected

TAGGER = "alice.tagger"
MAP = ClockMap(5, 0.0, 7, 5e-6, "host clock", True)


def block(number):
    times = np.array([10 * number, 10 * number + 3], np.int64)
    return TagBlock(10 * number, 10 * number + 10, times, np.array([1, 2], np.uint8), np.array([[10 * number + 9] * 2]))


class Child:
    """Keeps what it was asked; the test answers."""

    def __init__(self):
        self.asked, self.answers = [], []

    def submit(self, call, answer, **more):
        self.asked.append((call.method, *call.args))
        self.answers.append(answer)

    def reply(self, value=None):
        self.answers.pop(0)(Reply(1, value))

    def fail(self, error):
        self.answers.pop(0)(to_refusal(error, 1))


class Publisher:
    def __init__(self):
        self.published = []

    def publish(self, topic, event, *arrays):
        self.published.append((topic, event, arrays))
        return len(self.published)

    @property
    def names(self):
        return [event.name for _, event, _ in self.published]


class Node:
    def __init__(self, folder):
        self.child, self.publisher, self.answers = Child(), Publisher(), []
        self.recorder = TagRecorder(folder / "tags", self.publisher)
        self.streams = Streams(self.publisher, self.recorder)

    def ask(self, *channels, **more):
        self.streams.serve(Stream(1, TAGGER, channels, 0, **more), self.child, self.answers.append)

    def start(self, **more):
        self.ask(1, 2, **more)
        self.child.reply(MAP)

    def kept(self):
        """Do what the agent's loop does when a block is in its file."""
        assert select.select([self.recorder.wake], [], [], 10.0)[0], "nothing was written"
        self.recorder.turn()


@pytest.fixture
def node(tmp_path):
    node = Node(tmp_path)
    yield node
    node.recorder.close()


def test_blocks_are_published_with_numbers_and_their_place_in_time_one_read_at_a_time(node):
    node.start()
    assert isinstance(node.answers[0], Reply)
    stream = node.answers[0].value["stream"]
    assert node.answers[0].value["clock_map"] == MAP
    assert node.streams.described() == {TAGGER: {"stream": stream, "blocks": 0}}
    for number in range(3):
        assert len(node.child.answers) == 1, "never more than one read in flight"
        node.child.reply(block(number))
    assert [asked[0] for asked in node.child.asked] == ["start_stream"] + 4 * ["read_stream"]
    assert node.child.asked[0] == ("start_stream", [1, 2])
    topic, event, (times, channels) = node.publisher.published[1]
    assert (topic, event.name, event.source) == ("tags", "tags", TAGGER)
    assert event.body == {
        "instrument": TAGGER, "stream": stream, "block": 2, "begin_ps": 10, "end_ps": 20, "gaps_ps": [[19, 19]],
        "clock_map": vars(MAP),
    }  # fmt: skip
    assert (times.tolist(), channels.tolist()) == ([10, 13], [1, 2])
    assert node.streams.described()[TAGGER]["blocks"] == 3


def test_nothing_is_published_of_a_read_without_tags(node):
    node.start()
    node.child.reply(TagBlock(0, 0, np.empty(0, np.int64), np.empty(0, np.uint8)))
    assert node.publisher.published == []
    assert node.child.asked[-1][0] == "read_stream"


def test_a_stream_is_ended_after_the_read_in_flight_and_whoever_asked_is_told(node):
    node.start()
    node.child.reply(block(0))
    node.ask()
    assert len(node.answers) == 1
    node.child.reply(block(1))
    assert node.child.asked[-1] == ("stop_stream",)
    node.child.reply()
    assert node.answers[1].value["blocks"] == 2
    assert node.publisher.names == ["tags", "tags", "stream_ended"]
    assert node.publisher.published[-1][1].body["why"] == "it was stopped"
    assert node.streams.described() == {}
    node.ask()
    assert node.answers[2].value == {"stream": ""}
    node.start()
    assert node.answers[3].value["stream"] != node.answers[0].value["stream"]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OverflowDetected("tags of input 1 were lost"), "tags of input 1 were lost"),
        (Aborted("the run was aborted"), "it was made dark"),
        (InstrumentError("its driver process died"), "its driver process died"),
    ],
)
@pytest.mark.parametrize("asked", [False, True])
def test_an_error_ends_it_and_nothing_is_read_any_more(node, error, why, asked):
    node.start()
    if asked:
        node.ask()
    node.child.fail(error)
    assert node.publisher.names == ["stream_ended"]
    assert node.publisher.published[0][1].body["why"] == why
    assert node.child.answers == []
    assert node.streams.described() == {}
    assert len(node.answers) == 1 + asked


def test_a_tagger_that_refuses_to_start_leaves_nothing_behind(node):
    node.ask(1, 2)
    node.child.fail(InstrumentError("it records"))
    assert isinstance(node.answers[0], Refusal)
    assert node.publisher.published == []
    node.start()
    assert isinstance(node.answers[1], Reply)


def test_a_tagger_streams_once(node):
    node.ask(1, 2)
    with pytest.raises(InstrumentError, match="streams its tags already"):
        node.ask(3)


def test_an_end_asked_for_before_the_start_is_answered_comes_after_it(node):
    node.ask(1, 2)
    node.ask()
    node.child.reply(MAP)
    assert node.child.asked[-1] == ("stop_stream",)
    node.child.reply()
    assert [type(answer) for answer in node.answers] == [Reply, Reply]


def test_blocks_are_written_to_disk_only_if_asked(node, tmp_path):
    node.start()
    node.child.reply(block(0))
    assert list((tmp_path / "tags").iterdir()) == []


def test_a_recorded_stream_is_one_file_and_a_block_is_published_when_it_is_in_it(node, tmp_path):
    node.start(record=True)
    for number in (0, 1, 3):  # what lies between 1 and 3 was never told of
        node.child.reply(block(number))
        assert len(node.publisher.published) == min(number, 2), "not before it is kept"
        assert node.child.answers == [], "nor is more read"
        node.kept()
        assert node.publisher.published[-1][1].body["number"] == 1
        with TagFileReader(tmp_path / "tags" / f"000001-{TAGGER}.tags") as reader:
            assert reader.read().times_ps[-2:].tolist() == [10 * number, 10 * number + 3], (
                "it can be read while it grows"
            )
            assert not reader.ended
    node.ask()
    node.child.reply(TagBlock(40, 40, np.empty(0, np.int64), np.empty(0, np.uint8)))
    node.child.reply()
    node.kept()
    (path,) = (tmp_path / "tags").iterdir()
    with TagFileReader(path) as reader:
        assert reader.ended
        told = reader.read_told()
        assert reader.metadata["stream"] == node.answers[0].value["stream"]
        assert reader.metadata["clock_map"] == vars(MAP)
    assert told.tags.times_ps.tolist() == [0, 3, 10, 13, 30, 33]
    assert told.tags.gaps.tolist() == [[20, 30]]
    assert told.reasons == ("not recorded",)
    assert told.clocks == ((0, ClockState(MAP.source, MAP.locked)),)
    assert node.publisher.names == ["tags", "tags", "tags", "stream_ended"]


def test_a_stream_whose_file_finds_no_room_is_ended_and_what_was_kept_stays(node, tmp_path, mocker):
    node.start(record=True)
    node.child.reply(block(0))
    node.kept()
    mocker.patch("os.writev", side_effect=OSError(28, "No space left on device"))
    node.child.reply(block(1))
    node.kept()
    assert node.child.asked[-1] == ("stop_stream",)
    node.child.reply()
    mocker.stopall()
    node.kept()
    assert node.publisher.names == ["tags", "stream_ended"]
    assert "No space left on device" in node.publisher.published[-1][1].body["why"]
    assert read_tags(tmp_path / "tags" / f"000001-{TAGGER}.tags").times_ps.tolist() == [0, 3]


def test_a_driver_that_gives_something_else_ends_its_stream_and_nothing_more(node):
    node.ask(1)
    node.child.reply({"offset": 0})
    assert node.answers[0].what == "its driver's start_stream gave a dict, not a ClockMap"
    node.start()
    node.child.reply([1, 2])
    assert "gave a list, not a TagBlock" in node.publisher.published[-1][1].body["why"]
    assert node.streams.described() == {}


def test_arrays_that_do_not_fit_end_a_recorded_stream_and_nothing_more(node):
    node.start(record=True)
    node.child.reply(TagBlock(0, 10, np.zeros(3, np.int64), np.zeros(2, np.uint8), np.zeros(4, np.int64)))
    node.kept()
    assert node.child.asked[-1] == ("stop_stream",)
    node.child.reply()
    assert "could not be written" in node.publisher.published[-1][1].body["why"]


def test_everybody_who_asks_for_the_end_of_a_stream_is_told(node):
    node.start()
    node.ask()
    node.ask()
    node.child.reply(block(1))
    node.child.reply()
    assert [answer.value["why"] for answer in node.answers[1:]] == ["it was stopped"] * 2


def test_more_gaps_than_a_message_takes_are_told_as_one(node):
    node.start()
    gaps = np.arange(600_000, dtype=np.int64).reshape(-1, 2) << 40
    node.child.reply(TagBlock(0, 1 << 62, np.zeros(1, np.int64), np.ones(1, np.uint8), gaps))
    event = node.publisher.published[-1][1]
    assert event.body["gaps_ps"] == [[0, 599_999 << 40]]
    encode(event)
