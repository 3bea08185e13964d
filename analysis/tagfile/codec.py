"""Tags to compressed words and back: a word is (time since the tag before) << bits | index of the channel.

Words are 4 bytes long where every step fits, else 8; their bits are transposed and compressed with LZ4 by Blosc2.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_NO_PLACE = 255
"""Index of a channel that is not in the table, unless the table has all 256."""


@dataclass(frozen=True)
class Packed:
    """The tags of one block.

    Attributes:
        table: the block's channel numbers, a byte each.
        words: compressed.
        word_bytes, channel_bits: of the words before compression.
        taken: how many of the tags it holds; the rest, after a step too long for any word, needs a block of its own.
    """

    table: bytes
    words: bytes | npt.NDArray[np.uint8]
    word_bytes: int
    channel_bits: int
    taken: int


class Packer:
    """Packs the blocks of one recording; for one thread at a time.

    It remembers the channels seen and hopes for short steps: most blocks are like that. No compiled loops, so that a
    process that only records need not load or compile any; these passes cost 1.5 ns a tag, compressing 1 ns.
    """

    def __init__(self) -> None:
        self._steps = np.empty(0, np.int64)
        self._words = np.empty(0, np.uint64)
        self._table, self._places = b"", bytes([_NO_PLACE] * 256)

    def pack(self, times: npt.NDArray[np.int64], channels: npt.NDArray[np.uint8]) -> Packed:
        """Return the packed tags, at least one of them; times ascend and stay below 2^62 ps."""
        count = len(times)
        if len(self._steps) < count:
            self._steps, self._words = np.empty(count, np.int64), np.empty(count, np.uint64)
        steps = self._steps[:count]
        steps[0] = 0
        np.subtract(times[1:], times[:-1], out=steps[1:])
        indices = self._indices(channels.tobytes())
        bits = max(len(self._table) - 1, 0).bit_length()
        longest = int(steps.max())
        if longest >> (64 - bits):
            cut = int(np.flatnonzero(steps >> (64 - bits))[0])
            return self.pack(times[:cut], channels[:cut])
        dtype: type[np.unsignedinteger[Any]] = np.uint64 if longest >> (32 - bits) else np.uint32
        words = self._words.view(dtype)[:count]
        words[:] = steps  # no step is negative: nothing is lost
        np.left_shift(words, bits, out=words)
        np.bitwise_or(words, indices, out=words)
        return Packed(self._table, _compressed(words), words.itemsize, bits, count)

    def _indices(self, channels: bytes) -> npt.NDArray[np.uint8]:
        """Return each tag's index in the table of channels, to which new ones are added."""
        indices = np.frombuffer(channels.translate(self._places), np.uint8)
        if len(self._table) < 256 and indices.max() == _NO_PLACE:
            self._table = bytes(sorted({*self._table, *channels}))
            places = bytearray([_NO_PLACE] * 256)
            for index, channel in enumerate(self._table):
                places[channel] = index
            self._places = bytes(places)
            indices = np.frombuffer(channels.translate(self._places), np.uint8)
        return indices


class Unpacker:
    """Unpacks block after block through the same buffer; for one thread at a time."""

    def __init__(self) -> None:
        self._buffer = np.empty(0, np.uint64)

    def unpack(
        self, packed: Packed, first_ps: int, times: npt.NDArray[np.int64], channels: npt.NDArray[np.uint8]
    ) -> int:
        """Fill ``times`` and ``channels``, of the block's length, and return the last time.

        Raises:
            ValueError: bytes that are no such words.
        """
        import blosc2

        from . import _kernels

        if len(self._buffer) < len(times):
            self._buffer = np.empty(len(times), np.uint64)
        words = self._buffer.view(np.uint64 if packed.word_bytes == 8 else np.uint32)[: len(times)]
        try:
            size, _, _ = blosc2.get_cbuffer_sizes(packed.words)
            if size != words.nbytes:
                raise ValueError(f"{size} bytes of words, {words.nbytes} expected")
            blosc2.decompress2(packed.words, dst=words, nthreads=1)
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"the words cannot be decompressed: {error}") from error
        table = np.zeros(256, np.uint8)
        table[: len(packed.table)] = np.frombuffer(packed.table, np.uint8)
        return int(_kernels.unpack(words, table, packed.channel_bits, first_ps, times, channels))


def _compressed(words: npt.NDArray[Any]) -> bytes:
    import blosc2

    # One thread: the other cores have the tagger and the analysis to serve.
    settings = {"typesize": words.itemsize, "clevel": 1, "nthreads": 1, "codec": blosc2.Codec.LZ4,
                "filters": [blosc2.Filter.BITSHUFFLE], "filters_meta": [0]}  # fmt: skip
    return bytes(blosc2.compress2(words, **settings))
