"""``Dying``: a store's process that dies at a chosen write."""

import contextlib


class Dying:
    """Mixed into a store: ``killed`` is raised before or after the ``dies_at``-th transaction of one history.

    Every history has a subclass of its own, which counts its transactions in ``done``.
    """

    killed: type[BaseException]
    dies_at, after, done = None, False, 0

    @contextlib.contextmanager
    def _writing(self):
        counted = type(self)
        counted.done += 1
        dies = counted.done == counted.dies_at
        if dies and not self.after:
            raise self.killed
        with super()._writing() as database:
            yield database
        if dies:
            raise self.killed
