"""The bare peers that figures are compared with: pyzmq and nothing else, the same security, the same machine."""

import contextlib
import socket
from multiprocessing.connection import Connection

import zmq


def router(ready: Connection, secret: bytes) -> zmq.Socket[bytes]:
    """Return a ROUTER with a CURVE key, bound; its port is told through ``ready``."""
    socket_ = zmq.Context.instance().socket(zmq.ROUTER)
    socket_.linger, socket_.curve_server, socket_.curve_secretkey = 0, 1, secret
    ready.send(socket_.bind_to_random_port("tcp://127.0.0.1"))
    return socket_


def dealer(port: int, server_public: bytes) -> zmq.Socket[bytes]:
    """Return a DEALER with a key of its own, connected."""
    socket_ = zmq.Context.instance().socket(zmq.DEALER)
    socket_.linger, socket_.curve_serverkey = 0, server_public
    socket_.curve_publickey, socket_.curve_secretkey = zmq.curve_keypair()
    socket_.connect(f"tcp://127.0.0.1:{port}")
    return socket_


def echo_server(ready: Connection, secret: bytes, answer_size: int) -> None:
    """Answer every message with one of ``answer_size`` bytes."""
    socket_, answer = router(ready, secret), bytes(answer_size)
    while True:
        peer, _ = socket_.recv_multipart()
        socket_.send_multipart([peer, answer])


def chain_server(ready: Connection, secret: bytes, answer_size: int, pipe: Connection) -> None:
    """Answer every message after it went down ``pipe`` and an answer came back."""
    socket_, answer = router(ready, secret), bytes(answer_size)
    while True:
        peer, message = socket_.recv_multipart()
        pipe.send_bytes(message)
        pipe.recv_bytes()
        socket_.send_multipart([peer, answer])


def chain_child(ready: Connection, pipe: Connection, port: int, question: bytes) -> None:
    """Answer every message on ``pipe`` after one question to the instrument at ``port``."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(EOFError):  # the server ends first
        while True:
            message = pipe.recv_bytes()
            connection.sendall(question)
            connection.recv(4096)
            pipe.send_bytes(message)
