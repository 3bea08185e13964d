"""Bad testbed files, setpoints, ports and instruments: a clear error, exit code 1, a dark lab, a readable record."""

import json
import math
import re
import socket

import pytest
from bellringer.analysis import rate
from bellringer.analysis.files import read_tags
from bellringer.orchestrator.agent.host import Endpoint
from bellringer.testbed.errors import IdentityError, LimitError, TransportError

from ..reserved_ports import reserve_ports

pytestmark = pytest.mark.process

WRONG_FILES = {
    "unknown key": ("brightness:", "brigthness:", "unknown key 'brigthness'", "did you mean 'brightness'?"),
    "unknown setting": ("{power: ", "{pwoer: ", "'pwoer' is no setting", "did you mean 'power'?"),
    "missing unit": ('{power: "10 mW"}', "{power: 10}", "a number without a unit", 'write "10 mW"'),
    "wrong unit": ('{power: "10 mW"}', '{power: "10 ms"}', "not a quantity in W", '"1 mW"'),
    "not a number": ('{power: "10 mW"}', '{power: "nan mW"}', "not a number with a unit", '"1 mW"'),
    "beyond its own limit": ('{power: "10 mW"}', '{power: "60 mW"}', "outside 0 to 0.05 W", "nothing was sent"),
    "bad enum": ("kind: spdc_crystal", "kind: spdc_cristal", "spdc_cristal", "spdc_crystal"),
    "unknown driver": ("driver: cobolt_06", "driver: cobalt_06", "no driver 'cobalt_06'", "did you mean 'cobolt_06'?"),
    "duplicate address": ("_DK0C31-", "_DK0C22-", "address 0, like alice.plate", "options: {address"),
    "duplicate key": ("name: bell-three-node", "name: a\nname: b", "'name' appears twice", "keep one of them"),
    "wired to nothing": ("-> alice.detectors.1", "-> alice.detector.1", "alice.detector", "alice.detectors"),
    "no YAML": ("      pump_plate:\n", "     pump_plate:\n", "no valid YAML", "check indentation"),
}
"""Fault: (text of the example, what stands there instead, what the error says, what it advises)."""

WHOLE_PROCESS = ("unknown key", "missing unit", "duplicate address")


@pytest.fixture
def nobody_came():
    """A port on which nobody may knock; gives the words of a command line that puts an instrument there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield ["--set", f"alice.detectors.resource=socket://127.0.0.1:{server.getsockname()[1]}"]
        with pytest.raises(BlockingIOError):
            server.accept()


def flat(text: str) -> str:
    """Return printed text without its line breaks."""
    return " ".join(text.split())


@pytest.mark.parametrize("fault", WRONG_FILES)
def test_a_wrong_file_is_refused_before_any_io_with_place_and_advice(bellringer, nobody_came, fault):
    old, new, what, advice = WRONG_FILES[fault]
    text = bellringer.example.read_text()
    assert text.count(old) == 1
    file = bellringer.folder / "lab.yaml"
    file.write_text(text.replace(old, new))
    run = bellringer if fault in WHOLE_PROCESS else bellringer.here
    done = run("run", "lab.yaml", "count_rates", *([] if fault == "no YAML" else nobody_came))
    assert done.returncode == 1
    assert done.stdout == ""
    said = flat(done.stderr)
    assert what in said
    assert advice in said
    place = re.search(r"lab\.yaml:(\d+):(\d+)", said)
    assert place is not None
    line = file.read_text().splitlines()[int(place[1]) - 1]
    assert 1 <= int(place[2]) <= len(line) + 1
    assert "Traceback" not in said
    assert not (bellringer.folder / "runs").exists()


def test_a_missing_file_is_refused_with_its_neighbours_name(bellringer):
    (bellringer.folder / "my_lab.yaml").write_text("bellringer: 1\n")
    done = bellringer.here("run", "my_lb.yaml", "chsh", "--dry-run")
    assert done.returncode == 1
    assert "there is no file my_lb.yaml" in done.stderr
    assert "did you mean 'my_lab.yaml'?" in done.stderr


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ("charlie.pump.power=50.001 mW", "outside 0 to 0.05 W"),
        ("charlie.pump.power=-1 mW", "outside 0 to 0.05 W"),
        ("charlie.pump.power=nan W", "not a number with a unit"),
        ("charlie.pump.power=1e999 W", "not a finite"),
        ("charlie.pump.power=0.010", "without a unit"),
        ("charlie.oven.temperature_setpoint=400 K", "126.85 degC is outside"),
        ("charlie.pump_plate.angle=inf deg", "not a number with a unit"),
        ("charlie.pmup.power=1 mW", "did you mean 'pump'?"),
    ],
)
def test_a_bad_setpoint_on_the_command_line_reaches_no_instrument(bellringer, nobody_came, given, what):
    done = bellringer.here("run", bellringer.example, "count_rates", "--set", given, *nobody_came)
    assert done.returncode == 1
    assert what in flat(done.stderr)
    assert "next:" in done.stderr
    assert not (bellringer.folder / "runs").exists()


@pytest.mark.parametrize("value", [0.0500001, -1e-9, math.nan, math.inf, "10 mW", True, None])
def test_a_bad_setpoint_in_a_sequence_reaches_no_instrument(lab, value):
    before = {}

    def overdrive(run):
        before.update(lab.inspect("charlie.pump"), lab_ps=lab.clock.now_ps())
        try:
            run.set("charlie.pump", "power", value)
        finally:
            after = {**lab.inspect("charlie.pump"), "lab_ps": lab.clock.now_ps()}
            assert after == before  # lab time stood still: not a byte has travelled

    outcome = lab.run(overdrive)
    assert outcome.status == "failed"
    assert isinstance(outcome.error, LimitError)
    assert "charlie.pump" in outcome.error.where
    assert "nothing was sent" in outcome.error.hint
    assert lab.light_w() == 0.0
    kinds = [event["event"] for event in lab.events(outcome.folder)]
    assert kinds == ["opening", "opened", "running", "set", "dark", "closed", "failed"]


def test_a_bad_setpoint_in_a_lit_lab_leaves_it_dark(lab):
    def overdrive(run):
        run.start_source(run.link())
        assert lab.light_w() > 0.0
        run.set("charlie.pump", "power", 0.08)

    outcome = lab.run(overdrive)
    assert isinstance(outcome.error, LimitError)
    assert lab.light_w() == 0.0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("charlie.pump", "charlie.oven"),
        ("charlie.pump", "charlie.pump_plate"),
        ("charlie.oven", "alice.plate"),
        ("alice.plate", "charlie.pump"),
    ],
)
def test_swapped_instruments_are_recognised_and_the_lab_stays_dark(lab, one, other):
    def never(run):
        raise AssertionError("the sequence must not begin")

    swapped = {one: lab.endpoints[other].resource, other: lab.endpoints[one].resource}
    outcome = lab.run(
        never, endpoints={name: Endpoint(place, lab.endpoints[name].options) for name, place in swapped.items()}
    )
    assert outcome.status == "failed"
    said = str(outcome.error)
    for name, place in swapped.items():
        assert re.search(rf"{re.escape(name)}.* at {re.escape(place)}", said)
    assert lab.light_w() == 0.0
    assert [event["event"] for event in lab.events(outcome.folder)] == ["opening", "dark", "closed", "failed"]
    assert lab.events(outcome.folder)[1]["confirmed"] is True
    record = json.loads((outcome.folder / "run.json").read_text())
    assert (record["status"], record["error"]) == ("failed", said)


def test_another_unit_of_the_same_kind_is_told_by_its_serial_number(lab):
    def never(run):
        raise AssertionError("the sequence must not begin")

    outcome = lab.run(never, overrides=("charlie.pump.serial_number=99999",))
    assert outcome.status == "failed"
    assert isinstance(outcome.error, IdentityError)
    assert re.match(r"expected serial number 99999, found Cobolt .* serial \d{5}", outcome.error.what)
    assert outcome.error.where.startswith("charlie.pump (Cobolt 06-01) at serial:///")
    assert lab.light_w() == 0.0


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("charlie.pump", "serial:///dev/there-is-no-such-port"),
        ("alice.detectors", "socket://127.0.0.1:{}"),
        ("bob.detectors", "TCPIP::127.0.0.1::{}::SOCKET"),
        ("bob.tagger", "zmq://127.0.0.1:{}"),
    ],
)
def test_a_closed_port_is_an_error_that_names_it(lab, name, resource):
    def never(run):
        raise AssertionError("the sequence must not begin")

    place = resource.format(*reserve_ports(1, lab))
    outcome = lab.run(never, endpoints={name: Endpoint(place, lab.endpoints[name].options)})
    assert outcome.status == "failed"
    assert isinstance(outcome.error, TransportError)
    assert not isinstance(outcome.error, IdentityError)
    assert place in str(outcome.error)
    assert name in outcome.error.where
    assert outcome.error.hint
    assert lab.light_w() == 0.0
    assert lab.events(outcome.folder)[-1]["event"] == "failed"


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
def test_an_impossible_integration_time_is_refused_before_anything_is_sent(lab, seconds):
    def impatient(run):
        before = lab.clock.now_ps()
        try:
            run.acquire(run.link(), seconds)
        finally:
            assert lab.clock.now_ps() == before

    outcome = lab.run(impatient)
    assert isinstance(outcome.error, LimitError)
    assert f"cannot record for {seconds:g} s" in outcome.error.what
    assert "above zero" in outcome.error.hint


def test_a_real_run_without_its_instrument_ends_with_exit_code_1_and_a_record(bellringer):
    (port,) = reserve_ports(1, bellringer)
    place = f"socket://127.0.0.1:{port}"
    file, sequence = bellringer.one_laser(
        "from bellringer.sequences import Run, sequence\n\n\n"
        "@sequence\n"
        "def mine(run: Run) -> None:\n"
        "    'Never begins.'\n"
    )
    done = bellringer("run", file, sequence, "--set", f"table.lamp.resource={place}")
    assert done.returncode == 1
    said = flat(done.stderr)
    assert f"cannot open {place}" in said
    assert "where: table.lamp: cannot open" in said
    assert "next: is the instrument switched on" in said
    assert "Traceback" not in said
    assert json.loads((bellringer.run_folder() / "run.json").read_text())["status"] == "failed"
    shown = bellringer.here("runs", "show", "latest")
    assert "cannot open" in flat(shown.stdout)


def test_what_was_recorded_before_the_failure_is_kept(lab):
    def interrupted(run):
        link = run.link()
        run.start_source(link)
        acquisition = run.acquire(link, 0.01)
        run.result("clicks", rate(int(acquisition.singles().sum()), acquisition.seconds))
        run.set("charlie.pump", "power", math.nan)

    outcome = lab.run(interrupted)
    assert outcome.status == "failed"
    for node in ("alice", "bob"):
        assert len(read_tags(outcome.folder / "tags" / f"0001-{node}.tags")) > 100
    stored = json.loads((outcome.folder / "results.json").read_text())
    assert stored["results"]["clicks"]["value"] == outcome.results["clicks"].value > 0
    kinds = [event["event"] for event in lab.events(outcome.folder)]
    assert kinds[-6:] == ["acquisition", "result", "set", "dark", "closed", "failed"]


def test_a_failed_run_is_exit_code_1_and_prints_what_it_has(bellringer):
    file, sequence = bellringer.one_laser(
        "from bellringer.analysis import rate\n"
        "from bellringer.sequences import Run, sequence\n\n\n"
        "@sequence\n"
        "def mine(run: Run) -> None:\n"
        "    'One result, then a setpoint that is no number.'\n"
        "    run.call('table.lamp', 'emission_on')\n"
        "    run.result('clicks', rate(12, 3.0))\n"
        "    run.set('table.lamp', 'power', float('nan'))\n"
    )
    done = bellringer("run", file, sequence, "--dry-run", "--json")
    assert done.returncode == 1
    said = flat(done.stderr)
    assert "error: power must be a finite number in W, not nan" in said
    assert "where: table.lamp (Cobolt 06-01).power" in said
    assert "next: nothing was sent" in said
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["status"] == "failed"
    assert answer["results"]["clicks"]["value"] == 4.0
    folder = bellringer.run_folder()
    assert json.loads((folder / "results.json").read_text())["results"] == answer["results"]
    assert [event["confirmed"] for event in bellringer.events(folder) if event["event"] == "dark"] == [True]
    assert "power must be a finite number" in (folder / "report.html").read_text()
