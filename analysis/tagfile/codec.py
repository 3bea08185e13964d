"""Tags to compressed words and back: a word is (time since the tag before) << bits | index of the channel.

Words are 4 bytes long where every step fits, else 8; their bits are transposed and compressed with LZ4 by Blosc2.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


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

    It remembers the channels seen and hopes for short steps: most blocks are like that, and need one pass.
    """

    def __init__(self) -> None:
        self._buffer = np.empty(0, np.uint64)
        self._seen = np.zeros(256, bool)
        self._index = np.full(256, 256, np.uint16)

    def pack(self, times: npt.NDArray[np.int64], channels: npt.NDArray[np.uint8]) -> Packed:
        """Return the packed tags, at least one of them; times ascend and stay below 2^62 ps."""
        from . import _kernels

        if len(self._buffer) < len(times):
            self._buffer = np.empty(len(times), np.uint64)
        dtype: type[np.unsignedinteger[Any]] = np.uint32
        while True:
            bits = max(int(self._seen.sum()) - 1, 0).bit_length()
            words = self._buffer.view(dtype)[: len(times)]
            steps, indices = _kernels.pack(times, channels, self._index, bits, words)
            if int(indices) >= 256:
                _kernels.survey(channels, self._seen)
                self._index[self._seen] = np.arange(self._seen.sum())
            elif dtype is np.uint32 and int(steps) >> (32 - bits):
                dtype = np.uint64
            elif int(steps) >> (64 - bits):
                cut = int(np.flatnonzero(np.diff(times) >> (64 - bits))[0]) + 1
                return self.pack(times[:cut], channels[:cut])
            else:
                break
        table = np.flatnonzero(self._seen).astype(np.uint8).tobytes()
        return Packed(table, _compressed(words), words.itemsize, bits, len(times))


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
