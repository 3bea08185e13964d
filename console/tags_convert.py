"""``bellringer tags convert`` and ``repair``."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ..analysis.files import format_of_new, write_source
from ..analysis.tagfile import repair
from .main import emit_json
from .out import printer
from .tags_files import Slow, opened, telling


def convert_command(file: Path, target: Path, format: str, options: Sequence[str], as_json: bool) -> None:
    """Convert, and tell what went where."""
    source = opened(file, format, options)
    with telling(target):
        written = format_of_new(target)
    with telling(file), Slow(f"looking through {file.name}", source.size) as bar:
        count, told = source.look_through(bar.at)
    with telling(target), Slow(f"writing {target.name}", source.size) as bar:
        write_source(target, source, told=told, stepped=bar.at)
    gaps = len(told.gaps)
    size = target.stat().st_size
    if as_json:
        emit_json({"file": str(target), "format": written.name, "tags": count, "bytes": size, "gaps": gaps,
                   "repairs": list(source.repairs), "losses": list(source.losses)})  # fmt: skip
        return
    out = printer()
    each = f", {size / count:.2f} bytes a tag" if count else ""
    out.print(f"wrote {target}: {written.what}, {count} tags, {gaps} gaps{each}", markup=False, soft_wrap=True)
    for text in (*source.repairs, *source.losses):
        out.print(f"{file.name}: {text}", style="yellow", markup=False)


def repair_command(file: Path, target: Path | None, as_json: bool) -> None:
    """Repair, and tell what is lost."""
    target = target or file.with_name(file.name.removesuffix(".tags") + ".repaired.tags")
    with telling(target):
        if target.exists():
            raise FileExistsError(target)
    with telling(file):
        size = file.stat().st_size
        with Slow(f"copying sound blocks of {file.name}", size) as bar:
            report = repair(file, target, bar.at)
    if as_json:
        emit_json({"file": str(target), **asdict(report)})
        return
    out = printer()
    out.print(f"wrote {target}: {report.blocks} blocks, {report.tags} tags; {report.bytes_left_out} bytes left out",
              markup=False, soft_wrap=True)  # fmt: skip
    for loss in report.losses:
        out.print(f"missing: {loss}", style="bold red", markup=False, soft_wrap=True)
    if not report.losses:
        out.print("nothing was damaged")
