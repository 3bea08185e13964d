"""Looking at the processes of a testbed from outside: who is whose child, and who still runs."""

from pathlib import Path


def lives(pid: int) -> bool:
    """Return whether a process runs; one that ended and was not yet waited for does not."""
    return _stat(pid)[0] not in ("", "Z")


def children_of(pid: int, what: str = "") -> list[int]:
    """Return the children of a process whose command line or name holds ``what``, the oldest first.

    Those that were forked have the command line of their parent and a name of their own. Looked for among all
    processes: the kernel's own list of children leaves some out when others end meanwhile.
    """
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    ours = [each for each in pids if _stat(each)[1] == str(pid)]
    return sorted(each for each in ours if what in f"{command_of(each)} {name_of(each)}")


def the_child_of(pid: int, what: str) -> int:
    """Return the only child of a process whose command line or name holds ``what``."""
    (found,) = children_of(pid, what)
    return found


def all_below(pid: int) -> list[int]:
    """Return the children of a process, their children, and so on."""
    found = []
    for child in children_of(pid):
        found += [child, *all_below(child)]
    return found


def drivers_of(agent: int) -> list[int]:
    """Return the driver processes of an agent: its fork server has them, and the watchdog.

    Both go by names of their own, since all command lines are the agent's.
    """
    (server,) = [each for each in children_of(agent) if name_of(each) == "fork server"]
    return [each for each in children_of(server) if name_of(each) != "watchdog"]


def command_of(pid: int) -> str:
    """Return the command line of a process; nothing if it has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _stat(pid: int) -> tuple[str, str]:
    """Return (state, parent) of a process; two empty texts if it has gone."""
    try:
        state, parent, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", ""
    return state, parent
