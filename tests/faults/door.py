"""A door contact for interlocks: a driver of the tests' own, which reports what a test writes into a file."""

from pathlib import Path

DOOR = """
    from pathlib import Path
    from bellringer.drivers.interfaces import Identity, Instrument, Reading

    class Door(Instrument):
        "Reports the text of a file; some texts are more than that."

        verified, model_name = "manual", "door contact"
        door = Reading(lambda contact: contact.look(), kind=str, doc="Whether the door is closed.")

        def _connect(self):
            pass

        def _disconnect(self):
            pass

        def identify(self):
            return Identity("tests", "door contact")

        def safe_state(self):
            self.identify()

        def look(self):
            text = Path(self.resource.removeprefix("serial://")).read_text()
            if text == "silent":
                self.clock.sleep(3.0)
            return {"None": None, "True": True, "object": ["closed"], "wrapper": Reading}.get(text, text)
"""

INTERLOCK = """  alice:
    interlocks:
      door: {{reading: contact.door, closed: "closed", patience: "10 s"}}
    instruments:
      contact: {{driver: door, resource: "serial://{door}"}}
"""


def behind_a_door(text: str, door: Path) -> str:
    """Return the testbed file ``text``, Alice with a closed ``door`` as her interlock, and a hold-off of 2 s.

    The door may take its time to answer: a busy machine's does, and that would count as open.
    """
    for before, after in (
        ("  alice:\n    instruments:\n", INTERLOCK.format(door=door)),
        ('window: "50 ns"}', 'window: "50 ns", suspend: {hold_off: "2 s"}}'),
    ):
        assert text.count(before) == 1
        text = text.replace(before, after)
    door.write_text("closed")
    return text
