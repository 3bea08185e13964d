"""The command line's contract: what is printed where, exit codes, one seed one result, help with examples."""

import itertools
import json
import re
import shutil
import signal
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import typer
from bellringer.analysis.files import read_tags
from bellringer.console.main import app
from bellringer.drivers import names, open_instrument
from bellringer.sequences.sequence import LIBRARY
from bellringer.testbed.loader import load

pytestmark = pytest.mark.process

BELL = ("chsh", "--dry-run", "--integration-s", "0.05", "--fringe-points", "0")
FEATURED = {"S", "visibility_HV", "visibility_DA", "coincidence_rate", "accidental_rate"}
WARM = ("--set", "charlie.pump.model.warm_up=0 s")

# --- run ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bell_tests(bellringer_in, tmp_path_factory):
    """Return (what was printed on stdout, on stderr, the run's folder) of three processes at the same time.

    Seeds 7, 7 and 8; the last one prints for people.
    """
    started = []
    with ExitStack() as stack:
        for seed, words in ((7, ["--json"]), (7, ["--json"]), (8, [])):
            bellringer = bellringer_in(tmp_path_factory.mktemp("bell"))
            command = ("run", bellringer.example, *BELL, "--seed", seed, *words)
            started.append((bellringer, stack.enter_context(bellringer.started(*command))))
        done = []
        for bellringer, process in started:
            out = process.communicate(timeout=150)[0]
            assert process.returncode == 0, bellringer.stderr()
            done.append((out, bellringer.stderr(), bellringer.run_folder()))
    return done


def tags_of(folder):
    """Return every array of every tag file of a run."""
    found = {}
    for path in sorted((folder / "tags").glob("*.tags")):
        tags = read_tags(path)
        found |= {(path.name, name): getattr(tags, name) for name in ("times_ps", "channels", "gaps")}
    return found


def test_a_run_prints_one_json_object_with_its_results_last(bell_tests):
    out, _, folder = bell_tests[0]
    answer = json.loads(out.splitlines()[-1])
    assert set(answer) == {"run", "folder", "status", "results"}
    assert (answer["run"], answer["folder"]) == (folder.name, f"runs/{folder.name}")
    assert answer["status"] == "completed"
    assert set(answer["results"]) >= FEATURED
    for body in answer["results"].values():
        assert set(body) == {"value", "error", "unit", "reason"}
    assert answer["results"]["S"]["value"] > 2
    assert answer["results"] == json.loads((folder / "results.json").read_text())["results"]


def test_with_json_stdout_holds_nothing_but_the_object_and_stderr_tells_progress(bell_tests):
    out, errors, _ = bell_tests[0]
    assert len(out.splitlines()) == 1
    for progress in ("starting the simulated lab (seed 7)", "opening charlie.pump", "CHSH settings", "report"):
        assert progress in errors
    assert "Traceback" not in errors


def test_without_json_stdout_holds_a_table_and_the_report_s_path(bell_tests):
    out, errors, folder = bell_tests[2]
    assert "visibility_HV" in out
    assert f"completed; report: runs/{folder.name}/report.html" in out
    assert (folder / "report.html").is_file()
    assert "starting the simulated lab (seed 8)" in errors


def test_one_seed_gives_identical_tags_results_and_events_in_another_process(bell_tests):
    one, again = (folder for _, _, folder in bell_tests[:2])
    tags, tags_again = tags_of(one), tags_of(again)
    assert tags.keys() == tags_again.keys()
    assert len({name for name, _ in tags}) == 12  # two nodes, two matched bases and four CHSH settings
    assert sum(len(array) for (_, name), array in tags.items() if name == "times_ps") > 100_000
    for key, array in tags.items():
        assert array.dtype == tags_again[key].dtype
        np.testing.assert_array_equal(array, tags_again[key])
    for name in ("results.json", "snapshots.json", "events.jsonl"):
        assert (one / name).read_text() == (again / name).read_text()


def test_another_seed_gives_other_tags(bell_tests):
    tags, other = tags_of(bell_tests[0][2]), tags_of(bell_tests[2][2])
    assert tags.keys() == other.keys()
    assert not any(np.array_equal(tags[key], other[key]) for key in tags if key[1] == "times_ps")


def test_what_was_asked_is_in_the_record(bell_tests):
    asked = json.loads((bell_tests[0][2] / "run.json").read_text())
    assert asked["seed"] == 7
    assert asked["dry_run"] is True
    assert asked["sequence"] == "chsh"
    assert asked["parameters"]["integration_s"] == 0.05


@pytest.mark.parametrize(
    ("words", "what", "advice"),
    [
        (("chhs",), "no sequence 'chhs'", "did you mean 'chsh'?"),
        (("chsh", "--integration", "2"), "no parameter 'integration'", "did you mean 'integration_s'?"),
        (("chsh", "--integration-s", "two"), "'two', not a finite number", "write --integration-s 1.5"),
        (("chsh", "--fringe-points", "1.5"), "'1.5', not a whole number", "write --fringe-points 3"),
        (("count_rates", "--source", "perhaps"), "'perhaps', not true or false", "write --source true"),
        (("chsh", "twice"), "what is 'twice'?", "--name value"),
        (("mine.py",), "no file 'mine.py'", "FILE.py:NAME"),
        (("syntax.py",), "cannot be imported: SyntaxError", "correct the file"),
        (("two.py",), "several sequences", "two.py:one, two.py:two"),
        (("two.py:on",), "no sequence 'on'", "did you mean 'one'?"),
        (("empty.py",), "has no sequence", "@sequence"),
    ],
)
def test_a_wrong_sequence_or_parameter_is_told_before_a_lab_is_started(bellringer, words, what, advice):
    head = "from bellringer.sequences import Run, sequence\n\n\n"
    body = "@sequence\ndef {}(run: Run) -> None:\n    'Nothing.'\n"
    (bellringer.folder / "syntax.py").write_text(head + "@sequence\ndef broken(run)\n")
    (bellringer.folder / "two.py").write_text(head + body.format("one") + body.format("two"))
    (bellringer.folder / "empty.py").write_text(head)
    done = bellringer.here("run", bellringer.example, *words, "--dry-run")
    assert done.returncode == 1
    said = " ".join(done.stderr.split())
    assert what in said
    assert advice in said
    assert "starting the simulated lab" not in said
    assert "Traceback" not in said


# --- files --------------------------------------------------------------------------------------------------------


def test_schema_is_json_that_knows_the_example_s_blocks(bellringer):
    done = bellringer("schema")
    assert done.returncode == 0
    schema = json.loads(done.stdout)
    assert schema["properties"].keys() >= {"bellringer", "name", "nodes", "wiring", "links"}


def test_check_accepts_the_example_and_shows_what_is_in_it(bellringer):
    done = bellringer("check", bellringer.example)
    assert done.returncode == 0
    assert "bell-three-node: no errors" in done.stdout
    assert "cobolt_06" in done.stdout


def test_check_refuses_a_wrong_file_with_place_and_advice(bellringer):
    file = bellringer.folder / "lab.yaml"
    file.write_text(bellringer.example.read_text().replace("driver: tc200", "driver: tc20"))
    line = file.read_text().splitlines().index("        driver: tc20") + 1
    done = bellringer("check", file.name)
    assert done.returncode == 1
    assert f"where: lab.yaml:{line}:9" in done.stderr
    assert "did you mean 'tc200'?" in done.stderr
    assert done.stdout == ""


def test_init_copies_an_example_that_checks_and_never_overwrites(bellringer):
    done = bellringer("init", "my_lab")
    assert done.returncode == 0
    file = bellringer.folder / "my_lab" / "bell_three_node.yaml"
    assert file.read_text() == bellringer.example.read_text()
    assert f"bellringer run {file.relative_to(bellringer.folder)} chsh --dry-run" in done.stdout
    file.write_text("mine")
    again = bellringer.here("init", "my_lab")
    assert again.returncode == 1
    assert "exists already" in again.stderr
    assert "nothing was changed" in again.stderr
    assert file.read_text() == "mine"
    other = bellringer.here("init", "my_lab", "--example", "bell_thre_node")
    assert "did you mean 'bell_three_node'?" in other.stderr


# --- what there is ------------------------------------------------------------------------------------------------


def test_ls_drivers_lists_every_driver(bellringer):
    assert [body["driver"] for body in json.loads(bellringer("ls", "drivers", "--json").stdout)] == names()
    shown = bellringer.here("ls", "drivers")
    assert shown.returncode == 0
    assert all(name in shown.stdout for name in names())


def test_ls_drivers_with_a_name_shows_settings_with_units_and_limits(bellringer):
    (body,) = json.loads(bellringer("ls", "drivers", "cobolt_06", "--json").stdout)
    (power,) = [value for value in body["values"] if value["name"] == "power"]
    assert (power["unit"], power["settable"], power["limits"]) == ("W", True, [0.0, 1.0])
    assert "Laser" in body["capabilities"]
    shown = bellringer.here("ls", "drivers", "cobolt_06").stdout
    assert re.search(r"power .*yes .*W .*0 to 1 W", shown)
    assert "emission_on() -> None" in shown
    assert "abandon" not in shown
    wrong = bellringer.here("ls", "drivers", "cobalt_06")
    assert wrong.returncode == 1
    assert "did you mean 'cobolt_06'?" in wrong.stderr


def test_ls_sequences_lists_parameters_with_their_defaults(bellringer):
    listed = {body["name"]: body for body in json.loads(bellringer("ls", "sequences", "--json").stdout)}
    assert set(listed) == set(LIBRARY)
    assert listed["chsh"]["parameters"]["integration_s"] == ["float", 1.0]
    assert "--integration-s float  (default 1.0)" in bellringer.here("ls", "sequences").stdout


# --- runs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(bellringer, bell_tests):
    """A run's folder among the runs of ``bellringer``."""
    folder = bell_tests[0][2]
    return Path(shutil.copytree(folder, bellringer.folder / "runs" / folder.name))


def test_runs_are_listed_shown_and_reported_again(bellringer, kept):
    (listed,) = json.loads(bellringer("runs", "ls", "--json").stdout)
    assert (listed["run"], listed["status"]) == (kept.name, "completed")
    assert kept.name in bellringer.here("runs", "ls").stdout  # whole, to be copied
    results = json.loads((kept / "results.json").read_text())["results"]
    for name in (kept.name, "latest", f"runs/{kept.name}"):
        assert json.loads(bellringer.here("runs", "show", name, "--json").stdout)["results"] == results
    assert "visibility_HV" in bellringer.here("runs", "show").stdout
    report = kept / "report.html"
    before = report.read_text()
    report.unlink()
    done = bellringer.here("runs", "report", kept.name)
    assert report.read_text() == before
    assert bellringer.folder / done.stdout.strip() == report


def test_no_runs_yet_is_told_with_a_way_to_make_one(bellringer):
    done = bellringer.here("runs", "ls")
    assert done.returncode == 0
    assert "no runs in runs; make one: bellringer run" in done.stdout
    assert json.loads(bellringer.here("runs", "ls", "--json").stdout) == []
    for command in ("show", "report"):
        done = bellringer.here("runs", command)
        assert done.returncode == 1
        assert "there is no run 'latest' in runs" in done.stderr
        assert "--runs" in done.stderr


def test_an_unknown_run_is_told_with_the_nearest_name(bellringer, kept):
    done = bellringer.here("runs", "show", kept.name[:-1])
    assert done.returncode == 1
    assert f"did you mean '{kept.name}'?" in " ".join(done.stderr.split())


# --- help ---------------------------------------------------------------------------------------------------------


def commands(group, path=()):
    """Yield the words of every command."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("words", sorted(commands(typer.main.get_command(app))), ids=" ".join)
def test_help_of_every_command_shows_an_example_of_that_command(bellringer, words):
    done = bellringer.here(*words, "--help")
    assert done.returncode == 0
    shown = " ".join(done.stdout.split())
    assert re.search(rf"Examples?: .*bellringer {' '.join(words)}\b", shown)


def test_version_is_printed(bellringer):
    done = bellringer("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"bellringer \d+\.\d+\.\d+\n", done.stdout)


def test_an_unknown_command_is_exit_code_2_on_stderr(bellringer):
    done = bellringer("rnu")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "rnu" in done.stderr


# --- lab up -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab_up(bellringer_in, tmp_path_factory):
    """A simulated lab in step with the wall clock; return what it printed."""
    bellringer = bellringer_in(tmp_path_factory.mktemp("lab"))
    with bellringer.started("lab", "up", bellringer.example, "--json", "--seed", "3", *WARM) as process:
        yield json.loads(process.stdout.readline())


def opened(lab_up, name, **settings):
    body = lab_up["instruments"][name]
    return open_instrument(body["driver"], body["resource"], name=name, **body["options"], **settings)


def test_lab_up_tells_where_every_instrument_is(lab_up, bellringer):
    testbed = load(bellringer.example).testbed
    assert lab_up["seed"] == 3
    assert set(lab_up["instruments"]) == {name for name, entry in testbed.instruments().items() if not entry.parts}
    for name, body in lab_up["instruments"].items():
        assert body["driver"] == testbed.instruments()[name].driver
        assert re.match(r"serial:///\S|socket://127\.0\.0\.1:\d|zmq://127\.0\.0\.1:\d", body["resource"])


def test_a_laser_of_lab_up_is_driven_in_real_time(lab_up):
    with opened(lab_up, "charlie.pump", power=0.005) as laser:
        assert laser.power == pytest.approx(0.005)
        assert laser.power_now == 0.0
        laser.emission_on()
        assert laser.is_emitting()
        laser.clock.sleep(0.7)  # it rises over half a second
        assert laser.power_now == pytest.approx(0.005, rel=0.01)
        laser.emission_off()
        assert laser.power_now == 0.0


def test_detectors_of_lab_up_count_their_dark_counts(lab_up):
    """Two detectors with 100 dark counts/s each, over five periods of 0.1 s: 4 to 250 clicks in all."""
    with opened(lab_up, "alice.detectors", bias_current=20e-6, measurement_period=0.1) as detectors:
        detectors.enable()
        rates = [detectors.count_rates() for _ in range(5)]
    counts = sum(itertools.chain.from_iterable(rates)) * 0.1
    assert 4 <= counts <= 250


def test_a_tagger_of_lab_up_records_over_its_own_ports(lab_up):
    with opened(lab_up, "alice.tagger") as tagger:
        assert tagger.identity.model == "ID900"
        recording = tagger.record(0.2, [1, 2])
    assert recording.duration_ps == 200_000_000_000
    assert set(recording.channels.tolist()) <= {1, 2}
    assert np.all(np.diff(recording.times_ps) >= 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_lab_up_cleanly(bellringer, number):
    with bellringer.started("lab", "up", bellringer.example, "--json") as process:
        place = json.loads(process.stdout.readline())["instruments"]["charlie.pump"]["resource"]
        assert Path(place.removeprefix("serial://")).exists()
        process.send_signal(number)
        assert process.wait(20) == 0
        assert process.stdout.read() == ""
    assert bellringer.stderr() == ""


def test_lab_up_prints_a_table_for_people(bellringer):
    with bellringer.started("lab", "up", bellringer.example) as process:
        text = process.stdout.readline()
        while "bob.tagger" not in text:
            text += process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.wait(20)
    assert "bell-three-node, simulated; Ctrl-C ends it" in text
    assert "socket://127.0.0.1:" in text
