"""Services that are forks: what they keep, what not, and how their end is told. Forked by a process with one thread."""

import json
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.process

BEGIN = """
    import json, os, signal, subprocess, sys, threading, time
    from bellringer.console.forked import Forked, can_fork
    from bellringer.console.services import Service

    tell = lambda body: print(json.dumps(body), flush=True)
"""
ECHO = """
import os, signal, sys

def main():
    print(repr(sys.argv), flush=True)
    for line in sys.stdin:
        if line == "what is open?\\n":
            print(sorted(os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")), flush=True)
        if line == "who are you?\\n":
            print(open("/proc/self/comm").read().strip(), os.getsid(0) == os.getpid(),
                  signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, flush=True)
        if line == "fail\\n":
            raise ValueError("as you like")
        if line == "leave\\n":
            return 3
    print("nobody is left", file=sys.stderr)
"""


@pytest.fixture
def told(tmp_path):
    """Run lines of Python in a fresh interpreter and return what they tell; ``echo`` is the service."""
    (tmp_path / "echo.py").write_text(ECHO)

    def run(lines):
        code = textwrap.dedent(BEGIN) + textwrap.dedent(lines)
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=50)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    return run


def test_it_runs_main_with_its_words_name_and_session(told):
    (words, who), _ = told("""
        signal.signal(signal.SIGTERM, lambda *_: None)
        one = Forked("a long name for a service", "echo", ["--seed", "1"])
        tell(one.stdout.readline().decode())
        one.stdin.write(b"who are you?\\n"); one.stdin.flush()
        tell(one.stdout.readline().decode())
        one.stdin.close()
        one.wait(20)
    """)
    assert words == "['echo', '--seed', '1']\n"
    assert who == "a long name for True True\n"


def test_it_keeps_nothing_that_was_open_here(told):
    ((others, secret),), _ = told("""
        kept = open("secret", "w")
        first, second = Forked("one", "echo", []), Forked("two", "echo", [])
        second.stdout.readline()
        second.stdin.write(b"what is open?\\n"); second.stdin.flush()
        names = second.stdout.readline().decode()
        ours = [os.readlink(f"/proc/self/fd/{f.fileno()}") for f in (first.stdin, first.stdout)]
        tell([[name for name in ours if name in names], "secret" in names])
        for each in (first, second):
            each.stdin.close()
            each.wait(20)
    """)
    assert others == []
    assert not secret


def test_its_end_is_told_as_of_any_process(told):
    statuses, errors = told("""
        def ended(line, kill=False):
            one = Forked("one", "echo", [])
            one.stdout.readline()
            assert one.poll() is None
            try:
                one.wait(0.05)
            except subprocess.TimeoutExpired:
                pass
            if kill:
                one.kill()
            one.stdin.write(line); one.stdin.close()
            status = one.wait(20)
            one.kill()  # nobody any more
            assert one.poll() == status
            return status
        tell([ended(b""), ended(b"leave\\n"), ended(b"fail\\n"), ended(b"", kill=True)])
    """)
    assert statuses == [[0, 3, 1, -9]]
    assert "ValueError: as you like" in errors
    assert "nobody is left" in errors


def test_every_thread_hears_how_it_ended(told):
    (statuses,), _ = told("""
        one = Forked("one", "echo", [])
        one.stdout.readline()
        heard = []

        def look():
            while (status := one.poll()) is None:
                pass
            heard.append(status)

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        one.stdin.write(b"leave\\n"); one.stdin.close()
        for thread in threads:
            thread.join()
        tell(heard)
    """)
    assert statuses == [3] * 8


def test_when_its_parent_is_killed_its_input_ends(tmp_path, told):
    told("""
        pid = os.fork()
        if pid == 0:
            errors = open("errors", "wb")
            others = [Forked("one", "echo", [], errors) for _ in range(3)]
            for each in others:
                each.stdout.readline()
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
        end = time.monotonic() + 20
        while open("errors").read().count("nobody is left") < 3:
            assert time.monotonic() < end
            time.sleep(0.01)
    """)


def test_a_process_with_two_threads_starts_a_fresh_interpreter(told):
    ((alone, forked, threads, fresh),), _ = told("""
        alone = can_fork()
        one = Service("the one", "echo")
        over = threading.Event()
        thread = threading.Thread(target=over.wait)
        thread.start()
        threads = can_fork()
        two = Service("the two", "echo_as_main")
        tell([alone, isinstance(one._process, Forked), threads, isinstance(two._process, subprocess.Popen)])
        over.set(); thread.join()
        one.stop(); two.stop()
    """)
    assert (alone, forked, threads, fresh) == (True, True, False, True)
