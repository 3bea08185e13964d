"""The page on files of time tags names every format there is, and its layout is that of the files."""

import re

from bellringer.analysis.files import formats
from bellringer.analysis.tagfile.layout import BLOCK_HEADER_BYTES, FILE_HEADER_BYTES, GAP, REASONS


def tables(documentation):
    page = documentation["time-tags.md"]
    return {title: rows for section in page.sections() for title, rows in section.tables().items()}


def test_every_format_is_in_the_table_as_it_is(documentation):
    rows = {row["format"].strip("`"): row for row in tables(documentation)["format"]}
    assert list(rows) == [each.name for each in formats()]
    for each in formats():
        row = rows[each.name]
        assert row["told by"] == ("content" if each.magics else "suffix"), each.name
        assert bool(row["written"]) == (each.write is not None), each.name
        assert any(suffix in row["files"] for suffix in each.suffixes) or each.name in ("npz", "npy", "parquet", "hdf5")


def test_the_layouts_lengths_add_up(documentation):
    for title, length in (("header", FILE_HEADER_BYTES), ("block", BLOCK_HEADER_BYTES)):
        at = 0
        for row in tables(documentation)[title]:
            assert int(row[title]) == at, row
            at += sum(int(part) for part in re.findall(r"\d+", row["bytes"]))
        assert at == length
    text = documentation["time-tags.md"].text
    assert f"the gaps, {GAP.itemsize} bytes each" in text
    assert all(f"{code} {reason}" in " ".join(text.split()) for code, reason in enumerate(REASONS))
