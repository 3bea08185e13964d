"""Tags as numpy arrays: ``.npz`` archives, and pairs of ``.npy`` files."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._gaps import ToldGaps
from ..tags import Tags
from .recording import Recording
from .source import Source


def read_npz(path: Path) -> Recording:
    """Read ``times_ps``, ``channels`` and ``about`` (JSON with ``gaps_ps``).

    Raises:
        ValueError: other arrays, or a file that is not whole.
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (zipfile.BadZipFile, EOFError, ValueError) as error:
        raise ValueError(f"{path}: not a whole .npz file: {error}") from None
    if not {"times_ps", "channels"} <= set(found):
        raise ValueError(f"{path} has the arrays {sorted(found)}; tags are in 'times_ps' and 'channels'")
    about = json.loads(str(found["about"])) if "about" in found else {}
    return recording_of(path, found["times_ps"], found["channels"], about)


def write_npz(path: Path, source: Source, told: ToldGaps) -> None:
    """Write what ``read_npz`` reads; all of it is in memory for that."""
    recording = source.read()
    with open(path, "xb") as file:
        np.savez(file, times_ps=recording.tags.times_ps, channels=recording.tags.channels,
                 about=np.array(json.dumps(about_of(source, told))))  # fmt: skip


def read_npy(path: Path) -> Recording:
    """Read ``NAME.times.npy`` (ps) with ``NAME.channels.npy`` and, if it is there, ``NAME.gaps.npy`` beside it.

    Raises:
        ValueError: another name, no file of channels, or arrays that are no tags.
    """
    stem = path.name.removesuffix(".times.npy")
    channels, gaps = path.with_name(stem + ".channels.npy"), path.with_name(stem + ".gaps.npy")
    if stem == path.name:
        raise ValueError(f"{path}: times are in NAME.times.npy, channels in NAME.channels.npy beside it")
    if not channels.exists():
        raise ValueError(f"{path}: there is no {channels.name} beside it")
    missing = _array(gaps).tolist() if gaps.exists() else []
    return recording_of(path, _array(path), _array(channels), {"gaps_ps": missing})


def about_of(source: Source, told: ToldGaps) -> dict[str, Any]:
    """Return all of a file that was looked through but its tags, as plain JSON."""
    return {**source.about, "gaps_ps": told.gaps.tolist(), "gap_reasons": list(told.reasons),
            "gap_missed": list(told.missed), "repairs": list(source.repairs),
            "losses": list(source.losses)}  # fmt: skip


def recording_of(path: Path, times: npt.ArrayLike, channels: npt.ArrayLike, about: dict[str, Any]) -> Recording:
    """Return the recording of arrays and what ``about_of`` returned, or plain JSON."""
    about = dict(about)
    gaps = about.pop("gaps_ps", [])
    told = {"reasons": tuple(about.pop("gap_reasons", ())), "missed": tuple(about.pop("gap_missed", ()))}
    words = {name: tuple(about.pop(name, ())) for name in ("repairs", "losses")}
    try:
        return Recording(Tags(times, channels, np.array(gaps, np.int64).reshape(-1, 2)), **told, about=about, **words)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _array(path: Path) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    except (EOFError, ValueError) as error:
        raise ValueError(f"{path}: not a whole .npy file of numbers: {error}") from None
    return array
