"""What a core answers to each command of attempt/1, and why it refuses."""

import hashlib
import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from ....testbed.attempts import AttemptProgram, from_json
from ....testbed.errors import ProgramError
from .attempt_memory import NoQubit
from .attempt_run import OVER, Run
from .attempt_wire import BODY_S, Session

if TYPE_CHECKING:
    from .attempt_core import AttemptCoreTwin

_LONGEST_PROGRAM = 1 << 20
_PROGRAMS = 8
_PAGE = 256
_LOAD = re.compile(r"([1-9]\d{0,17}) LOAD ([0-9a-f]{64}) ([1-9]\d{0,17})")
_ONCE = ("OPERATE", "MEASURE", "PREPARE", "BELL")
"""Commands that are answered again, but not done twice."""


class Refusal(Exception):
    """A command that is answered with ERR, a code and a text."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        super().__init__(f"{code} {text}")


class Commands:
    """The commands of one core."""

    def __init__(self, core: "AttemptCoreTwin") -> None:
        self._core = core
        self._once: tuple[str, str] = ("", "")
        """The last command that must not be done twice, and its reply."""

    @classmethod
    def words(cls) -> list[str]:
        """Return the commands besides OPEN."""
        return list(cls._words)

    def announce_body(self, session: Session, text: str) -> None:
        """A LOAD line is followed by its body, which must be taken in before the command is obeyed."""
        load = _LOAD.fullmatch(text)
        if load is None:
            return
        number, digest, count = load[1], load[2], int(load[3])
        if count > _LONGEST_PROGRAM:  # nobody wants to read past it to the next line
            session.say(f"{number} ERR long {count} bytes, at most {_LONGEST_PROGRAM}")
            self._core.hang_up(session)
            return

        def missing() -> None:
            session.give_up_body()
            session.say(f"{number} ERR garbage the body did not come whole")

        patience = self._core.lab.after(BODY_S, missing, owner=self._core.name)

        def loaded(body: bytes) -> None:
            patience.cancel()
            act = partial(self._loaded, session, number, digest, body)
            self._core.lab.after(self._core.model.reaction, act, owner=self._core.name)

        session.expect_body(count, loaded)

    def obey(self, session: Session, text: str) -> None:
        """Carry out one line and answer it."""
        number, _, rest = text.partition(" ")
        word = rest.partition(" ")[0]
        if session.role == "feedforward":
            self._feedforward(text)
        elif session.role == "records" or _LOAD.fullmatch(text):
            pass  # nothing is asked on a records connection; LOAD is answered when its body is there
        elif not number.isdecimal() or number == "0":
            session.say("0 ERR command a command begins with its number")
        elif word in _ONCE and self._once[0] == text:
            session.say(self._once[1])
        else:
            lines = [f"{number} {line}" for line in self._answer(session, rest)]
            if word in _ONCE:
                self._once = (text, lines[0])
            session.say(*lines)

    def _answer(self, session: Session, rest: str) -> list[str]:
        word, _, argument = rest.partition(" ")
        try:
            if word == "OPEN":
                return self._open(session, argument.split(" "))
            if session is not self._core.control:
                raise Refusal("role", "OPEN control first")
            if word not in self._words:
                raise Refusal("command", f"there is no {word}")
            return self._words[word](self, argument)
        except Refusal as refusal:
            return [f"ERR {refusal}"]
        except NoQubit:
            return ["ERR slot there is no qubit in it"]
        except ValueError:
            return [f"ERR command {word} does not take '{argument.replace('*', '?')[:80]}'"]

    # --- connections ------------------------------------------------------------------------------------------

    def _open(self, session: Session, words: list[str]) -> list[str]:
        if session.role:
            raise Refusal("role", f"this connection is {session.role} already")
        if words[0] == "control" and len(words) == 2:
            lease_ms = _number(words[1])
            if not 100 <= lease_ms <= 60_000:
                raise Refusal("command", "a lease is 100 to 60000 ms")
            if self._core.control is not None:
                raise Refusal("role", "somebody else has control")
            self._core.take_control(session, lease_ms / 1000)
            self._once = ("", "")  # numbers begin anew
            return [f"OK lease={lease_ms}"]
        if words[0] == "records" and len(words) == 2:
            first = _number(words[1]) or self._core.last_record + 1
            if self._core.records(first, 0) is None:
                raise Refusal("gone", f"first={self._core.oldest_record}")
            self._core.lab.after(0.0, lambda: self._core.listen(session, first), owner=self._core.name)
            return [f"OK records={self._core.last_record}"]
        if words == ["feedforward"]:
            session.role = "feedforward"
            return ["OK"]
        raise Refusal("command", "OPEN control <lease ms>, records <from> or feedforward")

    def _feedforward(self, text: str) -> None:
        words = text.split(" ")
        try:
            if len(words) != 6 or words[0] != "APPLY" or words[4] not in ("I", "X", "Y", "Z"):
                raise ValueError
            batch, k, hseq, not_after = (_number(words[index]) for index in (1, 2, 3, 5))
        except ValueError:
            self._core.garbage += 1
            return
        self._core.correct(batch, k, hseq, words[4], not_after)

    # --- programs ---------------------------------------------------------------------------------------------

    def _loaded(self, session: Session, number: str, digest: str, body: bytes) -> None:
        try:
            if session is not self._core.control:
                raise Refusal("role", "OPEN control first")
            self._take(digest, body)
            session.say(f"{number} OK program={digest}")
        except Refusal as refusal:
            session.say(f"{number} ERR {refusal}")

    def _odd_load(self, argument: str) -> list[str]:
        raise ValueError(argument)  # a LOAD in the right form never comes here

    def _take(self, digest: str, body: bytes) -> None:
        found = hashlib.sha256(body).hexdigest()
        if found != digest:
            raise Refusal("hash", f"the body has {found}")
        try:
            program = from_json(body)
        except ProgramError as error:
            raise Refusal("program", _one_line(error.what)) from None
        if program.canonical() != body:
            raise Refusal("program", "the body is not in canonical form")
        self._check(program)
        programs = self._core.programs
        programs.pop(digest, None)
        programs[digest] = program
        while len(programs) > _PROGRAMS:
            del programs[next(iter(programs))]

    def _check(self, program: AttemptProgram) -> None:
        core = self._core
        here = [program.station] if core.is_station else program.nodes
        if core.core_name not in here:
            raise Refusal("program", f"this is {core.core_name}, the program is for {' '.join(here)}")
        step = round(core.model.resolution * 1e12)
        times = [program.period_ps, *(t for pulse in program.pulses for t in (pulse.begin_ps, pulse.length_ps))]
        if any(time % step for time in times):
            raise Refusal("program", f"period or pulses are no multiples of {step} ps")
        if program.keep == "keep" and not core.is_station and program.memory_modes > len(core.memory.slots):
            raise Refusal("program", f"memory_modes is {program.memory_modes}, slots {len(core.memory.slots)}")

    # --- batches ----------------------------------------------------------------------------------------------

    def _arm(self, argument: str) -> list[str]:
        core = self._core
        *words, digest = argument.split(" ")
        batch, epoch, start_ps = map(_number, words)
        run = core.run
        same = run is not None and (run.batch, run.epoch, run.start_ps) == (batch, epoch, start_ps)
        if run is not None and same and run.program.digest == digest and run.state == "ARMED":
            return ["OK state=ARMED"]
        if core.busy():
            assert run is not None
            raise Refusal("busy", f"batch {run.batch} is {run.state}")
        if epoch < core.epoch:
            raise Refusal("epoch", f"epoch {core.epoch} was seen")
        if batch in core.runs or batch in core.never:
            raise Refusal("repeated", f"batch {batch} was there before")
        if digest not in core.programs:
            raise Refusal("hash", "no such program is loaded")
        if not core.locked:
            raise Refusal("clock", "the clock is not locked")
        ahead_ps = start_ps - core.lab.now_ps
        if ahead_ps <= 0:
            raise Refusal("past", f"the start was {-ahead_ps} ps ago")
        if ahead_ps < core.lead_ps:
            raise Refusal("lead", f"{core.lead_ps - ahead_ps} ps too near")
        program = core.programs[digest]
        if program.keep == "keep" and not core.is_station and core.memory.free() is None:
            raise Refusal("slot", "no memory slot is free")
        core.arm(program, batch, epoch, start_ps)
        return ["OK state=ARMED"]

    def _commit(self, argument: str) -> list[str]:
        run = self._known(_number(argument))
        if run.was_committed:
            return [f"OK state={run.state}"]
        late_ps = self._core.lab.now_ps - run.start_ps
        if late_ps >= 0:
            raise Refusal("late", f"by {late_ps} ps")
        if run.state != "ARMED":
            raise Refusal("state", f"the batch is {run.state}: {run.stopped_by}")
        run.commit()
        return ["OK state=COMMITTED"]

    def _abort(self, argument: str) -> list[str]:
        number, _, reason = argument.partition(" ")
        batch = _number(number)
        if batch in self._core.runs:
            self._core.runs[batch].end("DARK", reason or "aborted")
        else:
            self._core.never.add(batch)
        return [f"OK state={self._core.state}"]

    def _dark(self, argument: str) -> list[str]:
        self._core.dark("dark")
        return [f"OK outputs={self._outputs()}"]

    def _status(self, argument: str) -> list[str]:
        core, run = self._core, self._core.run
        return [
            f"OK state={core.state} batch={run.batch if run else 0} epoch={core.epoch} "
            f"program={run.program.digest if run else '-'} clock={'locked' if core.locked else 'unlocked'} "
            f"now={core.lab.now_ps} outputs={self._outputs()} hseq={core.hseq} records={core.last_record} "
            f"garbage={core.garbage}"
        ]

    def _report(self, argument: str) -> list[str]:
        run = self._known(_number(argument))
        if run.state not in OVER:
            raise Refusal("busy", f"the batch is {run.state}")
        return [
            f"OK batch={run.batch} state={run.state} attempts={run.attempts} first={run.first_hseq} "
            f"heralds={run.records} applied={len(run.applied)} lateness={run.lateness_ps} "
            f"underflows={run.underflows} records={self._core.last_record} stopped={run.stopped_by}"
        ]

    def _applied(self, argument: str) -> list[str]:
        batch, first = map(_number, argument.split(" "))
        return _listed([f"A {line}" for line in self._known(batch).applied[first : first + _PAGE]])

    def _records(self, argument: str) -> list[str]:
        first, most = map(_number, argument.split(" "))
        lines = self._core.records(first, min(most, _PAGE))
        if lines is None:
            raise Refusal("gone", f"first={self._core.oldest_record}")
        return _listed(lines)

    def _known(self, batch: int) -> Run:
        if batch in self._core.runs:
            return self._core.runs[batch]
        if batch in self._core.never:
            raise Refusal("gone", f"batch {batch} is no longer remembered, or was aborted before it came")
        raise Refusal("state", f"there is no batch {batch}")

    def _outputs(self) -> str:
        return "on" if self._core.emitting.at(self._core.lab.now_ps) else "off"

    # --- memory -----------------------------------------------------------------------------------------------

    def _slots(self, argument: str) -> list[str]:
        return _listed(self._core.memory.lines())

    def _operate(self, argument: str) -> list[str]:
        slot, operation = argument.split(" ")
        if operation not in ("I", "X", "Y", "Z", "H"):
            raise ValueError
        return [f"OK t={self._core.memory.operate(_number(slot), operation)}"]

    def _measure(self, argument: str) -> list[str]:
        slot, basis = argument.split(" ")
        if basis not in ("X", "Y", "Z"):
            raise ValueError
        return [f"OK bit={self._core.memory.measure(_number(slot), basis)}"]

    def _prepare(self, argument: str) -> list[str]:
        slot, state = argument.split(" ")
        if state not in ("Z+", "Z-", "X+", "X-", "Y+", "Y-"):
            raise ValueError
        try:
            self._core.memory.prepare(_number(slot), state)
        except NoQubit:
            raise Refusal("slot", "there is no such slot, or it is taken") from None
        return ["OK"]

    def _bell(self, argument: str) -> list[str]:
        first, second, partner = argument.split(" ")
        partners = self._core.partners()
        if partner != "-" and partner not in partners:
            raise Refusal("slot", "there are no gates with that core")
        other = self._core if partner == "-" else partners[partner]
        return [f"OK label={self._core.memory.measure_bell(_number(first), other.memory, _number(second))}"]

    def _reset(self, argument: str) -> list[str]:
        self._core.memory.reset(_number(argument))
        return ["OK"]

    _words: ClassVar[dict[str, Callable[["Commands", str], list[str]]]] = {
        "LOAD": _odd_load,
        "KEEPALIVE": lambda self, argument: ["OK"],
        "ARM": _arm,
        "COMMIT": _commit,
        "ABORT": _abort,
        "DARK": _dark,
        "STATUS": _status,
        "REPORT": _report,
        "APPLIED": _applied,
        "RECORDS": _records,
        "SLOTS": _slots,
        "OPERATE": _operate,
        "MEASURE": _measure,
        "PREPARE": _prepare,
        "BELL": _bell,
        "RESET": _reset,
    }


def _listed(lines: list[str]) -> list[str]:
    return [f"OK lines={len(lines)}", *lines]


def _number(text: str) -> int:
    """Return a plain decimal of 63 bits.

    Raises:
        ValueError: it is none.
    """
    value = int(text) if text.isdecimal() and text.isascii() else -1
    if not 0 <= value < 2**63:
        raise ValueError(text)
    return value


def _one_line(text: str) -> str:
    return "".join(each if 0x20 <= ord(each) <= 0x7E and each != "*" else " " for each in text)[:300]
