"""The host of instruments: who shares a thread, in what order things happen, and what a caller is told."""

import contextlib
import sys
import threading

import pytest
from bellringer.drivers import registry
from bellringer.drivers.interfaces import Identity, Instrument, Reading, Setting
from bellringer.orchestrator.agent.desk import Endpoint, groups
from bellringer.orchestrator.agent.host import InstrumentHost
from bellringer.sequences import run_sequence
from bellringer.sequences.sequence import Sequence
from bellringer.testbed.clock import WallClock
from bellringer.testbed.errors import BellringerError, InstrumentError, LimitError
from bellringer.testbed.loader import load

LAB = """\
bellringer: 1
name: test-lab
nodes:
  alice:
    instruments:
      plate: {driver: fake, resource: serial:///dev/ttyS0, options: {address: "0"}}
      mirror: {driver: fake, resource: serial:///dev/ttyS0, options: {address: "1"}}
      lamp: {driver: fake, resource: serial:///dev/ttyS1, settings: {level: "2 W"}, rest: {level: "1 W"}}
      heater: {driver: fake, resource: serial:///dev/ttyS2, limits: {level: {max: "3 W"}}}
      source: {driver: composed, parts: {lamp: lamp, heater: heater}}
  bob:
    instruments:
      plate: {driver: fake, resource: serial:///dev/ttyS3}
"""
SIMPLE = ["alice.plate", "alice.mirror", "alice.lamp", "alice.heater", "bob.plate"]


class Fake(Instrument):
    """An instrument that remembers, in ``log``, what was done to it and in which thread."""

    verified = "manual"
    model_name = "fake"
    log: list[tuple[str, str]] = []
    threads: dict[str, set[str]] = {}
    broken: dict[str, str] = {}
    """Name of an instrument: the step at which it fails."""
    level = Setting(
        lambda fake: fake._level, lambda fake, value: fake._put(value), unit="W", limits=(0.0, 10.0), doc="A level."
    )
    state = Reading(lambda fake: "fine", kind=str, doc="How it is.")

    def __init__(self, resource, *, address="0", **common):
        super().__init__(resource, **common)
        self._level = 0.0

    def _note(self, what):
        Fake.log.append((self.name, what))
        Fake.threads.setdefault(self.name, set()).add(threading.current_thread().name)
        if Fake.broken.get(self.name) == what:
            raise InstrumentError(f"{what} failed", where=self.label, hint="mend it")

    def _connect(self):
        self._note("connect")

    def _disconnect(self):
        self._note("disconnect")

    def identify(self):
        return Identity("maker", "fake", serial="7")

    def safe_state(self):
        self._note("dark")

    def _put(self, value):
        self._note(f"level {value:g}")
        self._level = value

    def meet(self, barrier):
        """Return once as many instruments as the barrier asks for are here at the same time."""
        barrier.wait(20)
        return self.resource

    def add(self, one, two=2):
        """Return a sum, after noting it."""
        self._note(f"add {one}")
        return one + two

    def _secret(self):
        """Nothing a caller by name may reach."""
        raise AssertionError("reached")


class Composed(Fake):
    """Made of a lamp and a heater."""

    composed = True
    roles = {"lamp": Instrument, "heater": Instrument}

    def __init__(self, resource="", *, parts, **common):
        super().__init__(resource, **common)
        self.parts = parts


@pytest.fixture
def testbed(tmp_path, monkeypatch):
    monkeypatch.setattr(Fake, "log", [])
    monkeypatch.setattr(Fake, "threads", {})
    monkeypatch.setattr(Fake, "broken", {})
    for name, driver in (("fake", Fake), ("composed", Composed)):
        monkeypatch.setitem(registry.BUILT_IN, name, f"{name}:{driver.__name__}")
        monkeypatch.setitem(sys.modules, f"bellringer.drivers.{name}", sys.modules[__name__])
    file = tmp_path / "lab.yaml"
    file.write_text(LAB)
    return load(file)


@pytest.fixture
def host(testbed):
    host = InstrumentHost(testbed.testbed, WallClock())
    yield host
    Fake.broken.clear()
    with contextlib.suppress(BellringerError):  # a test may have closed it
        host.close()


def did(name):
    return [what for who, what in Fake.log if who == name]


def test_what_shares_a_port_or_is_composed_forms_a_group(testbed):
    found = groups(testbed.testbed.instruments())
    assert sorted(map(sorted, found)) == [
        ["alice.heater", "alice.lamp", "alice.source"],
        ["alice.mirror", "alice.plate"],
        ["bob.plate"],
    ]


def test_a_group_has_one_thread_and_no_two_groups_share_one(host):
    host.open()
    threads = {name: found for name, found in Fake.threads.items()}
    assert all(len(found) == 1 for found in threads.values())
    assert threads["alice.plate"] == threads["alice.mirror"]
    assert threads["alice.lamp"] == threads["alice.heater"] == threads["alice.source"]
    assert len({*threads["alice.plate"], *threads["alice.lamp"], *threads["bob.plate"]}) == 3
    assert threading.current_thread().name not in set.union(*threads.values())


def test_calls_of_a_group_run_in_the_order_they_were_made(host):
    host.open()
    names = ["alice.plate", "alice.mirror"]
    values = host.gather([host.submit(names[n % 2], "call", "add", n) for n in range(40)])
    assert values == [n + 2 for n in range(40)]
    assert [what for _, what in Fake.log if what.startswith("add")] == [f"add {n}" for n in range(40)]


def test_groups_run_side_by_side(host):
    """Three calls that wait for each other can only return if they run at the same time."""
    host.open()
    barrier = threading.Barrier(3)
    names = ["alice.mirror", "alice.source", "bob.plate"]
    calls = [host.submit(name, "call", "meet", barrier) for name in names]
    assert host.gather(calls) == ["serial:///dev/ttyS0", "", "serial:///dev/ttyS3"]


def test_values_are_set_read_and_called_by_name(host):
    host.open()
    host.do("alice.lamp", "set", "level", 4.0)
    assert host.do("alice.lamp", "get", "level") == 4.0
    assert host.do("alice.lamp", "get", "state") == "fine"
    assert host.do("alice.lamp", "call", "add", 3, two=4) == 7
    assert host.do("alice.lamp", "identity") == "maker fake serial 7"
    assert host.snapshot()["alice.lamp"] == {"level": 4.0, "state": "fine"}
    assert list(host.snapshot()) == [*SIMPLE[:4], "alice.source", "bob.plate"]


def test_composed_instruments_are_opened_after_their_parts_and_closed_before_them(host):
    host.open()
    assert [who for who, what in Fake.log if what == "connect" and who != "bob.plate"][-1] == "alice.source"
    assert host.close() == []
    order = [who for who, what in Fake.log if what == "disconnect"]
    assert order.index("alice.source") < min(order.index("alice.lamp"), order.index("alice.heater"))


def test_settings_of_the_file_are_applied_and_its_rest_state_at_the_end_after_the_dark(host):
    host.open()
    host.apply_settings()
    assert did("alice.lamp") == ["connect", "level 2"]
    assert host.close() == []
    assert did("alice.lamp") == ["connect", "level 2", "dark", "level 1", "dark", "disconnect"]


def test_limits_of_the_file_hold(host):
    host.open()
    with pytest.raises(LimitError, match="limit of the testbed file"):
        host.do("alice.heater", "set", "level", 3.5)
    assert did("alice.heater") == ["connect"]


def test_several_failures_are_one_error_that_names_each(host):
    host.open()
    Fake.broken.update({"alice.lamp": "level 2.5", "bob.plate": "level 2.5"})
    with pytest.raises(InstrumentError) as caught:
        host.gather([host.submit(name, "set", "level", 2.5) for name in SIMPLE])
    assert caught.value.what == "2 of 5 calls failed"
    assert "alice.lamp set level: level 2.5 failed" in caught.value.where
    assert "bob.plate set level: level 2.5 failed" in caught.value.where
    assert "alice.mirror" not in caught.value.where
    assert str(caught.value).count("mend it") == 1, "the same advice for both is given once"
    assert len(str(caught.value).splitlines()) == 4, "one line for each"
    assert str(caught.value).count("next:") == 1
    assert all("level 2.5" in did(name) for name in SIMPLE)  # none of them kept the others from it


def test_one_failure_is_raised_as_it_is(host):
    host.open()
    Fake.broken["bob.plate"] = "level 2.5"
    with pytest.raises(InstrumentError) as caught:
        host.gather([host.submit(name, "set", "level", 2.5) for name in SIMPLE])
    assert (caught.value.what, caught.value.hint) == ("level 2.5 failed", "mend it")


@pytest.mark.parametrize(
    ("call", "what", "hint"),
    [
        (("alice.lmap", "get", "level"), "there is no instrument 'alice.lmap'", "did you mean 'alice.lamp'?"),
        (("alice.lamp", "get", "levle"), r"alice.lamp \(fake\) has no setting or reading 'levle'", "mean 'level'?"),
        (("alice.lamp", "set", "levle", 1.0), r"alice.lamp \(fake\) has no setting 'levle'", "mean 'level'?"),
        (("alice.lamp", "set", "state", "x"), r"'state' of alice.lamp \(fake\) is a reading", "valid names: level"),
        (("alice.lamp", "call", "ad", 1), r"alice.lamp \(fake\) has no method 'ad'", "did you mean 'add'?"),
        (
            ("alice.lamp", "call", "add"),
            "cannot be called like this: missing a required argument: 'one'",
            "add(one, two=2)",
        ),
        (("alice.lamp", "call", "add", 1, 2, 3), "cannot be called like this: too many", "add(one, two=2)"),
        (("alice.lamp", "call", "xyz"), "has no method 'xyz'", "valid names: add, meet, safe_state"),
        (("alice.lamp", "call", "level"), "has no method 'level'", "it is a setting or reading"),
        (("alice.lamp", "opne"), "there is no verb 'opne'", "did you mean 'open'?"),
    ],
)
def test_what_is_not_there_is_told_with_a_way_on(host, call, what, hint):
    host.open()
    before = len(Fake.log)
    with pytest.raises(BellringerError, match=what) as caught:
        host.do(*call)
    assert hint in caught.value.hint
    assert len(Fake.log) == before


@pytest.mark.parametrize(
    "name", ["_secret", "__init__", "_disconnect", "__class__", "level", "name", "close", "abandon", "snapshot"]
)
def test_nothing_private_is_reached_by_name(host, name):
    host.open()
    with pytest.raises(BellringerError, match="has no method"):
        host.do("alice.lamp", "call", name)


@pytest.mark.parametrize("name", ["_level", "__class__", "resource", "add"])
def test_only_declared_values_are_read_and_set_by_name(host, name):
    host.open()
    for verb in (("get", name), ("set", name, 1.0)):
        with pytest.raises(BellringerError, match="has no setting"):
            host.do("alice.lamp", *verb)


def test_all_are_made_dark_even_if_one_fails(host):
    host.open()
    Fake.broken["alice.plate"] = "dark"
    (failure,) = host.dark()
    assert str(failure).startswith("dark failed")
    assert all("dark" in did(name) for name in [*SIMPLE, "alice.source"])


def test_the_way_to_the_dark_is_open_in_an_aborted_run(host):
    host.open()
    host.clock.abort()
    assert host.dark() == []
    assert host.close() == []
    assert all(did(name)[-1] == "disconnect" for name in SIMPLE)


def test_an_instrument_that_was_never_opened_is_neither_darkened_nor_closed(host):
    host.do("bob.plate", "open")
    assert host.dark() == []
    assert host.close() == []
    assert did("bob.plate") == ["connect", "dark", "dark", "dark", "disconnect"]
    assert did("alice.lamp") == []


def test_when_one_cannot_be_opened_all_others_are_closed_again_and_the_sequence_never_begins(testbed, tmp_path):
    def never(run):
        raise AssertionError("the sequence must not begin")

    Fake.broken["alice.mirror"] = "connect"
    outcome = run_sequence(testbed, Sequence(never), {}, WallClock(), runs=tmp_path / "runs")
    assert outcome.status == "failed"
    assert str(outcome.error).startswith("connect failed")
    for name in set(SIMPLE) - {"alice.mirror"}:
        assert did(name)[0] == "connect"
        assert did(name)[-2:] == ["dark", "disconnect"]
    assert did("alice.mirror") == ["connect", "disconnect"]
    assert did("alice.source") == []


def test_a_closed_host_refuses_calls(host):
    host.open()
    host.close()
    with pytest.raises(BellringerError, match="the instruments are closed"):
        host.do("alice.lamp", "get", "level")


def test_an_instrument_that_fails_at_rest_is_closed_all_the_same(host):
    host.open()
    Fake.broken["alice.lamp"] = "level 1"
    (failure,) = host.close()
    assert "level 1 failed" in str(failure)
    assert did("alice.lamp")[-1] == "disconnect"


def test_endpoints_take_the_place_of_the_files_resources(testbed):
    places = {"bob.plate": Endpoint("serial:///dev/pts/9", {"address": "3"})}
    host = InstrumentHost(testbed.testbed, WallClock(), places)
    host.open()
    assert host.do("bob.plate", "call", "meet", threading.Barrier(1)) == "serial:///dev/pts/9"
    assert host.do("alice.lamp", "call", "meet", threading.Barrier(1)) == "serial:///dev/ttyS1"
    host.close()
