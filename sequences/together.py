"""What a conditional fidelity alone would hide: how often it is reached, and how much was left out."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .figures import Figure
from .pairs import Entanglement

if TYPE_CHECKING:
    from .run import Run


def together(run: "Run", fidelity_of: str, rate_of: Mapping[str, str], asked: Mapping[str, Entanglement]) -> Figure:
    """Return the table of fidelity, rates and selected fractions, side by side, all of them given as results before.

    Args:
        fidelity_of: on what the result "fidelity" is conditional.
        rate_of: further results of how often there is something to take it of, and what they count.
        asked: what became of all requests, by the ending of their results' names: "" or "_" and a link.
    """
    rows: list[tuple[str, ...]] = [("of", "value", "on what")]
    rows.append(("fidelity", str(run.results["fidelity"]), f"conditional: on {fidelity_of}"))
    rows += [(name, str(run.results[name]), what) for name, what in rate_of.items()]
    for ending, found in asked.items():
        rate, fraction = f"pair_rate{ending}", f"selected_fraction{ending}"
        spent = f"unconditional: {found.counted} pairs in {found.seconds:.4g} s of attempts"
        rows.append((rate, str(run.results[rate]), spent))
        rows.append((fraction, str(run.results[fraction]), f"{found.counted} of {found.heralds} heralds"))
    captions = [_left_out(ending.removeprefix("_"), found) for ending, found in asked.items()]
    return Figure(
        "heralded_pairs", "Fidelity, rate and selection together", table=tuple(rows), caption=" ".join(captions)
    )


def _left_out(link: str, found: Entanglement) -> str:
    lost = ", ".join(f"{count} {reason}" for reason, count in found.not_delivered.items()) or "none"
    batches = ", ".join(f"{count} {how}" for how, count in found.batches.items()) or "none"
    text = f"{link + ': h' if link else 'H'}eralds that became no pair: {lost}; batches: {batches}."
    if uncounted := len(found.pairs) - found.counted:
        text += f" {uncounted} pairs are in no rate: a node was lost, and nobody knows how many attempts they took."
    return text
