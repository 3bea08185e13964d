"""Rate limit: so much at once, so much in the long run, each key for itself, and bounded memory."""

import pytest
from bellringer.orchestrator.wire.rate import TokenBuckets


@pytest.fixture
def buckets(bench):
    return TokenBuckets(per_s=2.0, burst=3.0, most=10, clock=bench.clock)


def taken(buckets, key: str, tries: int = 10) -> int:
    return sum(buckets.take(key) for _ in range(tries))


def test_a_burst_then_the_long_run(bench, buckets):
    assert taken(buckets, "bob") == 3
    bench.clock.now_s += 1.0
    assert taken(buckets, "bob") == 2
    bench.clock.now_s += 0.25
    assert taken(buckets, "bob") == 0
    bench.clock.now_s += 0.25
    assert taken(buckets, "bob") == 1


def test_waiting_long_saves_up_no_more_than_a_burst(bench, buckets):
    assert taken(buckets, "bob") == 3
    bench.clock.now_s += 3600
    assert taken(buckets, "bob") == 3


def test_every_key_has_its_own_bucket(buckets):
    assert taken(buckets, "bob") == taken(buckets, "carol") == 3


def test_only_the_newest_keys_are_remembered(buckets):
    for number in range(1000):
        buckets.take(f"key {number}")
    assert len(buckets._buckets) == 10
