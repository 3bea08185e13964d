"""What must hold in every schedule; looked at in true time, with what no party knows about the others.

Whatever breaks a rule raises ``Violation`` at once.
"""

from bellringer.orchestrator.coordinator.nodes import LEASE_S
from bellringer.orchestrator.heralding import frames
from bellringer.orchestrator.heralding.entries import Corrected, Heralded, from_bytes, records_of, result_of
from bellringer.orchestrator.heralding.messages import Aborted, Confirm, Result

EXACT_PS = 10**6


class Violation(AssertionError):
    """A rule was broken."""


class Rules:
    def __init__(self, world):
        self.world = world
        self.contact, self.known_epoch = {}, {}  # party -> when it asked for its last lease; highest epoch it was told
        self.all_armed, self.starts = {}, {}  # batch -> who; when it was to begin
        self.firings, self.whole = {}, set()  # (party, batch) -> true start; who came to the program's end
        self.mistimed = set()
        self.gone, self.results, self.confirmed = set(), {}, {}
        self.ends, self.pairs, self.clicks, self.corrections = {}, set(), {}, {}
        self.void = 0

    def check(self, holds, rule, *about):
        if not holds:
            raise Violation(f"{rule}: {about} at {self.world.now_s:.6f} s")

    # --- light ----------------------------------------------------------------------------------------------------

    def leased(self, party, asked_s):
        self._within_lease(party)
        self.contact[party] = max(self.contact.get(party, 0.0), asked_s)

    def fired(self, party, loaded):
        batch, now_s = loaded.batch, self.world.now_s
        self.check((party, batch) not in self.firings, "no batch runs twice", party, batch)
        self.firings[party, batch] = now_s
        self.check(
            self.all_armed.get(batch, set()) == set(self.world.parties), "light only after all are armed", party, batch
        )
        self.check(self.world.is_committed(batch), "light only after the decision is on disk", party, batch)
        self.check(loaded.epoch >= self.known_epoch.get(party, 0), "nothing runs under an old epoch", party, batch)
        self._within_lease(party)
        if abs(now_s * 1e12 - loaded.start_ps) > EXACT_PS:
            self.mistimed.add(batch)
            frozen = self.world.processes[party].frozen
            self.check(frozen, "exactly at the start time or not at all", party, batch, loaded.start_ps / 1e12)

    def dark(self, party):
        self._within_lease(party)
        loaded = self.world.cores[party].loaded
        if loaded.fired_s is not None and self.world.now_s - loaded.fired_s >= self.world.length_s - 1e-9:
            self.whole.add((party, loaded.batch))

    def _within_lease(self, party):
        if self.world.cores[party].lit():
            dark_s = self.contact.get(party, -10.0) + LEASE_S
            self.check(self.world.now_s <= dark_s + 1e-6, "light only within the lease", party, dark_s)

    # --- epochs ---------------------------------------------------------------------------------------------------

    def met(self, party, epoch):
        self.known_epoch[party] = max(self.known_epoch.get(party, 0), epoch)

    def restarted(self, party, recovered):
        self.known_epoch[party] = recovered.epoch  # what was not on disk yet may be forgotten

    def settled(self, party):
        """An agent has done all that followed from one input."""
        core = self.world.cores[party]
        if core.lit():
            known = self.known_epoch.get(party, 0)
            self.check(core.loaded.epoch >= known, "nothing runs on under an old epoch", party)

    # --- batches --------------------------------------------------------------------------------------------------

    def allocated(self, batch, epoch, start_ps):
        self.check(batch not in self.starts, "no number is used twice", batch)
        self.starts[batch] = start_ps

    def armed(self, party, batch):
        self.check((party, batch) not in self.gone, "what was said to have no result is never armed", party, batch)
        self.all_armed.setdefault(batch, set()).add(party)

    def said(self, party, message):
        key = (party, message.batch)
        if isinstance(message, Aborted) and key not in self.results:
            self.gone.add(key)
        elif isinstance(message, Confirm):
            self.confirmed.setdefault(key, []).extend(records_of(message.body))
        elif isinstance(message, Result):
            self.check(key not in self.gone, "what was said to have no result has none", *key)
            known = self.results.setdefault(key, message.body)
            self.check(known == message.body, "a result that was told never changes", *key)
            told = set(self.confirmed.get(key, ()))
            self.check(told <= set(result_of(message.body).records), "what was confirmed is in the result", *key)

    def concluded(self, end, store, database):
        known = self.ends.setdefault((id(database), end.batch), end.state)
        self.check(known == end.state, "a batch has one end", end)
        self.void += end.state == "VOID"
        if end.state == "RECORDED":
            bodies = store.results(end.run, end.batch)
            results = [result_of(body) for body in bodies.values()]
            self.check(bodies.keys() == set(self.world.parties), "recorded means results of all", end)
            same = {(each.epoch, each.start_ps, each.digest, each.complete) for each in results}
            self.check(len(same) == 1 and results[0].complete, "recorded results agree", end, same)
            for party in self.world.parties:
                self.check((party, end.batch) in self.whole, "recorded batches ran from start to end", party, end)
            self.check(end.batch not in self.mistimed, "recorded batches began at their start time", end)

    # --- pairs ----------------------------------------------------------------------------------------------------

    def clicked(self, record):
        self.clicks[record.batch, record.hseq] = self.world.now_s

    def applied(self, party, batch, k):
        self.check((party, batch, k) not in self.corrections, "one correction an attempt", party, batch, k)
        self.corrections[party, batch, k] = self.world.now_s

    def delivered(self, pair, database):
        world, program = self.world, self.world.program
        store = id(database)
        for key in ((store, pair.batch, "hseq", pair.hseq), (store, pair.batch, "k", pair.k)):
            self.check(key not in self.pairs, "a pair is delivered once", key)
            self.pairs.add(key)
        herald_s = self.clicks[pair.batch, pair.hseq]
        kind = {party: Heralded if party == world.station else Corrected for party in world.parties}
        for party in world.parties:
            held = [each for each in self._on_disk(party) if isinstance(each, kind[party])]
            same = [each for each in held if (each.batch, each.k, each.hseq) == (pair.batch, pair.k, pair.hseq)]
            self.check(len(same) == 1 and not same[0].reason, "all three hold a delivered pair", party, pair)
        for each in program.feedforward:
            if each.label == pair.label and each.operation != "I":
                made_s = self.corrections.get((each.node, pair.batch, pair.k))
                self.check(made_s is not None, "a delivered pair was corrected", each.node, pair)
                late_s = made_s - herald_s - each.deadline_ps / 1e12
                self.check(late_s <= 1e-6, "no late correction is delivered", each.node, pair, late_s)

    def _on_disk(self, party):
        kept = self.world.disks[party].kept
        return [from_bytes(frame.payload) for data in kept.values() for frame in frames.frames(bytes(data))]

    # --- at the end -----------------------------------------------------------------------------------------------

    def finish(self, store):
        self.check(not store.open_batches(), "every batch ends", store.open_batches())
        for (party, batch), body in self.results.items() if len(self.world.databases) == 1 else ():
            kept = store.results("run", batch).get(party)
            self.check(kept == body, "no acknowledged result is lost or changed", party, batch)
        for party, batch in self.confirmed:
            self.check((party, batch) in self.results, "what was confirmed has a result", party, batch)
