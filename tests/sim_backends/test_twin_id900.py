"""The ID900 twin's command tree, counters and histograms against the protocol sheet, in lab time."""

import json

import numpy as np
import pytest
from bellringer.sim_backends.twins.time_taggers.id900 import Id900Twin
from bellringer.testbed.models import TaggerModel

S = 10**12


@pytest.fixture
def twin(lab):
    return Id900Twin(lab, "alice.tagger", TaggerModel(kind="time_tagger"))


@pytest.fixture
def unit(twin, wire):
    return wire("request", twin.main_port)


def every(rate_hz, seconds, first_ps=0):
    return first_ps + np.arange(round(rate_hz * seconds), dtype=np.int64) * (S // rate_hz)


def test_examples_of_the_sheet(unit):
    assert unit.ask("INPU2:THRE 0.25V;:INPU2:EDGE FALL") == ""
    assert unit.ask("INPU2:THRE?;:INPU2:EDGE?") == "0.25V\nFALL"
    assert unit.ask("HIST1:MIN?;:HIST1:BWID?") == "0TB\n100TB"
    assert unit.ask("INPU2:COUN?") == "0"


def test_identity_and_state(unit):
    assert [len(field) > 0 for field in unit.ask("*IDN?").split(",")] == [True] * 4
    assert "ID900" in unit.ask("*idn?")
    assert unit.ask("STATe?") == unit.ask("STAT?") == "READY"


def test_short_and_long_forms_in_any_case(unit):
    assert unit.ask("device:resolution hires") == ""
    assert unit.ask("DEVI:RES?") == "HIRES"
    assert unit.ask("DEVIce:RESolution:BWIDth?") == "1TB"
    assert unit.ask("INPUt1:ENABle on;:INPU1:ENAB?;:input1:enable?") == "ON\nON"
    assert unit.ask("RAW1:ERRORS?;:RAW1:ERROR?;:RAW1:ERRO?;:INPU3:HIRES:ERROR?;:INPU3:HIRE:ERRO?") == "0\n0\n0\n0\n0"


def test_semicolon_stays_in_the_subtree_and_semicolon_colon_leaves_it(unit):
    assert unit.ask("INPU1:ENAB ON;THRE 0.1;EDGE RISI;SELE UNSHAPED;THRE?") == "0.1V"
    assert unit.ask("REC:TRIG:ARM:MODE MANU;:REC:ENAB ON;:REC:STOP;:REC:NUM 3;:REC:DUR 1000000000000") == ""
    assert unit.ask("REC:NUM?;DUR?;ENAB?;TRIG:ARM:MODE?") == "3\n1000000000000TB\nON\nMANU"
    assert unit.ask("INPU1:THRE?;*IDN?;EDGE?").splitlines()[2] == "RISI"


def test_units(unit):
    unit.ask("INPU1:THRE 500mV;:REC:DUR 3000 GTB;:DELA1:VALU -100TB")
    assert unit.ask("INPU1:THRE?;:REC:DUR?;:DELA1:VALU?") == "0.5V\n3000000000000TB\n-100TB"
    unit.ask("REC:DUR 123456789012345678")  # beyond the 53 bits of a float
    assert unit.ask("REC:DUR?") == "123456789012345678TB"
    assert unit.ask("REC:NUM INF;NUM?") == "INF"


@pytest.mark.parametrize("command", [
    "FOO:BAR 1", "INPU5:ENAB ON", "INPU1:THRE 2.5", "INPU1:THRE 1A", "INPU1:EDGE UP", "HIST1:BCOU 16384", "REC:NUM 0",
    "INPU1:ENAB MAYBE", "RAW1:STOP:LINK NOWHERE", "RAW1:STOP:LINK TSCO3", "HIST1:BWID 150", "INPU1:COUN 3", "REC:PLAY?",
    "REC:DUR 1.5TB", "DEVI:CONF:LOAD NONSENSE",
])  # fmt: skip
def test_what_is_unknown_or_illegal_gets_an_error_text(unit, command):
    assert unit.ask(command).startswith("ERROR")
    assert unit.ask("REC:NUM?;:INPU1:THRE?;:HIST1:BWID?") == "1\n0.5V\n100TB"


def test_the_other_commands_of_a_message_are_obeyed_beside_a_refused_one(unit):
    assert unit.ask("REC:NUM 4;:NONSENSE 1;:REC:NUM?").splitlines()[1] == "4"


def test_every_message_takes_a_millisecond_a_command(unit, lab):
    unit.send("REC:NUM?;:REC:DUR?;:REC:ENAB?")
    lab.run_for(2.9e-3)
    assert unit.waiting()
    lab.run_for(0.2e-3)
    assert not unit.waiting()
    assert unit.receive().count("\n") == 2


def test_other_blocks_keep_their_settings(unit):
    unit.ask("TSCO6:OPIN AND;FIRS:LINK INPUT1;:TSCO6:SECO:LINK STARt;:TSCO6:WIND:ENAB ON;BEGI:DELA -500")
    assert unit.ask("TSCO6:FIRS:LINK?;:TSCO6:SECO:LINK?;:TSCO6:OPIN?") == "INPU1\nSTAR\nAND"
    unit.ask("GEN1:PPER 1000000;PWID 4000;TRIG:ARM:MODE AUTO;:OUTP2:LINK GEN1;MODE TTL;PULS ON;PULS:WIDT 8000")
    assert unit.ask("GEN1:PPER?;:OUTP2:LINK?;:OUTP2:PULS:WIDT?") == "1000000TB\nGEN1\n8000TB"
    unit.ask("DEVI:CONF:LOAD COUNT")
    assert unit.ask("TSCO7:FIRS:LINK?;:TSCO7:SECO:LINK?") == "INPU1\nINPU3"
    unit.ask("DEVI:CONF:LOAD HISTO")
    assert unit.ask("HIST2:REF:LINK?;:HIST2:STOP:LINK?") == "STAR\nINPU2"


def test_recalibration_takes_seconds_and_keeps_the_recorder_out(unit, lab):
    unit.ask("REC:ENAB ON")
    assert unit.ask("DEVI:SAMP:RECA") == ""
    assert unit.ask("STAT?") == "CALIBRATING"
    assert unit.ask("REC:PLAY").startswith("ERROR")
    lab.run_for(3)
    assert unit.ask("STAT?;:INPU1:HIRE:ERRO?") == "READY\n0"
    assert unit.ask("REC:PLAY") == ""


# --- counters -----------------------------------------------------------------------------------------------------


def test_a_cycling_counter_gives_its_last_whole_cycle(unit, lab, fake_bench):
    lab.bench = fake_bench({"alice.tagger.2": every(1000, 20)})
    unit.ask("INPU2:ENAB ON;COUN:MODE CYCL;:INPU2:COUN:INTE 500")
    assert unit.ask("INPU2:COUN?;:INPU1:COUN?", 0.7) == "500\n0"
    lab.run_for(0.6)
    assert unit.ask("INPU2:COUN?") == "500"


def test_a_counter_asked_too_early_answers_at_the_end_of_its_cycle(unit, lab, fake_bench):
    lab.bench = fake_bench({"alice.tagger.1": every(1000, 200)})
    unit.ask("INPU1:ENAB ON;COUN:INTE 200")
    unit.send("INPU1:COUN?")
    lab.run_for(0.1)
    assert unit.waiting()
    lab.run_for(0.12)
    assert unit.receive() == "200"


def test_a_counter_nobody_asks_stops_listening_and_wakes_up_right(unit, lab, fake_bench):
    lab.bench = fake_bench({"alice.tagger.1": every(1000, 200)})
    unit.ask("INPU1:ENAB ON;COUN:INTE 100")
    assert unit.ask("INPU1:COUN?", 0.3) == "100"
    lab.run_for(60)
    assert lab.bench.open == 0
    assert unit.ask("INPU1:COUN?", 0.3) == "100"
    assert lab.bench.open == 1


def test_an_accumulating_counter_counts_since_its_reset(unit, lab, fake_bench):
    lab.bench = fake_bench({"alice.tagger.1": every(1000, 200)})
    unit.ask("INPU1:ENAB ON;COUN:MODE ACCU")
    lab.run_for(2)
    first = int(unit.ask("INPU1:COUN?"))
    lab.run_for(50)
    second = int(unit.ask("INPU1:COUN?"))
    assert first == pytest.approx(2000, abs=30)
    assert second - first == pytest.approx(50_000, abs=50)
    unit.ask("INPU1:COUN:RESE", 0.1)
    assert int(unit.ask("INPU1:COUN?")) < 150


def test_a_disabled_input_counts_nothing(unit, lab, fake_bench):
    lab.bench = fake_bench({"alice.tagger.1": every(1000, 20)})
    unit.ask("INPU1:COUN:INTE 100")
    lab.run_for(1)
    assert unit.ask("INPU1:COUN?") == "0"


# --- histograms ---------------------------------------------------------------------------------------------------


def test_histogram_of_delays_after_the_last_reference(unit, lab, fake_bench):
    starts = every(1000, 1.5)
    lab.bench = fake_bench({"alice.tagger.start": starts, "alice.tagger.1": starts + 5_250})
    unit.ask("DEVI:RES HIRES;:DEVI:CONF:LOAD HISTO;:STAR:ENAB ON;:INPU1:ENAB ON;:HIST1:MIN 5000;BWID 100;BCOU 5")
    unit.ask("REC:TRIG:ARM:MODE MANU;:REC:ENAB ON;:REC:STOP;:REC:NUM 2;:REC:DUR 500000000000;:HIST1:FLUS")
    assert json.loads(unit.ask("HIST1:DATA?")) == [0, 0, 0, 0, 0]
    assert unit.ask("REC:PLAY;:REC:STAG?").upper().startswith("ARM")
    lab.run_for(0.5)
    assert unit.ask("REC:STAG?").upper().startswith("PLAY")
    lab.run_for(0.6)
    assert unit.ask("REC:STAG?") == "IDLE"
    data = json.loads(unit.ask("HIST1:DATA?"))
    assert data == [0, 0, sum(data), 0, 0]
    assert sum(data) == pytest.approx(1000, abs=2)
    assert unit.ask("HIST1:FLUS;DATA?") == "[0,0,0,0,0]"


def test_histogram_of_an_input_with_itself_is_its_autocorrelation(unit, lab, fake_bench):
    lab.bench = fake_bench({"alice.tagger.3": every(10**6, 0.2)})
    unit.ask("INPU3:ENAB ON;:HIST2:REF:LINK INPU3;:HIST2:STOP:LINK INPU3;:HIST2:BWID 500000;BCOU 4")
    unit.ask("REC:ENAB ON;DUR 10000000000;PLAY", 0.05)
    data = json.loads(unit.ask("HIST2:DATA?"))
    assert data[:2] == [0, 0]
    assert data[2] == pytest.approx(9999, abs=2)
