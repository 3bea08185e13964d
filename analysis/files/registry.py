"""Which formats there are, and which of them a file has: told by its content, and by its suffix where that is mute."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .._gaps import ToldGaps
from ..tagfile.layout import BLOCK_MAGIC, FILE_MAGIC
from ..tags import Tags
from . import numpy_files, own, picoquant, raw, tables
from .recording import Recording
from .source import Source, Watched, WholeSource
from .swabian import Swabian


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: as ``format=`` takes it.
        what: in words.
        suffixes: of its files; the first one is what a new file gets.
        magics: what its files begin with, any of them; none for a format that cannot be told by content.
        open: (path, **options) to a source.
        write: (path, source, its gaps), None for what is only read.
        options: what ``open`` takes besides.
    """

    name: str
    what: str
    suffixes: tuple[str, ...]
    magics: tuple[bytes, ...]
    open: Callable[..., Source]
    write: Callable[[Path, Source, ToldGaps], None] | None = None
    options: tuple[str, ...] = ()


def _whole(reader: Callable[[Path], Recording]) -> Callable[[Path], Source]:
    return lambda path: WholeSource(reader(path), path.stat().st_size)


_FORMATS = (
    Format("tags", "bellringer tag file", (".tags",), (FILE_MAGIC, BLOCK_MAGIC), own.TagFile, own.write_tagfile),
    Format("ptu", "PicoQuant unified, T2 and T3", (".ptu",), (b"PQTTTR",), _whole(picoquant.read_ptu)),
    Format("ht3", "PicoQuant HydraHarp T3", (".ht3",), (b"HydraHarp\0",), _whole(picoquant.read_ht3)),
    Format("npz", "numpy archive", (".npz",), (b"PK\x03\x04",), _whole(numpy_files.read_npz), numpy_files.write_npz),
    Format("npy", "numpy arrays, NAME.times.npy and NAME.channels.npy", (".npy",), (b"\x93NUMPY",),
           _whole(numpy_files.read_npy)),
    Format("parquet", "Parquet table", (".parquet",), (b"PAR1",), _whole(tables.read_parquet), tables.write_parquet),
    Format("hdf5", "HDF5", (".h5", ".hdf5"), (b"\x89HDF\r\n\x1a\n",), _whole(tables.read_hdf5), tables.write_hdf5),
    Format("qutag", "qutools quTAG, 10 bytes a tag", (".qutag",), (), raw.QuTag, options=("unit_ps", "header")),
    Format("swabian", "Swabian Dump, 16 bytes a tag", (".swabian",), (), Swabian, options=("channels",)),
    Format("id900", "ID Quantique, uint64 a tag, a file a channel", (".id900",), (), raw.Id900, options=("channel",)),
    Format("id900-indexed", "the same with reference index", (".id900x",), (), raw.Id900Indexed,
           options=("reference_period_ps", "channel")),
    Format("a1", "qcrypto a1, 64 bits an event", (".a1",), (), raw.A1, options=("eighths",)),
    Format("a1-swapped", "the same, upper word first", (".a1x",), (), partial(raw.A1, swapped=True),
           options=("eighths",)),
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


def open_recording(path: str | Path, format: str | None = None, **options: Any) -> Source:
    """Return a file of tags to be read block by block.

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
    return found.open(Path(path), **options)


def read_recording(path: str | Path, format: str | None = None, **options: Any) -> Recording:
    """Return all that a file of tags holds; arguments and errors are those of ``open_recording``."""
    return open_recording(path, format, **options).read()


def read_tags(path: str | Path, format: str | None = None, **options: Any) -> Tags:
    """Return a file's tags, see ``read_recording``."""
    return read_recording(path, format, **options).tags


def format_of_new(path: str | Path, format: str | None = None) -> Format:
    """Return the format of a file that is to be written, by default that of its suffix.

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
    return found


def write_source(
    path: str | Path,
    source: Source,
    format: str | None = None,
    told: ToldGaps | None = None,
    stepped: Callable[[int], object] = lambda end_byte: None,
) -> Format:
    """Copy a file block by block to a new one and return that one's format.

    Args:
        path, format: of the new file; see ``format_of_new``.
        source: looked through first, unless ``told`` is given: so nothing is written of a bad one.
        told: its gaps, as ``source.look_through`` returned them.
        stepped: told how far in the source the copy is.

    Raises:
        ValueError: nothing can be written in this format; or what is wrong with the source.
        FileExistsError: there is such a file.
    """
    found = format_of_new(path, format)
    told = source.look_through()[1] if told is None else told
    assert found.write is not None
    try:
        found.write(Path(path), Watched(source, stepped), told)
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise
    return found


def write_recording(path: str | Path, recording: Recording, format: str | None = None) -> Format:
    """Write a new file and return its format; as ``write_source``."""
    return write_source(path, WholeSource(recording), format)


def writable() -> Sequence[str]:
    """Return the names of the formats that can be written."""
    return [each.name for each in _FORMATS if each.write]
