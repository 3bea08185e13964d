"""How long before its start a batch is prepared: cores are loaded, and answers have to be on disk first."""

LEAST_PS, MOST_PS = 60 * 10**9, 10**12


class Lead:
    """Twice as long after a batch that was not armed in time, a little shorter after each that was recorded."""

    def __init__(self) -> None:
        self.ps = LEAST_PS

    def ended(self, *, recorded: bool, committed: bool) -> None:
        """Take in how a batch ended."""
        if recorded:
            self.ps = max(LEAST_PS, self.ps * 9 // 10)
        elif not committed:
            self.ps = min(MOST_PS, self.ps * 2)
