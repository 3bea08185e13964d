"""A disk in memory that forgets, on a power cut, what was not synced: all of it, some of it, or half of a write."""

import errno


class ForgetfulDisk:
    """Files in memory.

    Args:
        room: bytes it has for files; None for no limit.
    """

    def __init__(self, room=None):
        self.room = room
        self.kept, self.seen, self.unsynced = {}, {}, {}
        self.syncs = 0

    def names(self):
        return sorted(self.seen)

    def create(self, name, size):
        if self.room is not None and sum(map(len, self.seen.values())) + size > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.kept[name] = bytearray(size)
        self.seen[name], self.unsynced[name] = bytearray(size), []

    def read(self, name):
        return bytes(self.seen[name])

    def write(self, name, offset, data):
        assert offset + len(data) <= len(self.seen[name])
        self.seen[name][offset : offset + len(data)] = data
        self.unsynced[name].append((offset, data))

    def sync(self, name):
        self.syncs += 1
        for offset, data in self.unsynced[name]:
            self.kept[name][offset : offset + len(data)] = data
        self.unsynced[name].clear()

    def remove(self, name):
        del self.seen[name], self.kept[name], self.unsynced[name]

    def close(self):
        pass

    def power_cut(self, random):
        """Lose what was not synced, as ``random`` (a ``random.Random``) has it."""
        for name, writes in self.unsynced.items():
            for offset, data in writes:
                kept = random.choice((0, 0, len(data), random.randrange(len(data) + 1)))
                self.kept[name][offset : offset + kept] = data[:kept]
            writes.clear()
        self.seen = {name: bytearray(data) for name, data in self.kept.items()}
