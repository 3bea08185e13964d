"""What people are told of memory links that are suspended."""

import pytest
from bellringer.orchestrator.client.overview import _wrong, suspended

WHY = "'interlocks of alice': interlock 'door' is open"


@pytest.mark.parametrize(
    ("why", "left_s", "told"),
    [
        ("", 0.0, []),
        (WHY, None, [f"link a-b is suspended by {WHY}"]),
        (WHY, 7.2, [f"link a-b is suspended by {WHY}; well again, and used in 7 s"]),
    ],
)
def test_a_suspended_link_is_wrong_and_says_why_and_until_when(why, left_s, told):
    links = {"a-b": {"suspended": why, "suspended_s": left_s}, "b-c": {"suspended": "", "suspended_s": 0.0}}
    assert suspended({"entanglement": {"service": {"links": links}}}) == told


def test_a_fault_is_told_without_its_number():
    agent = {"fault": "3: interlock 'door' is open", "leased": False, "refused": "", "coordinator": ""}
    node = {"stale": False, "fault": agent["fault"]}
    assert _wrong(node, agent) == ["latched dark: interlock 'door' is open"]


def test_a_testbed_without_memory_links_has_none():
    assert suspended({"entanglement": {}}) == []
