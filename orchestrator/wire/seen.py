"""What a node tells its coordinator of itself with every renewal: its real-time cores, and what it watches."""

import msgspec


class Core(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A node's real-time core, as the coordinator must know it.

    Attributes:
        instrument: its full name.
        hw_ps: its hardware time, ps, when this was said.
        endpoint, public_key: where its driver process takes corrections, and the key it holds.
        calibration: identity of the calibration in force.
        slots: qubits that it had room for when it was looked at.
        batches: so many it may be ordered at a time.
        locked: whether its clock is locked to the reference.
        unlocks: how often it was seen to lose it, since this agent started.
        traits: those flags of ``testbed.attempts.traits`` that it has.
        resolution_ps: period and pulses of its programs are multiples of this, ps; 0 if it was not heard of.
        over: the newest batch that was over at its node, with all before it, before ``slots`` was looked at.
    """

    instrument: str
    hw_ps: int
    endpoint: str
    public_key: str
    calibration: str
    slots: int = 0
    batches: int = 0
    locked: bool = True
    unlocks: int = 0
    traits: tuple[str, ...] = ()
    resolution_ps: int = 0
    over: int = 0


class Watched(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Something that memory links depend on, as its node sees it.

    Attributes:
        name: of the condition (``heralding.watched``).
        why: what is wrong with it now, "" for nothing.
        trips: how often it went wrong since this agent started.
    """

    name: str
    why: str = ""
    trips: int = 0
