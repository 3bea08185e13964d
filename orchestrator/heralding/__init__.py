"""Attempt batches across nodes: two-phase start, heralds, feedforward, confirmed pairs, and results that are kept.

Everything that decides is a machine without sockets, threads or a clock of its own: messages, times and what the
hardware reports go in, effects come out, and whoever owns the sockets carries them out in order.

``node`` is the machine of a node or station, ``station`` decides about clicks, ``edge`` about corrections, ``journal``
keeps what was promised. ``book`` is the coordinator's machine, ``delivery`` decides about pairs, ``store`` keeps both.
"""
