"""``Child``: a driver process, as the agent has it, that answers when the test lets it."""


class Child:
    """Keeps who waits for an answer in ``asked``."""

    darkening = False

    def __init__(self):
        self.asked = []

    def submit(self, job, answer, **more):
        self.asked.append(answer)
