"""A small lab in text, and what the tests of this folder do with it: change a word, load, look at the refusal."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from bellringer.testbed.errors import TestbedFileError
from bellringer.testbed.loader import load

LAB = """\
bellringer: 1
name: test-lab
nodes:
  charlie:
    instruments:
      pump:
        driver: fake_laser
        resource: ASRL/dev/ttyUSB0::INSTR
        settings: {power: "10 mW"}
        limits:
          power: {max: "50 mW"}
        model: {kind: laser, wavelength: "785 nm"}
      pump_plate:
        driver: fake_mount
        resource: serial:///dev/ttyUSB1
        options: {address: "0"}
        model: {kind: rotator}
      oven:
        driver: fake_oven
        resource: ASRL/dev/ttyUSB2::INSTR
        model: {kind: oven}
      source:
        driver: fake_source
        parts: {pump: pump, oven: oven}
    optics:
      crystal:
        kind: spdc_crystal
        brightness: "1e5 pairs/s/mW"
        signal_wavelength: "1565 nm"
        idler_wavelength: "1575.03 nm"
        filter_bandwidth: "100 GHz"
        phase_matching_temperature: "45 degC"
        temperature_acceptance: "4 K"
        pump: charlie.pump
        oven: charlie.oven
        pump_plate: charlie.pump_plate
  alice:
    instruments:
      plate:
        driver: fake_mount
        resource: serial:///dev/ttyUSB3
        model: {kind: rotator}
      detectors:
        driver: fake_detectors
        resource: socket://192.0.2.21:12000
        model:
          kind: snspd
          channels: 2
          efficiency: 0.8
      tagger:
        driver: fake_tagger
        resource: zmq://192.0.2.22:5555
        serial_number: "0042"
        channels: {1: H, 2: V}
        model: {kind: time_tagger, frequency_error: "0.4 ppm"}
    optics:
      fibre:
        kind: fibre
        length: "5 km"
        polarisation: kept
      splitter: {kind: polarising_splitter}
  bob:
    instruments:
      plate:
        driver: fake_mount
        resource: serial:///dev/ttyUSB4
        model: {kind: rotator}
      detectors:
        driver: fake_detectors
        resource: TCPIP::192.0.2.31::12000::SOCKET
        model: {kind: snspd, channels: 2}
      tagger:
        driver: fake_tagger
        resource: zmq://192.0.2.32:5555
        model: {kind: time_tagger}
    optics:
      splitter: {kind: polarising_splitter}
wiring:
  - charlie.crystal.signal -> alice.fibre -> alice.plate -> alice.splitter
  - alice.splitter.transmitted -> alice.detectors.1 -> alice.tagger.1
  - alice.splitter.reflected -> alice.detectors.2 -> alice.tagger.2
  - charlie.crystal.idler -> bob.plate -> bob.splitter
  - bob.splitter.transmitted -> bob.detectors.1 -> bob.tagger.1
  - bob.splitter.reflected -> bob.detectors.2 -> bob.tagger.2
links:
  alice-bob:
    source: charlie.source
    ends:
      alice: {plate: alice.plate, tagger: alice.tagger, transmitted: 1, reflected: 2}
      bob: {plate: bob.plate, tagger: bob.tagger, transmitted: 1, reflected: 2}
    coincidence_window: "600 ps"
"""


class Lab:
    """The text of the lab in a file; ``change`` replaces a word of it."""

    def __init__(self, path: Path) -> None:
        self.path, self.text = path, LAB
        self.write(LAB)

    def write(self, text: str) -> None:
        self.text = text
        self.path.write_text(text, encoding="utf-8")

    def change(self, old: str, new: str) -> None:
        """Replace ``old``, which must stand in the text exactly once."""
        assert self.text.count(old) == 1, f"{old!r} stands {self.text.count(old)} times in the text"
        self.write(self.text.replace(old, new))

    def place(self, needle: str, after: str = "") -> str:
        """Return ``file:line:column`` of the first ``needle`` behind ``after``."""
        at = self.text.index(needle, self.text.index(after))
        return f"{self.path}:{self.text.count(chr(10), 0, at) + 1}:{at - self.text.rfind(chr(10), 0, at)}"

    def refusal(
        self, overrides: Mapping[str, str] | None = None, check: Callable[..., None] = lambda loaded: None
    ) -> TestbedFileError:
        """Load (and check) the file; return the error."""
        with pytest.raises(TestbedFileError) as caught:
            check(load(self.path, overrides))
        return caught.value


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "lab.yaml")
