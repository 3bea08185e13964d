"""The Bell test: CHSH parameter S, visibilities, fringes, rates, against the prediction from the testbed file."""

import numpy as np

from ...analysis import Estimate, FringeFit, fit_fringe, rate
from ...analysis import chsh as chsh_parameter
from ...analysis import visibility as four_detector_visibility
from ...analysis.bell import correlation as correlation_of
from ...testbed.prediction import predict
from ...testbed.testbed import Link, Testbed
from ..acquisition import Acquisition
from ..comparison import comparison
from ..figures import Figure, Series
from ..needs import above_zero, the_link
from ..polarisation import measure, note_missing_coincidences
from ..run import Run
from ..sequence import sequence

MATCHED = {"HV": (0.0, 0.0), "DA": (45.0, 45.0)}
SETTINGS = {("a", "b"): (0.0, 22.5), ("a", "b'"): (0.0, 67.5), ("a'", "b"): (45.0, 22.5), ("a'", "b'"): (45.0, 67.5)}
SIGNS = (1, -1, 1, 1)


@sequence
def chsh(
    run: Run,
    link: str = "",
    integration_s: float = 1.0,
    fringe_points: int = 12,
    fringe_integration_s: float = 0.25,
    delay_ps: int = 0,
) -> None:
    """Bell test with analysers at 0/45 and 22.5/67.5 degrees; also both matched bases and the H and D fringes.

    Raw counts: nothing is subtracted. ``delay_ps`` counts that far away from the coincidence peak instead of on it.
    """
    chosen = run.link(link)
    run.start_source(chosen)
    matched = {
        name: measure(run, chosen, MATCHED[name], integration_s, f"matched basis {name}")
        for name in run.scan(MATCHED, "matched bases")
    }
    note_missing_coincidences(run, matched.values())
    _rates(run, list(matched.values()), delay_ps)
    for name, acquisition in matched.items():
        run.result(f"visibility_{name}", four_detector_visibility(acquisition.coincidences(delay_ps)))
    _correlation_figure(run, list(matched.values()))
    tests = [
        measure(run, chosen, SETTINGS[key], integration_s, f"CHSH {key[0]}{key[1]}")
        for key in run.scan(SETTINGS, "CHSH settings")
    ]
    run.result("S", chsh_parameter([test.coincidences(delay_ps) for test in tests]))
    _chsh_table(run, tests, delay_ps)
    if fringe_points:
        _fringes(run, chosen, fringe_points, fringe_integration_s, delay_ps)
    _comparison(run, chosen)


@chsh.needs
def _needs(testbed: Testbed, link: str, integration_s: float, fringe_integration_s: float, **others: int) -> None:
    the_link(testbed, link)
    above_zero(integration_s=integration_s, fringe_integration_s=fringe_integration_s)


def _rates(run: Run, matched: list[Acquisition], delay_ps: int) -> None:
    """Give the raw sum over the four detector pairs in the matched bases, and how many of them chance alone gives."""
    seconds = sum(acquisition.seconds for acquisition in matched)
    counts = sum(int(acquisition.coincidences(delay_ps).sum()) for acquisition in matched)
    run.result("coincidence_rate", rate(counts, seconds, unit="1/s"))
    if not seconds:
        run.result("accidental_rate", Estimate(None, None, "1/s", "no live time"))
        return
    means, errors = zip(*(acquisition.accidentals(delay_ps) for acquisition in matched))
    error = float(np.sqrt(sum(float((e**2).sum()) for e in errors)))
    run.result("accidental_rate", Estimate(float(sum(m.sum() for m in means)) / seconds, error / seconds, "1/s"))


def _correlation_figure(run: Run, matched: list[Acquisition]) -> None:
    window = matched[0].window_ps
    histograms = [acquisition.histogram(20, 5 * window) for acquisition in matched]
    total = sum(h.counts for h in histograms[1:]) + histograms[0].counts
    run.figure(
        Figure(
            "correlation",
            "Correlation of the two ends",
            "time difference (ps)",
            "coincidences per 20 ps",
            (Series("all detector pairs", histograms[0].centres_ps, total, style="steps"),),
            marks=(-float(window), float(window)),
            caption="Both matched bases together. Dotted: the coincidence window.",
        )
    )


def _chsh_table(run: Run, tests: list[Acquisition], delay_ps: int) -> None:
    rows: list[tuple[str, ...]] = [("setting", "angles (deg)", "++", "+-", "-+", "--", "E", "sign in S")]
    for (key, angles), test, sign in zip(SETTINGS.items(), tests, SIGNS):
        counts = test.coincidences(delay_ps)
        rows.append(
            (
                f"E({key[0]}, {key[1]})",
                f"{angles[0]:g}, {angles[1]:g}",
                *map(str, counts.ravel()),
                str(correlation_of(counts)),
                f"{sign:+d}",
            )
        )
    run.figure(
        Figure(
            "chsh_table",
            "CHSH settings",
            table=tuple(rows),
            caption="Raw counts. + transmitted, - reflected, first end first.",
        )
    )


def _fringes(run: Run, link: Link, points: int, seconds: float, delay_ps: int) -> None:
    """Scan the second end's analyser with the first at H and at D; the first end's transmitted detector heralds."""
    angles = np.arange(points) * 180.0 / points
    dense = np.linspace(0.0, 180.0, 181)
    series: list[Series] = []
    for name, fixed in (("H", 0.0), ("D", 45.0)):
        counts = np.array(
            [
                measure(run, link, (fixed, float(angle)), seconds, f"fringe {name}").coincidences(delay_ps)[0, 0]
                for angle in run.scan(angles, f"fringe, first end at {name}")
            ]
        )
        fit = fit_fringe(angles, counts)
        run.result(f"fringe_visibility_{name}", Estimate(fit.visibility, fit.visibility_error, "", fit.reason))
        series.append(Series(f"first end at {name}", angles, counts / seconds, np.sqrt(counts) / seconds))
        if fit.visibility is not None:
            series.append(Series(f"fit {name}", dense, _curve(fit, dense) / seconds, style="line"))
    run.figure(
        Figure(
            "fringes",
            "Coincidence fringes",
            "second end's analyser (deg)",
            "coincidences (1/s)",
            tuple(series),
            caption="Both ends' transmitted detectors, raw. Lines: fits of offset and cos 2x, sin 2x.",
        )
    )


def _curve(fit: FringeFit, angles: np.ndarray) -> np.ndarray:
    return fit.offset + fit.amplitude * np.cos(2 * np.deg2rad(angles - fit.phase_deg))


def _comparison(run: Run, link: Link) -> None:
    """Set results beside the prediction, each with its pull."""
    predicted = predict(run.testbed, link)
    if predicted is None:
        run.note("no prediction: the testbed file gives no model for a part of this link")
        return
    run.figure(comparison(run, predicted.results(), "Rates and visibilities against prediction", predicted.text()))
