"""``interlocks:`` of a testbed file: what is accepted, and what is refused with its place and a way out."""

import pytest
from bellringer.console.files import load_checked
from bellringer.testbed.errors import TestbedFileError

FILE = """\
bellringer: 1
name: one
nodes:
  charlie:
    interlocks:
      door: {rule}
    instruments:
      oven: {{driver: tc200, resource: "serial:///dev/ttyUSB1"}}
      counters: {{driver: websq, resource: "socket://192.0.2.9:12000"}}
      plate: {{driver: elliptec_ell14, resource: "serial:///dev/ttyUSB2"}}
      pump: {{driver: cobolt_06, resource: "serial:///dev/ttyUSB0"}}
      source: {{driver: pair_source, parts: {{pump: pump, pump_plate: plate, oven: oven}}}}
"""


def load(folder, rule):
    file = folder / "lab.yaml"
    file.write_text(FILE.format(rule=rule))
    return load_checked(file, []).testbed


def test_a_reading_with_its_closed_value_is_an_interlock(tmp_path):
    rule = load(tmp_path, "{reading: counters.detectors_enabled, closed: true}").nodes["charlie"].interlocks["door"]
    assert (rule.reading, rule.closed, rule.patience) == ("counters.detectors_enabled", True, 1.0)
    rule = (
        load(tmp_path, '{reading: counters.detectors, closed: 4, patience: "300 ms"}')
        .nodes["charlie"]
        .interlocks["door"]
    )
    assert (rule.closed, rule.patience) == (4, 0.3)


@pytest.mark.parametrize(
    ("rule", "what", "advice"),
    [
        ("{reading: counters.detectors_enabled}", "'closed' is missing", "closed"),
        ("{reading: counters, closed: true}", "reading is 'counters'", ""),
        ("{reading: counter.detectors, closed: 1}", "no instrument 'counter' at charlie", "did you mean 'counters'?"),
        ("{reading: counters.detector, closed: 1}", "has no reading 'detector'", "did you mean 'detectors'?"),
        ("{reading: counters.detectors, closed: true}", "is never True", "when closed"),
        ("{reading: counters.detectors_enabled, closed: 1}", "is never 1", "when closed"),
        ("{reading: counters.measurement_period, closed: 1}", "is a measured number", "when closed"),
        ("{reading: counters.detectors, closed: 0.5}", "closed is 0.5", "a whole number"),
        ("{reading: counters.detectors, closed: [1]}", "closed is [1]", "a whole number"),
        ('{reading: counters.detectors, closed: 1, patience: "1 ms"}', "outside 0.2 to 10 s", "inside"),
        ("{reading: pump.interlock_open, closed: false}", "driven together with pump", "a port of its own"),
        ("{reading: oven.status, closed: x}", "has no reading 'status'", "valid names"),
        ("{reading: plate.homed, closed: true}", "driven together with pump", "a port of its own"),
        ("{reading: source.emitting, closed: false}", "driven together with pump", "a port of its own"),
    ],
)
def test_what_can_be_no_interlock_is_refused(tmp_path, rule, what, advice):
    with pytest.raises(TestbedFileError) as caught:
        load(tmp_path, rule)
    said = str(caught.value)
    assert what in said
    assert advice in said
    assert "lab.yaml:" in said
