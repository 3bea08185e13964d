"""``bellringer call`` and ``apply``: what runs do with instruments, done by hand on a running testbed."""

import json
from collections.abc import Sequence
from typing import Any

from ..orchestrator.client import Network, in_parallel
from ..orchestrator.wire.messages import Call, Do, Message, Nodes, Status
from ..testbed.errors import BellringerError
from .main import emit_json, print_error
from .values import run_of, split

LONGEST_S = 3600.0
"""How long a method may take: ovens are slow."""


def call_command(
    network: Network, instrument: str, method: str, arguments: Sequence[str], in_run: bool, as_json: bool
) -> None:
    """Call a method and print its value; ``in_run``: in the name of the run that owns the instrument."""
    if split(instrument)[1]:
        raise BellringerError(
            f"what is {instrument!r}?", hint="write NODE.INSTRUMENT METHOD, e.g. charlie.source prepare"
        )
    node = network.node_of(instrument)
    run = run_of(instrument, network.ask_node(node, Status(0))) if in_run else ""
    message: Message = Call(0, instrument, method, 0, tuple(map(_plain, arguments)), run=run, by_hand=in_run)
    if method == "safe_state" and not arguments:  # what only darkens is refused to nobody, whoever owns it
        message = Do(0, instrument, method, 0)
    value = network.ask_node(node, message, LONGEST_S)
    if as_json:
        emit_json({"instrument": instrument, "method": method, "value": json.loads(_text(value))})
    else:
        print("done" if value is None else _text(value))


def apply_command(network: Network, instruments: Sequence[str], as_json: bool) -> int:
    """Apply the file's settings; return 1 if that failed anywhere, else 0."""
    wanted = instruments or [name for node in network.ask(Nodes(0)) for name in node["instruments"]]
    nodes = {name: network.node_of(name) for name in wanted}
    answers = in_parallel(nodes, lambda name: network.ask_node(nodes[name], Do(0, name, "apply", 0), LONGEST_S))
    failed = {name: answer for name, answer in answers.items() if isinstance(answer, BellringerError)}
    done = [name for name in nodes if name not in failed]
    if as_json:
        emit_json({"applied": done, "failed": {name: str(error) for name, error in failed.items()}})
    else:
        print("settings of the testbed file applied: " + (", ".join(done) or "none"))
    for error in failed.values():
        print_error(error)
    return 1 if failed else 0


def _plain(word: str) -> Any:
    """Return what a person wrote as a number, list or truth value if it is one, else as text."""
    try:
        return json.loads(word)
    except ValueError:
        return word


def _text(value: Any) -> str:
    return json.dumps(value, default=str)
