"""Far end of an ID Quantique ID900 Time Controller: SCPI text over ZeroMQ, and the host service that moves its tags.

Promises the command tree of the blocks, counters, one-shot recordings in the unit's own clock, start-stop histograms,
and the vendor's data service (``datalink``). Not modelled: what combiners, generators and outputs do (their settings
are kept; a combiner refuses to be the source of data), thresholds, external 10 MHz.
"""

import socket
import weakref
import zlib
from typing import TYPE_CHECKING, Any

from ....testbed.models import TaggerModel
from ..twin import Twin
from .datalink import DataLink
from .id900_blocks import INPUTS, LOW_RESOLUTION_PS, add_blocks
from .id900_counters import add_counters
from .id900_recorder import Recorder
from .scpi import Dialogue, NotYet, Refused, Tree

if TYPE_CHECKING:
    from ...lab.lab import Lab
    from ...lab.message_ports import Request

_LATENCY_S = 1e-3
_CALIBRATION_S = 3.0


class Id900Twin(Twin):
    """An ID900 with four inputs and a start input, all disabled after power-up, in the 100 ps resolution."""

    driver = "id900"

    def __init__(self, lab: "Lab", name: str, model: TaggerModel, options: dict[str, Any] | None = None) -> None:
        super().__init__(lab, name, model, options)
        self._serial = f"{zlib.crc32(name.encode()) % 10_000_000:07d}"
        self._calibrated_ps = lab.now_ps
        self.tree = Tree()
        add_blocks(self.tree)
        add_counters(self)
        self.datalink = DataLink(lab, name)
        self.recorder = Recorder(self, self.datalink)
        self._add_device()
        self.main_port = lab.reply_port(name, self._on_request)
        self._stream_ports = [_reserve_port(self) for _ in range(4)]

    def connection(self) -> dict[str, Any]:
        """Return where the data service listens, and a free stream port for each input."""
        return {"dlt_port": self.datalink.port.number, "stream_ports": self._stream_ports}

    def port_of(self, block: str) -> str:
        """Return the bench's name of an input: ``INPU2`` is ``node.tagger.2``, ``STAR`` is ``node.tagger.start``."""
        return f"{self.name}.{INPUTS[block]}"

    # --- wire -------------------------------------------------------------------------------------------------

    def _on_request(self, request: "Request") -> None:
        self._work(request, self.tree.dialogue(request.text))

    def _work(self, request: "Request", dialogue: Dialogue) -> None:
        """Obey one command after the other, and answer when all are done."""
        try:
            more = dialogue.step()
        except NotYet as wait:
            self.lab.at(wait.until_ps, lambda: self._work(request, dialogue), owner=self.name)
            return
        if more:
            self.lab.after(_LATENCY_S, lambda: self._work(request, dialogue), owner=self.name)
        else:
            request.reply(dialogue.reply, _LATENCY_S)

    def _add_device(self) -> None:
        tree = self.tree
        tree.reading("*IDN", lambda: f"ID Quantique,ID900,{self._serial},1.13.0")
        tree.reading("STATe", lambda: "READY" if self.calibrated() else "CALIBRATING")
        tree.reading("DEVIce:RESolution:BWIDth", lambda: f"{self.resolution_ps()}TB")
        tree.action("DEVIce:SAMPling:RECAlibrate", self._recalibrate)

    def resolution_ps(self) -> int:
        """Return the step of the unit's time stamps in ps."""
        return 1 if self.tree.values["DEVI:RES"] == "HIRES" else LOW_RESOLUTION_PS

    def calibrated(self) -> bool:
        return self.lab.now_ps >= self._calibrated_ps

    def _recalibrate(self) -> None:
        if self.recorder.stage() != "IDLE":
            raise Refused("ERROR: recording in progress")
        self._calibrated_ps = self.lab.now_ps + round(_CALIBRATION_S * 1e12)

    # --- faults and the look at the bench ---------------------------------------------------------------------

    def own_fault(self, kind: str) -> None:
        """``overflow``: the next recording loses the tags of its first sub-acquisition."""
        if kind != "overflow":
            super().own_fault(kind)
        self.recorder.overflow_next = True

    def inspect(self) -> dict[str, Any]:
        """Return the stage, and the lab time of the last recording's zero: what no real lab can know."""
        return {
            "stage": self.recorder.stage(),
            "start_ps": self.recorder.start_ps,
            "frequency_error": self.model.frequency_error,
        }


def _reserve_port(owner: object) -> int:
    """Return the number of a free TCP port, kept from all who ask for any port as long as ``owner`` lives.

    The port is bound without listening; who asks for it by number, and may reuse addresses as ZeroMQ does, gets it.
    """
    reservation = socket.socket()
    weakref.finalize(owner, reservation.close)
    reservation.bind(("127.0.0.1", 0))
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return int(reservation.getsockname()[1])
