"""Where a run takes place: on a testbed that runs already, on this machine's instruments, or on a simulated lab."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..orchestrator.client import Network
from ..orchestrator.client.contact import default_state, named
from ..orchestrator.coordinator.lock import held
from ..orchestrator.wire import LinkError
from ..orchestrator.wire.messages import Status
from ..sequences.control import RunControl
from ..testbed.clock import Clock, WallClock
from ..testbed.errors import BellringerError
from ..testbed.loader import LoadedTestbed
from .correlators import rates_shown
from .dry_run import LabToBe
from .kept_estop import refuse_if_latched
from .local_testbed import Here, Processes, local_testbed
from .progress import Bars
from .services import LOOK_S, Service
from .sessions import audits_of_run


@dataclass(frozen=True)
class Place:
    """A testbed a run can take place on.

    Attributes:
        network: how the run reaches it, with the run's key.
        clock: the run's.
        about: for the record of what was asked.
        ours: whether it was started for this run alone.
    """

    network: Network
    clock: Clock
    about: dict[str, Any]
    ours: bool = True


def running_testbed(contact: Path | None, keys: Path | None, key: str) -> Network | None:
    """Return the testbed that a run should join, None if none runs.

    It is the one of the contact file, if there is one (then it must run), else that of ``up`` on this machine.

    Raises:
        BellringerError: there is a contact file, and nobody answers there.
    """
    if not named(contact) and not held(default_state()):
        return None
    network = Network.found(contact, keys, key)
    try:
        network.ask(Status(0))
    except LinkError as error:
        raise BellringerError(
            f"the testbed's coordinator does not answer: {error.what}",
            where=error.where,
            hint="start it (bellringer status tells more), or run on this computer's instruments alone with --here",
        ) from error
    return network


def joined(network: Network) -> Place:
    """Return a testbed that runs already."""
    clock = WallClock()
    about = {"dry_run": False, "epoch_tai_s": clock.epoch_tai_s, "coordinator": network.contact.control}
    return Place(network, clock, about, ours=False)


@contextlib.contextmanager
def own(
    loaded: LoadedTestbed, overrides: Sequence[str], session: Path, control: RunControl, progress: Bars
) -> Iterator[Place]:
    """Run coordinator and agents for this machine's instruments as long as the context lasts.

    Raises:
        BellringerError: an e-stop of this computer was not acknowledged yet; nothing was started.
    """
    refuse_if_latched()
    clock = WallClock()
    progress.say("starting coordinator and agents of " + ", ".join(loaded.testbed.nodes))
    here = local_testbed(loaded, overrides, session, audits=audits_of_run(), correlating=progress.moving)
    with here as running, _watched(running, control), rates_shown(running.correlators, running.runner.keys, progress):
        yield Place(running.runner, clock, {"dry_run": False, "epoch_tai_s": clock.epoch_tai_s})


class Begun:
    """The processes of a rehearsal; while this process has one thread, they are started as forks of it."""

    def __init__(self, loaded: LoadedTestbed, overrides: Sequence[str], seed: int, *, correlating: bool) -> None:
        self.seed = seed
        self.lab = LabToBe(loaded.path, overrides, seed)
        self.processes = Processes.of(loaded.testbed, loaded.testbed.links if correlating else ())

    def close(self) -> None:
        """End them; may be called twice."""
        self.processes.stop()
        self.lab.close()


@contextlib.contextmanager
def rehearsal(
    loaded: LoadedTestbed,
    overrides: Sequence[str],
    session: Path,
    control: RunControl,
    progress: Bars,
    begun: "Begun",
) -> Iterator[Place]:
    """Run the same against a simulated lab in lockstep."""
    progress.say(f"starting the simulated lab (seed {begun.seed})")
    with contextlib.closing(begun):
        lab = begun.lab.ready()
        progress.say("starting coordinator and agents of " + ", ".join(loaded.testbed.nodes))
        here = local_testbed(
            loaded,
            overrides,
            session,
            correlating=progress.moving,
            clock=lab.clock,
            simulated=lab.endpoints,
            processes=begun.processes,
        )
        with (
            here as running,
            _watched(running, control),
            rates_shown(running.correlators, running.runner.keys, progress),
        ):
            yield Place(running.runner, lab.clock, {"dry_run": True, "seed": begun.seed})


@contextlib.contextmanager
def _watched(here: Here, control: RunControl) -> Iterator[None]:
    """End the run when one of its services ends."""
    stop = threading.Event()
    watcher = threading.Thread(target=_watch, args=(here.services, stop, control), name="services", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def _watch(services: Sequence[Service], stop: threading.Event, control: RunControl) -> None:
    while not stop.wait(LOOK_S):
        try:
            for service in services:
                service.check()
        except BellringerError as error:
            control.abort(error)
            return
