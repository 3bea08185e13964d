"""What a driver process does for a real-time core beside what it does for every instrument: its clock, its batches."""

from collections.abc import Callable
from typing import cast

from ...drivers.interfaces import AttemptController
from ...testbed.clock import Clock
from ...testbed.errors import InstrumentError
from ...testbed.lockstep import LockstepClock
from ..heralding.entries import Opened, Record, records_to_bytes
from ..heralding.feedforward import Peer
from ..heralding.lane import Lane, TimedCore
from ..wire.messages import Probe
from .core_orders import Attempts, Begin, End, Look, Permit, Progress
from .desk import Desk


class CoreJobs:
    """The cores of one driver process.

    Args:
        node: name of the node.
        lanes_at: address where corrections come in.
        send: tells the agent.
    """

    def __init__(self, node: str, desk: Desk, clock: Clock, lanes_at: str, send: Callable[[Progress], None]) -> None:
        self._node, self._desk, self._clock, self._lanes_at, self._send = node, desk, clock, lanes_at, send
        self._lanes: dict[str, Lane] = {}
        self._permit = Permit(0, 0.0)

    def order(self, message: Begin | End | Permit) -> None:
        """Tell the batch that is under way, from any thread."""
        if isinstance(message, Permit):
            self._permit = message
        for lane in list(self._lanes.values()):
            if isinstance(message, Permit):
                lane.permitted_s = message.until_s
            elif isinstance(message, Begin):
                lane.begin(message.batch, message.ticket)
            else:
                lane.end(message.batch, message.reason)

    def do(self, job: Look | Probe | Attempts) -> tuple[int, int, int, str] | list[int] | list[tuple[int, int]] | None:
        """Carry out one job and return what it is answered with.

        Raises:
            BellringerError: the instrument is no core, is not open, or did not take the batch.
        """
        lane, told = self._lane(job.instrument), _Told(job.id, self._send)
        if isinstance(job, Look):
            lane.meet(tuple(Peer(*each) for each in job.lanes))
            if job.ticket or not isinstance(self._clock, LockstepClock):  # else it would take lab time at any moment
                lane.look()
            told.seen(lane)
            return None
        if isinstance(job, Probe):
            if job.node:
                return lane.send_probes(job.node, job.first, job.count)
            return lane.hear_probes(job.first, job.count, job.seconds)
        grant = Opened(job.run, job.batch, job.epoch, job.start_ps, job.digest)
        report = lane.run(grant, job.program, tuple(Peer(*each) for each in job.lanes), told)
        stopped_by = "" if report.state == "DONE" else report.stopped_by
        return report.attempts, report.lateness_ps, report.underflows, stopped_by

    def _lane(self, name: str) -> Lane:
        core = self._desk.find(name)
        if not (isinstance(core, AttemptController) and core.is_open):
            raise InstrumentError("it is no real-time core that is open", where=name, hint="is it switched on?")
        if name not in self._lanes:
            lane = Lane(self._node, cast(TimedCore, core), self._clock, self._lanes_at)
            self._lanes[name] = lane
            lane.permitted_s = self._permit.until_s
        return self._lanes[name]


class _Told:
    def __init__(self, job: int, send: Callable[[Progress], None]) -> None:
        self._job, self._send = job, send

    def armed(self) -> None:
        self._send(Progress(self._job, armed=True))

    def records(self, records: list[Record]) -> None:
        self._send(Progress(self._job, records=records_to_bytes(records)))

    def seen(self, lane: Lane) -> None:
        seen = (lane.time.offset_ps, lane.time.known_s, lane.locked, lane.free_slots, lane.endpoint, lane.keys.public)
        self._send(Progress(self._job, seen=seen, traits=lane.traits(), traffic=lane.traffic()))
