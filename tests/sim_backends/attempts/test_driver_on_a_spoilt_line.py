"""A core's driver on a line that misbehaves: lost, spoilt and late replies, records that are gone."""

import pytest
from bellringer.drivers import open_instrument
from bellringer.drivers.interfaces import Refused
from bellringer.sim_backends.lab.byte_ports import Fault
from bellringer.testbed.errors import IdentityError, InstrumentError

S = 10**12
P = 5_000_000


@pytest.mark.parametrize("kind", ["drop", "corrupt", "garbage", "truncate", "late", "stale"])
@pytest.mark.parametrize("count", [1, 2])
def test_row_13_every_command_survives_a_spoilt_reply(driven, kind, count):
    cores = driven()
    program = cores.bench.program(keep="measure")
    start_ps = cores.now() + 20 * S
    core, port = cores.alice, cores.bench.alice.main_port
    for call in (
        lambda: core.load(program),
        lambda: core.arm(7, 1, start_ps, program.digest),
        lambda: core.commit(7),
        lambda: core.abort(7, "enough"),
        lambda: core.report(7),
        lambda: core.state,
    ):
        port.faults.append(Fault(kind, count, 1.4))
        call()
        port.faults.clear()
    assert core.state == "DARK"
    assert core.report(7).stopped_by == "enough"


def test_row_13_a_bit_is_measured_once_however_often_it_is_asked_for(driven):
    cores = driven()
    cores.run(cores.bench.program(), ahead_ps=S // 2)
    cores.charlie.read_heralds(1.0)
    cores.bench.alice.main_port.faults.append(Fault("drop", 2))
    assert cores.alice.measure(0, "X") == 1
    assert [each[0] for each in cores.bench.source.done] == ["measure"]


def test_row_13_a_lost_reply_to_commit_is_no_refusal_though_the_batch_is_over_meanwhile(driven):
    cores = driven()
    program = cores.bench.program(keep="measure")
    for core in (cores.alice, cores.bob):
        core.load(program)
        core.arm(7, 1, cores.now() + S // 2, program.digest)
    cores.bench.alice.main_port.faults.append(Fault("drop", 1))
    cores.alice.commit(7)
    assert cores.now() > S
    assert cores.alice.state == "DONE"


def test_row_13_a_bit_of_an_old_connection_is_not_given_again(driven):
    cores = driven()
    cores.run(cores.bench.program(), ahead_ps=S // 2)
    cores.charlie.read_heralds(1.0)
    cores.alice.abandon()
    cores.alice.open()
    assert cores.alice.measure(0, "X") == 1
    cores.alice.abandon()
    cores.alice.open()
    with pytest.raises(Refused, match="there is no qubit in it"):
        cores.alice.measure(0, "X")


def test_records_that_are_gone_are_counted_and_passed_over(driven):
    cores = driven()
    core = cores.bench.charlie
    core._sessions, sessions = {}, core._sessions  # nobody hears what comes now
    for number in range(1, 5001):
        core.herald(f"1 {number} 1 {number} -")
    core._sessions = sessions
    cores.run(cores.bench.program(keep="measure"), ahead_ps=S // 2)
    heralds = cores.charlie.read_heralds(1.0)
    assert cores.charlie.records_lost == heralds[0].hseq - 1 > 900
    assert [each.hseq for each in heralds] == [*range(heralds[0].hseq, heralds[-1].hseq + 1)]


def test_row_13_silence_is_an_error_after_three_tries(driven):
    cores = driven()
    cores.bench.alice.main_port.faults.append(Fault("drop", 3))
    before = cores.now()
    with pytest.raises(InstrumentError, match="no complete answer"):
        cores.alice.reset(0)
    assert cores.now() - before == 3 * S


@pytest.mark.parametrize("kind", ["drop", "corrupt", "garbage", "truncate", "own"])
def test_row_13_records_that_were_lost_or_spoilt_are_fetched(driven, kind):
    cores = driven()
    start_ps = cores.run(cores.bench.program(keep="measure"), ahead_ps=S // 2)
    if kind == "own":
        cores.bench.charlie.own_fault("lose_records")
    else:
        cores.bench.charlie.main_port.faults.append(Fault(kind, 2))
    cores.clock.sleep(0.6)
    heralds = cores.charlie.read_heralds(0.0)
    assert [(each.hseq, each.k, each.t_ps) for each in heralds] == [
        (number, k, start_ps + k * P + 1_000_000) for number, k in ((1, 3), (2, 7), (3, 9))
    ]


def test_the_last_record_of_a_batch_is_missed_by_the_report_if_not_before(driven):
    cores = driven(clicks=[(3, 0b01)])
    cores.bench.charlie.own_fault("lose_records")
    cores.run(cores.bench.program(keep="measure"), ahead_ps=S // 2)
    assert cores.charlie.read_heralds(1.0) == []
    cores.charlie.report(7)
    assert [each.k for each in cores.charlie.read_heralds(0.0)] == [3]


def test_after_a_broken_connection_records_go_on_where_they_stopped(driven):
    cores = driven()
    cores.run(cores.bench.program(keep="measure"), ahead_ps=S // 2)
    assert [each.k for each in cores.charlie.read_heralds(1.0)] == [3]
    cores.charlie.abandon()
    cores.clock.sleep(0.2)
    cores.charlie.open()
    assert [each.k for each in cores.charlie.read_heralds(0.1)] == []  # it went dark with the connection
    assert cores.charlie.report(7).stopped_by == "connection lost"


# --- somebody else on the port --------------------------------------------------------------------------------


def test_row_11_something_else_on_the_port_is_named(driven, tmp_path):
    cores = driven()
    port = cores.lab.tcp_port("stranger", lambda data, client: None)
    with pytest.raises(IdentityError, match="it does not greet"):
        open_instrument("attempt_core", port.resource, clock=cores.clock)
    port.on_connect = lambda client: client.send(b"SSH-2.0-OpenSSH_9.2\r\n")
    with pytest.raises(IdentityError, match=r"it greets with .*SSH-2\.0"):
        open_instrument("attempt_core", port.resource, clock=cores.clock)


def test_a_core_that_is_controlled_by_somebody_else_is_refused(driven):
    cores = driven()
    with pytest.raises(Refused, match="somebody else has control") as refusal:
        cores.driver("alice")
    assert refusal.value.code == "role"
