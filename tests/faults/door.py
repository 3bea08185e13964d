"""A door contact for interlocks: a driver of the tests' own, which reports what a test writes into a file."""

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
