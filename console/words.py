"""Events of a running testbed in people's words, and how bad each is."""

from collections.abc import Callable
from typing import Any

from ..orchestrator.client.diary import Happened
from ..orchestrator.wire.shown import by_hand_text, fault_text

GOOD, PLAIN, NOTE, WRONG = "good", "plain", "note", "wrong"
"""``NOTE``: somebody should know; ``WRONG``: somebody should come."""

Body = dict[str, Any]
Words = tuple[str, str]
"""How bad, and what happened."""


def words(event: Happened) -> Words:
    """Return how bad an event is and what it says; one that is not known here is told as it came."""
    try:
        return _WORDS[event.name](event.body)
    except (KeyError, TypeError, AttributeError):  # a service of another version
        details = ", ".join(f"{key} {value}" for key, value in event.body.items() if value not in ("", [], {}))
        return PLAIN, f"{event.name.replace('_', ' ')}{': ' if details else ''}{details}"


def _estop(body: Body) -> Words:
    press = body["presses"][-1] if body.get("presses") else body
    if "who" not in press:
        return NOTE, "e-stop: nothing is latched any more"
    return WRONG, f"E-STOP pressed by {press['who']}: {press['reason'] or 'no reason given'}"


def _ack(body: Body) -> Words:
    what = f"fault of {body['node']}: {fault_text(body['fault'])}" if body["node"] else "the e-stop"
    return GOOD, f"{body['who'] or 'somebody'} looked and acknowledged {what}"


def _owned(body: Body) -> Words:
    return PLAIN, f"run {body['run']} of {body['who']} owns {_some(body['instruments'])}"


def _turned_away(body: Body) -> Words:
    said = {
        "denied": "connections with a key that is not enrolled",
        "refused KeyRefused": "requests with a revoked key",
        "refused NotAllowed": "requests that the key's role does not allow",
        "handshakes failed": "handshakes that failed",
    }
    return NOTE, "refused: " + ", ".join(f"{count} {said.get(name, name)}" for name, count in body.items())


def _child_dark(body: Body) -> Words:
    if body["text"]:
        return WRONG, f"NOT CONFIRMED DARK: {body['text']}"
    return GOOD, f"confirmed dark: {_some(body['instruments'])}"


def _batch(body: Body) -> Words:
    details = ", ".join(f"{name} {value}" for name, value in body.items() if name != "what")
    return NOTE, f"{body['what']}{': ' if details else ''}{details}"


def _distrusted(body: Body) -> Words:
    details = ", ".join(f"{name} {value}" for name, value in body.items() if name not in ("what", "from"))
    return WRONG, f"{body['what']} from {body['from']}: {details}"


def _suspended(body: Body) -> Words:
    links = f"link{'' if len(body['links']) == 1 else 's'} {_some(body['links'])}"
    return WRONG, f"{links} suspended by '{body['condition']}': {body['why'] or 'it went wrong, and well again'}"


def _of(body: Body) -> str:
    return f" ({_some(body['instruments'])})" if body["instruments"] else ""


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:2])} and {len(names) - 2} more"


_WORDS: dict[str, Callable[[Body], Words]] = {
    "started": lambda body: (NOTE, "the coordinator started"),
    "estop": _estop,
    "ack": _ack,
    "fault": lambda body: (WRONG, f"{body['node']} is latched dark: {fault_text(body['fault'])}"),
    "registered": lambda body: (PLAIN, f"node {body['node']} registered ({body['control']})"),
    "node_lost": lambda body: (WRONG, f"node {body['node']} is lost: silent for {body['silent_s']:.1f} s"),
    "node_found": lambda body: (GOOD, f"node {body['node']} is back after {body['silent_s']:.1f} s"),
    "duplicate_node": lambda body: (WRONG, f"a second process calls itself node {body['node']}: {body['refused']}"),
    "owned": _owned,
    "released": lambda body: (PLAIN, f"run {body['run']} of {body['who']} ended"),
    "expired": lambda body: (WRONG, f"run {body['run']} of {body['who']} fell silent and lost its instruments"),
    "run_command": lambda body: (NOTE, f"{body['who']} asked run {body['run']} to {body['command']}"),
    "by_hand": lambda body: (NOTE, f"in run {body['run']}: {by_hand_text(body)}"),
    "dark": lambda body: (NOTE, f"made dark: {body['why']}"),
    "light_on": lambda body: (NOTE, f"light may be on: {_some(body['instruments'])}"),
    "light_off": lambda body: (GOOD, f"light is off: {_some(body['instruments'])}"),
    "child_dark": _child_dark,
    "child_died": lambda body: (WRONG, f"driver process restarted: {body['text']}"),
    "child_given_up": lambda body: (WRONG, f"driver process given up: {body['text']}"),
    "batch": _batch,
    "distrusted": _distrusted,
    "suspended": _suspended,
    "watchdog": lambda body: (NOTE if body.get("dark") else WRONG, f"watchdog: {body['text']}{_of(body)}"),
    "turned_away": _turned_away,
    "lost": lambda body: (NOTE, f"{body['events']} events did not arrive here"),
}
