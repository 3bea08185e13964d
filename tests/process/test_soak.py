"""Long loops over whole dry runs; `make soak` runs them."""

import hashlib
import math
import statistics
from pathlib import Path

import pytest
from bellringer.analysis.files import read_tags
from bellringer.console.dry_run import simulated_lab
from bellringer.console.files import load_checked
from bellringer.sequences import find_sequence, run_sequence
from bellringer.testbed.prediction import predict

pytestmark = [pytest.mark.soak, pytest.mark.process]

EXAMPLE = Path(__file__).parents[2] / "examples" / "bell_three_node.yaml"


def dry_run(folder: Path, seed: int, integration_s: float):
    loaded = load_checked(EXAMPLE, [])
    asked = {"fringe_points": 0, "integration_s": integration_s}
    with simulated_lab(EXAMPLE, [], seed) as lab:
        outcome = run_sequence(loaded, find_sequence("chsh"), asked, lab.clock, endpoints=lab.endpoints, runs=folder)
    assert outcome.status == "completed", outcome.error
    return loaded, outcome


def test_one_seed_gives_identical_tags_thirty_times(tmp_path):
    seen = set()
    for _ in range(30):
        _, outcome = dry_run(tmp_path, 7, 0.2)
        digest = hashlib.sha256()
        for path in sorted((outcome.folder / "tags").glob("*.tags")):
            tags = read_tags(path)
            digest.update(path.name.encode() + tags.times_ps.tobytes() + tags.channels.tobytes())
        digest.update((outcome.folder / "events.jsonl").read_bytes())
        seen.add(digest.hexdigest())
    assert len(seen) == 1


def test_pulls_of_forty_seeds_are_centred_and_not_too_wide(tmp_path):
    """Seeds 101 to 140, 0.5 s a setting: mean pull within 3.5 / sqrt(40), spread below 1.3, none over 4.5."""
    pulls: dict[str, list[float]] = {}
    for seed in range(101, 141):
        loaded, outcome = dry_run(tmp_path, seed, 0.5)
        prediction = predict(loaded.testbed, loaded.testbed.links["alice-bob"])
        for name, expected in prediction.results().items():
            estimate = outcome.results[name]
            pulls.setdefault(name, []).append((estimate.value - expected) / estimate.error)
    for name, values in pulls.items():
        assert abs(statistics.mean(values)) < 3.5 / math.sqrt(len(values)), name
        assert statistics.stdev(values) < 1.3, name
        assert max(map(abs, values)) < 4.5, name
