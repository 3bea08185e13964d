"""Qubits prepared by a command, and two of them measured in the Bell basis, through the driver."""

import pytest
from bellringer.drivers.interfaces import Refused
from bellringer.sim_backends.lab.byte_ports import Fault
from bellringer.testbed.errors import LimitError

S = 10**12


def test_a_prepared_qubit_and_a_pairs_qubit_are_measured_in_the_bell_basis_and_their_slots_are_free(driven):
    cores = driven()
    cores.bench.alice.memory.slots.append(None)
    cores.run(cores.bench.program(), ahead_ps=S // 2)
    cores.charlie.read_heralds(1.0)
    cores.alice.prepare(1, "X-")
    assert [(each.slot, each.batch, each.k) for each in cores.alice.held()] == [(0, 7, 3), (1, 0, 1)]
    assert cores.alice.measure_bell(1, 0) == "psi-"
    assert cores.alice.held() == []
    prepared, measured = cores.bench.source.done
    assert prepared[:4] == ("prepare", "alice.core", 1, "X-")
    assert measured[:3] == ("bell", ("alice.core", 0, 1), ("alice", 7, 3))


def test_what_cannot_be_prepared_or_measured_in_the_bell_basis_is_refused(driven):
    cores = driven()
    cores.run(cores.bench.program(), ahead_ps=S // 2)
    cores.charlie.read_heralds(1.0)
    with pytest.raises(Refused, match="taken"):
        cores.alice.prepare(0, "Z+")
    with pytest.raises(LimitError, match="'0' is no eigenstate"):
        cores.alice.prepare(0, "0")
    with pytest.raises(Refused, match="no qubit in it"):
        cores.alice.measure_bell(0, 0)
    with pytest.raises(LimitError, match="no gates with 'right'"):
        cores.alice.measure_bell(0, 0, "right")
    assert len(cores.alice.held()) == 1


def test_row_13_a_bell_measurement_is_made_once_however_often_it_is_asked_for(driven):
    cores = driven()
    cores.bench.alice.memory.slots.append(None)
    cores.run(cores.bench.program(), ahead_ps=S // 2)
    cores.charlie.read_heralds(1.0)
    cores.bench.alice.main_port.faults.append(Fault("drop", 2))
    cores.alice.prepare(1, "Z+")
    cores.bench.alice.main_port.faults.append(Fault("drop", 2))
    assert cores.alice.measure_bell(1, 0) == "psi-"
    assert [each[0] for each in cores.bench.source.done] == ["prepare", "bell"]
