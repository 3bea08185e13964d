"""``bellringer doctor``: is this computer, and its way to the testbed, in order? Asks no instrument, makes no light."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path

from rich.text import Text

from .doctor_file import file_ports
from .doctor_host import host
from .doctor_network import keys_and_contact, testbed
from .findings import BAD, OK, UNKNOWN, WARN, Finding
from .main import emit_json
from .out import printer

STYLES = {OK: "green", WARN: "yellow", BAD: "bold red", UNKNOWN: "dim"}


def doctor_command(
    file: Path | None, node: str, runs: Path, contact: Path | None, keys: Path | None, key: str, as_json: bool
) -> int:
    """Check everything and print a line for each check; return 1 if something is bad, else 0."""
    findings, network = keys_and_contact(contact, keys, key)
    ours: set[int] = set()
    if network is not None:
        findings += testbed(network)
        if any(each.check == "coordinator: version" for each in findings):
            where = network.contact
            ours = {int(each.rpartition(":")[2]) for each in (where.control, where.estop, where.events)}
    findings = [*host(runs, ours), *findings]
    if file is not None:
        findings += file_ports(file, node)
    if as_json:
        counted = Counter(each.state for each in findings)
        emit_json({"findings": [asdict(each) for each in findings], "bad": counted[BAD], "warn": counted[WARN]})
    else:
        _print(findings)
    return 1 if any(each.state == BAD for each in findings) else 0


def _print(findings: list[Finding]) -> None:
    out = printer()
    width = max(len(each.check) for each in findings)
    for each in findings:
        line = Text.assemble((f"{each.state:<8}", STYLES[each.state]), f"{each.check:<{width}}  {each.text}")
        out.print(line, soft_wrap=True)
        if each.fix:
            out.print(Text(f"{'':<8}{'':<{width}}  -> {each.fix}", "green"), soft_wrap=True)
