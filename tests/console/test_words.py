"""Events in people's words: what one has to know at night stands there, in red if somebody should come."""

import re
from pathlib import Path

import pytest
from bellringer.console.words import _WORDS, GOOD, NOTE, PLAIN, WRONG, words
from bellringer.orchestrator import agent, coordinator
from bellringer.orchestrator.client.diary import Happened

PRESS = {"number": 3, "who": "anna", "key": "k", "reason": "smoke", "utc": "2026-01-31T12:05:00+00:00"}
RUN = {"run": "r-1", "who": "anna", "instruments": ["a.x", "a.y", "b.x", "b.y"]}


def said(name, **body):
    return words(Happened("", "", name, body))


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("estop", {"latched": True, "presses": [PRESS]}, (WRONG, "E-STOP pressed by anna: smoke")),
        ("estop", PRESS, (WRONG, "E-STOP pressed by anna: smoke")),
        ("ack", {"node": "", "who": "anna"}, (GOOD, "anna looked and acknowledged the e-stop")),
        ("fault", {"node": "bob", "fault": "3: too hot"}, (WRONG, "bob is latched dark: too hot")),
        ("node_lost", {"node": "bob", "silent_s": 3.04}, (WRONG, "node bob is lost: silent for 3.0 s")),
        ("owned", RUN, (PLAIN, "run r-1 of anna owns a.x, a.y and 2 more")),
        ("expired", RUN, (WRONG, "run r-1 of anna fell silent and lost its instruments")),
        ("light_on", {"instruments": ["a.x"]}, (NOTE, "light may be on: a.x")),
        ("light_off", {"instruments": ["a.x"]}, (GOOD, "light is off: a.x")),
        ("child_dark", {"text": "", "instruments": ["a.x"]}, (GOOD, "confirmed dark: a.x")),
        ("child_dark", {"text": "a.x: lit", "instruments": ["a.x"]}, (WRONG, "NOT CONFIRMED DARK: a.x: lit")),
        ("batch", {"what": "batch stopped", "batch": 7, "reason": "x"}, (NOTE, "batch stopped: batch 7, reason x")),
        (
            "suspended",
            {"links": ["a-b"], "condition": "interlocks of a", "why": "interlock 'door' is open"},
            (WRONG, "link a-b suspended by 'interlocks of a': interlock 'door' is open"),
        ),
        (
            "suspended",
            {"links": ["a-b", "b-c"], "condition": "clock of b", "why": ""},
            (WRONG, "links a-b, b-c suspended by 'clock of b': it went wrong, and well again"),
        ),
        (
            "distrusted",
            {"what": "contradicting results", "from": "alice", "batch": 7},
            (WRONG, "contradicting results from alice: batch 7"),
        ),
        ("turned_away", {"denied": 2}, (NOTE, "refused: 2 connections with a key that is not enrolled")),
        ("novelty_seen", {"where": "here", "empty": ""}, (PLAIN, "novelty seen: where here")),
        ("fault", {"cause": "another version"}, (PLAIN, "fault: cause another version")),
    ],
)
def test_an_event_says_what_happened(name, body, expected):
    assert said(name, **body) == expected


def test_every_event_that_a_service_publishes_has_words():
    folders = [Path(package.__file__).parent for package in (agent, coordinator)]
    text = "\n".join(path.read_text() for folder in folders for path in folder.glob("*.py"))
    published = set(re.findall(r'(?:Change|_publish|_happened|happened)\(\s*"(\w+)"', text))
    published |= {f"child_{kind}" for kind in re.findall(r'_report\("(\w+)"', text)} | {"released", "expired"}
    assert {"estop", "dark", "child_died", "started"} <= published
    assert published <= set(_WORDS), "events without words"
