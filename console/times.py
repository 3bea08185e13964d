"""Times on the command line."""

import math

import typer

from ..testbed.errors import QuantityError


def seconds(text: str | float) -> float:
    """Return a time of zero or more in seconds, written as "5", "5 s" or "200 ms".

    Raises:
        typer.BadParameter: it is no such time.
    """
    try:
        found = float(text)
    except ValueError:
        from ..testbed.units import parse

        try:
            found = parse(text, "s", name="it", example="5 s")
        except QuantityError as error:
            raise typer.BadParameter(f"{error.what}; {error.hint}") from error
    if not 0 <= found < math.inf:
        raise typer.BadParameter(f"it is {text}, no time of 0 s or more")
    return found
