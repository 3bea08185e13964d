"""Messages to frames and back: one header frame of MessagePack, then one raw frame for every array.

The header holds the message and, for every following frame, dtype and shape. Arrays given beside the message come
back beside it; arrays inside the message's values come back in their places. Whatever is wrong with received frames is
a ``WireError``; nothing of them is used then.

Limits are a receiver's own. They bound what decoding can cost, but not what receiving can: ZeroMQ gathers a whole
multipart message before anybody sees it, a socket's ``MAXMSGSIZE`` bounds one frame only, its high-water mark counts
whole messages, and nothing hangs up on one peer of a ROUTER. So a peer whose key is enrolled can send a message that
never ends; only the memory that the system gives the process bounds it (docs/running-a-testbed.md).
"""

import functools
import threading
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from . import values
from .errors import WireError
from .messages import Message, kind_of
from .values import Array, Slot

M = TypeVar("M")


@dataclass(frozen=True)
class Limits:
    """How large a message may be: bytes of the header, number of frames, bytes of all arrays, nesting depth."""

    header_bytes: int = 4 << 20
    frames: int = 64
    array_bytes: int = 2 << 30
    depth: int = 16


ANSWERS = Limits()
"""For answers and streams of a service that we asked."""

COMMANDS = Limits(header_bytes=64 << 10, frames=8, array_bytes=1 << 20)
"""For what a service takes from its clients."""

HEADERS = Limits(header_bytes=64 << 10, frames=1, array_bytes=0)
"""For what a coordinator takes from people: no arrays."""

RESULTS = Limits(header_bytes=1 << 20, frames=1, array_bytes=0)
"""For what a coordinator takes from nodes: the result of a batch holds all its heralds."""


class _Header(msgspec.Struct, Generic[M], forbid_unknown_fields=True, frozen=True):
    message: M
    arrays: tuple[Slot, ...] = ()
    beside: int = 0
    """How many of the arrays, the first ones, stand beside the message."""


class _Peek(msgspec.Struct):
    """What even a message of another version tells; other fields are passed over."""

    kind: str = ""
    id: int = 0
    version: tuple[int, int] = (0, 0)


class _PeekHeader(msgspec.Struct):
    message: _Peek


_encoder = msgspec.msgpack.Encoder()
_header_decoder = msgspec.msgpack.Decoder(_Header[msgspec.Raw])
_peek_decoder = msgspec.msgpack.Decoder(_PeekHeader)
_index_decoder = msgspec.msgpack.Decoder(int)


def encode(message: Message, *arrays: Array, limits: Limits = ANSWERS) -> list[bytes | memoryview]:
    """Return the frames of ``message``; array frames are views, so do not change the arrays until they are sent.

    Raises:
        WireError: a value cannot be sent, or a limit is broken.
    """
    frames: Sequence[memoryview] = ()
    try:
        if not arrays and values.PLAIN.issuperset(map(type, msgspec.structs.astuple(message))):
            # Most messages: there is nothing in them to look into, so msgspec may walk over the fields itself.
            header = _encoder.encode({"message": message})
        else:
            found, fields = list(arrays), msgspec.structs.asdict(message)
            packed = {name: values.pack(value, found, limits.depth) for name, value in fields.items()}
            slots, frames = zip(*map(values.lay_out, found)) if found else ((), ())
            body = {"kind": kind_of(message), **packed}
            header = _encoder.encode({"message": body, "arrays": slots, "beside": len(arrays)})
    except (ValueError, OverflowError) as error:  # text that is no Unicode, a number beyond 64 bits
        raise WireError(
            f"the message '{kind_of(message)}' cannot be sent: {error}", hint="whole numbers have at most 64 bits"
        ) from error
    if frames or len(header) > limits.header_bytes:
        _check_limits([len(header), *(frame.nbytes for frame in frames)], limits)
    return [header, *frames]


class Decoder:
    """Reads messages of some kinds; made once, because to prepare one takes longer than to read a message.

    Args:
        kinds: a message type, or a union of several.
        limits: how large a message may be.
    """

    def __init__(self, kinds: Any, limits: Limits = ANSWERS) -> None:
        self.limits = limits
        self._alone = msgspec.msgpack.Decoder(_Header[kinds], ext_hook=_extension)
        self._message = msgspec.msgpack.Decoder(kinds, ext_hook=_extension)

    def decode(self, frames: Sequence[Any]) -> tuple[Any, list[Array]]:
        """Return the message, and the arrays that stand beside it.

        Frames are anything with a buffer; arrays are views of them where possible, and read-only.

        Raises:
            WireError: anything is wrong with the frames. Never anything else.
        """
        try:
            if len(frames) != 1:
                return self._decode(frames)
            # A header without arrays, almost every command and its answer, is taken in one pass.
            if len(frames[0]) > self.limits.header_bytes:
                _check_limits([len(frames[0])], self.limits)
            _arriving.depth = self.limits.depth
            header = self._alone.decode(frames[0])
            if header.arrays or header.beside:
                raise WireError("the header of a message names arrays that did not come")
            message: Message = header.message
            if not _is_flat(type(message)):
                fields = msgspec.structs.astuple(message)
                if not values.PLAIN.issuperset(map(type, fields)):
                    values.inspect(fields, self.limits.depth)
            return message, []
        except WireError:
            raise
        except Exception as error:  # RecursionError, UnicodeDecodeError, MemoryError...: the sender's fault
            raise WireError(
                f"a message cannot be understood: {type(error).__name__}: {error!s:.200}",
                hint="do both sides run the same version of bellringer?",
            ) from error

    def _decode(self, given: Sequence[Any]) -> tuple[Any, list[Array]]:
        frames = [memoryview(frame) for frame in given]
        if not frames:
            raise WireError("a message without frames came")
        _check_limits([frame.nbytes for frame in frames], self.limits)
        header = _header_decoder.decode(frames[0])
        if len(header.arrays) != len(frames) - 1:
            raise WireError(f"a message has {len(frames) - 1} array frames, its header names {len(header.arrays)}")
        if not 0 <= header.beside <= len(header.arrays):
            raise WireError("the header of a message miscounts its arrays")
        arrays = [values.restore(slot, frame) for slot, frame in zip(header.arrays, frames[1:])]
        _arriving.arrays, _arriving.used, _arriving.depth = arrays, set(range(header.beside)), self.limits.depth
        try:
            message = self._message.decode(header.message)
            if len(_arriving.used) != len(arrays):
                raise WireError("a message has array frames that belong nowhere")
        finally:
            _arriving.arrays, _arriving.used = [], set()
        values.inspect(msgspec.structs.astuple(message), self.limits.depth)
        return message, arrays[: header.beside]


@functools.cache
def _is_flat(kind: type[Message]) -> bool:
    """Return whether the types of a message's fields leave nothing to look into; msgspec has checked them."""
    hints = typing.get_type_hints(kind)
    return all(set(typing.get_args(hints[name]) or (hints[name],)) <= values.PLAIN for name in kind.__struct_fields__)


def peek(frames: Sequence[Any], limits: Limits = ANSWERS) -> tuple[str, int, tuple[int, int]]:
    """Return kind, id and version that a message claims, as far as it can be read: ("", 0, (0, 0)) if not at all."""
    if frames and memoryview(frames[0]).nbytes <= limits.header_bytes:
        try:
            message = _peek_decoder.decode(frames[0]).message
        except Exception:  # as in decode: unreadable, whatever the reason, and that is the answer
            return "", 0, (0, 0)
        return message.kind, message.id, message.version
    return "", 0, (0, 0)


class _Arriving(threading.local):
    """The message this thread is decoding, for msgspec's extension hook."""

    arrays: list[Array] = []
    used: set[int] = set()
    depth = 0


_arriving = _Arriving()


def _extension(code: int, data: memoryview) -> Any:
    if code == values.ARRAY:
        index = _index_decoder.decode(data)
        if not 0 <= index < len(_arriving.arrays):
            raise WireError("a message names an array frame that did not come")
        _arriving.used.add(index)
        return _arriving.arrays[index]
    if code == values.DATACLASS:
        _arriving.depth -= 1
        if _arriving.depth < 0:
            raise WireError("a message is nested too deeply")
        name, fields = _fields_decoder.decode(data)
        _arriving.depth += 1
        return values.build(name, fields)
    raise WireError(f"a message holds an unknown extension type {code}")


_fields_decoder = msgspec.msgpack.Decoder(tuple[str, dict[str, Any]], ext_hook=_extension)


def _check_limits(sizes: Sequence[int], limits: Limits) -> None:
    header, *arrays = sizes
    for what, size, limit in (
        ("bytes of header", header, limits.header_bytes),
        ("frames", len(sizes), limits.frames),
        ("bytes of arrays", sum(arrays), limits.array_bytes),
    ):
        if size > limit:
            raise WireError(f"a message has {size} {what}, more than {limit}", hint="send less at a time")
