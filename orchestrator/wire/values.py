"""Values inside messages: plain ones, numpy arrays and a few frozen dataclasses; everything else is refused.

Plain are None, bool, int (64 bits), float (NaN and infinity too), str, bytes, list, dict with str or int keys. Tuples
arrive as lists, numpy numbers as Python ones, arrays read-only. A dataclass travels by its registered name and is
checked field by field when it arrives: nothing is imported or called by a name that came over the network.
"""

import dataclasses
import functools
import math
import typing
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from .errors import WireError

Array = npt.NDArray[Any]

DTYPES = frozenset(["|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16"])
"""Plain numbers, little-endian; dtypes that could hold Python objects are not among them."""

KNOWN = frozenset(["Recording", "TagBlock", "ClockMap", "Identity", "Held", "Counted"])
"""Names of the dataclasses that may travel; they are in drivers/interfaces."""

ARRAY, DATACLASS = 1, 2
"""MessagePack extension types: the index of an array frame; name and fields of a known dataclass."""

PLAIN = frozenset([type(None), bool, int, float, str, bytes])
"""Types of values that hold nothing else."""
_CONTAINERS = {list, tuple, dict}
_ARRIVING = {*PLAIN, *_CONTAINERS, np.ndarray}


@functools.cache
def _known() -> dict[str, tuple[type, dict[str, Any]]]:
    """Return the known dataclasses and the types of their fields; only who meets one needs the drivers' package."""
    from ...drivers import interfaces

    kinds = {name: getattr(interfaces, name) for name in KNOWN}
    return {name: (kind, typing.get_type_hints(kind)) for name, kind in kinds.items()}


class Slot(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """What a raw frame holds."""

    dtype: str
    shape: tuple[int, ...]


# --- sending ------------------------------------------------------------------------------------------------------


def pack(value: Any, arrays: list[Array], depth: int) -> Any:
    """Return ``value`` as msgspec encodes it; arrays in it are appended to ``arrays``.

    Raises:
        WireError: something in it cannot be sent, or it is nested deeper than ``depth``.
    """
    kind = type(value)
    if kind in PLAIN:
        return value
    if depth <= 0:
        raise WireError("the message is nested too deeply to be sent", hint="send flatter values, or arrays")
    if kind is list or kind is tuple:
        return [pack(item, arrays, depth - 1) for item in value]
    if kind is dict:
        return {_key(key): pack(item, arrays, depth - 1) for key, item in value.items()}
    if kind is np.ndarray:
        arrays.append(value)
        return msgspec.msgpack.Ext(ARRAY, msgspec.msgpack.encode(len(arrays) - 1))
    if isinstance(value, (np.bool_, np.integer)) or (isinstance(value, np.floating) and value.itemsize <= 8):
        return value.item()
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, msgspec.Struct):  # part of a message, by whose type it is checked when it arrives
        return {name: pack(getattr(value, name), arrays, depth - 1) for name in value.__struct_fields__}
    if _is_known(kind):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        packed = pack(fields, arrays, depth - 1)
        return msgspec.msgpack.Ext(DATACLASS, msgspec.msgpack.encode((kind.__name__, packed)))
    raise WireError(
        f"a value of type {kind.__qualname__} cannot be sent: {value!r:.80}",
        hint="send numbers, text, lists, dicts and numpy arrays",
    )


def _key(key: Any) -> str | int:
    if isinstance(key, np.integer):
        return int(key)
    if type(key) is str or type(key) is int:
        return key
    if isinstance(key, StrEnum):
        return str(key.value)
    raise WireError(f"a dict with the key {key!r:.80} cannot be sent", hint="use text or whole numbers as keys")


def lay_out(array: Array) -> tuple[Slot, memoryview]:
    """Return what the receiver must know about ``array``, and its bytes; copies only if they are not contiguous."""
    dtype = array.dtype.newbyteorder("<")
    if type(array) is not np.ndarray or dtype.str not in DTYPES:
        raise WireError(
            f"an array of type {type(array).__name__} of {array.dtype} cannot be sent", hint="send plain numbers"
        )
    flat = np.ascontiguousarray(array, dtype).reshape(-1)
    return Slot(dtype.str, array.shape), flat.view(np.uint8).data


# --- arriving -----------------------------------------------------------------------------------------------------


def restore(slot: Slot, buffer: memoryview) -> Array:
    """Return the array in ``buffer``, without copying if it is aligned; read-only.

    Raises:
        WireError: not a dtype of ours, or the wrong length for its shape.
    """
    if slot.dtype not in DTYPES:
        raise WireError(f"an array of dtype {slot.dtype!r:.20} is not accepted")
    dtype = np.dtype(slot.dtype)
    size = math.prod(slot.shape)
    if len(slot.shape) > 8 or min(slot.shape, default=0) < 0 or size * dtype.itemsize != buffer.nbytes:
        raise WireError(f"an array frame has {buffer.nbytes} bytes, not {slot.dtype} {slot.shape!r:.80}")
    if slot.dtype == "|b1" and np.any(np.frombuffer(buffer, np.uint8) > 1):
        raise WireError("an array of truth values holds something else")
    array = np.frombuffer(buffer, dtype).reshape(slot.shape)
    if not array.flags.aligned:
        array = array.copy()
    array.flags.writeable = False
    return array


def build(name: str, fields: dict[str, Any]) -> Any:
    """Return the known dataclass ``name``.

    Raises:
        WireError: there is none of that name, or a field is missing, unknown or of a wrong type.
    """
    if name not in KNOWN:
        raise WireError(f"values of type {name!r:.80} are not accepted")
    kind, hints = _known()[name]
    if fields.keys() != hints.keys():
        raise WireError(f"a {name} has the fields {', '.join(hints)}, not {', '.join(map(str, fields))}"[:300])
    return kind(**{field: _checked(f"{name}.{field}", fields[field], hints[field]) for field in hints})


def _checked(field: str, value: Any, hint: Any) -> Any:
    if typing.get_origin(hint) is np.ndarray:
        scalar = typing.get_args(typing.get_args(hint)[1])[0]
        if type(value) is np.ndarray and value.dtype == scalar:
            return value
    elif hint is float and type(value) is int:
        return float(value)
    elif type(value) is hint:
        return value
    raise WireError(f"{field} is of a wrong type: {type(value).__name__}")


def inspect(values: Sequence[Any], depth: int) -> None:
    """Check that arrived values are of the promised types and nested at most ``depth`` deep.

    Raises:
        WireError: they are not.
    """
    level: list[Any] = [values]
    for _ in range(depth + 1):
        below: list[Any] = []
        for container in level:
            items = container
            if isinstance(container, msgspec.Struct):
                items = [getattr(container, name) for name in container.__struct_fields__]
            if type(container) is dict:
                items = container.values()
                if not set(map(type, container)) <= {str, int}:
                    raise WireError("a dict with keys other than text or whole numbers is not accepted")
            kinds = set(map(type, items))
            parts = {
                kind for kind in kinds - _ARRIVING if issubclass(kind, msgspec.Struct)
            }  # as the message's type has
            strange = {kind.__name__ for kind in kinds - _ARRIVING - parts if not _is_known(kind)}
            if strange:
                raise WireError(f"values of type {strange.pop()} are not accepted")
            if kinds & _CONTAINERS or parts:
                below.extend(item for item in items if type(item) in _CONTAINERS or type(item) in parts)
        if not below:
            return
        level = below
    raise WireError(f"the message is nested deeper than {depth}")


def _is_known(kind: type) -> bool:
    return kind.__name__ in KNOWN and _known()[kind.__name__][0] is kind
