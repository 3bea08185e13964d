"""What ``bellringer doctor FILE`` looks at: the ports of a testbed file. Nothing is sent to any of them."""

import os
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..drivers.serial_ports import ports_of, serial_path, serial_ports
from ..orchestrator.client import in_parallel
from ..testbed.errors import BellringerError, TransportError
from .files import load_checked
from .findings import OK, UNKNOWN, WARN, Finding, of_error

CONNECT_S = 2.0
_TCP = re.compile(
    r"(?:socket|zmq|https?)://(?P<host>\[[^]]+\]|[^:/]+):(?P<port>\d+).*"
    r"|(?i:TCPIP)\d*::(?P<visa_host>\[[^]]+\]|[^:]+)::(?P<visa_port>\d+)::(?i:SOCKET)"
)


def file_ports(file: Path, node: str) -> Iterator[Finding]:
    """Check a testbed file and the ports its instruments are said to be at.

    Args:
        node: only those of this node; "" for all.
    """
    try:
        testbed = load_checked(file, []).testbed
        if node and node not in testbed.nodes:
            raise BellringerError(f"the file has no node '{node}'", where=str(file), hint=", ".join(testbed.nodes))
    except BellringerError as error:
        yield of_error("testbed file", error)
        return
    yield Finding("testbed file", OK, f"{file}: {len(testbed.instruments())} instruments")
    wanted: dict[str, list[str]] = {}
    entries = testbed.instruments()
    for name, entry in entries.items():
        if entry.resource and node in ("", name.partition(".")[0]):
            wanted.setdefault(entry.resource, []).append(name)
    for resource, found in in_parallel(wanted, look_at).items():
        check = ", ".join(wanted[resource])
        numbers = [entries[name].serial_number for name in wanted[resource]]
        if isinstance(found, BellringerError):
            yield _with_candidates(of_error(check, found), resource, numbers)
        else:
            yield _by_serial_number(Finding(check, *found), resource, numbers)
    taken = {os.path.realpath(serial_path(resource)) for resource in wanted if serial_path(resource)}
    for port in serial_ports():
        if port.device not in taken:
            text = f"{port.path} ({port.device}{port.about and f', {port.about}'}) is no port of this file"
            yield Finding("serial port", UNKNOWN, text)


def _with_candidates(finding: Finding, resource: str, numbers: list[str]) -> Finding:
    """Say which port it should be instead, if a serial number tells, and which there are."""
    if not serial_path(resource):
        return finding
    ours = [path for number in numbers for path in ports_of(number, resource)]
    there = [port.path for port in serial_ports(resource)]
    if ours:
        return replace(finding, fix=f"its serial number is at {', '.join(ours)}: write that into the file")
    return replace(finding, fix=f"{finding.fix}; there are: {', '.join(there) or 'none with a name'}")


def _by_serial_number(finding: Finding, resource: str, numbers: list[str]) -> Finding:
    """Warn if a port is there, but a serial number of the file is at another one."""
    for number in numbers:
        others = [path for path in ports_of(number, resource) if not os.path.samefile(path, serial_path(resource))]
        if serial_path(resource) and others:
            fix = f"if the ports were numbered anew: resource: serial://{others[0]}"
            return Finding(finding.check, WARN, f"{finding.text}, but serial number {number} is at {others[0]}", fix)
    return finding


def look_at(resource: str) -> tuple[str, str]:
    """Return state and words for one resource.

    Raises:
        BellringerError: it is not there, or not for us.
    """
    if path := serial_path(resource):
        return OK, _serial(path)
    if match := _TCP.fullmatch(resource):
        host, port = match["host"] or match["visa_host"], int(match["port"] or match["visa_port"])
        return OK, _connected(host.strip("[]"), port)
    if resource.startswith("sdk://"):
        return UNKNOWN, f"{resource}: only opening it can tell"
    from pyvisa import rname

    try:
        parsed = rname.parse_resource_name(resource)
    except rname.InvalidResourceName as error:
        raise BellringerError(
            f"'{resource}' is no VISA resource", where=str(error).splitlines()[0], hint="correct it in the file"
        ) from error
    return UNKNOWN, f"{parsed}: well formed; only opening it can tell more"


def _serial(path: str) -> str:
    if not os.path.exists(path):
        raise TransportError(
            "there is no such serial port",
            where=path,
            hint="is it plugged in, and at this computer? else give --node",
        )
    if not os.access(path, os.R_OK | os.W_OK):
        raise TransportError("this user may not use it", where=path, hint="add the user to its group (dialout)")
    return f"{path} is there and may be used"


def _connected(host: str, port: int) -> str:
    try:
        socket.create_connection((host, port), CONNECT_S).close()
    except OSError as error:
        raise TransportError(
            f"cannot connect: {error.strerror or error}",
            where=f"{host}:{port}",
            hint="is the instrument on, and reachable from this computer? else give --node",
        ) from error
    return f"{host}:{port} takes connections"
