"""Roles: every request is in the table; a role may what the ones before it may, but only nodes speak as one; the
e-stop is everybody's."""

import typing

import pytest
from bellringer.orchestrator.heralding.messages import Show
from bellringer.orchestrator.wire import ROLES, allowed
from bellringer.orchestrator.wire.messages import (
    Call,
    Do,
    EStop,
    Get,
    Hello,
    Keys,
    Log,
    Message,
    Register,
    Renew,
    Request,
    Set,
    Status,
    Subscribe,
)
from bellringer.orchestrator.wire.roles import NEEDED

EXAMPLES = {
    "observer": [
        Get(1, "a", "b", 1),
        Status(1),
        Hello(1),
        EStop(1),
        Do(1, "a", "snapshot", 1),
        Do(1, "a", "identity", 1),
        Do(1, "a", "describe", 1),
        Subscribe(1, "a"),
        Log(1),
    ],
    "node": [Renew(1, "alice", "b", 0.0), Register(1, "alice", "b", "c", "s", "k", ()), Show(1, "a", "")],
    "operator": [Set(1, "a", "b", 1.0, 1), Call(1, "a", "b", 1), Do(1, "a", "open", 1), Do(1, "a", "safe_state", 1)],
    "admin": [Keys(1, "revoke", "x")],
}


def test_every_request_is_in_the_table():
    assert set(NEEDED) == set(typing.get_args(Request))


@pytest.mark.parametrize("least", ROLES)
@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_what_its_own_and_lower_roles_may_and_no_more(role, least):
    for message in EXAMPLES[least]:
        may = role == "node" if least == "node" else ROLES.index(role) >= ROLES.index(least)
        assert allowed(role, message) == may, message


@pytest.mark.parametrize("role", ["", "root", "Admin", "operator "])
def test_an_unknown_role_may_nothing(role):
    assert not any(allowed(role, message) for messages in EXAMPLES.values() for message in messages)


def test_a_message_not_in_the_table_needs_an_admin():
    class Novelty(Message, tag="novelty"):
        pass

    assert [role for role in ROLES if allowed(role, Novelty(1))] == ["admin"]
