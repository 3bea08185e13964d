"""The commands for files of time tags: info, count, correlate, convert, repair. Only light imports here."""

from pathlib import Path
from typing import Annotated

import typer

from .help_text import group
from .testbed_commands import AsJson

tags_app = group(
    "Files of time tags: what is in them, coincidences, correlations, other formats, repair.", "tags info run.tags"
)

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...",
        help="Several are merged on one clock; channels of a later file are moved above those before it.",
        show_default=False,
    ),
]
Format = Annotated[
    str,
    typer.Option("--format", metavar="NAME", help="If the file does not tell; `info --formats` lists all."),
]
Options = Annotated[
    list[str],
    typer.Option(
        "--option", metavar="NAME=VALUE", help="Of the format, e.g. unit_ps=81. Repeatable.", show_default=False
    ),
]
Delays = Annotated[
    list[str],
    typer.Option("--delay", metavar="CHANNEL=TIME", help='Added to a channel, e.g. 1="2.5 ns". Repeatable.',
                 show_default=False),
]  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Add all commands of this file."""
    app.add_typer(tags_app, name="tags")


@tags_app.command()
def info(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE...", show_default=False)] = None,
    format: Format = "",
    option: Options = [],  # noqa: B006 - typer copies it
    formats: Annotated[bool, typer.Option("--formats", help="List the formats instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is in files of time tags: channels, rates, gaps, clock, and damage if there is any.

    Examples:

    [bold]bellringer tags info runs/RUN/tags/0001-alice.tags[/bold]

    [bold]bellringer tags info dump.bin --format swabian --json[/bold]
    """
    from .tags_info import formats_command, info_command

    if formats or not files:
        formats_command(as_json)
    else:
        info_command(files, format, option, as_json)


@tags_app.command()
def count(
    files: Files,
    window: Annotated[
        str, typer.Option(metavar="TIME", help="Largest span of a coincidence, last less first tag; ends included.")
    ] = "1 ns",
    group: Annotated[
        list[str],
        typer.Option("--group", metavar="A,B,...", help="Channels of a coincidence. Repeatable; default: every pair.",
                     show_default=False),
    ] = [],  # noqa: B006 - typer copies it
    delay: Delays = [],  # noqa: B006 - typer copies it
    how: Annotated[str, typer.Option(help="Which tuples count: all, one_to_one, first or last.")] = "all",
    format: Format = "",
    option: Options = [],  # noqa: B006 - typer copies it
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Count singles and coincidences of any groups of channels, with rates, accidentals and errors.

    Nothing is subtracted. Tags in gaps do not count, and the rates are over the live time.

    Examples:

    [bold]bellringer tags count alice.tags bob.tags --window "500 ps" --delay 4="12.3 ns"[/bold]

    [bold]bellringer tags count run.ptu --group 0,1 --group 0,1,2,3 --json[/bold]
    """
    from .tags_count import count_command

    count_command(files, window, group, delay, how, format, option, as_json)


@tags_app.command()
def correlate(
    files: Files,
    start: Annotated[int, typer.Option(help="Channel whose tags are time zero.")] = 0,
    stop: Annotated[int, typer.Option(help="Channel whose tags are counted after and before them.")] = 1,
    bin: Annotated[str, typer.Option("--bin", metavar="TIME", help="Width of a bin.")] = "100 ps",
    span: Annotated[str, typer.Option(metavar="TIME", help="Half width of the histogram.")] = "100 ns",
    delay: Delays = [],  # noqa: B006 - typer copies it
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw it: .png or .svg.", show_default=False)
    ] = None,
    format: Format = "",
    option: Options = [],  # noqa: B006 - typer copies it
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show the histogram of time differences of two channels and where its peak is. The same channel twice: its own.

    Examples:

    [bold]bellringer tags correlate alice.tags bob.tags --start 0 --stop 4[/bold]

    [bold]bellringer tags correlate run.ptu --stop 0 --bin "1 ns" --span "1 us" --plot g2.svg[/bold]
    """
    from .tags_correlate import correlate_command

    correlate_command(files, (start, stop), bin, span, delay, plot, format, option, as_json)


@tags_app.command()
def convert(
    file: Annotated[Path, typer.Argument(show_default=False)],
    target: Annotated[
        Path, typer.Argument(help="New file: .tags, .parquet, .h5 or .npz.", show_default=False)
    ],
    format: Format = "",
    option: Options = [],  # noqa: B006 - typer copies it
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Convert a file of time tags, with its gaps and metadata. The target must not exist.

    Examples:

    [bold]bellringer tags convert run.ptu run.tags[/bold]

    [bold]bellringer tags convert run.tags run.parquet[/bold]
    """
    from .tags_convert import convert_command

    convert_command(file, target, format, option, as_json)


@tags_app.command()
def repair(
    file: Annotated[Path, typer.Argument(help="A damaged or torn tag file.", show_default=False)],
    target: Annotated[
        Path | None, typer.Argument(help="New file; default FILE.repaired.tags beside it.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Copy all sound blocks of a damaged tag file to a new one and tell what is lost. The old file is not touched.

    Example: [bold]bellringer tags repair run.tags[/bold]
    """
    from .tags_convert import repair_command

    repair_command(file, target, as_json)
