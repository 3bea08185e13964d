"""What batches of an earlier coordinator, which have no end yet, may have stored in memories."""

from ...testbed.attempts import from_json
from ...testbed.testbed import Testbed
from ..heralding.service.batches import most_kept
from ..heralding.service.credits import Credits
from ..heralding.store import Store


def keep_room(store: Store, testbed: Testbed, credits: Credits) -> None:
    """Promise room for them, until their nodes say that they are over and how much room is left."""
    for row in store.open_batches():
        program = from_json(store.program(row.digest))
        parties = {*program.nodes, program.station}
        for link in testbed.memory_links.values():
            if row.committed and {end.partition(".")[0] for end in (*link.memories, link.station)} == parties:
                credits.left_open(row.batch, dict.fromkeys(link.memories, most_kept(program)))
