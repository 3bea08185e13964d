"""Which formats there are, and which of them a file has: told by its content, and by its suffix where that is mute."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..tagfile.layout import BLOCK_MAGIC, FILE_MAGIC
from ..tags import Tags
from . import numpy_files, own, picoquant, raw, tables
from .recording import Recording


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: as ``format=`` takes it.
        what: in words.
        suffixes: of its files; the first one is what a new file gets.
        magics: what its files begin with, any of them; none for a format that cannot be told by content.
        read: (path, **options) to a recording.
        write: (path, recording), None for what is only read.
        options: what ``read`` takes besides.
    """

    name: str
    what: str
    suffixes: tuple[str, ...]
    magics: tuple[bytes, ...]
    read: Callable[..., Recording]
    write: Callable[[Path, Recording], None] | None = None
    options: tuple[str, ...] = ()


def _a1_swapped(path: Path) -> Recording:
    return raw.read_a1(path, swapped=True)


_FORMATS = (
    Format("tags", "bellringer tag file", (".tags",), (FILE_MAGIC, BLOCK_MAGIC), own.read_tagfile, own.write_tagfile),
    Format("ptu", "PicoQuant unified, T2 and T3", (".ptu",), (b"PQTTTR",), picoquant.read_ptu),
    Format("ht3", "PicoQuant HydraHarp T3", (".ht3",), (b"HydraHarp\0",), picoquant.read_ht3),
    Format("npz", "numpy archive", (".npz",), (b"PK\x03\x04",),
           numpy_files.read_npz, numpy_files.write_npz),
    Format("npy", "numpy arrays, NAME.times.npy and NAME.channels.npy", (".npy",), (b"\x93NUMPY",),
           numpy_files.read_npy),
    Format("parquet", "Parquet table", (".parquet",), (b"PAR1",), tables.read_parquet, tables.write_parquet),
    Format("hdf5", "HDF5", (".h5", ".hdf5"), (b"\x89HDF\r\n\x1a\n",), tables.read_hdf5, tables.write_hdf5),
    Format("qutag", "qutools quTAG, 10 bytes a tag", (".qutag",), (), raw.read_qutag, options=("unit_ps",)),
    Format("swabian", "Swabian Dump, 16 bytes a tag", (".swabian",), (), raw.read_swabian, options=("channels",)),
    Format("id900", "ID Quantique, uint64 a tag, a file a channel", (".id900",), (), raw.read_id900,
           options=("channel",)),
    Format("id900-indexed", "the same with reference index", (".id900x",), (), raw.read_id900_indexed,
           options=("reference_period_ps", "channel")),
    Format("a1", "qcrypto a1, 64 bits an event", (".a1",), (), raw.read_a1),
    Format("a1-swapped", "the same, upper word first", (".a1x",), (), _a1_swapped),
)  # fmt: skip

_OTHERS = (
    (b"PQHISTO", "a PicoQuant histogram"),
    (b"PicoHarp 300", "an old PicoHarp file"),
    (b"TimeHarp", "an old TimeHarp file"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ", "compressed with xz"),
    (b"ARROW1", "an Arrow file"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3", "an SQLite database"),
    (b"MATLAB 5", "a MATLAB file"),
)
_HINTS = {
    ".ttbin": "a Swabian .ttbin, which is closed: write a Dump with the maker's software and name it .swabian",
    ".ht2": "an old PicoQuant file: convert it to .ptu with the maker's software",
    ".pt2": "an old PicoQuant file: convert it to .ptu with the maker's software",
    ".pt3": "an old PicoQuant file: convert it to .ptu with the maker's software",
}


def formats() -> tuple[Format, ...]:
    """Return every format there is."""
    return _FORMATS


def named(name: str) -> Format:
    """Return the format of a name.

    Raises:
        ValueError: there is none; says which ones there are.
    """
    for each in _FORMATS:
        if each.name == name:
            return each
    raise ValueError(f"there is no format {name!r}; there are: {', '.join(each.name for each in _FORMATS)}")


def identify(path: str | Path) -> Format:
    """Return a file's format, by its content, and by its suffix only where the content cannot tell.

    Raises:
        ValueError: no format; says what the file looks like.
        OSError: it cannot be opened.
    """
    path = Path(path)
    with open(path, "rb") as file:
        start = file.read(64)
    by_suffix = [each for each in _FORMATS if path.suffix.lower() in each.suffixes]
    for each in _FORMATS:
        if any(start.startswith(magic) for magic in each.magics):
            return each
    looks = looks_like(start)
    if by_suffix and not by_suffix[0].magics:
        if looks is None or looks == "text":
            return by_suffix[0]
        raise ValueError(f"{path} is no {by_suffix[0].what}: it looks like {looks}")
    if by_suffix and by_suffix[0].name == "tags":
        return by_suffix[0]  # its start may be what is damaged
    if path.suffix.lower() in _HINTS:
        raise ValueError(f"{path} is {_HINTS[path.suffix.lower()]}")
    kind = f"no {by_suffix[0].what}" if by_suffix else "in no format that can be told by its content"
    mute = ", ".join(each.name for each in _FORMATS if not each.magics)
    raise ValueError(f"{path} is {kind}: it looks like {looks or 'bare numbers'}; if it is one of {mute}, say so")


def looks_like(start: bytes) -> str | None:
    """Return what a file that begins like this is, None if nothing speaks for anything."""
    if not start:
        return "an empty file"
    for magic, what in _OTHERS:
        if start.startswith(magic):
            return what
    text = start.rstrip(b"\0") == start and all(byte >= 32 or byte in b"\t\r\n" for byte in start)
    return "text" if text and start.isascii() else None


def read_recording(path: str | Path, format: str | None = None, **options: Any) -> Recording:
    """Return all that a file of tags holds.

    Args:
        path: the file.
        format: its format's name; default: what ``identify`` says.
        options: the format's own, see ``formats()``.

    Raises:
        ValueError: it is not in this or any format, or its content cannot be.
        ModuleNotFoundError: the package that reads this format is not installed; says how to get it.
        OSError: it cannot be read.
    """
    found = identify(path) if format is None else named(format)
    wrong = sorted(set(options) - set(found.options))
    if wrong:
        raise ValueError(
            f"the format {found.name} has no option {wrong[0]!r}; it has: {', '.join(found.options) or 'none'}"
        )
    return found.read(Path(path), **options)


def read_tags(path: str | Path, format: str | None = None, **options: Any) -> Tags:
    """Return a file's tags, see ``read_recording``."""
    return read_recording(path, format, **options).tags


def write_recording(path: str | Path, recording: Recording, format: str | None = None) -> Format:
    """Write a new file and return its format; by default the one of its suffix.

    Raises:
        ValueError: nothing can be written in this format.
        FileExistsError: there is such a file.
    """
    path = Path(path)
    found = named(format) if format else next((f for f in _FORMATS if path.suffix.lower() in f.suffixes), None)
    if found is None or found.write is None:
        able = ", ".join(f"{each.name} ({each.suffixes[0]})" for each in _FORMATS if each.write)
        raise ValueError(f"nothing is written as {found.name if found else path.suffix or 'this'}; there are: {able}")
    if path.exists():
        raise FileExistsError(f"{path} exists already; name a new file")
    try:
        found.write(path, recording)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return found


def writable() -> Sequence[str]:
    """Return the names of the formats that can be written."""
    return [each.name for each in _FORMATS if each.write]
