"""``Net``: several computers on one, in network namespaces."""

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import zmq

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def ip(*words: str, inside: str = "") -> None:
    """Run iproute2's ``ip``, in a namespace if one is given."""
    subprocess.run(["ip", *(["-n", inside] if inside else []), *words], check=True, capture_output=True, text=True)


class Net:
    """Hosts in network namespaces of their own, all behind one router, which drops packets on request.

    Nothing tells the hosts that packets are dropped: no reset, no ICMP, no carrier loss.
    """

    def __init__(self, addresses: dict[str, str]) -> None:
        self.addresses = addresses
        self._names = {name: f"bell{os.getpid()}-{name}" for name in (*addresses, "router")}
        self._open = contextlib.ExitStack()
        try:
            self._build()
        except BaseException:
            self._open.close()
            raise

    def _build(self) -> None:
        for name in self._names.values():
            ip("netns", "add", name)
            self._open.callback(ip, "netns", "del", name)
            ip("link", "set", "lo", "up", inside=name)
        router = self._names["router"]
        subprocess.run([*self.inside("router"), "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"], check=True)
        for number, (host, address) in enumerate(self.addresses.items()):
            here, there = self._names[host], f"to{number}"
            ip("link", "add", "net0", "netns", here, "type", "veth", "peer", "name", there, "netns", router)
            ip("addr", "add", "192.0.2.1/32", "dev", there, inside=router)
            ip("link", "set", there, "up", inside=router)
            ip("route", "add", f"{address}/32", "dev", there, inside=router)
            ip("addr", "add", f"{address}/32", "dev", "net0", inside=here)
            ip("link", "set", "net0", "up", inside=here)
            ip("route", "add", "192.0.2.1/32", "dev", "net0", inside=here)
            ip("route", "add", "default", "via", "192.0.2.1", inside=here)

    def inside(self, host: str) -> list[str]:
        """Return the words that make a command run on a host."""
        return ["ip", "netns", "exec", self._names[host]]

    def context(self, host: str) -> "zmq.Context[zmq.Socket[bytes]]":
        """Return a ZeroMQ context whose sockets are on a host: its threads are born there."""
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self._names[host]}") as there:
            assert LIBC.setns(there.fileno(), CLONE_NEWNET) == 0
            try:
                context: zmq.Context[Any] = zmq.Context()
                context.socket(zmq.PAIR).close(0)
            finally:
                assert LIBC.setns(home.fileno(), CLONE_NEWNET) == 0
        return context

    @contextlib.contextmanager
    def cut(self, *ways: tuple[str, str]) -> Iterator[None]:
        """Drop every packet from one host to another, for each (from, to)."""
        rules = [("from", self.addresses[a], "to", self.addresses[b], "blackhole") for a, b in ways]
        for rule in rules:
            ip("rule", "add", *rule, inside=self._names["router"])
        try:
            yield
        finally:
            for rule in rules:
                ip("rule", "del", *rule, inside=self._names["router"])

    def close(self) -> None:
        self._open.close()
