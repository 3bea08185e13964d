"""``bellringer estop`` and ``ack``: everything dark, and the word of a person who looked that it may shine again."""

from ..orchestrator.client import Network
from ..orchestrator.client.emergency import COORDINATOR, acknowledge, press
from ..testbed.errors import BellringerError
from .kept_estop import acknowledged_here, is_here, keep_untaken
from .main import emit_json


def estop_command(network: Network, reason: str, as_json: bool) -> int:
    """Press the e-stop everywhere and tell who confirmed dark; return 0 if all did."""
    here = is_here(network)  # before: it may end of it
    pressed = press(network, reason)
    kept, failed = False, dict(pressed.failed)
    try:
        kept = here and keep_untaken(network, reason, pressed)
    except BellringerError as error:  # no room, perhaps: who is dark must be told all the same
        failed["keeping it on this computer"] = error
    if as_json:
        emit_json(
            {"dark": list(pressed.dark), "failed": {name: str(why) for name, why in failed.items()}, "kept": kept}
        )
    else:
        for name in pressed.dark:
            print(f"{name}: dark, confirmed")
        for name, why in failed.items():
            print(f"{name}: NOT CONFIRMED: {why}")
        if COORDINATOR in failed:
            print("without a coordinator the nodes lose their lease, and go dark by themselves within 2 s")
        if kept:
            print("this computer keeps it beyond that testbed: the next one begins with it")
        print("it stays so until: bellringer ack")
    return 1 if failed else 0


def ack_command(network: Network, node: str, as_json: bool) -> None:
    """Acknowledge a node's fault, or the e-stop with what it latched at the nodes.

    Raises:
        BellringerError: nothing is latched.
    """
    acknowledged = acknowledge(network, node)
    if not node and not acknowledged.estop and is_here(network):
        acknowledged_here()
    if as_json:
        left = {"left": acknowledged.left, "estop": acknowledged.estop}
        emit_json({"acknowledged": list(acknowledged.done), **left})
        return
    for each in acknowledged.done:
        print(f"acknowledged: {each}")
    if acknowledged.estop:
        print(f"still latched: the e-stop, {acknowledged.estop} (bellringer ack)")
    for name, fault in acknowledged.left.items():
        print(f"still latched: {name}: {fault} (bellringer ack {name})")
