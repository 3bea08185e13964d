"""What ``bellringer doctor`` looks at in the testbed: keys, contact file, coordinator, agents, versions, clocks."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..orchestrator.client import Network, in_parallel
from ..orchestrator.client.contact import find_contact, read_contact
from ..orchestrator.client.network import node_contact
from ..orchestrator.wire import Client, KeyFolder, fingerprint
from ..orchestrator.wire.messages import VERSION, Status
from ..testbed.errors import BellringerError
from .findings import BAD, OK, UNKNOWN, WARN, Finding, of_error

TIMEOUT_S = 3.0
TRIES = 5
SAME_S, FAR_S = 0.005, 1.0
"""Clocks of hosts should agree to the first (what a run takes the host's clock to be good for); beyond the second the
times in records mislead people."""
RESOLUTION_S = 0.001
"""Services tell their time in milliseconds."""


@dataclass(frozen=True)
class Heard:
    """A service's answers: its status, its protocol version, how far its clock is ahead of ours, and give or take."""

    status: dict[str, Any]
    version: tuple[int, int]
    ahead_s: float
    within_s: float


def keys_and_contact(contact: Path | None, keys: Path | None, key: str) -> tuple[list[Finding], Network | None]:
    """Check own keys and contact file; return also the testbed they lead to, if they do."""
    found = []
    try:
        file = find_contact(contact)
        read = read_contact(file)
    except BellringerError as error:
        state = BAD if contact is not None else WARN  # who works alone, in dry runs, needs none
        return [of_error("contact file", error, state), _own_keys(keys, key, WARN)], None
    found.append(Finding("contact file", OK, f"{file}: coordinator at {read.control}"))
    folder = keys or (Path(read.keys) if read.keys else None)
    found.append(_own_keys(folder, key or (read.key if keys is None else ""), BAD))
    return found, Network.found(contact, keys, key) if found[-1].state == OK else None


def _own_keys(folder: Path | None, key: str, state: str) -> Finding:
    try:
        pair = KeyFolder(folder).own(key)
    except BellringerError as error:
        return of_error("keys", error, state)
    return Finding("keys", OK, f"'{pair.name}', fingerprint {fingerprint(pair.public)}, in {KeyFolder(folder).path}")


def testbed(network: Network) -> Iterator[Finding]:
    """Check coordinator and agents: there, of our version, well, and with the same time."""
    here = network.contact
    try:
        coordinator = hear(Client(here.control, here.public_key, network.keys, timeout_s=TIMEOUT_S))
    except BellringerError as error:
        yield of_error("coordinator", error)
        return
    status = coordinator.status
    latched = status["estop"]["latched"]
    yield Finding(
        "coordinator",
        BAD if status["problem"] or latched else OK,
        status["problem"] or ("the e-stop is latched" if latched else f"answers at {here.control}"),
        "after you looked: bellringer ack" if latched else "look at its messages" if status["problem"] else "",
    )
    yield from _version_and_clock("coordinator", coordinator)
    nodes = {node["node"]: node for node in status["nodes"]}
    if not nodes:
        yield Finding("nodes", WARN, "no node has registered", "start agents: bellringer agent FILE NODE")
    answers = in_parallel(nodes, lambda name: hear(network.node_client(node_contact(nodes[name]), timeout_s=TIMEOUT_S)))
    for name, answer in answers.items():
        if isinstance(answer, BellringerError):
            yield of_error(f"node {name}", answer)
        else:
            yield _node(name, answer.status)
            yield from _version_and_clock(f"node {name}", answer)


def hear(client: Client) -> Heard:
    """Ask a service how it is, a few times, and keep the quickest answer for the clock."""
    with client:
        client.connect()
        best: Heard | None = None
        for _ in range(TRIES):
            began, began_s = time.time(), time.perf_counter()
            status = client.request(Status(0))
            took_s = time.perf_counter() - began_s
            theirs = datetime.fromisoformat(status["utc"]).timestamp()
            heard = Heard(status, (0, 0), theirs - (began + took_s / 2), took_s / 2 + RESOLUTION_S)
            if best is None or heard.within_s < best.within_s:
                best = heard
        assert best is not None
        assert client.server is not None
        return Heard(status, client.server.version, best.ahead_s, best.within_s)


def _node(name: str, status: dict[str, Any]) -> Finding:
    check = f"node {name}"
    if status["fault"]:
        return Finding(check, BAD, f"latched dark: {status['fault']}", f"look there, then bellringer ack {name}")
    if status["coordinator"]:
        why = status["coordinator"].splitlines()[0]
        return Finding(check, BAD, f"its agent does not reach the coordinator: {why}", "look at the network there")
    if not status["leased"]:
        return Finding(check, BAD, f"no light lease: {status['refused'] or 'not asked yet'}", "bellringer status")
    drivers = ", ".join(sorted(set(status["drivers"].values())))
    watchdog = status.get("watchdog") or {}
    if watchdog.get("acted") or watchdog.get("restarts"):
        said = watchdog["acted"] or "it was replaced"
        return Finding(check, WARN, f"well, but its watchdog had to act: {said}", f"bellringer log --node {name}")
    if status["restarts"]:
        fix = f"look why: bellringer log --node {name}"
        return Finding(check, WARN, f"well, after {status['restarts']} restarts of driver processes", fix)
    return Finding(check, OK, f"may have light; drivers {drivers}")


def _version_and_clock(who: str, heard: Heard) -> Iterator[Finding]:
    theirs = heard.status.get("about", {}).get("bellringer", "")
    spoken = f"protocol {heard.version[0]}.{heard.version[1]}" + (f", bellringer {theirs}" if theirs else "")
    same = heard.version == VERSION and theirs in ("", version("bellringer"))
    fix = (
        ""
        if same
        else f"here are {VERSION[0]}.{VERSION[1]} and {version('bellringer')}: install one version everywhere"
    )
    yield Finding(f"{who}: version", OK if same else WARN, spoken, fix)
    yield clock(who, heard.ahead_s, heard.within_s)


def clock(who: str, ahead_s: float, within_s: float) -> Finding:
    """Check that a clock agrees with ours, as far as the way there and back lets one tell."""
    check, surely_s = f"{who}: clock", abs(ahead_s) - within_s
    text = f"{abs(ahead_s) * 1000:.1f} ms {'ahead of' if ahead_s > 0 else 'behind'} ours, +- {within_s * 1000:.1f} ms"
    fix = "keep both clocks right with NTP (chrony)"
    if surely_s > FAR_S:
        return Finding(check, BAD, text, fix)
    if surely_s > SAME_S:
        return Finding(check, WARN, text, fix)
    return Finding(check, UNKNOWN if within_s > FAR_S else OK, text)
