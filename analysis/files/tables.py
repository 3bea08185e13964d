"""Export to Parquet and HDF5, for other people's programs, and back: tags, gaps and metadata exactly."""

import json
from pathlib import Path
from typing import Any

from .._gaps import ToldGaps
from .numpy_files import about_of, recording_of
from .recording import Recording
from .source import STEP, Source, arrays

_KEY = b"bellringer"


def write_parquet(path: Path, source: Source, told: ToldGaps) -> None:
    """Write columns ``time_ps`` and ``channel``; gaps and metadata are JSON under ``bellringer`` in the schema.

    Raises:
        ModuleNotFoundError: pyarrow is not installed.
    """
    pa, parquet = _arrow()
    columns = [("time_ps", pa.int64()), ("channel", pa.uint8())]
    schema = pa.schema(columns, metadata={_KEY: json.dumps(about_of(source, told)).encode()})
    packed = {"compression": "zstd", "compression_level": 1, "use_dictionary": ["channel"],
              "column_encoding": {"time_ps": "DELTA_BINARY_PACKED"}}  # fmt: skip
    with open(path, "xb") as file, parquet.ParquetWriter(file, schema, **packed) as writer:
        for times, channels in arrays(source):
            writer.write_table(pa.table([times, channels], schema=schema))


def read_parquet(path: Path) -> Recording:
    """Read the columns ``time_ps`` and ``channel`` of any Parquet file; gaps and metadata if we wrote it.

    Raises:
        ValueError: a damaged file, or other columns.
        ModuleNotFoundError: pyarrow is not installed.
    """
    pa, parquet = _arrow()
    try:
        table = parquet.read_table(path)
    except pa.ArrowException as error:
        raise ValueError(f"{path}: not a sound Parquet file: {error}") from None
    if not {"time_ps", "channel"} <= set(table.column_names):
        raise ValueError(f"{path} has the columns {table.column_names}; tags are in 'time_ps' and 'channel'")
    about = json.loads((table.schema.metadata or {}).get(_KEY, b"{}"))
    return recording_of(path, table["time_ps"].to_numpy(), table["channel"].to_numpy(), about)


def write_hdf5(path: Path, source: Source, told: ToldGaps) -> None:
    """Write datasets ``times_ps``, ``channels`` and ``gaps_ps``; metadata are JSON in the attribute ``about``.

    Raises:
        ModuleNotFoundError: h5py is not installed.
    """
    h5py = _hdf5()
    packed: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    packed |= {"chunks": (STEP,), "maxshape": (None,)}
    about = about_of(source, told)
    with h5py.File(path, "x") as file:
        times_ps = file.create_dataset("times_ps", (0,), "i8", **packed)
        channels = file.create_dataset("channels", (0,), "u1", **packed)
        count = 0
        for times, numbers in arrays(source):
            for dataset, array in ((times_ps, times), (channels, numbers)):
                dataset.resize((count + len(array),))
                dataset[count:] = array
            count += len(times)
        file.create_dataset("gaps_ps", data=told.gaps)
        file.attrs["about"] = json.dumps({key: value for key, value in about.items() if key != "gaps_ps"})


def read_hdf5(path: Path) -> Recording:
    """Read what ``write_hdf5`` wrote, or any HDF5 file with ``times_ps`` and ``channels``.

    Raises:
        ValueError: a damaged file, or no such datasets.
        ModuleNotFoundError: h5py is not installed.
    """
    h5py = _hdf5()
    try:
        with h5py.File(path, "r") as file:
            if not {"times_ps", "channels"} <= set(file):
                raise ValueError(f"it has {sorted(file)}; tags are in 'times_ps' and 'channels'")
            about: dict[str, Any] = json.loads(file.attrs.get("about", "{}"))
            about["gaps_ps"] = file["gaps_ps"][:].tolist() if "gaps_ps" in file else []
            times, channels = file["times_ps"][:], file["channels"][:]
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: not an HDF5 file of tags: {error}") from None
    return recording_of(path, times, channels, about)


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Parquet files take pyarrow: pip install 'bellringer[files]'", name=error.name
        ) from None
    return pyarrow, pyarrow.parquet


def _hdf5() -> Any:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("HDF5 files take h5py: pip install 'bellringer[files]'", name=error.name) from None
    return h5py
